//! The findings of a check-up.

use serde::Serialize;

use crate::failure::Failure;

#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    #[serde(rename = "check")]
    pub(super) what: String,
    pub(super) health: Health,
    pub(super) finding: String,
    pub(super) next: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    Good,
    Warning,
    Bad,
}

impl Health {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "BAD",
        }
    }
}

impl Checks {
    pub(super) fn good(&mut self, what: &str, finding: impl Into<String>) {
        self.add(what, Health::Good, finding.into(), None);
    }

    pub(super) fn warn(&mut self, what: &str, finding: impl Into<String>, next: &str) {
        self.add(what, Health::Warning, finding.into(), Some(next));
    }

    pub(super) fn bad(&mut self, what: &str, finding: impl Into<String>, next: &str) {
        self.add(what, Health::Bad, finding.into(), Some(next));
    }

    pub(super) fn failure(&mut self, what: &str, failure: &Failure) {
        self.add(what, Health::Bad, failure.0.what.clone(), failure.0.next.as_deref());
    }

    pub(super) fn bad_count(&self) -> u64 {
        self.findings.iter().filter(|finding| finding.health == Health::Bad).count() as u64
    }

    /// The next steps, each once, in the order of the findings.
    pub(super) fn next_steps(&self) -> Vec<&str> {
        let mut steps: Vec<&str> = Vec::new();
        for next in self.findings.iter().filter_map(|finding| finding.next.as_deref()) {
            if !steps.contains(&next) {
                steps.push(next);
            }
        }
        steps
    }

    fn add(&mut self, what: &str, health: Health, finding: String, next: Option<&str>) {
        let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
        self.findings.push(Finding { what: what.to_owned(), health, finding, next });
    }
}
