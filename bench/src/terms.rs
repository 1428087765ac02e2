//! The arguments that several benches share, and their common start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use crate::cores;
use crate::server::Server;

/// Place and output.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Prints one JSON object on the last line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Directory for files, on a disk [default: that of this program].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Duration and concurrency.
#[derive(Debug, Args)]
pub(crate) struct Windows {
    /// Windows of load.
    #[arg(long = "windows", default_value_t = 7)]
    pub(crate) count: usize,
    /// Seconds of a window.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Requests in flight; with a connection for each, the number of connections.
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

    /// Starts a CA on its core and pins this thread to the client's.
    pub(crate) fn begin(&self) -> Result<(Runtime, Server)> {
        let runtime = client_runtime()?;
        let server = runtime.block_on(Server::start(&self.directory()?))?;
        Ok((runtime, server))
    }
}

impl Windows {
    /// The length of one window.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The number of items to prepare for one window at this maximal rate.
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

/// Keeps the client's core busy while it waits. A sleeping client is woken by an interrupt from the sending
/// core, and on loopback that is CPU of the server.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}
