//! `touchmark-agent enroll`.

use std::sync::Arc;

use agent::arguments::{Enroll, Obtain};
use agent::ca_client::RetryPolicy;
use agent::enroll::enroll;
use agent::state::{State, Storage};
use agent::text::rfc3339;
use cli::Status;
use identity::SystemClock;
use serde_json::json;

use super::{FIRST_PAUSE, generator, print};

pub(crate) async fn run(arguments: Enroll, storage: Storage) -> anyhow::Result<Status> {
    let Obtain { unit, deadline, readers } = arguments.obtain;
    let mut state = State::open(&unit.state, storage)?;
    state.set_key_readers(&readers.readers())?;
    let retry_policy = RetryPolicy { deadline, first_pause: FIRST_PAUSE, once: false };
    let enrolled = enroll(&mut state, unit.server, Arc::new(SystemClock), generator()?, retry_policy).await?;
    let serial_number = hex::encode(&enrolled.certificate.serial_number);
    let current = unit.state.join("current");
    if arguments.json {
        let outcome = json!({
            "device": enrolled.device.to_string(),
            "enrolled": true,
            "already_enrolled": enrolled.already,
            "serial_number": serial_number,
            "not_before": rfc3339(enrolled.certificate.not_before),
            "not_after": rfc3339(enrolled.certificate.not_after),
            "credentials": current,
        });
        print(&format!("{outcome}\n"))?;
    } else {
        let how = if enrolled.already { "is enrolled already" } else { "is enrolled" };
        print(&format!(
            "{} {how}: certificate {serial_number}, until {}, in {}\n",
            enrolled.device,
            rfc3339(enrolled.certificate.not_after),
            current.display()
        ))?;
    }
    Ok(Status::Done)
}
