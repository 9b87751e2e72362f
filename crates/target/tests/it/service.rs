//! A tiny service, played by this test binary itself when it is started as an instance, and helpers around it.

use shipway_base::{Clock, Timestamp};
use shipway_rollout::{delivery::InstancePhase, document::HealthCheck};
use shipway_target::{InstanceSpec, InstanceStatus, ProcessTarget, Target as _, process::Options};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[expect(
    clippy::disallowed_methods,
    reason = "an instance learns its role from its environment, as any program"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The service. As a test it does nothing; started with `ROLE` it serves until it is told to stop.
#[test]
fn role() {
    let (Some(role), Some(port)) = (environment("ROLE"), environment("PORT")) else { return };
    println!("{role} speaks on port {port} as {}", environment("SHIPWAY_VERSION").unwrap_or_default());
    match role.as_str() {
        "serve" => serve(&port, 200),
        "sick" => serve(&port, 503),
        // Its port is taken the first time: it says which it was given, waits until that is so, and gives up.
        "unlucky" if !Path::new("taken").exists() => {
            fs::write("given.new", &port).expect("written");
            fs::rename("given.new", "given").expect("renamed");
            while !Path::new("taken").exists() {
                std::thread::yield_now();
            }
            panic!("address already in use");
        }
        "unlucky" => serve(&port, 200),
        "chatty" => {
            for number in 0..40_000 {
                println!("line {number}");
            }
            serve(&port, 200);
        }
        other => panic!("no such role: {other}"),
    }
}

/// Answers every request with one status, or 503 while a file `down` stands in the working directory.
fn serve(port: &str, status: u16) {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    for stream in listener.incoming().flatten() {
        let down = Path::new("down").exists();
        // A client that goes away is no concern of the service.
        let _gone = answer(&stream, if down { 503 } else { status }).is_err();
    }
}

fn answer(mut stream: &TcpStream, status: u16) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = if status == 200 { "fine" } else { "still warming up" };
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A clock that tells the real time, so that ages of processes make sense.
pub(crate) fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the test is the binary here, which hands the clock down")]
    let read = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock::new(move || Timestamp::from_micros(read().as_micros() as i64))
}

pub(crate) fn open(folder: &Path) -> ProcessTarget {
    let env = BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]);
    let options = Options { env, log_limit: 64 * 1024, ..Options::new(folder.join("target"), clock()) };
    ProcessTarget::open(options).expect("the target opens")
}

/// An instance of the service in a role.
pub(crate) fn instance(folder: &Path, id: &str, role: &str) -> InstanceSpec {
    let program = std::env::current_exe().expect("own path").to_string_lossy().into_owned();
    let arguments = ["service::role", "--exact", "--nocapture"].map(str::to_owned);
    let command = std::iter::once(program).chain(arguments).collect();
    InstanceSpec {
        env: BTreeMap::from([("ROLE".to_owned(), role.to_owned())]),
        ..script(folder, id, command)
    }
}

/// An instance of any command.
pub(crate) fn script(folder: &Path, id: &str, command: Vec<String>) -> InstanceSpec {
    let directory = folder.join("artifact");
    fs::create_dir_all(&directory).expect("folder");
    InstanceSpec {
        id: id.to_owned(),
        service: "web".to_owned(),
        version: "v1".to_owned(),
        directory,
        command,
        env: BTreeMap::new(),
        health_check: HealthCheck {
            path: "/healthz".to_owned(),
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            start_timeout: Duration::from_secs(30),
        },
        stop_timeout: Duration::from_secs(5),
    }
}

pub(crate) fn bash(folder: &Path, id: &str, text: &str) -> InstanceSpec {
    script(folder, id, ["bash", "-c", text].map(str::to_owned).to_vec())
}

/// Waits until an instance is as it should be.
pub(crate) async fn until(
    target: &ProcessTarget,
    id: &str,
    holds: impl Fn(&InstanceStatus) -> bool,
) -> InstanceStatus {
    let mut watch = target.watch();
    let search = async {
        loop {
            let found =
                target.observe().into_iter().find(|status| status.id == id).filter(|status| holds(status));
            if let Some(status) = found {
                return status;
            }
            watch.changed().await.expect("the target lives");
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), search).await {
        Ok(status) => status,
        Err(_) => panic!("never: {:#?}", target.observe()),
    }
}

pub(crate) async fn until_ready(target: &ProcessTarget, id: &str) -> InstanceStatus {
    until(target, id, |status| status.phase == InstancePhase::Ready).await
}

pub(crate) fn has_ended(status: &InstanceStatus) -> bool {
    matches!(status.phase, InstancePhase::Exited(_) | InstancePhase::CannotStart { .. })
}

/// Whether a process exists and has not ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
