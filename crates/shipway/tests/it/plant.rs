//! `shipway up` as a child process on fixed ports and a folder of its own, to be asked, killed and started again.

use crate::support::{Folder, binary, command};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How long anything may take that must happen. Generous, since the machine may be busy; nothing is measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The demo's workflow, as its repository has it.
pub(crate) const WORKFLOW: &str = include_str!("../../src/demo/files/deliver.yml");
/// The demo's delivery document.
pub(crate) const DELIVERY: &str = include_str!("../../src/demo/files/shipway.yaml");
const BUILD: &str = include_str!("../../src/demo/files/build.sh");
const TEST: &str = include_str!("../../src/demo/files/test.sh");

/// A repository, a data folder and two ports, which stay the same over all starts.
pub(crate) struct Plant {
    pub(crate) folder: Folder,
    pub(crate) listen: SocketAddr,
    pub(crate) router: SocketAddr,
    /// Where this process finds the data folder; elsewhere when the server has a mount namespace of its own.
    pub(crate) data_as_seen: PathBuf,
    /// Further arguments of every start.
    pub(crate) extra: Vec<String>,
    /// Further variables of every start.
    pub(crate) env: Vec<(String, String)>,
}

/// A started `shipway up`; killed when it is dropped.
pub(crate) struct Up {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Plant {
    /// The demo's repository without a commit; `delivery` is its `shipway.yaml`.
    pub(crate) fn new(delivery: &str) -> Plant {
        let folder = Folder::new();
        folder.write("repository/shipway.yaml", delivery);
        folder.write("repository/.github/workflows/deliver.yml", WORKFLOW);
        for (path, text) in [("scripts/build.sh", BUILD), ("scripts/test.sh", TEST)] {
            folder.write(&format!("repository/{path}"), text);
            make_executable(&folder.path().join("repository").join(path));
        }
        let data_as_seen = folder.path().join("data");
        let (listen, router) = (free_address(), free_address());
        let plant = Plant { folder, listen, router, data_as_seen, extra: Vec::new(), env: Vec::new() };
        plant.git(&["init", "--quiet", "--initial-branch=main"]);
        plant
    }

    /// The watched repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file of the repository.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.folder.write(&format!("repository/{path}"), text);
    }

    /// Writes the service's settings and commits everything; gives the commit's id.
    pub(crate) fn commit(&self, version: &str, settings: &str) -> String {
        self.write("web.conf", &format!("version={version}\n{settings}\n"));
        self.commit_all(version)
    }

