//! Bad targets of a program's standard error or output.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// A target that cannot be written to.
#[derive(Debug)]
pub struct Sink {
    pub name: &'static str,
    writer: File,
    /// Keeps a pipe open that nobody reads.
    _reader: Option<OwnedFd>,
}

impl Sink {
    /// One of each kind.
    pub fn all() -> [Self; 3] {
        [Self::full(), Self::gone(), Self::stalled()]
    }

    /// A full disk: each write fails with ENOSPC.
    pub fn full() -> Self {
        let writer = File::options().append(true).open("/dev/full").unwrap();
        Self { name: "a full disk", writer, _reader: None }
    }

    /// A pipe without a reader: each write fails with EPIPE.
    pub fn gone() -> Self {
        let (_, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        Self { name: "a reader that is gone", writer: writer.into(), _reader: None }
    }

    /// A full pipe that nobody reads: each write blocks.
    pub fn stalled() -> Self {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        fcntl_setpipe_size(&writer, 4096).unwrap();
        let flags = fcntl_getfl(&writer).unwrap();
        fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
        let mut filled = File::from(writer);
        while filled.write(&[b'x'; 64]).is_ok() {}
        fcntl_setfl(&filled, flags).unwrap();
        Self { name: "a reader that stalls", writer: filled, _reader: Some(reader) }
    }

    /// The file to write to.
    pub fn open(&self) -> File {
        self.writer.try_clone().unwrap()
    }
}
