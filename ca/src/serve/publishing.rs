//! Opens publication: numbers, lists, answers, and the root's list.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use authority::{Authority, Refused};
use identity::{Clock, IssuerName};
use ledger::Conflict;
use publication::{
    CrlNumberFile, Ledger, OcspResponder, Publication, Publisher, StatusSource, read_root_crl,
};
use signer::Issuers;
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

/// What everybody is told.
pub(super) struct Publishing {
    pub(super) publication: Arc<Publication>,
    pub(super) answers: Arc<OcspResponder<Authority>>,
    publisher: Publisher,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
}

impl Publishing {
    /// Opens it. Nobody serves over a ledger that is older than what was published.
    pub(super) async fn open(
        settings: &Settings,
        address: SocketAddr,
        authority: &Arc<Authority>,
        issuers: &Issuers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let source: Arc<dyn StatusSource> = Arc::new(Ledger(authority.store().clone()));
        let numbers = CrlNumberFile::open(&settings.publication.epoch_file, source.as_ref()).await?;
        if numbers.ledger_was_restored() {
            authority.ledger_was_restored();
        }
        let publication = Arc::new(Publication::new(issuers));
        match read_root_crl(&settings.issuers.dir, issuers.certificate(IssuerName::Root)) {
            Ok(list) => {
                warn_of_end(list.next_update, clock.now());
                publication.publish_root_crl(list);
            }
            Err(why) => {
                let why: &dyn std::error::Error = &why;
                error!(why, "the root's CRL is not published; who checks whole chains needs it");
            }
        }
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let publisher = Publisher::open(
            &settings.publication.dir,
            Arc::clone(&source),
            issuers.clone(),
            numbers,
            Arc::clone(&publication),
            url,
            Arc::clone(&clock),
        );
        let backdate = settings.publication.backdate;
        let publisher = publisher.await?.backdated(backdate);
        let answers = OcspResponder::new(source, Arc::clone(authority), issuers, Arc::clone(&clock));
        let answers = Arc::new(answers.backdated(backdate));
        Ok(Self { publication, answers, publisher, authority: Arc::clone(authority), clock })
    }

    /// Publishes and answers until `stop`. Returns when what is due now is published, or after a while: a million entries take longer than
    /// anybody should wait for a station to be answered.
    pub(super) async fn start(
        self,
        listener: TcpListener,
        metrics: Arc<Metrics>,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) {
        let public = PublicHttp::new(self.publication, self.answers, report(self.authority), self.clock);
        let listener = HttpListener::new(listener, CONNECTIONS_MAX, metrics);
        tasks.need("public listener", listener.serve(Arc::new(public), stop.clone()));
        let (done, first) = tokio::sync::oneshot::channel();
        let mut publisher = self.publisher;
        // Beside the publisher and not in its rounds: they can take long, fail, or have nothing to do.
        tasks.need("note of the ledger's end", publisher.ledger_head().run(stop.clone()));
        tasks.need("publisher", async move {
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

/// Proofs of compromise go to the authority.
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
    if left < ROOT_LIST_WARNING {
        let days = left.as_secs() / (24 * 60 * 60);
        warn!(days_left = days, "the root's CRL ends soon: touchmark-ca root-crl makes the next one");
    }
}

/// How long callers wait at a start for the first lists.
const FIRST_ROUND_WAIT: Duration = Duration::from_secs(1);

/// Somebody must fetch the root's key.
const ROOT_LIST_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);
