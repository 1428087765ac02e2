//! `touchmark revoke …` shows the blast radius, asks for confirmation, and follows the work to its end.

use std::time::Duration;

use cli::count;
use identity::RevocationReason;
use proto::v1 as wire;
use serde::Serialize;

use crate::arguments::{Confirmation, RevokeArguments, WhyArguments};
use crate::blast_radius::BlastRadius;
use crate::confirmation::confirm_count;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::selection::Selection;
use crate::{Context, existence, request_id, timestamp};

pub(crate) async fn run(arguments: RevokeArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    revoke(&arguments.selection.try_into()?, &arguments.why, &arguments.confirmation, context).await
}

pub(crate) async fn revoke(
    selection: &Selection,
    why: &WhyArguments,
    confirmation: &Confirmation,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let radius = BlastRadius::of(selection, &context.connection).await?;
    if radius.certificates == 0 {
        existence::check(selection, &context.connection).await?;
    }
    if confirmation.dry_run {
        return context.output.one(&radius, |radius| radius.to_text(WOULD_REVOKE));
    }
    if !context.output.is_json() {
        context.output.note(&radius.to_text(WOULD_REVOKE));
    }
    if radius.certificates > 0 {
        let since = timestamp::text(why.invalid_since.map(timestamp::to_wire).as_ref());
        let since = since.map(|since| format!(", not to be trusted from {since} on")).unwrap_or_default();
        let what = format!("revoke {} for ever ({}{since})", radius.counted(), why.reason);
        confirm_count(radius.certificates, &what, confirmation.confirm)?;
    }
    let done = match radius.certificates {
        0 => wire::RevokeProgress { done: true, ..wire::RevokeProgress::default() },
        certificates => follow(request(selection, why, certificates), context).await?,
    };
    let report = Revoked {
        revoked: done.revoked,
        reason: why.reason.to_string(),
        ledger_entry: done.ledger_entry,
        job: (!done.job.is_empty()).then_some(done.job),
        radius,
    };
    context.output.one(&report, |report| match report.revoked {
        0 => format!("nothing to revoke: {} has no certificate that is not revoked", report.radius.selection),
        revoked => format!(
            "{} revoked ({}), on record up to ledger entry {}",
            count(revoked, "certificate"),
            report.reason,
            report.ledger_entry
        ),
    })
}

fn request(selection: &Selection, why: &WhyArguments, certificates: u64) -> wire::RevokeRequest {
    let reason = match why.reason {
        RevocationReason::Unspecified => String::new(),
        reason => reason.to_string(),
    };
    wire::RevokeRequest {
        request_id: request_id().into(),
        selection: Some(selection.to_wire()),
        reason,
        invalidity_date: why.invalid_since.map(timestamp::to_wire),
        expected_certificates: certificates,
        remark: why.remark.clone(),
    }
}

/// Follows the work to its end. A lost connection is opened again under the same request id.
async fn follow(
    request: wire::RevokeRequest,
    context: &mut Context<'_>,
) -> Result<wire::RevokeProgress, Failure> {
    let mut progress = Progress::new(request.expected_certificates, "certificates revoked", context.output);
    let mut attempts = 0;
    let outcome = loop {
        attempts += 1;
        match follow_once(&request, &mut progress, context).await {
            Err(failure) if failure.may_pass() && attempts < ATTEMPTS_MAX => {
                tokio::time::sleep(ATTEMPT_EVERY).await;
            }
            outcome => break outcome,
        }
    };
    progress.end();
    outcome
}

async fn follow_once(
    request: &wire::RevokeRequest,
    progress: &mut Progress,
    context: &mut Context<'_>,
) -> Result<wire::RevokeProgress, Failure> {
    let mut stream = context.connection.lifecycle().await?.revoke(request.clone()).await?.into_inner();
    while let Some(step) = stream.message().await? {
        progress.at(step.revoked, step.total, context.output);
        if step.done {
            return Ok(step);
        }
    }
    Err(Failure::unreachable("the CA ended the answer before the work was done")
        .next("repeat the command: what is revoked stays revoked, the rest is counted anew"))
}

#[derive(Debug, Serialize)]
struct Revoked {
    #[serde(flatten)]
    radius: BlastRadius,
    revoked: u64,
    reason: String,
    ledger_entry: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

const WOULD_REVOKE: &str = "would revoke";

/// With the pauses between them about half a minute: a CA that restarts is back by then.
const ATTEMPTS_MAX: u32 = 30;

const ATTEMPT_EVERY: Duration = Duration::from_secs(1);
