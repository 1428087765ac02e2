//! One call, repeated until the CA answers or `ca-patience-s` is over.

use std::future::Future;
use std::time::Duration;

use backon::Retryable;
use dial::FullJitter;
use tokio::time::Instant;
use tonic::{Response, Status};

use super::refusal::{Reaction, react};
use super::{Ca, CaError, Client};

impl Ca {
    /// Calls the CA until it answers or the patience is over. The CA acts on a repeated call once.
    pub(super) async fn call<Q: Clone, T, F>(
        &self,
        request: Q,
        call: impl Fn(Client, Q) -> F,
    ) -> Result<T, CaError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        if self.is_away() {
            return Err(CaError::Unreachable("the line works without it until it answers again".into()));
        }
        let answer = self.until_answered(request, call).await;
        if self.goes_away && matches!(answer, Err(CaError::Unreachable(_))) {
            self.leave();
        }
        answer
    }

    async fn until_answered<Q: Clone, T, F>(
        &self,
        request: Q,
        call: impl Fn(Client, Q) -> F,
    ) -> Result<T, CaError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let attempt = || async {
            let begun = Instant::now();
            let answered =
                match tokio::time::timeout(CALL_TIMEOUT, call(self.client.clone(), request.clone())).await {
                    Ok(Ok(response)) => {
                        self.outage.end();
                        Ok(response.into_inner())
                    }
                    Ok(Err(status)) => Err(react(&status)),
                    Err(_) => Err(Reaction::Retry {
                        detail: format!("no answer within {} s", CALL_TIMEOUT.as_secs()),
                        after: None,
                    }),
                };
            self.count(begun.elapsed(), !matches!(answered, Err(Reaction::Retry { .. })));
            answered
        };
        let until = Instant::now() + self.patience;
        attempt
            .retry(FullJitter::new(rand::make_rng(), PAUSE_FIRST_MAX, PAUSE_MAX))
            .when(|reaction| matches!(reaction, Reaction::Retry { .. }))
            .adjust(|reaction, delay| {
                let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
                // Another call has waited long enough.
                if self.is_away() {
                    return None;
                }
                match reaction {
                    // The CA is asked a last time when the patience ends.
                    Reaction::Retry { after: Some(after), .. } => Some(delay?.max(*after).min(left)),
                    _ => Some(delay?.min(left)),
                }
            })
            .notify(|reaction, delay| {
                if let Reaction::Retry { detail, .. } = reaction {
                    if self.outage.goes_on(detail, self.patience)
                        && let Some(figures) = &self.figures
                    {
                        figures.outages.inc();
                    }
                    tracing::debug!(detail, ?delay, "asking the CA again");
                }
            })
            .await
            .map_err(|reaction| match reaction {
                Reaction::Retry { detail, .. } => CaError::Unreachable(detail),
                Reaction::Refused(refusal) => CaError::Refused(refusal),
            })
    }

    fn count(&self, took: Duration, is_answered: bool) {
        let Some(figures) = &self.figures else { return };
        if is_answered {
            figures.answered.observe(took.as_secs_f64());
        } else {
            figures.unanswered.inc();
        }
        figures.reachable.set(i64::from(is_answered));
    }
}

/// Bound of the first pause: a CA that restarts is back within a second.
const PAUSE_FIRST_MAX: Duration = Duration::from_millis(250);

/// Bound of every later pause: a line should go on soon after the CA is back.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// For one answer. The CA answers in milliseconds, and reports a full disk or a slow key itself.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
