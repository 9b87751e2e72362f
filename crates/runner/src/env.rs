//! The environment of a step, built from nothing.

use crate::{context::JobContext, executor::Folders, place::PathMap};
use shipway_base::is_object_id;
use shipway_workflow::{
    Texts,
    expr::{Object, Value},
    run::JobRequest,
};
use std::{collections::BTreeMap, sync::Arc};

/// Where programs are looked for when nobody says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The fields of the `github` context that become `GITHUB_*` variables, after GitHub's runner.
const GITHUB_FIELDS: [&str; 34] = [
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
    "check_run_id",
];

/// What an environment is built on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    /// What the run lends and adds.
    pub(crate) context: &'a JobContext,
    /// The folders of the job.
    pub(crate) folders: &'a Folders,
    /// Where its programs see them.
    pub(crate) map: &'a PathMap,
    /// The environment of the job's container, which takes the place of what the machine lends.
    pub(crate) own: Option<&'a BTreeMap<String, String>>,
}

/// The whole environment of a program: what the host lends, what the run adds, what the workflow and the steps set, and
/// last what describes the run, which nobody can change.
pub(crate) fn environment(
    base: &Base<'_>,
    set: &Texts,
    added_paths: &[String],
    github: &Object,
    runner: &Object,
) -> BTreeMap<String, String> {
    let Base { context, folders, map, own } = *base;
    let mut env: BTreeMap<String, String> = own.unwrap_or(&context.host_env).clone();
    if own.is_none() {
        env.extend(context.local_env.iter().map(|(key, value)| (key.clone(), value.clone())));
        env.extend(context.secret_env.iter().map(|(key, value)| (key.clone(), value.expose().to_owned())));
        env.entry("LANG".to_owned()).or_insert_with(|| "C.UTF-8".to_owned());
        env.insert("TMPDIR".to_owned(), map.inside_text(&folders.temp));
    }
    env.insert("HOME".to_owned(), map.inside_text(&folders.home));
    env.insert("CI".to_owned(), "true".to_owned());
    env.extend(context.extra_env.iter().map(|(key, value)| (key.clone(), value.clone())));
    env.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
    let path = search_path(base, env.get("PATH"), added_paths);
    env.insert("PATH".to_owned(), path);
    env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    for field in GITHUB_FIELDS {
        if let Some(value) = github.get(field).filter(|value| value.is_primitive() && **value != Value::Null)
        {
            env.insert(format!("GITHUB_{}", field.to_ascii_uppercase()), value.to_text().to_string());
        }
    }
    for (field, value) in runner.iter() {
        env.insert(format!("RUNNER_{}", field.to_ascii_uppercase()), value.to_text().to_string());
    }
    env
}

/// What a program gets of its environment. Such a text ends at the first NUL, so a value is cut there, and a variable whose name
/// has one is none; GitHub's runner hands the same to the system.
pub(crate) fn passed(env: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    let named = env.iter().filter(|(name, _)| !name.contains('\0'));
    named.map(|(name, value)| (name.as_str(), value.split('\0').next().unwrap_or_default()))
}

/// The same as `NAME=value`, which is how engines of containers take it.
#[cfg(feature = "docker")]
pub(crate) fn passed_to_engine(env: &BTreeMap<String, String>) -> Vec<String> {
    passed(env).map(|(name, value)| format!("{name}={value}")).collect()
}

fn search_path(base: &Base<'_>, path: Option<&String>, added_paths: &[String]) -> String {
    let Base { context, map, own, .. } = *base;
    let path = path.cloned().unwrap_or_else(|| DEFAULT_PATH.to_owned());
    // Programs of this machine are not in the container.
    let prefix = context.path_prefix.iter().filter(|_| own.is_none()).map(|dir| map.inside_text(dir));
    let parts: Vec<String> =
        added_paths.iter().cloned().chain(prefix).chain([path]).filter(|part| !part.is_empty()).collect();
    parts.join(":")
}

/// Where the shells of steps are looked for: in what steps added to the path and on that of the runner, whatever a step says `PATH`
/// is. Nothing where a container has them.
pub(crate) fn shells(base: &Base<'_>, added_paths: &[String]) -> Option<String> {
    let path = base.context.extra_env.get("PATH").or_else(|| base.context.host_env.get("PATH"));
    base.own.is_none().then(|| search_path(base, path, added_paths))
}

/// The `job` context, to which containers, services and the status are added: which file the job stands in, also when that file
/// was called.
pub(crate) fn job_context(request: &JobRequest) -> Object {
    let github = |name| request.github.get(name).map(Value::to_text).unwrap_or_default();
    let reference = request.workflow_ref.as_deref().map_or_else(|| github("workflow_ref"), Arc::from);
    let mut job = Object::new();
    job.insert("workflow_ref", &*reference);
    let Some((file, at)) = reference.split_once('@') else { return job };
    let Some(end) = file.match_indices('/').nth(1).map(|(at, _)| at) else { return job };
    let (repository, path) = (&file[..end], &file[end + 1..]);
    let origin = request.workflow_origin.as_ref();
    let is_own = origin.is_none() && repository == &*github("repository") && at == &*github("ref");
    if is_own {
        job.insert("workflow_sha", github("workflow_sha"));
    } else if let Some(commit) = origin.and_then(|origin| origin.commit.as_deref()) {
        job.insert("workflow_sha", commit);
    } else if is_object_id(at) {
        job.insert("workflow_sha", at);
    }
    job.insert("workflow_repository", repository);
    job.insert("workflow_file_path", path);
    job
}

/// The `runner` context.
pub(crate) fn runner_context(folders: &Folders, map: &PathMap, debug: bool) -> Object {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "X64",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        other => other,
    };
    let os = match std::env::consts::OS {
        "macos" => "macOS",
        _ => "Linux",
    };
    let mut runner = Object::new();
    runner.insert("name", "shipway");
    runner.insert("os", os);
    runner.insert("arch", arch);
    runner.insert("environment", "self-hosted");
    runner.insert("temp", map.inside_text(&folders.temp));
    runner.insert("tool_cache", map.inside_text(&folders.tools));
    runner.insert("workspace", map.inside_text(&folders.root));
    if debug {
        runner.insert("debug", "1");
    }
    runner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_its_first_nul() {
        let env = [("A", "nu\0l\0"), ("B", "\0"), ("C\0D", "x"), ("E", "é")];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(passed(&env).collect::<Vec<_>>(), [("A", "nu"), ("B", ""), ("E", "é")]);
    }
}
