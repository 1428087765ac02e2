//! What the CA says of itself: its clock, when its certificates end, and what it recorded while its clock was ahead.

use std::time::SystemTime;

use proto::v1 as wire;
use proto::v1::authority_service_client::AuthorityServiceClient;
use tonic::Code;

use super::checkup::Checkup;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::timestamp;

/// Asks the CA how it is; `None`: it did not say, or not to us: for operators only.
pub(super) async fn of(connection: &Connection, checkup: &mut Checkup) -> Option<wire::GetConditionResponse> {
    let asked = async {
        let mut client = AuthorityServiceClient::new(connection.open().await?);
        match client.get_condition(wire::GetConditionRequest {}).await {
            Ok(condition) => Ok(Some(condition.into_inner())),
            Err(status) if status.code() == Code::PermissionDenied => Ok(None),
            Err(status) => Err(Failure::from(status)),
        }
    };
    asked.await.unwrap_or_else(|failure: Failure| {
        checkup.failure(CLOCK, &failure);
        None
    })
}

/// The time that the CA goes by.
pub(super) fn time(condition: &wire::GetConditionResponse) -> Option<SystemTime> {
    timestamp::system(condition.time.as_ref())
}

/// Tells how the CA is.
pub(super) fn report(condition: &wire::GetConditionResponse, now: SystemTime, checkup: &mut Checkup) {
    match condition.clock_doubt.as_str() {
        "" => checkup.good(CLOCK, "trusted: it agrees with its monotonic clock and with the ledger"),
        doubt => checkup.bad(CLOCK, format!("{doubt}; nothing is issued or published"), CLOCK_NEXT),
    }
    if !condition.troubles.iter().any(|trouble| trouble.what == READINESS) {
        checkup.good(READINESS, "the CA is ready");
    }
    for trouble in &condition.troubles {
        match trouble.urgent {
            true => checkup.bad(&trouble.what, &trouble.finding, &trouble.next),
            false => checkup.warn(&trouble.what, &trouble.finding, &trouble.next),
        }
    }
    for end in &condition.ends {
        certificate_end(end, now, checkup);
    }
    recorded_ahead(condition, checkup);
}

fn certificate_end(end: &wire::CertificateEnd, now: SystemTime, checkup: &mut Checkup) {
    let server = end.name == SERVER;
    let (what, next) = match server {
        true => ("server certificate".to_owned(), SERVER_NEXT),
        false => (format!("{} issuer", end.name), ISSUER_NEXT),
    };
    let Some(not_after) = timestamp::system(end.not_after.as_ref()) else {
        return checkup.bad(&what, "without an end", "use the programs of one version");
    };
    let until = timestamp::for_people(end.not_after.as_ref());
    let days = timestamp::days_between(now, not_after);
    let (warn_days, bad_days) =
        if server { (SERVER_DAYS, SERVER_DAYS_BAD) } else { (ISSUER_DAYS, ISSUER_DAYS_BAD) };
    if not_after <= now {
        checkup.bad(&what, format!("ended at {until}: everybody refuses what needs it"), next);
    } else if days < bad_days {
        checkup.bad(&what, format!("until {until}: only {}", timestamp::days_left(now, not_after)), next);
    } else if days < warn_days {
        checkup.warn(&what, format!("until {until}: {}", timestamp::days_left(now, not_after)), next);
    } else {
        let left = if days < NEVER_DAYS {
            format!(" ({})", timestamp::days_left(now, not_after))
        } else {
            String::new()
        };
        checkup.good(&what, format!("until {until}{left}"));
    }
}

fn recorded_ahead(condition: &wire::GetConditionResponse, checkup: &mut Checkup) {
    if condition.recorded_ahead.is_empty() {
        return checkup.good(AHEAD, "none was recorded while the CA's clock was ahead");
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
        checkup.warn(AHEAD, said, AHEAD_NEXT);
    }
    if condition.more_recorded_ahead {
        checkup.warn(AHEAD, "and more than are named here", AHEAD_NEXT);
    }
}

const CLOCK: &str = "CA's clock";
/// As the CA calls it.
const READINESS: &str = "readiness";
const AHEAD: &str = "certificate";
const SERVER: &str = "server";

const CLOCK_NEXT: &str = "put the CA's clock right; if it is right, confirm it with `touchmark-ca confirm-time` (docs/operations/wrong-clock.md)";

const SERVER_NEXT: &str =
    "make the next one at the CA with `touchmark-ca credential` (docs/operations/server-certificate.md)";

const ISSUER_NEXT: &str =
    "what it signs ends with it, and devices renew no more in its last days: plan another issuer now";

const AHEAD_NEXT: &str =
    "devices replace theirs by themselves; revoke what is not replaced (docs/operations/wrong-clock.md)";

/// A count of more days says less than the date.
const NEVER_DAYS: i64 = 100_000;

/// The server's certificate lives 90 days and is replaced in minutes: see `touchmark-ca`, which warns as early.
const SERVER_DAYS: i64 = 30;
const SERVER_DAYS_BAD: i64 = 7;

/// An issuer is replaced by bringing another one to the fleet, which takes as long as its devices' certificates live, up to 90 days.
const ISSUER_DAYS: i64 = 180;
const ISSUER_DAYS_BAD: i64 = 30;
