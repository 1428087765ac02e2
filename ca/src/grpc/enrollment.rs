//! `EnrollmentService`: for devices.

use std::sync::Arc;

use authority::Authority;
use identity::IssuerName;
use proto::v1;
use proto::v1::enrollment_service_server::EnrollmentService;
use store::Released;
use tonic::{Request, Response, Status};

use super::convert;
use super::handler::answer;

pub(super) struct Enrollment(pub(super) Arc<Authority>);

impl Enrollment {
    /// What a device gets with an operational certificate.
    fn issued(&self, released: &Released) -> v1::EnrollResponse {
        v1::EnrollResponse {
            certificate: Some(convert::issued(released)),
            chain: convert::chain(&self.0.chain(IssuerName::Operational)),
            trust_bundle: Some(convert::trust_bundle(self.0.trust())),
            server_time: Some(convert::timestamp(self.0.now())),
        }
    }
}

#[tonic::async_trait]
impl EnrollmentService for Enrollment {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        answer(&self.0, "Enroll", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let released = self.0.enroll(&caller, request, &message.csr).await?;
            Ok(self.issued(&released))
        })
        .await
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        answer(&self.0, "Renew", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let released = self.0.renew(&caller, request, &message.csr).await?;
            let v1::EnrollResponse { certificate, chain, trust_bundle, server_time } = self.issued(&released);
            Ok(v1::RenewResponse { certificate, chain, trust_bundle, server_time })
        })
        .await
    }

    async fn get_renewal_info(
        &self,
        request: Request<v1::GetRenewalInfoRequest>,
    ) -> Result<Response<v1::GetRenewalInfoResponse>, Status> {
        answer(&self.0, "GetRenewalInfo", request, async |caller, _| {
            Ok(convert::renewal_window(self.0.renewal_window(&caller).await?, self.0.now()))
        })
        .await
    }

    async fn confirm_installed(
        &self,
        request: Request<v1::ConfirmInstalledRequest>,
    ) -> Result<Response<v1::ConfirmInstalledResponse>, Status> {
        answer(&self.0, "ConfirmInstalled", request, async |caller, message| {
            let serial_number = convert::serial_number(&message.serial_number)?;
            self.0.confirm_installed(&caller, serial_number).await?;
            Ok(v1::ConfirmInstalledResponse { server_time: Some(convert::timestamp(self.0.now())) })
        })
        .await
    }

    async fn get_trust_bundle(
        &self,
        request: Request<v1::GetTrustBundleRequest>,
    ) -> Result<Response<v1::GetTrustBundleResponse>, Status> {
        answer(&self.0, "GetTrustBundle", request, async |_, _| {
            Ok(v1::GetTrustBundleResponse { trust_bundle: Some(convert::trust_bundle(self.0.trust())) })
        })
        .await
    }
}
