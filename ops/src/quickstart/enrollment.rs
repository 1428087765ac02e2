//! First boot: every device enrols in a process of its own.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};

use super::programs::{Programs, command, succeed};
use super::workspace::Workspace;
use crate::failure::Failure;

/// Enrols all devices, [`AT_ONCE`] at a time.
pub(crate) async fn enroll_all(
    programs: &Programs,
    workspace: &Workspace,
    serials: &[String],
) -> Result<Duration, Failure> {
    let started = Instant::now();
    stream::iter(serials)
        .map(|serial| async move {
            let log = workspace.logs.join(format!("{serial}.log"));
            let mut enroll = command(&programs.agent, &log)?;
            enroll.arg("enroll").arg("--state").arg(workspace.devices.join(serial));
            succeed(&mut enroll, &log, ENROLLED_WITHIN).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(started.elapsed())
}

const AT_ONCE: usize = 4;

/// Longer than an agent retries.
const ENROLLED_WITHIN: Duration = Duration::from_secs(120);
