//! The day on which a test runs, and days around it: a date that is written down is one day in the past.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, SystemClock};
use rcgen::date_time_ymd;

/// The CA's time, in seconds since 1970: when this day began, in UTC. It stays what it was when the test
/// began.
pub fn now_s() -> i64 {
    static TODAY: OnceLock<i64> = OnceLock::new();
    *TODAY.get_or_init(|| {
        let now = SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        (now - now % DAY_S).try_into().unwrap()
    })
}

/// The CA's time: when this day began.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(now_s().try_into().unwrap())
}

/// So many days after today.
pub fn day(after: i64) -> (i32, u8, u8) {
    let seconds = u64::try_from(now_s()).unwrap().checked_add_signed(after * DAY_S as i64).unwrap();
    let date = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    (date.year(), date.month().into(), date.day())
}

const DAY_S: u64 = 86_400;
