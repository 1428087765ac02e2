//! Certificates for those who answer about status in an issuer's name (R-OCSP-06). Nobody asks for them: the CA makes them for itself,
//! and they are on record as all are.

use aws_lc_rs::digest::{SHA256, digest};
use identity::{IssuerName, PrincipalName, ProfileName, Role};
use issuance::{Certificate, Profile, Request, Subject};
use ledger::{Action, Command};
use publication::{DelegateIssuer, DelegationError};
use signer::{DelegateKey, SignerError};
use store::{Store, StoreError};

use super::{Authority, Refused};

impl<S: Store> DelegateIssuer for Authority<S> {
    async fn delegate(&self, issuer: IssuerName, key: &DelegateKey) -> Result<Certificate, DelegationError> {
        self.clock_is_trusted().map_err(|_| DelegationError::ClockInDoubt)?;
        let conflict = |why: &dyn std::fmt::Display| DelegationError::Conflict { why: why.to_string() };
        let by = self.issuers.signing(issuer).ok_or(SignerError::Unavailable)?;
        let name: PrincipalName = format!("ocsp-{issuer}").parse().map_err(|why| conflict(&why))?;
        let profile = self.profile(ProfileName::OcspSigner).map_err(|refused| conflict(&refused))?;
        let profile = Profile { issuer, ..profile.clone() };
        let drawn = self.fresh_serial_numbers(1).await.map_err(|refused| match refused {
            Refused::Store(error) => error.into(),
            other => conflict(&other),
        })?;
        let number = *drawn
            .numbers()
            .first()
            .ok_or(StoreError::Bug { what: "no certificate serial number was drawn" })?;
        let subject = Subject::Principal(name.clone());
        let asked = Request { public_key: key.public_key().clone(), subject, lifetime: None, shard: None };
        let now = self.clock.now();
        let draft = issuance::draft(asked, &profile, &self.organization, Some(&by.certificate), number, now)?;
        let prepared = draft.prepare()?;
        let signature = by.signer.sign(prepared.to_be_signed()).await?;
        let certificate = prepared.seal(&signature)?;
        let fingerprint = key.public_key().fingerprint();
        let signed = self.signed(&certificate, &profile, fingerprint, None);
        let mut content = [0; 32];
        content.copy_from_slice(digest(&SHA256, certificate.der()).as_ref());
        let action = Action::IssueCredential { role: Role::Service, name, certificate: signed };
        let command = Command {
            principal: None,
            credential: None,
            request: None,
            content,
            remark: String::new(),
            action,
        };
        let verdict = self
            .store
            .commit(vec![command])
            .await?
            .pop()
            .ok_or(StoreError::Bug { what: "a command has no verdict" })?;
        verdict.map_err(|why| conflict(&why))?;
        tracing::info!(serial = %number, "made an OCSP signer for the {issuer} issuer");
        Ok(certificate)
    }
}
