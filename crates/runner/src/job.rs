//! One attempt of one job, from its folders to its outputs.

use crate::{
    action::Loaded,
    again::Caller,
    background::Changes,
    context::{EnvironmentValues, JobContext, STEP_DEBUG},
    env,
    error::RunnerError,
    executor::{Executor, Folders, JobIdentity, Program},
    hooks::When,
    log::Log,
    matcher::Matchers,
    names::names,
    nodes::MachineNode,
    opening,
    opening::Unopened,
    place::{Opened, PathMap, Wants},
    post::Post,
    report::{Annotation, Level, Report, ReportKind},
    scope::{Halt, StepScope},
    script::{RunDefaults, expression},
    services::ServiceAccess,
    stop::{Cancel, StepLimit, Stop},
    within::Blame,
};
use shipway_base::{Diagnostic, Digest, Secret, Source};
use shipway_workflow::{
    Secrets, Texts,
    expr::{Object, Value},
    lock::Lock,
    run::{Conclusion, JobRequest, SecretScope},
};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The secret that every job has: the same as `github.token`.
const TOKEN: &str = "github_token";

/// How a job came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOutcome {
    /// What it came to, before the job's own `continue-on-error`.
    pub conclusion: Conclusion,
    /// Its outputs in the order in which they are written; those that hold a masked text are left out, with a warning in the
    /// log.
    pub outputs: Texts,
    /// Why it did not succeed, as one sentence for people.
    pub reason: Option<String>,
}

/// Runs one job to its end and reports everything on the way. It always answers: whatever goes wrong is an outcome with
/// a reason. Cancelling stops the step that runs; steps whose condition holds in a cancelled job still run.
pub async fn run_job(
    request: &JobRequest,
    context: &JobContext,
    executor: &dyn Executor,
    reports: mpsc::Sender<Report>,
    cancel: Cancel,
) -> JobOutcome {
    let began = context.clock.now();
    let mut log = Log::new(request.key.clone(), request.attempt, context.clock.clone(), reports);
    add_masks(&mut log, request, context);
    let narrowed = narrowed(request, context);
    if let Ok(context) = &narrowed {
        // A call may have made new secrets from those of the run.
        add_masks(&mut log, request, context);
    }
    let name = log.masker.mask(&request.name);
    log.send(ReportKind::JobStarted { name }).await;
    let context = match &narrowed {
        Ok(context) => context,
        Err(error) => {
            let outcome = failed_early(&mut log, error).await;
            let duration = context.clock.now().since(began);
            log.send(ReportKind::JobFinished { conclusion: outcome.conclusion, duration }).await;
            return outcome;
        }
    };
    let request = &*given(request, context);
    let identity = identity(request, context);
    let mut stop = Stop::new(cancel, request.timeout, request.cancel_timeout);
    let opening = opening::open(&mut log, request, context, executor, &identity, &mut stop);
    let outcome = match Box::pin(opening).await {
        Err(Unopened { conclusion, reason }) => {
            JobOutcome { conclusion, outputs: Texts::new(), reason: Some(reason) }
        }
        Ok((folders, wants)) => {
            let mut job = Job::new(request, context, executor, log, identity.clone(), folders, stop);
            let mut outcome = Box::pin(job.run(&wants)).await;
            job.leave_services().await;
            let Job { log: left, folders, .. } = job;
            log = left;
            if let Err(error) = opening::close(&mut log, executor, &identity, &folders).await {
                let reason = failed_early(&mut log, &error).await.reason;
                // What the job achieved is not undone by a folder that cannot be removed.
                outcome.reason = outcome.reason.or(reason);
            }
            outcome
        }
    };
    let duration = context.clock.now().since(began);
    log.send(ReportKind::JobFinished { conclusion: outcome.conclusion, duration }).await;
    outcome
}

