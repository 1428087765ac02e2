//! Opens and starts publication: CRLs, the OCSP responder, and the root's CRL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use authority::{Authority, Refused};
use identity::{Clock, IssuerName};
use ledger::Conflict;
use publication::{
    CrlDirectory, OcspResponder, Publication, PublicationStorage, Publisher, StatusSource, StoreStatus,
    read_root_crl,
};
use signer::Issuers;
use store::OnlyProcess;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::OpenError;
use super::tasks::Tasks;
use crate::config::Settings;
use crate::grpc::reason;
use crate::http::HttpListener;
use crate::http::metrics::Metrics;
use crate::http::public::{CONNECTIONS_MAX, CompromiseRefused, CompromiseReport, PublicHttp};
use crate::ledger::Checkpoints;
use crate::open::serving_crl_numbers;

/// Publication, opened.
pub(super) struct Publishing {
    pub(super) publication: Arc<Publication>,
    pub(super) ocsp: Arc<OcspResponder<Authority>>,
    publisher: Publisher,
    authority: Arc<Authority>,
    checkpoints: Option<Arc<Checkpoints>>,
    clock: Arc<dyn Clock>,
}

impl Publishing {
    /// Opens publication.
    pub(super) async fn open(
        settings: &Settings,
        address: SocketAddr,
        authority: &Arc<Authority>,
        issuers: &Issuers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let source: Arc<dyn StatusSource> = Arc::new(StoreStatus(authority.store().clone()));
        let numbers = serving_crl_numbers(&settings.publication, source.as_ref()).await?;
        if numbers.ledger_was_restored() {
            authority.ledger_was_restored();
        }
        let publication = Arc::new(Publication::new(issuers));
        match read_root_crl(&settings.issuers.dir, issuers.certificate(IssuerName::Root)) {
            Ok(crl) => {
                warn_of_end(crl.meta.next_update, clock.now());
                publication.publish(crl);
            }
            Err(why) => {
                let why: &dyn std::error::Error = &why;
                error!(why, "the root's CRL is not published; clients that check whole chains need it");
            }
        }
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let storage = PublicationStorage {
            numbers,
            crls: Arc::new(CrlDirectory::new(&settings.publication.dir)),
            chores: Arc::new(OnlyProcess),
        };
        let (shared, by) = (Arc::clone(&publication), issuers.clone());
        let publisher = Publisher::open(storage, Arc::clone(&source), by, shared, url, Arc::clone(&clock));
        let backdate = settings.publication.backdate;
        let publisher = publisher.await?.backdated(backdate);
        let ocsp = OcspResponder::new(source, Arc::clone(authority), issuers, Arc::clone(&clock));
        let ocsp = Arc::new(ocsp.backdated(backdate));
        let authority = Arc::clone(authority);
        Ok(Self { publication, ocsp, publisher, authority, checkpoints: None, clock })
    }

    /// Serves the ledger's checkpoints, too.
    pub(super) fn with_checkpoints(self, checkpoints: Option<Arc<Checkpoints>>) -> Self {
        Self { checkpoints, ..self }
    }

    /// Publishes until `stop`. Returns after the first round, or [`FIRST_ROUND_WAIT`]: stations wait.
    pub(super) async fn start(
        self,
        listener: TcpListener,
        metrics: Arc<Metrics>,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) {
        let public = PublicHttp::new(self.publication, self.ocsp, report(self.authority), self.clock);
        let public = public.with_checkpoints(self.checkpoints);
        let listener = HttpListener::new(listener, CONNECTIONS_MAX, metrics);
        tasks.spawn_required("public listener", listener.serve(Arc::new(public), stop.clone()));
        let (done, first) = tokio::sync::oneshot::channel();
        let mut publisher = self.publisher;
        // Not in the rounds of the publisher, which can take long or fail.
        tasks.spawn_required("ledger head recorder", publisher.ledger_head().run(stop.clone()));
        tasks.spawn_required("publisher", async move {
            if let Err(why) = publisher.round().await {
                let why: &dyn std::error::Error = &why;
                error!(why, "CRLs cannot be published; trying again");
            }
            done.send(()).ok();
            publisher.run(stop).await;
        });
        tokio::time::timeout(FIRST_ROUND_WAIT, first).await.ok();
    }
}

/// Hands proofs of key compromise to the authority.
fn report(authority: Arc<Authority>) -> CompromiseReport {
    Arc::new(move |proof| {
        let authority = Arc::clone(&authority);
        Box::pin(async move {
            let revoked = authority.key_compromised(&proof).await.map_err(|refused| {
                let reason = reason(&refused).as_str_name();
                authority.report("KeyCompromise", None, &refused, reason);
                match refused {
                    Refused::Csr(_) | Refused::Request { .. } => CompromiseRefused::NoProof(reason),
                    Refused::Ledger(Conflict::IssuerNotRevocable) => CompromiseRefused::OfAnIssuer,
                    _ => CompromiseRefused::Unavailable,
                }
            })?;
            revoked.ok_or(CompromiseRefused::UnknownKey)
        })
    })
}

fn warn_of_end(next_update: SystemTime, now: SystemTime) {
    let left = next_update.duration_since(now).unwrap_or_default();
    if left < ROOT_CRL_WARNING {
        let days = left.as_secs() / (24 * 60 * 60);
        warn!(days_left = days, "the root's CRL ends soon: touchmark-ca root-crl makes the next one");
    }
}

const FIRST_ROUND_WAIT: Duration = Duration::from_secs(1);

/// How long before its end the root's CRL is warned of: the root's key must be fetched.
const ROOT_CRL_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
