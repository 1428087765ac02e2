//! Finds clones: only a copy can show a certificate that was revoked because its sibling was used first.

use identity::{DeviceId, Principal, SerialNumber};
use ledger::{Action, Command, Conflict};

use super::record::own_command;
use super::{Authority, Counted, Refused};

impl Authority {
    /// Raises an alarm, once, if a sibling was used first. A failure is logged and tried at the next attempt.
    pub(super) async fn report_if_overtaken(&self, device: &DeviceId, certificate: SerialNumber) {
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
        if self.siblings.get(&certificate).is_some() {
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
        self.siblings.insert(certificate, ());
        if self.store.head() > before {
            tracing::warn!(
                %device, %certificate, %used,
                "a certificate of {device} was shown that was revoked unused: its memory was copied; see docs/operations/fork-alarm.md"
            );
        }
        Ok(())
    }
}

/// The most certificates whose use is known to be on record. One that is forgotten costs one more commit.
pub(super) const REPORTED_MAX: usize = 10_000;