/// A job while it runs.
pub(crate) struct Job<'a> {
    pub(crate) request: &'a JobRequest,
    pub(crate) context: &'a JobContext,
    pub(crate) executor: &'a dyn Executor,
    pub(crate) log: Log,
    pub(crate) identity: JobIdentity,
    pub(crate) folders: Folders,
    /// Where its programs see the folders.
    pub(crate) map: PathMap,
    /// What the environment of its programs begins with, when that is not what this machine lends.
    pub(crate) base: Option<BTreeMap<String, String>>,
    /// Whether its steps run in a container, which may not be there yet.
    pub(crate) contained: bool,
    /// Whether a script that names no shell is one of bash where there is a bash. As on GitHub it is one of `sh` in a container
    /// that the workflow asks for, whatever its image has.
    pub(crate) knows_bash: bool,
    /// `container` and `services` of the `job` context.
    containers: Object,
    /// `env` of workflow and job, and what steps wrote to `GITHUB_ENV`.
    pub(crate) env: Texts,
    /// `defaults.run`, evaluated as the job began.
    pub(crate) run_defaults: RunDefaults,
    /// What steps wrote to `GITHUB_PATH`, the last one first.
    pub(crate) paths: Vec<String>,
    /// What is to run when all steps have.
    pub(crate) posts: Vec<Post>,
    /// How many post parts were asked for so far, by all copies of the job.
    pub(crate) asked_posts: Arc<AtomicUsize>,
    /// What the parts of actions saved for the parts after them, by the place of their step.
    pub(crate) states: BTreeMap<Vec<usize>, BTreeMap<String, String>>,
    /// The `steps` contexts of the composite actions that have ended and whose actions have post parts, by the place of their step.
    pub(crate) ended: BTreeMap<Vec<usize>, Object>,
    /// The actions of other repositories whose manifests have been read.
    pub(crate) loaded: BTreeMap<String, Loaded>,
    /// The repositories that lie in the folder of the job.
    pub(crate) placed: BTreeMap<String, PathBuf>,
    /// The lock file of the repository, once it was looked for.
    pub(crate) lock: Option<Option<Arc<Lock>>>,
    /// The Nodes of this machine, once somebody has looked for them.
    pub(crate) nodes: Option<Vec<MachineNode>>,
    /// Whether it was said that the Node is older than an action wants.
    pub(crate) told_of_node: bool,
    /// What is looked for in the output of steps.
    pub(crate) matchers: Matchers,
    pub(crate) stop: Stop,
    /// How many files the runner has made for itself, by all copies of the job.
    pub(crate) scratch: Arc<AtomicU64>,
    /// How its actions reach the services.
    pub(crate) services: ServiceAccess,
    /// How its containers do, once somebody has asked.
    pub(crate) services_inside: Option<ServiceAccess>,
    /// The number of the next step that is reported.
    pub(crate) next_step: usize,
    /// What a background step changed; nothing is noted for the job itself.
    pub(crate) changes: Option<Changes>,
    /// The first thing that went wrong.
    pub(crate) reason: Option<String>,
    /// What the step that runs has started last, when somebody may want to look at its failure.
    pub(crate) last_program: Option<Program>,
    /// Whether somebody has let a step of a composite action fail, so that nobody is asked about the action again.
    pub(crate) let_go: bool,
    /// Which command is to blame for the failure of the step that runs.
    pub(crate) blame: Blame,
    pub(crate) github: Object,
    pub(crate) runner: Object,
}

/// What is seen at one level of nesting: the steps of the job, or those of a composite action.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The `inputs` context.
    pub(crate) inputs: Value,
    /// The `steps` context.
    pub(crate) steps: Object,
    /// How this level stands so far.
    pub(crate) status: Conclusion,
    /// How the job stands, as seen within a composite action, whose own level may stand otherwise; `None` at the job's own level.
    pub(crate) job_status: Option<Conclusion>,
    /// Whether no later step of this level runs, whatever its condition, since one could not be evaluated: so it is within a composite
    /// action.
    pub(crate) cut_off: bool,
    /// Variables that the calling step of a composite action set.
    pub(crate) env: Texts,
    /// The folder of the composite action.
    pub(crate) action_path: Option<String>,
    /// The repository it was fetched from; empty for one of the workspace.
    pub(crate) action_repository: String,
    /// The reference it was fetched by.
    pub(crate) action_ref: String,
    /// The step of the job whose log this is part of; `None` at the job's own level.
    pub(crate) inside: Option<usize>,
    /// The document its steps stand in.
    pub(crate) source: Source,
    /// Until when the calling step may run.
    pub(crate) limit: Option<StepLimit>,
    /// How many composite actions lie around.
    pub(crate) depth: usize,
    /// The folder of the repository that `$/` means; `None` where that is the repository of the run.
    pub(crate) root: Option<PathBuf>,
    /// The names of its steps, those within parallel groups after their group.
    pub(crate) names: Arc<Vec<String>>,
    /// What `github.action` is within a composite action: the name of the job's own step.
    pub(crate) action: Option<String>,
    /// The numbers of the steps that lie around, from the job's own inwards.
    pub(crate) place: Vec<usize>,
    /// The step that calls the composite action.
    pub(crate) caller: Option<Caller>,
}

