//! A relay between two programs that passes whole pieces on: frames of the factory link, records of TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tests::Program;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::{JoinHandle, JoinSet};

use crate::cut::{Blade, Moment, Victim};

/// Listens on the loopback. Dropping it ends it.
pub(crate) struct Relay {
    pub(crate) port: u16,
    pub(crate) blade: Arc<Blade>,
    task: JoinHandle<()>,
}

impl Relay {
    /// To a board: the agent runs while a station is connected. What is cut are the frames.
    pub(crate) async fn to_board(state: PathBuf) -> Self {
        let (listener, blade) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Blade::new()));
        let (port, falls) = (listener.local_addr().unwrap().port(), Arc::clone(&blade));
        let task = tokio::spawn(async move {
            loop {
                let near = listener.accept().await.unwrap().0;
                board_session(near, &state, &falls).await;
            }
        });
        Self { port, blade, task }
    }

    /// To a CA, whose address stays the same over restarts. What is cut are the records of TLS, those of the
    /// handshake too.
    pub(crate) async fn to_authority(server: SocketAddr) -> Self {
        let (listener, blade) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Blade::new()));
        let (port, falls) = (listener.local_addr().unwrap().port(), Arc::clone(&blade));
        let task = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let near = listener.accept().await.unwrap().0;
                let blade = Arc::clone(&falls);
                sessions.spawn(async move {
                    let Ok(far) = TcpStream::connect(server).await else { return };
                    let (reader, writer) = split(far);
                    session(near, reader, writer, take_record, &blade).await;
                });
                while sessions.try_join_next().is_some() {}
            }
        });
        Self { port, blade, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn board_session(near: TcpStream, state: &Path, blade: &Blade) {
    let mut agent = Program::Agent.command();
    agent.args(["factory", "--stdio", "--state"]).arg(state);
    let mut agent = Command::from(agent);
    agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut agent = agent.spawn().unwrap();
    blade.is_above(Victim::Device, agent.id().unwrap());
    let (writer, reader) = (agent.stdin.take().unwrap(), agent.stdout.take().unwrap());
    session(near, reader, writer, take_frame, blade).await;
    // It holds the board until it has ended.
    agent.wait().await.unwrap();
}

/// Until one side ends, or the blade falls.
async fn session(
    near: TcpStream,
    far_reader: impl AsyncRead + Unpin,
    far_writer: impl AsyncWrite + Unpin,
    take: Take,
    blade: &Blade,
) {
    let (near_reader, near_writer) = split(near);
    let [near, far] = blade.speakers();
    tokio::select! {
        () = pass(near_reader, far_writer, take, (blade, near)) => {}
        () = pass(far_reader, near_writer, take, (blade, far)) => {}
    }
}

async fn pass(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    take: Take,
    (blade, speaker): (&Blade, usize),
) {
    let (mut buffer, mut held) = (vec![0; READ_BYTES], Vec::new());
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        held.extend_from_slice(&buffer[..count]);
        while let Some(piece) = take(&mut held) {
            let cut = blade.meets(speaker);
            if cut == Some(Moment::Before) {
                return blade.fall();
            }
            let passed = writer.write_all(&piece).await.is_ok() && writer.flush().await.is_ok();
            if cut == Some(Moment::After) {
                return blade.fall();
            }
            if !passed {
                return;
            }
        }
    }
}

fn split(stream: TcpStream) -> (impl AsyncRead + Unpin, impl AsyncWrite + Unpin) {
    stream.set_nodelay(true).unwrap();
    stream.into_split()
}

/// Takes the first whole piece of what was received.
type Take = fn(&mut Vec<u8>) -> Option<Vec<u8>>;

/// A frame of the factory link, with the zero bytes around it (docs/protocol.md).
fn take_frame(held: &mut Vec<u8>) -> Option<Vec<u8>> {
    let start = held.iter().position(|byte| *byte != 0)?;
    let length = held[start..].iter().position(|byte| *byte == 0)?;
    Some(held.drain(..=start + length).collect())
}

/// A record of TLS: type, version and length, then the content (RFC 8446, section 5.1).
fn take_record(held: &mut Vec<u8>) -> Option<Vec<u8>> {
    let [_, _, _, high, low, ..] = held[..] else { return None };
    let end = 5 + usize::from(u16::from_be_bytes([high, low]));
    (held.len() >= end).then(|| held.drain(..end).collect())
}

/// A record of TLS is not much longer than 16 KiB.
const READ_BYTES: usize = 32 * 1024;

#[test]
fn a_frame_ends_with_the_zero_byte_behind_it_and_a_record_with_its_length() {
    let mut held = vec![0, 0, 3, 1, 0, 0, 5];
    assert_eq!((take_frame(&mut held), take_frame(&mut held)), (Some(vec![0, 0, 3, 1, 0]), None));
    assert_eq!(held, [0, 5]);
    let mut held = vec![23, 3, 3, 0, 2, 9, 9, 23, 3, 3, 0, 1];
    assert_eq!((take_record(&mut held), take_record(&mut held)), (Some(vec![23, 3, 3, 0, 2, 9, 9]), None));
}
