//! `touchmark-station doctor`.

use std::time::Duration;

use cli::{Finding, Status, status_of_findings};
use identity::SystemClock;

use super::{Failure, say, settings};
use crate::arguments::DoctorArguments;
use crate::ca::Ca;
use crate::doctor::{Wanted, examine};

pub(super) async fn run(arguments: DoctorArguments) -> Result<Status, Failure> {
    let settings = settings(&arguments.common.config)?;
    // A call is made once: how long the CA is patiently waited for is the line's matter.
    let ca = Ca::new(&settings.server, settings.connector.clone(), Duration::ZERO)?;
    let wanted = Wanted { work_order: arguments.work_order, link: arguments.link, slots: arguments.slots };
    let mut all: Vec<Finding> = Vec::new();
    let tell = |findings: Vec<Finding>| {
        for finding in &findings {
            say(&if arguments.json { finding.json() } else { finding.text() })?;
        }
        all.extend(findings);
        Ok::<(), Failure>(())
    };
    examine(&settings, &ca, &SystemClock, &wanted, tell).await?;
    Ok(status_of_findings(&all))
}
