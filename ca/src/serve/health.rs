//! Readiness, and gRPC health (`grpc.health.v1`).

use std::sync::Arc;
use std::time::Duration;

use authority::Authority;
use prost::Message;
use publication::Publication;
use store::Store;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::expiry;
use super::tasks::{Fault, TaskState};
use crate::http::Readiness;

#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    readiness: Readiness,
    routes: Routes,
    /// The names of our services, and the empty name for the server as a whole.
    services: Vec<String>,
}

impl Health {
    /// Health of all services in our file descriptors.
    pub(super) fn new(readiness: Readiness) -> Result<Self, prost::DecodeError> {
        let (reporter, service) = health_reporter();
        Ok(Self { reporter, readiness, routes: Routes::new(service), services: services()? })
    }

    pub(super) fn routes(&self) -> Result<Routes, tonic_reflection::server::Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        Ok(self.routes.clone().add_service(reflection))
    }

    /// Publishes the status until `stop`, and once more then.
    pub(super) async fn report(self, stop: CancellationToken) {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let status = match (self.readiness)() {
                Ok(()) => ServingStatus::Serving,
                Err(_) => ServingStatus::NotServing,
            };
            for service in &self.services {
                self.reporter.set_service_status(service, status).await;
            }
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

fn services() -> Result<Vec<String>, prost::DecodeError> {
    let files = prost_types::FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET)?.file;
    let named = files
        .iter()
        .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())));
    Ok(std::iter::once(String::new()).chain(named).collect())
}

/// Ends the CA when the store can record nothing more: its supervisor starts it again.
pub(super) async fn watch_store(store: Arc<dyn Store>, tasks: Arc<TaskState>, stop: CancellationToken) {
    while !store.metrics().stopped {
        tokio::select! {
            () = tokio::time::sleep(REPORT_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
    tasks.fail(STORE, "can record nothing more");
    stop.cancelled().await;
}

/// Whether the CA can issue certificates and clients trust its server; the error says why not.
pub(super) fn readiness(
    authority: &Authority,
    publication: &Publication,
    tasks: &TaskState,
    stop: &CancellationToken,
) -> Result<(), String> {
    let metrics = authority.store().metrics();
    if metrics.stopped {
        return Err(format!("{STORE} can record nothing more"));
    }
    if let Some(Fault { task, how }) = tasks.fault() {
        return Err(format!("{task} {how}"));
    }
    if metrics.log.disk_full {
        return Err("the disk that holds the ledger is full".to_owned());
    }
    if stop.is_cancelled() {
        return Err("stopping".to_owned());
    }
    if let Some(doubt) = authority.clock_doubt() {
        return Err(format!("{doubt}: put the clock right, or confirm it with touchmark-ca confirm-time"));
    }
    if publication.lag() > CRL_LAG_MAX {
        return Err(
            "the CRLs are behind the ledger: revocations are on record and not published; see the log"
                .to_owned(),
        );
    }
    expiry::ended(&authority.ends(), authority.now())?;
    Ok(())
}

const STORE: &str = "the store";

/// How long publication may fail before the CA is not ready: a few attempts.
const CRL_LAG_MAX: Duration = Duration::from_secs(3);

/// How soon a change is published.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_of_every_service_of_ours() {
        let services = services().unwrap();
        for service in ["", "touchmark.v1.RevocationService", "touchmark.v1.EnrollmentService"] {
            assert!(services.iter().any(|known| known == service), "{service:?} is not in {services:?}");
        }
    }
}
