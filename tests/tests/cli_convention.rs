//! Compares every help page of all four programs with docs/cli.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Command, CommandFactory};
use cli::Status;
use tests::Program;

/// Commands that print no data, with the reason.
const NO_DATA: &[(&str, &str)] = &[
    ("touchmark-ca serve", "prints one line of JSON when it is ready, and logs"),
    ("touchmark-agent factory", "its standard output belongs to the link"),
    ("touchmark-agent run", "runs for years and logs"),
    ("completions", "prints a script"),
];

/// Commands that harm, and how the reason in the CRL is set: by `--reason`, or fixed in these words.
const HARMFUL: &[(&str, &str)] = &[
    ("touchmark revoke", "--reason"),
    ("touchmark certificate revoke", "--reason"),
    ("touchmark device revoke", "--reason"),
    ("touchmark principal revoke", "--reason"),
    ("touchmark device retire", "cessationOfOperation"),
    ("touchmark device scrap", "cessationOfOperation"),
    ("touchmark-station scrap", "cessationOfOperation"),
];

/// Commands that end something permanently and revoke nothing.
const FINAL: &[&str] = &[
    "touchmark work-order close",
    "touchmark work-order give-up",
    "touchmark-station give-up",
    "touchmark work-order reservation withdraw",
    "touchmark-ca accept-restored-store",
];

/// Commands whose effect another command undoes.
const UNDONE_BY: &[(&str, &str)] = &[
    ("touchmark device hold", "touchmark device release"),
    ("touchmark work-order pause", "touchmark work-order resume"),
];

/// Words that mark a harmful command; such a command is in a table above, or here, because it only shows or
/// undoes.
const HARM_WORDS: &[&str] =
    &["revoke ", "revoked", "for ever", "hold", "retire", "scrap", "cannot be undone"];
const HARMLESS: &[&str] = &[
    "touchmark device list",
    "touchmark device release",
    "touchmark device rotate",
    "touchmark device rework",
    "touchmark-station rework",
    "touchmark device not-seen",
    "touchmark device forks",
    "touchmark device duplicates",
    "touchmark certificate list",
    "touchmark certificate show",
    "touchmark revocations check",
    "touchmark revocations watch",
    "touchmark quickstart",
    "touchmark doctor",
    "touchmark principal issue",
    "touchmark-agent renew",
    "touchmark-agent run",
    "touchmark-agent enroll",
    "touchmark-ca credential",
    "touchmark-ca root-crl",
    "touchmark-ca document-signer",
];

/// Private words with a term of the field, and sentences that readers did not understand.
const NOT_SAID: &[&str] = &[
    "withdraw",
    "line of descent",
    "revocation list",
    "answers about status",
    "opinion",
    "blast radius",
    "would hit",
    "passed over",
    "never return",
    "asks nobody",
    "whose credential",
    "unanswered",
];

/// Sentences that were replaced by plainer ones.
const SENTENCES_GONE: &[&str] = &[
    "be believed by who asks nobody",
    "which are passed over; ",
    "whose credential? none was given",
    "hold the same question unanswered",
    "That: withdraw what has the key",
    "have nothing that stops them but you",
];

#[test]
fn every_page_says_what_it_is_and_what_each_option_is() {
    for page in pages() {
        assert!(page.command.get_about().is_some(), "{}: what is it?", page.name);
        for argument in page.command.get_arguments() {
            let said = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(said.len() > 3, "{}: {} is not explained", page.name, argument.get_id());
            assert!(
                !["Which.", "Which", "Why.", "Why"].contains(&said.as_str()),
                "{}: {} is not explained: {said}",
                page.name,
                argument.get_id()
            );
        }
    }
}

