//! The events that GitHub knows, their activity types and the filters they take.

/// One event and what may be written under it.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// The activity types; empty when it has none.
    pub(super) types: &'static [&'static str],
    /// The types that count when `types` is absent; empty means all of them.
    pub(super) default_types: &'static [&'static str],
    /// Its other keys.
    pub(super) keys: &'static [&'static str],
}

const fn plain(name: &'static str) -> Known {
    Known { name, types: &[], default_types: &[], keys: &[] }
}

const fn typed(name: &'static str, types: &'static [&'static str]) -> Known {
    Known { name, types, default_types: &[], keys: &["types"] }
}

const CREATED_EDITED_DELETED: &[&str] = &["created", "edited", "deleted"];
const BRANCHES: &[&str] = &["types", "branches", "branches-ignore"];
const BRANCHES_AND_PATHS: &[&str] = &["types", "branches", "branches-ignore", "paths", "paths-ignore"];
const PULL_REQUEST: &[&str] = &[
    "assigned",
    "unassigned",
    "labeled",
    "unlabeled",
    "opened",
    "edited",
    "closed",
    "reopened",
    "synchronize",
    "converted_to_draft",
    "locked",
    "unlocked",
    "enqueued",
    "dequeued",
    "milestoned",
    "demilestoned",
    "ready_for_review",
    "review_requested",
    "review_request_removed",
    "auto_merge_enabled",
    "auto_merge_disabled",
    "stacked",
];

/// Sources: docs.github.com "Events that trigger workflows" and the schema of actions/languageservices.
pub(super) const EVENTS: &[Known] = &[
    typed("branch_protection_rule", CREATED_EDITED_DELETED),
    typed("check_run", &["completed", "created", "rerequested", "requested_action"]),
    typed("check_suite", &["completed"]),
    plain("create"),
    plain("delete"),
    plain("deployment"),
    plain("deployment_status"),
    typed(
        "discussion",
        &[
            "created",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "category_changed",
            "answered",
            "unanswered",
        ],
    ),
    typed("discussion_comment", CREATED_EDITED_DELETED),
    plain("fork"),
    plain("gollum"),
    Known {
        name: "image_version",
        types: &["created", "ready", "deleted"],
        default_types: &[],
        keys: &["types", "names", "versions"],
    },
    typed("issue_comment", CREATED_EDITED_DELETED),
    typed(
        "issues",
        &[
            "opened",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "closed",
            "reopened",
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "milestoned",
            "demilestoned",
            "field_added",
            "field_removed",
            "typed",
            "untyped",
        ],
    ),
    typed("label", CREATED_EDITED_DELETED),
    Known { name: "merge_group", types: &["checks_requested"], default_types: &[], keys: BRANCHES },
    typed("milestone", &["created", "closed", "opened", "edited", "deleted"]),
    plain("page_build"),
    typed("project", &["created", "closed", "reopened", "edited", "deleted"]),
    typed("project_card", &["created", "moved", "converted", "edited", "deleted"]),
    typed("project_column", &["created", "updated", "moved", "deleted"]),
    plain("public"),
    Known {
        name: "pull_request",
        types: PULL_REQUEST,
        default_types: &["opened", "synchronize", "reopened"],
        keys: BRANCHES_AND_PATHS,
    },
    typed("pull_request_comment", CREATED_EDITED_DELETED),
    typed("pull_request_review", &["submitted", "edited", "dismissed"]),
    typed("pull_request_review_comment", CREATED_EDITED_DELETED),
    Known {
        name: "pull_request_target",
        types: PULL_REQUEST,
        default_types: &["opened", "synchronize", "reopened"],
        keys: BRANCHES_AND_PATHS,
    },
    Known {
        name: "push",
        types: &[],
        default_types: &[],
        keys: &["branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"],
    },
    typed("registry_package", &["published", "updated"]),
    typed(
        "release",
        &["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"],
    ),
    Known { name: "repository_dispatch", types: &[], default_types: &[], keys: &["types"] },
    plain("schedule"),
    plain("status"),
    typed("watch", &["started"]),
    Known { name: "workflow_call", types: &[], default_types: &[], keys: &["inputs", "secrets", "outputs"] },
    Known { name: "workflow_dispatch", types: &[], default_types: &[], keys: &["inputs"] },
    Known {
        name: "workflow_run",
        types: &["requested", "completed", "in_progress"],
        default_types: &[],
        keys: &["types", "workflows", "branches", "branches-ignore"],
    },
];

/// The event of that name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    EVENTS.iter().find(|known| known.name == name)
}

/// Whether an event says by an `action` what happened, which `types` under `on` may ask for.
pub fn is_typed(name: &str) -> bool {
    find(name).is_some_and(|known| known.keys.contains(&"types"))
}

/// The names of all events that can stand under `on`.
pub fn names() -> impl Iterator<Item = &'static str> {
    EVENTS.iter().map(|known| known.name)
}
