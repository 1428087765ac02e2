//! The state directory: everything that a device remembers.
//!
//! ```text
//! DIR/state.json                        how far the device is: the one file that decides
//! DIR/idevid/{cert,chain,trust}.pem     its birth certificate; its key is the key store's (`key.pem`)
//! DIR/a/…  DIR/b/…                      two slots for operational certificates, each with the same files:
//!                                       one is in use, the other is empty or holds the next one
//! DIR/current -> a                      the slot that applications use
//! DIR/lock                              held by the one agent that may write
//! ```
//!
//! Files are only ever replaced, and `state.json` is replaced last: what it does not name is not there yet.

mod error;
mod key_access;
mod record;
mod renewal;
mod view;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use files::{is_unfinished, remove_if_there, replace_link, replace_on};
use identity::RequestId;
use pkcs8::der::pem::{LineEnding, encode_string};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::certificate::Credential;
use crate::key::{DeviceKey, FileKeyStore, KeyStore};

pub use error::StateError;
pub use files::{Disk, FileSystem};
pub use record::{Enrolment, EnrolmentStep, FactoryStep, Parent, Record, Renewal, RenewalInfo, RenewalStep};
pub use view::View;

/// How a state directory is written, and where its keys are kept.
#[derive(Clone)]
pub struct Storage {
    /// The disk that the directory is on.
    pub disk: Arc<dyn Disk>,
    /// The device's keys.
    pub keys: Arc<dyn KeyStore>,
}

impl Storage {
    /// On this disk, with keys in files.
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        Self { disk, keys: Arc::new(FileKeyStore) }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self::on(Arc::new(FileSystem))
    }
}

/// The state directory of one device, locked by this process.
pub struct State {
    view: View,
    disk: Arc<dyn Disk>,
    _lock: Lock,
}

impl State {
    /// Opens what a factory made. Changes nothing when there is none, when another process holds it, or when
    /// it is damaged. Fails also when a key's mode cannot be set right.
    pub fn open(directory: &Path, storage: Storage) -> Result<Self, StateError> {
        // Before the lock, so that none is made where no state is; and under it, for its present content.
        View::read(directory, &storage)?;
        let lock = lock(directory)?;
        let view = View::read(directory, &storage)?;
        let state = Self { view, disk: storage.disk, _lock: lock };
        state.settle_keys()?;
        Ok(state)
    }

