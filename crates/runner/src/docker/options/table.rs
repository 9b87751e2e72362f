//! Every option of `docker create`: what it sets, or why it is refused.

use super::{
    device::{device, gpus, restart, ulimit},
    mount::mount,
    values::{cpus, full_pair, nanoseconds, number, pair, size, size_or_unlimited},
};
use crate::docker::{
    draft::{Draft, Pull},
    ports, volumes,
};
use bollard::models::{HealthConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig};

/// How an option is set.
#[derive(Clone, Copy)]
pub(super) enum Setter {
    /// It takes no value, or a truth value.
    Flag(fn(&mut Draft, bool) -> Result<(), String>),
    /// It takes a value.
    Value(fn(&mut Draft, &str) -> Result<(), String>),
}

/// The option of this name. The error says that there is none, or why it cannot be honoured.
pub(super) fn find(name: &str) -> Result<Setter, String> {
    if let Some((_, setter)) = TABLE.iter().find(|(names, _)| names.contains(&name)) {
        return Ok(*setter);
    }
    if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return Err(format!("{name} is not supported here: {why}"));
    }
    let known = TABLE.iter().flat_map(|(names, _)| names.iter().copied());
    let guess = shipway_base::yaml::closest(name, known).map(|close| format!("; did you mean {close}?"));
    Err(format!("{name} is no option of docker create{}", guess.unwrap_or_default()))
}

/// Known, and refused with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["--network", "--net"], "every container of a job is in the network of that job"),
    (&["--ip", "--ip6", "--link", "--link-local-ip"], "the network of a job gives out its addresses itself"),
    (
        &["--env-file", "--label-file", "--cidfile"],
        "files beside the workflow are not read; write the values out",
    ),
    (&["--isolation"], "it is for Windows"),
    (
        &["--attach", "-a", "--detach-keys", "--sig-proxy", "--detach", "-d"],
        "nothing attaches to the container",
    ),
    (&["--disable-content-trust"], "signatures of images are not checked by the engine's API"),
    (&["--use-api-socket"], "the engine's socket is only mounted by volumes"),
    (&["--cpu-count", "--cpu-percent", "--io-maxbandwidth", "--io-maxiops"], "it is for Windows"),
    (
        &[
            "--blkio-weight-device",
            "--device-read-bps",
            "--device-read-iops",
            "--device-write-bps",
            "--device-write-iops",
        ],
        "the disks of this machine have no names that a workflow could know",
    ),
    (&["--volume-driver"], "name the volume and make it beforehand"),
];

