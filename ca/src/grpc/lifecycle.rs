//! `LifecycleService`: for operators.

use std::sync::Arc;

use authority::{Authority, Caller, CertificateSelection, RevocationProgress};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use proto::v1;
use proto::v1::lifecycle_service_server::LifecycleService;
use tonic::{Request, Response, Status};

use super::handler::{caller, refuse};
use super::{Answer, Api, convert};

#[tonic::async_trait]
impl LifecycleService for Api {
    async fn get_device(&self, request: Request<v1::GetDeviceRequest>) -> Answer<v1::GetDeviceResponse> {
        self.answer("GetDevice", request, async |_, message| {
            let history = self.authority.device(&convert::device_id(message.device)?).await?;
            Ok(v1::GetDeviceResponse {
                device: Some(convert::device(&history.device)),
                certificates: convert::family(&history.certificates),
            })
        })
        .await
    }

    async fn list_devices(
        &self,
        request: Request<v1::ListDevicesRequest>,
    ) -> Answer<v1::ListDevicesResponse> {
        self.answer("ListDevices", request, async |_, message| {
            let filter = convert::device_filter(&message)?;
            let silent_since = convert::silent_since(&message)?;
            let (cursor, rows) = convert::page(message.page)?;
            let store = self.authority.store();
            let page = match silent_since {
                Some(since) => store.devices_not_seen_since(since, cursor.as_ref(), rows).await?,
                None => store.devices(&filter, cursor.as_ref(), rows).await?,
            };
            Ok(v1::ListDevicesResponse {
                devices: page.rows.iter().map(convert::device).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn list_certificates(
        &self,
        request: Request<v1::ListCertificatesRequest>,
    ) -> Answer<v1::ListCertificatesResponse> {
        self.answer("ListCertificates", request, async |_, message| {
            let selection = convert::certificate_selection(message.selection)?;
            let (cursor, rows) = convert::page(message.page)?;
            let one = matches!(selection, CertificateSelection::One(_));
            let page = self.authority.certificates(selection, cursor.as_ref(), rows).await?;
            let mut certificates = convert::family(&page.rows);
            if let (true, [summary], [record]) = (one, certificates.as_mut_slice(), page.rows.as_slice()) {
                summary.child_serial_numbers = convert::serial_bytes(self.authority.children(record).await?);
            }
            Ok(v1::ListCertificatesResponse {
                certificates,
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn preview_selection(
        &self,
        request: Request<v1::PreviewSelectionRequest>,
    ) -> Answer<v1::PreviewSelectionResponse> {
        self.answer("PreviewSelection", request, async |_, message| {
            let survey = self.authority.store().survey(&convert::selection(message.selection)?).await?;
            Ok(convert::survey(&survey))
        })
        .await
    }

    type RevokeStream = BoxStream<'static, Result<v1::RevokeProgress, Status>>;

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Answer<Self::RevokeStream> {
        let caller = caller(&self.authority, REVOKE, &request)?;
        let begun = async {
            let request = convert::revocation_request(request.into_inner())?;
            self.authority.revoke(&caller, request).await
        };
        let first =
            begun.await.map_err(|refused| refuse(&self.authority, REVOKE, caller.principal(), &refused))?;
        Ok(Response::new(follow(Arc::clone(&self.authority), caller, first)))
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Answer<v1::HoldResponse> {
        self.answer("Hold", request, async |caller, message| {
            let (device, note) =
                (convert::device_id(message.device)?, convert::remark("remark", &message.remark)?);
            let device = self.authority.hold(&caller, device, note).await?;
            Ok(v1::HoldResponse { device: Some(convert::device(&device)) })
        })
        .await
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        self.answer("Release", request, async |caller, message| {
            let device = self.authority.release_device(&caller, convert::device_id(message.device)?).await?;
            Ok(v1::ReleaseResponse { device: Some(convert::device(&device)) })
        })
        .await
    }

    async fn retire(&self, request: Request<v1::RetireRequest>) -> Answer<v1::RetireResponse> {
        self.answer("Retire", request, async |caller, message| {
            let (device, note) =
                (convert::device_id(message.device)?, convert::remark("remark", &message.remark)?);
            let device = self.authority.retire(&caller, device, note).await?;
            Ok(v1::RetireResponse { device: Some(convert::device(&device)) })
        })
        .await
    }

    async fn request_rotation(
        &self,
        request: Request<v1::RequestRotationRequest>,
    ) -> Answer<v1::RequestRotationResponse> {
        self.answer("RequestRotation", request, async |caller, message| {
            let request = convert::rotation_request(message)?;
            let entry = self.authority.request_rotation(&caller, request).await?;
            Ok(v1::RequestRotationResponse { ledger_entry: entry.0 })
        })
        .await
    }

    async fn allow_rework(
        &self,
        request: Request<v1::AllowReworkRequest>,
    ) -> Answer<v1::AllowReworkResponse> {
        self.answer("AllowRework", request, async |caller, message| {
            let (device, reason) =
                (convert::device_id(message.device)?, convert::remark("remark", &message.remark)?);
            let device = self.authority.allow_rework(&caller, device, reason).await?;
            Ok(v1::AllowReworkResponse { device: Some(convert::device(&device)) })
        })
        .await
    }

    async fn list_alarms(&self, request: Request<v1::ListAlarmsRequest>) -> Answer<v1::ListAlarmsResponse> {
        self.answer("ListAlarms", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self
                .authority
                .store()
                .alarms(convert::alarm_kind(message.kind)?, cursor.as_ref(), rows)
                .await?;
            Ok(v1::ListAlarmsResponse {
                alarms: page.rows.iter().filter_map(convert::alarm).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }
}

/// The first progress, then each change of it until all is on record.
fn follow(
    authority: Arc<Authority>,
    caller: Caller,
    first: RevocationProgress,
) -> BoxStream<'static, Result<v1::RevokeProgress, Status>> {
    let then = (!first.done).then_some((authority, caller, first));
    let rest = stream::unfold(then, async |last| {
        let (authority, caller, last) = last?;
        match authority.follow_revocation(&caller, last).await {
            Ok(now) => Some((Ok(convert::progress(&now)), (!now.done).then_some((authority, caller, now)))),
            Err(refused) => Some((Err(refuse(&authority, REVOKE, caller.principal(), &refused)), None)),
        }
    });
    stream::once(async move { Ok(convert::progress(&first)) }).chain(rest).boxed()
}

const REVOKE: &str = "Revoke";
