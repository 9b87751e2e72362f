//! The terminal that the run was started from, read key by key.
//!
//! Its modes are changed while a run is on it and put back when the console is dropped, on every way out of the run. A run
//! in the background leaves the terminal alone.

use rustix::{
    fs::{Mode, OFlags},
    process::getpgrp,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, ttyname},
};
use std::{fs::File, io};
use tokio::{
    net::unix::pipe::Receiver,
    signal::unix::{Signal, SignalKind, signal},
};

/// What is read at once.
const READ: usize = 4 * 1024;

/// A terminal.
#[derive(Debug)]
pub(super) struct Console {
    /// Not a pipe, but nothing else waits for a descriptor without unsafe code.
    keys: Receiver,
    terminal: File,
    /// How it was found.
    found: Termios,
    how: Manner,
    resized: Signal,
    resumed: Signal,
}

/// How keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it was found: in lines, for other programs.
    Lines,
    /// Each at once and unseen; Ctrl-C still interrupts.
    Keys,
    /// All as bytes, Ctrl-C too, for a program on a terminal of its own.
    Bytes,
}

/// What happens at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// These bytes were typed.
    Bytes(Vec<u8>),
    /// The window has another size.
    Resized,
    /// The terminal is gone.
    Gone,
}

impl Console {
    /// The terminal behind standard input, when this process is in its foreground.
    pub(super) fn open() -> Option<Console> {
        let input = io::stdin();
        // A file description of its own, so that nobody else finds reads that do not wait.
        let path = ttyname(&input, Vec::new()).ok()?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
        let found = tcgetattr(&terminal).ok()?;
        let console = Console {
            keys: Receiver::from_file_unchecked(terminal.try_clone().ok()?).ok()?,
            terminal,
            found,
            how: Manner::Lines,
            resized: signal(SignalKind::window_change()).ok()?,
            resumed: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())).ok()?,
        };
        console.in_foreground().then_some(console)
    }

    /// Takes keys another way from now on.
    pub(super) fn set(&mut self, how: Manner) {
        self.how = how;
        self.apply();
    }

    fn apply(&self) {
        // A process in the background that touches the terminal is stopped.
        if !self.in_foreground() {
            return;
        }
        let mut modes = self.found.clone();
        match self.how {
            Manner::Lines => {}
            Manner::Keys => modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO),
            Manner::Bytes => modes.make_raw(),
        }
        // A terminal that is gone needs no modes.
        let _gone = tcsetattr(&self.terminal, OptionalActions::Drain, &modes);
    }

    fn in_foreground(&self) -> bool {
        tcgetpgrp(&self.terminal).is_ok_and(|group| group == getpgrp())
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (u16, u16) {
        tcgetwinsize(&self.terminal).map_or((24, 80), |size| (size.ws_row, size.ws_col))
    }

    /// Waits for what happens next. Nothing is lost when the waiting is given up.
    pub(super) async fn next(&mut self) -> Typed {
        loop {
            let ready = tokio::select! {
                Some(()) = self.resized.recv() => return Typed::Resized,
                // Whoever stopped and resumed the run may have set the terminal's modes meanwhile.
                Some(()) = self.resumed.recv() => {
                    self.apply();
                    continue;
                }
                ready = self.keys.readable() => ready,
            };
            let mut bytes = vec![0; READ];
            match ready.and_then(|()| self.keys.try_read(&mut bytes)) {
                Ok(0) => return Typed::Gone,
                Ok(length) => {
                    bytes.truncate(length);
                    return Typed::Bytes(bytes);
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => return Typed::Gone,
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.set(Manner::Lines);
    }
}
