//! The router beside nginx and HAProxy: CPU per request and requests per second, in one run.

use super::sample::{process_cpu_ms, target_folder};
use crate::process::{command, exists, output, run, say};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
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
    cpu_us: Vec<f64>,
    rate: Vec<f64>,
}

/// Starts two backends and the three proxies on loopback, loads each in turn, prints the table.
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
    let mut proxies =
        vec![start_nginx(folder, upstream)?, start_haproxy(folder, upstream)?, start_router(root, upstream)?];
    let outcome = load(&mut proxies);
    for proxy in &mut proxies {
        stop(&mut proxy.child)?;
    }
    outcome?;
    say(&format!("{:<10} {:>14} {:>14}   passes of CPU us/request", "", "CPU us/request", "requests/s"));
    let reference = best(&proxies[1].cpu_us);
    for proxy in &proxies {
        let passes: Vec<String> = proxy.cpu_us.iter().map(|us| format!("{us:.1}")).collect();
        let rate = proxy.rate.iter().copied().fold(0.0, f64::max);
        say(&format!(
            "{:<10} {:>14.1} {rate:>14.0}   {} ({:.2}x HAProxy's CPU)",
            proxy.name,
            best(&proxy.cpu_us),
            passes.join(", "),
            best(&proxy.cpu_us) / reference
        ));
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
            let before = tree_cpu_ms(proxy.child.id())?;
            let url = format!("http://{}/", proxy.address);
            let folder = Path::new("/");
            let text = output(command(folder, "wrk").args(["-t1", "-c64", &format!("-d{SECONDS}s"), &url]))?;
            let used = tree_cpu_ms(proxy.child.id())? - before;
            let requests: f64 = text
                .lines()
                .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
                .with_context(|| format!("wrk said: {text}"))?;
            if text.contains("Non-2xx") {
                bail!("{} answered with errors: {text}", proxy.name);
            }
            proxy.cpu_us.push(used * 1_000.0 / requests);
            proxy.rate.push(requests / f64::from(SECONDS));
        }
    }
    Ok(())
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

fn start_haproxy(folder: &Path, upstream: SocketAddr) -> Result<Proxy> {
    let address = free()?;
    let text = format!(
        "global\n  nbthread 2\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  \
         timeout server 30s\n  http-reuse always\nfrontend in\n  bind {address}\n  default_backend out\n\
         backend out\n  server one {upstream}\n"
    );
    fs::write(folder.join("haproxy.cfg"), text)?;
    let mut process = command(folder, "/usr/sbin/haproxy");
    process.args(["-f", "haproxy.cfg", "-q"]);
    start("HAProxy", address, &mut process)
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
            return Ok(Proxy { name, address, child, cpu_us: Vec::new(), rate: Vec::new() });
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
