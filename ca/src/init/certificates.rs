//! The keys and certificates of a new installation, in memory.

use std::time::SystemTime;

use authority::{certify, signed};
use aws_lc_rs::digest::{SHA256, digest};
use identity::{IssuerName, PrincipalName, ProfileName, PublicKey, Role, SerialNumber};
use issuance::{Certificate, Names, Prepared, Profile, Request, Subject, draft};
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
    pub(super) documents: MadeDocumentSigner,
}

pub(super) struct MadeDocumentSigner {
    pub(super) certificate: Certificate,
    pub(super) key: NewIssuingKey,
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
    let key = NewIssuingKey::generate()?;
    let certificate = maker.document_signer(&key, root.as_issuer()).await?;
    let documents = MadeDocumentSigner { certificate, key };
    Ok(Certificates { root, factory, operational, infrastructure, server, operator, documents })
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
        let documents = record_document_signer(&self.documents.certificate);
        issuers.into_iter().chain(credentials).chain([documents]).collect()
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

    /// The certificate of a signer of documents with this key, signed by the root's key here.
    pub(super) async fn document_signer(
        &self,
        key: &NewIssuingKey,
        (root, by): (&Certificate, &dyn Signer),
    ) -> Result<Certificate, InitError> {
        self.certificate(document_request(key)?, ProfileName::Document, Some(root), by).await
    }

    /// The same, to be signed by the root's key elsewhere.
    pub(super) fn prepared_document_signer(
        &self,
        key: &NewIssuingKey,
        root: &Certificate,
    ) -> Result<Prepared, InitError> {
        let terms = self.terms(ProfileName::Document);
        let serial_number = SerialNumber::random(&mut UnwrapErr(SysRng));
        let request = document_request(key)?;
        let draft = draft(request, &terms, self.organization, Some(root), serial_number, self.now)?;
        Ok(draft.prepare()?)
    }

    fn terms(&self, profile: ProfileName) -> Profile {
        let mut terms = Profile::standard(profile);
        add_revocation_urls(&mut terms, self.public_url);
        terms
    }

    async fn certificate(
        &self,
        request: Request,
        profile: ProfileName,
        issuer: Option<&Certificate>,
        by: &dyn Signer,
    ) -> Result<Certificate, InitError> {
        let serial_number = SerialNumber::random(&mut UnwrapErr(SysRng));
        let terms = self.terms(profile);
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

pub(super) fn record_document_signer(certificate: &Certificate) -> Command {
    let signed = recorded(certificate, ProfileName::Document);
    let what = format!("document-signer {}", certificate.serial_number());
    command(&what, Action::InstallDocumentSigner { certificate: signed })
}

fn document_request(key: &NewIssuingKey) -> Result<Request, InitError> {
    let name = DOCUMENT_SIGNER.parse().map_err(|_| issuance::Refusal::Encoding { what: "a name" })?;
    let public_key = key.signer().public_key().clone();
    Ok(Request { public_key, subject: Subject::Principal(name), lifetime: None, shard: None })
}

/// What the root issued is on its full CRL, all others are in the first shard of their issuer.
fn recorded(certificate: &Certificate, profile: ProfileName) -> SignedCertificate {
    let terms = Profile::standard(profile);
    let shard = (terms.issuer != IssuerName::Root).then_some(0);
    signed(certificate, &terms, shard)
}

/// Its CN.
const DOCUMENT_SIGNER: &str = "document-signer";

fn command(what: &dyn std::fmt::Display, action: Action) -> Command {
    let mut content = [0; 32];
    content.copy_from_slice(digest(&SHA256, format!("touchmark-ca init {what}").as_bytes()).as_ref());
    Command { principal: None, credential: None, request: None, content, remark: String::new(), action }
}