    /// Opens the state directory, or makes a missing or an empty directory one. Files that are not ours are
    /// refused.
    pub fn open_or_create(directory: &Path, storage: Storage) -> Result<Self, StateError> {
        if directory.join(STATE_FILE).exists() {
            return Self::open(directory, storage);
        }
        storage.disk.make_directory(directory).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                StateError::NotADirectory(directory.to_owned())
            }
            _ => StateError::writing(directory)(source),
        })?;
        if let Some(name) = foreign_file(directory)? {
            return Err(StateError::Foreign(directory.to_owned(), name));
        }
        let lock = lock(directory)?;
        if directory.join(STATE_FILE).exists() {
            // Another agent made it meanwhile.
            drop(lock);
            return Self::open(directory, storage);
        }
        let view = View { directory: directory.to_owned(), record: Record::default(), keys: storage.keys };
        let mut state = Self { view, disk: storage.disk, _lock: lock };
        state.commit(Record::default())?;
        Ok(state)
    }

    /// Writes the record. When this returns `Ok`, it survives a power cut; after an error the old record or
    /// this one is on disk: reopen to know which.
    pub fn commit(&mut self, record: Record) -> Result<(), StateError> {
        let path = self.view.directory.join(STATE_FILE);
        let content = record.to_json().map_err(io::Error::other).map_err(StateError::writing(&path))?;
        replace_on(&*self.disk, &path, 0o644, &content).map_err(StateError::writing(&path))?;
        self.view.record = record;
        Ok(())
    }

    /// Changes the record; otherwise as [`State::commit`].
    pub fn update(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), StateError> {
        let mut record = self.view.record.clone();
        change(&mut record);
        self.commit(record)
    }

    /// Opens the key of a location, or makes one, which is durable before it is returned: there is one key,
    /// however often the power is cut.
    pub fn open_or_make_key(&self, location: CredentialLocation) -> Result<Arc<dyn DeviceKey>, StateError> {
        let directory = self.view.path(location);
        if self.view.keys.holds_key(&directory) {
            return self.view.key(location);
        }
        self.disk.make_directory(&directory).map_err(StateError::writing(&directory))?;
        self.disk.sync_directory(&self.view.directory).map_err(StateError::writing(&self.view.directory))?;
        let made = self.view.keys.make(&directory, &*self.disk);
        made.map_err(|error| self.view.key_error(location, error))
    }

    /// Writes a credential beside its key. It is in use once the record says so. After an error some files
    /// may be written.
    pub fn write_credential(
        &self,
        location: CredentialLocation,
        credential: &Credential,
    ) -> Result<(), StateError> {
        self.write_chain(location, credential)?;
        self.write_anchors(location, &credential.anchors)
    }

    /// Writes the certificate and its chain, for a location that has its anchors; otherwise as
    /// [`State::write_credential`].
    pub fn write_chain(
        &self,
        location: CredentialLocation,
        credential: &Credential,
    ) -> Result<(), StateError> {
        let certificate = std::slice::from_ref(&credential.leaf.der);
        self.write_certificates(location, CERTIFICATE_FILE, certificate)?;
        self.write_certificates(location, CHAIN_FILE, &credential.chain)
    }

    /// Writes the anchors, X.509 DER; otherwise as [`State::write_credential`].
    pub fn write_anchors(&self, location: CredentialLocation, anchors: &[Vec<u8>]) -> Result<(), StateError> {
        self.write_certificates(location, TRUST_FILE, anchors)
    }

    fn write_certificates(
        &self,
        location: CredentialLocation,
        name: &str,
        certificates: &[Vec<u8>],
    ) -> Result<(), StateError> {
        let path = self.view.path(location).join(name);
        let pem = pem(certificates).map_err(StateError::writing(&path))?;
        replace_on(&*self.disk, &path, 0o644, pem.as_bytes()).map_err(StateError::writing(&path))
    }

    /// Keeps the birth certificate that was deferred, and its chain. When this returns `Ok`, it survives a
    /// power cut; until then the certificate counts as deferred. Leaves the anchors as they are.
    pub fn keep_deferred_certificate(&mut self, credential: &Credential) -> Result<(), StateError> {
        self.write_chain(CredentialLocation::Birth, credential)?;
        self.update(|record| record.certificate_deferred = false)
    }

    /// Starts an enrolment in the slot that applications do not use: empties it, and keeps the request id.
    /// After an error the next start does it again.
    pub fn begin_enrolment(&mut self, request_id: RequestId) -> Result<Enrolment, StateError> {
        let slot = self.view.current()?.map_or(Slot::A, Slot::other);
        if self.view.record.enrolment.is_some() {
            // First forget, then empty: a record never names files that are gone.
            self.update(|record| {
                record.enrolment = None;
                record.renewal = None;
                record.renewal_info = None;
            })?;
        }
        self.empty(slot)?;
        let enrolment = Enrolment { slot, request_id, step: EnrolmentStep::Begun };
        self.update(|record| record.enrolment = Some(enrolment.clone()))?;
        Ok(enrolment)
    }

    /// Empties a slot that the record does not name, the key first.
    fn empty(&self, slot: Slot) -> Result<(), StateError> {
        let location = CredentialLocation::Slot(slot);
        let directory = self.view.path(location);
        if !directory.exists() {
            return Ok(());
        }
        let removed = self.view.keys.remove(&directory, &*self.disk);
        removed.map_err(|error| self.view.key_error(location, error))?;
        for name in CREDENTIAL_FILES {
            let path = directory.join(name);
            remove_if_there(&*self.disk, &path).map_err(StateError::writing(&path))?;
        }
        self.disk.sync_directory(&directory).map_err(StateError::writing(&directory))
    }

    /// Points `current` to a slot, atomically: after an error it points to the old slot or to this one.
    pub fn switch_to(&self, slot: Slot) -> Result<(), StateError> {
        // The key's readers first: an application never finds a key that it cannot read.
        self.settle_key(CredentialLocation::Slot(slot), true)?;
        if self.view.current()? == Some(slot) {
            return Ok(());
        }
        let path = self.view.directory.join(CURRENT);
        replace_link(&*self.disk, &path, slot.directory()).map_err(StateError::writing(&path))
    }

    /// The content of the directory.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// How far the device is.
    pub fn record(&self) -> &Record {
        &self.view.record
    }
}

/// Where a key and its certificate are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialLocation {
    /// `idevid/`.
    Birth,
    /// `a/` or `b/`.
    Slot(Slot),
}

impl From<Slot> for CredentialLocation {
    fn from(slot: Slot) -> Self {
        Self::Slot(slot)
    }
}

/// One of the two directories for an operational certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// `a/`.
    A,
    /// `b/`.
    B,
}

impl Slot {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The name of its directory.
    pub fn directory(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

fn pem(certificates: &[Vec<u8>]) -> io::Result<String> {
    let pem = certificates.iter().map(|der| encode_string("CERTIFICATE", LineEnding::LF, der));
    pem.collect::<Result<_, _>>().map_err(|error| io::Error::other(error.to_string()))
}

/// Takes the lock, or says that another has it. It ends with the process, however that ends.
fn lock(directory: &Path) -> Result<Lock, StateError> {
    let path = directory.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StateError::writing(&path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::Busy(directory.to_owned())),
        Err(error) => Err(StateError::writing(&path)(error.into())),
    }
}

/// The lock on a state directory. Released explicitly: a child that was just forked still has it open.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        flock(&self.0, FlockOperation::Unlock).ok();
    }
}

/// The first file in a directory that this program did not put there before its first record.
fn foreign_file(directory: &Path) -> Result<Option<String>, StateError> {
    for entry in directory.read_dir().map_err(StateError::reading(directory))? {
        let name = entry.map_err(StateError::reading(directory))?.file_name();
        let name = name.to_string_lossy();
        // A file system of its own has a lost+found.
        if name != LOCK_FILE && name != "lost+found" && !is_unfinished(&name) {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

const STATE_FILE: &str = "state.json";
const LOCK_FILE: &str = "lock";
const CURRENT: &str = "current";
const CERTIFICATE_FILE: &str = "cert.pem";
const CHAIN_FILE: &str = "chain.pem";
const TRUST_FILE: &str = "trust.pem";
const CREDENTIAL_FILES: [&str; 3] = [CERTIFICATE_FILE, CHAIN_FILE, TRUST_FILE];
