//! The directory of a quickstart.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::make_directory;

/// Contains `ca/`, `station/`, `devices/SERIAL/`, `refused/SERIAL/`, `lists/` and `logs/`.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The wanted directory, which must be empty, or a new temporary one, which is kept.
    pub(crate) fn new(wanted: Option<&Path>) -> Result<Self, Failure> {
        let root = match wanted {
            Some(directory) => {
                let root =
                    std::path::absolute(directory).map_err(|source| Failure::file(directory, source))?;
                if fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(Failure::usage(format!(
                        "{} is not empty; nothing is overwritten",
                        root.display()
                    ))
                    .next("choose another --dir, or remove it"));
                }
                make_directory(&root)?;
                root
            }
            None => tempfile::Builder::new()
                .prefix("touchmark-")
                .tempdir()
                .map_err(|source| Failure::file(std::env::temp_dir(), source))?
                .keep(),
        };
        let workspace = Self { root };
        make_directory(&workspace.logs())?;
        make_directory(&workspace.devices())?;
        Ok(workspace)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of `touchmark-ca init`.
    pub(crate) fn ca(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// The first operator's credential directory.
    pub(crate) fn operator(&self) -> PathBuf {
        self.ca().join("operators/admin")
    }

    /// The station's credential directory, with its station.toml and journal.
    pub(crate) fn station(&self) -> PathBuf {
        self.root.join("station")
    }

    /// One state directory for each device.
    pub(crate) fn devices(&self) -> PathBuf {
        self.root.join("devices")
    }

    /// The state directory of the unit that was one too many.
    pub(crate) fn refused(&self) -> PathBuf {
        self.root.join("refused")
    }

    /// The CRLs, as a broker has them.
    pub(crate) fn lists(&self) -> PathBuf {
        self.root.join("lists")
    }

    /// The output of the programs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}
