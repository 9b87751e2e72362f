//! The rules: their names, weight and words.

use super::{
    Level, actions, caches, commands, compare, context, context_needs, context_steps, ignore, injection,
    inputs, jobs, matrix, permissions, reusable, secrets, triggers, types, uses,
};

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as it is written in comments and on the command line.
    pub id: &'static str,
    /// How much its findings matter, where the finding itself does not say otherwise.
    pub level: Level,
    /// Whether it speaks only when thoroughness is asked for.
    pub pedantic: bool,
    /// What it finds, one sentence.
    pub what: &'static str,
    /// A piece of a document that it finds fault with.
    pub example: &'static str,
    /// What to do instead.
    pub fix: &'static str,
    /// What zizmor calls it, so that its ignore comments are understood.
    pub zizmor: &'static [&'static str],
}

/// Errors and warnings of the document itself; each has a code with a page of its own.
pub const DOCUMENT: Rule = Rule {
    id: "document",
    level: Level::Error,
    pedantic: false,
    what: "The file is no valid workflow or action; the finding's own code, such as `SW0101`, has a page.",
    example: "run-on: ubuntu-latest",
    fix: "as the page of the code says",
    zizmor: &[],
};

/// All rules, by family.
pub const RULES: &[&Rule] = &[
    &DOCUMENT,
    &context::UNKNOWN_MATRIX_KEY,
    &context::UNKNOWN_INPUT,
    &context::UNKNOWN_SECRET,
    &context::UNKNOWN_PROPERTY,
    &context::UNDEFINED_ENV,
    &context_steps::UNKNOWN_STEP,
    &context_steps::UNKNOWN_STEP_OUTPUT,
    &context_steps::AFFIX_OF_LINES,
    &context_needs::UNKNOWN_NEED,
    &context_needs::UNKNOWN_JOB_OUTPUT,
    &compare::IMPOSSIBLE_COMPARISON,
    &compare::CONSTANT_CONDITION,
    &compare::UNSOUND_CONTAINS,
    &compare::BOT_CONDITION,
    &injection::SCRIPT_INJECTION,
    &injection::ENV_INJECTION,
    &types::FORMAT_ARGUMENTS,
    &types::BROKEN_JSON,
    &types::OBJECT_AS_TEXT,
    &uses::UNPINNED_ACTION,
    &uses::UNPINNED_IMAGE,
    &uses::DEPRECATED_ACTION,
    &uses::ARCHIVED_ACTION,
    &uses::PERSISTED_CREDENTIALS,
    &caches::CACHE_IN_RELEASE,
    &caches::UNUSED_CACHE,
    &caches::LOCKFILE_ELSEWHERE,
    &actions::UNKNOWN_ACTION_INPUT,
    &actions::MISSING_ACTION_INPUT,
    &actions::DEPRECATED_INPUT,
    &actions::UNKNOWN_LOCAL_ACTION,
    &reusable::UNKNOWN_LOCAL_WORKFLOW,
    &reusable::CIRCULAR_CALL,
    &reusable::UNKNOWN_WORKFLOW_INPUT,
    &reusable::MISSING_WORKFLOW_INPUT,
    &commands::DEPRECATED_COMMAND,
    &commands::INSECURE_COMMANDS,
    &triggers::DANGEROUS_CHECKOUT,
    &triggers::DANGEROUS_TRIGGER,
    &triggers::SELF_HOSTED_FOR_FORKS,
    &triggers::CRON_TOO_OFTEN,
    &triggers::FILTER_NEVER_MATCHES,
    &inputs::DEFAULT_OF_ANOTHER_TYPE,
    &permissions::EXCESSIVE_PERMISSIONS,
    &permissions::MISSING_PERMISSION,
    &permissions::IMPLICIT_PERMISSIONS,
    &permissions::UNUSED_ID_TOKEN,
    &secrets::HARD_CODED_CREDENTIAL,
    &secrets::SECRETS_INHERIT,
    &secrets::ALL_SECRETS,
    &secrets::UNREDACTED_SECRET,
    &jobs::UNREACHABLE_JOB,
    &jobs::REPEATED_NEED,
    &jobs::UNKNOWN_RUNNER,
    &jobs::CONFLICTING_RUNNERS,
    &jobs::UNKNOWN_SHELL,
    &jobs::INVALID_ENV_NAME,
    &jobs::MISSING_TIMEOUT,
    &jobs::FRACTIONAL_TIMEOUT,
    &matrix::REPEATED_MATRIX_VALUE,
    &matrix::EXCLUDE_WITHOUT_LEG,
    &ignore::UNKNOWN_RULE,
    &ignore::IGNORE_WITHOUT_REASON,
    &ignore::NEEDLESS_IGNORE,
];

/// The rule of that name, or of that name in zizmor.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == name)
}
