//! Creates an installation: root, issuers, server certificate, first operator, ledger and `ca.toml`, all or
//! nothing.

mod certificates;
mod confirmed_time;
mod credential;
mod directory;
mod document_signer;
mod hosts;
mod restored;
mod root_crl;
mod texts;

use std::net::SocketAddr;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use identity::{Clock, HostError, SerialNumber};
use ledger::Conflict;
use publication::{CrlNumberError, LedgerHead, RootCrlDraft, RootCrlError, StoreStatus, write_root_crl};
use signer::{DocumentSignerError, IssuersError, KeyFileError, Passphrase, PassphraseError, SignerError};
use store::{OpenError, StoreError, StoreSettings};

use crate::config::{
    HTTP_LISTEN_DEFAULT, LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT, check_enrollment_url, check_organization,
    check_public_url,
};
use crate::open::{LedgerKeyError, create_crl_numbers};

pub use confirmed_time::{ConfirmedTime, confirm_time};
pub use credential::{CredentialFor, credential};
pub use directory::abandoned;
pub use document_signer::{
    MadeDocumentSigner, export_document_signer, import_document_signer, make_document_signer,
};
pub use hosts::parse_host;
pub use restored::{accept_restored_store, lacks_something};
pub use root_crl::{Elsewhere, export_root_crl, import_root_crl, renew_root_crl};
pub use texts::{Made, MadeCertificate};

/// The installation to create: the options of `touchmark-ca init`, whose help the comments are.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Where to make it; must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Who makes the devices: O in every certificate
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// A name or address at which the server is reached, besides localhost, 127.0.0.1 and ::1; may be given
    /// again
    #[arg(long = "host", value_name = "NAME_OR_IP", value_parser = parse_host)]
    pub hosts: Vec<String>,
    /// A file of mode 0600 with the passphrase for the issuers' keys, in one line; otherwise one is made, in
    /// DIR/passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where devices reach this CA at first boot, for example https://ca.example.com:8443
    #[arg(long, value_name = "URL", value_parser = check_enrollment_url)]
    pub enrollment_url: Option<String>,
    /// Where gRPC will be served
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN_DEFAULT)]
    pub listen: SocketAddr,
    /// Where metrics and health will be served, in plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = METRICS_LISTEN_DEFAULT)]
    pub metrics_listen: SocketAddr,
    /// Where CRLs, OCSP responses and issuers' certificates will be served to everybody, in plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = HTTP_LISTEN_DEFAULT)]
    pub http_listen: SocketAddr,
    /// How everybody reaches that, written into certificates; otherwise http:// and the first --host with the
    /// port of --http-listen
    #[arg(long, value_name = "URL", value_parser = check_public_url)]
    pub public_url: Option<String>,
}

impl Plan {
    /// All names and addresses of the server besides those of the loopback, with those of `enrollment_url`
    /// and `listen`.
    fn server_hosts(&self) -> Vec<String> {
        hosts::with_own(self.hosts.clone(), self.enrollment_url.as_deref(), self.listen)
    }
}

#[cfg(test)]
impl Plan {
    /// Makes this installation with the system's clock.
    pub(crate) async fn made(self) -> Made {
        init(self, Arc::new(identity::SystemClock)).await.unwrap()
    }

    /// In this directory, on free ports of the loopback.
    pub(crate) fn for_a_test(dir: PathBuf) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            dir,
            organization: "Example".into(),
            hosts: vec![],
            passphrase_file: None,
            enrollment_url: None,
            listen: anywhere,
            metrics_listen: anywhere,
            http_listen: anywhere,
            public_url: None,
        }
    }
}

