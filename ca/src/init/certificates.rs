//! The keys and certificates of a new installation, in memory.

use std::time::SystemTime;

use authority::{certify, signed};
use aws_lc_rs::digest::{SHA256, digest};
use identity::{IssuerName, PrincipalName, ProfileName, PublicKey, Role, SerialNumber};
use issuance::{Certificate, Names, Profile, Request, Subject};
use ledger::{Action, Command, IssuanceSubject, SignedCertificate};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use signer::{Signer, plain_key_pem};
use zeroize::Zeroizing;

use super::{FIRST_OPERATOR, InitError, Plan, SERVER_NAME};
use crate::open::NewIssuingKey;
use crate::profiles::add_revocation_urls;

pub(super) struct Certificates {
    pub(super) root: MadeIssuer,
    pub(super) factory: MadeIssuer,
    pub(super) operational: MadeIssuer,
    pub(super) infrastructure: MadeIssuer,
    pub(super) server: MadeCredential,
    pub(super) operator: MadeCredential,
}

pub(super) struct MadeIssuer {
    pub(super) name: IssuerName,
    pub(super) profile: ProfileName,
    pub(super) certificate: Certificate,
    pub(super) key: NewIssuingKey,
}

pub(super) struct MadeCredential {
    pub(super) role: Role,
    pub(super) name: PrincipalName,
    pub(super) profile: ProfileName,
    pub(super) certificate: Certificate,
    pub(super) key_pem: Zeroizing<String>,
}

pub(super) async fn make(plan: &Plan, names: Names, now: SystemTime) -> Result<Certificates, InitError> {
    let public_url = plan.public_url.as_deref();
    let maker = Maker { organization: &plan.organization, public_url, now };
    let root = maker.issuer(IssuerName::Root, ProfileName::Root, "Root CA 1", None).await?;
    let factory =
        maker.issuer(IssuerName::Factory, ProfileName::FactoryCa, "Factory CA 1", Some(&root)).await?;
    let operational = maker
        .issuer(IssuerName::Operational, ProfileName::OperationalCa, "Operational CA 1", Some(&root))
        .await?;
    let infrastructure = maker
        .issuer(IssuerName::Infrastructure, ProfileName::InfrastructureCa, "Infrastructure CA 1", Some(&root))
        .await?;
    let server =
        maker.credential(Role::Service, SERVER_NAME, Some(names), infrastructure.as_issuer()).await?;
    let operator = maker.credential(Role::Operator, FIRST_OPERATOR, None, infrastructure.as_issuer()).await?;
    Ok(Certificates { root, factory, operational, infrastructure, server, operator })
}

impl Certificates {
    pub(super) fn issuers(&self) -> [&MadeIssuer; 4] {
        [&self.root, &self.factory, &self.operational, &self.infrastructure]
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        let issuers = self.issuers().map(|made| {
            let signed = recorded(&made.certificate, made.profile);
            command(&made.name, Action::InstallIssuer { issuer: made.name, certificate: signed })
        });
        let credentials = [&self.server, &self.operator].map(record_command);
        issuers.into_iter().chain(credentials).collect()
    }
}

/// Makes certificates outside the authority.
pub(super) struct Maker<'a> {
    pub(super) organization: &'a str,
    pub(super) public_url: Option<&'a str>,
    pub(super) now: SystemTime,
}

impl Maker<'_> {
    async fn issuer(
        &self,
        name: IssuerName,
        profile: ProfileName,
        common_name: &str,
        parent: Option<&MadeIssuer>,
    ) -> Result<MadeIssuer, InitError> {
        let key = NewIssuingKey::generate()?;
        let request = Request {
            public_key: key.signer().public_key().clone(),
            subject: Subject::Issuer(common_name.to_owned()),
            lifetime: None,
            shard: None,
        };
        let by = parent.map_or(&key, |parent| &parent.key).signer();
        let certificate =
            self.certificate(request, profile, parent.map(|parent| &parent.certificate), by).await?;
        Ok(MadeIssuer { name, profile, certificate, key })
    }

    pub(super) async fn credential(
        &self,
        role: Role,
        name: &str,
        names: Option<Names>,
        (issuer, signer): (&Certificate, &dyn Signer),
    ) -> Result<MadeCredential, InitError> {
        let (key_pem, spki) = plain_key_pem()?;
        let name: PrincipalName = name.parse().map_err(|_| issuance::Refusal::Encoding { what: "a name" })?;
        let profile = role.profile();
        let subject = match names {
            Some(names) => Subject::Service(name.clone(), names),
            None => Subject::Principal(name.clone()),
        };
        let request =
            Request { public_key: PublicKey::from_spki(&spki)?, subject, lifetime: None, shard: Some(0) };
        let certificate = self.certificate(request, profile, Some(issuer), signer).await?;
        Ok(MadeCredential { role, name, profile, certificate, key_pem })
    }

    async fn certificate(
        &self,
        request: Request,
        profile: ProfileName,
        issuer: Option<&Certificate>,
        by: &dyn Signer,
    ) -> Result<Certificate, InitError> {
        let serial_number = SerialNumber::random(&mut UnwrapErr(SysRng));
        let mut terms = Profile::standard(profile);
        add_revocation_urls(&mut terms, self.public_url);
        certify(request, &terms, self.organization, (issuer, by), serial_number, self.now).await
    }
}

pub(super) fn record_command(made: &MadeCredential) -> Command {
    let certificate = recorded(&made.certificate, made.profile);
    let action = Action::Issue {
        subject: IssuanceSubject::Credential { role: made.role, name: made.name.clone() },
        certificate,
    };
    command(&format_args!("{} {}", made.role, made.name), action)
}

impl MadeIssuer {
    fn as_issuer(&self) -> (&Certificate, &dyn Signer) {
        (&self.certificate, self.key.signer())
    }
}

/// A CA's certificate is on the full CRL of the root, all others are in the first shard of their issuer.
fn recorded(certificate: &Certificate, profile: ProfileName) -> SignedCertificate {
    signed(certificate, &Profile::standard(profile), (!certificate.is_ca()).then_some(0))
}

fn command(what: &dyn std::fmt::Display, action: Action) -> Command {
    let mut content = [0; 32];
    content.copy_from_slice(digest(&SHA256, format!("touchmark-ca init {what}").as_bytes()).as_ref());
    Command { principal: None, credential: None, request: None, content, remark: String::new(), action }
}
