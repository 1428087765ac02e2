//! One call for the doctor: how long it takes, and what time the server has.

use std::time::{Duration, SystemTime};

use proto::v1;
use tokio::time::{Instant, timeout};
use tonic::metadata::MetadataMap;

use super::patience::CALL_TIMEOUT;
use super::refusal::{Reaction, react};
use super::{Ca, CaError};
use crate::wire::time;

/// What one call found.
#[derive(Debug)]
pub(crate) struct Look {
    /// With the connection, if there was none.
    pub(crate) took: Duration,
    /// The CA's time; in whole seconds, if it refused.
    pub(crate) server_time: Option<SystemTime>,
    pub(crate) answer: Result<v1::GetWorkOrderResponse, CaError>,
}

impl Ca {
    /// Asks for a work order, once.
    pub(crate) async fn look(&self, work_order: &str) -> Look {
        let request = v1::GetWorkOrderRequest { work_order: work_order.to_owned() };
        let mut client = self.client.clone();
        let begun = Instant::now();
        let answered = timeout(CALL_TIMEOUT, client.get_work_order(request)).await;
        let took = begun.elapsed();
        let (server_time, answer) = match answered {
            Ok(Ok(response)) => {
                let answer = response.into_inner();
                (answer.now.as_ref().map(time), Ok(answer))
            }
            Ok(Err(status)) => (
                date(status.metadata()),
                Err(match react(&status) {
                    Reaction::Retry { detail, .. } => CaError::Unreachable(detail),
                    Reaction::Refused(refusal) => CaError::Refused(refusal),
                }),
            ),
            Err(_) => {
                (None, Err(CaError::Unreachable(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))))
            }
        };
        Look { took, server_time, answer }
    }
}

fn date(metadata: &MetadataMap) -> Option<SystemTime> {
    httpdate::parse_http_date(metadata.get("date")?.to_str().ok()?).ok()
}
