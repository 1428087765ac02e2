//! A read-only view of a state directory, without its lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use identity::DeviceId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{Certificate, Credential, Kind};
use crate::key::{DeviceKey, KeyError, KeyStore};
use crate::time_floor::TimeFloor;

use super::{
    CERTIFICATE_FILE, CHAIN_FILE, CREDENTIAL_FILES, CURRENT, CredentialLocation, EnrolmentStep, Record,
    RenewalStep, STATE_FILE, Slot, StateError, Storage, TRUST_FILE,
};

/// The content of a state directory. Reading needs no lock: no file that is in use is replaced.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) directory: PathBuf,
    pub(super) record: Record,
    pub(super) keys: Arc<dyn KeyStore>,
}

impl View {
    /// Reads the state file.
    pub fn read(directory: &Path, storage: &Storage) -> Result<Self, StateError> {
        let path = directory.join(STATE_FILE);
        let bytes = read(&path).map_err(|error| match error {
            StateError::Read(_, source) if source.kind() == io::ErrorKind::NotFound => missing(directory),
            StateError::Read(_, source) if source.kind() == io::ErrorKind::NotADirectory => {
                StateError::NotADirectory(directory.to_owned())
            }
            error => error,
        })?;
        let record = Record::from_json(&bytes).map_err(|why| StateError::Damaged(path, why))?;
        Ok(Self { directory: directory.to_owned(), record, keys: Arc::clone(&storage.keys) })
    }

    /// How far the device is.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The directory of a location.
    pub fn path(&self, location: CredentialLocation) -> PathBuf {
        self.directory.join(match location {
            CredentialLocation::Birth => "idevid",
            CredentialLocation::Slot(slot) => slot.directory(),
        })
    }

