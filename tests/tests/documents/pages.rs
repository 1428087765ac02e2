//! Compares pages that list parts of the code with the code, and checks links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use authority::{CallerKind, Operation};
use ca::grpc::{Access, TABLE};
use identity::Role;
use proto::v1::Reason;
use tests::Program;
use tonic::Code;

use crate::documents_in;
use crate::world::{self, Beginning};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// What stands in backquotes in the first column of a page's tables.
fn first_column(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `"));
    cells.filter_map(|cell| cell.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn the_page_of_reasons_has_every_reason_and_no_other() {
    let given: BTreeSet<_> = tests::reasons().map(|reason| reason.as_str_name().to_owned()).collect();
    let listed = first_column(&page("reasons.md"));
    let missing: Vec<_> = given.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/reasons.md says nothing of {missing:?}");
    let gone: Vec<_> = listed.difference(&given).collect();
    assert!(gone.is_empty(), "docs/reasons.md has reasons that the CA never gives: {gone:?}");
}

#[test]
fn the_page_of_reasons_has_the_code_that_the_ca_gives() {
    let page = page("reasons.md");
    for reason in tests::reasons() {
        let name = reason.as_str_name();
        let row = page.lines().find_map(|line| line.strip_prefix(&format!("| `{name}` | `"))).unwrap();
        let code = row.split('`').next().unwrap();
        assert_eq!(code.replace('_', ""), format!("{:?}", ca::grpc::code(reason)).to_uppercase(), "{name}");
    }
}

#[test]
fn every_reason_of_the_ca_has_the_next_step_that_the_page_of_reasons_says() {
    let page = page("reasons.md");
    for reason in tests::reasons() {
        let name = reason.as_str_name();
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        let says = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        match ops::next_step(Some(name), Code::Ok) {
            Some(step) => assert_eq!(says, step, "{name}"),
            // Nobody reads the answer to a call that they cancelled.
            None => assert!(reason == Reason::Cancelled && says.starts_with("nothing: "), "{name}: {says}"),
        }
    }
}

#[test]
fn the_table_of_calls_in_the_api_is_the_one_that_the_ca_obeys() {
    let page = page("api.md");
    for (rpc, access) in TABLE {
        let (service, method) = rpc.trim_start_matches('/').rsplit_once('/').unwrap();
        let name = format!("| `{}/{method}` | ", service.trim_start_matches("touchmark.v1."));
        let row = page.lines().find_map(|line| line.strip_prefix(&name));
        let row = row.unwrap_or_else(|| panic!("docs/api.md has no row {name}"));
        let said = row.trim_end_matches(" |").trim_end_matches(", late");
        assert_eq!(said, who(*access), "{rpc}");
    }
}

fn who(access: Access) -> String {
    let Access::Operation(operation) = access else { return "anyone".into() };
    if operation == Operation::ListServices {
        return "every principal".into();
    }
    if operation.allows(CallerKind::BareKey) {
        return "bare key".into();
    }
    let devices = [(CallerKind::DeviceBirth, "birth"), (CallerKind::DeviceOperational, "operational")];
    let devices: Vec<&str> =
        devices.into_iter().filter(|(kind, _)| operation.allows(*kind)).map(|(_, name)| name).collect();
    if !devices.is_empty() {
        return format!("device ({})", devices.join(", "));
    }
    let roles = Role::ALL.into_iter().filter(|role| operation.allows(CallerKind::Named(*role)));
    roles.map(|role| role.as_str().replace('-', " ")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_of_the_configuration_is_the_manual_of_the_program() {
    let mut command = Program::CertificateAuthority.command();
    let help = command.args(["check-config", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = page("configuration.md");
    let fields: Vec<&str> = help
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(str::trim)
        .filter(|line| !line.starts_with('-') && !line.contains(' '))
        .collect();
    assert!(fields.len() > 20, "the help names the fields: {fields:?}\n{help}");
    for field in fields {
        assert!(page.contains(&format!("\n  {field}\n")), "docs/configuration.md says nothing of {field}");
    }
}

#[test]
fn the_page_of_metrics_has_every_figure_and_no_other() {
    let shown = world::run("curl -sf http://127.0.0.1:9443/metrics\n", Beginning::Tour).unwrap();
    let names =
        |line: &str| line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next().map(str::to_owned));
    let figures: BTreeSet<String> = shown.lines().filter_map(names).collect();
    assert!(figures.len() > 20, "{shown}");
    let text = page("metrics.md");
    let listed = first_column(text.split("## All figures").nth(1).unwrap());
    let missing: Vec<_> = figures.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/metrics.md says nothing of {missing:#?}");
    let gone: Vec<_> =
        listed.difference(&figures).filter(|figure| !ONCE_COUNTED.contains(&figure.as_str())).collect();
    assert!(gone.is_empty(), "docs/metrics.md has figures that the CA does not have: {gone:?}");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for file in documents_in(root()) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for target in links(&text) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let linked: PathBuf =
                if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let Ok(linked_text) = read(&root().join(&linked)) else {
                broken.push(format!("{}: {target}", file.display()));
                continue;
            };
            let is_there =
                anchor.is_empty() || linked_text.lines().any(|line| slug(line).as_deref() == Some(anchor));
            if !is_there {
                broken.push(format!("{}: {target} (no such heading)", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

/// A folder has no text.
fn read(path: &Path) -> std::io::Result<String> {
    if path.is_dir() { Ok(String::new()) } else { Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()) }
}

/// Targets within this repository.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// A heading's anchor, as forges make it.
fn slug(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
}

#[test]
fn the_pictures_are_drawn_from_their_text() {
    let pictures = root().join("docs/pictures");
    for entry in fs::read_dir(&pictures).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            let text = ["dot", "txt"].map(|extension| path.with_extension(extension));
            assert!(text.iter().any(|text| text.exists()), "{} has no text to be drawn from", path.display());
        }
    }
}

/// Metrics that appear with their first count.
const ONCE_COUNTED: &[&str] = &[
    "touchmark_refused",
    "touchmark_issuer_compromise_proofs",
    "touchmark_connections_dropped",
    "touchmark_task_restarts",
    "touchmark_rpcs",
    "touchmark_rpc_duration_seconds",
];
