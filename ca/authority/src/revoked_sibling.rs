//! Finds clones by the revoked certificates that they show. A certificate that was revoked because its
//! sibling was used first can only be shown by a copy: the device that used the sibling did not keep this
//! one.

use std::collections::HashSet;

use identity::{DeviceId, Principal, SerialNumber};
use ledger::{Action, Command, Conflict};
use parking_lot::Mutex;

use super::record::own_command;
use super::{Authority, Counted, Refused};

/// Certificates whose use was reported since the start: further attempts of a clone cost no commit.
#[derive(Default)]
pub(super) struct ReportedSiblings(Mutex<HashSet<SerialNumber>>);

impl ReportedSiblings {
    fn knows(&self, certificate: &SerialNumber) -> bool {
        self.0.lock().contains(certificate)
    }

    fn remember(&self, certificate: SerialNumber) {
        let mut reported = self.0.lock();
        // The ledger records an alarm once: a certificate that is forgotten here costs one more commit.
        if reported.len() >= REPORTED_MAX {
            reported.clear();
        }
        reported.insert(certificate);
    }
}

impl Authority {
    /// Raises an alarm, once, if a sibling of this revoked certificate was used first; counts each time. What
    /// cannot be recorded is logged, and tried again with the next attempt: the caller is refused in any
    /// case.
    pub(super) async fn report_if_overtaken(&self, principal: &Principal, certificate: SerialNumber) {
        let Principal::Device(device) = principal else { return };
        let seen = async {
            let record = self.store.certificate(&certificate).await?;
            match record.and_then(|record| record.overtaken_by()) {
                Some(used) => self.report_sibling(device, certificate, used).await,
                None => Ok(()),
            }
        };
        if let Err(why) = seen.await {
            let why: &dyn std::error::Error = &why;
            tracing::error!(%device, %certificate, why, "a clone of {device} was seen, and the alarm cannot be recorded");
        }
    }

    async fn report_sibling(
        &self,
        device: &DeviceId,
        certificate: SerialNumber,
        used: SerialNumber,
    ) -> Result<(), Refused> {
        // The first use of a child may revoke its parent too; the device may be late to switch.
        let parent = self.store.certificate(&used).await?.and_then(|used| used.parent());
        if parent == Some(certificate) {
            return Ok(());
        }
        self.counters.others.add(Counted::RevokedSibling);
        if self.siblings.knows(&certificate) {
            return Ok(());
        }
        let action = Action::ReportRevokedSibling {
            device: device.clone(),
            certificate,
            used,
            hold_on_fork: self.renewal.hold_on_fork,
        };
        // The device is named, but the command is not decided on its credential, which is revoked.
        let principal = Some(Principal::Device(device.clone()));
        let command = Command { principal, ..own_command([0; 32], action) };
        let before = self.store.head();
        match self.commit_one(command).await? {
            Ok(_) | Err(Conflict::LineageForked(_)) => {}
            Err(conflict) => return Err(conflict.into()),
        }
        self.siblings.remember(certificate);
        if self.store.head() > before {
            tracing::warn!(
                %device, %certificate, %used,
                "a certificate of {device} was shown that was revoked unused: its memory was copied; see docs/operations/fork-alarm.md"
            );
        }
        Ok(())
    }
}

/// The most certificates that are kept, 16 bytes each.
const REPORTED_MAX: usize = 10_000;