    /// The slot that applications use, if the device has been enrolled. Anything but a link to a slot is
    /// damage.
    pub fn current(&self) -> Result<Option<Slot>, StateError> {
        let path = self.directory.join(CURRENT);
        match fs::read_link(&path) {
            Ok(target) if target == Path::new("a") => Ok(Some(Slot::A)),
            Ok(target) if target == Path::new("b") => Ok(Some(Slot::B)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(_) => Err(StateError::Damaged(path, "it points to neither a nor b".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(StateError::Damaged(path, "it is not a symbolic link".to_owned()))
            }
            Err(error) => Err(StateError::reading(&path)(error)),
        }
    }

    /// The key of a location, unless others than its owner and the group that was asked for can read it.
    pub fn key(&self, location: CredentialLocation) -> Result<Arc<dyn DeviceKey>, StateError> {
        // The birth certificate's key is never shared.
        let group = self.record.key_group.as_ref().filter(|_| location != CredentialLocation::Birth);
        // A group that the system does not know any more has no members.
        let readers = group.and_then(|group| group.number().ok());
        let opened = self.keys.open(&self.path(location), readers);
        opened.map_err(|error| self.key_error(location, error))
    }

    /// An error of the key store about the key of a location.
    pub(super) fn key_error(&self, location: CredentialLocation, error: KeyError) -> StateError {
        let directory = self.path(location);
        let path = self.keys.private_file(&directory).unwrap_or(directory);
        match error {
            KeyError::Missing => StateError::Damaged(path, error.to_string()),
            KeyError::Write(source) => StateError::Write(path, source),
            error => StateError::Key(path, error),
        }
    }

    /// Whether a key or a certificate lies at a location.
    pub(super) fn holds_anything(&self, location: CredentialLocation) -> bool {
        let directory = self.path(location);
        let is_there = |name: &&str| directory.join(name).symlink_metadata().is_ok();
        self.keys.holds_key(&directory) || CREDENTIAL_FILES.iter().any(is_there)
    }

    /// The credential of a location.
    pub fn credential(&self, location: CredentialLocation) -> Result<Credential, StateError> {
        let directory = self.path(location);
        let path = directory.join(CERTIFICATE_FILE);
        let mut certificates = certificates(&path)?.into_iter();
        let (Some(certificate), None) = (certificates.next(), certificates.next()) else {
            return Err(StateError::Damaged(path, "it must hold one certificate".to_owned()));
        };
        let leaf =
            Certificate::from_der(certificate).map_err(|why| StateError::Damaged(path, why.to_string()))?;
        let anchors = self.anchors(location)?;
        Ok(Credential { leaf, chain: self::certificates(&directory.join(CHAIN_FILE))?, anchors })
    }

    /// The roots that the credential of a location trusts, or will when its certificate is there; X.509 DER.
    pub fn anchors(&self, location: CredentialLocation) -> Result<Vec<Vec<u8>>, StateError> {
        let path = self.path(location).join(TRUST_FILE);
        let anchors = certificates(&path)?;
        if anchors.is_empty() {
            return Err(StateError::Damaged(path, "it holds no certificate".to_owned()));
        }
        Ok(anchors)
    }

    /// The credential and the key of a location, if they belong together and to `device`. The chain is
    /// verified at the time that `at` gives for the certificate.
    pub fn checked(
        &self,
        location: CredentialLocation,
        device: &DeviceId,
        kind: Kind,
        at: impl FnOnce(&Certificate) -> SystemTime,
    ) -> Result<(Credential, Arc<dyn DeviceKey>), StateError> {
        let (credential, key) = (self.credential(location)?, self.key(location)?);
        let checked = credential.check(device, key.public_key(), kind, at(&credential.leaf));
        checked.map_err(|why| {
            StateError::Damaged(self.path(location).join(CERTIFICATE_FILE), why.to_string())
        })?;
        Ok((credential, key))
    }

    /// As [`View::checked`], at the time floor or the nearest time within the certificate's validity.
    pub fn own(
        &self,
        location: CredentialLocation,
        device: &DeviceId,
    ) -> Result<(Credential, Arc<dyn DeviceKey>), StateError> {
        let kind = if location == CredentialLocation::Birth { Kind::Birth } else { Kind::Operational };
        let floor = self.time_floor()?.moment();
        self.checked(location, device, kind, |certificate| {
            floor.clamp(certificate.not_before, certificate.not_after.max(certificate.not_before))
        })
    }

    /// The certificate of a location.
    pub fn certificate(&self, location: CredentialLocation) -> Result<Certificate, StateError> {
        Ok(self.credential(location)?.leaf)
    }

    /// The slot of the certificate in use, or [`StateError::NotEnrolled`].
    pub fn slot_in_use(&self) -> Result<Slot, StateError> {
        let in_use = self.record.in_use().map(|enrolment| enrolment.slot);
        in_use.ok_or_else(|| StateError::NotEnrolled(self.directory.clone()))
    }

    /// Checks that `current` leads to `slot`, which is in use, or to its proven successor.
    pub fn check_current(&self, slot: Slot) -> Result<(), StateError> {
        let next = self.record.renewal.as_ref().filter(|it| it.step == RenewalStep::Installed);
        match self.current()? {
            Some(current) if current == slot || next.is_some_and(|it| it.slot == current) => Ok(()),
            _ => {
                let why = format!("it does not point to {}, which is in use", slot.directory());
                Err(StateError::Damaged(self.directory.join(CURRENT), why))
            }
        }
    }

    /// Where the state is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The least that the time can be: the CA's last word or, before its first, the later of the record's
    /// floor and the beginning of the device's own certificates (R-LIFE-06).
    pub fn time_floor(&self) -> Result<TimeFloor, StateError> {
        let mut floor = self.record.time_floor;
        if self.record.server_time_known {
            return Ok(floor);
        }
        let Record { enrolment, renewal, .. } = &self.record;
        let locations = [
            self.record.is_born().then_some(CredentialLocation::Birth),
            enrolment.as_ref().filter(|it| it.step > EnrolmentStep::Begun).map(|it| it.slot.into()),
            renewal.as_ref().filter(|it| it.step == RenewalStep::Installed).map(|it| it.slot.into()),
        ];
        for location in locations.into_iter().flatten() {
            floor = floor.raised_to(self.certificate(location)?.not_before);
        }
        Ok(floor)
    }
}

/// No state file: nothing there, or a directory that lost its state file.
fn missing(directory: &Path) -> StateError {
    let was_in_use = ["idevid", "a", "b", CURRENT].iter().any(|name| directory.join(name).exists());
    if was_in_use {
        let why = "it is missing, and the directory is not blank".to_owned();
        StateError::Damaged(directory.join(STATE_FILE), why)
    } else {
        StateError::Missing(directory.to_owned())
    }
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, StateError> {
    let damaged = |why: String| StateError::Damaged(path.to_owned(), why);
    let bytes = read(path).map_err(|error| match error {
        StateError::Read(_, source) if source.kind() == io::ErrorKind::NotFound => {
            damaged("it is missing".to_owned())
        }
        error => error,
    })?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(format!("it is not PEM: {error}")))?;
    // A cut file may end between two lines of PEM, where nothing is wrong with what is left.
    let begun = bytes.windows(PEM_BEGIN.len()).filter(|window| *window == PEM_BEGIN).count();
    if begun != certificates.len() {
        return Err(damaged("a certificate in it is cut".to_owned()));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    files::read_limited(path, FILE_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => StateError::Damaged(path.to_owned(), error.to_string()),
        _ => StateError::reading(path)(error),
    })
}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The longest file we read: the largest is a chain of four RSA-4096 certificates, about 12 kB.
const FILE_BYTES_MAX: usize = 64 * 1024;
