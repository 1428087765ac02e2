//! The findings of a check-up (`doctor`): for people, for programs, and as an exit status.

use std::borrow::Cow;

use serde_json::json;

use crate::status::Status;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked, in one or two words.
    pub subject: Cow<'static, str>,
    /// Whether it is in order.
    pub verdict: Verdict,
    /// The result, as text.
    pub says: String,
    /// What a person does about it; `None`: nothing.
    pub advice: Option<String>,
}

/// Whether something is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// In order.
    Good,
    /// In order, with a remark.
    Note,
    /// Not in order: a person must act.
    Bad,
    /// Stored state is damaged.
    Damaged,
}

impl Verdict {
    /// The word for scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
            Self::Damaged => "damaged",
        }
    }
}

impl Finding {
    /// Something is in order.
    pub fn good(subject: impl Into<Cow<'static, str>>, says: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict: Verdict::Good, says: says.into(), advice: None }
    }

    /// Something is in order, and a person should know more.
    pub fn note(
        subject: impl Into<Cow<'static, str>>,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Note, advice: Some(advice.into()), ..Self::good(subject, says) }
    }

    /// Something is not in order.
    pub fn bad(
        subject: impl Into<Cow<'static, str>>,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Bad, advice: Some(advice.into()), ..Self::good(subject, says) }
    }

    /// One line for people, and one more with the advice.
    pub fn text(&self) -> String {
        let Self { subject, verdict, says, advice } = self;
        let mut text = format!("{:<8} {subject:<13} {says}", verdict.as_str());
        if let Some(advice) = advice {
            text.push_str(&format!("\n{:22} -> {advice}", ""));
        }
        text
    }

    /// One JSON object: `subject`, `verdict`, `says`, `advice` (null: nothing is to be done).
    pub fn json(&self) -> String {
        let Self { subject, verdict, says, advice } = self;
        json!({"subject": subject, "verdict": verdict.as_str(), "says": says, "advice": advice}).to_string()
    }
}

/// The exit status of a program that has printed these findings.
pub fn status_of_findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Status {
    match findings.into_iter().map(|finding| finding.verdict).max() {
        Some(Verdict::Damaged) => Status::Damaged,
        Some(Verdict::Bad) => Status::NotGood,
        Some(Verdict::Note | Verdict::Good) | None => Status::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_the_exit_status_and_a_note_is_none() {
        let mut findings = vec![Finding::good("clock", "right"), Finding::note("disk", "half full", "wait")];
        assert_eq!(status_of_findings(&findings), Status::Done);
        findings.push(Finding::bad("CA", "away", "look at the cable"));
        assert_eq!(status_of_findings(&findings), Status::NotGood);
        findings.push(Finding { verdict: Verdict::Damaged, ..Finding::good("journal", "cut") });
        assert_eq!(status_of_findings(&findings), Status::Damaged);
    }

    #[test]
    fn a_finding_is_a_line_with_its_advice_below() {
        let finding = Finding::bad(format!("slot {}", 3), "no port", "plug it in");
        assert_eq!(finding.text(), "bad      slot 3        no port\n                       -> plug it in");
        let json: serde_json::Value = serde_json::from_str(&finding.json()).unwrap();
        assert_eq!((&json["subject"], &json["verdict"]), (&"slot 3".into(), &"bad".into()));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&Finding::good("a", "b").json()).unwrap()["advice"],
            serde_json::Value::Null
        );
    }
}
