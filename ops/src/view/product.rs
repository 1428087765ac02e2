//! A product as it is printed.

use proto::v1 as wire;
use serde::Serialize;

use super::{AlarmView, nonempty};
use crate::output::fact_lines;
use crate::timestamp;

#[derive(Debug, Serialize)]
pub(crate) struct ProductView {
    pub(crate) product: String,
    pub(crate) paused: bool,
    /// The last pause; `null`: it was never paused.
    pub(crate) last_pause: Option<PauseView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PauseView {
    pub(crate) ledger_entry: u64,
    paused_at: Option<String>,
    pub(crate) paused_by: String,
    remark: Option<String>,
    /// What was found; `null`: an operator paused it.
    evidence: Option<AlarmView>,
    resumed_at: Option<String>,
    resumed_by: Option<String>,
    resume_remark: Option<String>,
}

impl From<wire::Product> for ProductView {
    fn from(product: wire::Product) -> Self {
        Self {
            product: product.name,
            paused: product.paused,
            last_pause: product.last_pause.map(PauseView::from),
        }
    }
}

impl From<wire::ProductPause> for PauseView {
    fn from(pause: wire::ProductPause) -> Self {
        Self {
            ledger_entry: pause.ledger_entry,
            paused_at: timestamp::text(pause.paused_at.as_ref()),
            paused_by: pause.paused_by,
            remark: nonempty(pause.remark),
            evidence: pause.evidence.map(AlarmView::from),
            resumed_at: timestamp::text(pause.resumed_at.as_ref()),
            resumed_by: nonempty(pause.resumed_by),
            resume_remark: nonempty(pause.resume_remark),
        }
    }
}

impl ProductView {
    /// A cell about the pause that goes on.
    pub(crate) fn of_pause(&self, cell: impl Fn(&PauseView) -> String) -> String {
        let pause = self.last_pause.as_ref().filter(|_| self.paused);
        pause.map_or_else(|| "-".to_owned(), cell)
    }

    pub(crate) fn to_text(&self) -> String {
        let state = if self.paused { "paused: no birth certificate is issued" } else { "not paused" };
        let mut facts = vec![("product", self.product.clone()), ("state", state.to_owned())];
        facts.extend(self.last_pause.iter().flat_map(PauseView::facts));
        let mut text = fact_lines(&facts);
        if self.paused && self.last_pause.as_ref().is_some_and(|pause| pause.evidence.is_some()) {
            text.push_str(WHAT_TO_DO);
        }
        text
    }
}

impl PauseView {
    pub(crate) fn since(&self) -> &str {
        self.paused_at.as_deref().unwrap_or("-")
    }

    /// What was found, in short, or what the operator said.
    pub(crate) fn why(&self) -> &str {
        self.evidence.as_ref().map_or_else(|| self.remark.as_deref().unwrap_or("-"), |found| found.kind)
    }

    /// For whoever pauses it again.
    pub(crate) fn paused_already(&self) -> String {
        let why = match self.why() {
            "-" => String::new(),
            why => format!(": {why}"),
        };
        format!("is paused already, since {} by {}{why}", self.since(), self.paused_by)
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let (at, remark) = (self.since(), remark(self.remark.as_ref()));
        let mut facts = match &self.evidence {
            None => vec![("paused", format!("{at} by {}{remark}", self.paused_by))],
            Some(found) => vec![
                ("paused", format!("{at}, by what was found when {} asked", self.paused_by)),
                ("found", found.finding().to_owned()),
                ("units", format!("{} and {}", found.device, found.other_unit())),
                ("certificate", found.serial_number.clone().unwrap_or_default()),
            ],
        };
        facts.push(("ledger entry", self.ledger_entry.to_string()));
        if let (Some(at), Some(by)) = (&self.resumed_at, &self.resumed_by) {
            let said = self::remark(self.resume_remark.as_ref());
            facts.push(("resumed", format!("{at} by {by}{said}")));
        }
        facts
    }
}

fn remark(text: Option<&String>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

const WHAT_TO_DO: &str = "
Treat the private keys of both units as known to others. Find out why the random generator repeats itself, and
correct the firmware or the fixture, before the product is resumed; `touchmark device duplicates` lists what
else was found (docs/operations/broken-generator.md).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_pauses_again_is_told_since_when_by_whom_and_why() {
        let paused_at = Some(prost_types::Timestamp { seconds: 1_795_852_800, nanos: 0 });
        let (paused_by, remark) = ("operator:ada".to_owned(), "bad fixture".to_owned());
        let pause = wire::ProductPause { paused_at, paused_by, remark, ..Default::default() };
        let told = PauseView::from(pause).paused_already();
        assert_eq!(told, "is paused already, since 2026-11-28T08:00:00Z by operator:ada: bad fixture");
    }
}