    /// Commits everything.
    pub(crate) fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = command("git", &self.repository())
            .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()
            .expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The arguments of every start.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let (listen, router) = (self.listen.to_string(), self.router.to_string());
        ["up", "--now", "--repo", &text(self.repository()), "--data", &text(self.data())]
            .into_iter()
            .chain(["--listen", &listen, "--router", &router])
            .map(str::to_owned)
            .chain(self.extra.iter().cloned())
            .collect()
    }

    /// Starts `shipway up` and does not wait for anything.
    pub(crate) fn start(&self) -> Up {
        let mut up = command(binary(), self.folder.path());
        up.args(self.arguments()).envs(self.env.iter().map(|(name, value)| (name, value)));
        Up::start(up)
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start_and_wait(&self) -> Up {
        let mut up = self.start();
        let answers = wait_for(|| {
            let ended = up.child.try_wait().expect("a status");
            assert!(ended.is_none(), "shipway up ended with {ended:?}:\n{}", up.text());
            self.get("/api/v1/health")
        });
        assert!(answers.is_some(), "shipway up does not answer:\n{}", up.text());
        up
    }

    /// The JSON behind a path of the API; `None` when nobody answers, or not with success.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = ask(self.listen, path, &self.authorization()?)?;
        (status == 200).then(|| serde_json::from_str(&body).ok()).flatten()
    }

    /// The header that signs in whoever owns the data folder; none while there is no server.
    pub(crate) fn authorization(&self) -> Option<String> {
        let file: Value =
            serde_json::from_slice(&fs::read(self.data_as_seen.join("server.json")).ok()?).ok()?;
        Some(format!("authorization: Bearer {}\r\n", file["token"].as_str()?))
    }

    /// The bytes behind a path, and the name that they are to be kept under.
    pub(crate) fn download(&self, path: &str, header: &str) -> (String, Vec<u8>) {
        let stream = TcpStream::connect_timeout(&self.listen, Duration::from_secs(5)).expect("a connection");
        let headers = format!("host: {}\r\n{header}", self.listen);
        let answer = exchange_bytes(stream, "GET", path, &headers, "").expect("an answer");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        assert_eq!(head.split(' ').nth(1), Some("200"), "{path}: {head}");
        let name = head.split_once("filename=\"").and_then(|(_, rest)| rest.split_once('"'));
        (name.map(|(name, _)| name.to_owned()).unwrap_or_default(), answer[end + 4..].to_vec())
    }

    /// Follows a sign-in link as a browser does; gives the header that it sends from then on.
    pub(crate) fn sign_in(&self, link: &str) -> String {
        let path = link.split_once(&self.listen.to_string()).expect("a link of this server").1;
        let stream = TcpStream::connect_timeout(&self.listen, Duration::from_secs(5)).expect("a connection");
        let headers = format!("host: {}\r\nsec-fetch-site: none\r\n", self.listen);
        let (_, head, _) = exchange(stream, "GET", path, &headers, "").expect("an answer");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        format!("cookie: {}\r\n", cookie.split(';').next().unwrap_or_default())
    }

    /// Sends a body to a path: the status, and the JSON that came back.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let stream = TcpStream::connect_timeout(&self.listen, Duration::from_secs(5)).expect("a connection");
        let headers = format!(
            "host: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}",
            self.listen,
            body.len()
        );
        let (status, _, body) = exchange(stream, method, path, &headers, body).expect("an answer");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Sends a form as the browser of somebody who is signed in does; the status.
    pub(crate) fn submit(&self, path: &str, cookie: &str, form: &str) -> u16 {
        let stream = TcpStream::connect_timeout(&self.listen, Duration::from_secs(5)).expect("a connection");
        let headers = format!(
            "host: {}\r\nsec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n{cookie}",
            self.listen,
            form.len()
        );
        exchange(stream, "POST", path, &headers, form).expect("an answer").0
    }

    /// What the server says of itself, which is no success while something is wrong.
    pub(crate) fn health(&self) -> Option<Value> {
        serde_json::from_str(&ask(self.listen, "/api/v1/health", "")?.1).ok()
    }

    /// The items of a list, newest first.
    pub(crate) fn list(&self, path: &str) -> Option<Vec<Value>> {
        self.get(path)?["items"].as_array().cloned()
    }

    /// The newest rollout, whole.
    pub(crate) fn newest_rollout(&self) -> Option<Value> {
        let newest = self.list("/api/v1/rollouts")?.into_iter().next()?;
        self.get(&format!("/api/v1/rollouts/{}", id(&newest["id"])))
    }

    /// Waits until the newest rollout is of this version and over, and gives it.
    pub(crate) fn finished_rollout(&self, version: &str) -> Value {
        let over = ["promoted", "rolled_back", "failed", "superseded"];
        let found = wait_for(|| {
            let rollout = self.newest_rollout()?;
            let summary = &rollout["summary"];
            let phase = summary["phase"].as_str()?;
            (summary["release"]["version"] == version && over.contains(&phase)).then_some(rollout)
        });
        found.unwrap_or_else(|| panic!("the rollout of {version} did not end: {:?}", self.newest_rollout()))
    }

    /// Waits until the run of a commit is over, and gives it whole.
    pub(crate) fn finished_run(&self, sha: &str) -> Value {
        let found = wait_for(|| {
            let runs = self.list("/api/v1/runs")?;
            let run = runs.into_iter().find(|run| run["commit"]["sha"] == sha)?;
            (run["status"] == "completed").then(|| self.get(&format!("/api/v1/runs/{}", id(&run["id"]))))?
        });
        found.unwrap_or_else(|| panic!("the run of {sha} did not end: {:?}", self.list("/api/v1/runs")))
    }

    /// Asks the service through the router: the status and the version that answered.
    pub(crate) fn visit(&self) -> Option<(u16, Option<String>)> {
        self.visit_path("/")
    }

    /// The same for another path.
    pub(crate) fn visit_path(&self, path: &str) -> Option<(u16, Option<String>)> {
        let stream = TcpStream::connect_timeout(&self.router, Duration::from_secs(5)).ok()?;
        let (status, head, _) = exchange(stream, "GET", path, "host: web.localhost\r\n", "")?;
        let version = head.lines().find_map(|line| line.strip_prefix("x-version: ")).map(str::to_owned);
        Some((status, version))
    }

    /// Posts to the service through the router, and gives the whole head of the answer.
    pub(crate) fn post(&self) -> Option<String> {
        let stream = TcpStream::connect_timeout(&self.router, Duration::from_secs(5)).ok()?;
        exchange(stream, "POST", "/", "host: web.localhost\r\ncontent-length: 4\r\n", "paid")
            .map(|(_, head, _)| head)
    }

    /// The processes that belong to this plant: those whose directory or environment names its folder.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        processes_of(self.folder.path())
    }
}

