//! `shipway up`: the control plane for one machine in one process.

use crate::{
    cli::{say, talk},
    environment::Environment,
    exit::{Exit, Failure},
    narrator::Narrator,
    stop::Stop,
};
use clap::Args;
use shipway_base::Secret;
use shipway_runner::sandbox::Network;
use shipway_server::{
    Isolate, Isolation,
    up::{Listen, Up, UpError, UpErrorKind, UpOptions},
};
use shipway_workflow::event::Pattern;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The folder within the repository that holds the state of its control plane.
pub(crate) const DATA_FOLDER: &str = ".shipway";

/// What webhooks are signed with.
const WEBHOOK_SECRET: &str = "SHIPWAY_WEBHOOK_SECRET";

/// How to serve.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  shipway up\n  shipway up --now --data /var/lib/shipway --listen 127.0.0.1:7070 --router 0.0.0.0:8080\n  shipway up --listen 127.0.0.1:0 --router 127.0.0.1:0\n\nPort 0 takes a free one and prints it. A commit to the repository starts what its workflows say"
)]
pub(crate) struct Options {
    /// The repository to watch
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Where everything is kept; `.shipway` in the repository when it is not given
    #[arg(long, env = "SHIPWAY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The address of the pages and the API; when it is not given, 127.0.0.1:7070 or the next free port
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The address of the router; when it is not given, 127.0.0.1:8080 or the next free port
    #[arg(long, value_name = "ADDR")]
    router: Option<SocketAddr>,
    /// Run the workflows of the commits that are there already
    #[arg(long)]
    now: bool,
    /// Jobs that may run at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
    /// Isolate jobs from this machine: always, those of runs that are not trusted (pull requests, and every branch and tag but
    /// the default branch and those of --protected), or never
    #[arg(long, value_name = "WHEN", default_value = "never", value_parser = ["always", "untrusted", "never"])]
    isolate: String,
    /// Trust the runs of branches and tags with this name too; a pattern as under `on.push.branches`
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    protected: Vec<Pattern>,
    /// Let isolated jobs use the network of this machine
    #[arg(long)]
    isolate_network: bool,
    /// Let isolated jobs read a folder beside those of the system, such as one with a toolchain
    #[arg(long, value_name = "DIR")]
    isolate_read: Vec<PathBuf>,
    /// Take actions and called workflows of other repositories from the git repositories <owner>/<repo> in this folder, not
    /// from the network
    #[arg(long, value_name = "DIR")]
    action_mirror: Option<PathBuf>,
    /// Take away the secrets that cannot be opened, because their key is lost
    #[arg(long)]
    forget_secrets: bool,
}

/// Serves until it is told to stop.
pub(crate) async fn run(environment: &Environment, options: Options) -> Result<Exit, Failure> {
    tell_troubles();
    let mut stop = Stop::listen()?;
    // Without the `.` of the default, so that messages name the folder as a person would.
    let repository: PathBuf = environment.folder.join(&options.repo).components().collect();
    let data = match options.data {
        Some(data) => environment.folder.join(data).components().collect(),
        None => repository.join(DATA_FOLDER),
    };
    let read = options.isolate_read.iter().map(|path| {
        let path = environment.folder.join(path);
        std::fs::canonicalize(&path).map_err(|error| {
            Failure::new(Exit::Usage, format!("isolated jobs cannot read {}: {error}", path.display()))
                .with_help("name a folder that is there with --isolate-read")
        })
    });
    let isolation = Isolation {
        when: match options.isolate.as_str() {
            "always" => Isolate::Always,
            "untrusted" => Isolate::Untrusted,
            _ => Isolate::Never,
        },
        protected: options.protected,
        network: if options.isolate_network { Network::Host } else { Network::None },
        read: read.collect::<Result<_, _>>()?,
    };
    let since = environment.clock.now();
    let open_to_forks = isolation.when == Isolate::Never;
    let up = start(UpOptions {
        repository,
        data: data.clone(),
        listen: listen(options.listen, 7070),
        router: listen(options.router, 8080),
        run_existing: options.now,
        max_jobs: options.jobs.max(1),
        forget_secrets: options.forget_secrets,
        isolation,
        action_mirror: options.action_mirror.map(|mirror| environment.folder.join(mirror)),
        ..defaults(environment)
    })
    .await?;
    say(&format!("pages   {}", up.url()));
    say(&format!("router  {}", up.router_url()));
    say(&format!("sign in {}", up.sign_in_url().map_err(|error| failure(&error))?));
    if environment.variable(WEBHOOK_SECRET).is_some() {
        say(&format!("hooks   {}/hooks/github", up.url()));
        if open_to_forks {
            talk(
                "Jobs of pull requests run as you and see what you see; --isolate untrusted keeps them apart.",
            );
        }
    }
    talk("Watching for commits. Ctrl-C stops; what is under way goes on at the next start.");
    let narrator = tokio::spawn(Narrator::new(up.backend(), since).tell(|line| say(&line)));
    stop.told().await;
    forget(&data);
    talk("Stopping: requests in flight are finished, then the instances are stopped.");
    up.shutdown().await;
    narrator.abort();
    Ok(Exit::Ok)
}

