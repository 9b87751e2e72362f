//! The names that each key of a workflow allows, as the `context` lists of GitHub's workflow schema say
//! (actions/languageservices, `workflow-v1.0.json`).

use super::{AllowedNames, Function};

const ANY: usize = 255;

const HASH_FILES: Function<'static> = Function::new("hashFiles", 1, 255);
const STATUS_OF_JOBS: &[Function<'static>] = &[
    Function::new("always", 0, 0),
    Function::new("failure", 0, ANY),
    Function::new("cancelled", 0, 0),
    Function::new("success", 0, ANY),
];
const STATUS_OF_STEPS: &[Function<'static>] = &[
    Function::new("always", 0, 0),
    Function::new("failure", 0, 0),
    Function::new("cancelled", 0, 0),
    Function::new("success", 0, 0),
    HASH_FILES,
];

/// `shell` of a step, defaults of the workflow: expressions of literals only.
pub const NOTHING: AllowedNames<'static> = AllowedNames::new(&[], &[]);

/// `run-name`, `concurrency` of the workflow, defaults of `workflow_call` inputs.
pub const RUN_NAMES: AllowedNames<'static> = AllowedNames::new(&["github", "inputs", "vars"], &[]);

/// `env` of the workflow.
pub const WORKFLOW_ENV: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "secrets"], &[]);

/// Outputs of `on.workflow_call`.
pub const WORKFLOW_OUTPUT: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "jobs"], &[]);

/// `jobs.<id>.if`.
pub const JOB_IF: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "needs"], STATUS_OF_JOBS);

/// `jobs.<id>.strategy` and what else is known before the matrix is.
pub const STRATEGY: AllowedNames<'static> = AllowedNames::new(&["github", "inputs", "vars", "needs"], &[]);

/// Most keys of a job: `name`, `runs-on`, `timeout-minutes`, `continue-on-error`, `concurrency`, `environment`,
/// `container`, `services`.
pub const JOB: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "needs", "strategy", "matrix"], &[]);

/// `jobs.<id>.secrets` of a job that calls a workflow.
pub const CALL_SECRETS: AllowedNames<'static> = JOB_ENV;

/// `jobs.<id>.env`.
pub const JOB_ENV: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets"], &[]);

/// `jobs.<id>.defaults.run`.
pub const JOB_DEFAULTS: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "strategy", "matrix", "needs", "env"], &[]);

/// `jobs.<id>.outputs`: what is known once the steps have run.
pub const JOB_OUTPUTS: AllowedNames<'static> = AllowedNames::new(STEP_CONTEXTS, &[]);

/// `jobs.<id>.environment.url`: as the outputs, without secrets.
pub const ENVIRONMENT_URL: AllowedNames<'static> = AllowedNames::new(STEP_IF_CONTEXTS, &[]);

/// Credentials of a container registry.
pub const CREDENTIALS: AllowedNames<'static> =
    AllowedNames::new(&["github", "inputs", "vars", "secrets", "env"], &[]);

/// `jobs.<id>.steps[*].if`; secrets are not offered there.
pub const STEP_IF: AllowedNames<'static> = AllowedNames::new(STEP_IF_CONTEXTS, STATUS_OF_STEPS);

/// Every other key of a step: `run`, `name`, `with`, `env`, `working-directory`, `timeout-minutes`,
/// `continue-on-error`.
pub const STEP: AllowedNames<'static> = AllowedNames::new(STEP_CONTEXTS, &[HASH_FILES]);

/// Steps of a composite action: no `needs`, `vars` or `secrets` of its caller (`action-v1.0.json`).
pub const COMPOSITE_STEP: AllowedNames<'static> = AllowedNames::new(ACTION_CONTEXTS, &[HASH_FILES]);

/// `if` of a step of a composite action.
pub const COMPOSITE_STEP_IF: AllowedNames<'static> = AllowedNames::new(ACTION_CONTEXTS, STATUS_OF_STEPS);

/// `outputs.<id>.value` of a composite action.
pub const ACTION_OUTPUT: AllowedNames<'static> = AllowedNames::new(ACTION_CONTEXTS, &[]);

/// `runs.pre-if` and `runs.post-if` of an action.
pub const ACTION_RUNS_IF: AllowedNames<'static> =
    AllowedNames::new(&["runner", "github", "job", "strategy", "matrix", "env", "inputs"], STATUS_OF_STEPS);

/// `runs.args` and `runs.env` of a Docker action.
pub const ACTION_DOCKER: AllowedNames<'static> = AllowedNames::new(&["inputs"], &[]);

/// Defaults of an action's inputs.
pub const ACTION_INPUT_DEFAULT: AllowedNames<'static> =
    AllowedNames::new(&["github", "strategy", "matrix", "job", "runner"], &[HASH_FILES]);

const STEP_CONTEXTS: &[&str] =
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job", "runner", "env"];
const STEP_IF_CONTEXTS: &[&str] =
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"];
const ACTION_CONTEXTS: &[&str] = &["github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"];
