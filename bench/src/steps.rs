//! Steps of a bench that are processes of their own, so that peak memory and restarts are real.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// How a step ends that has told its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    ByItself,
    Killed,
}

/// Runs a bench of this program with these arguments, and returns what it tells.
pub(crate) fn ask(arguments: impl FnOnce(&mut Command), end: End) -> Result<Value> {
    let mut process = Command::new(std::env::current_exe()?);
    arguments(&mut process);
    let mut child = process.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line);
    if end == End::Killed {
        child.kill()?;
    }
    let status = child.wait()?;
    read?;
    ensure!(end == End::Killed || status.success(), "{process:?} ended with {status}");
    serde_json::from_str(&line).with_context(|| format!("{process:?} reported {line:?}"))
}

/// Tells the figures of a step, in the process that [`ask`] has started.
pub(crate) fn tell(figures: &Value, end: End) -> Result<()> {
    println!("{figures}");
    std::io::stdout().flush()?;
    if end == End::Killed {
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
