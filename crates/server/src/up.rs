//! The control plane for one machine in one process: store, loops, router, instances and pages together.

use crate::{
    backend::Backend,
    control::{
        plane::Plane,
        runs::{RunSettings, Runs, follow},
        trust::Isolation,
        values::{self, Values},
        watch,
        world::World,
    },
    git::Git,
    http::{self, auth::Auth},
    job_services::LazyServices,
    source::RepositoryName,
    vault::Vault,
};
use shipway_base::{Clock, Secret};
use shipway_router::{Router, RouterError};
use shipway_runner::{
    ActionStore, EngineSettings, ErrorKind, Hooks, HostExecutor, Patience, RunnerError, reap_orphans,
    sandbox::Sandbox, with_containers,
};
use shipway_store::{
    Store, StoreError,
    models::{self, values::ValueKind},
};
use shipway_target::ProcessTarget;
use shipway_traffic::{AffinityKey, Table};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// How to start a control plane.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// The repository to watch.
    pub repository: PathBuf,
    /// The folder that holds everything.
    pub data: PathBuf,
    /// Where the pages and the API listen.
    pub listen: Listen,
    /// Where the router listens.
    pub router: Listen,
    /// The time.
    pub clock: Clock,
    /// Our own binary, which steps find on their `PATH`.
    pub executable: PathBuf,
    /// The variables that steps inherit.
    pub host_env: BTreeMap<String, String>,
    /// The environment that git has when it fetches what runs use of other repositories.
    pub environment: BTreeMap<String, String>,
    /// What the environment says about the container engine.
    pub engine: EngineSettings,
    /// Scripts of the operator around each job.
    pub hooks: Hooks,
    /// How often the repository is looked at.
    pub poll: Duration,
    /// Whether the workflows of commits that are there at the first start are run.
    pub run_existing: bool,
    /// Jobs of one run that may run at once.
    pub max_jobs: usize,
    /// The folder of git repositories that actions and called workflows of others come from, not the network.
    pub action_mirror: Option<PathBuf>,
    /// How long fetching the workflows of others that a run calls may take.
    pub fetch_patience: Duration,
    /// Which jobs are isolated from this machine.
    pub isolation: Isolation,
    /// How long a webhook may wait for its runs; it is answered before they are made when they take longer.
    pub answer_within: Duration,
    /// What the webhooks of a forge are signed with; none are taken without it.
    pub webhook_secret: Option<Secret>,
    /// The key of the secrets, when it is not to be kept in the data folder.
    pub secrets_key: Option<Secret>,
    /// Take away the secrets that cannot be opened, because their key is lost.
    pub forget_secrets: bool,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// This one or none.
    Fixed(SocketAddr),
    /// This one, or the next port that is free.
    FromPort(SocketAddr),
}

/// A running control plane.
pub struct Up {
    world: Arc<World>,
    plane: Arc<Plane>,
    auth: Arc<Auth>,
    target: Arc<ProcessTarget>,
    services: Arc<LazyServices>,
    address: SocketAddr,
}

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UpError {
    /// What kind of reason, for exit codes.
    pub kind: UpErrorKind,
    /// The code of its page.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What kind of reason prevents a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpErrorKind {
    /// Another process has the folder.
    Locked,
    /// Another program has the address.
    AddressInUse,
    /// There is no repository to watch.
    Repository,
    /// The data folder is not ours.
    Folder,
    /// The key of the secrets is not there, or is another one.
    Key,
    /// Anything else.
    Other,
}

/// How many ports are tried before giving up.
const PORTS: u16 = 50;

/// How long requests may take to finish when the process stops.
const GRACE: Duration = Duration::from_secs(10);

