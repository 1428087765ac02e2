//! `touchmark-agent doctor`.

use std::io::Write;

use agent::doctor::{Finding, Verdict, examine};
use identity::SystemClock;
use serde_json::json;

use agent::arguments::Doctor;

use super::{DAMAGED, DONE, FAILED};

pub(crate) async fn run(arguments: Doctor) -> anyhow::Result<u8> {
    let findings = examine(&arguments.state, arguments.server, &SystemClock).await;
    let mut out = std::io::stdout().lock();
    for Finding { subject, verdict, says, advice } in &findings {
        let verdict = verdict.as_str();
        if arguments.json {
            let line = json!({"subject": subject, "verdict": verdict, "says": says, "advice": advice});
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{verdict:<8} {subject:<13} {says}")?;
        if let Some(advice) = advice {
            writeln!(out, "{:22} -> {advice}", "")?;
        }
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(match worst {
        Some(Verdict::Damaged) => DAMAGED,
        Some(Verdict::Bad) => FAILED,
        _ => DONE,
    })
}
