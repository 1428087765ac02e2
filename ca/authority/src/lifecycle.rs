//! Devices and certificates on record, for operators.

use std::time::SystemTime;

use identity::{DeviceId, IssuerName, Principal, SerialNumber};
use ledger::{Conflict, DeviceFacts, Holder};
use store::{CertificateRecord, Cursor, Page};

use super::{Authority, Refused};

/// A device and its certificates.
#[derive(Debug, Clone)]
pub struct DeviceHistory {
    /// The device as of the last entry.
    pub device: DeviceFacts,
    /// Its certificates, oldest first; the newest [`CERTIFICATES_OF_ONE_MAX`].
    pub certificates: Vec<CertificateRecord>,
}

/// Which certificates to list.
#[derive(Debug, Clone)]
pub enum CertificateSelection {
    /// The one with this serial number, if there is one.
    One(SerialNumber),
    /// All of a device or another principal, oldest first; the newest [`CERTIFICATES_OF_ONE_MAX`].
    Of(Principal),
    /// All that expire before this time, soonest first.
    ExpiringBefore(SystemTime),
    /// All on record, or all of one issuer, oldest first.
    All(Option<IssuerName>),
}

impl Authority {
    /// One device with its certificates, as of the last entry.
    pub async fn device(&self, id: &DeviceId) -> Result<DeviceHistory, Refused> {
        let device = self.store.device(id).await?.ok_or_else(|| Conflict::NoSuchDevice(id.clone()))?;
        let holder = Principal::Device(id.clone());
        let mut certificates = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.store.certificates_of(&holder, cursor.as_ref(), CERTIFICATES_OF_ONE_MAX).await?;
            certificates.extend(page.rows);
            // Only the newest are kept here; the listing of certificates has all of them.
            certificates.drain(..certificates.len().saturating_sub(CERTIFICATES_OF_ONE_MAX));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(DeviceHistory { device, certificates })
    }

    /// The certificates of the same device that a certificate authorised, oldest first.
    pub async fn children(&self, record: &CertificateRecord) -> Result<Vec<SerialNumber>, Refused> {
        let Some(Holder::Principal(Principal::Device(device))) = record.holder() else {
            return Ok(Vec::new());
        };
        let number = record.certificate().serial_number;
        let family = self.device(&device).await?.certificates;
        let children = family.iter().filter(|other| other.parent() == Some(number));
        Ok(children.map(|child| child.certificate().serial_number).take(CHILDREN_MAX).collect())
    }

    /// Lists certificates in pages of `rows`; those of one principal oldest first.
    pub async fn certificates(
        &self,
        selection: CertificateSelection,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<CertificateRecord>, Refused> {
        let rows = match selection {
            CertificateSelection::One(number) => self.store.certificate(&number).await?.into_iter().collect(),
            CertificateSelection::Of(holder) => {
                return Ok(self.store.certificates_of(&holder, cursor, rows).await?);
            }
            CertificateSelection::All(issuer) => {
                return Ok(self.store.certificates_recorded(issuer, cursor, rows).await?);
            }
            CertificateSelection::ExpiringBefore(time) => {
                return Ok(self.store.certificates_expiring(time, cursor, rows).await?);
            }
        };
        Ok(Page { rows, next: None })
    }
}

/// The most certificates of one principal that are shown: one a week for twenty years.
pub const CERTIFICATES_OF_ONE_MAX: usize = 1_000;

/// The most children of one certificate that are shown; a healthy one has very few.
const CHILDREN_MAX: usize = 100;
