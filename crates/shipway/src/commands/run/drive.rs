//! Drives the planned runs to their ends, beside each other, while somebody watches and may interrupt.

use super::{
    Options,
    breaks::{After, Desk},
    cache,
    documents::Planned,
    folder::{RunFolder, sweep},
    isolation,
    json::Json,
    ledger::Ledger,
    lines::Style,
    mirror::Mirror,
    pairs::Given,
    places::{Places, tools},
    plain::{How, Plain},
    progress::{self, Forecast},
    remember::Memory,
    repository::Here,
    show::{Ended, Show},
};
use crate::{
    cli::talk,
    environment::Environment,
    exit::{Exit, Failure},
    output::Output,
};
use shipway_runner::{
    ActionStore, ArtifactFolder, Artifacts, Cancel, Executor, Groups, HostExecutor, JobContext, JobServices,
    Patience, Report, ReportKind, Repository, Revision, RunMasks, RunnerError, drive, reap_orphans,
    with_containers,
};
use shipway_server::job_services::RunServices;
use shipway_workflow::run::{Conclusion, Run};
use std::{
    collections::BTreeMap,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// News that may wait to be shown before jobs have to; each may be a batch of reports.
const NEWS: usize = 16;
/// Reports that are handed on at once.
const BATCH: usize = 256;

/// What jobs inherit from the caller beside what flags give.
const INHERITED: [&str; 7] = ["PATH", "LANG", "LC_ALL", "TERM", "TZ", "USER", "LOGNAME"];

/// Where tools keep what they cannot do without, and the folder in the caller's home where they look when nobody says. A
/// job has a home of its own, in which rustup's `cargo` would find no toolchain.
const TOOL_HOMES: [(&str, &str); 2] = [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")];

/// What the runs say.
enum News {
    Happened(usize, Vec<Report>),
    Ended(usize, Ended, Result<Conclusion, RunnerError>),
}

/// How many runs ended how.
#[derive(Default)]
struct Tally {
    failed: bool,
    cancelled: bool,
    interrupted: bool,
    broken: Option<RunnerError>,
}

/// Runs everything and shows it.
pub(super) async fn drive_all(
    environment: &Environment,
    here: &Here,
    options: &Options,
    given: Given,
    planned: Vec<Planned>,
) -> Result<Exit, Failure> {
    let temp = environment.folder.join(environment.variable("TMPDIR").unwrap_or("/tmp"));
    sweep(&temp).await;
    let folder = RunFolder::create(&temp, planned.first().map_or(1, |planned| planned.id))?;
    let executor = HostExecutor::new(folder.work(), folder.work(), Patience::default());
    let cache_folder = cache::folder(environment, options, &folder);
    let executor = executor.map_err(|error| broken(&error))?.with_tools(tools(&cache_folder));
    let places = Places::of(&temp, &cache_folder);
    let executor = match &places {
        Some(places) => executor.with_places(places.path()).map_err(|error| broken(&error))?,
        None => executor,
    };
    let executor = match isolation::wanted(environment, options)? {
        Some(sandbox) => executor.isolated(sandbox),
        None => executor,
    };
    let executor = with_containers(executor, environment.engine(), Patience::default());
    let services = Arc::new(cache::services(environment, &cache_folder, &folder));
    let namespace = cache::namespace(here);
    let context = context(environment, here, options, given, &folder);
    let mut show = shower(environment, options);
    let mut desk = Desk::open(environment, here, options, &planned)?;
    show.begin(&planned);
    let memory = Memory::of(here, options);
    let watched = environment.stdout_is_terminal && !options.json;
    // Only who watches is told how long things will take.
    let records = if watched || options.break_on_failure { memory.records() } else { Vec::new() };
    let forecast = Forecast::of(&planned, &records);
    if watched {
        for (run, planned) in planned.iter().enumerate() {
            if let Some(left) = forecast.left(run, planned, &Ledger::default(), environment.clock.now()) {
                let about = progress::about(left, "by its last runs");
                show.tell(&format!("{}: {about}; t shows what runs now", planned.name));
            }
        }
    }
    // What cannot be written is no failure of the run: `Output` remembers it.
    let _remembered = show.flush();
    let cancels: Vec<Cancel> = planned.iter().map(|_| Cancel::new()).collect();
    let (sender, receiver) = mpsc::channel(NEWS);
    let mut runs = JoinSet::new();
    let mut kept = Vec::with_capacity(planned.len());
    for (place, (planned, cancel)) in planned.iter().zip(&cancels).enumerate() {
        let dir = artifact_folder(&folder, planned);
        let artifacts: Arc<dyn Artifacts> = Arc::new(ArtifactFolder::new(dir, environment.clock.clone()));
        kept.push(artifacts.clone());
        let services = Arc::new(RunServices::new(services.clone(), artifacts.clone(), &*namespace));
        let (services, breaks): (Option<Arc<dyn JobServices>>, _) = (Some(services), desk.breaks(place));
        let context = JobContext { artifacts, services, breaks, ..context.clone() };
        let run = OneRun {
            place,
            planned: planned.clone(),
            context,
            executor: executor.clone(),
            cancel: cancel.clone(),
        };
        runs.spawn(run.drive(sender.clone()));
    }
    drop(sender);
    let watching = Watching {
        planned: &planned,
        folder: &folder,
        kept: &kept,
        cancels: &cancels,
        memory,
        forecast,
        watched,
    };
    let watched = watch(receiver, &mut *show, &mut desk, watching, environment).await;
    // Only after a third Ctrl-C is anything left here; dropping a run kills its processes.
    runs.shutdown().await;
    services.stop();
    let tally = match watched? {
        Watched::Over(tally) => tally,
        Watched::Killed => {
            let now =
                Patience { term_after: Duration::ZERO, kill_after: Duration::ZERO, drain: Duration::ZERO };
            reap_orphans(folder.work(), &now).await.map_err(|error| broken(&error))?;
            Tally { cancelled: true, interrupted: true, ..Tally::default() }
        }
    };
    drop(executor);
    if let Some(places) = places {
        places.finish();
    }
    folder.finish().map_err(|error| Failure::new(Exit::Failed, format!("cannot clean up: {error}")))?;
    match tally {
        Tally { broken: Some(error), .. } => Err(broken(&error)),
        Tally { cancelled: true, interrupted: true, .. } => Ok(Exit::Interrupted),
        Tally { failed: true, .. } | Tally { cancelled: true, .. } => Ok(Exit::Failed),
        Tally { .. } => Ok(Exit::Ok),
    }
}

/// What is watched, and what is known of it.
struct Watching<'a> {
    planned: &'a [Planned],
    folder: &'a RunFolder,
    kept: &'a [Arc<dyn Artifacts>],
    cancels: &'a [Cancel],
    memory: Memory<'a>,
    forecast: Forecast,
    /// Whether somebody sits at a terminal.
    watched: bool,
}

/// How the watching ended.
enum Watched {
    Over(Tally),
    Killed,
}

/// Shows news until all runs are over, or until somebody has lost patience.
async fn watch(
    mut news: mpsc::Receiver<News>,
    show: &mut dyn Show,
    desk: &mut Desk<'_>,
    watching: Watching<'_>,
    environment: &Environment,
) -> Result<Watched, Failure> {
    let Watching { planned, folder, kept, cancels, mut memory, forecast, watched } = watching;
    let mut ledger = Ledger::default();
    let mut interrupts = Interrupts::new()?;
    let mut times = 0;
    let mut tally = Tally::default();
    let mut batch = Vec::with_capacity(NEWS);
    loop {
        tokio::select! {
            biased;
            weight = interrupts.next() => {
                times += weight;
                tally.interrupted = true;
                show.interrupted(times);
                match times {
                    1 => {
                        talk("Cancelling: always() steps still run. Ctrl-C again forces the end.");
                        cancels.iter().for_each(|cancel| cancel.ask_because("Ctrl-C"));
                    }
                    2 => {
                        talk(
                            "Forcing the end: what runs gets INT, TERM after 7.5 s and KILL after 10 s. Ctrl-C once \
                             more kills at once.",
                        );
                        cancels.iter().for_each(Cancel::force);
                    }
                    _ => return Ok(Watched::Killed),
                }
            }
            count = news.recv_many(&mut batch, NEWS) => {
                if count == 0 {
                    return Ok(Watched::Over(tally));
                }
                for news in batch.drain(..) {
                    match news {
                        News::Happened(run, reports) => {
                            for report in &reports {
                                ledger.take(run, report);
                                show.report(run, report);
                                if let (true, ReportKind::JobStarted { name }) = (watched, &report.kind)
                                    && let Some(usual) = forecast.job(run, name)
                                {
                                    show.tell(&format!("{name}: {}", progress::about(usual, "by its last runs")));
                                }
                                if let ReportKind::Break { index, news } = &report.kind {
                                    desk.report(run, report, *index, news, &ledger, show);
                                }
                            }
                        }
                        News::Ended(run, ended, conclusion) => {
                            let dir = artifact_folder(folder, &planned[run]);
                            let names = names(&*kept[run]).await;
                            let artifacts = Some((dir.as_path(), names.as_slice())).filter(|_| !names.is_empty());
                            if let Ok(conclusion) = &conclusion {
                                memory.keep(run, &planned[run], &ended, *conclusion, &ledger).await;
                            }
                            tally.take(run, &ended, conclusion, show, artifacts);
                        }
                    }
                }
                // What cannot be written is no failure of the run: `Output` remembers it.
                let _remembered = show.flush();
            }
            came = desk.next() => {
                match desk.take(came, show).await? {
                    After::GoOn => {}
                    After::Abort => {
                        cancels.iter().for_each(|cancel| cancel.ask_because("aborted at a failed step"));
                    }
                    After::ShowNow => {
                        let lines = progress::now(&forecast, planned, &ledger, environment.clock.now());
                        lines.iter().for_each(|line| show.tell(line));
                    }
                }
                let _remembered = show.flush();
            }
        }
    }
}

impl Tally {
    fn take(
        &mut self,
        place: usize,
        ended: &Ended,
        conclusion: Result<Conclusion, RunnerError>,
        show: &mut dyn Show,
        artifacts: Option<(&Path, &[String])>,
    ) {
        match conclusion {
            Ok(conclusion) => {
                show.end(place, ended, conclusion, artifacts);
                match conclusion {
                    Conclusion::Success | Conclusion::Skipped => {}
                    Conclusion::Failure => self.failed = true,
                    Conclusion::Cancelled => self.cancelled = true,
                }
            }
            Err(error) => self.broken = Some(error),
        }
    }
}

/// One run, with all that it needs.
struct OneRun {
    place: usize,
    planned: Planned,
    context: JobContext,
    executor: Arc<dyn Executor>,
    cancel: Cancel,
}

impl OneRun {
    /// Drives it from its first job to its end; the news of its end is its last.
    async fn drive(self, news: mpsc::Sender<News>) {
        let OneRun { place, planned, context, executor, cancel } = self;
        let _membership = match &planned.group {
            None => None,
            Some(group) => {
                let entered = context.groups.enter(group, &planned.name, &cancel).await;
                entered.map_err(|none| cancel.ask_because(none.words(&group.group))).ok()
            }
        };
        let run = Run::new(planned.plan, planned.context);
        let mut mirror = Mirror(run.clone());
        let (sender, mut reports) = mpsc::channel(BATCH);
        let drive = drive(run, &context, executor, &mut mirror, sender, &cancel);
        let mut displaced = BTreeMap::new();
        let forward = async {
            loop {
                let mut batch = Vec::new();
                if reports.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
                for report in &batch {
                    if let ReportKind::JobDisplaced { reason, .. } = &report.kind {
                        displaced.insert(report.job.clone(), reason.clone());
                    }
                }
                // Whoever listens is gone only when everything is about to be killed.
                let _nobody_listens = news.send(News::Happened(place, batch)).await;
            }
        };
        let (conclusion, ()) = tokio::join!(Box::pin(drive), forward);
        let ended = Ended::of(&mirror.0, &RunMasks::of(&context), &displaced);
        let _nobody_listens = news.send(News::Ended(place, ended, conclusion)).await;
    }
}

fn shower(environment: &Environment, options: &Options) -> Box<dyn Show> {
    let out = BufWriter::new(Output);
    if options.json {
        return Box::new(Json::new(out));
    }
    let style = Style { colour: environment.wants_colour() };
    Box::new(Plain::new(out, How { style, live: environment.stdout_is_terminal, verbose: options.verbose }))
}

fn context(
    environment: &Environment,
    here: &Here,
    options: &Options,
    given: Given,
    folder: &RunFolder,
) -> JobContext {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let jobs = options.jobs.map_or(cores, std::num::NonZero::get).min(Semaphore::MAX_PERMITS);
    JobContext {
        clock: environment.clock.clone(),
        debug: false,
        secrets: Arc::new(given.secrets),
        environments: Arc::default(),
        repository: Repository { path: here.root.clone(), revision: Revision::WorkingTree },
        artifacts: Arc::new(ArtifactFolder::new(folder.artifacts().to_owned(), environment.clock.clone())),
        services: None,
        actions: Arc::new(actions(environment, options)),
        native_actions: !options.no_native_actions,
        host_env: Arc::new(inherited(environment)),
        path_prefix: Arc::default(),
        extra_env: Arc::new(given.env),
        local_env: Arc::default(),
        secret_env: Arc::default(),
        groups: Groups::new(),
        platforms: Arc::new(options.platforms.iter().cloned().collect()),
        slots: Arc::new(Semaphore::new(jobs)),
        hooks: Arc::new(environment.hooks()),
        breaks: None,
    }
}

/// Where actions of other repositories come from and are kept for later runs, beside caches and tools.
pub(super) fn actions(environment: &Environment, options: &Options) -> ActionStore {
    let mirror = options.action_mirror.as_ref().map(|mirror| environment.folder.join(mirror));
    let temp = || environment.folder.join(environment.variable("TMPDIR").unwrap_or("/tmp")).join("shipway");
    let cache = cache::kept(environment, options).unwrap_or_else(temp);
    let store =
        |folder| ActionStore::new(cache.join(folder), mirror, "https://github.com", &environment.variables);
    // A job that is not trusted and reaches others could tell them what the user may read.
    match options.isolate_network {
        true => store("actions-public"),
        false => store("actions").lent(&environment.variables),
    }
}

fn inherited(environment: &Environment) -> BTreeMap<String, String> {
    let mut lent: BTreeMap<String, String> = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), environment.variable(name)?.to_owned())))
        .collect();
    for (name, folder) in TOOL_HOMES {
        let usual = || {
            let path = Path::new(environment.variable("HOME")?).join(folder);
            path.is_dir().then(|| path.to_string_lossy().into_owned())
        };
        if let Some(value) = environment.variable(name).map(str::to_owned).or_else(usual) {
            lent.insert(name.to_owned(), value);
        }
    }
    lent
}

/// A folder for each run, since a name is free in each.
fn artifact_folder(folder: &RunFolder, planned: &Planned) -> PathBuf {
    folder.artifacts().join(planned.id.to_string())
}

async fn names(artifacts: &dyn Artifacts) -> Vec<String> {
    // A folder that cannot be read was not written either.
    artifacts.list().await.unwrap_or_default().into_iter().map(|artifact| artifact.name).collect()
}

/// Ctrl-C, the polite request to end that service managers send, and the end of the terminal.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Interrupts {
    fn new() -> io::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// How many times over somebody wants the end: Ctrl-\\ means it at once.
    async fn next(&mut self) -> u32 {
        tokio::select! {
            _ = self.interrupt.recv() => 1,
            _ = self.terminate.recv() => 1,
            _ = self.hangup.recv() => 1,
            _ = self.quit.recv() => 3,
        }
    }
}

fn broken(error: &RunnerError) -> Failure {
    let failure = Failure::new(Exit::Failed, error.message.clone()).with_code(error.kind.code());
    match &error.help {
        Some(help) => failure.with_help(help.clone()),
        None => failure,
    }
}
