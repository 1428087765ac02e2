//! The cost of the system's sockets: the same request in one packet and the same response in another, over as
//! many connections, with no work between. No server over TCP avoids it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::asker::{Asker, Questions};
use crate::cores::{SERVER, pin_this_thread, thread_cpu};

/// Answers every request with the same bytes, on the server's core.
pub(super) struct Floor {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(Duration, u64)>>,
}

impl Floor {
    /// Starts a server that sends `answer`, head and body, for every request.
    pub(super) fn start(answer: Vec<u8>) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            pin_this_thread(SERVER)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let answered = Rc::new(Cell::new(0));
            let serving = serve(listener, answer, Rc::clone(&answered), stopped);
            LocalSet::new().block_on(&runtime, serving)?;
            Ok((thread_cpu(), answered.get()))
        });
        Ok(Self { address, stop, thread })
    }

    /// CPU microseconds for one response over this many connections.
    pub(super) async fn measure(
        self,
        questions: &Questions,
        connections: usize,
        window: Duration,
    ) -> Result<f64> {
        let mut askers = try_join_all((0..connections).map(|_| Asker::connect(self.address))).await?;
        let (turns, started) = (Cell::new(0), Instant::now());
        let asking = askers.iter_mut().map(|asker| async {
            while started.elapsed() < window {
                let turn = turns.replace(turns.get() + 1);
                asker.ask(&questions.fresh(turn)?.0).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(asking).await?;
        self.stop.store(true, Ordering::Release);
        let (cpu, answered) = self.thread.join().map_err(|_| anyhow!("the floor panicked"))??;
        ensure!(answered > 0, "nothing was answered");
        Ok(cpu.as_secs_f64() * 1e6 / answered as f64)
    }
}

async fn serve(
    listener: std::net::TcpListener,
    answer: Vec<u8>,
    answered: Rc<Cell<u64>>,
    stopped: Arc<AtomicBool>,
) -> Result<()> {
    let (listener, answer) = (TcpListener::from_std(listener)?, Rc::new(answer));
    while !stopped.load(Ordering::Acquire) {
        let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        if let Ok(accepted) = accepted {
            let (stream, _) = accepted.context("a connection")?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(repeat(stream, Rc::clone(&answer), Rc::clone(&answered)));
        }
    }
    Ok(())
}

async fn repeat(mut stream: TcpStream, answer: Rc<Vec<u8>>, answered: Rc<Cell<u64>>) {
    let mut question = vec![0; 8 * 1024];
    // A request fits in a packet.
    while stream.read(&mut question).await.is_ok_and(|read| read > 0) {
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        answered.set(answered.get() + 1);
    }
}
