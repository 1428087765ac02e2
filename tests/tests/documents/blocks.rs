//! Reads the fenced blocks of the documents and their tags.

use std::fs;
use std::path::{Path, PathBuf};

/// The allowed reasons for not running a block.
pub(crate) const REASONS: &[(&str, &str)] = &[
    ("no-command", "output, a configuration file, a picture in text: nothing to type"),
    ("builds-the-workspace", "compiles everything: what CI does around this test"),
    ("runs-this-test", "would run this test within itself"),
    ("needs-systemd", "starts or reloads a system service"),
    ("needs-packages", "needs the installed Debian packages: tests/tests/packages.rs installs and runs them"),
    ("needs-hardware", "needs a removable medium or a device on a cable"),
    ("needs-another-machine", "copies from or to another host"),
    ("runs-for-minutes", "a benchmark or a watcher that ends only when somebody stops it"),
];

/// One fenced block.
pub(crate) struct Block {
    /// Its document, relative to the repository.
    pub(crate) file: PathBuf,
    /// The line of its opening fence, from 1.
    pub(crate) line: usize,
    /// Whether it is run.
    pub(crate) tag: Tag,
    /// The text between the fences.
    pub(crate) text: String,
}

/// The tag behind the language: `run` or `not-run=REASON`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tag {
    /// A script for bash.
    Run,
    /// One of [`REASONS`].
    NotRun(String),
}

/// The fenced blocks of one document, in order; mistakes in their tags go to `mistakes`.
pub(crate) fn blocks(root: &Path, file: &Path, mistakes: &mut Vec<String>) -> Vec<Block> {
    let text = fs::read_to_string(root.join(file)).unwrap();
    let mut found = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start();
        let indentation = line.len() - fence.len();
        match (&mut open, fence.strip_prefix("```")) {
            (Some((block, indented)), None) => {
                block.text += line.get(*indented..).unwrap_or_default();
                block.text.push('\n');
            }
            (Some(_), Some(_)) => found.extend(open.take().map(|(block, _)| block)),
            (None, Some(info)) => {
                let tag = tag(info).unwrap_or_else(|mistake| {
                    mistakes.push(format!("{}:{}: {mistake}", file.display(), index + 1));
                    Tag::NotRun("no-command".to_owned())
                });
                let block = Block { file: file.to_owned(), line: index + 1, tag, text: String::new() };
                open = Some((block, indentation));
            }
            (None, None) => {}
        }
    }
    if let Some((block, _)) = open {
        mistakes.push(format!("{}:{}: a fence is not closed", file.display(), block.line));
    }
    found
}

fn tag(info: &str) -> Result<Tag, String> {
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    match rest[..] {
        ["run"] if language == "sh" => Ok(Tag::Run),
        ["run"] => Err(format!("only `sh` is run, not `{language}`")),
        [reason] => match reason.strip_prefix("not-run=") {
            Some(known) if REASONS.iter().any(|(name, _)| *name == known) => {
                Ok(Tag::NotRun(known.to_owned()))
            }
            Some(other) => Err(format!("`{other}` is no reason not to run a block")),
            None => Err(format!("`{reason}` is neither `run` nor `not-run=REASON`")),
        },
        _ => Err("say `run` or `not-run=REASON` behind the name of the language".to_owned()),
    }
}