impl Frame {
    /// How the job stands.
    pub(crate) fn job_status(&self) -> Conclusion {
        self.job_status.unwrap_or(self.status)
    }

    /// The job was cancelled, or has had its time. That counts more than a failure, and a composite action's own level does not
    /// change by it: GitHub lets the steps of an action run that was begun in spite of it.
    pub(crate) fn cancel(&mut self) {
        *self.job_status.as_mut().unwrap_or(&mut self.status) = Conclusion::Cancelled;
    }

    /// Something of this level failed. What is cancelled stays so.
    pub(crate) fn fail(&mut self) {
        if self.status != Conclusion::Cancelled {
            self.status = Conclusion::Failure;
        }
    }

    /// Lets count what a step of this level came to. A step of the job that was cancelled by itself does not hide a failure.
    pub(crate) fn count(&mut self, conclusion: Conclusion) {
        match conclusion {
            Conclusion::Failure => self.fail(),
            Conclusion::Cancelled if self.job_status.is_some() || self.status == Conclusion::Success => {
                self.status = Conclusion::Cancelled;
            }
            Conclusion::Cancelled | Conclusion::Success | Conclusion::Skipped => {}
        }
    }
}

impl<'a> Job<'a> {
    fn new(
        request: &'a JobRequest,
        context: &'a JobContext,
        executor: &'a dyn Executor,
        log: Log,
        identity: JobIdentity,
        folders: Folders,
        stop: Stop,
    ) -> Job<'a> {
        let Opened { folders, paths: map, env: base, job: containers, unready: _ } =
            Opened::on_machine(folders);
        let mut github = request.github.as_object().cloned().unwrap_or_default();
        github.insert("job", request.job_id.as_str());
        github.insert("workspace", map.inside_text(&folders.workspace));
        let runner = env::runner_context(&folders, &map, context.debug);
        Job {
            request,
            context,
            executor,
            log,
            identity,
            folders,
            map,
            base,
            contained: false,
            knows_bash: true,
            containers,
            env: Texts::new(),
            run_defaults: RunDefaults::default(),
            paths: Vec::new(),
            posts: Vec::new(),
            asked_posts: Arc::default(),
            states: BTreeMap::new(),
            ended: BTreeMap::new(),
            loaded: BTreeMap::new(),
            placed: BTreeMap::new(),
            lock: None,
            nodes: None,
            told_of_node: false,
            stop,
            matchers: Matchers::default(),
            scratch: Arc::default(),
            services: ServiceAccess::default(),
            services_inside: None,
            next_step: 0,
            changes: None,
            reason: None,
            last_program: None,
            let_go: false,
            blame: Blame::default(),
            github,
            runner,
        }
    }

    /// The job as a step that runs beside others sees it; `token` stops that step alone.
    pub(crate) fn copy(&self, token: CancellationToken) -> Job<'a> {
        Job {
            request: self.request,
            context: self.context,
            executor: self.executor,
            log: self.log.clone(),
            identity: self.identity.clone(),
            folders: self.folders.clone(),
            map: self.map.clone(),
            base: self.base.clone(),
            contained: self.contained,
            knows_bash: self.knows_bash,
            containers: self.containers.clone(),
            env: self.env.clone(),
            run_defaults: self.run_defaults.clone(),
            paths: self.paths.clone(),
            posts: Vec::new(),
            asked_posts: self.asked_posts.clone(),
            states: self.states.clone(),
            ended: BTreeMap::new(),
            loaded: self.loaded.clone(),
            placed: self.placed.clone(),
            lock: self.lock.clone(),
            nodes: self.nodes.clone(),
            told_of_node: self.told_of_node,
            stop: self.stop.of_step(token),
            matchers: self.matchers.clone(),
            scratch: self.scratch.clone(),
            services: self.services.clone(),
            services_inside: self.services_inside.clone(),
            next_step: self.next_step,
            changes: Some(Changes::default()),
            reason: None,
            last_program: None,
            let_go: false,
            blame: Blame::default(),
            github: self.github.clone(),
            runner: self.runner.clone(),
        }
    }

    /// The job in a place that is ready.
    pub(crate) fn settle(&mut self, opened: Opened) {
        let Opened { folders, paths, env, job, unready: _ } = opened;
        (self.folders, self.map, self.base, self.containers) = (folders, paths, env, job);
        self.github.insert("workspace", self.map.inside_text(&self.folders.workspace));
        self.runner = env::runner_context(&self.folders, &self.map, self.context.debug);
    }

    async fn run(&mut self, wants: &Wants) -> JobOutcome {
        let mut frame = Frame {
            inputs: self.request.inputs.clone(),
            steps: Object::new(),
            status: Conclusion::Success,
            job_status: None,
            cut_off: false,
            env: Texts::new(),
            action_path: None,
            action_repository: String::new(),
            action_ref: String::new(),
            inside: None,
            source: self.request.workflow.source.clone(),
            limit: None,
            depth: 0,
            root: None,
            names: Arc::new(names(&self.request.body.steps)),
            action: None,
            place: Vec::new(),
            caller: None,
        };
        let steps = &self.request.body.steps;
        if self.begin(&mut frame, wants).await {
            Box::pin(self.run_pres(&mut frame, steps)).await;
            Box::pin(self.run_job_steps(&mut frame, steps)).await;
        }
        Box::pin(self.run_posts(&mut frame)).await;
        self.leave().await;
        Box::pin(self.run_hook(&mut frame, When::Completed)).await;
        if let Some(cause) = self.stop.check() {
            // What failed before counts no more, as on GitHub.
            if frame.job_status() == Conclusion::Failure {
                self.reason = None;
            }
            frame.cancel();
            let stop = &self.stop;
            self.reason.get_or_insert_with(|| stop.words(cause));
        }
        let outputs = self.outputs(&mut frame).await;
        self.tell_address(&mut frame).await;
        let reason = self.reason.take().filter(|_| frame.status != Conclusion::Success);
        JobOutcome { conclusion: frame.status, outputs, reason }
    }

    /// Contexts, with `env` as given. `action` is the id of the step that runs.
    pub(crate) fn scope(&self, frame: &Frame, env: &Texts, action: Option<&str>) -> StepScope {
        let mut github = self.github.clone();
        if let Some(action) = frame.action.as_deref().or(action) {
            github.insert("action", action);
        }
        if let Some(path) = &frame.action_path {
            github.insert("action_path", path.as_str());
            github.insert("action_repository", frame.action_repository.as_str());
            github.insert("action_ref", frame.action_ref.as_str());
            github.insert("action_status", frame.status.as_str());
        }
        let secrets: Object =
            self.context.secrets.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
        let mut job = env::job_context(self.request);
        self.containers.iter().for_each(|(key, value)| job.insert(key, value.clone()));
        job.insert("status", frame.job_status().as_str());
        let contexts: Object = [
            ("github", Value::from(github)),
            ("job", job.into()),
            ("steps", frame.steps.clone().into()),
            ("runner", self.runner.clone().into()),
            ("secrets", secrets.into()),
            ("strategy", self.request.strategy.clone()),
            ("matrix", self.request.matrix.clone()),
            ("needs", self.request.needs.clone()),
            ("inputs", frame.inputs.clone()),
            ("vars", self.request.vars.clone()),
        ]
        .into_iter()
        .collect();
        StepScope {
            contexts,
            env: env.clone().into(),
            status: frame.status,
            job_status: frame.job_status(),
            workspace: self.executor.is_real().then(|| self.folders.workspace.clone()),
            home: self.folders.home.clone(),
            reach: self.links(),
            halt: Some(Halt { stop: self.stop.clone(), survives: false, limit: frame.limit }),
        }
    }

    /// A text that the `github` context of the run has, unless it is empty.
    pub(crate) fn github_text(&self, field: &str) -> Option<String> {
        let value = self.request.github.get(field).map(|value| value.to_text().to_string());
        value.filter(|text| !text.is_empty())
    }

    /// The environment of a program whose step sees `scope`.
    pub(crate) fn environment(&self, scope: &StepScope) -> BTreeMap<String, String> {
        let github = scope.contexts.get("github").and_then(Value::as_object).cloned().unwrap_or_default();
        env::environment(&self.env_base(), &scope.env, &self.paths, &github, &self.runner)
    }

    /// Where the shells of its steps are looked for; in the `PATH` of each step when there is nothing.
    pub(crate) fn shells(&self) -> Option<String> {
        env::shells(&self.env_base(), &self.paths)
    }

    fn env_base(&self) -> env::Base<'_> {
        env::Base { context: self.context, folders: &self.folders, map: &self.map, own: self.base.as_ref() }
    }

    /// Evaluates `env` or `with`.
    pub(crate) fn fields(
        &self,
        fields: &shipway_workflow::document::Fields,
        scope: &StepScope,
    ) -> Result<Texts, Diagnostic> {
        use shipway_workflow::document::Fields;
        match fields {
            Fields::Entries(entries) => entries
                .iter()
                .map(|(key, template)| Ok((key.value.clone(), template.eval_string(scope)?.to_string())))
                .collect(),
            Fields::Keyed(_) => Ok(fields
                .eval(scope)?
                .into_iter()
                .map(|(name, text)| (name, text.as_ref().to_owned()))
                .collect()),
            Fields::Expression(template) => {
                let value = template.eval_value(scope)?;
                let object = value.as_object().ok_or_else(|| {
                    let message = format!("this expression must give a mapping, and gives {}", value.kind());
                    Diagnostic::error("SW0514", template.source(), template.span(), message)
                })?;
                Ok(object.iter().map(|(key, value)| (key.to_owned(), value.to_text().to_string())).collect())
            }
        }
    }

    /// Says that something failed, beside the code when its place is known, and remembers it as the job's reason.
    pub(crate) async fn complain(&mut self, step: Option<usize>, message: &str, place: Option<(&str, u32)>) {
        let annotation = Annotation {
            step,
            file: place.map(|(file, _)| file.to_owned()),
            line: place.map(|(_, line)| line),
            ..Annotation::new(Level::Error, message)
        };
        self.log.annotate(annotation).await;
        let masked = self.log.masker.mask(message);
        self.reason.get_or_insert(masked);
    }

    /// What the job hands on. As on GitHub it is all or nothing: when one of them cannot be evaluated, the job fails.
    async fn outputs(&mut self, frame: &mut Frame) -> Texts {
        let mut outputs = Texts::new();
        let scope = self.scope(frame, &self.env, None);
        let evaluated: Result<Vec<_>, Diagnostic> = (self.request.body.outputs.iter())
            .map(|(name, template)| Ok((&name.value, template.eval_string(&scope)?)))
            .collect();
        let evaluated = match evaluated {
            Ok(evaluated) => evaluated,
            Err(found) => {
                let message = format!("the outputs of the job cannot be evaluated: {found}");
                self.complain(None, &message, Some((&found.source.name, found.span.start.line))).await;
                frame.fail();
                return outputs;
            }
        };
        for (name, value) in evaluated {
            if self.log.masker.mask(&value) != *value {
                let text = format!("the output {name:?} is left out, since it may hold a secret");
                self.log.annotate(Annotation::new(Level::Warning, text)).await;
            } else if !value.is_empty() {
                // As on GitHub, what is empty is not handed on.
                outputs.insert(name.clone(), value.to_string());
            }
        }
        outputs
    }

    /// Tells the address of what the job deployed, `environment.url`.
    async fn tell_address(&mut self, frame: &mut Frame) {
        let request = self.request;
        let (Some(written), Some(name)) = (&request.body.environment, &request.environment) else { return };
        let (level, text) = match written.address(&self.scope(frame, &self.env, None)) {
            Ok(None) => return,
            Ok(Some(address)) if self.log.masker.mask(&address) != address => {
                let text =
                    format!("the url of the environment {name} is left out, since it may hold a secret");
                (Level::Warning, text)
            }
            Ok(Some(address)) => (Level::Notice, format!("the environment {name} is at {address}")),
            Err(found) => {
                let message = found.to_string();
                self.complain(None, &message, Some((&found.source.name, found.span.start.line))).await;
                frame.fail();
                return;
            }
        };
        self.log.annotate(Annotation::new(level, text)).await;
    }
}

