//! `touchmark-ca confirm-time`: the clock is right although the ledger says otherwise (ADR 0034).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use identity::Clock;
use ledger::{Action, Command, EntryNumber};
use store::StoreError;

use super::InitError;
use crate::config::Settings;
use crate::open::with_ledger;

/// A confirmed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedTime {
    /// The ledger entry that records it.
    pub entry: EntryNumber,
    /// The time of the clock.
    pub time: SystemTime,
    /// The time of the ledger entry before.
    pub before: SystemTime,
}

/// Records that the clock is right. `told` is the time of another clock, which the operator must have looked
/// at.
///
/// # Errors
/// When the two clocks differ, or the ledger cannot be opened, which a serving CA has locked.
pub async fn confirm_time(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    told: SystemTime,
    remark: String,
) -> Result<ConfirmedTime, InitError> {
    let time = clock.now();
    let apart = time.duration_since(told).unwrap_or_else(|behind| behind.duration());
    if apart > APART_MAX {
        return Err(InitError::OtherTime { shows: time, told });
    }
    with_ledger(settings, clock, async |store, _| {
        let before = store.last_entry_at().await?.unwrap_or(time);
        let mut content = [0; 32];
        content.copy_from_slice(digest(&SHA256, b"touchmark-ca confirm-time").as_ref());
        let action = Action::ConfirmTime(before);
        let command = Command { principal: None, credential: None, request: None, content, remark, action };
        let verdict = store.commit(vec![command]).await?.pop();
        let verdict = verdict.ok_or(StoreError::Bug("a command has no verdict"))?;
        Ok(ConfirmedTime { entry: verdict?.entry().number, time, before })
    })
    .await
}

/// The largest difference: time to read a clock and to type, and clocks that are a little off.
const APART_MAX: Duration = Duration::from_secs(5 * 60);
