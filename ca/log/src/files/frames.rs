//! Frames of a file, one after the other, through a window: memory does not grow with the file.

use std::fs::File;
use std::io;

use rustix::buffer::spare_capacity;
use rustix::io::pread;

use crate::frame::{self, Frame};

/// Reads a file from an offset on.
pub(super) struct Frames<'a> {
    file: &'a File,
    /// Bytes of the file; what is behind is not read.
    length: u64,
    window: Vec<u8>,
    /// How much of the window lies behind us.
    read: usize,
    /// The offset of the frame that comes next.
    offset: u64,
}

impl<'a> Frames<'a> {
    /// Of a file from this offset on, as long as it is now.
    pub(super) fn of(file: &'a File, offset: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, window: Vec::with_capacity(WINDOW_BYTES), read: 0, offset })
    }

    /// The offset of the frame that comes next, or of what is there instead.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The frame at the offset; `None`: there is no intact one. [`Self::step`] goes behind it.
    pub(super) fn peek(&mut self) -> io::Result<Option<Frame<'_>>> {
        self.fill(frame::HEADER_BYTES)?;
        let Some(length) = frame::length(self.window.get(self.read..).unwrap_or_default()) else {
            return Ok(None);
        };
        self.fill(length)?;
        Ok(self.window.get(self.read..).and_then(frame::read))
    }

    /// Goes behind a frame of this length.
    pub(super) fn step(&mut self, length: usize) {
        self.read = self.read.saturating_add(length).min(self.window.len());
        self.offset = self.offset.saturating_add(length as u64);
    }

    /// Whether all bytes from here on are zeros.
    pub(super) fn only_zeros_follow(&self) -> io::Result<bool> {
        let (mut at, mut piece) = (self.offset, Vec::with_capacity(WINDOW_BYTES));
        while at < self.length {
            piece.clear();
            if pread(self.file, spare_capacity(&mut piece), at)? == 0 {
                break;
            }
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += piece.len() as u64;
        }
        Ok(true)
    }

    /// All bytes from here on.
    pub(super) fn rest(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        read_at(self.file, self.offset, length)
    }

    /// Has so many bytes from here on in the window, if the file has them.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        let here = self.window.len() - self.read;
        let there = usize::try_from(self.length.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        if bytes <= here || there <= here {
            return Ok(());
        }
        let wanted = bytes.max(WINDOW_BYTES).min(there);
        self.window.drain(..self.read);
        self.read = 0;
        self.window.reserve_exact(wanted.saturating_sub(self.window.len()));
        while self.window.len() < wanted {
            let at = self.offset + self.window.len() as u64;
            if pread(self.file, spare_capacity(&mut self.window), at)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// At most so many bytes of a file from an offset on; fewer, if the file ends before.
pub(super) fn read_at(file: &File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let there = usize::try_from(file.metadata()?.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    read_exactly(file, offset, bytes.min(there))
}

/// So many bytes of a file from an offset on; fewer, if the file ends before.
pub(super) fn read_exactly(file: &File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(bytes);
    while read.len() < bytes {
        let at = offset + read.len() as u64;
        match pread(file, spare_capacity(&mut read), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // There may be more room than was asked for.
    read.truncate(bytes);
    Ok(read)
}

/// What is read in one piece.
const WINDOW_BYTES: usize = 256 * 1024;
