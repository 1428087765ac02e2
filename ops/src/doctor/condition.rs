//! Checks the CA's report about itself: clock, ends of certificates, entries from a clock that was ahead.

use std::time::SystemTime;

use proto::v1 as wire;
use proto::v1::authority_service_client::AuthorityServiceClient;
use tonic::Code;

use super::checks::Checks;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::timestamp;

/// Asks the CA for its condition; `None` if it did not answer, or answers only operators.
pub(super) async fn of(connection: &Connection, checks: &mut Checks) -> Option<wire::GetConditionResponse> {
    let asked = async {
        let mut client = AuthorityServiceClient::new(connection.open().await?);
        match client.get_condition(wire::GetConditionRequest {}).await {
            Ok(condition) => Ok(Some(condition.into_inner())),
            Err(status) if status.code() == Code::PermissionDenied => Ok(None),
            Err(status) => Err(Failure::from(status)),
        }
    };
    asked.await.unwrap_or_else(|failure: Failure| {
        checks.failure(CLOCK, &failure);
        None
    })
}

pub(super) fn time(condition: &wire::GetConditionResponse) -> Option<SystemTime> {
    timestamp::system(condition.time.as_ref())
}

pub(super) fn report(condition: &wire::GetConditionResponse, now: SystemTime, checks: &mut Checks) {
    match condition.clock_doubt.as_str() {
        "" => checks.good(CLOCK, "trusted: it agrees with its monotonic clock and with the ledger"),
        doubt => checks.bad(CLOCK, format!("{doubt}; nothing is issued or published"), CLOCK_NEXT),
    }
    if !condition.troubles.iter().any(|trouble| trouble.what == READINESS) {
        checks.good(READINESS, "the CA is ready");
    }
    for trouble in &condition.troubles {
        match trouble.urgent {
            true => checks.bad(&trouble.what, &trouble.finding, &trouble.next),
            false => checks.warn(&trouble.what, &trouble.finding, &trouble.next),
        }
    }
    for end in &condition.ends {
        certificate_end(end, now, checks);
    }
    recorded_ahead(condition, checks);
}

fn certificate_end(end: &wire::CertificateEnd, now: SystemTime, checks: &mut Checks) {
    let (what, next, warn_days, bad_days) = match end.name.as_str() {
        SERVER => ("server certificate".to_owned(), SERVER_NEXT, SERVER_DAYS, SERVER_DAYS_BAD),
        DOCUMENTS => ("document signer".to_owned(), DOCUMENTS_NEXT, DOCUMENTS_DAYS, DOCUMENTS_DAYS_BAD),
        name => (format!("{name} issuer"), ISSUER_NEXT, ISSUER_DAYS, ISSUER_DAYS_BAD),
    };
    let Some(not_after) = timestamp::system(end.not_after.as_ref()) else {
        return checks.bad(&what, "without an end", "use the programs of one version");
    };
    let until = timestamp::for_people(end.not_after.as_ref());
    let (days, left) = (timestamp::days_between(now, not_after), timestamp::days_left(now, not_after));
    if not_after <= now {
        checks.bad(&what, format!("ended at {until}: everybody refuses what needs it"), next);
    } else if days < bad_days {
        checks.bad(&what, format!("until {until}: only {left}"), next);
    } else if days < warn_days {
        checks.warn(&what, format!("until {until}: {left}"), next);
    } else if days < NEVER_DAYS {
        checks.good(&what, format!("until {until} ({left})"));
    } else {
        checks.good(&what, format!("until {until}"));
    }
}

fn recorded_ahead(condition: &wire::GetConditionResponse, checks: &mut Checks) {
    if condition.recorded_ahead.is_empty() {
        return checks.good(AHEAD, "none was recorded while the CA's clock was ahead");
    }
    for certificate in &condition.recorded_ahead {
        let holder = match &certificate.device {
            Some(device) => format!("{}/{}", device.product, device.serial),
            None => certificate.principal.clone(),
        };
        let replaced = certificate.status() == wire::CertificateStatus::Superseded;
        let said = format!(
            "{} of {holder}, good from {} to {}: it was recorded while the CA's clock was ahead{}",
            hex::encode(&certificate.serial_number),
            timestamp::for_people(certificate.not_before.as_ref()),
            timestamp::for_people(certificate.not_after.as_ref()),
            if replaced { ", and is replaced" } else { "" },
        );
        checks.warn(AHEAD, said, AHEAD_NEXT);
    }
    if condition.more_recorded_ahead {
        checks.warn(AHEAD, "and more than are named here", AHEAD_NEXT);
    }
}

const CLOCK: &str = "CA's clock";
/// The name that the CA gives it.
const READINESS: &str = "readiness";
const AHEAD: &str = "certificate";
const SERVER: &str = "server";
const DOCUMENTS: &str = "documents";
const CLOCK_NEXT: &str = "put the CA's clock right; if it is right, confirm it with `touchmark-ca confirm-time` (docs/operations/wrong-clock.md)";

const SERVER_NEXT: &str =
    "make the next one at the CA with `touchmark-ca credential` (docs/operations/server-certificate.md)";

const DOCUMENTS_NEXT: &str = "closing reports need it: have the root issue the next one with `touchmark-ca document-signer` (docs/operations/root-key-offline.md)";

const ISSUER_NEXT: &str =
    "what it signs ends with it, and devices renew no more in its last days: plan another issuer now";

const AHEAD_NEXT: &str =
    "devices replace theirs by themselves; revoke what is not replaced (docs/operations/wrong-clock.md)";

/// For more days, only the date is shown.
const NEVER_DAYS: i64 = 100_000;

/// The server's certificate lives 90 days and is replaced in minutes. `touchmark-ca` warns at the same time.
const SERVER_DAYS: i64 = 30;
const SERVER_DAYS_BAD: i64 = 7;

/// The root's key must be fetched.
const DOCUMENTS_DAYS: i64 = 60;
const DOCUMENTS_DAYS_BAD: i64 = 7;

/// Replacing an issuer takes as long as its devices' certificates live, up to 90 days.
const ISSUER_DAYS: i64 = 180;
const ISSUER_DAYS_BAD: i64 = 30;
