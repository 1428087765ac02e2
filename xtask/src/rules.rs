//! Compares the rule ids that the code cites (`R-5280-21`) with the page that defines them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell::root;
use crate::texts;

/// Fails with every id that is cited but not defined, defined but not cited, or whose row names a file or
/// test that does not exist.
pub(crate) fn check() -> Result<()> {
    let page = fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let mut cited = BTreeMap::new();
    texts::each(root(), &mut |place, text| {
        if !NOT_CITING.contains(&place) {
            for id in ids(text) {
                cited.entry(id.to_owned()).or_insert_with(|| place.to_owned());
            }
        }
    })?;
    let wrong = mistakes(&page, &cited, &|path| fs::read_to_string(root().join(path)).ok());
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n    "));
    }
    Ok(())
}

/// The mistakes, one sentence each. `cited` maps ids to a file; `read` returns the text of a file, if it
/// exists.
fn mistakes(
    page: &str,
    cited: &BTreeMap<String, String>,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut defined = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| R-")) {
        let row = match Row::parse(line) {
            Ok(row) => row,
            Err(why) => {
                wrong.push(format!("{PAGE}: {why}: {line}"));
                continue;
            }
        };
        if !defined.insert(row.id) {
            wrong.push(format!("{PAGE} has two rows for {}", row.id));
        }
        if !cited.contains_key(row.id) {
            wrong.push(format!("{PAGE} defines {}, which nothing cites", row.id));
        }
        for file in row.files.iter().filter(|file| read(file).is_none()) {
            wrong.push(format!("{}: there is no file {file}", row.id));
        }
        for proof in &row.proofs {
            match read(proof.file) {
                None => wrong.push(format!("{}: there is no file {}", row.id, proof.file)),
                Some(text) if !proof.is_in(&text) => {
                    wrong.push(format!("{}: {} has no {}", row.id, proof.file, proof.name));
                }
                Some(_) => {}
            }
        }
    }
    let unknown = cited.iter().filter(|(id, _)| !defined.contains(id.as_str()));
    wrong.extend(unknown.map(|(id, place)| format!("{place} cites {id}, which {PAGE} does not define")));
    wrong
}

/// `| id | what must hold | source | obeyed in | proven by |`.
struct Row<'a> {
    id: &'a str,
    /// The files that obey the rule, from the root.
    files: Vec<&'a str>,
    proofs: Vec<Proof<'a>>,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Result<Self, &'static str> {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let &[id, what, source, obeyed, proven] = cells.as_slice() else {
            return Err("a row has five cells");
        };
        if ids(id) != [id] {
            return Err("a row begins with one id");
        }
        if what.is_empty() || source.is_empty() {
            return Err("a row says what must hold and where that comes from");
        }
        let files = quoted(obeyed);
        if files.is_empty() {
            return Err("a row names a file that obeys the rule");
        }
        let by_construction = proven.strip_prefix("by construction: ");
        let names = quoted(by_construction.unwrap_or(proven));
        let (pairs, rest) = names.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return Err("a row names a test and its file, or `by construction: TYPE` and its file");
        }
        let is_test = by_construction.is_none();
        let proofs = pairs.iter().map(|&[name, file]| Proof { name, file, is_test }).collect();
        Ok(Self { id, files, proofs })
    }
}

/// A test, or the type that makes breaking the rule impossible, and its file.
struct Proof<'a> {
    name: &'a str,
    file: &'a str,
    is_test: bool,
}

impl Proof<'_> {
    fn is_in(&self, text: &str) -> bool {
        if self.is_test {
            // A generic test judges several implementations of a contract.
            return ["(", "<"].iter().any(|next| text.contains(&format!("fn {}{next}", self.name)));
        }
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == self.name)
    }
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every `R-PREFIX-NUMBER` in the text.
fn ids(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("R-") {
        let (before, rest) = text.split_at(start);
        if before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '-') {
            continue;
        }
        let mut parts = rest.splitn(3, '-');
        let (_, prefix, number) = (parts.next(), parts.next(), parts.next());
        let (Some(prefix), Some(number)) = (prefix, number) else { continue };
        let digits = number.chars().take_while(char::is_ascii_digit).count();
        let fits = prefix.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if fits && !prefix.is_empty() && digits > 0 {
            found.extend(rest.get(.."R-".len() + prefix.len() + "-".len() + digits));
        }
    }
    found
}