/// The context with the secrets that the job may see: in a called workflow those that it was given.
fn narrowed(request: &JobRequest, context: &JobContext) -> Result<JobContext, RunnerError> {
    let mut narrowed = context.clone();
    // Wherever the job stands, it is asked for by the whole run; a secret comes before a variable.
    let asked = (context.secrets.iter().find(|(name, _)| name.eq_ignore_ascii_case(STEP_DEBUG)))
        .map(|(_, secret)| secret.expose())
        .or_else(|| request.vars.get(STEP_DEBUG)?.as_str());
    narrowed.debug |= asked.is_some_and(|asked| asked.eq_ignore_ascii_case("true"));
    let all = with_token(&context.secrets, request.github.get("token").and_then(Value::as_str));
    narrowed.secrets = Arc::new(match &request.secrets {
        SecretScope::All => all,
        SecretScope::Given(_) => request.secrets.of(&all).map_err(|found| expression(&found))?,
    });
    // Those of an environment belong to the job that names it, also where a caller gave it others.
    if let Some(own) = environment(request, context) {
        let mut secrets = (*narrowed.secrets).clone();
        secrets.retain(|name, _| !own.secrets.keys().any(|known| known.eq_ignore_ascii_case(name)));
        secrets.extend(own.secrets.iter().map(|(name, secret)| (name.clone(), secret.clone())));
        narrowed.secrets = Arc::new(secrets);
    }
    Ok(narrowed)
}

