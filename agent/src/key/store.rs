//! Where a device's keys are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use files::{Disk, OWNER_ONLY, remove_if_there, replace_on};

use super::{DeviceKey, FileKey, KeyError};

/// Makes, opens and removes keys. Each belongs to one directory of the state (`idevid`, `a`, `b`), where the
/// key or a handle of it lies. `agent/tests/suite/key_stores.rs` judges every implementation.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// Whether the directory has a key, usable or not.
    fn holds_key(&self, directory: &Path) -> bool;

    /// Makes a key for the directory, which exists and has none. When it returns `Ok`, the key survives a
    /// power cut; after an error or a power cut there is this key or none. May block.
    fn make(&self, directory: &Path, disk: &dyn Disk) -> Result<Arc<dyn DeviceKey>, KeyError>;

    /// Opens the key of the directory. Where it is a file, the group with the number `readers` may be able to
    /// read it too. May block. [`KeyError::Missing`]: there is none.
    fn open(&self, directory: &Path, readers: Option<u32>) -> Result<Arc<dyn DeviceKey>, KeyError>;

    /// Removes the key of the directory for ever, durably once that is synced. A missing one is no error.
    fn remove(&self, directory: &Path, disk: &dyn Disk) -> Result<(), KeyError>;

    /// The file that holds the private key itself, whether or not it exists; `None`: keys are elsewhere. Its
    /// mode is the agent's to set.
    fn private_file(&self, directory: &Path) -> Option<PathBuf>;
}

/// Keys in files: `key.pem`, which applications read through `current`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileKeyStore;

impl KeyStore for FileKeyStore {
    fn holds_key(&self, directory: &Path) -> bool {
        path(directory).symlink_metadata().is_ok()
    }

    fn make(&self, directory: &Path, disk: &dyn Disk) -> Result<Arc<dyn DeviceKey>, KeyError> {
        let (key, secret) = FileKey::generate()?;
        // The only write of a private key; mode 0600 from its first byte on.
        replace_on(disk, &path(directory), OWNER_ONLY, secret.expose()).map_err(KeyError::Write)?;
        Ok(Arc::new(key))
    }

    fn open(&self, directory: &Path, readers: Option<u32>) -> Result<Arc<dyn DeviceKey>, KeyError> {
        Ok(Arc::new(FileKey::open(&path(directory), readers)?))
    }

    fn remove(&self, directory: &Path, disk: &dyn Disk) -> Result<(), KeyError> {
        remove_if_there(disk, &path(directory)).map_err(KeyError::Write)
    }

    fn private_file(&self, directory: &Path) -> Option<PathBuf> {
        Some(path(directory))
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("key.pem")
}
