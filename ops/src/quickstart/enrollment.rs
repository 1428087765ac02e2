//! First boot: every device asks for its operational certificate, in a process of its own.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};

use super::place::Place;
use super::programs::{Programs, command, succeed};
use super::report::Pace;
use crate::failure::Failure;

/// Enrols all devices, a few at a time.
///
/// # Errors
/// When one fails, with the end of its log.
pub(crate) async fn enroll_all(
    programs: &Programs,
    place: &Place,
    serials: &[String],
) -> Result<Pace, Failure> {
    let started = Instant::now();
    stream::iter(serials)
        .map(|serial| async move {
            let log = place.logs().join(format!("{serial}.log"));
            let mut enroll = command(&programs.agent, &log)?;
            enroll.arg("enroll").arg("--state").arg(place.devices().join(serial));
            succeed(&mut enroll, &log, ENROLLED_WITHIN).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(Pace::from(started.elapsed()))
}

/// A few devices are switched on at a time.
const AT_ONCE: usize = 4;

/// Longer than any retry of an agent that finds its CA.
const ENROLLED_WITHIN: Duration = Duration::from_secs(120);
