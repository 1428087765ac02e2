//! Asks the CA when to renew, and computes the time from its answer.

use std::time::{Duration, SystemTime};

use diagnostics::error_chain;
use proto::v1;
use tracing::warn;

use crate::ca_client::{ClientIdentity, ObtainError, Run};
use crate::renewal::{Window, renewal_time};
use crate::state::{CredentialLocation, RenewalInfo, Slot, State};
use crate::text::{readable, wire_time};

/// When the certificate in use is renewed, and why then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalPlan {
    /// By the CA's clock.
    pub at: SystemTime,
    /// What the CA said about renewal.
    pub renewal_info: RenewalInfo,
}

impl RenewalPlan {
    /// Whether it is time, by the CA's clock.
    pub fn is_due(&self) -> bool {
        self.at <= self.renewal_info.asked_at
    }
}

/// Asks when to renew, and keeps the answer for `status` and for the next start.
pub(super) async fn ask(run: &Run<'_>, state: &mut State, in_use: Slot) -> Result<RenewalPlan, ObtainError> {
    let caller = ClientIdentity::read(state.view(), CredentialLocation::Slot(in_use), run.device.clone())?;
    let view = state.view();
    let ask = || async { run.connect(&caller, view).await?.renewal_info().await };
    let (info, server_time) = run.attempts.until_done(ask).await?;
    let leaf = &caller.credential.leaf;
    let renewal_info = renewal_info(info, leaf.serial_number.clone(), server_time);
    let at = renewal_time(&run.device, leaf, renewal_info.window);
    let kept = state.update(|record| {
        record.set_server_time(server_time);
        record.renewal_info = Some(renewal_info.clone());
    });
    if let Err(error) = kept {
        warn!("what the CA said about renewal is not kept: {}", error_chain(&error));
    }
    Ok(RenewalPlan { at, renewal_info })
}

fn renewal_info(
    info: v1::GetRenewalInfoResponse,
    serial_number: Vec<u8>,
    asked_at: SystemTime,
) -> RenewalInfo {
    let window = match (wire_time(info.window_start), wire_time(info.window_end)) {
        (Some(start), Some(end)) => Some(Window { start, end }),
        _ => None,
    };
    let retry_after = info.retry_after.and_then(|it| Duration::try_from(it).ok()).unwrap_or_default();
    let (reason, explanation) = (readable(&info.reason), readable(&info.explanation));
    RenewalInfo { serial_number, asked_at, window, reason, explanation, retry_after }
}
