//! Makes one bash script of a document's blocks: every statement must succeed, or fail where the document
//! says so.

use crate::blocks::Block;

/// The script of these blocks. It stops at the first statement with an unexpected result, and names its line.
pub(crate) fn script(blocks: &[&Block]) -> String {
    let mut script = String::from(HEAD);
    for block in blocks {
        let mut line = block.line;
        for statement in statements(&block.text) {
            script += &format!("HERE='{}:{}'\n", block.file.display(), line + 1);
            line += statement.lines().count();
            match expectation(&statement) {
                Expectation::Success => script += &statement,
                Expectation::Failure => script += &refused(&statement, "[ $STATUS -ne 0 ]"),
                Expectation::Status(status) => {
                    script += &refused(&statement, &format!("[ $STATUS -eq {status} ]"));
                }
            }
        }
    }
    script
}

/// The result that the comment behind a statement announces.
#[derive(Debug, PartialEq, Eq)]
enum Expectation {
    Success,
    /// `# refused…`, `# fails…`
    Failure,
    /// `# exit status N…`
    Status(u8),
}

fn expectation(statement: &str) -> Expectation {
    let Some((_, comment)) = statement.rsplit_once(" # ") else { return Expectation::Success };
    let comment = comment.trim();
    if let Some((_, status)) = comment.split_once("exit status ") {
        let digits: String = status.chars().take_while(char::is_ascii_digit).collect();
        return match digits.parse() {
            Ok(0) | Err(_) => Expectation::Success,
            Ok(status) => Expectation::Status(status),
        };
    }
    let fails = ["refused", "fails"].iter().any(|word| comment.starts_with(word));
    if fails { Expectation::Failure } else { Expectation::Success }
}

fn refused(statement: &str, test: &str) -> String {
    format!(
        "STATUS=0\n{} || STATUS=$?\n{test} || {{ echo \"$HERE: ended with status $STATUS\" >&2; exit 97; }}\n",
        without_comment(statement)
    )
}

fn without_comment(statement: &str) -> &str {
    statement.rsplit_once(" # ").map_or(statement, |(command, _)| command).trim_end()
}

/// Joins lines that belong together: after a backslash or a pipe, in an open quote, an open `{`, `if`, `for`,
/// `until` or here-document.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    let mut ends_at: Option<String> = None;
    for line in text.lines() {
        open += line;
        open.push('\n');
        if let Some(end) = &ends_at {
            if line.trim() == end {
                ends_at = None;
                found.push(std::mem::take(&mut open));
            }
            continue;
        }
        if let Some((_, word)) = line.split_once("<<") {
            ends_at = Some(word.trim_matches([' ', '\'', '"', '-']).to_owned());
            continue;
        }
        let command = without_comment(line);
        let goes_on = command.ends_with('\\') || command.ends_with('|') || command.ends_with("&&");
        let quotes = open.matches('\'').count() % 2 == 1;
        if !goes_on && !quotes {
            found.push(std::mem::take(&mut open));
        }
    }
    if !open.is_empty() {
        found.push(open);
    }
    found
}

const HEAD: &str = "set -euo pipefail\nHERE=start\ntrap 'echo \"$HERE: failed\" >&2' ERR\n";

#[test]
fn lines_that_belong_together_stay_together() {
    let text = "a \\\n  b   # comment\nc |\n  d\necho 'x\ny'\ncat <<EOF\n z\nEOF\n";
    let found = statements(text);
    assert_eq!(found, ["a \\\n  b   # comment\n", "c |\n  d\n", "echo 'x\ny'\n", "cat <<EOF\n z\nEOF\n"]);
}

#[test]
fn a_comment_says_how_a_command_ends() {
    assert_eq!(expectation("renew # refused: CLIENT_CERTIFICATE_REVOKED\n"), Expectation::Failure);
    assert_eq!(expectation("check X # revoked; exit status 6\n"), Expectation::Status(6));
    assert_eq!(expectation("show X # what was refused\n"), Expectation::Success);
}