/// The processes whose directory or environment names a folder.
pub(crate) fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let folder = folder.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let text = |name: &str| {
            let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let directory = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let state = text("stat");
        let dead = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        let ours = directory.starts_with(&folder) || text("environ").contains(&folder);
        if ours && !dead && pid != std::process::id() {
            found.push((pid, text("cmdline")));
        }
    }
    found.sort();
    found
}

impl Up {
    /// Starts a prepared command and reads along.
    pub(crate) fn start(mut command: std::process::Command) -> Up {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("shipway up starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let out: Box<dyn std::io::Read + Send> = Box::new(child.stdout.take().expect("a pipe"));
        let err: Box<dyn std::io::Read + Send> = Box::new(child.stderr.take().expect("a pipe"));
        for stream in [out, err] {
            let lines = lines.clone();
            // Ends with the pipe, which is when the child and everyone who inherited it are gone.
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Up { child, lines }
    }

    /// What it has said so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same in one text.
    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("a status");
    }

    /// TERM, and waits for its exit code.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
        self.ended()
    }

    /// Waits for its own end: the exit code and all it said.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let status = wait_for(|| self.child.try_wait().expect("a status"));
        let status = status.unwrap_or_else(|| panic!("shipway up does not end:\n{}", self.text()));
        // The last lines may still be on their way through the pipe.
        wait_for(|| (Arc::strong_count(&self.lines) == 1).then_some(()));
        (status.code(), self.text())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Drop for Plant {
    /// Nothing of a failed test stays behind: instances outlive a killed server by design.
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                // One that ended by itself meanwhile is fine.
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Looks again and again until there is something, at most for [`PATIENCE`].
pub(crate) fn wait_for<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    wait_at_most(PATIENCE, look)
}

/// Looks again and again until there is something, at most this long.
pub(crate) fn wait_at_most<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = shipway_testkit::clock::real();
    let until = clock.now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if clock.now() >= until {
            return None;
        }
        pause(Duration::from_millis(20));
    }
}

/// Lets a moment pass: between two looks at another process, or until a seeded instant for a kill.
#[expect(clippy::disallowed_methods, reason = "a process from outside can only be looked at again")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// An id, which JSON may hold as a text or a number.
pub(crate) fn id(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Asks for a path in HTTP/1.0, so that the answer ends with the connection.
fn ask(address: SocketAddr, path: &str, headers: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    let (status, _, body) = exchange(stream, "GET", path, &format!("host: {address}\r\n{headers}"), "")?;
    Some((status, body))
}

fn exchange(
    stream: TcpStream,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, String, String)> {
    let answer = exchange_bytes(stream, method, path, headers, body)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.replace('\r', ""), body.to_owned()))
}

fn exchange_bytes(
    mut stream: TcpStream,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "{method} {path} HTTP/1.0\r\n{headers}\r\n{body}").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// A free address on a port that the system never gives out by itself: while the server is down, neither an instance
/// nor a client's own end of a connection may take it.
pub(crate) fn free_address() -> SocketAddr {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let spread = u16::try_from(std::process::id() % 9_000).expect("below 9,000");
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + (spread + step) % 10_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub(crate) fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}
