//! What the document and the settings ask of the place of a job.

use crate::{
    context::JobContext,
    env,
    error::Part,
    executor::Folders,
    place::{Mount, PathMap, Wants},
    platform::image_for,
    reach::Reach,
    scope::{StepScope, Variables},
};
use shipway_base::{Diagnostic, Span};
use shipway_workflow::{
    document::{ContainerSpec, Services},
    expr::{Object, Value},
    run::{Conclusion, JobRequest},
};

/// Where containers see the repository of the run, when they must.
const OWN_REPOSITORY: &str = "/__w/_repository";

/// Evaluates `container` and `services`. As on GitHub an image that turns out empty means that there is none. The folders
/// are those that the job will have on this machine, which volumes may name.
pub(crate) fn wants(
    request: &JobRequest,
    context: &JobContext,
    folders: &Folders,
) -> Result<Wants, Diagnostic> {
    let mut scope = scope(request, context, folders);
    for fields in [&request.workflow.env, &request.body.env] {
        let values = fields.eval(&scope)?;
        scope.env.extend(values.into_iter().map(|(name, value)| (name, value.to_string())));
    }
    let own = match &request.body.container {
        Some(container) => container.eval(&scope)?,
        None => None,
    };
    let image = image_for(&context.platforms, &request.runs_on);
    let platform =
        || image.map(|image| ContainerSpec { image: image.to_owned(), ..ContainerSpec::default() });
    let services = match &request.body.services {
        Some(services) => services.eval(&scope)?,
        None => Vec::new(),
    };
    let repository = request.github.get("repository").map(|name| name.to_text().to_string());
    let repository = repository.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    // The real checkout fetches from here, see `Job::with_own_repository`.
    let outside = context.repository.fetched_from();
    let seen = Mount { outside, inside: OWN_REPOSITORY.into(), read_only: true };
    let mounts = if context.native_actions { Vec::new() } else { vec![seen] };
    let container_asked_for = own.is_some();
    Ok(Wants { container: own.or_else(platform), container_asked_for, services, mounts, repository })
}

/// Where a part of the job stands in the document.
pub(crate) fn place(request: &JobRequest, part: &Part) -> Span {
    let found = match (part, &request.body.services) {
        (Part::Container, _) => request.body.container.as_ref().map(|container| container.image().span()),
        (Part::Service(name), Some(Services::Entries(entries))) => {
            // What no name matches comes from one of the keys that are expressions.
            let written = entries.iter().find(|(key, _)| key.name() == Some(name.as_str()));
            written
                .or_else(|| entries.iter().find(|(key, _)| key.name().is_none()))
                .map(|(key, _)| key.span())
        }
        (Part::Service(_), Some(Services::Expression(template))) => Some(template.span()),
        (Part::Service(_), None) => None,
    };
    found.unwrap_or(request.body.runs_on.span)
}

fn scope(request: &JobRequest, context: &JobContext, folders: &Folders) -> StepScope {
    let mut github = request.github.as_object().cloned().unwrap_or_default();
    github.insert("job", request.job_id.as_str());
    github.insert("workspace", folders.workspace.to_string_lossy().into_owned());
    let secrets: Object = context.secrets.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    let mut job = env::job_context(request);
    job.insert("status", Conclusion::Success.as_str());
    let contexts: Object = [
        ("github", Value::from(github)),
        ("job", job.into()),
        ("runner", env::runner_context(folders, &PathMap::default(), context.debug).into()),
        ("secrets", secrets.into()),
        ("strategy", request.strategy.clone()),
        ("matrix", request.matrix.clone()),
        ("needs", request.needs.clone()),
        ("inputs", request.inputs.clone()),
        ("vars", request.vars.clone()),
    ]
    .into_iter()
    .collect();
    StepScope {
        contexts,
        env: Variables::default(),
        status: Conclusion::Success,
        job_status: Conclusion::Success,
        workspace: None,
        home: folders.home.clone(),
        reach: Reach::default(),
        halt: None,
    }
}
