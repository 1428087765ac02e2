//! Asking the CA when to renew, and what follows from its answer.

use std::time::{Duration, SystemTime};

use proto::v1;
use tracing::warn;

use crate::certificate::Certificate;
use crate::enroll::answer::{believable, moment};
use crate::enroll::connection::readable;
use crate::enroll::retry::chain;
use crate::enroll::{EnrollError, Identity};
use crate::renewal::{Window, renewal_time};
use crate::state::{Advice, Place, Slot, State};

use super::Run;

/// When the certificate in use is renewed, and why then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// When.
    pub at: SystemTime,
    /// What the CA said.
    pub advice: Advice,
}

impl Plan {
    /// Whether it is time, by the CA's clock.
    pub fn is_due(&self) -> bool {
        self.at <= self.advice.told_at
    }
}

impl Run<'_> {
    /// Asks when to renew, and keeps the answer for `status` and for the next start.
    pub(super) async fn ask(&self, state: &mut State, in_use: Slot) -> Result<Plan, EnrollError> {
        let caller = Identity::read(state.view(), Place::Slot(in_use), self.device.clone())?;
        let certificate = Certificate::from_der(&caller.credential.certificate)?;
        let view = state.view().clone();
        let (info, server_time) = self
            .attempts
            .until_done(|| async {
                let mut connection = self.connect(&caller, &view).await?;
                let info = connection.renewal_info().await?;
                let server_time = believable(moment(info.server_time)?, &connection)?;
                Ok((info, server_time))
            })
            .await?;
        let advice = advice(info, certificate.serial_number.clone(), server_time);
        let at = renewal_time(&self.device, &certificate, advice.window);
        let kept = state.update(|record| {
            record.tell_time(server_time);
            record.advice = Some(advice.clone());
        });
        if let Err(error) = kept {
            warn!("what the CA said about renewal is not kept: {}", chain(&error));
        }
        Ok(Plan { at, advice })
    }
}

fn advice(info: v1::GetRenewalInfoResponse, serial_number: Vec<u8>, told_at: SystemTime) -> Advice {
    let window = match (moment(info.window_start), moment(info.window_end)) {
        (Ok(start), Ok(end)) => Some(Window { start, end }),
        _ => None,
    };
    let retry_after = info.retry_after.and_then(|it| Duration::try_from(it).ok()).unwrap_or_default();
    let (reason, explanation) = (readable(&info.reason), readable(&info.explanation));
    Advice { serial_number, told_at, window, reason, explanation, retry_after }
}
