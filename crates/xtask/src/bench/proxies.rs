//! The router beside nginx and HAProxy: CPU per request and requests per second, in one run.

use super::sample::{process_cpu_ms, target_folder};
use crate::process::{command, exists, output, run, say};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

/// Passes over all proxies; each proxy is measured once a pass, in turn.
const PASSES: usize = 3;

/// How long one measurement takes.
const SECONDS: u32 = 4;

/// A proxy under measurement and what it came to in each pass.
struct Proxy {
    name: &'static str,
    address: SocketAddr,
    child: Child,
    /// With clients that come for the first time with every request, and with ones that bring the cookie they were given.
    strangers: Figures,
    known: Figures,
}

/// One of a proxy's tables.
type Which = fn(&Proxy) -> &Figures;

/// What each pass came to.
#[derive(Default)]
struct Figures {
    cpu_us: Vec<f64>,
    rate: Vec<f64>,
}

/// The headers that tell instances who asked for what, as the router sets them.
const FORWARDED: &str = "  option forwardfor\n  \
    http-request set-header X-Forwarded-Proto http unless { req.hdr(x-forwarded-proto) -m found }\n  \
    http-request set-header X-Forwarded-Host %[req.hdr(host)] unless { req.hdr(x-forwarded-host) -m found }\n";

/// What the router does for each request, in HAProxy's words: a client is known by a name that it cannot choose, for it is
/// signed; the name decides between two versions by weight; and what each client asked and how often it failed is counted.
const SAME_WORK: &str = "  http-request set-var(txn.tag) req.cook(client),field(2,.)\n  \
    http-request set-var(txn.name) req.cook(client),field(1,.)\n  \
    http-request set-var(txn.signed) var(txn.name),hmac(sha256,c2hpcHdheSBiZW5jaA==),hex\n  \
    http-request set-var(txn.known) bool(true) if { var(txn.tag) -m found } { var(txn.tag),strcmp(txn.signed) eq 0 }\n  \
    http-request set-var(txn.name) uuid() unless { var(txn.known) -m bool }\n  \
    http-request track-sc0 var(txn.name) table clients\n  \
    http-response add-header Set-Cookie \"client=%[var(txn.name)].%[var(txn.name),hmac(sha256,c2hpcHdheSBiZW5jaA==),hex]; \
    Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax\" unless { var(txn.known) -m bool }\n  \
    use_backend canary if { var(txn.name),wt6(1),mod(100) lt 10 }\n";

/// Starts a backend and the proxies on loopback, loads each in turn, prints the tables. HAProxy runs three times: bare; with
/// its own sticky cookie, which names a server and is taken on trust; and with all of the router's work.
pub(super) fn measure(root: &Path) -> Result<()> {
    for (program, package) in [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("wrk", "wrk")] {
        if !exists(program) {
            say(&format!("SKIPPED LOUDLY: the router's bench needs {program} (Debian package {package})"));
            return Ok(());
        }
    }
    let build = ["build", "--release", "--locked", "-p", "shipway-router", "--example", "proxy"];
    run(command(root, "cargo").args(build))?;
    let folder =
        PathBuf::from(output(command(root, "mktemp").args(["-d", "-t", "shipway-bench.XXXXXX"]))?.trim());
    let mut backend = start_backend(&folder)?;
    let outcome = measure_all(root, &folder, backend.address);
    stop(&mut backend.child)?;
    fs::remove_dir_all(folder)?;
    outcome
}

fn measure_all(root: &Path, folder: &Path, upstream: SocketAddr) -> Result<()> {
    let one = format!("  server one {upstream}\n");
    let sticky = format!(
        "  cookie arm insert indirect nocache\n  server one {upstream} cookie one weight 90\n  server two {upstream} cookie two weight 10\n"
    );
    let same = format!(
        "{one}backend canary\n{one}backend clients\n  \
         stick-table type string len 40 size 1m expire 1h store http_req_cnt,http_err_cnt\n"
    );
    let mut proxies = vec![
        start_nginx(folder, upstream)?,
        start_haproxy(folder, "HAProxy", "", &one)?,
        start_haproxy(folder, "HAProxy, sticky", FORWARDED, &sticky)?,
        start_haproxy(folder, "HAProxy, same work", &format!("{FORWARDED}{SAME_WORK}"), &same)?,
        start_router(root, upstream)?,
    ];
    let outcome = load(&mut proxies);
    for proxy in &mut proxies {
        stop(&mut proxy.child)?;
    }
    outcome?;
    let kinds: [(&str, Which); 2] = [
        ("every request of a new client", |proxy| &proxy.strangers),
        ("clients that come back", |proxy| &proxy.known),
    ];
    for (kind, figures) in kinds {
        say(&format!(
            "{kind}\n  {:<18} {:>14} {:>12}   passes of CPU us/request",
            "", "CPU us/request", "requests/s"
        ));
        let [plain, sticky, same] = [1, 2, 3].map(|place| best(&figures(&proxies[place]).cpu_us));
        for proxy in &proxies {
            let Figures { cpu_us, rate } = figures(proxy);
            let passes: Vec<String> = cpu_us.iter().map(|us| format!("{us:.1}")).collect();
            let (us, rate) = (best(cpu_us), rate.iter().copied().fold(0.0, f64::max));
            say(&format!(
                "  {:<18} {us:>14.1} {rate:>12.0}   {} (of HAProxy's CPU: {:.2}x bare, {:.2}x sticky, {:.2}x with the same work)",
                proxy.name,
                passes.join(", "),
                us / plain,
                us / sticky,
                us / same
            ));
        }
    }
    Ok(())
}

