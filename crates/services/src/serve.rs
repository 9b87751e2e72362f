//! The services put together, and their port.

use crate::{
    artifacts::Pending,
    cache::{CacheFolder, CacheLimits, Reserved},
    error::{Refusal, RefusalKind, ServiceError, ServiceErrorKind},
    grant::{Access, Grant},
    http,
    oidc::SigningKey,
    token::Signer,
};
use axum::serve::ListenerExt as _;
use serde_json::Value;
use shipway_base::{Clock, Timestamp};
use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How the services are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// The folder of caches, which other processes may use as well.
    pub caches: PathBuf,
    /// A folder of this process alone for artifacts while they arrive. What lies in it is removed at the start.
    pub uploads: PathBuf,
    /// The file of the key that identity tokens are signed with; made when it is first needed.
    pub key: PathBuf,
    /// How much is kept.
    pub limits: CacheLimits,
    /// The largest artifact.
    pub most_artifact: u64,
    /// Who signs identity tokens; the address of the services when nothing is said.
    pub issuer: Option<String>,
    /// Where to listen. Port 0 takes one that is free.
    pub listen: SocketAddr,
}

impl Options {
    /// The usual limits, on a free port of loopback.
    pub fn new(clock: Clock, caches: PathBuf, uploads: PathBuf, key: PathBuf) -> Options {
        Options {
            clock,
            caches,
            uploads,
            key,
            limits: CacheLimits::default(),
            most_artifact: 10_000_000_000,
            issuer: None,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
        }
    }
}

/// The running services. Cheap to clone; they end when [`Services::stop`] is called or the runtime does.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("url", &self.0.url).finish_non_exhaustive()
    }
}

/// The services as they are reached by one address.
pub(crate) struct Inner {
    /// The address, which signed links begin with.
    pub(crate) url: String,
    /// What is the same at all of them.
    pub(crate) core: Arc<Core>,
}

impl Deref for Inner {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

/// What all requests share.
pub(crate) struct Core {
    pub(crate) clock: Clock,
    pub(crate) issuer: String,
    pub(crate) signer: Signer,
    pub(crate) caches: CacheFolder,
    pub(crate) uploads: PathBuf,
    pub(crate) most_artifact: u64,
    key_file: PathBuf,
    key: OnceCell<SigningKey>,
    state: Mutex<State>,
    stopping: CancellationToken,
}

/// What is under way.
#[derive(Default)]
pub(crate) struct State {
    /// Jobs whose tokens are good, by their id.
    pub(crate) jobs: BTreeMap<String, Arc<Grant>>,
    /// Entries that are uploaded, by their number.
    pub(crate) caches: BTreeMap<u64, (String, Arc<Reserved>)>,
    /// Artifacts that are uploaded, by their number.
    pub(crate) artifacts: BTreeMap<u64, Arc<Pending>>,
    /// Further addresses, by the job whose containers they are for.
    pub(crate) doors: Vec<(String, DropGuard)>,
}

/// Links are good for so long: an upload may be large, and a download slow.
pub(crate) const LINK: Duration = Duration::from_secs(3_600);

impl Services {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the folders cannot be used or the address is taken.
    pub async fn start(options: Options) -> Result<Services, ServiceError> {
        let mut seed = [0; 48];
        getrandom::fill(&mut seed).map_err(|error| {
            ServiceError::new("cannot start the services", ServiceErrorKind::Chance(error))
        })?;
        let (key, unique) = seed.split_at(32);
        let key: [u8; 32] = key.try_into().unwrap_or_default();
        let unique: String = unique.iter().map(|byte| format!("{byte:02x}")).collect();
        let caches = CacheFolder::open(&options.caches, options.limits, &unique)?;
        let failed = |source| {
            let path = options.uploads.clone();
            ServiceError::new("cannot use the folder of uploads", ServiceErrorKind::File { path, source })
        };
        match fs::remove_dir_all(&options.uploads) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => fs::create_dir_all(&options.uploads).map_err(failed)?,
        }
        let listener = TcpListener::bind(options.listen).await;
        let listen = |error| ServiceError::new("cannot start the services", ServiceErrorKind::Listen(error));
        let listener = listener.map_err(listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(listen)?);
        let core = Arc::new(Core {
            clock: options.clock,
            issuer: options.issuer.unwrap_or_else(|| url.clone()),
            signer: Signer::new(&key),
            caches,
            uploads: options.uploads,
            most_artifact: options.most_artifact,
            key_file: options.key,
            key: OnceCell::new(),
            state: Mutex::default(),
            stopping: CancellationToken::new(),
        });
        let inner = Arc::new(Inner { url, core });
        serve(listener, inner.clone(), inner.stopping.clone());
        let sweeper = inner.clone();
        tokio::task::spawn_blocking(move || sweeper.caches.evict_all(sweeper.clock.now()));
        Ok(Services(inner))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Who signs identity tokens.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Lets a job in. Its tokens are good until [`Services::revoke`] is called, or their lifetime is over.
    ///
    /// # Errors
    /// When an id of the grant cannot stand in a token.
    pub fn grant(&self, grant: Grant) -> Result<Access, ServiceError> {
        for id in [&grant.run, &grant.job] {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            {
                let kind = ServiceErrorKind::Grant(format!("{id:?} is not a plain name"));
                return Err(ServiceError::new("cannot make the token of a job", kind));
            }
        }
        let access = self.0.access(&grant, &self.0.url);
        self.0.state().jobs.insert(grant.job.clone(), Arc::new(grant));
        Ok(access)
    }

