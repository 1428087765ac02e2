//! Parses the command line; wrong usage is reported in the form of every other error.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::complaint::Complaint;
use crate::status::Status;

/// The end of a program that was asked for nothing: its help, its version, or wrong usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The program's name.
    pub program: &'static str,
    /// The text to print.
    pub text: String,
    /// Help and version go to stdout if they were asked for; everything else goes to stderr.
    pub to_stdout: bool,
}

impl Ended {
    /// Prints the text. A failed write to stdout is a failure, because the text was asked for.
    pub fn tell(&self) -> ExitCode {
        if self.to_stdout {
            if let Err(error) = diagnostics::print(&self.text) {
                let mut complaint = Complaint::new(self.program, Status::Failed, "cannot write to stdout");
                complaint.because.push(error.to_string());
                return complaint.tell(false);
            }
            return Status::Done.into();
        }
        diagnostics::tell(self.text.trim_end());
        Status::Usage.into()
    }
}

/// Parses this process's command line.
pub fn parse<A: Parser>(program: &'static str) -> Result<A, Ended> {
    parse_from(program, std::env::args_os())
}

/// Parses a command line; the first word is the program.
fn parse_from<A: Parser>(
    program: &'static str,
    words: impl IntoIterator<Item = OsString>,
) -> Result<A, Ended> {
    let words: Vec<OsString> = words.into_iter().collect();
    let json = words.iter().any(|word| word == "--json");
    A::try_parse_from(words.clone()).map_err(|error| match error.kind() {
        // Without arguments the help is printed, also if an environment variable is set.
        ErrorKind::MissingSubcommand if words.len() == 1 => {
            let text = A::command().render_help().to_string();
            Ended { program, text, to_stdout: false }
        }
        _ => ended(program, &error, &page(&A::command(), &words), json),
    })
}

fn ended(program: &'static str, error: &clap::Error, page: &str, json: bool) -> Ended {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ended { program, text, to_stdout: true },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ended { program, text, to_stdout: false },
        _ => {
            let complaint =
                Complaint::new(program, Status::Usage, what(&text)).next(format!("see {page} --help"));
            Ended { program, text: complaint.text(json) + "\n", to_stdout: false }
        }
    }
}

/// The message of a clap error, which is `error: WHAT`, tips, `Usage: COMMAND …`, and where to find help.
fn what(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let end = ["\n\nUsage: ", "\n\nFor more information"].iter().filter_map(|end| text.find(end)).min();
    let what = end.and_then(|end| text.get(..end)).unwrap_or(text);
    what.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The command of the help page, for example `touchmark device list`.
fn page(root: &clap::Command, words: &[OsString]) -> String {
    let (mut command, mut page) = (root, root.get_name().to_owned());
    for word in words.iter().skip(1) {
        if let Some(found) = word.to_str().and_then(|word| command.find_subcommand(word)) {
            command = found;
            page = format!("{page} {}", found.get_name());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    #[command(name = "touchmark", version)]
    struct Arguments {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        /// Shows.
        Show {
            /// How many.
            #[arg(long, value_name = "N")]
            limit: u8,
        },
    }

    fn ended(words: &[&str]) -> Ended {
        parse_from::<Arguments>("touchmark", words.iter().map(OsString::from)).unwrap_err()
    }

    #[test]
    fn wrong_usage_says_what_is_wrong_and_where_the_help_is() {
        let said = ended(&["touchmark", "show", "--limit", "many"]);
        assert!(!said.to_stdout);
        assert_eq!(
            said.text,
            "touchmark: error: invalid value 'many' for '--limit <N>': invalid digit found in string\n\
             touchmark: next: see touchmark show --help\n"
        );
        let said = ended(&["touchmark", "show", "--limits", "1"]);
        assert_eq!(
            said.text,
            "touchmark: error: unexpected argument '--limits' found\n  tip: a similar argument exists: '--limit'\n\
             touchmark: next: see touchmark show --help\n"
        );
        let said = ended(&["touchmark", "show"]);
        assert!(said.text.contains("--limit <N>"), "{}", said.text);
    }

    #[test]
    fn with_json_wrong_usage_is_one_object() {
        let said = ended(&["touchmark", "show", "--limit", "many", "--json"]);
        let value: serde_json::Value = serde_json::from_str(&said.text).unwrap();
        assert_eq!(value["error"]["exit_status"], 2);
    }

    #[test]
    fn help_and_version_were_asked_for() {
        for words in
            [&["touchmark", "--help"][..], &["touchmark", "--version"], &["touchmark", "show", "--help"]]
        {
            let said = ended(words);
            assert!(said.to_stdout, "{words:?}");
        }
        assert!(!ended(&["touchmark"]).to_stdout);
    }
}
