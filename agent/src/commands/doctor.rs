//! `touchmark-agent doctor`.

use agent::arguments::Doctor;
use agent::doctor::{Finding, examine};
use agent::state::Storage;
use cli::{Status, status_of_findings};
use identity::SystemClock;

use super::print;

pub(crate) async fn run(arguments: Doctor, storage: &Storage) -> anyhow::Result<Status> {
    let findings = examine(&arguments.unit.state, storage, arguments.unit.server, &SystemClock).await;
    let line = |finding: &Finding| if arguments.json { finding.json() } else { finding.text() };
    let text: String = findings.iter().map(|finding| line(finding) + "\n").collect();
    print(&text)?;
    Ok(status_of_findings(&findings))
}
