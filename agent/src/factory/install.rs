//! Checks what a station wants installed, and keeps it: all that first boot needs, or all but a certificate
//! that is deferred, or that certificate later (ADR 0068).

use std::time::SystemTime;

use http::Uri;
use identity::{DeviceId, PublicKey};
use proto::v1;

use crate::ca_client::answer::TrustBundleId;
use crate::certificate::{CertificateError, Credential, Kind, check_anchors};
use crate::state::{CredentialLocation, FactoryStep, Record, State, StateError};

/// A checked installation.
#[derive(Debug)]
pub(super) struct CheckedInstall {
    content: Content,
    trust: TrustBundleId,
    enrollment_url: Option<String>,
}

#[derive(Debug)]
enum Content {
    /// The certificate with everything else.
    Whole(Box<Credential>),
    /// The anchors of a certificate that comes later.
    Deferred(Vec<Vec<u8>>),
}

/// Checks what a station wants installed on a unit that is not locked.
pub(super) fn check(
    request: v1::Install,
    device: &DeviceId,
    key: &PublicKey,
    now: SystemTime,
) -> Result<CheckedInstall, Rejected> {
    let bundle = request.trust_bundle.unwrap_or_default();
    let content = if request.certificate.is_empty() {
        let anchors: Vec<Vec<u8>> = bundle.anchors.into_iter().map(Into::into).collect();
        check_anchors(&anchors)?;
        if !request.chain.is_empty() {
            return Err(Rejected::ChainOfNothing);
        }
        Content::Deferred(anchors)
    } else {
        let credential = Credential::from_wire(request.certificate, request.chain, bundle.anchors)?;
        credential.check(device, key, Kind::Birth, now)?;
        Content::Whole(credential.into())
    };
    let enrollment_url = match request.enrollment_url {
        url if url.is_empty() => None,
        url => Some(checked(url)?),
    };
    let anchors = match &content {
        Content::Whole(credential) => &credential.anchors,
        Content::Deferred(anchors) => anchors,
    };
    let trust = TrustBundleId::new(bundle.version, anchors);
    Ok(CheckedInstall { content, trust, enrollment_url })
}

impl CheckedInstall {
    /// Keeps it. When this returns `Ok`, it survives a power cut. Does nothing if the same is installed.
    pub(super) fn keep(self, state: &mut State) -> Result<(), StateError> {
        if state.record().factory == FactoryStep::Installed {
            if self.is_installed(state)? {
                return Ok(());
            }
            // Another installation for the same key: until it is written, the record names none.
            state.update(|record| {
                record.factory = FactoryStep::KeyReady;
                record.certificate_deferred = false;
            })?;
        }
        match &self.content {
            Content::Whole(credential) => state.write_credential(CredentialLocation::Birth, credential)?,
            Content::Deferred(anchors) => state.write_anchors(CredentialLocation::Birth, anchors)?,
        }
        state.update(|record| {
            record.factory = FactoryStep::Installed;
            record.certificate_deferred = matches!(self.content, Content::Deferred(_));
            (record.trust_version, record.trust_digest) = (self.trust.version, self.trust.digest);
            record.enrollment_url = self.enrollment_url;
        })
    }

    /// Whether it would take away a certificate that is installed.
    pub(super) fn takes_a_certificate_away(&self, record: &Record) -> bool {
        record.is_born() && matches!(self.content, Content::Deferred(_))
    }

    /// Whether exactly this is installed.
    pub(super) fn is_installed(&self, state: &State) -> Result<bool, StateError> {
        let record = state.record();
        let view = state.view();
        let same_content = match &self.content {
            Content::Whole(credential) => {
                record.is_born() && view.credential(CredentialLocation::Birth)? == **credential
            }
            Content::Deferred(anchors) => {
                record.certificate_deferred && view.anchors(CredentialLocation::Birth)? == *anchors
            }
        };
        Ok(same_content
            && record.enrollment_url == self.enrollment_url
            && record.trust_version == self.trust.version)
    }
}

/// The certificate that was deferred, checked against the anchors that were installed before the lock.
/// Anchors and address of the request mean nothing: a locked unit keeps what it was locked with.
pub(super) fn check_deferred(
    request: v1::Install,
    anchors: Vec<Vec<u8>>,
    device: &DeviceId,
    key: &PublicKey,
    now: SystemTime,
) -> Result<Credential, Rejected> {
    let chain = request.chain.into_iter().map(Into::into).collect();
    let credential = Credential::from_wire(request.certificate.into(), chain, anchors)?;
    credential.check(device, key, Kind::Birth, now)?;
    Ok(credential)
}

fn checked(url: String) -> Result<String, Rejected> {
    let parsed: Uri = url.parse().map_err(|_| Rejected::EnrollmentUrl)?;
    let fits = url.len() <= URL_BYTES_MAX
        && parsed.scheme_str() == Some("https")
        && parsed.host().is_some_and(|host| !host.is_empty());
    if fits { Ok(url) } else { Err(Rejected::EnrollmentUrl) }
}

/// Why a device does not take what a station wants installed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    /// The certificate does not fit.
    #[error(transparent)]
    Credential(#[from] CertificateError),
    /// The certificate is deferred, and its chain is not.
    #[error("there is a chain and no certificate")]
    ChainOfNothing,
    /// The enrolment URL cannot be used.
    #[error("the enrolment address is not an https:// URL of at most {URL_BYTES_MAX} bytes")]
    EnrollmentUrl,
}

/// The longest address: a host name has at most 253 characters (RFC 1035, section 2.3.4).
const URL_BYTES_MAX: usize = 512;
