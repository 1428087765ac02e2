//! The limits of a run in words: how long anything on a link is waited for.

use std::fmt::Write;
use std::time::Duration;

use humantime::format_duration;

use super::Job;
use crate::config::Settings;
use crate::link::damage_pause;

/// The lines behind the description of a run, each with a line break before it.
pub(super) fn text(settings: &Settings, job: &Job) -> String {
    let (limits, link) = (&settings.link_limits, &settings.limits);
    let mut text = format!(
        "\nlimits        link open in {}, frame taken in {}, answer in {}, request sent {} times at most,\n\
         \x20             {} after a damaged frame, {} bytes without a frame, CA {}",
        format_duration(limits.connect),
        format_duration(limits.write),
        format_duration(link.answer_timeout),
        link.sends_max,
        format_duration(round(damage_pause(job.link.speed()))),
        limits.noise_bytes_max,
        format_duration(settings.ca_patience),
    );
    let Some(speed) = job.link.speed() else { return text };
    write!(
        text,
        "\nserial line   {speed} baud: 1,000 bytes take {}, which is added to the limits; a slot waits {} for its port",
        format_duration(round(speed.time_for(1_000))),
        format_duration(limits.port_patience),
    )
    .ok();
    let missing = job.link.missing_ports(job.slots, &limits.device_root);
    if !missing.is_empty() {
        let names: Vec<String> =
            missing.iter().take(NAMES_MAX).map(|(slot, name)| format!("slot {slot}: {name}")).collect();
        let more = if missing.len() > NAMES_MAX { ", …" } else { "" };
        let (away, slots) = (missing.len(), job.slots);
        write!(text, "\nports away    {away} of {slots}: {}{more}", names.join(", ")).ok();
    }
    text
}

/// To whole milliseconds, as people read them.
fn round(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// So many names fit on a few lines of a terminal.
const NAMES_MAX: usize = 8;
