//! Expiry of the CA's own certificates: logged once a day as a warning, in the last week as an error.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use authority::{Authority, End};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub(super) async fn watch(authority: Arc<Authority>, stop: CancellationToken) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was logged, when, and with which urgency.
    let mut told: Vec<(End, SystemTime, Urgency)> = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = authority.now();
        for end in authority.ends() {
            let Some(urgency) = urgency(&end, now) else { continue };
            let lately = told.iter().any(|(other, at, then)| {
                *other == end && *then == urgency && now.duration_since(*at).is_ok_and(|since| since < DAY)
            });
            if !lately {
                tell(&end, urgency, now);
                told.retain(|(other, ..)| *other != end);
                told.push((end, now, urgency));
            }
        }
    }
}

/// Checks that the server's certificate and those of the issuers have not expired: every call needs them.
pub(super) fn ended(ends: &[End], now: SystemTime) -> Result<(), String> {
    // Without a signer of documents only closing reports wait.
    match ends.iter().find(|end| end.not_after < now && end.name != DOCUMENTS) {
        Some(end) => Err(format!("the certificate of {} has ended; {}", named(end), remedy(end))),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Soon,
    LastWeek,
    Ended,
}

fn urgency(end: &End, now: SystemTime) -> Option<Urgency> {
    match end.not_after.duration_since(now) {
        Err(_) => Some(Urgency::Ended),
        Ok(left) if left < LAST_WEEK => Some(Urgency::LastWeek),
        Ok(left) if left < end.told_before() => Some(Urgency::Soon),
        Ok(_) => None,
    }
}

fn tell(end: &End, urgency: Urgency, now: SystemTime) {
    let days_left = end.not_after.duration_since(now).unwrap_or_default().as_secs() / DAY.as_secs();
    let (certificate, named, remedy) = (end.name.as_str(), named(end), remedy(end));
    match urgency {
        Urgency::Soon => {
            warn!(certificate, days_left, "the certificate of {named} ends in {days_left} days; {remedy}");
        }
        Urgency::LastWeek => {
            error!(certificate, days_left, "the certificate of {named} ends in {days_left} days; {remedy}");
        }
        Urgency::Ended => {
            error!(
                certificate,
                "the certificate of {named} has ended: everybody refuses what needs it; {remedy}"
            );
        }
    }
}

fn named(end: &End) -> String {
    match end.name.as_str() {
        SERVER => "the server".to_owned(),
        DOCUMENTS => "the signer of documents".to_owned(),
        issuer => format!("the {issuer} issuer"),
    }
}

fn remedy(end: &End) -> &'static str {
    match end.name.as_str() {
        SERVER => "touchmark-ca credential makes another (docs/operations/server-certificate.md)",
        DOCUMENTS => "touchmark-ca document-signer makes another, which the root issues",
        _ => "what it signs ends with it: plan another issuer",
    }
}

const SERVER: &str = "server";
const DOCUMENTS: &str = "documents";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// From then on it is logged as an error.
const LAST_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const LOOK_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn expiry_is_logged_thirty_days_before_and_as_an_error_in_the_last_week() {
        let end = |name: &str| End { name: name.to_owned(), not_after: UNIX_EPOCH + 1_000 * DAY };
        let at = |days_left: u32| UNIX_EPOCH + (1_000 - days_left) * DAY;
        assert_eq!(urgency(&end("server"), at(31)), None);
        assert_eq!(urgency(&end("server"), at(29)), Some(Urgency::Soon));
        assert_eq!(urgency(&end("server"), at(6)), Some(Urgency::LastWeek));
        let after = UNIX_EPOCH + 1_001 * DAY;
        assert_eq!(urgency(&end("server"), after), Some(Urgency::Ended));
        assert_eq!(urgency(&end("operational"), at(179)), Some(Urgency::Soon));
        assert_eq!(ended(&[end("server")], at(1)), Ok(()));
        assert!(ended(&[end("server")], after).unwrap_err().contains("touchmark-ca credential"));
        assert_eq!(urgency(&end("documents"), at(59)), Some(Urgency::Soon));
        assert_eq!(ended(&[end("documents")], after), Ok(()), "devices are served without it");
        assert!(remedy(&end("documents")).contains("touchmark-ca document-signer"));
    }
}
