//! Bytes of standard input, a scanner or a list, as they come.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::ScannerPort;

/// A source of bytes, read by a thread of its own: a read cannot be cancelled.
#[derive(Debug)]
pub(crate) struct Input {
    chunks: mpsc::Receiver<Chunk>,
}

#[derive(Debug)]
pub(crate) enum Chunk {
    Bytes(Vec<u8>),
    /// The source cannot be read now, and why. For a scanner it may be back later.
    Trouble(String),
}

impl Input {
    /// Standard input, to its end.
    pub(crate) fn stdin() -> io::Result<Self> {
        Self::start("stdin", |chunks| {
            let end = copy(io::stdin().lock(), chunks);
            tell_end(end, "standard input", chunks);
        })
    }

    /// A file, a fifo for example, to its end.
    pub(crate) fn file(path: PathBuf) -> io::Result<Self> {
        Self::start("list", move |chunks| {
            // Opening a fifo waits for its writer.
            let end = File::open(&path).and_then(|file| copy(file, chunks));
            tell_end(end, &path.display().to_string(), chunks);
        })
    }

    /// A scanner. It has no end: when the port is gone, it is opened again and again.
    pub(crate) fn scanner(port: ScannerPort) -> io::Result<Self> {
        Self::start("scanner", move |chunks| {
            let mut told = String::new();
            while !chunks.is_closed() {
                let why = match port.open().and_then(|file| {
                    told.clear();
                    copy(file, chunks)
                }) {
                    Ok(()) => "it was closed".to_owned(),
                    Err(error) => error.to_string(),
                };
                if told != why && !chunks.is_closed() {
                    let text =
                        format!("the scanner {port} is not there ({why}); it is tried again each second");
                    chunks.blocking_send(Chunk::Trouble(text)).ok();
                    told = why;
                }
                thread::sleep(SCANNER_PAUSE);
            }
        })
    }

    /// `None` at the end of the source.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
        self.chunks.recv().await
    }

    fn start(name: &str, read: impl FnOnce(&mpsc::Sender<Chunk>) + Send + 'static) -> io::Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        thread::Builder::new().name(name.to_owned()).spawn(move || read(&sender))?;
        Ok(Self { chunks })
    }
}

/// Sends all bytes, until the end of the source or of the receiver.
fn copy(mut source: impl Read, chunks: &mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if chunks.blocking_send(Chunk::Bytes(bytes)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn tell_end(end: io::Result<()>, name: &str, chunks: &mpsc::Sender<Chunk>) {
    if let Err(error) = end {
        chunks.blocking_send(Chunk::Trouble(format!("{name} cannot be read any more: {error}"))).ok();
    }
}

/// At once from the source. Scans are short.
const READ_BYTES: usize = 4096;

/// Chunks that wait to be taken; then the source is not read.
const CHUNKS_MAX: usize = 16;

/// Between two tries to open a scanner.
const SCANNER_PAUSE: Duration = Duration::from_secs(1);
