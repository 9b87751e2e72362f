//! The loopback device of a new network namespace, which is down at first.

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink, recv,
        sendto, socket_with,
    },
};

/// `RTM_NEWLINK` with `IFF_UP` for the device with index 1, which is always the loopback device (rtnetlink(7)).
const REQUEST: [u8; 32] = {
    let mut bytes = [0; 32];
    // nlmsghdr: length 32, type RTM_NEWLINK 16, flags NLM_F_REQUEST 1 and NLM_F_ACK 4, sequence 1.
    bytes[0] = 32;
    bytes[4] = 16;
    bytes[6] = 5;
    bytes[8] = 1;
    // ifinfomsg: index 1 at 4, flags IFF_UP 1 at 8, the mask of what changes at 12.
    bytes[20] = 1;
    bytes[24] = 1;
    bytes[28] = 1;
    bytes
};

/// Brings the loopback device up and waits for the kernel's answer.
pub(super) fn loopback_up() -> Result<(), Errno> {
    let kernel = SocketAddrNetlink::new(0, 0);
    // Protocol 0 of this family is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut request = REQUEST;
    if cfg!(target_endian = "big") {
        // The numbers are the machine's own; all are small, so only the bytes of each trade places.
        request[0..4].reverse();
        request[4..6].reverse();
        request[6..8].reverse();
        for word in request[8..].chunks_mut(4) {
            word.reverse();
        }
    }
    sendto(&socket, &request, SendFlags::empty(), &kernel)?;
    let mut answer = [0_u8; 256];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // An nlmsgerr behind the header of 16 bytes: 0, or a negative number of an error.
    let code = answer.get(16..20).filter(|_| length >= 20).ok_or(Errno::PROTO)?;
    match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
        0 => Ok(()),
        error => Err(Errno::from_raw_os_error(-error)),
    }
}