/// The secrets with the token of the run among them, as GitHub has it, under GitHub's name for it.
fn with_token(secrets: &Secrets, token: Option<&str>) -> Secrets {
    let is_token = |name: &str| name.eq_ignore_ascii_case(TOKEN);
    let given = secrets.iter().find(|(name, _)| is_token(name)).map(|(_, secret)| secret.clone());
    let token = given.or_else(|| token.filter(|token| !token.is_empty()).map(Secret::new));
    let others = secrets.iter().filter(|(name, _)| !is_token(name));
    let others = others.map(|(name, secret)| (name.clone(), secret.clone()));
    others.chain(token.map(|token| (TOKEN.to_owned(), token))).collect()
}

/// The request with what this machine gives the job: the variables of its environment, which come before those of the repository, and
/// a token where the run has none but there is a secret of its name. A run that is written down holds no secret.
fn given<'r>(request: &'r JobRequest, context: &JobContext) -> Cow<'r, JobRequest> {
    let mut request = Cow::Borrowed(request);
    if let Some(own) = environment(&request, context).filter(|own| !own.vars.is_empty()) {
        let mut vars = request.vars.as_object().cloned().unwrap_or_default();
        for (name, value) in &own.vars {
            vars.insert(name.as_str(), value.as_str());
        }
        request.to_mut().vars = vars.into();
    }
    let has_token =
        request.github.get("token").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    let secret = context.secrets.iter().find(|(name, _)| name.eq_ignore_ascii_case(TOKEN));
    if let Some((_, token)) = secret.filter(|_| !has_token) {
        let mut github = request.github.as_object().cloned().unwrap_or_default();
        github.insert("token", token.expose());
        request.to_mut().github = github.into();
    }
    request
}

