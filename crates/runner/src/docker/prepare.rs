//! From what a job wants to drafts of its containers, before the engine is asked for anything.

use super::{draft::Draft, label, options, ports, volumes};
use crate::{
    error::{ErrorKind, Part, RunnerError},
    executor::Folders,
    place::{COMMAND_FILES, PathMap, Wants},
    shell::words,
};
use shipway_workflow::document::ContainerSpec;
use std::path::{Path, PathBuf};

/// Where the container of a job sees the folders, as on GitHub.
pub(super) const WORK: &str = "/__w";
/// The shared tool cache.
const TOOLS: &str = "/__t";
/// The command files; a mount of their own, so that a step cannot put another folder in their place.
const FILES: &str = "/__w/_temp/_runner_file_commands";

/// A draft of the container that the steps of a job run in.
pub(super) fn job_container(
    spec: &ContainerSpec,
    wants: &Wants,
    folders: &Folders,
    tracking: &str,
) -> Result<Draft, RunnerError> {
    let mut draft = base(spec, tracking).map_err(|why| refused(&Part::Container, &why))?;
    if draft.body.entrypoint.is_some() {
        draft.warnings.push(
            "--entrypoint has no effect, as on GitHub: the container of a job only waits for its steps",
        );
    }
    draft.body.entrypoint = Some(vec!["tail".to_owned()]);
    draft.body.cmd = Some(vec!["-f".to_owned(), "/dev/null".to_owned()]);
    let map = paths(folders, wants);
    draft.body.working_dir = Some(map.inside_text(&folders.workspace));
    draft.env.insert("HOME".to_owned(), map.inside_text(&folders.home));
    draft.mount(&folders.tools, Path::new(TOOLS), false);
    for folder in own(folders) {
        draft.mount(&folder, &map.inside(&folder), false);
    }
    for mount in &wants.mounts {
        draft.mount(&mount.outside, &mount.inside, mount.read_only);
    }
    Ok(draft)
}

/// A draft of a service container.
pub(super) fn service(name: &str, spec: &ContainerSpec, tracking: &str) -> Result<Draft, RunnerError> {
    let part = Part::Service(name.to_owned());
    let mut draft = base(spec, tracking).map_err(|why| refused(&part, &why))?;
    draft.aliases.insert(0, name.to_owned());
    if let Some(entrypoint) = &spec.entrypoint {
        draft.body.entrypoint = Some(vec![entrypoint.clone()]);
    }
    if let Some(command) = &spec.command {
        draft.body.cmd = Some(words(command.trim_end()));
    }
    Ok(draft)
}

/// Where the programs of a job in a container see its folders.
pub(super) fn paths(folders: &Folders, wants: &Wants) -> PathMap {
    let name = if wants.repository.is_empty() { "work" } else { &wants.repository };
    let above = PathBuf::from(WORK).join(name);
    let mounts = wants.mounts.iter().map(|mount| (mount.outside.clone(), mount.inside.clone()));
    PathMap::new(
        [
            (folders.root.clone(), above.clone()),
            (folders.workspace.clone(), above.join(name)),
            (folders.temp.clone(), PathBuf::from(WORK).join("_temp")),
            (folders.actions.clone(), PathBuf::from(WORK).join("_actions")),
            (files_folder(folders), PathBuf::from(FILES)),
            (folders.tools.clone(), PathBuf::from(TOOLS)),
            (folders.home.clone(), PathBuf::from("/github/home")),
            (folders.workflow.clone(), PathBuf::from("/github/workflow")),
        ]
        .into_iter()
        .chain(mounts),
    )
}

/// The folders that nobody but the job has.
pub(super) fn own(folders: &Folders) -> impl Iterator<Item = PathBuf> {
    let Folders { workspace, temp, home, workflow, actions, .. } = folders;
    let own = [workspace, temp, home, workflow, actions].map(Clone::clone);
    own.into_iter().chain([files_folder(folders)])
}

/// Where the command files of steps in containers lie.
pub(super) fn files_folder(folders: &Folders) -> PathBuf {
    folders.root.join(COMMAND_FILES)
}

/// What both kinds of containers have in common.
fn base(spec: &ContainerSpec, tracking: &str) -> Result<Draft, String> {
    let mut draft = Draft { labels: label::labels(tracking), ..Draft::default() };
    options::apply(&mut draft, &spec.options).map_err(|why| format!("options: {why}"))?;
    draft.body.image = Some(spec.image.clone());
    // As on GitHub an empty value is none, not even the image's: its runner passes `-e NAME`, for which docker looks in the
    // environment of the runner, and nothing of ours is handed on.
    for (name, value) in &spec.env {
        match value.is_empty() {
            true => {
                draft.env.remove(name);
                draft.without.insert(name.clone());
            }
            false => {
                draft.env.insert(name.clone(), value.clone());
            }
        }
    }
    draft.env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    if !draft.without.contains("CI") {
        draft.env.entry("CI".to_owned()).or_insert_with(|| "true".to_owned());
    }
    for port in &spec.ports {
        draft.ports.extend(ports::parse(port).map_err(|why| format!("the port {port:?}: {why}"))?);
    }
    for volume in &spec.volumes {
        volumes::add(&mut draft, volume).map_err(|why| format!("the volume {volume:?}: {why}"))?;
    }
    Ok(draft)
}

