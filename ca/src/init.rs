//! Creates an installation: root, issuers, server certificate, first operator, ledger and `ca.toml`, all or
//! nothing.

mod certificates;
mod confirmed_time;
mod credential;
mod directory;
mod hosts;
mod restored;
mod root_crl;
mod texts;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{Clock, HostError, SerialNumber};
use ledger::Conflict;
use publication::{
    CrlNumberError, CrlNumberFile, LedgerHead, RootCrlDraft, RootCrlError, StoreStatus, write_root_crl,
};
use signer::{IssuersError, KeyFileError, Passphrase, PassphraseError, SignerError};
use store::{OpenError, Store, StoreError};

use crate::config::{check_enrollment_url, check_organization, check_public_url};

pub use confirmed_time::{ConfirmedTime, confirm_time};
pub use credential::{Holder, credential};
pub use directory::abandoned;
pub use hosts::parse_host;
pub use restored::{accept_restored_store, lacks_something};
pub use root_crl::{Elsewhere, export_root_crl, import_root_crl, renew_root_crl};
pub use texts::{Made, MadeCertificate};

/// The installation to create.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its directory, which must not exist or be empty.
    pub dir: PathBuf,
    /// `O` in every certificate.
    pub organization: String,
    /// Names and addresses of the server, besides those of the loopback.
    pub hosts: Vec<String>,
    /// File with the passphrase for the issuers' keys; `None`: a new one is generated and kept in the
    /// directory.
    pub passphrase_file: Option<PathBuf>,
    /// The URL at which devices reach this CA at first boot.
    pub enrollment_url: Option<String>,
    /// Address of gRPC.
    pub listen: SocketAddr,
    /// Address of metrics and health.
    pub metrics_listen: SocketAddr,
    /// Address of CRLs, OCSP and issuers' certificates.
    pub http_listen: SocketAddr,
    /// The URL of that address, for certificates; `None`: from the first of `hosts`, if there is one.
    pub public_url: Option<String>,
}

impl Plan {
    /// All names and addresses of the server besides those of the loopback, with those of `enrollment_url`
    /// and `listen`.
    fn server_hosts(&self) -> Vec<String> {
        let listen = Some(self.listen.ip()).filter(|address| !address.is_unspecified());
        let enrollment = self.enrollment_url.as_deref().and_then(hosts::host_of);
        self.hosts
            .iter()
            .cloned()
            .chain(enrollment)
            .chain(listen.map(|address| address.to_string()))
            .collect()
    }
}

