//! The command that tells a broker to read its lists again.

use std::time::Duration;

use hooks::HookError;
use tokio::process::Command;

/// Runs it with `sh -c`; returns what it said.
pub(super) async fn run(command: &str) -> Result<String, HookError> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    hooks::run(shell, ENDED_WITHIN).await
}

/// A signal or a reload takes no time; a hook that hangs must not hold up the lists.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
