//! Certificates of the OCSP responders (R-OCSP-06), which the CA issues to itself, on record as all are.

use aws_lc_rs::digest::{SHA256, digest};
use identity::{IssuerName, PrincipalName, ProfileName, Role};
use issuance::{Certificate, Profile, Request, Subject};
use ledger::{Action, IssuanceSubject};
use publication::{DelegateIssuer, DelegationError};
use signer::DelegateKey;
use store::StoreError;

use super::issue::{certify, signed};
use super::record::own_command;
use super::{Authority, Refused};

impl DelegateIssuer for Authority {
    async fn delegate(&self, issuer: IssuerName, key: &DelegateKey) -> Result<Certificate, DelegationError> {
        self.clock_is_trusted().map_err(|_| DelegationError::ClockInDoubt)?;
        let conflict = |why: &dyn std::fmt::Display| DelegationError::Conflict(why.to_string());
        let by = self.issuers.signer_of(issuer)?;
        let name: PrincipalName = format!("ocsp-{issuer}").parse().map_err(|why| conflict(&why))?;
        let profile = Profile { issuer, ..self.profile(ProfileName::OcspSigner).into_owned() };
        let store_error = |refused| match refused {
            Refused::Store(error) => error.into(),
            other => conflict(&other),
        };
        let reserved = self.reserve_serial_numbers(1).await.map_err(store_error)?;
        let number = *reserved
            .numbers()
            .first()
            .ok_or(StoreError::Bug("no certificate serial number was reserved"))?;
        let subject = Subject::Principal(name.clone());
        let request = Request { public_key: key.public_key().clone(), subject, lifetime: None, shard: None };
        let now = self.clock.now();
        let by = (Some(by.certificate.as_ref()), by.signer.as_ref());
        let certificate =
            certify::<DelegationError>(request, &profile, &self.organization, by, number, now).await?;
        let certified = signed(&certificate, &profile, None);
        let mut content = [0; 32];
        content.copy_from_slice(digest(&SHA256, certificate.der()).as_ref());
        let action = Action::Issue {
            subject: IssuanceSubject::Credential { role: Role::Service, name },
            certificate: certified,
        };
        let verdict = self.commit_one(own_command(content, action)).await.map_err(store_error)?;
        verdict.map_err(|why| conflict(&why))?;
        tracing::info!(serial = %number, "made an OCSP signer for the {issuer} issuer");
        Ok(certificate)
    }
}
