//! What a step of an isolated job starts as: it enters the job's namespaces, gives up what it may, and starts the step.

use super::{FAILED, MARK, Refusal, Trying, filter, rules, space::become_user};
use rustix::{
    process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open},
    thread::{ThreadNameSpaceType, move_into_thread_name_spaces, set_no_new_privs},
};
use std::{io::Write as _, os::unix::process::ExitStatusExt as _, path::Path, process::Command};

/// `arguments`: those that [`confine`] reads, then the program and its arguments. The environment is the step's. Ends as
/// the step ends.
pub(super) fn play(arguments: &[String]) -> Result<u8, Refusal> {
    let [program, arguments @ ..] = confine(arguments, true)? else {
        return Err(Refusal::new("begin", "no program was given"));
    };
    run(program, arguments)
}

/// Enters the namespaces of a job and gives up what a step may not have. `arguments`: the pid of the job's first process, `host` or
/// `none` for the network, the job's own folder, the working directory, and what is given back. `warn` says in the step's log
/// what the kernel lacks, so that nobody takes the job for better protected than it is.
pub(super) fn confine(arguments: &[String], warn: bool) -> Result<&[String], Refusal> {
    let [init, network, own, directory, rest @ ..] = arguments else {
        return Err(Refusal::new("begin", "too little was given"));
    };
    enter(init, network)?;
    become_user()?;
    rustix::process::chdir(directory.as_str()).trying(format!("enter {directory}"))?;
    set_no_new_privs(true).trying("give up new privileges")?;
    let landlock = rules::hold(Path::new(own))?;
    let filtered = filter::hold()?;
    if warn && (!landlock || !filtered) {
        let lacking = if landlock { "system call filters" } else { "Landlock" };
        let warning = format!("{MARK}this kernel has no {lacking}; the job is held by its namespaces alone");
        writeln!(std::io::stderr(), "{warning}").trying("warn")?;
    }
    Ok(rest)
}

fn enter(init: &str, network: &str) -> Result<(), Refusal> {
    let pid = init.parse().ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Refusal::new("enter", format!("{init:?} is no process")))?;
    let init = pidfd_open(pid, PidfdFlags::empty()).trying("find the job's first process")?;
    let mut spaces = ThreadNameSpaceType::USER
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
    if network == "none" {
        spaces |= ThreadNameSpaceType::NETWORK;
    }
    use std::os::fd::AsFd as _;
    move_into_thread_name_spaces(init.as_fd(), spaces).trying("enter the job's namespaces")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the step itself, in the process group that the runner made for it"
)]
fn run(program: &str, arguments: &[String]) -> Result<u8, Refusal> {
    let mut step = Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| Refusal::new(format!("start {program} in the isolated job"), error))?;
    let status = step.wait().trying("wait for the step")?;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(FAILED)),
        (None, signal) => {
            // The runner tells an end by a signal from an end with a code, so the same signal ends this process.
            let signal = signal.and_then(Signal::from_named_raw).unwrap_or(Signal::KILL);
            // Twice, since Rust's own guard takes the first signal of a wrong memory access and then steps aside.
            for _ in 0..2 {
                kill_process(getpid(), signal).trying("end as the step did")?;
            }
            // A signal that ends nobody by itself did not end the step either.
            Ok(FAILED)
        }
    }
}
