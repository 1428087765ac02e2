//! The commands in the documents work. Every fenced block of README, SECURITY, ARCHITECTURE and `docs/` is
//! tagged `run` or `not-run=REASON`; bash runs the former with the programs under test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod blocks;
mod pages;
mod script;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use blocks::{Block, REASONS, Tag};
use world::Beginning;

#[test]
fn every_command_of_the_documents_does_what_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut mistakes = Vec::new();
    let mut documents = BTreeMap::new();
    for file in documents_in(root) {
        documents.insert(file.clone(), blocks::blocks(root, &file, &mut mistakes));
    }
    assert!(mistakes.is_empty(), "blocks without a true tag:\n  {}", mistakes.join("\n  "));

    say_what_is_not_run(documents.values().flatten());
    let scripts: Vec<(PathBuf, String, Beginning)> = documents
        .iter()
        .filter_map(|(file, blocks)| {
            let run: Vec<&Block> = blocks.iter().filter(|block| block.tag == Tag::Run).collect();
            (!run.is_empty()).then(|| (file.clone(), script::script(&run), beginning(file)))
        })
        .collect();
    let count = documents.values().flatten().filter(|block| block.tag == Tag::Run).count();
    assert!(count >= 20, "the documents have commands that are run, not only {count}");
    let failures = run_two_at_a_time(scripts);
    assert!(
        failures.is_empty(),
        "{} of the documents' scripts failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    eprintln!("{count} blocks ran and did what their documents say");
}

/// README starts in an empty directory; the other documents start with the installation of README's tour.
fn beginning(file: &Path) -> Beginning {
    if file == Path::new("README.md") { Beginning::Nothing } else { Beginning::Tour }
}

fn say_what_is_not_run<'a>(blocks: impl Iterator<Item = &'a Block>) {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for block in blocks {
        if let Tag::NotRun(reason) = &block.tag {
            let (name, _) = REASONS.iter().find(|(name, _)| name == reason).unwrap();
            by_reason.entry(name).or_default().push(format!("{}:{}", block.file.display(), block.line));
        }
    }
    for (reason, places) in by_reason {
        let why = REASONS.iter().find(|(name, _)| *name == reason).unwrap().1;
        eprintln!("{} blocks not run, {reason} ({why}):\n  {}", places.len(), places.join("\n  "));
    }
}

/// Two cores, two documents at a time.
fn run_two_at_a_time(scripts: Vec<(PathBuf, String, Beginning)>) -> Vec<String> {
    let (queue, failures) = (Arc::new(Mutex::new(scripts)), Arc::new(Mutex::new(Vec::new())));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (queue, failures) = (Arc::clone(&queue), Arc::clone(&failures));
            std::thread::spawn(move || {
                loop {
                    let Some((file, script, beginning)) = queue.lock().unwrap().pop() else { return };
                    match world::run(&script, beginning) {
                        Ok(_) => eprintln!("{}: ran", file.display()),
                        Err(failed) => failures.lock().unwrap().push(format!("{}: {failed}", file.display())),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    Arc::try_unwrap(failures).unwrap().into_inner().unwrap()
}

/// The documents for users. The decisions have no commands to follow, but the same tags.
fn documents_in(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .map(PathBuf::from)
        .collect();
    found.retain(|file| root.join(file).exists());
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