#[cfg(test)]
impl Plan {
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
///
/// `create_store` creates a store in an empty directory. Every certificate is on record before the directory
/// appears (R-CA-07).
///
/// # Errors
/// When the installation cannot be created.
pub async fn init(
    plan: Plan,
    clock: Arc<dyn Clock>,
    create_store: impl AsyncFnOnce(&Path) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<Made, InitError> {
    check_organization(&plan.organization).map_err(|what| InitError::Organization { what })?;
    if let Some(url) = &plan.enrollment_url {
        check_enrollment_url(url).map_err(|what| InitError::EnrollmentUrl { what })?;
    }
    let names = hosts::names(&plan.server_hosts())?;
    let mut plan = plan;
    plan.public_url = public_url(&plan)?;
    let passphrase = match &plan.passphrase_file {
        Some(path) => Passphrase::read(path)?,
        None => Passphrase::generate()?,
    };
    let building = directory::Building::beside(&plan.dir)?;
    let made = certificates::make(&plan, names, clock.now()).await?;
    building.write(&plan, &passphrase, &made)?;
    let store = create_store(&building.store_dir()?).await?;
    for verdict in store.commit(made.commands()).await? {
        verdict?;
    }
    // The first CRL number is for the root's CRL, which is signed now, before the root's key goes offline.
    let seen = LedgerHead::of(&StoreStatus(store.clone())).await?;
    store.close().await?;
    let number = CrlNumberFile::create(&building.epoch_file(), seen)?.take_now(1, seen)?.next();
    let number = number.ok_or(CrlNumberError::Exhausted)?;
    let now = clock.now();
    // Backdated for clients whose clocks are behind (ADR 0036), but not before the root's notBefore.
    let this_update = (now - FIRST_CRL_BACKDATE).max(made.root.certificate.validity().not_before());
    let list = RootCrlDraft::new(&made.root.certificate, number, &[], this_update, now)?;
    let list = list.sign(&made.root.signer).await?;
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
    check_public_url(&url).map(Some).map_err(|what| InitError::PublicUrl { what })
}

/// Why the command failed. Nothing was changed, except for [`InitError::OnRecord`].
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The directory is in use.
    #[error("{} exists and is not an empty directory; nothing was changed", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// Its file or directory.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The organization cannot be in a certificate.
    #[error("the organization {what}")]
    Organization {
        /// What is wrong with it.
        what: String,
    },
    /// The enrollment URL is not valid.
    #[error("the enrollment URL {what}")]
    EnrollmentUrl {
        /// What is wrong with it.
        what: String,
    },
    /// The public URL is not valid.
    #[error("the public URL {what}")]
    PublicUrl {
        /// What is wrong with it.
        what: String,
    },
    /// There is no CRL number.
    #[error(transparent)]
    CrlNumbers(#[from] CrlNumberError),
    /// The root's CRL cannot be made.
    #[error(transparent)]
    RootCrl(#[from] RootCrlError),
    /// The root's key cannot be used.
    #[error("the root's key is needed, and {} cannot be used; --export is for a key that is elsewhere", path.display())]
    RootKey {
        /// The key's file.
        path: PathBuf,
        /// The error of the key file.
        source: IssuersError,
    },
    /// An exported or imported file cannot be used.
    #[error("{} cannot be {what}", path.display())]
    RootCrlFile {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A host cannot be in the server's certificate.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The passphrase cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The issuers cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// Keys and ledger are not of one installation.
    #[error("the certificate of the infrastructure issuer is not the one in the ledger")]
    OtherInstallation,
    /// A key cannot be made or written.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A key cannot sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A certificate would break a rule.
    #[error("a certificate cannot be made")]
    Refused(#[from] issuance::Refusal),
    /// A bug: a new key is refused.
    #[error("a fresh key is refused")]
    FreshKey(#[from] identity::KeyError),
    /// The clock is in doubt.
    #[error("{0}, so nothing is signed")]
    Clock(identity::ClockDoubt),
    /// The confirmed time is not the one of the clock.
    #[error(
        "not confirmed: the clock shows {}, and --time says that it is {}",
        utc(*shows),
        utc(*told)
    )]
    OtherTime {
        /// The time of the clock.
        shows: SystemTime,
        /// The time of `--time`.
        told: SystemTime,
    },
    /// The ledger cannot be made or opened.
    #[error("the ledger cannot be opened; a CA that serves must be stopped first")]
    Ledger(#[from] OpenError),
    /// The ledger cannot be written.
    #[error("the ledger cannot be written")]
    Store(#[from] StoreError),
    /// The certificate is on record, and its files could not be written.
    #[error("the certificate {serial_number} is on record, and {} could not be written", path.display())]
    OnRecord {
        /// The serial number of the certificate.
        serial_number: SerialNumber,
        /// The credential directory.
        path: PathBuf,
        /// The error of the file.
        source: Box<Self>,
    },
    /// A bug: the ledger refuses a certificate.
    #[error("the ledger refuses what was made")]
    Conflict(#[from] Conflict),
}

/// A time as RFC 3339 in UTC, in seconds.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The credential directory of the first operator.
pub(crate) fn operator_dir(dir: &Path) -> PathBuf {
    dir.join("operators").join(FIRST_OPERATOR)
}

/// The default of `publication.backdate-seconds`.
const FIRST_CRL_BACKDATE: Duration = Duration::from_secs(300);

/// The name of the first operator.
const FIRST_OPERATOR: &str = "admin";

/// The name of the server.
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
        let clock = Arc::new(SystemClock);
        let create =
            async |dir: &Path| store::create(store::StoreSettings::new(dir.to_owned()), clock.clone()).await;
        init(plan, clock.clone(), create).await
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
    async fn when_the_ledger_fails_nothing_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ca");
        let refused = init(plan(&dir), Arc::new(SystemClock), async |_| {
            Err(OpenError::Missing(dir.display().to_string()))
        })
        .await;
        assert!(matches!(refused, Err(InitError::Ledger(_))));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn an_empty_directory_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        let made = run(plan(parent.path())).await.unwrap();
        assert!(made.config.is_file());
    }
}
