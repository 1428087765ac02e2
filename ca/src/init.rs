//! Makes an installation: root, issuers, server certificate, first operator, ledger and `ca.toml`, all or nothing.

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
    CrlNumberError, CrlNumberFile, Ledger, LedgerHead, RootCrlDraft, RootCrlError, write_root_crl,
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

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where. Must not exist, or be an empty directory.
    pub dir: PathBuf,
    /// `O` in every certificate.
    pub organization: String,
    /// Names and addresses at which the server is reached, besides those of the loopback.
    pub hosts: Vec<String>,
    /// The passphrase for the issuers' keys; `None`: make one and keep it in the directory.
    pub passphrase_file: Option<PathBuf>,
    /// Where devices reach this CA at first boot.
    pub enrollment_url: Option<String>,
    /// Where gRPC will be served.
    pub listen: SocketAddr,
    /// Where metrics and health will be served.
    pub metrics_listen: SocketAddr,
    /// Where lists, status and issuers' certificates will be served.
    pub http_listen: SocketAddr,
    /// How everybody reaches that; `None`: at the first of `hosts`, if there is one.
    pub public_url: Option<String>,
}

impl Plan {
    /// All names and addresses of the server besides those of the loopback: also where devices are sent, and where it listens.
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
    /// In this directory, on the loopback at ports that are free.
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

/// Makes what the plan says. When it returns `Ok` the directory is there, complete and durable; otherwise, also when it is killed,
/// the directory is as it was. What is left beside it after a kill: [`abandoned`].
///
/// `create_store` makes a fresh store in an empty directory. Every certificate is on record before the directory appears (R-CA-07).
///
/// # Errors
/// When the plan cannot be carried out.
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
    // The numbers of lists begin with the one of the root, whose key is here for the last time.
    let seen = LedgerHead::end_of(&Ledger(store.clone())).await?;
    store.close().await?;
    let number = CrlNumberFile::create(&building.epoch_file(), seen)?.take(1, seen)?.next();
    let number = number.ok_or(CrlNumberError::Exhausted)?;
    let now = clock.now();
    // Nobody's clock has to agree with this one to the second (ADR 0036); the root has begun by then.
    let this_update = (now - FIRST_LIST_BACKDATE).max(made.root.certificate.validity().not_before());
    let list = RootCrlDraft::new(&made.root.certificate, number, &[], this_update, now)?;
    let list = list.sign(&made.root.signer).await?;
    write_root_crl(&building.issuers_dir(), &list)?;
    building.release(&plan.dir)?;
    Ok(Made::new(&plan, &made))
}

/// As it was asked for, or the first name of the server with the port of the lists.
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

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is something already.
    #[error("{} exists and is not an empty directory; nothing was changed", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The directory cannot be made.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The name cannot be in a certificate.
    #[error("the organization {what}")]
    Organization {
        /// What is wrong with it.
        what: String,
    },
    /// Devices cannot use it.
    #[error("the enrollment URL {what}")]
    EnrollmentUrl {
        /// What is wrong with it.
        what: String,
    },
    /// It cannot be in a certificate.
    #[error("the public URL {what}")]
    PublicUrl {
        /// What is wrong with it.
        what: String,
    },
    /// The numbers of lists cannot be begun.
    #[error(transparent)]
    CrlNumbers(#[from] CrlNumberError),
    /// The root's list cannot be made.
    #[error(transparent)]
    RootCrl(#[from] RootCrlError),
    /// The root's key is not here.
    #[error("the root's key is needed, and {} cannot be used; --export is for a key that is elsewhere", path.display())]
    RootKey {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: IssuersError,
    },
    /// What goes to the root's key or comes from it.
    #[error("{} cannot be {what}", path.display())]
    RootCrlFile {
        /// Which file.
        path: PathBuf,
        /// What shall be done with it.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A server cannot have this name.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The passphrase cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The issuers cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// Keys and ledger are of two installations.
    #[error("the certificate of the infrastructure issuer is not the one in the ledger")]
    OtherInstallation,
    /// A key cannot be made or written.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A key does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A certificate would break a rule.
    #[error("a certificate cannot be made")]
    Refused(#[from] issuance::Refusal),
    /// A key of ours is refused: a bug.
    #[error("a fresh key is refused")]
    FreshKey(#[from] identity::KeyError),
    /// What is to be signed would carry a wrong time.
    #[error("{0}, so nothing is signed")]
    Clock(identity::ClockDoubt),
    /// Who confirms the time says another time.
    #[error(
        "not confirmed: the clock shows {}, and --time says that it is {}",
        utc(*shows),
        utc(*told)
    )]
    OtherTime {
        /// What the clock shows.
        shows: SystemTime,
        /// What was said.
        told: SystemTime,
    },
    /// The ledger cannot be made or opened.
    #[error("the ledger cannot be opened; a CA that serves must be stopped first")]
    Ledger(#[from] OpenError),
    /// The ledger cannot be written.
    #[error("the ledger cannot be written")]
    Store(#[from] StoreError),
    /// The certificate is on record, and its holder does not have it.
    #[error("the certificate {serial_number} is on record, and {} could not be written", path.display())]
    OnRecord {
        /// The certificate.
        serial_number: SerialNumber,
        /// The credential directory.
        path: PathBuf,
        /// Why not.
        source: Box<Self>,
    },
    /// The ledger refuses a certificate: a bug.
    #[error("the ledger refuses what was made")]
    Conflict(#[from] Conflict),
}

/// A time for people, in UTC and whole seconds.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Below `dir`, by what it is.
pub(crate) fn operator_dir(dir: &Path) -> PathBuf {
    dir.join("operators").join(FIRST_OPERATOR)
}

/// The default of `publication.backdate-seconds`.
const FIRST_LIST_BACKDATE: Duration = Duration::from_secs(300);

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
        let refused =
            init(plan(&dir), Arc::new(SystemClock), async |_| Err(OpenError::Missing { path: dir.clone() }))
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
