//! Bytes of standard input, a scanner or a list, as they come.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serial_port::Reader;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::ScannerPort;

/// A source of bytes. Standard input and files are read by a thread of their own: such a read cannot be
/// cancelled.
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
    pub(crate) fn scanner(port: ScannerPort) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        tokio::spawn(async move {
            tokio::select! {
                // The run is over.
                () = sender.closed() => {}
                () = follow(&port, &sender) => {}
            }
        });
        Self { chunks }
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

/// Sends what a scanner sends, and opens its port again when it is gone.
async fn follow(port: &ScannerPort, chunks: &mpsc::Sender<Chunk>) {
    let mut told = String::new();
    loop {
        let why = match timeout(OPEN_TIMEOUT, port.open()).await {
            Err(_) => "its port does not open".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(reader)) => {
                told.clear();
                match copy_port(reader, chunks).await {
                    Ok(()) => "it was closed".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
        };
        if told != why {
            let text = format!("the scanner {port} is not there ({why}); it is tried again each second");
            chunks.send(Chunk::Trouble(text)).await.ok();
            told = why;
        }
        sleep(SCANNER_PAUSE).await;
    }
}

/// Sends all bytes, until the port is gone.
async fn copy_port(mut port: Reader, chunks: &mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match port.read(&mut buffer).await? {
            0 => return Ok(()),
            length => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                chunks.send(Chunk::Bytes(bytes)).await.ok();
            }
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

/// Until the port of a scanner is open: an adapter answers at once, or hangs.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::symlink;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[tokio::test]
    async fn a_scanner_is_read_byte_by_byte_and_found_again_when_it_was_away() {
        let home = tempfile::tempdir().unwrap();
        let name = home.path().join("scanner");
        let (far, path) = pair();
        symlink(path, &name).unwrap();
        let mut input = Input::scanner(name.to_str().unwrap().parse().unwrap());
        // What came before it is open is dropped, so type until it is taken.
        let first = typed_until_taken(&far, &mut input).await;
        assert!(first.iter().all(|byte| b"SN\x1d1\r".contains(byte)), "raw: {first:?}");

        drop(far);
        std::fs::remove_file(&name).unwrap();
        let told = trouble(&mut input).await;
        assert!(told.contains("scanner is not there"), "{told}");
        let (far, path) = pair();
        symlink(path, &name).unwrap();
        typed_until_taken(&far, &mut input).await;
    }

    #[tokio::test]
    async fn what_is_no_serial_port_is_told_and_not_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "SN1\n").unwrap();
        let mut input = Input::scanner(file.to_str().unwrap().parse().unwrap());
        let told = trouble(&mut input).await;
        assert!(told.contains("is not a serial port"), "{told}");
    }

    async fn typed_until_taken(far: &OwnedFd, input: &mut Input) -> Vec<u8> {
        for _ in 0..400 {
            rustix::io::write(far, b"SN\x1d1\r").unwrap();
            if let Ok(Some(Chunk::Bytes(bytes))) = timeout(Duration::from_millis(50), input.next()).await {
                return bytes;
            }
        }
        panic!("nothing was read");
    }

    /// What is told next; bytes before it are dropped.
    async fn trouble(input: &mut Input) -> String {
        timeout(Duration::from_secs(20), async {
            loop {
                if let Some(Chunk::Trouble(text)) = input.next().await {
                    return text;
                }
            }
        })
        .await
        .unwrap()
    }

    /// The far end, and the port's path.
    fn pair() -> (OwnedFd, PathBuf) {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
        (far, path.into())
    }
}
