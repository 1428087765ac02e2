//! A command for each device, which speaks the factory link on its standard input and output.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::driver::{Channel, Driver, LinkError, LinkLimits, Place};
use super::spec::{LinkSpec, LinkSpecError, of_slot};
use crate::wire::for_people;

/// A command in words, in which `{serial}`, `{product}` and `{slot}` are replaced; without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecLink(Vec<String>);

impl ExecLink {
    /// The program of a slot. `None`: its name is known only with the unit.
    pub(crate) fn program(&self, slot: usize) -> Option<String> {
        let program = of_slot(self.0.first()?, slot);
        (!["{serial}", "{product}"].iter().any(|name| program.contains(name))).then_some(program)
    }
}

impl Driver for ExecLink {
    async fn open(&self, place: &Place<'_>, _: &LinkLimits) -> Result<Channel, LinkError> {
        let words: Vec<String> = self.0.iter().map(|word| LinkSpec::fill(word, place)).collect();
        let (process, stdout, stdin) = Process::start(&words)?;
        Ok(Channel { reader: Box::new(stdout), writer: Box::new(stdin), process: Some(process) })
    }

    fn reaches(&self, _: usize) -> Result<(), LinkSpecError> {
        Ok(())
    }

    fn fills_in_a_name(&self) -> bool {
        self.0.iter().any(|word| word.contains("{serial}"))
    }
}

impl FromStr for ExecLink {
    type Err = LinkSpecError;

    fn from_str(text: &str) -> Result<Self, LinkSpecError> {
        let words = shlex::split(text).filter(|words| !words.is_empty());
        words.map(Self).ok_or(LinkSpecError::Command)
    }
}

impl fmt::Display for ExecLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Words of a command line contain no NUL, which is all that cannot be quoted.
        f.write_str(&shlex::try_join(self.0.iter().map(String::as_str)).unwrap_or_default())
    }
}

/// A running command. Dropping it kills the command.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
}

impl Process {
    fn start(words: &[String]) -> Result<(Self, ChildStdout, ChildStdin), LinkError> {
        let (program, arguments) = words.split_first().map_or(("", [].as_slice()), |(a, b)| (a, b));
        let refused = |source: io::Error| LinkError::Unusable(format!("cannot start {program}: {source}"));
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for the station, which then finishes the units under way.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(refused)?;
        let missing = || refused(io::ErrorKind::BrokenPipe.into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::spawn(listen(stderr, Arc::clone(&said)));
        Ok((Self { child, said, listener }, stdout, stdin))
    }

    /// Waits for the command, or kills it. Returns its exit status and the end of its standard error.
    pub(super) async fn end(mut self) -> (String, String) {
        let status = match timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.child.kill().await.ok();
                "it did not end and was killed".to_owned()
            }
        };
        // The command's own children may hold the stream open.
        timeout(LISTEN_TIMEOUT, &mut self.listener).await.ok();
        self.listener.abort();
        let said = String::from_utf8_lossy(&self.said.lock()).into_owned();
        let said = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(LINE_SEPARATOR);
        (status, for_people(&said, SAID_BYTES_MAX))
    }
}

/// Keeps the end of a command's standard error.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let mut said = said.lock();
        said.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..surplus);
    }
}

/// Between the lines of a command's standard error.
pub(super) const LINE_SEPARATOR: &str = " | ";

/// Enough for its last error, and short enough for a report line.
const SAID_BYTES_MAX: usize = 2048;

/// For a command to end by itself after its input was closed.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// For the rest of its standard error after it has ended.
const LISTEN_TIMEOUT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_into_words_and_filled_in_once() {
        let link: ExecLink = "agent --state 'my devices/{serial}' {slot} {product} {}".parse().unwrap();
        let device = "cam-2/SN {slot}".replace("{slot}", "(1)").parse().unwrap();
        let place = Place { device: &device, slot: 3 };
        let filled: Vec<_> = link.0.iter().map(|word| LinkSpec::fill(word, &place)).collect();
        assert_eq!(filled, ["agent", "--state", "my devices/SN (1)", "3", "cam-2", "{}"]);
    }
}