    /// Ends what a job may do, and what it began and did not finish.
    pub fn revoke(&self, job: &str) {
        let (caches, artifacts) = {
            let mut state = self.0.state();
            state.jobs.remove(job);
            state.doors.retain(|(owner, _)| owner != job);
            let caches: Vec<_> = state.caches.extract_if(.., |_, (owner, _)| owner == job).collect();
            let artifacts: Vec<_> = state.artifacts.extract_if(.., |_, pending| pending.job == job).collect();
            (caches, artifacts)
        };
        caches.iter().for_each(|(_, (_, reserved))| self.0.caches.give_up(reserved));
        artifacts.iter().for_each(|(_, pending)| pending.remove());
    }

    /// The public keys that check identity tokens.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub async fn keys(&self) -> Result<Value, ServiceError> {
        Ok(self.0.signing_key().await?.public())
    }

    /// Stops listening.
    pub fn stop(&self) {
        self.0.stopping.cancel();
        let jobs: Vec<String> = self.0.state().jobs.keys().cloned().collect();
        jobs.iter().for_each(|job| self.revoke(job));
    }
}

/// Answers at an address until it is told to stop. What is under way ends with the jobs that asked for it; nobody is left to
/// wait for.
pub(crate) fn serve<L>(listener: L, inner: Arc<Inner>, stopping: CancellationToken)
where
    L: axum::serve::Listener<Io = TcpStream, Addr = SocketAddr>,
{
    // Small answers must not wait for more to send.
    let listener = listener.tap_io(|stream| {
        let _slower = stream.set_nodelay(true);
    });
    let router = http::router(inner);
    tokio::spawn(async move {
        tokio::select! {
            served = async { axum::serve(listener, router).await } => {
                if let Err(error) = served {
                    tracing::error!(%error, "the services of actions stopped");
                }
            }
            () = stopping.cancelled() => {}
        }
    });
}

impl Core {
    pub(crate) fn access(&self, grant: &Grant, url: &str) -> Access {
        let token = self.signer.token(grant, url, self.clock.now());
        Access::new(&format!("{url}/"), &token, grant.caches.mode, true, grant.identity.is_some())
    }

    /// Nothing panics while it holds the lock, so what is behind a poisoned one is whole.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job that a token belongs to.
    pub(crate) fn authorise(&self, token: Option<&str>) -> Result<Arc<Grant>, Refusal> {
        let refused = |why: &str| Refusal::new(RefusalKind::Unauthenticated, why);
        let token = token.ok_or_else(|| refused("the request has no token; send Authorization: Bearer"))?;
        let bearer = self.signer.check_token(token, self.clock.now())?;
        let grant = self.state().jobs.get(&bearer.job).cloned();
        grant.filter(|grant| grant.run == bearer.run).ok_or_else(|| refused("the job of the token is over"))
    }

    pub(crate) async fn signing_key(&self) -> Result<&SigningKey, ServiceError> {
        self.key
            .get_or_try_init(|| async {
                let path = self.key_file.clone();
                let loaded = tokio::task::spawn_blocking(move || SigningKey::load(&path)).await;
                loaded.map_err(|_| {
                    let kind = ServiceErrorKind::Grant("the server is stopping".to_owned());
                    ServiceError::new("cannot read the key of identity tokens", kind)
                })?
            })
            .await
    }

    /// A number that nobody guesses and that JavaScript can hold.
    pub(crate) fn number(&self) -> Result<u64, Refusal> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)
            .map_err(|_| Refusal::new(RefusalKind::Internal, "the system gives no random bytes"))?;
        Ok((u64::from_le_bytes(bytes) >> 12) | 1)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
