//! `touchmark-agent doctor`.

use agent::arguments::Doctor;
use agent::doctor::{Finding, Verdict, examine};
use agent::state::Storage;
use cli::Status;
use identity::SystemClock;
use serde_json::json;

use super::print;

pub(crate) async fn run(arguments: Doctor, storage: &Storage) -> anyhow::Result<Status> {
    let findings = examine(&arguments.unit.state, storage, arguments.unit.server, &SystemClock).await;
    let mut text = String::new();
    for Finding { subject, verdict, says, advice } in &findings {
        let verdict = verdict.as_str();
        if arguments.json {
            let line = json!({"subject": subject, "verdict": verdict, "says": says, "advice": advice});
            text.push_str(&format!("{line}\n"));
            continue;
        }
        text.push_str(&format!("{verdict:<8} {subject:<13} {says}\n"));
        if let Some(advice) = advice {
            text.push_str(&format!("{:22} -> {advice}\n", ""));
        }
    }
    print(&text)?;
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(match worst {
        Some(Verdict::Damaged) => Status::Damaged,
        Some(Verdict::Bad) => Status::NotGood,
        _ => Status::Done,
    })
}
