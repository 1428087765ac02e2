//! A revoked certificate is shown. It is refused; but if it was revoked because its sibling was used first, whoever shows it is a clone: the
//! device that used the sibling never kept this one.

use std::collections::HashSet;

use identity::{DeviceId, Principal, SerialNumber};
use ledger::{Action, Command, Conflict};
use parking_lot::Mutex;

use super::{Authority, Caller, Refused};

/// Certificates whose use was reported since the start, so that each attempt of a clone does not cost a turn of the committer.
#[derive(Default)]
pub(super) struct ReportedSiblings(Mutex<HashSet<SerialNumber>>);

impl ReportedSiblings {
    fn knows(&self, certificate: &SerialNumber) -> bool {
        self.0.lock().contains(certificate)
    }

    fn remember(&self, certificate: SerialNumber) {
        let mut reported = self.0.lock();
        // The ledger knows which alarms it has: what is forgotten here costs one more question.
        if reported.len() >= REPORTED_MAX {
            reported.clear();
        }
        reported.insert(certificate);
    }
}

impl Authority {
    /// Raises the alarm if the revoked certificate of the caller was overtaken by its sibling, once; counts each time. What cannot be recorded
    /// is logged and tried again with the next attempt: the caller is refused in any case.
    pub(super) async fn look_at_revoked(&self, caller: &Caller) {
        let (Principal::Device(device), certificate) = (caller.principal(), caller.certificate()) else {
            return;
        };
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
        // The parent of the one that was used is revoked by its first use too, if the profile says so; its holder may be late to switch.
        let parent = self.store.certificate(&used).await?.and_then(|used| used.parent());
        if parent == Some(certificate) {
            return Ok(());
        }
        self.counters.count_revoked_sibling();
        if self.siblings.knows(&certificate) {
            return Ok(());
        }
        let action = Action::ReportRevokedSibling {
            device: device.clone(),
            certificate,
            used,
            hold_on_fork: self.renewal.hold_on_fork,
        };
        // It is the device that came, but nothing is decided for it: its certificate is no credential any more.
        let principal = Some(Principal::Device(device.clone()));
        let command = Command {
            principal,
            credential: None,
            request: None,
            content: [0; 32],
            remark: String::new(),
            action,
        };
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

/// Most certificates that are remembered, 16 bytes each.
const REPORTED_MAX: usize = 10_000;
