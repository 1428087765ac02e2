//! Checks that each decision in `docs/decisions` has a status and that the table lists it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell::root;

/// Fails with every decision that has no status line, is missing in the table, or differs from its row.
pub(crate) fn check() -> Result<()> {
    let directory = root().join(DIRECTORY);
    let mut decisions = BTreeMap::new();
    for entry in fs::read_dir(&directory).context(DIRECTORY)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            decisions.insert(name, fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    let table = fs::read_to_string(directory.join("README.md")).context("docs/decisions/README.md")?;
    let wrong = mistakes(&decisions, &table);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n    "));
    }
    Ok(())
}

/// The mistakes, one sentence each. `decisions` maps file names to texts.
fn mistakes(decisions: &BTreeMap<String, String>, table: &str) -> Vec<String> {
    let numbers: Vec<&str> = decisions.keys().filter_map(|name| name.get(..4)).collect();
    let mut wrong = Vec::new();
    for (name, text) in decisions {
        let number = name.get(..4).unwrap_or_default();
        let Some((title, status)) = head(text, number) else {
            wrong.push(format!(
                "{name} does not begin with `# {number}: TITLE`, an empty line and `Status: …`"
            ));
            continue;
        };
        if !is_status(status, &numbers) {
            wrong.push(format!(
                "{name}: the status is `accepted, YYYY-MM-DD`, also with `; superseded by NNNN` or \
                 `; amended by NNNN`: {status}"
            ));
        }
        let row = format!("| [{number}]({name}) | {title} | {status} |");
        if !table.lines().any(|line| line == row) {
            wrong.push(format!("{DIRECTORY}/README.md lacks the row: {row}"));
        }
    }
    let rows = table.lines().filter(|line| line.starts_with("| [")).count();
    if rows > decisions.len() {
        wrong.push(format!("{DIRECTORY}/README.md has a row for a decision that there is not"));
    }
    wrong
}

/// The title without its number, and the status.
fn head<'a>(text: &'a str, number: &str) -> Option<(&'a str, &'a str)> {
    let mut lines = text.lines();
    let title = lines.next()?.strip_prefix(&format!("# {number}: "))?;
    let empty = lines.next()?;
    let status = lines.next()?.strip_prefix("Status: ")?;
    empty.is_empty().then_some((title, status))
}

/// `accepted, YYYY-MM-DD`, then what later decisions changed: `; amended by NNNN, NNNN`.
fn is_status(status: &str, numbers: &[&str]) -> bool {
    let mut parts = status.split("; ");
    let date = parts.next().and_then(|part| part.strip_prefix("accepted, "));
    date.is_some_and(is_date)
        && parts.all(|part| {
            let by = part.strip_prefix("superseded by ").or_else(|| part.strip_prefix("amended by "));
            by.is_some_and(|by| by.split(", ").all(|number| numbers.contains(&number)))
        })
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.chars().enumerate().all(|(place, c)| match place {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        })
}

const DIRECTORY: &str = "docs/decisions";

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: &str, table: &str) -> Vec<String> {
        let text = format!("# 0001: it is so\n\n{status}\n\n## Context\n");
        mistakes(&BTreeMap::from([("0001-so.md".to_owned(), text)]), table)
    }

    #[test]
    fn a_decision_with_a_status_and_a_row_is_right() {
        for status in ["accepted, 2026-11-22", "accepted, 2026-11-22; amended by 0001, 0001"] {
            let row = format!("| [0001](0001-so.md) | it is so | {status} |");
            assert_eq!(judged(&format!("Status: {status}"), &row), [""; 0]);
        }
    }

    #[test]
    fn a_decision_without_a_status_is_told() {
        let told = judged("It was accepted.", "");
        assert!(told.len() == 1 && told[0].starts_with("0001-so.md does not begin"), "{told:?}");
    }

    #[test]
    fn a_status_without_a_date_or_with_an_unknown_decision_is_told() {
        for status in [
            "accepted",
            "accepted, lately",
            "accepted, 2026-1-1",
            "proposed, 2026-11-22",
            "accepted, 2026-11-22; amended by 0002",
            "accepted, 2026-11-22; see 0001",
        ] {
            let row = format!("| [0001](0001-so.md) | it is so | {status} |");
            let told = judged(&format!("Status: {status}"), &row);
            assert!(told.len() == 1 && told[0].ends_with(status), "{told:?}");
        }
    }

    #[test]
    fn a_decision_that_the_table_lacks_or_has_too_much_is_told() {
        let status = "Status: accepted, 2026-11-22";
        assert!(judged(status, "| [0001](0001-so.md) | it was so | accepted, 2026-11-22 |").len() == 1);
        let both = "| [0001](0001-so.md) | it is so | accepted, 2026-11-22 |\n\
                    | [0002](0002-no.md) | no | accepted |";
        assert_eq!(
            judged(status, both),
            ["docs/decisions/README.md has a row for a decision that there is not"]
        );
    }

    #[test]
    fn every_decision_of_this_repository_says_what_became_of_it() {
        check().unwrap();
    }
}
