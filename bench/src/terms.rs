//! What the benches are asked in the same words, and how each of them begins.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use crate::cores;
use crate::server::Server;

/// Where, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Prints one JSON object on the last line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where files are made, on a disk. Default: where this program is.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// How long, and how much at once.
#[derive(Debug, Args)]
pub(crate) struct Windows {
    /// Windows of load.
    #[arg(long = "windows", default_value_t = 7)]
    pub(crate) count: usize,
    /// Seconds of a window.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Questions that wait for their answers; where each has a connection of its own, so many of those.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
}

impl Place {
    /// The directory, which must be on a disk.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        if let Some(given) = &self.dir {
            return Ok(given.clone());
        }
        let here = std::env::current_exe()?;
        Ok(here.parent().context("this program is in a directory")?.to_path_buf())
    }

    /// A CA on its core, and this thread on the client's.
    pub(crate) fn begin(&self) -> Result<(Runtime, Server)> {
        let runtime = client_runtime()?;
        let server = runtime.block_on(Server::start(&self.directory()?))?;
        Ok((runtime, server))
    }
}

impl Windows {
    /// Of one.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// What must be ready for one, where no more than so many are done in a second.
    pub(crate) fn expected(&self, rate_max: f64) -> usize {
        (self.seconds * rate_max) as usize
    }
}

fn client_runtime() -> Result<Runtime> {
    cores::pin_this_thread(cores::CLIENT)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.spawn(stay_awake());
    Ok(runtime)
}

/// Keeps the client's core busy while it waits. One that sleeps is woken by an interrupt from the core that sends to it, and on loopback that
/// is CPU of the server; from another machine it would be a network card's.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}