impl Up {
    /// Opens the folder, goes on with everything that was under way in it, and serves.
    ///
    /// # Errors
    /// What prevents it; nothing was changed then that the next start would not find.
    pub async fn start(options: UpOptions) -> Result<Up, UpError> {
        let git = Git::open(&options.repository).await.map_err(|error| {
            UpError::new(UpErrorKind::Repository, "SW0914", error.to_string())
                .help("run it inside a git repository, or name one with --repo")
        })?;
        refuse_foreign(&options.data)?;
        make_private(&options.data).map_err(|error| UpError::io("prepare", &options.data, &error))?;
        let store = Store::open(&options.data, options.clock.clone()).map_err(|error| store_error(&error))?;
        keep_out_of_git(&options.data).map_err(|error| UpError::io("prepare", &options.data, &error))?;
        let keys = Keys::load(&store).await?;
        let work = options.data.join("work");
        let failed = |error: RunnerError| UpError::other(error.to_string());
        let [records, isolated_records] = records(&options.data);
        reap(&options.data).await.map_err(failed)?;
        // Both in the same folder, so that what isolated jobs cache by its path is found by the others, and the other way
        // round. No two jobs have one place at a time, and each finds it empty.
        let executor = |records: &Path| {
            HostExecutor::new(&work, records, Patience::default())
                .and_then(|executor| executor.with_places(&work))
                .map_err(failed)
        };
        let isolated = executor(&isolated_records)?.isolated(sandbox(&options));
        let executor = executor(&records)?;
        let mut instances =
            shipway_target::process::Options::new(options.data.join("instances"), options.clock.clone());
        instances.env = options.host_env.clone();
        let target = Arc::new(ProcessTarget::open(instances).map_err(|error| UpError::other(chain(&error)))?);
        let listener = listen(options.listen).await?;
        let address = listener.local_addr().map_err(|error| UpError::other(error.to_string()))?;
        let router = start_router(&options, &keys).await?;
        let node = u16::from_le_bytes([keys.seed[0], keys.seed[1]]);
        let world = Arc::new(World::new(
            store,
            router,
            target.clone(),
            options.clock.clone(),
            options.data.clone(),
            node,
        ));
        let vault = vault(&options, &world.store).await?;
        let values = Arc::new(Values::new(world.clone(), vault));
        let services = Arc::new(services(&options, address));
        let auth = Arc::new(Auth::new(keys.session));
        let tokens = (auth.clone(), options.clock.clone());
        let origin = git.origin().await.map_err(|error| UpError::other(error.to_string()))?;
        let settings = RunSettings {
            repository: RepositoryName::of(origin.as_deref(), git.folder()),
            is_told: options.webhook_secret.is_some(),
            executor: with_containers(executor, options.engine.clone(), Patience::default()),
            isolated: with_containers(isolated, options.engine.clone(), Patience::default()),
            isolation: options.isolation.clone(),
            actions: Arc::new(actions(&options, "actions").lent(&options.environment)),
            public_actions: Arc::new(actions(&options, "actions-public")),
            host_env: Arc::new(options.host_env.clone()),
            path_prefix: Arc::new(vec![tools(&options)?]),
            url: format!("http://{address}"),
            server_url: official(address),
            services: services.clone(),
            values: values.clone(),
            token: Box::new(move |run| {
                let (auth, clock) = &tokens;
                auth.run_token(run.into(), clock.now() + Duration::from_secs(24 * 3_600))
            }),
            hooks: Arc::new(options.hooks.clone()),
            fetch_patience: options.fetch_patience,
            merge_wait: options.poll * 4,
            answer_within: options.answer_within,
            slots: Arc::new(Semaphore::new(options.max_jobs)),
        };
        let runs = Runs::new(world.clone(), git, settings);
        let plane =
            Plane::start(world.clone(), runs.clone(), values).await.map_err(|error| store_error(&error))?;
        world.tasks.spawn(plane.clone().open_router());
        let context = http::Context {
            backend: plane.clone(),
            auth: auth.clone(),
            clock: options.clock.clone(),
            version: env!("CARGO_PKG_VERSION"),
            sign_in_command: "shipway sign-in",
            stopping: world.stopping.clone(),
            webhook_secret: options.webhook_secret.clone(),
            services: Some(services.clone()),
        };
        let troubled = world.clone();
        world.tasks.spawn(async move {
            if let Err(error) = http::serve(listener, context, GRACE).await {
                troubled.trouble("serving pages", error);
            }
        });
        if let Err(error) = runs.resume().await {
            return Err(UpError::other(format!("runs that were under way cannot be resumed: {error}")));
        }
        runs.resume_heard().await.map_err(|error| store_error(&error))?;
        world.tasks.spawn(follow::follow(world.clone(), runs.clone()));
        watch::begin(&world, &runs, options.run_existing).await;
        world.tasks.spawn(watch::watch(world.clone(), runs, options.poll, options.run_existing));
        Ok(Up { world, plane, auth, target, services, address })
    }

