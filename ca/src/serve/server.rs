//! The server's TLS credentials: read and checked at the start, and again at SIGHUP.

use std::path::PathBuf;
use std::sync::Arc;

use authority::OpenAuthorityError;
use identity::{Clock, IssuerName, Principal, Role};
use issuance::Certificate;
use ledger::{CertificateStatus, Holder};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use signer::Issuers;
use store::Store;
use tokio::sync::watch;
use tracing::{error, info};

use super::OpenError;
use crate::config::Settings;
use crate::tls::{RenewalGrace, ServerCredentials, server_config};

pub(super) struct Server {
    directory: PathBuf,
    issuers: Issuers,
    late: RenewalGrace,
    clock: Arc<dyn Clock>,
    config: watch::Sender<Arc<ServerConfig>>,
    certificate: watch::Sender<Certificate>,
}

impl Server {
    /// Reads the credentials and checks them, but not against the ledger: see [`Self::may_serve`].
    pub(super) fn open(
        settings: &Settings,
        issuers: &Issuers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let issuer = issuers.certificate(IssuerName::Operational).subject().to_vec();
        let late = RenewalGrace { issuer, grace: settings.profiles.renewal.grace };
        let directory = settings.server_credentials.clone();
        let (config, certificate) = read(&directory, issuers, &late, &clock)?;
        if clock.now() < certificate.validity().not_before() {
            error!(
                "the clock is before the server's certificate begins, so it is wrong: everybody will refuse this server"
            );
        }
        let (config, certificate) = (watch::Sender::new(config), watch::Sender::new(certificate));
        Ok(Self { directory, issuers: issuers.clone(), late, clock, config, certificate })
    }

    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.borrow().clone()
    }

    pub(super) fn config(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    /// Checks that the certificate has the name at which devices reach this server at first boot.
    pub(super) fn answers_to(&self, enrollment_url: &str) -> Result<(), OpenError> {
        let uri: Option<http::Uri> = enrollment_url.parse().ok();
        let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let der = CertificateDer::from(self.certificate().der().to_vec());
        let known = ServerName::try_from(bare).is_ok_and(|name| {
            webpki::EndEntityCert::try_from(&der)
                .is_ok_and(|server| server.verify_is_valid_for_subject_name(&name).is_ok())
        });
        match known {
            true => Ok(()),
            false => Err(OpenError::OtherName { url: enrollment_url.to_owned(), host: bare.to_owned() }),
        }
    }

    /// Clients refuse any certificate that is not on record, not of a service, or revoked.
    pub(super) async fn may_serve(&self, store: &dyn Store) -> Result<(), OpenError> {
        may_serve(store, &self.certificate()).await
    }

    /// Reads the credentials again, and keeps those in use if they are bad. Connections stay.
    pub(super) async fn reload(&self, store: &dyn Store) {
        match self.read_again(store).await {
            Ok((config, certificate)) => {
                let changed = certificate.der() != self.certificate().der();
                self.config.send_replace(config);
                info!(
                    serial = %certificate.serial_number(),
                    changed,
                    path = %self.directory.display(),
                    "took the server's credentials"
                );
                self.certificate.send_replace(certificate);
            }
            Err(why) => {
                let why: &dyn std::error::Error = &why;
                error!(path = %self.directory.display(), why, "the server's credentials cannot be used; those before stay in use");
            }
        }
    }

    async fn read_again(&self, store: &dyn Store) -> Result<(Arc<ServerConfig>, Certificate), OpenError> {
        let read = read(&self.directory, &self.issuers, &self.late, &self.clock)?;
        may_serve(store, &read.1).await?;
        Ok(read)
    }
}

fn read(
    directory: &std::path::Path,
    issuers: &Issuers,
    late: &RenewalGrace,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<ServerConfig>, Certificate), OpenError> {
    let credentials = ServerCredentials::read(directory)?;
    let server = Certificate::from_der(credentials.certificate()).map_err(|_| OpenError::ForeignServer)?;
    if IssuerName::ALL.iter().any(|name| issuers.certificate(*name).public_key() == server.public_key()) {
        return Err(OpenError::OneKeyTwoPurposes);
    }
    let certifying = [&issuers.factory, &issuers.operational, &issuers.infrastructure];
    let certifying = certifying.map(|issuer| issuer.certificate.as_ref());
    let config = server_config(credentials, certifying, Arc::clone(clock), late.clone())?;
    Ok((Arc::new(config), server))
}

async fn may_serve(store: &dyn Store, server: &Certificate) -> Result<(), OpenError> {
    let record = store.certificate(&server.serial_number()).await.map_err(OpenAuthorityError::Store)?;
    let record = record.filter(|record| record.certificate().der == server.der());
    let record = record.ok_or(OpenError::ForeignServer)?;
    match record.holder() {
        Some(Holder::Principal(Principal::Named { role: Role::Service, .. })) => {}
        Some(Holder::Principal(holder)) => return Err(OpenError::NotAServer { holder }),
        Some(Holder::Issuer(_) | Holder::DocumentSigner) | None => return Err(OpenError::ForeignServer),
    }
    if record.status() == CertificateStatus::Revoked { Err(OpenError::ServerRevoked) } else { Ok(()) }
}
