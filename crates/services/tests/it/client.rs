//! A client that speaks raw HTTP, and services in a temporary folder with a clock that stands still.

use crate::store::MemoryStore;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, header::HeaderMap};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use shipway_base::{Clock, Timestamp};
use shipway_services::{
    Access, CacheAccess, CacheLimits, CacheMode, Grant, Identity, Options, Origin, Services,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// Services with their folder and clock.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) seconds: Arc<AtomicI64>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> World {
        World::inside(Arc::new(tempfile::tempdir().expect("a folder")), change).await
    }

    pub(crate) async fn inside(dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Options)) -> World {
        let seconds = Arc::new(AtomicI64::new(1_000_000));
        let shared = seconds.clone();
        let clock = Clock::new(move || Timestamp::from_millis(shared.load(Ordering::Relaxed) * 1_000));
        let at = |name: &str| dir.path().join(name);
        let uploads = tempfile::Builder::new().tempdir_in(dir.path()).expect("a folder").keep();
        let mut options = Options::new(clock, at("caches"), uploads, at("oidc.der"));
        options.limits = CacheLimits { entry: 1 << 20, namespace: 4 << 20, ..CacheLimits::default() };
        options.most_artifact = 1 << 20;
        change(&mut options);
        let services = Services::start(options).await.expect("started");
        let store = Arc::new(MemoryStore::new(&dir.path().join("artifacts")));
        World { services, seconds, store, dir }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// What a push of a branch may do.
    pub(crate) fn grant(&self, job: &str, branch: &str) -> Grant {
        let reference = format!("refs/heads/{branch}");
        let origin = Origin { event: "push", reference: &reference, base_ref: "", default_branch: "main" };
        self.grant_for(job, origin, CacheMode::Write)
    }

    pub(crate) fn grant_for(&self, job: &str, origin: Origin<'_>, mode: CacheMode) -> Grant {
        Grant {
            run: "17".to_owned(),
            job: job.to_owned(),
            repository: "acme/web".to_owned(),
            namespace: "acme/web".to_owned(),
            caches: CacheAccess::new(origin, mode),
            permissions: BTreeMap::new(),
            identity: None,
            artifacts: self.store.clone(),
            lifetime: Duration::from_secs(3_600),
        }
    }

    /// A job that pushes to a branch.
    pub(crate) fn job(&self, job: &str, branch: &str) -> Job {
        self.let_in(self.grant(job, branch))
    }

    pub(crate) fn job_with_identity(&self, job: &str, identity: Identity) -> Job {
        self.let_in(Grant { identity: Some(identity), ..self.grant(job, "main") })
    }

    pub(crate) fn let_in(&self, grant: Grant) -> Job {
        let access = self.services.grant(grant).expect("granted");
        Job { url: self.services.url().to_owned(), access }
    }

    pub(crate) fn folder(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(name)
    }
}

/// A job as its actions see it.
pub(crate) struct Job {
    pub(crate) url: String,
    pub(crate) access: Access,
}

impl Job {
    pub(crate) fn token(&self) -> &str {
        &self.access.actions["ACTIONS_RUNTIME_TOKEN"]
    }

    pub(crate) async fn cache(&self, method: &str, body: Value) -> Answer {
        self.twirp("CacheService", method, body).await
    }

    /// A method of the artifact service, with the ids of this run filled in.
    pub(crate) async fn artifact(&self, method: &str, mut body: Value) -> Answer {
        for (name, value) in [("workflow_run_backend_id", "17"), ("workflow_job_run_backend_id", "any")] {
            if body.get(name).is_none() {
                body[name] = json!(value);
            }
        }
        self.twirp("ArtifactService", method, body).await
    }

    async fn twirp(&self, service: &str, method: &str, body: Value) -> Answer {
        let url = format!("{}/twirp/github.actions.results.api.v1.{service}/{method}", self.url);
        self.send("POST", &url, &[("content-type", "application/json")], body.to_string()).await
    }

    /// A request with the token of the job.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let bearer = format!("Bearer {}", self.token());
        let headers: Vec<(&str, &str)> =
            headers.iter().copied().chain([("authorization", &*bearer)]).collect();
        send(method, url, &headers, body).await
    }
}

/// A request without a token.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    let response = client.request(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Sends a content in blocks, as Azure's client does with a large one.
pub(crate) async fn upload_blocks(url: &str, blocks: &[&[u8]]) {
    let mut list = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><BlockList>");
    for (number, block) in blocks.iter().enumerate() {
        let id = format!("QUJD{number:08}");
        let answer = send("PUT", &format!("{url}&comp=block&blockid={id}"), &[], block.to_vec()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        list.push_str(&format!("<Latest>{id}</Latest>"));
    }
    list.push_str("</BlockList>");
    let answer = send("PUT", &format!("{url}&comp=blocklist"), &[], list).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(!answer.header("x-ms-request-id").is_empty());
}

/// Sends a content at once.
pub(crate) async fn upload_whole(url: &str, content: impl Into<Bytes>) {
    let answer = send("PUT", url, &[("x-ms-blob-type", "BlockBlob")], content).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
