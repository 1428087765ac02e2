//! `LifecycleService`: for operators.

use std::sync::Arc;

use futures::stream::BoxStream;
use proto::v1;
use proto::v1::lifecycle_service_server::LifecycleService;
use tonic::{Request, Response, Status};

use super::answer::answer;
use super::convert;
use crate::authority::Authority;
use crate::store::Store;

pub(super) struct Lifecycle<S>(pub(super) Arc<Authority<S>>);

#[tonic::async_trait]
impl<S: Store> LifecycleService for Lifecycle<S> {
    async fn get_device(
        &self,
        request: Request<v1::GetDeviceRequest>,
    ) -> Result<Response<v1::GetDeviceResponse>, Status> {
        answer(&self.0, "GetDevice", request, async |_, message| {
            let history = self.0.device(&convert::device_id(message.device)?).await?;
            Ok(v1::GetDeviceResponse {
                device: Some(convert::device(&history.device)),
                certificates: history.certificates.iter().map(convert::certificate).collect(),
            })
        })
        .await
    }

    async fn list_devices(
        &self,
        request: Request<v1::ListDevicesRequest>,
    ) -> Result<Response<v1::ListDevicesResponse>, Status> {
        answer(&self.0, "ListDevices", request, async |_, message| {
            let filter = convert::device_filter(&message)?;
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.0.devices(&filter, cursor.as_ref(), rows).await?;
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
    ) -> Result<Response<v1::ListCertificatesResponse>, Status> {
        answer(&self.0, "ListCertificates", request, async |_, message| {
            let selection = convert::certificate_selection(message.selection)?;
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.0.certificates(selection, cursor.as_ref(), rows).await?;
            Ok(v1::ListCertificatesResponse {
                certificates: page.rows.iter().map(convert::certificate).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn preview_selection(
        &self,
        _: Request<v1::PreviewSelectionRequest>,
    ) -> Result<Response<v1::PreviewSelectionResponse>, Status> {
        Err(Status::unimplemented("PreviewSelection"))
    }

    async fn hold(&self, _: Request<v1::HoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        Err(Status::unimplemented("Hold"))
    }

    async fn release(&self, _: Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseResponse>, Status> {
        Err(Status::unimplemented("Release"))
    }

    async fn retire(&self, _: Request<v1::RetireRequest>) -> Result<Response<v1::RetireResponse>, Status> {
        Err(Status::unimplemented("Retire"))
    }

    async fn request_rotation(
        &self,
        _: Request<v1::RequestRotationRequest>,
    ) -> Result<Response<v1::RequestRotationResponse>, Status> {
        Err(Status::unimplemented("RequestRotation"))
    }

    async fn allow_rework(
        &self,
        _: Request<v1::AllowReworkRequest>,
    ) -> Result<Response<v1::AllowReworkResponse>, Status> {
        Err(Status::unimplemented("AllowRework"))
    }

    async fn list_alarms(
        &self,
        _: Request<v1::ListAlarmsRequest>,
    ) -> Result<Response<v1::ListAlarmsResponse>, Status> {
        Err(Status::unimplemented("ListAlarms"))
    }

    type RevokeStream = BoxStream<'static, Result<v1::RevokeProgress, Status>>;

    async fn revoke(&self, _: Request<v1::RevokeRequest>) -> Result<Response<Self::RevokeStream>, Status> {
        Err(Status::unimplemented("Revoke"))
    }
}