/// What the job's environment gives it.
fn environment<'c>(request: &JobRequest, context: &'c JobContext) -> Option<&'c EnvironmentValues> {
    context.environments.get(&request.environment.as_ref()?.to_lowercase())
}

fn add_masks(log: &mut Log, request: &JobRequest, context: &JobContext) {
    log.masker.add_shared(context);
    if let Some(token) = request.github.get("token").and_then(Value::as_str) {
        log.masker.add(token);
    }
}

async fn failed_early(log: &mut Log, error: &RunnerError) -> JobOutcome {
    let message = error.to_string();
    log.annotate(Annotation::new(Level::Error, message.clone())).await;
    let reason = Some(log.masker.mask(&message));
    JobOutcome { conclusion: Conclusion::Failure, outputs: Texts::new(), reason }
}

/// Names that no other attempt on this machine has: the run, the job, the attempt, the instant and a counter.
fn identity(request: &JobRequest, context: &JobContext) -> JobIdentity {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let run = request.github.get("run_id").map(|id| id.to_text()).unwrap_or_default();
    let now = context.clock.now().as_micros();
    let text = format!("{run} {} {} {now} {number} {}", request.key, request.attempt, std::process::id());
    let unique = Digest::of(text.as_bytes()).hex();
    let readable: String = request
        .key
        .0
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' })
        .take(40)
        .collect();
    JobIdentity {
        folder: format!("{readable}-{}-{}", request.attempt, &unique[..12]),
        tracking: format!("shipway_{}", &unique[..32]),
    }
}
