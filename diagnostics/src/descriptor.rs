//! Writing to an open file, pipe or terminal, whatever state others left it in.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// A write that ended early: how many bytes were written before, and why it ended.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) written: usize,
    pub(crate) why: io::Error,
}

/// Writes all bytes. Waits as long as the other side takes nothing, also where the descriptor is non-blocking: standard error and
/// standard output are often shared with another process, which may have set `O_NONBLOCK` on them.
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

/// Returns when something can be written, or when a write would fail.
fn wait_for_room(to: &impl AsFd) {
    // An error here is met again by the next write.
    poll(&mut [PollFd::new(to, PollFlags::OUT)], None).ok();
}
