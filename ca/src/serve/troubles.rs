//! The troubles that `GetCondition` reports: readiness, and the alarms of the metrics (docs/metrics.md).

use std::sync::Arc;
use std::time::Duration;

use authority::Authority;

use super::open::NAMES_NEXT;
use super::server::Server;
use crate::grpc::{Trouble, Troubles};
use crate::http::Readiness;
use crate::http::metrics::{Figures, FiguresNow};

pub(super) fn of(
    readiness: Readiness,
    figures: FiguresNow,
    server: Arc<Server>,
    authority: &Authority,
) -> Troubles {
    let enrollment_url = authority.enrollment_url().to_owned();
    Arc::new(move || {
        let mut troubles = Vec::new();
        if let Err(why) = readiness() {
            troubles.push(urgent("readiness", format!("not ready: {why}"), READINESS_NEXT));
        }
        if let Err(why) = server.answers_to(&enrollment_url) {
            troubles.push(urgent("enrollment URL", format!("{why}: no device can enrol"), NAMES_NEXT));
        }
        troubles.extend(alarms(&figures()));
        troubles
    })
}

/// The alarms of the metrics, without those that `GetCondition` reports by itself.
fn alarms(figures: &Figures) -> Vec<Trouble> {
    let mut alarms = Vec::new();
    for (issuer, proofs) in &figures.issuers_compromised {
        let said = format!(
            "the key of the {issuer} issuer was proven to be compromised ({}): whoever has it makes certificates that everybody believes",
            cli::count(*proofs, "proof"),
        );
        alarms.push(urgent("issuer compromise", said, ISSUER_NEXT));
    }
    if figures.blocked_keys.stale {
        let said = format!(
            "the file of blocked keys cannot be used; the list before it ({} keys) stays in force",
            figures.blocked_keys.listed,
        );
        alarms.push(urgent("blocked keys", said, BLOCKED_KEYS_NEXT));
    }
    if !figures.products_paused.is_empty() {
        let said = format!(
            "no birth certificate is issued for {}, under any order: an operator paused it, or a random generator repeated itself",
            figures.products_paused.join(", "),
        );
        alarms.push(urgent("paused products", said, PAUSED_NEXT));
    }
    if figures.store.projection_lag > LISTINGS_LAG_MAX {
        let behind = humantime::format_duration(Duration::from_secs(figures.store.projection_lag.as_secs()));
        alarms.push(looked_into("listings", format!("{behind} behind the ledger"), LISTINGS_NEXT));
    }
    let refused = |reasons: &[&str]| {
        let counted = figures.refused.iter().filter(|(reason, _)| reasons.contains(reason));
        counted.map(|(_, count)| count).sum::<u64>()
    };
    let restarts = figures.task_restarts.iter().map(|(_, count)| count).sum();
    let counts: [(&str, u64, &str, &str); 7] = [
        ("forks", refused(&["LINEAGE_FORKED"]), "device that was copied was refused", FORK_NEXT),
        ("forks", figures.revoked_siblings, "use of a certificate that was revoked unused", FORK_NEXT),
        ("keys", refused(KEY_REASONS), "unit without a key of its own was refused", KEYS_NEXT),
        ("shared primes", figures.shared_primes, "pair of RSA keys shares a prime", PRIMES_NEXT),
        ("panics", figures.panics, "fault that the CA survived", FAULT_NEXT),
        ("tasks", restarts, "background task had to be started again", FAULT_NEXT),
        ("log", figures.log_lines_lost, "line of the log was lost", LOG_NEXT),
    ];
    for (what, count, said, next) in counts {
        if count > 0 {
            alarms.push(looked_into(what, format!("{count} since the start: {said}"), next));
        }
    }
    alarms
}

fn urgent(what: &'static str, finding: String, next: &'static str) -> Trouble {
    Trouble { what, urgent: true, finding, next }
}

fn looked_into(what: &'static str, finding: String, next: &'static str) -> Trouble {
    Trouble { what, urgent: false, finding, next }
}

/// Reasons of refusals that mean a key which is not the unit's own.
const KEY_REASONS: &[&str] = &["BROKEN_GENERATOR", "KEY_ALREADY_USED", "KEY_BLOCKED", "KEY_WEAK"];

/// The listings normally follow within a second.
const LISTINGS_LAG_MAX: Duration = Duration::from_secs(60);

const READINESS_NEXT: &str = "see docs/troubleshooting.md, \"The CA runs and does not issue\"";
const ISSUER_NEXT: &str = "stop the CA (docs/operations/compromised-issuer.md)";
const BLOCKED_KEYS_NEXT: &str =
    "the CA's log names the lines: correct them (docs/operations/blocked-keys.md)";
const LISTINGS_NEXT: &str = "see docs/operations/projection-rebuild.md";
const FORK_NEXT: &str = "see `touchmark device forks` (docs/operations/fork-alarm.md)";
const KEYS_NEXT: &str = "see `touchmark device duplicates` (docs/operations/blocked-keys.md)";
const PRIMES_NEXT: &str = "see `touchmark device duplicates` (docs/operations/broken-generator.md)";
const PAUSED_NEXT: &str = "`touchmark product list` says which and why (docs/operations/broken-generator.md)";
const FAULT_NEXT: &str = "read the CA's log and report it";
const LOG_NEXT: &str =
    "the log's disk is full, or its reader is stalled or gone: look at the journal or the file";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::metrics::BlockedKeysFigures;

    fn told(figures: &Figures) -> Vec<(&'static str, bool)> {
        alarms(figures).into_iter().map(|trouble| (trouble.what, trouble.urgent)).collect()
    }

    #[test]
    fn an_operator_is_told_what_the_metrics_raise_an_alarm_for() {
        assert_eq!(told(&Figures::default()), []);
        let stale = BlockedKeysFigures { stale: true, ..BlockedKeysFigures::default() };
        let figures = Figures {
            blocked_keys: stale,
            issuers_compromised: vec![("factory".to_owned(), 1)],
            refused: vec![("KEY_WEAK", 2), ("REQUEST_INVALID", 9)],
            panics: 1,
            products_paused: vec!["cam-2".to_owned()],
            ..Figures::default()
        };
        let expected = [
            ("issuer compromise", true),
            ("blocked keys", true),
            ("paused products", true),
            ("keys", false),
            ("panics", false),
        ];
        assert_eq!(told(&figures), expected);
    }
}
