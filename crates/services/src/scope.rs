//! Which caches a job may see and make: those of its own ref, of the branch it wants to go to, and of the default branch.

/// What a workflow's `cache-mode` allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Caches are restored and not saved.
    Read,
    /// Caches are restored and saved; so it is when nothing is said.
    #[default]
    Write,
    /// Caches are saved and not restored.
    WriteOnly,
    /// Neither.
    None,
}

impl CacheMode {
    /// The mode of that name.
    pub fn named(name: &str) -> Option<CacheMode> {
        match name {
            "read" => Some(CacheMode::Read),
            "write" => Some(CacheMode::Write),
            "write-only" => Some(CacheMode::WriteOnly),
            "none" => Some(CacheMode::None),
            _ => None,
        }
    }

    /// Its name, as workflows and `ACTIONS_CACHE_MODE` spell it.
    pub fn name(self) -> &'static str {
        match self {
            CacheMode::Read => "read",
            CacheMode::Write => "write",
            CacheMode::WriteOnly => "write-only",
            CacheMode::None => "none",
        }
    }

    fn reads(self) -> bool {
        matches!(self, CacheMode::Read | CacheMode::Write)
    }

    fn writes(self) -> bool {
        matches!(self, CacheMode::Write | CacheMode::WriteOnly)
    }
}

/// What a run is about, as far as caches care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `github.event_name`.
    pub event: &'a str,
    /// `github.ref`, a full name.
    pub reference: &'a str,
    /// `github.base_ref`, the short name of the branch that a pull request wants to go to; else empty.
    pub base_ref: &'a str,
    /// The short name of the default branch.
    pub default_branch: &'a str,
}

/// The scopes that a job may read, in the order they are searched, and the one it may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheAccess {
    /// Searched in this order.
    pub read: Vec<String>,
    /// Where new entries go.
    pub write: Option<String>,
    /// The mode it was narrowed by, where one was said.
    pub mode: Option<CacheMode>,
}

impl CacheAccess {
    /// What a run of this origin may do.
    ///
    /// A pull request reads the caches of its base and of the default branch and writes only those of its own merge ref, so
    /// that nobody else restores what it saved. `pull_request_target` runs on the base branch for code that may come from
    /// anybody, so it writes nothing.
    pub fn new(origin: Origin<'_>, mode: impl Into<Option<CacheMode>>) -> CacheAccess {
        let said = mode.into();
        let mode = said.unwrap_or_default();
        let branch = |name: &str| if name.is_empty() { None } else { Some(format!("refs/heads/{name}")) };
        let own = Some(origin.reference.to_owned()).filter(|own| !own.is_empty());
        let mut read: Vec<String> = Vec::new();
        for scope in
            [own.clone(), branch(origin.base_ref), branch(origin.default_branch)].into_iter().flatten()
        {
            if !read.contains(&scope) {
                read.push(scope);
            }
        }
        let write = own.filter(|_| mode.writes() && origin.event != "pull_request_target");
        CacheAccess { read: if mode.reads() { read } else { Vec::new() }, write, mode: said }
    }

    /// The claim `ac` of a runtime token: each scope with 1 for reading, 2 for writing or 3 for both.
    pub(crate) fn claim(&self) -> String {
        let mut scopes: Vec<(&str, u8)> = self.read.iter().map(|scope| (scope.as_str(), 1)).collect();
        if let Some(write) = &self.write {
            match scopes.iter_mut().find(|(scope, _)| scope == write) {
                Some((_, permission)) => *permission |= 2,
                None => scopes.push((write, 2)),
            }
        }
        let scopes: Vec<_> = scopes
            .into_iter()
            .map(|(scope, permission)| serde_json::json!({ "Scope": scope, "Permission": permission }))
            .collect();
        serde_json::Value::from(scopes).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        event: &str,
        reference: &str,
        base_ref: &str,
        mode: CacheMode,
        read: &[&str],
        write: Option<&str>,
    ) {
        let origin = Origin { event, reference, base_ref, default_branch: "main" };
        let access = CacheAccess::new(origin, mode);
        assert_eq!(access.read, read, "{event} {reference} {mode:?}");
        assert_eq!(access.write.as_deref(), write, "{event} {reference} {mode:?}");
    }

    #[test]
    fn own_ref_then_base_then_default_branch() {
        use CacheMode::*;
        let (main, topic, pull) = ("refs/heads/main", "refs/heads/topic", "refs/pull/7/merge");
        check("push", main, "", Write, &[main], Some(main));
        check("push", topic, "", Write, &[topic, main], Some(topic));
        check("push", topic, "", Read, &[topic, main], Option::None);
        check("push", topic, "", WriteOnly, &[], Some(topic));
        check("push", topic, "", None, &[], Option::None);
        check("push", "refs/tags/v1", "", Write, &["refs/tags/v1", main], Some("refs/tags/v1"));
        check("pull_request", pull, "next", Write, &[pull, "refs/heads/next", main], Some(pull));
        check("pull_request_target", main, "main", Write, &[main], Option::None);
        check("pull_request_target", main, "main", WriteOnly, &[], Option::None);
    }

    #[test]
    fn the_claim_tells_both_rights() {
        let origin =
            Origin { event: "push", reference: "refs/heads/x", base_ref: "", default_branch: "main" };
        let claim = |mode| CacheAccess::new(origin, mode).claim();
        assert_eq!(
            claim(CacheMode::Write),
            r#"[{"Scope":"refs/heads/x","Permission":3},{"Scope":"refs/heads/main","Permission":1}]"#
        );
        assert_eq!(claim(CacheMode::WriteOnly), r#"[{"Scope":"refs/heads/x","Permission":2}]"#);
        assert_eq!(claim(CacheMode::None), "[]");
        for mode in [CacheMode::Read, CacheMode::Write, CacheMode::WriteOnly, CacheMode::None] {
            assert_eq!(CacheMode::named(mode.name()), Some(mode));
        }
    }
}
