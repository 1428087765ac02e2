//! `touchmark-ca credential`: makes a credential while the CA does not serve, for when the certificate of the
//! server or of the last operator has expired or is lost.

use std::path::Path;
use std::sync::Arc;

use identity::{Clock, IssuerName, PrincipalName, Role};
use publication::{CrlNumberFile, StoreStatus};
use signer::Issuers;
use store::{OpenError, Store, StoreSettings};

use super::certificates::{Maker, record_command};
use super::directory::CredentialDir;
use super::{InitError, SERVER_NAME, hosts, texts};
use crate::config::Settings;

/// The holder of the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The server, with these hosts besides those of the loopback.
    Server {
        /// Names and addresses.
        hosts: Vec<String>,
    },
    /// An operator, known or not.
    Operator {
        /// Its principal name.
        name: PrincipalName,
    },
}

/// Makes a credential directory at `out`, which must not exist, and records the certificate first (R-CA-07).
/// Earlier credentials of the holder are not revoked.
///
/// # Errors
/// Also when a CA is serving, which has locked the store.
pub async fn credential(
    settings: &Settings,
    holder: Holder,
    out: &Path,
    clock: Arc<dyn Clock>,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<(), InitError> {
    if out.symlink_metadata().is_ok() {
        return Err(InitError::Exists { path: out.to_owned() });
    }
    let issuers = Issuers::open(&settings.issuers).await?;
    let issuer = issuers.signer_of(IssuerName::Infrastructure)?;
    let store = open_store(&settings.store).await?;
    // Nothing is added to a ledger that is older than what was published.
    if let Err(why) = CrlNumberFile::open(&settings.publication.epoch_file, &StoreStatus(store.clone())).await
    {
        store.close().await?;
        return Err(why.into());
    }
    if let Some(doubt) = settings.clock.judge(clock.now(), store.last_entry_at().await?) {
        store.close().await?;
        return Err(InitError::Clock(doubt));
    }
    let on_record = store.issuer(IssuerName::Infrastructure).await?;
    if on_record.is_none_or(|record| record.certificate().der != issuer.certificate.der()) {
        store.close().await?;
        return Err(InitError::OtherInstallation);
    }
    let maker = Maker {
        organization: &settings.organization,
        public_url: settings.public_url.as_deref(),
        now: clock.now(),
    };
    let by = (issuer.certificate.as_ref(), issuer.signer.as_ref());
    let (made, client) = match holder {
        Holder::Server { hosts } => {
            // Devices check the name of the enrollment URL.
            let enrollment = settings.enrollment_url.as_deref().and_then(hosts::host_of);
            let listen = Some(settings.listen.ip()).filter(|address| !address.is_unspecified());
            let more = enrollment.into_iter().chain(listen.map(|address| address.to_string()));
            let hosts: Vec<_> = hosts.into_iter().chain(more).collect();
            let names = hosts::names(&hosts)?;
            (maker.credential(Role::Service, SERVER_NAME, Some(names), by).await?, None)
        }
        Holder::Operator { name } => {
            let made = maker.credential(Role::Operator, name.as_str(), None, by).await?;
            (made, Some(texts::client_toml(settings.listen)))
        }
    };
    let root = issuers.certificate(IssuerName::Root);
    // Files are written before the certificate is recorded: a full disk must not leave a lost certificate on
    // record.
    let directory = CredentialDir::begin(out, &made, &issuer.certificate, root, client.as_deref());
    let directory = match directory {
        Ok(directory) => directory,
        Err(why) => {
            store.close().await?;
            return Err(why);
        }
    };
    for verdict in store.commit(vec![record_command(&made)]).await? {
        verdict?;
    }
    let on_record = |why: InitError| InitError::OnRecord {
        serial_number: made.certificate.serial_number(),
        path: out.to_owned(),
        source: Box::new(why),
    };
    directory.finish(&made.certificate).map_err(on_record)?;
    store.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use identity::{Principal, SystemClock};

    use super::*;
    use crate::init::{Plan, init};

    #[tokio::test]
    async fn a_lost_server_credential_is_made_again_with_the_name_that_devices_are_sent_to() {
        let parent = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut plan = Plan::for_a_test(parent.path().join("ca"));
        plan.enrollment_url = Some("https://other.example.com:8443".to_owned());
        let create =
            async |dir: &Path| store::create(StoreSettings::new(dir.to_owned()), Arc::clone(&clock)).await;
        let made = init(plan, Arc::clone(&clock), create).await.unwrap();
        let settings = || Settings::read(&made.config, []);
        crate::serve::check(&settings().unwrap(), Arc::clone(&clock)).await.unwrap();

        let server = parent.path().join("ca/server");
        std::fs::remove_dir_all(&server).unwrap();
        let said = settings().unwrap_err();
        assert!(format!("{said}").contains("touchmark-ca credential"), "{said}");
        let beside = Settings::read_beside_the_server(&made.config, []).unwrap();
        let open = async |store: &StoreSettings| store::open(store.clone(), Arc::clone(&clock)).await;
        let holder = Holder::Server { hosts: Vec::new() };
        credential(&beside, holder, &server, Arc::clone(&clock), open).await.unwrap();
        crate::serve::check(&settings().unwrap(), Arc::clone(&clock)).await.unwrap();

        let other = [("TOUCHMARK_CA_ENROLLMENT_URL".to_owned(), "https://third.example.com".to_owned())];
        let settings = Settings::read(&made.config, other).unwrap();
        let refused = crate::serve::check(&settings, Arc::clone(&clock)).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "devices enrol at https://third.example.com, and third.example.com is not in the server's certificate"
        );
    }

    #[tokio::test]
    async fn a_credential_made_at_the_ca_is_on_record_before_it_is_there() {
        let parent = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plan = Plan {
            dir: parent.path().join("ca"),
            organization: "Example".into(),
            hosts: vec![],
            passphrase_file: None,
            enrollment_url: None,
            listen: "127.0.0.1:8443".parse().unwrap(),
            metrics_listen: "127.0.0.1:9443".parse().unwrap(),
            http_listen: "127.0.0.1:8080".parse().unwrap(),
            public_url: None,
        };
        let create =
            async |dir: &Path| store::create(StoreSettings::new(dir.to_owned()), Arc::clone(&clock)).await;
        let made = init(plan, Arc::clone(&clock), create).await.unwrap();
        let settings = Settings::read(&made.config, []).unwrap();
        let open = async |store: &StoreSettings| store::open(store.clone(), Arc::clone(&clock)).await;
        let name: PrincipalName = "admin".parse().unwrap();
        let out = parent.path().join("again");
        let holder = Holder::Operator { name: name.clone() };
        credential(&settings, holder.clone(), &out, Arc::clone(&clock), open).await.unwrap();
        let server = parent.path().join("server");
        let hosts = vec!["ca.example.com".to_owned()];
        credential(&settings, Holder::Server { hosts }, &server, Arc::clone(&clock), open).await.unwrap();
        crate::tls::ServerCredentials::read(&server).unwrap();
        // What is there is not overwritten, and nothing is issued for it.
        let refused = credential(&settings, holder.clone(), &out, Arc::clone(&clock), open).await;
        assert!(matches!(refused, Err(InitError::Exists { .. })));

        let store = open(&settings.store).await.unwrap();
        let on_record =
            store.certificates_of(&Principal::named(Role::Operator, name), None, 10).await.unwrap().rows;
        assert_eq!(on_record.len(), 2);
        let pem = std::fs::read_to_string(out.join("cert.pem")).unwrap();
        let recorded = issuance::Certificate::from_der(&on_record[1].certificate().der).unwrap();
        assert_eq!(pem, texts::certificate_pem(&recorded));
        // What cannot be written is not put on record.
        let nowhere = parent.path().join("missing/again");
        store.close().await.unwrap();
        drop(store);
        let refused = credential(&settings, holder.clone(), &nowhere, Arc::clone(&clock), open).await;
        assert!(matches!(refused, Err(InitError::Io { .. })));
        let store = open(&settings.store).await.unwrap();
        let admin = Principal::named(Role::Operator, "admin".parse().unwrap());
        assert_eq!(store.certificates_of(&admin, None, 10).await.unwrap().rows.len(), 2);
        // While somebody has the store, nothing is made.
        let other = parent.path().join("other");
        let refused = credential(&settings, holder, &other, Arc::clone(&clock), open).await;
        assert!(matches!(refused, Err(InitError::Ledger(OpenError::InUse { .. }))));
        assert!(!other.exists());
        store.close().await.unwrap();
    }
}
