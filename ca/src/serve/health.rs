//! Whether the CA can do its work, for those who watch it.

use std::time::Duration;

use proto::v1::enrollment_service_server::SERVICE_NAME as ENROLLMENT;
use proto::v1::lifecycle_service_server::SERVICE_NAME as LIFECYCLE;
use proto::v1::principal_service_server::SERVICE_NAME as PRINCIPALS;
use proto::v1::provisioning_service_server::SERVICE_NAME as PROVISIONING;
use proto::v1::work_order_service_server::SERVICE_NAME as WORK_ORDERS;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::ends;
use crate::authority::Authority;
use crate::http::Readiness;
use crate::store::Store;

/// `grpc.health.v1` and reflection.
pub(super) struct Health {
    reporter: HealthReporter,
    readiness: Readiness,
    routes: Routes,
}

impl Health {
    pub(super) fn new(readiness: Readiness) -> Self {
        let (reporter, service) = health_reporter();
        Self { reporter, readiness, routes: Routes::new(service) }
    }

    /// Both services.
    pub(super) fn routes(&self) -> Result<Routes, tonic_reflection::server::Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        Ok(self.routes.clone().add_service(reflection))
    }

    /// Tells those who watch, until it is dropped.
    pub(super) async fn report(self, stop: CancellationToken) {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let status = match (self.readiness)() {
                Ok(()) => ServingStatus::Serving,
                Err(_) => ServingStatus::NotServing,
            };
            for service in ["", ENROLLMENT, LIFECYCLE, PRINCIPALS, PROVISIONING, WORK_ORDERS] {
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

/// Whether certificates can be issued, and callers trust the server; if not, why. Stops the CA when the store can record nothing more: a supervisor starts it again.
pub(super) fn readiness<S: Store>(authority: &Authority<S>, stop: &CancellationToken) -> Result<(), String> {
    if authority.store().vitals().stopped {
        stop.cancel();
        return Err("the store can record nothing more".to_owned());
    }
    if stop.is_cancelled() {
        return Err("stopping".to_owned());
    }
    if let Some(doubt) = authority.clock_doubt() {
        return Err(format!("{doubt}: put the clock right, or confirm it with touchmark-ca confirm-time"));
    }
    ends::ended(&authority.ends(), authority.now())?;
    Ok(())
}

/// How soon a change is told.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
