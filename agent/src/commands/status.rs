//! `touchmark-agent status`.

use agent::arguments;
use agent::certificate::Certificate;
use agent::state::{Parent, RenewalStep, Storage, View};
use agent::status::{Standing, Status};
use agent::text::rfc3339;
use identity::SystemClock;
use serde_json::json;

use super::print;

pub(crate) fn run(arguments: &arguments::Status, storage: &Storage) -> anyhow::Result<cli::Status> {
    let status = Status::read(&View::read(&arguments.state, storage)?, &SystemClock)?;
    if arguments.json {
        let certificate = |certificate: &Option<Certificate>| {
            certificate.as_ref().map(|certificate| {
                json!({
                    "serial_number": hex::encode(&certificate.serial_number),
                    "not_before": rfc3339(certificate.not_before),
                    "not_after": rfc3339(certificate.not_after),
                })
            })
        };
        let status = json!({
            "device": status.device.as_ref().map(ToString::to_string),
            "standing": status.standing.as_str(),
            "idevid": certificate(&status.birth),
            "ldevid": certificate(&status.operational),
            "days_left": status.days_left(),
            "renewal": {
                "step": step(&status),
                "at": status.renewal_at.map(rfc3339),
                "reason": status.renewal_info.as_ref().map(|renewal_info| &renewal_info.reason),
                "explanation": status.renewal_info.as_ref().map(|renewal_info| &renewal_info.explanation),
                "asked_at": status.renewal_info.as_ref().map(|renewal_info| rfc3339(renewal_info.asked_at)),
            },
            "applications_told": !status.notification_pending,
            "server": status.enrollment_url,
            "clock_is_behind": status.clock_is_behind,
            "next_action": status.next_action(),
        });
        print(&format!("{status}\n"))?;
    } else {
        print(&text(&status))?;
    }
    Ok(if status.standing == Standing::Enrolled { cli::Status::Done } else { cli::Status::NotGood })
}

/// The step of a renewal, for scripts.
fn step(status: &Status) -> &'static str {
    match status.renewal {
        None => "none",
        Some((Parent::Operational, RenewalStep::Begun)) => "asking with the LDevID",
        Some((Parent::Birth, RenewalStep::Begun)) => "asking with the IDevID",
        Some((_, RenewalStep::Installed)) => "taking into use",
    }
}

fn text(status: &Status) -> String {
    let device = status.device.as_ref().map_or_else(|| "not named yet".to_owned(), ToString::to_string);
    let certificate = |certificate: &Option<Certificate>, days: Option<u64>| match certificate {
        None => "none".to_owned(),
        Some(certificate) => {
            let left = days.map(|days| format!(" ({days} days left)")).unwrap_or_default();
            format!(
                "{}, {} to {}{left}",
                hex::encode(&certificate.serial_number),
                rfc3339(certificate.not_before),
                rfc3339(certificate.not_after),
            )
        }
    };
    let mut lines = vec![
        ("device", device),
        ("standing", status.standing.as_str().to_owned()),
        ("IDevID", certificate(&status.birth, None)),
        ("LDevID", certificate(&status.operational, status.days_left())),
        ("server", status.enrollment_url.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    if let Some(at) = status.renewal_at {
        let why = match &status.renewal_info {
            Some(renewal_info) => {
                format!("{}, as the CA said at {}", super::why(renewal_info), rfc3339(renewal_info.asked_at))
            }
            None => " (by its life alone: the CA has given no time for it)".to_owned(),
        };
        let overdue = if at <= status.now { "due since " } else { "" };
        lines.push(("renewal", format!("{overdue}{}{why}", rfc3339(at))));
    }
    if status.renewal.is_some() {
        lines.push(("step", step(status).to_owned()));
    }
    if status.clock_is_behind {
        lines.push(("clock", format!("behind; going by {}", rfc3339(status.now))));
    }
    lines.push(("next", status.next_action().to_owned()));
    lines.into_iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}
