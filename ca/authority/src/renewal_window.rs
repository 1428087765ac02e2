//! When a device renews its operational certificate (R-LIFE-02).

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use identity::{IssuerName, SerialNumber};
use ledger::CertificateStatus;

use super::access::CallerCertificate;
use super::{Authority, Caller, CallerKind, CallerRefused, Refused};

/// When a device renews its operational certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalWindow {
    /// The beginning of the window.
    pub start: SystemTime,
    /// The end of the window.
    pub end: SystemTime,
    /// What the window follows from.
    pub reason: RenewalReason,
    /// How long until the device asks again.
    pub retry_after: Duration,
    /// Text for people: the remark of the requested rotation.
    pub explanation: String,
}

/// Why a certificate is renewed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalReason {
    /// The usual share of its lifetime is over.
    Scheduled,
    /// An operator requested a rotation.
    RotationRequested,
    /// Its successor is in use already: the device uses the wrong certificate.
    Superseded,
    /// It is not valid yet: it was issued while the CA's clock was ahead.
    NotYetValid,
    /// It expires with its issuer: the next one would expire then too, until the CA has another issuer.
    IssuerEnds,
}

impl Authority {
    /// When the certificate that calls is to be renewed: always the same, until a rotation is requested.
    pub async fn renewal_window(&self, caller: &Caller) -> Result<RenewalWindow, Refused> {
        let certificate = caller.certificate().filter(|_| caller.kind() == CallerKind::DeviceOperational);
        let CallerCertificate { serial_number, validity, .. } = *certificate.ok_or(CallerRefused::Role)?;
        let now = self.clock.now();
        let life = validity.not_after().duration_since(validity.not_before()).unwrap_or_default();
        let at = |share: f64| validity.not_before() + life.mul_f64(share);
        let scheduled = RenewalWindow {
            start: at(WINDOW_START),
            end: at(WINDOW_END),
            reason: RenewalReason::Scheduled,
            retry_after: (life / ASK_AGAIN_DIVISOR).clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX),
            explanation: String::new(),
        };
        let status = self.store.certificate_status(&serial_number).await?;
        let at_once = match status == Some(CertificateStatus::Superseded) {
            true => Some(RenewalReason::Superseded),
            false => caller.is_early().then_some(RenewalReason::NotYetValid),
        };
        if let Some(reason) = at_once {
            return Ok(RenewalWindow { start: now, end: now, reason, ..scheduled });
        }
        let issuer_ends = self.issuers.certificate(IssuerName::Operational).validity().not_after();
        let scheduled = match validity.not_after() {
            end if end >= issuer_ends => RenewalWindow {
                start: end,
                end,
                reason: RenewalReason::IssuerEnds,
                explanation: "the issuer ends with this certificate: another would not last longer"
                    .to_owned(),
                ..scheduled
            },
            _ => scheduled,
        };
        let Some(rotation) = self.store.rotation_due(&serial_number, now).await? else {
            return Ok(scheduled);
        };
        let start = rotation.requested_at + rotation.terms.spread.mul_f64(share_of(&serial_number));
        if start >= scheduled.start {
            return Ok(scheduled);
        }
        Ok(RenewalWindow {
            start,
            end: start + ROTATION_WINDOW,
            reason: RenewalReason::RotationRequested,
            explanation: rotation.terms.reason,
            ..scheduled
        })
    }
}

/// Uniform in [0, 1), always the same for one certificate: the hash of R-LIFE-02, over the serial number.
fn share_of(serial_number: &SerialNumber) -> f64 {
    let digest = digest(&SHA256, serial_number.as_bytes());
    let drawn = digest.as_ref().first_chunk().map_or(0, |bytes: &[u8; 4]| u32::from_be_bytes(*bytes));
    f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
}

/// R-LIFE-02: "t = nb + L·(0.60 + 0.12·u)"; the device draws u.
const WINDOW_START: f64 = 0.60;

const WINDOW_END: f64 = 0.72;

/// The length of one device's window in a requested rotation.
const ROTATION_WINDOW: Duration = Duration::from_secs(10 * 60);

/// A device asks some 120 times in the lifetime of a certificate, every 6 hours in 30 days.
const ASK_AGAIN_DIVISOR: u32 = 120;

const ASK_AGAIN_MIN: Duration = Duration::from_secs(5 * 60);

/// The longest time until a device asks again: a million devices then make 46 calls a second.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(6 * 60 * 60);