const TABLE: &[(&[&str], Setter)] = &[
    (
        &["--add-host"],
        Setter::Value(|draft, text| {
            let (name, address) = text
                .split_once([':', '='])
                .ok_or_else(|| format!("{text:?} is not written as name:address"))?;
            draft.host.extra_hosts.get_or_insert_default().push(format!("{name}:{address}"));
            Ok(())
        }),
    ),
    (
        &["--annotation"],
        Setter::Value(|draft, text| {
            draft.host.annotations.get_or_insert_default().extend([full_pair(text)?]);
            Ok(())
        }),
    ),
    (
        &["--blkio-weight"],
        Setter::Value(|draft, text| {
            draft.host.blkio_weight = Some(text.parse().map_err(|_| format!("{text:?} is no weight"))?);
            Ok(())
        }),
    ),
    (&["--cap-add"], Setter::Value(|draft, text| push(&mut draft.host.cap_add, text))),
    (&["--cap-drop"], Setter::Value(|draft, text| push(&mut draft.host.cap_drop, text))),
    (&["--cgroup-parent"], Setter::Value(|draft, text| set(&mut draft.host.cgroup_parent, text))),
    (
        &["--cgroupns"],
        Setter::Value(|draft, text| {
            draft.host.cgroupns_mode = Some(match text {
                "host" => HostConfigCgroupnsModeEnum::HOST,
                "private" => HostConfigCgroupnsModeEnum::PRIVATE,
                _ => return Err(format!("{text:?} is neither host nor private")),
            });
            Ok(())
        }),
    ),
    (&["--cpu-period"], Setter::Value(|draft, text| keep(&mut draft.host.cpu_period, number(text)))),
    (&["--cpu-quota"], Setter::Value(|draft, text| keep(&mut draft.host.cpu_quota, number(text)))),
    (
        &["--cpu-rt-period"],
        Setter::Value(|draft, text| keep(&mut draft.host.cpu_realtime_period, number(text))),
    ),
    (
        &["--cpu-rt-runtime"],
        Setter::Value(|draft, text| keep(&mut draft.host.cpu_realtime_runtime, number(text))),
    ),
    (&["--cpu-shares", "-c"], Setter::Value(|draft, text| keep(&mut draft.host.cpu_shares, number(text)))),
    (&["--cpus"], Setter::Value(|draft, text| keep(&mut draft.host.nano_cpus, cpus(text)))),
    (&["--cpuset-cpus"], Setter::Value(|draft, text| set(&mut draft.host.cpuset_cpus, text))),
    (&["--cpuset-mems"], Setter::Value(|draft, text| set(&mut draft.host.cpuset_mems, text))),
    (
        &["--device"],
        Setter::Value(|draft, text| {
            draft.host.devices.get_or_insert_default().push(device(text)?);
            Ok(())
        }),
    ),
    (&["--device-cgroup-rule"], Setter::Value(|draft, text| push(&mut draft.host.device_cgroup_rules, text))),
    (&["--dns"], Setter::Value(|draft, text| push(&mut draft.host.dns, text))),
    (&["--dns-option", "--dns-opt"], Setter::Value(|draft, text| push(&mut draft.host.dns_options, text))),
    (&["--dns-search"], Setter::Value(|draft, text| push(&mut draft.host.dns_search, text))),
    (&["--domainname"], Setter::Value(|draft, text| set(&mut draft.body.domainname, text))),
    (
        &["--entrypoint"],
        Setter::Value(|draft, text| {
            draft.body.entrypoint = Some(vec![text.to_owned()]);
            Ok(())
        }),
    ),
    (
        &["--env", "-e"],
        Setter::Value(|draft, text| {
            // Without a value docker takes its own environment's; nothing of ours is handed on.
            draft.env.extend([full_pair(text)?]);
            Ok(())
        }),
    ),
    (
        &["--expose"],
        Setter::Value(|draft, text| {
            draft.exposed.extend(ports::parse(text)?.iter().map(ports::Port::key));
            Ok(())
        }),
    ),
    (
        &["--gpus"],
        Setter::Value(|draft, text| {
            draft.host.device_requests.get_or_insert_default().push(gpus(text)?);
            Ok(())
        }),
    ),
    (&["--group-add"], Setter::Value(|draft, text| push(&mut draft.host.group_add, text))),
    (
        &["--health-cmd"],
        Setter::Value(|draft, text| {
            health(draft).test = Some(vec!["CMD-SHELL".to_owned(), text.to_owned()]);
            Ok(())
        }),
    ),
    (
        &["--health-interval"],
        Setter::Value(|draft, text| keep(&mut health(draft).interval, nanoseconds(text))),
    ),
    (&["--health-retries"], Setter::Value(|draft, text| keep(&mut health(draft).retries, number(text)))),
    (
        &["--health-start-interval"],
        Setter::Value(|draft, text| keep(&mut health(draft).start_interval, nanoseconds(text))),
    ),
    (
        &["--health-start-period"],
        Setter::Value(|draft, text| keep(&mut health(draft).start_period, nanoseconds(text))),
    ),
    (&["--health-timeout"], Setter::Value(|draft, text| keep(&mut health(draft).timeout, nanoseconds(text)))),
    (&["--hostname", "-h"], Setter::Value(|draft, text| set(&mut draft.body.hostname, text))),
    (&["--init"], Setter::Flag(|draft, on| keep(&mut draft.host.init, Ok(on)))),
    (&["--interactive", "-i"], Setter::Flag(|draft, on| keep(&mut draft.body.open_stdin, Ok(on)))),
    (&["--ipc"], Setter::Value(|draft, text| set(&mut draft.host.ipc_mode, text))),
    (&["--kernel-memory"], Setter::Value(|_, _| Err("kernels no longer have this limit".to_owned()))),
    (
        &["--label", "-l"],
        Setter::Value(|draft, text| {
            draft.labels.extend([pair(text)]);
            Ok(())
        }),
    ),
    (
        &["--log-driver"],
        Setter::Value(|draft, text| {
            draft.host.log_config.get_or_insert_default().typ = Some(text.to_owned());
            Ok(())
        }),
    ),
    (
        &["--log-opt"],
        Setter::Value(|draft, text| {
            let log: &mut HostConfigLogConfig = draft.host.log_config.get_or_insert_default();
            log.config.get_or_insert_default().extend([full_pair(text)?]);
            Ok(())
        }),
    ),
    (&["--mac-address"], Setter::Value(|draft, text| set(&mut draft.endpoint.mac_address, text))),
    (&["--memory", "-m"], Setter::Value(|draft, text| keep(&mut draft.host.memory, size(text)))),
    (
        &["--memory-reservation"],
        Setter::Value(|draft, text| keep(&mut draft.host.memory_reservation, size(text))),
    ),
    (
        &["--memory-swap"],
        Setter::Value(|draft, text| keep(&mut draft.host.memory_swap, size_or_unlimited(text))),
    ),
    (
        &["--memory-swappiness"],
        Setter::Value(|draft, text| keep(&mut draft.host.memory_swappiness, number(text))),
    ),
    (
        &["--mount"],
        Setter::Value(|draft, text| {
            draft.host.mounts.get_or_insert_default().push(mount(text)?);
            Ok(())
        }),
    ),
    (&["--name"], Setter::Value(|draft, text| set(&mut draft.name, text))),
    (
        &["--network-alias", "--net-alias"],
        Setter::Value(|draft, text| {
            draft.aliases.push(text.to_owned());
            Ok(())
        }),
    ),
    (
        &["--no-healthcheck"],
        Setter::Flag(|draft, on| {
            if on {
                health(draft).test = Some(vec!["NONE".to_owned()]);
            }
            Ok(())
        }),
    ),
    (&["--oom-kill-disable"], Setter::Flag(|draft, on| keep(&mut draft.host.oom_kill_disable, Ok(on)))),
    (&["--oom-score-adj"], Setter::Value(|draft, text| keep(&mut draft.host.oom_score_adj, number(text)))),
    (&["--pid"], Setter::Value(|draft, text| set(&mut draft.host.pid_mode, text))),
    (&["--pids-limit"], Setter::Value(|draft, text| keep(&mut draft.host.pids_limit, number(text)))),
    (&["--platform"], Setter::Value(|draft, text| set(&mut draft.platform, text))),
    (&["--privileged"], Setter::Flag(|draft, on| keep(&mut draft.host.privileged, Ok(on)))),
    (
        &["--publish", "-p"],
        Setter::Value(|draft, text| {
            draft.ports.extend(ports::parse(text)?);
            Ok(())
        }),
    ),
    (&["--publish-all", "-P"], Setter::Flag(|draft, on| keep(&mut draft.host.publish_all_ports, Ok(on)))),
    (
        &["--pull"],
        Setter::Value(|draft, text| {
            draft.pull = match text {
                "always" => Pull::Always,
                "missing" => Pull::Missing,
                "never" => Pull::Never,
                _ => return Err(format!("{text:?} is neither always, missing nor never")),
            };
            Ok(())
        }),
    ),
    (&["--quiet", "-q"], Setter::Flag(|_, _| Ok(()))),
    (&["--read-only"], Setter::Flag(|draft, on| keep(&mut draft.host.readonly_rootfs, Ok(on)))),
    (&["--restart"], Setter::Value(|draft, text| keep(&mut draft.host.restart_policy, restart(text)))),
    // Every container of a job is removed when the job ends.
    (&["--rm"], Setter::Flag(|_, _| Ok(()))),
    (&["--runtime"], Setter::Value(|draft, text| set(&mut draft.host.runtime, text))),
    (
        &["--security-opt"],
        Setter::Value(|draft, text| {
            if let Some(profile) =
                text.strip_prefix("seccomp=").filter(|profile| !matches!(*profile, "unconfined" | "builtin"))
            {
                return Err(format!(
                    "a seccomp profile from a file ({profile}) is not supported; there are unconfined and builtin"
                ));
            }
            push(&mut draft.host.security_opt, text)
        }),
    ),
    (&["--shm-size"], Setter::Value(|draft, text| keep(&mut draft.host.shm_size, size(text)))),
    (&["--stop-signal"], Setter::Value(|draft, text| set(&mut draft.body.stop_signal, text))),
    (&["--stop-timeout"], Setter::Value(|draft, text| keep(&mut draft.body.stop_timeout, number(text)))),
    (
        &["--storage-opt"],
        Setter::Value(|draft, text| {
            draft.host.storage_opt.get_or_insert_default().extend([full_pair(text)?]);
            Ok(())
        }),
    ),
    (
        &["--sysctl"],
        Setter::Value(|draft, text| {
            draft.host.sysctls.get_or_insert_default().extend([full_pair(text)?]);
            Ok(())
        }),
    ),
    (
        &["--tmpfs"],
        Setter::Value(|draft, text| {
            let (path, options) = text.split_once(':').unwrap_or((text, ""));
            draft.host.tmpfs.get_or_insert_default().extend([(path.to_owned(), options.to_owned())]);
            Ok(())
        }),
    ),
    (&["--tty", "-t"], Setter::Flag(|draft, on| keep(&mut draft.body.tty, Ok(on)))),
    (
        &["--ulimit"],
        Setter::Value(|draft, text| {
            draft.host.ulimits.get_or_insert_default().push(ulimit(text)?);
            Ok(())
        }),
    ),
    (&["--user", "-u"], Setter::Value(|draft, text| set(&mut draft.body.user, text))),
    (&["--userns"], Setter::Value(|draft, text| set(&mut draft.host.userns_mode, text))),
    (&["--uts"], Setter::Value(|draft, text| set(&mut draft.host.uts_mode, text))),
    (&["--volume", "-v"], Setter::Value(volumes::add)),
    (&["--volumes-from"], Setter::Value(|draft, text| push(&mut draft.host.volumes_from, text))),
    (&["--workdir", "-w"], Setter::Value(|draft, text| set(&mut draft.body.working_dir, text))),
];

fn set(field: &mut Option<String>, text: &str) -> Result<(), String> {
    *field = Some(text.to_owned());
    Ok(())
}

fn push(field: &mut Option<Vec<String>>, text: &str) -> Result<(), String> {
    field.get_or_insert_default().push(text.to_owned());
    Ok(())
}

fn keep<T>(field: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *field = Some(value?);
    Ok(())
}

fn health(draft: &mut Draft) -> &mut HealthConfig {
    draft.health.get_or_insert_default()
}
