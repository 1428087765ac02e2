//! What a selection comes to, for those who want to know before they act, and for those who act.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use identity::{DeviceId, Principal, Product, SerialNumber};
use ledger::{CertificateFacts, CertificateStatus, EntryNumber, Holder, Selection, View};

use super::{Listings, Result};

/// A certificate of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// What it is worth.
    pub status: CertificateStatus,
    /// The entry by which it belongs to the selection: its device's birth, when the selection means devices,
    /// or its own.
    pub since: EntryNumber,
    /// Whose it is; `None`: not a device's.
    pub device: Option<SelectedDevice>,
}

/// The device of a selected certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedDevice {
    /// The device.
    pub id: DeviceId,
    /// Its position in the order of first births, from 0.
    pub position: u32,
    /// When it was last seen.
    pub last_seen: SystemTime,
}

/// Some certificates of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionPage {
    /// The certificates, those of one device together. More than were asked for when a device has many, fewer
    /// when few match.
    pub certificates: Vec<Selected>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<u64>,
}

/// What a revocation of a selection would do: the blast radius.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Devices with a certificate that is not revoked yet.
    pub devices: u64,
    /// Certificates that are not revoked yet.
    pub certificates: u64,
    /// The same by product.
    pub products: BTreeMap<Product, ProductSurvey>,
    /// When the device that is silent for longest was last seen.
    pub last_seen_oldest: Option<SystemTime>,
    /// When the device that was seen last was.
    pub last_seen_newest: Option<SystemTime>,
}

/// What a revocation of the selection would do to one product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductSurvey {
    /// Devices with a certificate that is not revoked yet.
    pub devices: u64,
    /// Certificates that are not revoked yet.
    pub certificates: u64,
}

/// See [`Listings::survey`].
pub(super) async fn survey(store: &dyn Listings, selection: &Selection) -> Result<Survey> {
    let mut survey = Survey::default();
    // One bit a device: a device's certificates may lie far apart.
    let mut counted: Vec<u64> = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = store.select(selection, from, PAGE_ROWS).await?;
        for one in page.certificates.iter().filter(|one| one.status != CertificateStatus::Revoked) {
            survey.certificates += 1;
            let Some(device) = &one.device else { continue };
            survey.product(&device.id.product).certificates += 1;
            let (word, bit) = (device.position as usize / 64, 1 << (device.position % 64));
            if counted.len() <= word {
                counted.resize(word + 1, 0);
            }
            let Some(word) = counted.get_mut(word).filter(|word| **word & bit == 0) else { continue };
            *word |= bit;
            survey.count(device);
        }
        next = page.next;
    }
    Ok(survey)
}

impl Survey {
    fn product(&mut self, product: &Product) -> &mut ProductSurvey {
        self.products.entry(product.clone()).or_default()
    }

    fn count(&mut self, device: &SelectedDevice) {
        self.devices += 1;
        self.product(&device.id.product).devices += 1;
        let seen = device.last_seen;
        self.last_seen_oldest = Some(self.last_seen_oldest.map_or(seen, |oldest| oldest.min(seen)));
        self.last_seen_newest = Some(self.last_seen_newest.map_or(seen, |newest| newest.max(seen)));
    }
}

/// A certificate of a device and all its descendants, oldest first; of anybody else, the certificate alone.
pub(super) fn lineage<V: View>(
    view: &V,
    serial_number: &SerialNumber,
) -> Result<Vec<CertificateFacts>, V::Fault> {
    let Some(first) = view.certificate(serial_number)? else { return Ok(Vec::new()) };
    let Holder::Principal(Principal::Device(device)) = &first.holder else { return Ok(vec![first]) };
    let certificates = view.certificates(device)?;
    let mut line = HashSet::from([first.serial_number]);
    let mut lineage = Vec::new();
    for number in &certificates {
        let Some(facts) = view.certificate(number)? else { continue };
        if line.contains(number) || facts.parent.is_some_and(|parent| line.contains(&parent)) {
            line.insert(*number);
            lineage.push(facts);
        }
    }
    Ok(lineage)
}

/// Certificates that are looked at in one piece: some megabytes of ledger.
const PAGE_ROWS: usize = 4_096;
