//! `touchmark-ca ledger verify`: computes the tree anew from the files, and holds a checkpoint against it
//! that was kept elsewhere.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use files::read_limited;
use indicatif::{ProgressBar, ProgressStyle};
use ledger::EntryNumber;
use serde_json::{Value, json};
use store::{Checkpoint, CheckpointError, LedgerKey, OpenError, Unfinished, Verified, Verifying, verify};

use super::checkpoints::CHECKPOINT_BYTES_MAX;
use crate::config::Settings;
use crate::open::{checkpoint_file, ledger_public_key_file};

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What the ledger holds.
    pub ledger: Verified,
    /// The entries that the checkpoint covers; `None`: no checkpoint was given.
    pub checkpoint: Option<EntryNumber>,
}

/// Reads the ledger in this directory, which a CA may be using, and checks every entry; with a checkpoint and
/// the public key, both from outside, also that the ledger has the entries that were signed.
///
/// # Errors
/// Where the ledger is not as it was recorded, or the checkpoint cannot be used.
pub fn verify_ledger(
    directory: &Path,
    archive_dir: Option<&Path>,
    outside: Option<(&Path, &Path)>,
    each: &mut dyn FnMut(Verifying),
) -> Result<Proof, VerifyError> {
    let checkpoint = outside.map(|(note, key)| checkpoint(note, key)).transpose()?;
    let asked = checkpoint.as_ref().map_or(EntryNumber(0), |checkpoint| checkpoint.size);
    let ledger = verify(directory, archive_dir, asked, each)?;
    if let Some(Checkpoint { size, root, .. }) = &checkpoint {
        match ledger.root_asked {
            None => {
                let (entries, tail) = (ledger.entries, ledger.tail.as_ref().map(place));
                let broken = tail.map(|place| format!("; {place} is not intact")).unwrap_or_default();
                return Err(VerifyError::Shorter { signed: *size, entries, broken });
            }
            Some(found) if found != *root => return Err(VerifyError::Differs { signed: *size }),
            Some(_) => {}
        }
    }
    Ok(Proof { ledger, checkpoint: checkpoint.map(|checkpoint| checkpoint.size) })
}

impl Proof {
    /// For people.
    pub fn text(&self) -> String {
        let Verified { entries, root, files, tail, .. } = &self.ledger;
        let mut text = format!(
            "The ledger's {entries} entries in {files} files are intact, root {}\n",
            STANDARD.encode(root)
        );
        if let Some(tail) = tail {
            text += &format!(
                "Behind them is a batch that is being written, or that a crash tore: {}\n",
                place(tail)
            );
        }
        match self.checkpoint {
            Some(size) => {
                text += &format!("The first {size} of them are those that the checkpoint was signed over\n")
            }
            None => text += "Nothing from outside was held against them: see --checkpoint\n",
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let Verified { entries, root, files, tail, .. } = &self.ledger;
        json!({
            "entries": entries.to_string(),
            "root": STANDARD.encode(root),
            "files": files,
            "unfinished": tail.as_ref().map(place),
            "checkpoint_entries": self.checkpoint.map(|size| size.to_string()),
        })
    }
}

/// As [`verify_ledger`], on a thread that may block, with a bar on a terminal.
///
/// # Errors
/// As of [`verify_ledger`].
pub async fn verify_with_progress(
    directory: PathBuf,
    archive_dir: Option<PathBuf>,
    outside: Option<(PathBuf, PathBuf)>,
    json: bool,
) -> Result<Proof, VerifyError> {
    let verified = tokio::task::spawn_blocking(move || {
        let bar = (!json && io::stderr().is_terminal())
            .then(|| ProgressBar::with_draw_target(Some(0), diagnostics::draw_target()).with_style(style()));
        let mut each = |Verifying { bytes, bytes_all }| {
            if let Some(bar) = &bar {
                bar.set_length(bytes_all);
                bar.set_position(bytes);
            }
        };
        let outside = outside.as_ref().map(|(note, key)| (note.as_path(), key.as_path()));
        let proof = verify_ledger(&directory, archive_dir.as_deref(), outside, &mut each);
        bar.iter().for_each(ProgressBar::finish_and_clear);
        proof
    });
    verified.await.unwrap_or(Err(VerifyError::Thread))
}

fn place(tail: &Unfinished) -> String {
    format!("{}, offset {}, entry {}", tail.file.display(), tail.offset, tail.entry)
}

fn style() -> ProgressStyle {
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} read, {bytes_per_sec}, {eta} to go");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The public key of this installation.
///
/// # Errors
/// As of [`public_key`].
pub fn public_key_of(settings: &Settings) -> Result<LedgerKey, VerifyError> {
    public_key(&ledger_public_key_file(&settings.issuers.dir))
}

/// Reads the public key that `serve` and `init` leave beside the issuers' certificates.
///
/// # Errors
/// When there is none, or the file holds something else.
pub fn public_key(path: &Path) -> Result<LedgerKey, VerifyError> {
    text(path)?.parse().map_err(|source| VerifyError::Unusable { path: path.to_owned(), source })
}

/// The last checkpoint that this installation signed; `None`: there is none that can be read.
pub(crate) fn signed_checkpoint(settings: &Settings) -> Option<Checkpoint> {
    let key = ledger_public_key_file(&settings.issuers.dir);
    checkpoint(&checkpoint_file(settings), &key).ok()
}

fn checkpoint(note: &Path, key: &Path) -> Result<Checkpoint, VerifyError> {
    let key = public_key(key)?;
    Checkpoint::read(&text(note)?, &key)
        .map_err(|source| VerifyError::Unusable { path: note.to_owned(), source })
}

fn text(path: &Path) -> Result<String, VerifyError> {
    let cannot = |source| VerifyError::Read { path: path.to_owned(), source };
    let bytes = read_limited(path, CHECKPOINT_BYTES_MAX).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| cannot(io::ErrorKind::InvalidData.into()))
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum VerifyError {
    #[error(transparent)]
    Ledger(#[from] OpenError),
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be used", path.display())]
    Unusable { path: PathBuf, source: CheckpointError },
    #[error("the ledger ends at entry {entries}, and a checkpoint was signed over {signed} entries{broken}")]
    Shorter {
        signed: EntryNumber,
        entries: EntryNumber,
        /// Where there is something behind the last entry, as a clause; empty: there is nothing.
        broken: String,
    },
    #[error("the first {signed} entries of the ledger are not those that were signed")]
    Differs { signed: EntryNumber },
    /// A bug.
    #[error("the thread that reads the ledger panicked")]
    Thread,
}