    /// The address of the pages and the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the router.
    pub fn router_url(&self) -> String {
        format!("http://{}", self.world.router.address())
    }

    /// The system behind the pages.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.plane.clone()
    }

    /// The token that commands on this machine use.
    pub fn operator_token(&self) -> Secret {
        self.auth.operator_token()
    }

    /// A link that signs one browser in, once.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn sign_in_url(&self) -> Result<String, UpError> {
        let link = self
            .auth
            .sign_in_link(self.world.clock.now())
            .map_err(|error| UpError::other(error.to_string()))?;
        Ok(format!("{}{}", self.url(), link.path))
    }

    /// Requests of a service that the router failed because of the shifting itself, since it started.
    pub fn dropped(&self, service: &str) -> u64 {
        self.world.router.stats(service).map_or(0, |stats| stats.dropped_total())
    }

    /// Stops: requests in flight finish, instances are stopped, runs are left for the next start.
    pub async fn shutdown(self) {
        self.world.stopping.cancel();
        let _cut = self.world.router.shutdown(GRACE).await;
        self.world.tasks.close();
        if tokio::time::timeout(GRACE * 2, self.world.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time and are dropped");
        }
        self.services.stop();
        // What runs in containers does not end with its run, and must not work on where nobody listens.
        match tokio::time::timeout(GRACE, reap(&self.world.data)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "jobs were not cleaned up after; the next start does it")
            }
            Err(_) => tracing::warn!("jobs were not cleaned up after in time; the next start does it"),
        }
        self.target.stop_all(GRACE).await;
    }
}

/// The folders in which jobs are recorded: those with all rights of the server, and the isolated ones.
fn records(data: &Path) -> [PathBuf; 2] {
    ["jobs", "jobs-isolated"].map(|name| data.join(name))
}

/// Ends what is left of the jobs of this folder.
async fn reap(data: &Path) -> Result<(), RunnerError> {
    for records in records(data) {
        match reap_orphans(&records, &Patience::default()).await {
            // The record stays, so that the next start tries again; an engine that was removed must not prevent this one.
            Err(error) if error.kind == ErrorKind::EngineMissing => tracing::warn!(%error),
            outcome => drop(outcome?),
        }
    }
    Ok(())
}

/// Where actions of other repositories come from. What was fetched with somebody's credentials is kept apart from what everybody may
/// have.
fn actions(options: &UpOptions, folder: &str) -> ActionStore {
    let mirror = options.action_mirror.clone();
    ActionStore::new(options.data.join(folder), mirror, "https://github.com", &options.environment)
}

/// How jobs are isolated.
fn sandbox(options: &UpOptions) -> Sandbox {
    Sandbox {
        program: options.executable.clone(),
        network: options.isolation.network,
        read: options.isolation.read.clone(),
        user: Sandbox::USER,
    }
}

