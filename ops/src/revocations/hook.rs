//! The command that tells a broker to read its lists again.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Runs it with `sh -c`; says why it did not do its work.
pub(super) async fn run(command: &str) -> Result<(), String> {
    let mut shell = Command::new("sh");
    // Its output is not ours: stdout is for data.
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = shell.spawn().map_err(|error| format!("sh cannot be started: {error}"))?;
    match tokio::time::timeout(ENDED_WITHIN, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it did not end within {} s and was killed", ENDED_WITHIN.as_secs())),
    }
}

/// A signal or a reload takes no time; a hook that hangs must not hold up the lists.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hook_that_fails_says_how_it_ended() {
        assert!(run("exit 3").await.unwrap_err().contains('3'));
        assert_eq!(run("true").await, Ok(()));
    }
}
