//! Rows for CRLs, OCSP responses and the feed.

use std::time::SystemTime;

use identity::{DeviceId, IssuerName, SerialNumber};
use ledger::{CertificateStatus, Entry, EntryNumber};

use super::Revocation;

/// A position in the order of all revocations, holds and releases. An entry may change many certificates: the
/// second number counts them, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangePosition {
    /// The entry.
    pub entry: EntryNumber,
    /// Which of its certificates.
    pub index: u32,
}

impl ChangePosition {
    /// Behind all changes of this entry, and of those before it. `EntryNumber(0)`: before the first change.
    pub const fn behind(entry: EntryNumber) -> Self {
        Self { entry, index: u32::MAX }
    }
}

/// One certificate's change, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationChange {
    /// Its position in the feed.
    pub position: ChangePosition,
    /// When it was decided.
    pub at: SystemTime,
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// Who signed it.
    pub issuer: IssuerName,
    /// The part of its issuer's CRL that it is in.
    pub shard: Option<u32>,
    /// Whose it is; `None`: not a device's.
    pub device: Option<DeviceId>,
    /// What it became.
    pub status: ChangedStatus,
}

/// What a certificate became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedStatus {
    /// Revoked, or on hold.
    RevokedOrHeld(Revocation),
    /// Good again.
    Released,
}

/// An entry of a CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedEntry {
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// Since when, and why.
    pub revocation: Revocation,
}

/// Some entries of a CRL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedPage {
    /// In the order in which the certificates were issued. May be fewer than were asked for.
    pub entries: Vec<RevokedEntry>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<u64>,
}

/// A part of an issuer's CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardState {
    /// Certificates that are revoked or on hold, expired ones included.
    pub revoked_or_held: u64,
    /// The entry that last changed that; 0: none did.
    pub changed: EntryNumber,
    /// The last second of its certificate that lasts longest; `None`: it has none.
    pub not_after: Option<SystemTime>,
}

/// What is known of a certificate's status without reading the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRecord {
    /// Who signed it.
    pub issuer: IssuerName,
    /// The part of its issuer's CRL that it is in.
    pub shard: Option<u32>,
    /// What it is worth.
    pub status: CertificateStatus,
    /// Its revocation or hold; `None`: it is good.
    pub revocation: Option<Revocation>,
}

/// What an entry did to which certificates, in its order.
pub(super) fn changes_of(entry: &Entry) -> Vec<(SerialNumber, ChangedStatus)> {
    let revoked = entry.event.revoked();
    let revoked = revoked.iter().flat_map(|revoked| {
        revoked.certificates.iter().map(|one| {
            (one.serial_number, ChangedStatus::RevokedOrHeld(Revocation::by(entry, revoked, one.since)))
        })
    });
    let held = entry.event.held().iter();
    let held = held.map(|one| (*one, ChangedStatus::RevokedOrHeld(Revocation::hold(entry))));
    let released = entry.event.released().iter().map(|one| (*one, ChangedStatus::Released));
    revoked.chain(held).chain(released).collect()
}
