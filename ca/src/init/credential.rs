//! `touchmark-ca credential`: makes a credential while the CA does not serve, for when the certificate of the
//! server or of the last operator has expired or is lost.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, IssuerName, PrincipalName, Role};
use signer::{Issuer, Issuers};

use super::certificates::{MadeCredential, Maker, record_command};
use super::directory::CredentialDir;
use super::{InitError, SERVER_NAME, hosts, texts};
use crate::config::Settings;
use crate::open::with_ledger;

/// For whom a credential is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialFor {
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
    holder: CredentialFor,
    out: &Path,
    clock: Arc<dyn Clock>,
) -> Result<(), InitError> {
    if out.symlink_metadata().is_ok() {
        return Err(InitError::Exists { path: out.to_owned() });
    }
    let issuers = Issuers::open(&settings.issuers).await?;
    let issuer = issuers.signer_of(IssuerName::Infrastructure)?;
    with_ledger(settings, Arc::clone(&clock), async |store, _| {
        if let Some(doubt) = settings.clock.judge(clock.now(), store.last_entry_at().await?) {
            return Err(InitError::Clock(doubt));
        }
        let on_record = store.issuer(IssuerName::Infrastructure).await?;
        if on_record.is_none_or(|record| record.certificate().der != issuer.certificate.der()) {
            return Err(InitError::OtherInstallation);
        }
        let (made, client) = make(settings, holder, issuer, clock.now()).await?;
        let root = issuers.certificate(IssuerName::Root);
        // Files come first: a full disk must not leave a lost certificate on record.
        let directory = CredentialDir::begin(out, &made, &issuer.certificate, root, client.as_deref())?;
        for verdict in store.commit(vec![record_command(&made)]).await? {
            verdict?;
        }
        directory.finish(&made.certificate).map_err(|why| InitError::OnRecord {
            serial_number: made.certificate.serial_number(),
            path: out.to_owned(),
            source: Box::new(why),
        })
    })
    .await
}

/// The credential, and the settings file that goes with an operator's.
async fn make(
    settings: &Settings,
    holder: CredentialFor,
    issuer: &Issuer,
    now: SystemTime,
) -> Result<(MadeCredential, Option<String>), InitError> {
    let (organization, public_url) = (settings.organization.as_str(), settings.public_url.as_deref());
    let maker = Maker { organization, public_url, now };
    let by = (issuer.certificate.as_ref(), issuer.signer.as_ref());
    Ok(match holder {
        CredentialFor::Server { hosts } => {
            let hosts = hosts::with_own(hosts, settings.enrollment_url.as_deref(), settings.listen);
            (maker.credential(Role::Service, SERVER_NAME, Some(hosts::names(&hosts)?), by).await?, None)
        }
        CredentialFor::Operator { name } => {
            let made = maker.credential(Role::Operator, name.as_str(), None, by).await?;
            (made, Some(texts::client_toml(settings.listen)))
        }
    })
}

#[cfg(test)]
mod tests {
    use identity::{Principal, SystemClock};
    use store::OpenError;

    use super::*;
    use crate::init::Plan;

    #[tokio::test]
    async fn a_lost_server_credential_is_made_again_with_the_name_that_devices_are_sent_to() {
        let parent = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut plan = Plan::for_a_test(parent.path().join("ca"));
        plan.enrollment_url = Some("https://other.example.com:8443".to_owned());
        let made = plan.made().await;
        let settings = || Settings::read(&made.config, []);
        crate::serve::check(&settings().unwrap(), Arc::clone(&clock)).await.unwrap();

        let server = parent.path().join("ca/server");
        std::fs::remove_dir_all(&server).unwrap();
        let said = settings().unwrap_err();
        assert!(format!("{said}").contains("touchmark-ca credential"), "{said}");
        let beside = Settings::read_beside_the_server(&made.config, []).unwrap();
        let holder = CredentialFor::Server { hosts: Vec::new() };
        credential(&beside, holder, &server, Arc::clone(&clock)).await.unwrap();
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
        let plan = Plan::for_a_test(parent.path().join("ca"));
        let made = plan.made().await;
        let settings = Settings::read(&made.config, []).unwrap();
        let open = async || store::open(settings.store.clone(), Arc::clone(&clock)).await;
        let name: PrincipalName = "admin".parse().unwrap();
        let out = parent.path().join("again");
        let holder = CredentialFor::Operator { name: name.clone() };
        credential(&settings, holder.clone(), &out, Arc::clone(&clock)).await.unwrap();
        let server = parent.path().join("server");
        let hosts = vec!["ca.example.com".to_owned()];
        credential(&settings, CredentialFor::Server { hosts }, &server, Arc::clone(&clock)).await.unwrap();
        crate::tls::ServerCredentials::read(&server).unwrap();
        // What is there is not overwritten, and nothing is issued for it.
        let refused = credential(&settings, holder.clone(), &out, Arc::clone(&clock)).await;
        assert!(matches!(refused, Err(InitError::Exists { .. })));

        let store = open().await.unwrap();
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
        let refused = credential(&settings, holder.clone(), &nowhere, Arc::clone(&clock)).await;
        assert!(matches!(refused, Err(InitError::Io { .. })));
        let store = open().await.unwrap();
        let admin = Principal::named(Role::Operator, "admin".parse().unwrap());
        assert_eq!(store.certificates_of(&admin, None, 10).await.unwrap().rows.len(), 2);
        // While somebody has the store, nothing is made.
        let other = parent.path().join("other");
        let refused = credential(&settings, holder, &other, Arc::clone(&clock)).await;
        assert!(matches!(refused, Err(InitError::Ledger(OpenError::InUse { .. }))));
        assert!(!other.exists());
        store.close().await.unwrap();
    }
}
