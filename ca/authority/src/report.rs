//! Logs and counts refusals.

use std::sync::atomic::{AtomicU64, Ordering};

use diagnostics::Limits;
use identity::Principal;

use super::{Authority, Refused};

/// Numbers refusals, so that what a caller was told can be found in the log.
pub(super) struct Incidents {
    /// When the CA started, in seconds since 1970.
    started: u64,
    next: AtomicU64,
}

impl Incidents {
    pub(super) fn new(started: u64) -> Self {
        Self { started, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:x}-{:x}", self.started, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Authority {
    /// Logs and counts a refusal, once. Returns the incident number, which is told to the caller and logged.
    pub fn report(
        &self,
        call: &str,
        principal: Option<&Principal>,
        refused: &Refused,
        reason: &'static str,
    ) -> String {
        let incident = self.incidents.next();
        self.counters.refused.add(reason);
        let principal = principal.map(ToString::to_string);
        let principal = principal.as_deref().unwrap_or("nobody");
        if !REFUSALS.admits(reason) {
            return incident;
        }
        if refused.is_ours() {
            let why: &dyn std::error::Error = refused;
            tracing::error!(incident, reason, principal, why, "{call} failed");
        } else if refused.is_suspicious() {
            tracing::warn!(
                incident, reason, principal, why = %refused,
                "refused {call}; a clone, a copied key or a stolen credential looks like this"
            );
        } else {
            tracing::info!(incident, reason, principal, why = %refused, "refused {call}");
        }
        incident
    }
}

/// Callers decide how many lines these are. What is not logged is still counted in the metrics, by reason.
static REFUSALS: Limits = Limits::new();
