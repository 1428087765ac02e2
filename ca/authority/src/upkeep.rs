//! Background work: continues mass revocations, and revokes superseded certificates after their grace.

use std::time::Duration;

use identity::RevocationReason;
use ledger::{Action, REVOKE_MAX};
use store::{Chore, carry_out};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Authority, Refused};

impl Authority {
    /// Works until `stop`. What fails is tried again; what is interrupted goes on at the next start.
    pub async fn upkeep(&self, stop: CancellationToken) {
        let mut failing = false;
        let work = async {
            loop {
                let pause = match self.upkeep_once().await {
                    Ok(()) => {
                        failing = false;
                        LOOK_INTERVAL
                    }
                    Err(why) => {
                        if !std::mem::replace(&mut failing, true) {
                            let why: &dyn std::error::Error = &why;
                            error!(why, "revocations that are due cannot be recorded; trying again");
                        }
                        FAILURE_PAUSE
                    }
                };
                tokio::select! {
                    () = self.jobs.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// Does all that is due now.
    pub async fn upkeep_once(&self) -> Result<(), Refused> {
        if !self.chores.is_mine(Chore::Revoking).await? {
            return Ok(());
        }
        for job in self.store.unfinished_jobs().await? {
            info!(job = %job.id, revoked = job.revoked, certificates = job.terms.certificates, "going on with a mass revocation");
            let done = carry_out(self.store.as_ref(), job.id, |_| {}).await?;
            if let Some(done) = done {
                info!(job = %done.id, revoked = done.revoked, "a mass revocation is done");
            }
        }
        // Nothing is due by a clock that is in doubt.
        if self.clock.doubt().is_some() {
            return Ok(());
        }
        loop {
            let certificates = self.store.superseded_due(self.clock.now(), REVOKE_MAX).await?;
            if certificates.is_empty() {
                return Ok(());
            }
            info!(
                certificates = certificates.len(),
                "revoking superseded certificates whose grace has ended"
            );
            let reason = RevocationReason::Superseded;
            self.record_own(Action::Revoke { certificates, reason, invalidity_date: None, job: None })
                .await?;
        }
    }
}

/// How often it looks for superseded certificates whose grace has ended; a grace lasts an hour at least.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// How long it waits after a failure, for example a full disk.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
