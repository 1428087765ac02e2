//! Labels of passed units: a QR code as SVG and PNG with the serial number in plain text beside it, and a CSV
//! for label printers. ADR 0072 has the form.

mod file_name;
mod font;
mod picture;
mod png;
mod sheet;
mod svg;

use std::io;
use std::path::{Path, PathBuf};

use identity::{DeviceId, KeyFingerprint, PublicKey, SerialNumber};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::session::BirthCertificate;
use picture::Picture;
use sheet::Sheet;

/// What a label says of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    device: DeviceId,
    certificate: SerialNumber,
    key: KeyFingerprint,
}

impl Label {
    /// The label of a unit with this certificate; `None` if its key cannot be read.
    pub(crate) fn new(device: DeviceId, certificate: &BirthCertificate) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(&certificate.der).ok()?;
        let key = PublicKey::from_spki(read.public_key().raw).ok()?.fingerprint();
        Some(Self { device, certificate: certificate.serial_number, key })
    }

    /// The text of the code: `TM1`, the certificate's serial number and the key's fingerprint (SHA-256) in
    /// upper-case hexadecimal, and `product/serial`, with colons between. A serial number may contain colons
    /// too: it is the last. Another form gets another number in front.
    fn text(&self) -> String {
        let hexadecimal = format!("{}:{}", self.certificate, self.key).to_uppercase();
        format!("TM1:{hexadecimal}:{}", self.device)
    }
}

/// A directory of labels, used by one program at a time.
#[derive(Debug)]
pub(crate) struct Labels {
    directory: PathBuf,
    sheet: Sheet,
}

impl Labels {
    /// Opens a directory, and makes it (but not its parents) if it is missing.
    pub(crate) fn open(directory: &Path) -> Result<Self, LabelError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |source| LabelError::Io { path, source }
        };
        if !directory.is_dir() {
            std::fs::create_dir(directory).map_err(refused(directory))?;
            files::sync_directory(files::parent(directory)).map_err(refused(directory))?;
        }
        let sheet = Sheet::open(&directory.join(SHEET))?;
        files::sync_directory(directory).map_err(refused(directory))?;
        Ok(Self { directory: directory.to_owned(), sheet })
    }

    /// Writes the label of a unit, unless the CSV has it. When this returns `Ok`, it is durable. Returns
    /// whether it was written.
    pub(crate) fn add(&mut self, label: &Label) -> Result<bool, LabelError> {
        let text = label.text();
        if self.sheet.has(&text) {
            return Ok(false);
        }
        let picture = Picture::new(&text, label.device.serial.as_str())
            .ok_or_else(|| LabelError::NoCode { device: label.device.clone() })?;
        let name = file_name::of(&label.device);
        let (svg_name, png_name) = (format!("{name}.svg"), format!("{name}.png"));
        let png = png::of(&picture).ok_or_else(|| LabelError::NoCode { device: label.device.clone() })?;
        for (file, content) in [(&svg_name, svg::of(&picture).as_bytes()), (&png_name, &png)] {
            let path = self.directory.join(file);
            files::replace(&path, PUBLIC, content).map_err(|source| LabelError::Io { path, source })?;
        }
        // The last: what the CSV has is whole.
        self.sheet.add(label, &text, &svg_name, &png_name)?;
        Ok(true)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LabelError {
    #[error("the label file {path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "another touchmark-station writes labels to {path}; stop it, or give this run a directory of its own"
    )]
    InUse { path: PathBuf },
    #[error("{path} is no list of labels: {what}; name another directory, or move the file away")]
    NotLabels { path: PathBuf, what: &'static str },
    #[error("no code can be made for {device}")]
    NoCode { device: DeviceId },
}

const SHEET: &str = "labels.csv";

/// Labels are stuck on units: everybody may read them.
const PUBLIC: u32 = 0o644;

#[cfg(test)]
mod tests;
