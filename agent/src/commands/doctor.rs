//! `touchmark-agent doctor`.

use agent::doctor::{Finding, Verdict, examine};
use identity::SystemClock;
use serde_json::json;

use crate::arguments::Doctor;

use super::{DAMAGED, DONE, FAILED, print};

pub(crate) async fn run(arguments: Doctor) -> anyhow::Result<u8> {
    let findings = examine(&arguments.state, arguments.server, &SystemClock).await;
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
        Some(Verdict::Damaged) => DAMAGED,
        Some(Verdict::Bad) => FAILED,
        _ => DONE,
    })
}