fn refused(part: &Part, why: &str) -> RunnerError {
    let of = match part {
        Part::Container => "the container of the job".to_owned(),
        Part::Service(name) => format!("the service {name:?}"),
    };
    RunnerError::new(ErrorKind::ContainerOption, format!("{of} cannot be made: {why}")).about(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::Mount;
    use std::collections::BTreeMap;

    fn folders() -> Folders {
        Folders {
            root: "/job".into(),
            workspace: "/job/workspace".into(),
            home: "/job/home".into(),
            temp: "/job/temp".into(),
            workflow: "/job/workflow".into(),
            tools: "/tools".into(),
            scratch: "/job/scratch".into(),
            actions: "/job/actions".into(),
        }
    }

    #[test]
    fn folders_appear_where_github_puts_them() {
        let wants = Wants { repository: "it".to_owned(), ..Wants::default() };
        let spec = ContainerSpec { image: "x".to_owned(), ..ContainerSpec::default() };
        let draft = job_container(&spec, &wants, &folders(), "t").expect("a draft");
        let places = |mount: &Mount| {
            (mount.source.clone().unwrap_or_default(), mount.target.clone().unwrap_or_default())
        };
        let mounts: Vec<_> = draft.mounts.iter().map(places).collect();
        let expect = [
            ("/tools", "/__t"),
            ("/job/workspace", "/__w/it/it"),
            ("/job/temp", "/__w/_temp"),
            ("/job/home", "/github/home"),
            ("/job/workflow", "/github/workflow"),
            ("/job/actions", "/__w/_actions"),
            ("/job/files", "/__w/_temp/_runner_file_commands"),
        ];
        let expect: Vec<_> = expect.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        assert_eq!(mounts, expect);
        assert_eq!(draft.env.get("HOME").map(String::as_str), Some("/github/home"));
        assert!(!mounts.iter().any(|(_, to)| to.contains("docker.sock")));
    }

    #[test]
    fn errors_name_the_part() {
        let spec = |options: &str| ContainerSpec {
            image: "x".to_owned(),
            options: options.to_owned(),
            ..ContainerSpec::default()
        };
        let error = service("db", &spec("--network host"), "t").expect_err("refused");
        assert_eq!(error.part, Some(Part::Service("db".to_owned())));
        assert!(
            error.message.starts_with("the service \"db\" cannot be made: options: --network"),
            "{error}"
        );
        let error =
            job_container(&spec("--link x"), &Wants::default(), &folders(), "t").expect_err("refused");
        assert_eq!(error.kind, ErrorKind::ContainerOption);
    }

    #[test]
    fn a_variable_without_a_value_is_none_at_all() {
        let env = [("A", ""), ("B", "b"), ("CI", ""), ("HOME", ""), ("http_proxy", "")];
        let spec = ContainerSpec {
            image: "x".to_owned(),
            options: "-e A=1 -e D=d".to_owned(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ..ContainerSpec::default()
        };
        let mut draft = job_container(&spec, &Wants::default(), &folders(), "t").expect("a draft");
        let proxies = ["http_proxy", "HTTP_PROXY"].map(|name| (name.to_owned(), "p".to_owned()));
        crate::docker::proxies::add(&BTreeMap::from(proxies), &mut draft);
        let expect = [
            "B=b",
            "D=d",
            "GITHUB_ACTIONS=true",
            "HOME=/github/home",
            "HTTP_PROXY=p",
            "A",
            "CI",
            "http_proxy",
        ];
        assert_eq!(draft.finish(None).env.unwrap_or_default(), expect);
    }

    #[test]
    fn an_entrypoint_in_options_is_that_of_services_only() {
        let spec = ContainerSpec {
            image: "x".to_owned(),
            options: "--entrypoint \"\"".to_owned(),
            ..ContainerSpec::default()
        };
        let own = job_container(&spec, &Wants::default(), &folders(), "t").expect("a draft");
        assert_eq!((own.body.entrypoint, own.warnings.len()), (Some(vec!["tail".to_owned()]), 1));
        let service = service("db", &spec, "t").expect("a draft");
        assert_eq!((service.body.entrypoint, service.warnings.len()), (Some(vec![String::new()]), 0));
    }
}