/// The least disturbed pass.
fn best(passes: &[f64]) -> f64 {
    passes.iter().copied().fold(f64::INFINITY, f64::min)
}

fn load(proxies: &mut [Proxy]) -> Result<()> {
    for _ in 0..PASSES {
        for proxy in proxies.iter_mut() {
            let pid = proxy.child.id();
            pass(proxy.name, pid, proxy.address, None, &mut proxy.strangers)?;
        }
        for proxy in proxies.iter_mut() {
            let (pid, cookie) = (proxy.child.id(), cookie(proxy.address)?);
            pass(proxy.name, pid, proxy.address, cookie, &mut proxy.known)?;
        }
    }
    Ok(())
}

fn pass(name: &str, pid: u32, address: SocketAddr, cookie: Option<String>, to: &mut Figures) -> Result<()> {
    let before = tree_cpu_ms(pid)?;
    let mut wrk = command(Path::new("/"), "wrk");
    wrk.args(["-t1", "-c64", &format!("-d{SECONDS}s")]);
    if let Some(cookie) = cookie {
        wrk.args(["-H", &format!("Cookie: {cookie}")]);
    }
    let text = output(wrk.arg(format!("http://{address}/")))?;
    let used = tree_cpu_ms(pid)? - before;
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
        .with_context(|| format!("wrk said: {text}"))?;
    if text.contains("Non-2xx") {
        bail!("{name} answered with errors: {text}");
    }
    to.cpu_us.push(used * 1_000.0 / requests);
    to.rate.push(requests / f64::from(SECONDS));
    Ok(())
}

/// The cookie that a proxy gives to a client that has none, `name=value`.
fn cookie(address: SocketAddr) -> Result<Option<String>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let line = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie").then_some(value)
    });
    Ok(line.and_then(|line| line.split(';').next()).map(str::to_owned))
}

/// CPU time of a process and its living children (nginx and HAProxy have workers).
fn tree_cpu_ms(pid: u32) -> Result<f64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let workers = children.split_whitespace().filter_map(|child| child.parse().ok());
    workers.map(process_cpu_ms).chain([process_cpu_ms(pid)]).sum()
}

fn start_backend(folder: &Path) -> Result<Proxy> {
    let address = free()?;
    let body = "x".repeat(110);
    nginx(folder, "backend", address, &format!("location / {{ return 200 '{body}'; }}"), "")
}

fn start_nginx(folder: &Path, upstream: SocketAddr) -> Result<Proxy> {
    let pool = format!("upstream pool {{ server {upstream}; keepalive 128; }}");
    let location =
        "location / { proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection ''; }";
    nginx(folder, "nginx", free()?, location, &pool)
}

fn nginx(
    folder: &Path,
    name: &'static str,
    address: SocketAddr,
    location: &str,
    upstream: &str,
) -> Result<Proxy> {
    let home = folder.join(name);
    fs::create_dir_all(home.join("tmp"))?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {}/tmp/{kind};", home.display()))
        .collect();
    let text = format!(
        "daemon off; worker_processes 2; pid {home}/pid; error_log {home}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 10000000; {temporary} {upstream}\n\
         server {{ listen {address}; {location} }} }}\n",
        home = home.display()
    );
    fs::write(home.join("nginx.conf"), text)?;
    let mut process = command(&home, "/usr/sbin/nginx");
    process.args(["-p", &home.display().to_string(), "-c", "nginx.conf"]);
    start(name, address, &mut process)
}

fn start_haproxy(folder: &Path, name: &'static str, frontend: &str, servers: &str) -> Result<Proxy> {
    let address = free()?;
    let text = format!(
        "global\n  nbthread 2\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  \
         timeout server 30s\n  http-reuse always\nfrontend in\n  bind {address}\n{frontend}  default_backend out\n\
         backend out\n{servers}"
    );
    let file = format!("{}.cfg", address.port());
    fs::write(folder.join(&file), text)?;
    let mut process = command(folder, "/usr/sbin/haproxy");
    process.args(["-f", &file, "-q"]);
    start(name, address, &mut process)
}

fn start_router(root: &Path, upstream: SocketAddr) -> Result<Proxy> {
    let address = free()?;
    let mut process = command(root, target_folder(root)?.join("release/examples/proxy"));
    process.args([address.to_string(), "2".to_owned(), upstream.to_string()]);
    start("shipway", address, &mut process)
}

fn start(name: &'static str, address: SocketAddr, process: &mut std::process::Command) -> Result<Proxy> {
    let mut child = process
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    for _ in 0..500 {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(Proxy {
                name,
                address,
                child,
                strangers: Figures::default(),
                known: Figures::default(),
            });
        }
        if let Some(status) = child.try_wait()? {
            bail!("{name} ended at once with {status}");
        }
        pause();
    }
    stop(&mut child)?;
    bail!("{name} does not listen on {address}")
}

#[expect(clippy::disallowed_methods, reason = "a foreign program gives no event when it listens")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Ends a process that we started: TERM, so that masters take their workers with them.
fn stop(child: &mut Child) -> Result<()> {
    run(command(Path::new("/"), "kill").args(["-TERM", &child.id().to_string()]))?;
    child.wait()?;
    Ok(())
}

/// A port of loopback that was free a moment ago.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
