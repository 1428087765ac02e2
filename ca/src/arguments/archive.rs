//! The command lines of `touchmark-ca archive`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

/// Of `archive`.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Move old ledger files into compressed archives; works while the CA serves
    ///
    /// A ledger file to which nothing is added any more is compressed to less than half. The archive is read
    /// back from the disk and compared before the file is removed. The CA reads archives when it needs an old
    /// entry, so they must stay where it can read them. Run this as the user that the CA runs as.
    #[command(after_help = CREATE_MORE)]
    Create(CreateArguments),
    /// List the archives of a ledger, or of a directory
    #[command(after_help = LIST_MORE)]
    List(ListArguments),
    /// Verify archives by their manifest: every hash, every block, every entry
    ///
    /// Needs neither the CA nor its keys: a copy of the directory of archives can be verified on any machine.
    #[command(after_help = VERIFY_MORE)]
    Verify(VerifyArchivesArguments),
}

impl ArchiveCommand {
    /// Whether programs read what it prints.
    pub fn json(&self) -> bool {
        match self {
            Self::Create(CreateArguments { json, .. })
            | Self::List(ListArguments { json, .. })
            | Self::Verify(VerifyArchivesArguments { json, .. }) => *json,
        }
    }
}

/// Of `archive create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// Keep this many of the newest complete ledger files as they are [default: 8]
    #[arg(long, value_name = "N", conflicts_with = "older_than_days")]
    pub keep_segments: Option<usize>,
    /// Move files whose entries are all older than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub older_than_days: Option<u32>,
    /// The directory for archives; made if it is missing [default: log.archive-dir of the configuration]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Print each archive as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Of `archive list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Print each archive as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Of `archive verify`.
#[derive(Debug, Args)]
pub struct VerifyArchivesArguments {
    #[command(flatten)]
    which: Which,
    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// The ledger whose archives are meant, or their directory.
#[derive(Debug, Args)]
struct Which {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG", required_unless_present = "dir")]
    config: Option<PathBuf>,
    /// Instead, the directory of the archives, with their manifest.json
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Where archives are named.
#[derive(Debug, Clone, Copy)]
pub enum ArchivesOf<'a> {
    /// The ledger of this configuration.
    Config(&'a Path),
    /// This directory.
    Directory(&'a Path),
}

impl Which {
    fn of(&self) -> Option<ArchivesOf<'_>> {
        let directory = self.dir.as_deref().map(ArchivesOf::Directory);
        directory.or_else(|| self.config.as_deref().map(ArchivesOf::Config))
    }
}

impl ListArguments {
    /// Where the archives are named.
    pub fn of(&self) -> Option<ArchivesOf<'_>> {
        self.which.of()
    }
}

impl VerifyArchivesArguments {
    /// Where the archives are named.
    pub fn of(&self) -> Option<ArchivesOf<'_>> {
        self.which.of()
    }
}

const CREATE_MORE: &str = "\
After a crash or a full disk, run it again: every entry is in its ledger file or in a verified archive.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca archive create --config /srv/ca/ca.toml --older-than-days 365 --to /mnt/archive
  touchmark-ca archive create --config /srv/ca/ca.toml --keep-segments 4";

const LIST_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca archive list --config /srv/ca/ca.toml
  touchmark-ca archive list --dir /mnt/archive --json";

const VERIFY_MORE: &str = "\
Exit status: see touchmark-ca --help; 4: an archive is damaged or missing.

Example:
  touchmark-ca archive verify --dir /mnt/archive
  touchmark-ca archive verify --config /srv/ca/ca.toml --json";
