//! Checks a birth certificate from the station, and keeps it.

use std::time::SystemTime;

use http::Uri;
use identity::{DeviceId, PublicKey};
use proto::v1;

use crate::ca_client::answer::TrustBundleId;
use crate::certificate::{CertificateError, Credential, Kind};
use crate::state::{CredentialLocation, FactoryStep, State, StateError};

/// A checked birth certificate with its trust bundle and enrolment URL.
#[derive(Debug)]
pub(super) struct CheckedInstall {
    credential: Credential,
    trust: TrustBundleId,
    enrollment_url: Option<String>,
}

/// Checks what a station wants installed.
pub(super) fn check(
    request: v1::Install,
    device: &DeviceId,
    key: &PublicKey,
    now: SystemTime,
) -> Result<CheckedInstall, Rejected> {
    let bundle = request.trust_bundle.unwrap_or_default();
    let credential = Credential::from_wire(request.certificate, request.chain, bundle.anchors)?;
    credential.check(device, key, Kind::Birth, now)?;
    let enrollment_url = match request.enrollment_url {
        url if url.is_empty() => None,
        url => Some(checked(url)?),
    };
    let trust = TrustBundleId::new(bundle.version, &credential.anchors);
    Ok(CheckedInstall { credential, trust, enrollment_url })
}

impl CheckedInstall {
    /// Keeps it. When this returns `Ok`, it survives a power cut. Does nothing if the same is installed.
    pub(super) fn keep(self, state: &mut State) -> Result<(), StateError> {
        let installed = state.record().factory == FactoryStep::Installed;
        if installed {
            let same = state.view().credential(CredentialLocation::Birth)? == self.credential
                && state.record().enrollment_url == self.enrollment_url
                && state.record().trust_version == self.trust.version;
            if same {
                return Ok(());
            }
            // Another certificate for the same key: until it is written, the record names none.
            state.update(|record| record.factory = FactoryStep::KeyReady)?;
        }
        state.write_credential(CredentialLocation::Birth, &self.credential)?;
        state.update(|record| {
            record.factory = FactoryStep::Installed;
            (record.trust_version, record.trust_digest) = (self.trust.version, self.trust.digest);
            record.enrollment_url = self.enrollment_url;
        })
    }
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
    /// The enrolment URL cannot be used.
    #[error("the enrolment address is not an https:// URL of at most {URL_BYTES_MAX} bytes")]
    EnrollmentUrl,
}

/// The longest address: a host name has at most 253 characters (RFC 1035, section 2.3.4).
const URL_BYTES_MAX: usize = 512;