/// Creates the installation. When it returns `Ok` the directory is there, complete and durable; otherwise,
/// also after a kill, the directory is as it was. A kill can leave files beside it: see [`abandoned`].
/// Every certificate is on record before the directory appears (R-CA-07).
pub async fn init(plan: Plan, clock: Arc<dyn Clock>) -> Result<Made, InitError> {
    let bad = |option| move |what| InitError::Option { option, what };
    check_organization(&plan.organization).map_err(bad("organization"))?;
    if let Some(url) = &plan.enrollment_url {
        check_enrollment_url(url).map_err(bad("enrollment URL"))?;
    }
    let names = hosts::names(&plan.server_hosts())?;
    let mut plan = plan;
    plan.public_url = public_url(&plan)?;
    let passphrase = match &mut plan.passphrase_file {
        Some(path) => {
            let passphrase = Passphrase::read(path)?;
            // Relative paths in the configuration are relative to it, not to where this command ran.
            let what = "find the passphrase file in";
            let full = absolute(&*path);
            *path = full.map_err(|source| InitError::Io { what, path: path.clone(), source })?;
            passphrase
        }
        None => Passphrase::generate()?,
    };
    let building = directory::Building::beside(&plan.dir)?;
    let made = certificates::make(&plan, names, clock.now()).await?;
    building.write(&plan, &passphrase, &made)?;
    let store = store::create(StoreSettings::new(building.store_dir()?), Arc::clone(&clock)).await?;
    for verdict in store.commit(made.commands()).await? {
        verdict?;
    }
    // The first CRL number is for the root's CRL, which is signed now, before the root's key goes offline.
    let seen = LedgerHead::of(&StoreStatus(store.clone())).await?;
    store.close().await?;
    let numbers = create_crl_numbers(&building.epoch_file(), seen)?;
    let number = numbers.take(1, seen).await?.next().ok_or(CrlNumberError::Exhausted)?;
    let now = clock.now();
    // Backdated for clients whose clocks are behind (ADR 0036), but not before the root's notBefore.
    let this_update = (now - FIRST_CRL_BACKDATE).max(made.root.certificate.validity().not_before());
    let list = RootCrlDraft::new(&made.root.certificate, number, &[], this_update, now)?;
    let list = list.sign(made.root.key.signer()).await?;
    write_root_crl(&building.issuers_dir(), &list)?;
    building.release(&plan.dir)?;
    Ok(Made::new(&plan, &made))
}

/// The public URL of the plan, or the first host of the server with the port of `http_listen`.
fn public_url(plan: &Plan) -> Result<Option<String>, InitError> {
    let url = match (&plan.public_url, plan.hosts.first()) {
        (Some(url), _) => url.clone(),
        (None, Some(host)) => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("http://{host}:{}", plan.http_listen.port())
        }
        (None, None) => return Ok(None),
    };
    check_public_url(&url).map(Some).map_err(|what| InitError::Option { option: "public URL", what })
}

