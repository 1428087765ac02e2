//! Reading a state directory, by whoever may.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use identity::DeviceId;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::{Certificate, Credential, Kind};
use crate::key::{DeviceKey, FileKey, KeyError};
use crate::time_floor::TimeFloor;

use super::{
    CERTIFICATE_FILE, CHAIN_FILE, CURRENT, EnrolmentStep, FactoryStep, KEY_FILE, Place, Record, RenewalStep,
    STATE_FILE, Slot, StateError, TRUST_FILE,
};

/// What a state directory says. Reading it needs no lock: files are only replaced, and never those that are in use.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) directory: PathBuf,
    pub(super) record: Record,
}

impl View {
    /// Reads the state file.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(STATE_FILE);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(missing(directory));
            }
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {
                return Err(StateError::NotADirectory { directory: directory.to_owned() });
            }
            Err(error) => return Err(error),
        };
        let record = Record::from_json(&bytes).map_err(|why| StateError::Damaged { path, why })?;
        Ok(Self { directory: directory.to_owned(), record })
    }

    /// How far the device is.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the files of a place lie.
    pub fn path(&self, place: Place) -> PathBuf {
        self.directory.join(match place {
            Place::Birth => "idevid",
            Place::Slot(slot) => slot.directory(),
        })
    }

    /// The slot that applications use, if the device has been enrolled.
    ///
    /// # Errors
    /// When `current` is something else than a link to a slot.
    pub fn current(&self) -> Result<Option<Slot>, StateError> {
        let path = self.directory.join(CURRENT);
        match fs::read_link(&path) {
            Ok(target) if target == Path::new("a") => Ok(Some(Slot::A)),
            Ok(target) if target == Path::new("b") => Ok(Some(Slot::B)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(_) => Err(StateError::Damaged { path, why: "it points to neither a nor b".to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(StateError::Damaged { path, why: "it is not a symbolic link".to_owned() })
            }
            Err(error) => Err(StateError::reading(&path)(error)),
        }
    }

    /// The key of a place.
    ///
    /// # Errors
    /// When it is missing, damaged, or others can read it than its owner and the group that was asked for.
    pub fn key(&self, place: Place) -> Result<Arc<dyn DeviceKey>, StateError> {
        let path = self.path(place).join(KEY_FILE);
        // The birth certificate's key is for nobody else, ever.
        let group = self.record.key_group.as_ref().filter(|_| place != Place::Birth);
        // A group that the system does not know any more reads nothing.
        let readers = group.and_then(|group| group.number().ok());
        match FileKey::open(&path, readers) {
            Ok(key) => Ok(Arc::new(key)),
            Err(KeyError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::Damaged { path, why: "it is missing".to_owned() })
            }
            Err(source) => Err(StateError::Key { path, source }),
        }
    }

    /// The credential of a place.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn credential(&self, place: Place) -> Result<Credential, StateError> {
        let directory = self.path(place);
        let path = directory.join(CERTIFICATE_FILE);
        let mut certificates = certificates(&path)?.into_iter();
        let (Some(certificate), None) = (certificates.next(), certificates.next()) else {
            return Err(StateError::Damaged { path, why: "it must hold one certificate".to_owned() });
        };
        Certificate::from_der(&certificate)
            .map_err(|why| StateError::Damaged { path, why: why.to_string() })?;
        let trust = directory.join(TRUST_FILE);
        let anchors = self::certificates(&trust)?;
        if anchors.is_empty() {
            return Err(StateError::Damaged { path: trust, why: "it holds no certificate".to_owned() });
        }
        Ok(Credential { certificate, chain: self::certificates(&directory.join(CHAIN_FILE))?, anchors })
    }

    /// The credential and the key of a place, if they belong together and to `device`, as they did when they were put there.
    ///
    /// # Errors
    /// When a file is missing or damaged, or is not the one that was put there.
    pub fn checked(
        &self,
        place: Place,
        device: &DeviceId,
        kind: Kind,
        now: SystemTime,
    ) -> Result<(Credential, Arc<dyn DeviceKey>), StateError> {
        let (credential, key) = (self.credential(place)?, self.key(place)?);
        credential.check(device, key.public_key(), kind, now).map_err(|why| StateError::Damaged {
            path: self.path(place).join(CERTIFICATE_FILE),
            why: why.to_string(),
        })?;
        Ok((credential, key))
    }

    /// As [`View::checked`], at a time that depends on no clock: a credential that was in order when it was put there and has ended
    /// since is still in order here. Whether it has ended is for those to say who know the time.
    ///
    /// # Errors
    /// As [`View::checked`].
    pub fn own(
        &self,
        place: Place,
        device: &DeviceId,
    ) -> Result<(Credential, Arc<dyn DeviceKey>), StateError> {
        let kind = if place == Place::Birth { Kind::Birth } else { Kind::Operational };
        let floor = self.time_floor()?.moment();
        let certificate = self.certificate(place)?;
        self.checked(
            place,
            device,
            kind,
            floor.clamp(certificate.not_before, certificate.not_after.max(certificate.not_before)),
        )
    }

    /// What the certificate of a place says.
    ///
    /// # Errors
    /// As [`View::credential`].
    pub fn certificate(&self, place: Place) -> Result<Certificate, StateError> {
        let credential = self.credential(place)?;
        Certificate::from_der(&credential.certificate).map_err(|why| StateError::Damaged {
            path: self.path(place).join(CERTIFICATE_FILE),
            why: why.to_string(),
        })
    }

    /// Whether `current` leads where it must when `slot` is in use: there, or to the certificate that is about to replace it.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_current(&self, slot: Slot) -> Result<(), StateError> {
        let next = self.record.renewal.as_ref().filter(|it| it.step == RenewalStep::Installed);
        match self.current()? {
            Some(current) if current == slot || next.is_some_and(|it| it.slot == current) => Ok(()),
            _ => {
                let why = format!("it does not point to {}, which is in use", slot.directory());
                Err(StateError::Damaged { path: self.directory.join(CURRENT), why })
            }
        }
    }

    /// Where the state is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The least that the time can be: what the CA told last or, before it did, what is on record and when the device's own certificates
    /// began (R-LIFE-06). A certificate that was issued while the CA's clock was ahead says no more about the time once the CA told it.
    ///
    /// # Errors
    /// When a certificate that must be there is damaged.
    pub fn time_floor(&self) -> Result<TimeFloor, StateError> {
        let mut floor = self.record.time_floor;
        if self.record.time_told {
            return Ok(floor);
        }
        let birth = (self.record.factory >= FactoryStep::Installed).then_some(Place::Birth);
        let operational = self
            .record
            .enrolment
            .as_ref()
            .filter(|enrolment| enrolment.step > EnrolmentStep::Begun)
            .map(|enrolment| Place::Slot(enrolment.slot));
        let next = self
            .record
            .renewal
            .as_ref()
            .filter(|renewal| renewal.step == RenewalStep::Installed)
            .map(|renewal| Place::Slot(renewal.slot));
        for place in birth.into_iter().chain(operational).chain(next) {
            floor = floor.raised_to(self.certificate(place)?.not_before);
        }
        Ok(floor)
    }
}

/// No state file: nothing there, or a directory that lost its state file.
fn missing(directory: &Path) -> StateError {
    let was_in_use = ["idevid", "a", "b", CURRENT].iter().any(|name| directory.join(name).exists());
    if was_in_use {
        StateError::Damaged {
            path: directory.join(STATE_FILE),
            why: "it is missing, and the directory is not blank".to_owned(),
        }
    } else {
        StateError::Missing { directory: directory.to_owned() }
    }
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, StateError> {
    let damaged = |why: String| StateError::Damaged { path: path.to_owned(), why };
    let bytes = match read(path) {
        Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(damaged("it is missing".to_owned()));
        }
        bytes => bytes?,
    };
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
        io::ErrorKind::FileTooLarge => StateError::Damaged { path: path.to_owned(), why: error.to_string() },
        _ => StateError::reading(path)(error),
    })
}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The longest file we read: the largest is a chain of four RSA-4096 certificates, about 12 kB.
const FILE_BYTES_MAX: usize = 64 * 1024;