/// The page that defines the rules.
const PAGE: &str = "docs/rules.md";

/// Files that name ids without citing a rule: the page, the changelog, and the tests below.
const NOT_CITING: [&str; 3] = [PAGE, "CHANGELOG.md", "xtask/src/rules.rs"];

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "| R-X-01 | It holds. | Touchmark | `a.rs` | `it_holds` in `b.rs` |";

    fn judged(page: &str, cited: &[&str]) -> Vec<String> {
        let cited = cited.iter().map(|id| ((*id).to_owned(), "c.rs".to_owned())).collect();
        mistakes(page, &cited, &|path| match path {
            "a.rs" => Some("struct Once;".into()),
            "b.rs" => Some("fn it_holds() {}\nasync fn it_holds_everywhere<S: Store>() {}".into()),
            _ => None,
        })
    }

    #[test]
    fn a_row_that_is_cited_and_proven_is_right() {
        assert_eq!(judged(ROW, &["R-X-01"]), [""; 0]);
        assert_eq!(judged(&ROW.replace("it_holds", "it_holds_everywhere"), &["R-X-01"]), [""; 0]);
    }

    #[test]
    fn an_id_that_is_cited_and_not_defined_is_told_with_its_place() {
        assert_eq!(
            judged(ROW, &["R-X-01", "R-X-02"]),
            ["c.rs cites R-X-02, which docs/rules.md does not define"]
        );
    }

    #[test]
    fn an_id_that_nothing_cites_is_told() {
        assert_eq!(judged(ROW, &[]), ["docs/rules.md defines R-X-01, which nothing cites"]);
    }

    #[test]
    fn an_id_with_two_rows_is_told() {
        assert_eq!(judged(&format!("{ROW}\n{ROW}"), &["R-X-01"]), ["docs/rules.md has two rows for R-X-01"]);
    }

    #[test]
    fn a_file_that_does_not_exist_is_told() {
        let elsewhere = ROW.replace("a.rs", "gone.rs");
        assert_eq!(judged(&elsewhere, &["R-X-01"]), ["R-X-01: there is no file gone.rs"]);
        let elsewhere = ROW.replace("b.rs", "gone.rs");
        assert_eq!(judged(&elsewhere, &["R-X-01"]), ["R-X-01: there is no file gone.rs"]);
    }

    #[test]
    fn a_test_that_is_not_in_its_file_is_told() {
        for name in ["it_hold", "holds", "it_holds_not"] {
            let other = ROW.replace("it_holds", name);
            assert_eq!(judged(&other, &["R-X-01"]), [format!("R-X-01: b.rs has no {name}")]);
        }
    }

    #[test]
    fn what_holds_by_construction_names_a_type_in_its_file() {
        let row =
            |name: &str| ROW.replace("`it_holds` in `b.rs`", &format!("by construction: `{name}` in `a.rs`"));
        assert_eq!(judged(&row("Once"), &["R-X-01"]), [""; 0]);
        assert_eq!(judged(&row("Onc"), &["R-X-01"]), ["R-X-01: a.rs has no Onc"]);
    }

    #[test]
    fn a_row_with_an_empty_or_missing_cell_is_told() {
        let spoiled = [
            ROW.replace("`it_holds` in `b.rs`", "—"),
            ROW.replace("`it_holds` in `b.rs`", "`it_holds`"),
            ROW.replace("`a.rs`", ""),
            ROW.replace("It holds.", ""),
            ROW.replace("| Touchmark ", ""),
            ROW.replace("R-X-01", "R-X-01, R-X-02"),
        ];
        for row in spoiled {
            let told = judged(&row, &[]);
            assert!(told.len() == 1 && told[0].ends_with(&row), "{told:?}");
        }
    }

    #[test]
    fn an_id_is_found_in_text_and_in_nothing_that_looks_like_one() {
        assert_eq!(
            ids("(R-X-01) R-5280-21, \"R-X-3\": R-X-04-05"),
            ["R-X-01", "R-5280-21", "R-X-3", "R-X-04"]
        );
        assert_eq!(ids("OR-X-01, CR-X-01, R-x-01, R--01, R-X-, R-X, R-X-a R-"), [""; 0]);
    }

    #[test]
    fn every_rule_that_this_repository_cites_is_defined_and_proven() {
        check().unwrap();
    }
}
