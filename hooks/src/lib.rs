//! Runs a command of the operator's after something has changed: with all that it starts in one process group, for a limited time, and
//! with a limited memory of what it says.

mod said;

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

use said::Said;

/// Runs `command` to its end. Returns what it said on standard output and standard error together: its first and last two kilobytes, in one
/// line.
///
/// When this is dropped, or the command goes on after `limit`, it is killed (SIGKILL) together with all processes of its group. What it
/// leaves running when it ends by itself goes on, but must not need its standard output. A process that left the group (setsid(1)) is not
/// known here and goes on, too.
///
/// # Errors
/// When it does not start, fails, or does not end in time.
pub async fn run(mut command: Command, limit: Duration) -> Result<String, HookError> {
    let said = Arc::new(Mutex::new(Said::default()));
    let mut group = Group(start(&mut command, &said).map_err(HookError::Start)?);
    let ended = timeout(limit, group.0.wait()).await;
    if ended.is_err() {
        drop(group);
    }
    let text = wait_for_words(&said).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(text),
        Ok(Ok(status)) => Err(HookError::Failed { status, said: text }),
        Ok(Err(source)) => Err(HookError::Start(source)),
        Err(_) => Err(HookError::TooLong { limit, said: text }),
    }
}

/// Starts it, and a task that listens to the end of its output: also what it leaves running must not be held up, or be ended by a signal
/// for writing to nobody.
fn start(command: &mut Command, said: &Arc<Mutex<Said>>) -> io::Result<Child> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut reader = Receiver::from_owned_fd(reader)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    // The command holds the ends of the pipe that are written to, and would keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let said = Arc::clone(said);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            lock(&said).hear(buffer.get(..count).unwrap_or_default());
        }
        lock(&said).end();
    });
    Ok(child)
}

/// What it said, once all of it was heard, or after a moment: something that it left running may hold the output open.
async fn wait_for_words(said: &Mutex<Said>) -> String {
    let mut ended = lock(said).ended();
    timeout(LISTEN_MAX, ended.wait_for(|ended| *ended)).await.ok();
    lock(said).text()
}

fn lock(said: &Mutex<Said>) -> parking_lot::MutexGuard<'_, Said> {
    said.lock()
}

/// A command and its process group, ended together if it has not ended by itself.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // No number: it has ended and was reaped.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process_group(id, Signal::KILL).ok();
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It does not start.
    #[error("it cannot be run")]
    Start(#[source] io::Error),
    /// It ended badly.
    #[error("it failed: {status}{}", quoted(said))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// It did not end.
    #[error("it did not end within {} and was killed with its process group{}", humantime::format_duration(*limit), quoted(said))]
    TooLong {
        /// How long it may take.
        limit: Duration,
        /// What it said.
        said: String,
    },
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

/// How long to listen after the end of a command.
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
        let said = run(shell(script), Duration::from_secs(60)).await.unwrap();
        assert!(said.starts_with("first | xxx") && said.ends_with("xxx | last"), "{said}");
        assert!(said.contains("bytes left out") && said.len() < 5_000, "{} bytes", said.len());
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
