//! A long manifest on its way to the CA: announced with the order, then sent in parts. Whatever cuts it off,
//! the same command goes on where the CA's record ends (ADR 0070).

use std::time::Duration;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use identity::DeviceSerial;
use proto::v1 as wire;
use proto::v1::work_order_service_client::WorkOrderServiceClient;
use tonic::transport::Channel;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

/// What the CA compares when it has all of the list.
pub(super) fn outline(sorted: &[DeviceSerial]) -> wire::ManifestOutline {
    let mut digest = Digest::new(&SHA256);
    for serial in sorted {
        digest.update(serial.as_str().as_bytes());
        digest.update(b"\n");
    }
    wire::ManifestOutline {
        length: sorted.len() as u64,
        sha256: bytes::Bytes::copy_from_slice(digest.finish().as_ref()),
    }
}

/// Sends what the CA does not have of the manifest of an order. Returns the order as it is then: open.
pub(super) async fn send(
    mut order: wire::WorkOrder,
    sorted: &[DeviceSerial],
    connection: &Connection,
    output: &mut Output,
) -> Result<wire::WorkOrder, Failure> {
    let total = sorted.len() as u64;
    if !output.is_json() && order.manifest_recorded > 0 && order.manifest_recorded < total {
        let recorded = cli::count(order.manifest_recorded, "serial number");
        output.note(&format!("{}: {recorded} of its manifest are on record; going on behind them", order.id));
    }
    let mut progress = Progress::new(total, "serial numbers on record", output);
    let mut client = connection.work_orders().await?;
    let sent = loop {
        progress.at(order.manifest_recorded, total, output);
        let position = order.manifest_recorded;
        let rest = usize::try_from(position).ok().and_then(|position| sorted.get(position..));
        let Some(part) = rest.filter(|rest| !rest.is_empty()) else { break Ok(order) };
        let request = wire::AppendManifestRequest {
            work_order: order.id.clone(),
            position,
            serials: part.iter().take(PART_SERIALS_MAX).map(ToString::to_string).collect(),
        };
        let before = order.manifest_recorded;
        match append(&mut client, request).await {
            // The CA always has more than before; if not, it is not to be believed.
            Ok(now) if now.manifest_recorded > before => order = now,
            Ok(_) => break Err(Failure::local("the CA answers without having recorded anything")),
            Err(status) => break Err(Failure::from(status)),
        }
    };
    progress.end();
    sent
}

/// Sends one part; again while the CA cannot be reached or has too much to do: it records a part once.
async fn append(
    client: &mut WorkOrderServiceClient<Channel>,
    request: wire::AppendManifestRequest,
) -> Result<wire::WorkOrder, tonic::Status> {
    let mut pause = PAUSE_FIRST;
    let mut left = PATIENCE;
    loop {
        match client.append_manifest(request.clone()).await {
            Err(status) if may_pass(&status) && !left.is_zero() => {
                tracing::debug!(%status, ?pause, "sending a part of the manifest again");
                tokio::time::sleep(pause).await;
                left = left.saturating_sub(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            answer => return Ok(answer?.into_inner()),
        }
    }
}

/// A connection that broke is `Unknown` or `Unavailable`; the CA's own reasons to ask again are the latter.
fn may_pass(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::Unavailable
            | tonic::Code::Unknown
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled
    )
}

/// From so many serial numbers on a manifest is sent in parts: fewer are one message, and one ledger entry.
pub(super) const WHOLE_SERIALS_MAX: usize = 10_000;

/// Serial numbers of one part: `AppendManifestRequest.serials` in the proto.
const PART_SERIALS_MAX: usize = 10_000;

/// How long the CA may be away during an upload: a restart, not an outage. Then the command says how to go
/// on.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