/// The vault of the secrets that are stored, which must open all of them.
async fn vault(options: &UpOptions, store: &Store) -> Result<Vault, UpError> {
    let refused = |message: String| {
        UpError::new(UpErrorKind::Key, "SW0918", message).help(
            "give the key that they were sealed with, as secrets.key in the data folder or in SHIPWAY_SECRETS_KEY; when it \
             is lost, --forget-secrets takes away what cannot be opened",
        )
    };
    let stored = store.values(ValueKind::Secret).await.map_err(|error| store_error(&error))?;
    let fresh = stored.is_empty() || options.forget_secrets;
    let vault = Vault::open(&options.data, options.secrets_key.as_ref(), fresh)
        .map_err(|error| refused(chain(&error)))?;
    let lost = values::lost(store, &vault).await.map_err(|error| store_error(&error))?;
    if options.forget_secrets {
        let gone = lost.iter().map(|row| models::values::remove(row.kind, &row.environment, &row.name));
        store.batch(gone.collect()).await.map_err(|error| store_error(&error))?;
        return Ok(vault);
    }
    match lost.first() {
        None => Ok(vault),
        Some(row) => {
            let count = lost.len();
            Err(refused(format!(
                "the key opens {} of {} secrets; one that it does not open is {}",
                stored.len() - count,
                stored.len(),
                row.name
            )))
        }
    }
}

/// Secrets of the installation, made once.
struct Keys {
    affinity: AffinityKey,
    session: Secret,
    seed: [u8; 32],
}

impl Keys {
    async fn load(store: &Store) -> Result<Keys, UpError> {
        let affinity = store
            .setting_or("key.affinity", random()?.to_vec())
            .await
            .map_err(|error| store_error(&error))?;
        let session =
            store.setting_or("key.session", random()?.to_vec()).await.map_err(|error| store_error(&error))?;
        let affinity =
            affinity.try_into().map_err(|_| UpError::other("the stored affinity key is damaged"))?;
        let session = Secret::new(session.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        Ok(Keys { affinity: AffinityKey(affinity), session, seed: random()? })
    }
}

fn random() -> Result<[u8; 32], UpError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| UpError::other(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// A folder of somebody else's files becomes no data folder: its permissions and its `.gitignore` would be overwritten.
fn refuse_foreign(data: &Path) -> Result<(), UpError> {
    let entries = match std::fs::read_dir(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| UpError::io("read", data, &error))?,
    };
    let mut found = None;
    for entry in entries {
        let name = entry.map_err(|error| UpError::io("read", data, &error))?.file_name();
        // The lock is the first file of a data folder, and what a crash of the very first start leaves.
        if name == "lock" || name == "shipway.db" {
            return Ok(());
        }
        // A file system that was made for us has this folder from the start.
        if name != "lost+found" {
            found = Some(name);
        }
    }
    let Some(found) = found else { return Ok(()) };
    let message = format!(
        "{} is no data folder of shipway: it holds other files, such as {}",
        data.display(),
        found.to_string_lossy()
    );
    Err(UpError::new(UpErrorKind::Folder, "SW0917", message)
        .help("give --data a folder that is empty, or that does not exist yet; nothing was changed"))
}

/// The data folder holds keys, logs and artifacts: nobody but its owner may look into it, whatever the umask says and
/// whoever made the folder.
fn make_private(data: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
}

/// The data folder may lie in the watched repository; its own ignore file keeps it out of every commit.
fn keep_out_of_git(data: &Path) -> io::Result<()> {
    std::fs::create_dir_all(data.join("releases"))?;
    std::fs::write(data.join(".gitignore"), "*\n")
}

/// A folder with nothing but our own binary under its name, to stand before `PATH`.
fn tools(options: &UpOptions) -> Result<PathBuf, UpError> {
    let folder = options.data.join("tools");
    let link = folder.join("shipway");
    let make = || -> io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::os::unix::fs::symlink(&options.executable, &link)
    };
    make().map_err(|error| UpError::io("link our binary in", &folder, &error))?;
    std::path::absolute(&folder).map_err(|error| UpError::io("find", &folder, &error))
}

