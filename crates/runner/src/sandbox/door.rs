//! The role that opens a door: it makes a listener on the loopback device of an isolated job and hands it to the runner, who
//! answers there. So the programs of the job reach what the runner serves to them, and nothing else of the machine.

use super::{Refusal, Trying};
use rustix::{
    io::IoSlice,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
    process::{Pid, PidfdFlags, pidfd_open},
    thread::{ThreadNameSpaceType, move_into_thread_name_spaces},
};
use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

/// `arguments`: the pid of the job's first process. Standard input is a socket to the runner.
pub(super) fn play(arguments: &[String]) -> Result<u8, Refusal> {
    let pid = arguments.first().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Refusal::new("begin", "no process was given"))?;
    let init = pidfd_open(pid, PidfdFlags::empty()).trying("find the job's first process")?;
    let spaces = ThreadNameSpaceType::USER | ThreadNameSpaceType::NETWORK;
    move_into_thread_name_spaces(init.as_fd(), spaces).trying("enter the job's network")?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying("listen on the job's loopback device")?;
    send(std::io::stdin().as_fd(), listener.as_fd()).trying("hand the listener to the runner")?;
    Ok(0)
}

/// Sends a descriptor with one byte, since a message without any carries none.
fn send(to: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !message.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(rustix::io::Errno::NOBUFS);
    }
    sendmsg(to, &[IoSlice::new(b"d")], &mut message, SendFlags::empty()).map(drop)
}

/// Takes the descriptor that was sent.
pub(super) fn receive(from: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        from,
        &mut [IoSliceMut::new(&mut byte)],
        &mut message,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    let sent = message.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message { descriptors.next() } else { None }
    });
    sent.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "nothing was sent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn a_listener_is_handed_over() {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (one, other) = pair.expect("sockets");
        assert!(receive(one.as_fd()).is_err(), "nothing was sent yet");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        send(other.as_fd(), listener.as_fd()).expect("sent");
        let same = TcpListener::from(receive(one.as_fd()).expect("received"));
        assert_eq!(same.local_addr().expect("an address"), listener.local_addr().expect("an address"));
    }
}
