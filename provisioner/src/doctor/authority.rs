//! The CA: whether it is reached, is the right one, takes the credential and knows the order; and its clock.

use std::time::{Duration, SystemTime};

use cli::Finding;
use humantime::{format_duration, format_rfc3339_seconds};
use identity::Clock;
use proto::v1::{GetWorkOrderResponse, Reason};

use super::{CA, CLOCK, ORDER};
use crate::ca::{Ca, CaError, Look, advice, exit_status};
use crate::config::Settings;
use crate::session::Refusal;
use crate::slot::{CLOCK_DIFFERENCE_MAX, order_refusal};
use crate::wire::time;

/// Asks for the order; without one it asks for some order, whose refusal is as good an answer.
pub(super) async fn examine(
    settings: &Settings,
    ca: &Ca,
    clock: &dyn Clock,
    work_order: Option<&str>,
) -> (Vec<Finding>, Option<GetWorkOrderResponse>) {
    let asked = work_order.unwrap_or(SOME_ORDER);
    let first = ca.look(asked).await;
    let after = clock.now();
    let is_heard = match &first.answer {
        Ok(_) => true,
        Err(CaError::Refused(refusal)) => knows_the_caller(refusal),
        Err(CaError::Unreachable(_)) => false,
    };
    let mut findings = Vec::new();
    if is_heard {
        let mut times = Vec::new();
        for _ in 0..CALLS {
            times.push(ca.look(asked).await.took);
        }
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        findings.push(reached(&settings.server.to_string(), first.took, median));
        findings.push(compare(after, &first));
    } else if let Err(error) = &first.answer {
        findings.push(not_reached(&settings.server.to_string(), error));
        findings.extend(first.server_time.map(|_| compare(after, &first)));
    }
    match (first.answer, work_order) {
        (Ok(answer), Some(_)) => {
            findings.extend(order(&answer));
            (findings, Some(answer))
        }
        (Err(CaError::Refused(refusal)), Some(asked)) if is_heard => {
            let says = format!("{asked}: {}", refusal.message);
            findings.push(Finding::bad(ORDER, says, advice(&refusal.reason)));
            (findings, None)
        }
        _ => (findings, None),
    }
}

/// Whether a refusal is about the order, so that the caller is known and let in.
fn knows_the_caller(refusal: &Refusal) -> bool {
    refusal.reason == Reason::WorkOrderNotFound.as_str_name()
}

fn reached(server: &str, first: Duration, median: Duration) -> Finding {
    let says = format!(
        "{server} is trusted and takes this credential; it answers in {}, the first call with its connection took {}",
        millis(median),
        millis(first)
    );
    if median > SLOW {
        let advice =
            "each unit asks three times: look at the network between, and at the CA's load (its metrics)";
        Finding::note(CA, says, advice)
    } else {
        Finding::good(CA, says)
    }
}

fn not_reached(server: &str, error: &CaError) -> Finding {
    match error {
        CaError::Unreachable(detail) => {
            Finding::bad(CA, format!("{server} does not answer: {detail}"), UNREACHABLE)
        }
        CaError::Refused(refusal) => {
            let Refusal { reason, message, .. } = refusal;
            let who =
                if exit_status(reason) == cli::Status::Unusable { "refuses this station" } else { "refuses" };
            Finding::bad(CA, format!("{server} {who}: {message} ({reason})"), advice(reason))
        }
    }
}

/// Compares the station's clock with the CA's time, each of the end of the call.
fn compare(station: SystemTime, look: &Look) -> Finding {
    let Some(ca) = look.server_time else {
        return Finding::note(CLOCK, "the CA did not say what time it has", "use a CA of this version");
    };
    let apart = station.duration_since(ca).unwrap_or_else(|behind| behind.duration());
    let word = if station > ca { "ahead of" } else { "behind" };
    let says = format!(
        "{} {word} the CA's, which shows {}",
        format_duration(Duration::from_secs(apart.as_secs())),
        format_rfc3339_seconds(ca)
    );
    if apart <= APART_USUAL {
        Finding::good(CLOCK, "it agrees with the CA's")
    } else if apart <= CLOCK_DIFFERENCE_MAX {
        Finding::note(CLOCK, says, SET_IT)
    } else {
        Finding::bad(CLOCK, format!("{says}: no unit is begun"), SET_IT)
    }
}

fn order(answer: &GetWorkOrderResponse) -> Option<Finding> {
    let order = answer.work_order.as_ref()?;
    let counts = order.counts.unwrap_or_default();
    let says = format!(
        "{}: {} of {} units of {} are issued, {} confirmed",
        order.id, counts.issued, order.quantity, order.product, counts.confirmed
    );
    Some(match order_refusal(order, answer.now.as_ref().map(time)) {
        Some(refusal) => Finding::note(ORDER, refusal.message, advice(&refusal.reason)),
        None => Finding::good(ORDER, says),
    })
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// An order that every CA has, or has not.
const SOME_ORDER: &str = "wo-000001";

/// For the median.
const CALLS: usize = 5;

/// A line of 32 slots with a unit every ten seconds still keeps up.
const SLOW: Duration = Duration::from_secs(1);

/// Clocks that are set over a network are within seconds; the CA's may be in whole seconds.
const APART_USUAL: Duration = Duration::from_secs(5);

const SET_IT: &str = "set the clock that is wrong, for example with NTP: reports, reservations and the check of certificates go by this one";
const UNREACHABLE: &str = "check `server` in station.toml, the cable, the firewall (TCP) and that the CA runs: touchmark-ca wait, on its machine";

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use cli::Verdict;

    use super::*;

    #[test]
    fn a_clock_is_right_a_little_off_or_stops_the_line() {
        let ca = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let look = Look {
            took: Duration::ZERO,
            server_time: Some(ca),
            answer: Err(CaError::Unreachable(String::new())),
        };
        for (apart_s, verdict) in
            [(0, Verdict::Good), (5, Verdict::Good), (60, Verdict::Note), (2_701, Verdict::Bad)]
        {
            let apart = Duration::from_secs(apart_s);
            assert_eq!(compare(ca + apart, &look).verdict, verdict, "{apart_s} ahead");
            assert_eq!(compare(ca - apart, &look).verdict, verdict, "{apart_s} behind");
        }
        assert!(compare(ca - Duration::from_secs(60), &look).says.starts_with("1m behind the CA's"));
    }
}
