//! Runs an operator's command: in a process group of its own, with limits on time and output.

mod output;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use output::CapturedOutput;

/// Runs `command` to its end. Returns the first and last two kilobytes of its standard output and standard
/// error, in one line.
///
/// When this is dropped, or the command exceeds `limit`, all processes of its group are killed (SIGKILL).
/// Processes that the command leaves running when it ends go on, but must not need its standard output. A
/// process that left the group (setsid(1)) is not known here.
pub async fn run(mut command: Command, limit: Duration) -> Result<String, HookError> {
    let output = Arc::new(Mutex::new(CapturedOutput::default()));
    let mut group = Group(start(&mut command, &output).map_err(HookError::Start)?);
    let ended = timeout(limit, group.0.wait()).await;
    if ended.is_err() {
        drop(group);
    }
    let text = wait_for_output(&output).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(text),
        Ok(Ok(status)) => Err(HookError::Failed(status, text)),
        Ok(Err(source)) => Err(HookError::Start(source)),
        Err(_) => Err(HookError::TooLong(limit, text)),
    }
}

/// Starts the command, and a task that reads its output to the end: processes that it leaves running must be
/// neither blocked by a full pipe nor ended by SIGPIPE.
fn start(command: &mut Command, output: &Arc<Mutex<CapturedOutput>>) -> io::Result<Child> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut reader = Receiver::from_owned_fd(reader)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    // `command` holds the writing ends, and would keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let output = Arc::clone(output);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            output.lock().push(buffer.get(..count).unwrap_or_default());
        }
        output.lock().end();
    });
    Ok(child)
}

/// The output, when it has ended or after 200 ms: a process that was left running may hold it open.
async fn wait_for_output(output: &Mutex<CapturedOutput>) -> String {
    let mut ended = output.lock().ended();
    timeout(LISTEN_MAX, ended.wait_for(|ended| *ended)).await.ok();
    output.lock().text()
}

/// A command; its process group is killed on drop unless the command has ended.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Without a number it has ended and was reaped.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process_group(id, Signal::KILL).ok();
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The command does not start.
    #[error("it cannot be run")]
    Start(#[source] io::Error),
    /// The command ended with a failure, after this output in one line.
    #[error("it failed: {}{}", .0, quoted(.1))]
    Failed(ExitStatus, String),
    /// The command exceeded its time limit, after this output in one line.
    #[error("it did not end within {} and was killed with its process group{}", humantime::format_duration(*.0), quoted(.1))]
    TooLong(Duration, String),
}

fn quoted(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; it said: {output}") }
}

/// The longest wait for output after the end of a command.
const LISTEN_MAX: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[tokio::test]
    async fn a_command_that_writes_without_end_is_heard_first_and_last() {
        let script = "echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last >&2";
        let output = run(shell(script), Duration::from_secs(60)).await.unwrap();
        assert!(output.starts_with("first | xxx") && output.ends_with("xxx | last"), "{output}");
        assert!(output.contains("bytes left out") && output.len() < 5_000, "{} bytes", output.len());
    }

    #[tokio::test]
    async fn a_command_that_fails_says_how_and_what() {
        let failed = run(shell("echo because; exit 3"), Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(failed.to_string(), "it failed: exit status: 3; it said: because");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("child");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let began = std::time::Instant::now();
        let failed = run(shell(&script), Duration::from_millis(500)).await.unwrap_err();
        assert!(matches!(failed, HookError::TooLong { .. }), "{failed}");
        assert!(began.elapsed() < Duration::from_secs(30));
        let child: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        // Gone, or a zombie that nobody has waited for yet; soon after the signal.
        let ended = async {
            loop {
                let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                if stat.is_empty() || stat.contains(") Z ") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), ended).await.expect("it is killed with its parent");
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_does_not_hold_it_up() {
        let began = std::time::Instant::now();
        run(shell("sleep 1000 & echo $!"), Duration::from_secs(60))
            .await
            .map(|child| {
                let child = Pid::from_raw(child.trim().parse().unwrap()).unwrap();
                rustix::process::kill_process(child, Signal::KILL).unwrap();
            })
            .unwrap();
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
