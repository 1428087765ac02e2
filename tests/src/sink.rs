//! What may be behind a program's standard error, or its standard output, when nobody looks after it.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// A place where nothing can be written.
#[derive(Debug)]
pub struct Sink {
    pub name: &'static str,
    writer: File,
    /// Keeps a pipe open that nobody reads.
    _reader: Option<OwnedFd>,
}

impl Sink {
    /// Each kind once.
    pub fn all() -> [Self; 3] {
        [Self::full(), Self::gone(), Self::stalled()]
    }

    /// A disk that is full: each write fails with ENOSPC.
    pub fn full() -> Self {
        let writer = File::options().append(true).open("/dev/full").unwrap();
        Self { name: "a full disk", writer, _reader: None }
    }

    /// A pipe whose reader has ended: each write fails with EPIPE.
    pub fn gone() -> Self {
        let (_, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        Self { name: "a reader that is gone", writer: writer.into(), _reader: None }
    }

    /// A pipe that is full and that nobody reads: each write waits for ever.
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

    /// For a program to write to.
    pub fn open(&self) -> File {
        self.writer.try_clone().unwrap()
    }
}