#[test]
fn every_page_lists_exit_statuses_of_the_one_table_or_names_the_page_that_does() {
    for page in pages() {
        let root = page.name.split(' ').next().unwrap();
        let pointer = format!("Exit status: see {root} --help");
        let listed = statuses(&page.help);
        if page.help.contains(&pointer) {
            assert!(listed.is_empty(), "{}: both a list and a pointer", page.name);
            continue;
        }
        assert!(listed.contains(&0) && listed.contains(&2), "{}: {listed:?}\n{}", page.name, page.help);
        let known: BTreeSet<u8> = Status::ALL.into_iter().map(Status::code).collect();
        assert!(listed.is_subset(&known), "{}: {listed:?}", page.name);
    }
}

#[test]
fn the_convention_says_the_same_statuses_as_the_programs() {
    let convention = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for status in Status::ALL {
        assert!(convention.contains(&format!("\n| {} |", status.code())), "{status:?} is not in docs/cli.md");
    }
}

#[test]
fn every_command_that_prints_data_has_json_and_no_other_shows_it() {
    for page in pages().iter().filter(|page| page.is_leaf()) {
        let exempt =
            NO_DATA.iter().any(|(name, _)| page.name == *name || page.name.ends_with(&format!(" {name}")));
        assert_eq!(page.shows("json"), !exempt, "{}: --json", page.name);
    }
}

#[test]
fn every_harmful_command_asks_and_takes_a_reason_and_a_remark() {
    let all = pages();
    let page =
        |name: &str| all.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("{name} is gone"));
    for (name, reason) in HARMFUL {
        let page = page(name);
        assert!(page.shows("confirm") || page.shows("yes"), "{name}: nothing confirms it");
        assert!(page.shows("remark"), "{name}: --remark");
        match *reason {
            "--reason" => assert!(page.shows("reason"), "{name}: --reason"),
            fixed => {
                assert!(page.help.contains(fixed), "{name}: the page does not say that the reason is {fixed}")
            }
        }
    }
    for name in FINAL {
        assert!(page(name).shows("confirm") || page(name).shows("yes"), "{name}: nothing confirms it");
    }
    for (name, undone_by) in UNDONE_BY {
        page(undone_by);
        assert!(!page(name).shows("confirm"), "{name} can be undone");
    }
    assert!(
        page("touchmark device hold").shows("remark")
            && page("touchmark device hold").help.contains("certificateHold")
    );
}

#[test]
fn no_harmful_command_is_forgotten_in_these_tables() {
    let known: BTreeSet<&str> = HARMFUL
        .iter()
        .map(|(name, _)| *name)
        .chain(FINAL.iter().copied())
        .chain(UNDONE_BY.iter().map(|(name, _)| *name))
        .chain(HARMLESS.iter().copied())
        .collect();
    for page in pages().iter().filter(|page| page.is_leaf()) {
        let about = page
            .command
            .get_long_about()
            .or_else(|| page.command.get_about())
            .unwrap()
            .to_string()
            .to_lowercase();
        let harmful = HARM_WORDS.iter().any(|word| about.contains(word));
        assert!(
            !harmful || known.contains(page.name.as_str()),
            "{}: harmful or harmless? {about}",
            page.name
        );
    }
}

#[test]
fn options_are_shown_only_where_they_are_used() {
    for page in pages() {
        let unused = page.name.ends_with(" completions") || page.name == "touchmark quickstart";
        if page.name.starts_with("touchmark ") && page.is_leaf() {
            assert_eq!(page.shows("credentials"), !unused, "{}: --credentials", page.name);
            assert_eq!(page.shows("server"), !unused, "{}: --server", page.name);
        }
    }
}

#[test]
fn all_four_programs_complete() {
    for (program, name) in PROGRAMS {
        for shell in ["bash", "zsh", "fish"] {
            let output = program.command().args(["completions", shell]).output().unwrap();
            assert!(output.status.success(), "{name} completions {shell}: {output:?}");
            assert!(String::from_utf8(output.stdout).unwrap().contains(name));
        }
    }
}

