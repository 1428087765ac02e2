//! `touchmark-agent enroll`.

use std::sync::Arc;

use agent::arguments::Enroll;
use agent::ca_client::RetryPolicy;
use agent::enroll::enroll;
use agent::state::{State, Storage};
use agent::text::rfc3339;
use anyhow::Context;
use cli::Status;
use identity::SystemClock;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use serde_json::json;

use super::{FIRST_PAUSE, print};

pub(crate) async fn run(arguments: Enroll) -> anyhow::Result<Status> {
    let mut state = State::open(&arguments.state, Storage::default())?;
    state.set_key_readers(&arguments.readers.readers())?;
    let generator = StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")?;
    let retry_policy = RetryPolicy { deadline: arguments.deadline, first_pause: FIRST_PAUSE, once: false };
    let enrolled =
        enroll(&mut state, arguments.server, Arc::new(SystemClock), generator, retry_policy).await?;
    let serial_number = hex::encode(&enrolled.certificate.serial_number);
    let current = arguments.state.join("current");
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
