//! The directory of a quickstart.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::{check_empty, make_directory};

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The directory of `touchmark-ca init`.
    pub(crate) ca: PathBuf,
    /// The first operator's credential directory.
    pub(crate) operator: PathBuf,
    /// The station's credential directory.
    pub(crate) station: PathBuf,
    /// One state directory for each device.
    pub(crate) devices: PathBuf,
    /// The state directory of the unit that was one too many.
    pub(crate) refused: PathBuf,
    /// The CRLs, as a broker has them.
    pub(crate) lists: PathBuf,
    /// The output of the programs.
    pub(crate) logs: PathBuf,
}

impl Workspace {
    /// The wanted directory, which must be empty, or a new temporary one, which is kept.
    pub(crate) fn new(wanted: Option<&Path>) -> Result<Self, Failure> {
        let root = match wanted {
            Some(directory) => {
                let root =
                    std::path::absolute(directory).map_err(|source| Failure::file(directory, source))?;
                check_empty(&root, "choose another --dir, or remove it")?;
                make_directory(&root)?;
                root
            }
            None => tempfile::Builder::new()
                .prefix("touchmark-")
                .tempdir()
                .map_err(|source| Failure::file(std::env::temp_dir(), source))?
                .keep(),
        };
        let within = |name: &str| root.join(name);
        let workspace = Self {
            ca: within("ca"),
            operator: within("ca/operators/admin"),
            station: within("station"),
            devices: within("devices"),
            refused: within("refused"),
            lists: within("lists"),
            logs: within("logs"),
            root,
        };
        make_directory(&workspace.logs)?;
        make_directory(&workspace.devices)?;
        Ok(workspace)
    }
}
