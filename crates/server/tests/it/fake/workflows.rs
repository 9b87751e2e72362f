//! Workflows in memory, and starting them.

use shipway_api::{DispatchRequest, RunId, Workflows};
use shipway_server::backend::{BackendError, BackendErrorKind};

pub(super) fn at(workflows: &Workflows, git_ref: Option<&str>) -> Result<Workflows, BackendError> {
    let full = |name: &str| format!("refs/heads/{}", name.trim_start_matches("refs/heads/"));
    let mut found = workflows.clone();
    if let Some(name) = git_ref {
        if !workflows.refs.iter().any(|known| full(known) == full(name)) {
            return Err(BackendError::not_found("listing workflows", format!("branch or tag {name}")));
        }
        found.git_ref = Some(full(name));
    }
    Ok(found)
}

/// What is started is the newest run of the samples: no machine is behind this.
pub(super) fn dispatch(
    workflows: &mut Workflows,
    newest: Option<RunId>,
    file: &str,
    request: &DispatchRequest,
) -> Result<RunId, BackendError> {
    let context = format!("starting {file}");
    let found = workflows.items.iter().find(|workflow| workflow.file == file);
    let found = found.ok_or_else(|| BackendError::not_found(&context, format!("workflow {file}")))?;
    let missing =
        found.inputs.iter().flatten().find(|input| {
            input.required && input.default.is_none() && !request.inputs.contains_key(&input.name)
        });
    if let Some(input) = missing {
        let finding = format!(
            "{}:7:7: error[SW0115]: the input {:?} is required and was not given",
            found.path, input.name
        );
        return Err(BackendError { context, kind: BackendErrorKind::Document(vec![finding]) });
    }
    newest.ok_or_else(|| BackendError::not_found(context, "run"))
}
