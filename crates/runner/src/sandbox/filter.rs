//! The system calls that a step cannot make: those that change the machine, look into other processes' secrets, or open
//! parts of the kernel that builds and tests do not need. They answer "operation not permitted".

use super::{Refusal, Trying};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Calls that are refused whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_vhangup,
    // Keys of the kernel are not namespaced.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Large surfaces of the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
];

/// Families of sockets that lead out of the network namespace or into the kernel.
const REFUSED_FAMILIES: [libc::c_int; 4] = [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, libc::AF_XDP];

/// Holds this process and all that it starts. Answers whether the kernel does.
pub(super) fn hold() -> Result<bool, Refusal> {
    // The mode can be read wherever the kernel has filters at all.
    if rustix::thread::secure_computing_mode().is_err() {
        return Ok(false);
    }
    for program in [program()?, no_clone3()?] {
        seccompiler::apply_filter(&program).trying("set the system call filter")?;
    }
    Ok(true)
}

/// Its flags lie in memory, where a filter cannot look. Told that it does not exist, C libraries fall back to `clone`.
fn no_clone3() -> Result<BpfProgram, Refusal> {
    let absent = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap_or(38));
    filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), absent)
}

fn program() -> Result<BpfProgram, Refusal> {
    let what = "make the system call filter";
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let families = REFUSED_FAMILIES.into_iter().map(|family| {
        let family = u64::try_from(family).unwrap_or(u64::MAX);
        argument(0, SeccompCmpOp::Eq, family)
    });
    rules.insert(libc::SYS_socket, families.collect::<Result<_, _>>().trying(what)?);
    // New user namespaces would give a step all rights again, inside of them.
    let flag = u64::try_from(libc::CLONE_NEWUSER).unwrap_or_default();
    let clone = argument(0, SeccompCmpOp::MaskedEq(flag), flag).trying(what)?;
    rules.insert(libc::SYS_clone, vec![clone]);
    filter(rules, SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1)))
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, refuse: SeccompAction) -> Result<BpfProgram, Refusal> {
    let what = "make the system call filter";
    let architecture = std::env::consts::ARCH.try_into().trying(what)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).trying(what)?;
    filter.try_into().trying(what)
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)?])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filter_can_be_made_here() {
        assert!(super::program().is_ok_and(|program| program.len() > super::REFUSED.len()));
    }
}
