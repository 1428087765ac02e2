//! Starts and stops the CA.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use super::programs::{Programs, command, succeed, with_tail};
use super::workspace::Workspace;
use crate::failure::Failure;

#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) server: String,
    process: Option<Child>,
    log: PathBuf,
}

/// The line that `touchmark-ca serve` prints when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    ready: bool,
    grpc: SocketAddr,
}

impl Authority {
    /// Creates a CA with `touchmark-ca init`, on free ports that it keeps over restarts.
    pub(crate) async fn found(programs: &Programs, workspace: &Workspace) -> Result<Self, Failure> {
        let log = workspace.logs.join("ca.log");
        let (grpc, http, public) = free_ports()?;
        let mut init = command(&programs.ca, &log)?;
        init.arg("init").arg("--dir").arg(&workspace.ca).args(["--organization", ORGANIZATION]);
        init.args(["--listen", &grpc.to_string(), "--metrics-listen", &http.to_string()]);
        init.args(["--http-listen", &public.to_string(), "--public-url", &format!("http://{public}")]);
        succeed(&mut init, &log, INIT_WITHIN).await?;
        Ok(Self { server: format!("https://{grpc}"), process: None, log })
    }

    pub(crate) async fn serve(&mut self, programs: &Programs, workspace: &Workspace) -> Result<(), Failure> {
        let mut serve = command(&programs.ca, &self.log)?;
        serve.arg("serve").arg("--config").arg(workspace.ca.join("ca.toml"));
        // In a process group of its own, so that Ctrl-C on the terminal does not stop it too early.
        serve.stdout(Stdio::piped()).process_group(0);
        let mut process =
            serve.spawn().map_err(|source| Failure::local(format!("cannot start touchmark-ca: {source}")))?;
        let stdout = process.stdout.take().ok_or_else(|| Failure::local("touchmark-ca has no output"))?;
        self.process = Some(process);
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(READY_WITHIN, lines.next_line()).await;
        let Ok(Ok(Some(line))) = first else {
            return Err(with_tail("touchmark-ca serve did not become ready".to_owned(), &self.log));
        };
        match serde_json::from_str::<Ready>(&line) {
            Ok(ready) if ready.ready => {
                self.server = format!("https://{}", ready.grpc);
                Ok(())
            }
            _ => {
                Err(with_tail(format!("touchmark-ca serve said {line:?} instead of being ready"), &self.log))
            }
        }
    }

    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        if let Some(pid) = pid(&process) {
            kill_process(pid, Signal::TERM)
                .map_err(|error| Failure::local(format!("cannot stop touchmark-ca: {error}")))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(with_tail(format!("touchmark-ca serve: {status}"), &self.log)),
            _ => {
                process.kill().await.ok();
                Err(with_tail("touchmark-ca did not stop and was killed".to_owned(), &self.log))
            }
        }
    }

    pub(crate) fn leave_running(&mut self) -> Result<u32, Failure> {
        let gone = || Failure::local("touchmark-ca is no longer running");
        let process = self.process.take().ok_or_else(gone)?;
        let id = process.id().ok_or_else(gone)?;
        // Dropping the handle would kill the process (`kill_on_drop`).
        std::mem::forget(process);
        Ok(id)
    }
}

fn pid(process: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process.id()?).ok()?)
}

fn free_ports() -> Result<(SocketAddr, SocketAddr, SocketAddr), Failure> {
    let free = |wanted: u16| {
        TcpListener::bind(("127.0.0.1", wanted)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
    };
    let ports = (|| {
        let (grpc, http, public) = (free(8443)?, free(9443)?, free(8080)?);
        Ok((grpc.local_addr()?, http.local_addr()?, public.local_addr()?))
    })();
    ports.map_err(|source: std::io::Error| Failure::local(format!("no free port on the loopback: {source}")))
}

const ORGANIZATION: &str = "Example Devices";

/// Four keys, seven signatures and a new ledger, on a slow and busy machine.
const INIT_WITHIN: Duration = Duration::from_secs(60);

/// Opening an empty ledger and its projection, on a slow and busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Longer than the CA waits for its running calls.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
