//! A stolen device: it is revoked, and the CA and readers of the CRLs refuse it.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::factory::PRODUCT;
use super::programs::{Ended, Programs, command, finish, succeed, with_tail};
use super::verification::{Expected, Verifiers};
use super::workspace::Workspace;
use crate::failure::Failure;

#[derive(Debug, Serialize)]
pub(crate) struct RevokedDevice {
    pub(crate) device: String,
    /// The serial number without the product.
    #[serde(skip)]
    pub(crate) serial: String,
    pub(crate) reason: &'static str,
    /// The CA's reason when the device asked for a renewal.
    pub(crate) renewal_refused: &'static str,
    pub(crate) found_revoked_by: Vec<&'static str>,
}

/// Revokes the last device, lets it ask for a renewal, fetches the CRLs as a broker does, and verifies it
/// and another one. An error if the revoked device is accepted, or the other refused.
pub(crate) async fn revoke_one(
    programs: &Programs,
    workspace: &Workspace,
    serials: &[String],
) -> Result<RevokedDevice, Failure> {
    let Some((stolen, others)) = serials.split_last() else { return Err(Failure::local("no device")) };
    let device = format!("{PRODUCT}/{stolen}");
    let operator = |log: &Path, arguments: &[&str]| -> Result<_, Failure> {
        let mut touchmark = command(&programs.touchmark, log)?;
        touchmark.arg("--credentials").arg(&workspace.operator).args(arguments);
        Ok(touchmark)
    };
    let log = workspace.logs.join("revocation.log");
    let revoke = ["device", "revoke", &device, "--reason", REASON, "--confirm", CERTIFICATES];
    succeed(&mut operator(&log, &revoke)?, &log, COMMAND_WITHIN).await?;
    refuse_renewal(programs, workspace, stolen).await?;
    let mut watch = operator(&log, &["revocations", "watch", "--once", "--write-crl"])?;
    succeed(watch.arg(&workspace.lists), &log, COMMAND_WITHIN).await?;

    let verifiers = Verifiers::with_crls(&workspace.lists.join(CRLS_FILE)).await?;
    let current = |serial: &String| workspace.devices.join(serial).join("current");
    verifiers.all_find(&current(stolen), Expected::Revoked).await?;
    if let Some(other) = others.last() {
        verifiers.all_find(&current(other), Expected::Good).await?;
    }
    Ok(RevokedDevice {
        device,
        serial: stolen.clone(),
        reason: REASON,
        renewal_refused: REVOKED,
        found_revoked_by: verifiers.names(),
    })
}

async fn refuse_renewal(programs: &Programs, workspace: &Workspace, serial: &str) -> Result<(), Failure> {
    let log = workspace.logs.join("renewal.log");
    let mut renew = command(&programs.agent, &log)?;
    renew.args(["renew", "--force", "--state"]).arg(workspace.devices.join(serial));
    let Ended { status, .. } = finish(&mut renew, &log, COMMAND_WITHIN).await?;
    let said = std::fs::read_to_string(&log).map_err(|source| Failure::file(&log, source))?;
    if status.success() || !said.contains(REVOKED) {
        return Err(with_tail(format!("{serial} was not refused with {REVOKED} ({status})"), &log));
    }
    Ok(())
}

/// A thief has the key.
const REASON: &str = "keyCompromise";

/// The birth certificate and the operational one.
const CERTIFICATES: &str = "2";

const REVOKED: &str = "CLIENT_CERTIFICATE_REVOKED";

/// The file of `revocations watch` with the CRLs of all issuers.
const CRLS_FILE: &str = "crls.pem";

/// For one command on a slow and busy machine, with the publication of CRLs.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
