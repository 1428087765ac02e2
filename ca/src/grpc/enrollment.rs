//! `EnrollmentService`: for devices.

use identity::IssuerName;
use proto::v1;
use proto::v1::enrollment_service_server::EnrollmentService;
use store::Released;
use tonic::Request;

use super::{Answer, Api, convert};

impl Api {
    fn issued(&self, released: &Released, issuer: IssuerName) -> v1::EnrollResponse {
        v1::EnrollResponse {
            certificate: Some(convert::issued(released)),
            chain: convert::chain(&self.authority.chain(issuer)),
            trust_bundle: Some(convert::trust_bundle(self.authority.trust())),
            server_time: Some(convert::timestamp(self.authority.now())),
        }
    }
}

#[tonic::async_trait]
impl EnrollmentService for Api {
    async fn claim_birth_certificate(
        &self,
        request: Request<v1::ClaimBirthCertificateRequest>,
    ) -> Answer<v1::ClaimBirthCertificateResponse> {
        self.answer("ClaimBirthCertificate", request, async |caller, _| {
            let released = self.authority.claim_birth(&caller).await?;
            let v1::EnrollResponse { certificate, chain, trust_bundle, server_time } =
                self.issued(&released, IssuerName::Factory);
            Ok(v1::ClaimBirthCertificateResponse { certificate, chain, trust_bundle, server_time })
        })
        .await
    }

    async fn enroll(&self, request: Request<v1::EnrollRequest>) -> Answer<v1::EnrollResponse> {
        self.answer("Enroll", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let released = self.authority.enroll(&caller, request, &message.csr).await?;
            Ok(self.issued(&released, IssuerName::Operational))
        })
        .await
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Answer<v1::RenewResponse> {
        self.answer("Renew", request, async |caller, message| {
            let request = convert::request_id(&message.request_id)?;
            let released = self.authority.renew(&caller, request, &message.csr).await?;
            let v1::EnrollResponse { certificate, chain, trust_bundle, server_time } =
                self.issued(&released, IssuerName::Operational);
            Ok(v1::RenewResponse { certificate, chain, trust_bundle, server_time })
        })
        .await
    }

    async fn get_renewal_info(
        &self,
        request: Request<v1::GetRenewalInfoRequest>,
    ) -> Answer<v1::GetRenewalInfoResponse> {
        self.answer("GetRenewalInfo", request, async |caller, _| {
            Ok(convert::renewal_window(self.authority.renewal_window(&caller).await?, self.authority.now()))
        })
        .await
    }

    async fn confirm_installed(
        &self,
        request: Request<v1::ConfirmInstalledRequest>,
    ) -> Answer<v1::ConfirmInstalledResponse> {
        self.answer("ConfirmInstalled", request, async |caller, message| {
            let serial_number = convert::serial_number(&message.serial_number)?;
            self.authority.confirm_installed(&caller, serial_number).await?;
            Ok(v1::ConfirmInstalledResponse { server_time: Some(convert::timestamp(self.authority.now())) })
        })
        .await
    }

    async fn get_trust_bundle(
        &self,
        request: Request<v1::GetTrustBundleRequest>,
    ) -> Answer<v1::GetTrustBundleResponse> {
        self.answer("GetTrustBundle", request, async |_, _| {
            Ok(v1::GetTrustBundleResponse {
                trust_bundle: Some(convert::trust_bundle(self.authority.trust())),
            })
        })
        .await
    }
}
