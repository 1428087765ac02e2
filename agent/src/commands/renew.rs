//! `touchmark-agent renew`.

use std::path::Path;
use std::sync::Arc;

use agent::arguments::{Obtain, Renew};
use agent::ca_client::RetryPolicy;
use agent::renew::{Outcome, When, renew};
use agent::state::{State, Storage};
use agent::text::rfc3339;
use anyhow::Context;
use cli::Status;
use identity::SystemClock;
use serde_json::json;

use super::{FIRST_PAUSE, generator, print};

pub(crate) async fn run(arguments: Renew, storage: Storage) -> anyhow::Result<Status> {
    let Obtain { unit, deadline, readers } = arguments.obtain;
    let mut state = State::open(&unit.state, storage.clone())?;
    state.set_key_readers(&readers.readers())?;
    let retry_policy = RetryPolicy { deadline, first_pause: FIRST_PAUSE, once: false };
    let when = if arguments.force { When::Now } else { When::Due };
    let outcome =
        renew(&mut state, unit.server, Arc::new(SystemClock), generator()?, retry_policy, when).await?;
    drop(state);
    // Before the result is printed: a closed output must not keep applications from their new certificate.
    let notified = arguments.notifier.notify_if_pending(&unit.state, &storage).await;
    report(&outcome, &unit.state, arguments.json)?;
    notified.context("applications were not told")?;
    Ok(Status::Done)
}

fn report(outcome: &Outcome, state: &Path, json: bool) -> anyhow::Result<()> {
    let (line, text) = match outcome {
        Outcome::Renewed(renewed) => {
            let serial_number = hex::encode(&renewed.certificate.serial_number);
            let (from, until) =
                (rfc3339(renewed.certificate.not_before), rfc3339(renewed.certificate.not_after));
            let current = state.join("current");
            let text = format!(
                "{} is renewed: certificate {serial_number}, until {until}, in {}",
                renewed.device,
                current.display()
            );
            let line = json!({
                "device": renewed.device.to_string(),
                "renewed": true,
                "serial_number": serial_number,
                "not_before": from,
                "not_after": until,
                "credentials": current,
            });
            (line, text)
        }
        Outcome::NotDue(plan) => {
            let serial_number = hex::encode(&plan.renewal_info.serial_number);
            let at = rfc3339(plan.at);
            let why = super::why(&plan.renewal_info);
            let text = format!("not due: certificate {serial_number} is to be renewed at {at}{why}");
            let line = json!({
                "renewed": false,
                "serial_number": serial_number,
                "renewal_at": at,
                "reason": plan.renewal_info.reason,
                "explanation": plan.renewal_info.explanation,
            });
            (line, text)
        }
    };
    print(&if json { format!("{line}\n") } else { format!("{text}\n") })
}
