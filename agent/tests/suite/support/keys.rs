//! A key store whose keys are not in files, as in a TPM: the directory has a handle only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use agent::key::{DeviceKey, FileKey, KeyError, KeyStore};
use agent::state::Disk;

/// A chip with keys. It keeps them as long as it lives.
#[derive(Debug, Default)]
pub struct Chip {
    keys: Mutex<HashMap<String, Arc<FileKey>>>,
}

impl KeyStore for Chip {
    fn holds_key(&self, directory: &Path) -> bool {
        handle(directory).exists()
    }

    fn make(&self, directory: &Path, disk: &dyn Disk) -> Result<Arc<dyn DeviceKey>, KeyError> {
        let key = Arc::new(FileKey::generate()?.0);
        let name = key.public_key().fingerprint().to_string();
        self.keys.lock().unwrap().insert(name.clone(), key.clone());
        files::replace_on(disk, &handle(directory), 0o644, name.as_bytes()).map_err(KeyError::Write)?;
        Ok(key)
    }

    fn open(&self, directory: &Path, _readers: Option<u32>) -> Result<Arc<dyn DeviceKey>, KeyError> {
        let name = std::fs::read_to_string(handle(directory)).map_err(|_| KeyError::Missing)?;
        let key = self.keys.lock().unwrap().get(&name).cloned();
        Ok(key.ok_or(KeyError::Malformed)?)
    }

    fn remove(&self, directory: &Path, disk: &dyn Disk) -> Result<(), KeyError> {
        files::remove_if_there(disk, &handle(directory)).map_err(KeyError::Write)
    }

    fn private_file(&self, _directory: &Path) -> Option<PathBuf> {
        None
    }
}

fn handle(directory: &Path) -> PathBuf {
    directory.join("key.handle")
}
