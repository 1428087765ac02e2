//! Waiting with a deadline, never for luck.

use std::future::Future;
use std::time::{Duration, Instant};

/// The future's outcome, or a failed test that says what did not happen in time.
pub async fn within<T>(deadline: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(deadline, future).await.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"))
}

/// Asks again and again until the answer is `Some`, or fails the test.
pub async fn eventually<T, F>(deadline: Duration, what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// How often it is asked again.
const POLL: Duration = Duration::from_millis(20);