/// Lets warnings and errors of all loops reach the terminal: what goes wrong on the way is nobody's answer.
fn tell_troubles() {
    let terminal = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    // Whoever embeds this may have a subscriber already, which then hears of them.
    let _other = terminal.try_init();
}

/// Starts a control plane and turns what prevents it into a failure with an exit code.
pub(crate) async fn start(options: UpOptions) -> Result<Up, Failure> {
    let data = options.data.clone();
    let up = Up::start(options).await.map_err(|error| failure(&error))?;
    let file = serde_json::json!({ "url": up.url(), "token": up.operator_token().expose(), "router": up.router_url() });
    write_private(&data.join(super::connect::SERVER_FILE), &format!("{file:#}\n"))?;
    Ok(up)
}

/// Takes away what leads commands to this server, which takes no more of them.
fn forget(data: &Path) {
    let path = data.join(super::connect::SERVER_FILE);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!("cannot remove {}: {error}", path.display());
    }
}

/// What does not depend on the flags.
pub(crate) fn defaults(environment: &Environment) -> UpOptions {
    let inherited = ["PATH", "LANG", "LC_ALL", "TERM", "TZ", "USER", "LOGNAME"];
    let host_env: BTreeMap<String, String> = inherited
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), environment.variable(name)?.to_owned())))
        .collect();
    UpOptions {
        repository: environment.folder.clone(),
        data: environment.folder.join(DATA_FOLDER),
        listen: Listen::Fixed(SocketAddr::from(([127, 0, 0, 1], 0))),
        router: Listen::Fixed(SocketAddr::from(([127, 0, 0, 1], 0))),
        clock: environment.clock.clone(),
        executable: environment.executable.clone(),
        host_env,
        environment: environment.variables.clone(),
        engine: environment.engine(),
        hooks: environment.hooks(),
        poll: Duration::from_millis(250),
        run_existing: false,
        max_jobs: 4,
        isolation: Isolation::default(),
        action_mirror: None,
        fetch_patience: Duration::from_secs(300),
        answer_within: Duration::from_secs(5),
        webhook_secret: environment.variable(WEBHOOK_SECRET).map(Secret::new),
        secrets_key: environment.variable("SHIPWAY_SECRETS_KEY").map(Secret::new),
        forget_secrets: false,
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(str::to_owned)
}

fn listen(asked: Option<SocketAddr>, port: u16) -> Listen {
    match asked {
        Some(address) => Listen::Fixed(address),
        None => Listen::FromPort(SocketAddr::from(([127, 0, 0, 1], port))),
    }
}

fn failure(error: &UpError) -> Failure {
    let exit = match error.kind {
        UpErrorKind::Locked | UpErrorKind::AddressInUse => Exit::Conflict,
        UpErrorKind::Repository => Exit::NotFound,
        UpErrorKind::Folder | UpErrorKind::Key => Exit::Usage,
        UpErrorKind::Other => Exit::Failed,
    };
    let failure = Failure::new(exit, error.message.clone()).with_code(error.code);
    match &error.help {
        Some(help) => failure.with_help(help.clone()),
        None => failure,
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let fresh = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&fresh, path)?;
    Ok(())
}
