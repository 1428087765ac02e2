//! One device is stolen: it is withdrawn, the CA refuses it, and who reads the lists does too.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::factory::PRODUCT;
use super::place::Place;
use super::programs::{Ended, Programs, command, finish, succeed, with_tail};
use super::verification::{Judges, Verdict};
use crate::failure::Failure;

/// What was withdrawn, and who refuses it.
#[derive(Debug, Serialize)]
pub(crate) struct Withdrawn {
    pub(crate) device: String,
    /// Of the device alone.
    #[serde(skip)]
    pub(crate) serial: String,
    pub(crate) reason: &'static str,
    /// What the CA said when the device asked for its next certificate.
    pub(crate) renewal_refused: &'static str,
    /// Who found it on the lists.
    pub(crate) found_revoked_by: Vec<&'static str>,
}

/// Withdraws the last device with the operator's program, lets its agent ask for the next certificate, fetches the lists as a broker does,
/// and asks strangers about it, and about another one, which stays good.
///
/// # Errors
/// When anybody takes the device that was withdrawn, or refuses another.
pub(crate) async fn withdraw_one(
    programs: &Programs,
    place: &Place,
    serials: &[String],
) -> Result<Withdrawn, Failure> {
    let Some((stolen, others)) = serials.split_last() else { return Err(Failure::local("no device")) };
    let device = format!("{PRODUCT}/{stolen}");
    let operator = |log: &Path, arguments: &[&str]| -> Result<_, Failure> {
        let mut touchmark = command(&programs.touchmark, log)?;
        touchmark.arg("--credentials").arg(place.operator()).args(arguments);
        Ok(touchmark)
    };
    let log = place.logs().join("revocation.log");
    let revoke = ["device", "revoke", &device, "--reason", REASON, "--confirm", CERTIFICATES];
    succeed(&mut operator(&log, &revoke)?, &log, COMMAND_WITHIN).await?;
    refuse_renewal(programs, place, stolen).await?;
    let mut watch = operator(&log, &["revocations", "watch", "--once", "--write-crl"])?;
    succeed(watch.arg(place.lists()), &log, COMMAND_WITHIN).await?;

    let judges = Judges::with_lists(&place.lists().join(LISTS_FILE)).await?;
    let current = |serial: &String| place.devices().join(serial).join("current");
    judges.all_say(&current(stolen), Verdict::Revoked).await?;
    if let Some(other) = others.last() {
        judges.all_say(&current(other), Verdict::Good).await?;
    }
    Ok(Withdrawn {
        device,
        serial: stolen.clone(),
        reason: REASON,
        renewal_refused: REVOKED,
        found_revoked_by: judges.names(),
    })
}

/// The device's own program asks, and the CA must refuse it for this reason.
async fn refuse_renewal(programs: &Programs, place: &Place, serial: &str) -> Result<(), Failure> {
    let log = place.logs().join("renewal.log");
    let mut renew = command(&programs.agent, &log)?;
    renew.args(["renew", "--force", "--state"]).arg(place.devices().join(serial));
    let Ended { status, .. } = finish(&mut renew, &log, COMMAND_WITHIN).await?;
    let said = std::fs::read_to_string(&log).map_err(|source| Failure::file(&log, source))?;
    if status.success() || !said.contains(REVOKED) {
        return Err(with_tail(format!("{serial} was not refused with {REVOKED} ({status})"), &log));
    }
    Ok(())
}

/// Why: whoever has the device has its key.
const REASON: &str = "keyCompromise";

/// Its birth certificate and its operational one.
const CERTIFICATES: &str = "2";

const REVOKED: &str = "CLIENT_CERTIFICATE_REVOKED";

/// The file with the lists of all issuers that `revocations watch` writes.
const LISTS_FILE: &str = "crls.pem";

/// One command of an operator or a device, lists published meanwhile, on a slow and busy machine.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
