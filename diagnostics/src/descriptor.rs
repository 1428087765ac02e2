//! Writes to an open file, pipe or terminal, blocking or not.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// An incomplete write: the bytes written, and the error.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) written: usize,
    pub(crate) why: io::Error,
}

/// Writes all bytes. Waits while the reader takes nothing, also if another process set `O_NONBLOCK` on a
/// shared standard output or error.
pub(crate) fn write_all(to: &impl AsFd, bytes: &[u8]) -> Result<(), Broken> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::write(to, rest) {
            Ok(0) => return Err(Broken { written, why: io::ErrorKind::WriteZero.into() }),
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for_room(to),
            Err(why) => return Err(Broken { written, why: why.into() }),
        }
    }
    Ok(())
}

/// Waits until the descriptor is writable or has an error.
fn wait_for_room(to: &impl AsFd) {
    // The next write reports an error here.
    poll(&mut [PollFd::new(to, PollFlags::OUT)], None).ok();
}