async fn listen(listen: Listen) -> Result<TcpListener, UpError> {
    let (address, tries) = match listen {
        Listen::Fixed(address) => (address, 1),
        Listen::FromPort(address) => (address, PORTS),
    };
    let mut last = None;
    for offset in 0..tries {
        let mut address = address;
        address.set_port(address.port().saturating_add(offset));
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(address),
            Err(error) => {
                return Err(UpError::other(format!("cannot listen on {address}: {error}")).help(
                    "give an address of this machine with --listen; ports below 1024 need a privilege",
                ));
            }
        }
    }
    let address = last.unwrap_or(address);
    let message = format!("the address {address} is in use by another program");
    Err(UpError::new(UpErrorKind::AddressInUse, "SW0915", message)
        .help("stop that program, or choose another address with --listen"))
}

/// The services of actions, on a port of their own: their tokens are for jobs and open nothing else.
fn services(options: &UpOptions, address: SocketAddr) -> LazyServices {
    let at = |name: &str| options.data.join(name);
    let (caches, uploads, key) = (at("caches"), at("uploads"), at("oidc.der"));
    let mut settings = shipway_services::Options::new(options.clock.clone(), caches, uploads, key);
    // Tokens name the address that stays the same; what checks them is there as well.
    settings.issuer = Some(format!("http://{address}"));
    LazyServices::new(settings)
}

/// The address under a name that official actions accept: they refuse today's artifacts and caches on any server but GitHub's and
/// those below `.localhost`. It is shown and compared, and looked up by browsers, who know it; services are reached by number.
fn official(address: SocketAddr) -> String {
    format!("http://shipway.localhost:{}", address.port())
}

async fn start_router(options: &UpOptions, keys: &Keys) -> Result<Router, UpError> {
    let (address, tries) = match options.router {
        Listen::Fixed(address) => (address, 1),
        Listen::FromPort(address) => (address, PORTS),
    };
    let mut last = None;
    for offset in 0..tries {
        let mut address = address;
        address.set_port(address.port().saturating_add(offset));
        let mut settings =
            shipway_router::Options::new(address, options.clock.clone(), keys.affinity.clone(), keys.seed);
        // Who comes before the services are where they were would be told that there are none.
        settings.held = true;
        match Router::start(settings, Table::default()).await {
            Ok(router) => return Ok(router),
            Err(error @ RouterError::AddressInUse { .. }) => last = Some(error),
            Err(error) => return Err(UpError::new(UpErrorKind::Other, error.code(), error.to_string())),
        }
    }
    let message = last.as_ref().map(ToString::to_string).unwrap_or_default();
    Err(UpError::new(UpErrorKind::AddressInUse, "SW0701", message)
        .help("stop that program, or choose another address with --router"))
}

fn store_error(error: &StoreError) -> UpError {
    if let StoreError::Locked { .. } = error {
        return UpError::new(UpErrorKind::Locked, error.code(), error.to_string())
            .help("stop the other one, or give this one a folder of its own with --data");
    }
    let failed = UpError::new(UpErrorKind::Other, error.code(), chain(error));
    if let StoreError::Full { .. } = error {
        return failed.help("free some space and start again; nothing was lost");
    }
    failed
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl UpError {
    fn new(kind: UpErrorKind, code: &'static str, message: impl Into<String>) -> UpError {
        UpError { kind, code, message: message.into(), help: None }
    }

    fn other(message: impl Into<String>) -> UpError {
        UpError::new(UpErrorKind::Other, "SW0916", message)
    }

    fn io(what: &str, path: &Path, error: &io::Error) -> UpError {
        UpError::other(format!("cannot {what} {}: {error}", path.display()))
            .help("mend this and start again, or give another folder with --data; nothing that was stored is touched")
    }

    fn help(mut self, help: impl Into<String>) -> UpError {
        self.help = Some(help.into());
        self
    }
}