/// Why the command failed. Nothing was changed, except for [`InitError::OnRecord`].
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum InitError {
    #[error("{} exists and is not an empty directory; nothing was changed", path.display())]
    Exists { path: PathBuf },
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the {option} {what}")]
    Option { option: &'static str, what: String },
    #[error(transparent)]
    CrlNumbers(#[from] CrlNumberError),
    #[error(transparent)]
    RootCrl(#[from] RootCrlError),
    #[error("the root's key is needed, and {} cannot be used; --export is for a key that is elsewhere", path.display())]
    RootKey { path: PathBuf, source: IssuersError },
    #[error("{} cannot be {what}", path.display())]
    CeremonyFile { path: PathBuf, what: &'static str, source: std::io::Error },
    #[error(
        "the signature is not the root's over this certificate: sign the very file that --export wrote, with the root's key"
    )]
    NotTheRoots,
    #[error("this is not what --export wrote: it is no certificate for the signer of documents by this root")]
    NoDocumentSigner(#[source] issuance::Refusal),
    #[error(
        "the key that --export made for this certificate is not here: a later import removed it; export again"
    )]
    DocumentKey(#[source] KeyFileError),
    #[error(transparent)]
    DocumentSigner(#[from] DocumentSignerError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    #[error("the certificate of the infrastructure issuer is not the one in the ledger")]
    OtherInstallation,
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    LedgerKey(#[from] LedgerKeyError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("a certificate cannot be made")]
    Refused(#[from] issuance::Refusal),
    /// A bug: a new key is refused.
    #[error("a fresh key is refused")]
    FreshKey(#[from] identity::KeyError),
    #[error("{0}, so nothing is signed")]
    Clock(identity::ClockDoubt),
    #[error(
        "not confirmed: the clock shows {}, and --time says that it is {}",
        utc(*shows),
        utc(*told)
    )]
    OtherTime { shows: SystemTime, told: SystemTime },
    #[error("the ledger cannot be opened; a CA that serves must be stopped first")]
    Ledger(#[from] OpenError),
    #[error("the ledger cannot be written")]
    Store(#[from] StoreError),
    #[error("the certificate {serial_number} is on record, and {} could not be written", path.display())]
    OnRecord { serial_number: SerialNumber, path: PathBuf, source: Box<Self> },
    /// A bug: the ledger refuses a certificate.
    #[error("the ledger refuses what was made")]
    Conflict(#[from] Conflict),
}

/// A time as RFC 3339 in UTC, in seconds.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(crate) fn operator_dir(dir: &Path) -> PathBuf {
    dir.join("operators").join(FIRST_OPERATOR)
}

/// The default of `publication.backdate-seconds`.
const FIRST_CRL_BACKDATE: Duration = Duration::from_secs(300);

const FIRST_OPERATOR: &str = "admin";
const SERVER_NAME: &str = "ca";

#[cfg(test)]
mod tests {
    use std::fs;

    use identity::SystemClock;

    use super::*;

    fn plan(dir: &Path) -> Plan {
        Plan {
            dir: dir.to_owned(),
            organization: "Example 'quoted' \"name\"".to_owned(),
            hosts: vec!["ca.example.com".to_owned()],
            passphrase_file: None,
            enrollment_url: None,
            listen: "127.0.0.1:8443".parse().unwrap(),
            metrics_listen: "127.0.0.1:9443".parse().unwrap(),
            http_listen: "127.0.0.1:8080".parse().unwrap(),
            public_url: None,
        }
    }

    async fn run(plan: Plan) -> Result<Made, InitError> {
        init(plan, Arc::new(SystemClock)).await
    }

    #[tokio::test]
    async fn what_was_made_can_be_configured_and_its_issuers_open() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("deep/ca");
        let made = run(plan(&dir)).await.unwrap();
        let settings = crate::config::Settings::read(&made.config, []).unwrap();
        assert_eq!(settings.organization, "Example 'quoted' \"name\"");
        assert_eq!(settings.blocked_keys.file, Some(dir.join("blocked-keys.txt")));
        assert_eq!(settings.blocked_keys.keys.listed(), 0);
        signer::Issuers::open(&settings.issuers).await.unwrap();
        let names: Vec<_> =
            fs::read_dir(dir.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["ca"]);
    }

    #[tokio::test]
    async fn a_passphrase_file_that_is_named_from_here_is_found_by_the_server() {
        let here = std::env::current_dir().unwrap();
        let parent = tempfile::tempdir_in(&here).unwrap();
        let file = parent.path().join("passphrase.txt");
        Passphrase::generate().unwrap().save(&file).unwrap();
        let named = file.strip_prefix(&here).unwrap().to_owned();
        let plan = Plan { passphrase_file: Some(named), ..plan(&parent.path().join("ca")) };
        let made = run(plan).await.unwrap();
        let settings = crate::config::Settings::read(&made.config, []).unwrap();
        signer::Issuers::open(&settings.issuers).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_overwritten_and_nothing_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ca");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("mine"), "mine").unwrap();
        assert!(matches!(run(plan(&dir)).await, Err(InitError::Exists { .. })));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_made_is_an_error_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ca");
        let first = directory::Building::beside(&dir).unwrap();
        let ledger = StoreSettings::new(first.store_dir().unwrap());
        fs::write(ledger.ledger(), "not a directory").unwrap();
        let refused = store::create(ledger, Arc::new(SystemClock)).await.map(drop);
        assert!(refused.map_err(InitError::from).is_err());
        drop(first);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn an_empty_directory_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        let made = run(plan(parent.path())).await.unwrap();
        assert!(made.config.is_file());
    }
}