#[test]
fn every_page_uses_the_words_of_the_field() {
    for page in pages() {
        // privilegeWithdrawn is a word of RFC 5280; a reservation is withdrawn, which revokes nothing.
        let mut help = page.help.to_lowercase().replace("privilegewithdrawn", "");
        if page.name.starts_with("touchmark work-order reservation") {
            help = help.replace("withdraw", "");
        }
        // A phrase may be wrapped over two lines.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in NOT_SAID {
            assert!(!help.contains(word), "{}: {word:?}", page.name);
        }
    }
}

#[test]
fn sentences_that_stopped_readers_are_gone() {
    let mut found = Vec::new();
    for room in ["agent/src", "ca/src", "client/src", "cli/src", "ops/src", "provisioner/src", "docs"] {
        for file in files(&root().join(room)) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for sentence in SENTENCES_GONE.iter().filter(|sentence| text.contains(*sentence)) {
                found.push(format!("{}: {sentence}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn wrong_usage_has_the_form_of_every_error_in_all_four_programs() {
    for (program, name) in PROGRAMS {
        let output = program.command().args(["no-such-command"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("{name}: error: ")), "{said}");
        assert!(said.contains(&format!("\n{name}: next: see {name} --help")), "{said}");
        let output = program.command().args(["--json", "no-such-command"]).output().unwrap();
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["exit_status"], 2, "{name}: {error}");
    }
}

#[test]
fn what_cannot_be_used_ends_with_3_and_says_what_to_do_in_all_four_programs() {
    let missing = "/nonexistent/touchmark";
    for (program, name, arguments) in [
        (Program::CertificateAuthority, "touchmark-ca", &["check-config", "--config", missing][..]),
        (Program::CertificateAuthority, "touchmark-ca", &["serve", "--config", missing]),
        (Program::Station, "touchmark-station", &["report", "--config", missing]),
        (Program::Agent, "touchmark-agent", &["status", "--state", missing]),
        (Program::Agent, "touchmark-agent", &["run", "--state", missing]),
        (Program::Operator, "touchmark", &["device", "list"]),
        (Program::Operator, "touchmark", &["device", "list", "--credentials", missing]),
    ] {
        let output = program.command().args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{name} {arguments:?}: {said}");
        assert!(said.contains(&format!("{name}: error: ")), "{name} {arguments:?}: {said}");
        assert!(said.contains(&format!("\n{name}: next: ")), "{name} {arguments:?}: {said}");
    }
}

/// One help page.
struct Page {
    /// As typed, for example `touchmark device list`.
    name: String,
    command: Command,
    help: String,
}

impl Page {
    fn is_leaf(&self) -> bool {
        self.command.get_subcommands().all(|below| below.get_name() == "help")
    }

    /// Whether its page has this option.
    fn shows(&self, option: &str) -> bool {
        self.command
            .get_arguments()
            .any(|argument| !argument.is_hide_set() && argument.get_long().is_some_and(|long| long == option))
    }
}

/// Every page of all four programs, from the clap definitions.
fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for mut root in [
        ca::arguments::Arguments::command(),
        provisioner::Arguments::command(),
        agent::arguments::Arguments::command(),
        ops::Arguments::command(),
    ] {
        root.build();
        walk(root.get_name().to_owned(), &root, &mut pages);
    }
    assert!(pages.len() > 50, "all pages are found: {}", pages.len());
    pages
}

fn walk(name: String, command: &Command, pages: &mut Vec<Page>) {
    let help = command.clone().render_long_help().to_string();
    pages.push(Page { name: name.clone(), command: command.clone(), help });
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        walk(format!("{name} {}", below.get_name()), below, pages);
    }
}

/// The numbers under `Exit status:`.
fn statuses(help: &str) -> BTreeSet<u8> {
    let Some((_, list)) = help.split_once("Exit status:\n") else { return BTreeSet::new() };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    lines
        .filter_map(|line| line.trim().split_once("  ").and_then(|(number, _)| number.parse().ok()))
        .collect()
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

const PROGRAMS: [(Program, &str); 4] = [
    (Program::CertificateAuthority, "touchmark-ca"),
    (Program::Station, "touchmark-station"),
    (Program::Agent, "touchmark-agent"),
    (Program::Operator, "touchmark"),
];
