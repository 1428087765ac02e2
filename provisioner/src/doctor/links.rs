//! The link of each slot: its address, program or port, and whether a unit answers. A unit is told nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli::Finding;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use humantime::format_duration;
use identity::{DeviceId, Product};
use tokio::time::{Instant, timeout};

use super::journal::Found;
use super::{HANGS, LINK, Wanted};
use crate::config::Settings;
use crate::link::LinkSpec;
use crate::session::Presence;
use crate::slot::{Look, Probe, Question};

/// Examines the slots that were asked for, or those of the last run.
pub(super) async fn examine<E>(
    settings: &Settings,
    found: &Found,
    wanted: &Wanted,
    product: Option<&Product>,
    mut tell: impl FnMut(Vec<Finding>) -> Result<(), E>,
) -> Result<(), E> {
    let (link, slots) = match which(found, wanted) {
        Ok(which) => which,
        Err(finding) => return tell(vec![finding]),
    };
    let mut findings = general(&link, slots, settings, product);
    let asks = findings.is_empty() && !found.is_in_use;
    findings.insert(0, Finding::good(LINK, format!("{link}, {}", cli::count(slots as u64, "slot"))));
    if found.is_in_use {
        let says = "a station runs with this journal: its fixtures are left alone";
        findings.push(Finding::note(
            LINK,
            says,
            "stop the line, then run the doctor again, to have them tried",
        ));
    }
    tell(findings)?;
    if !asks {
        return Ok(());
    }
    let unknown: Option<Product> = "unknown".parse().ok();
    let Some(product) = product.or(unknown.as_ref()) else { return Ok(()) };
    let Ok(stand_in) = format!("{product}/0").parse::<DeviceId>() else { return Ok(()) };
    let mut checks: FuturesOrdered<_> =
        (1..=slots).map(|slot| one(settings, &link, slot, product, &stand_in)).collect();
    while let Some(finding) = checks.next().await {
        tell(vec![finding])?;
    }
    Ok(())
}

fn which(found: &Found, wanted: &Wanted) -> Result<(LinkSpec, usize), Finding> {
    let last = found.last_link();
    let slots = wanted.slots.or_else(|| last.map(|last| last.slots)).unwrap_or(1).clamp(1, SLOTS_MAX);
    match (&wanted.link, last.map(|last| last.link.parse::<LinkSpec>())) {
        (Some(link), _) => Ok((link.clone(), wanted.slots.unwrap_or(1))),
        (None, Some(Ok(link))) => Ok((link, slots)),
        (None, Some(Err(error))) => {
            Err(Finding::bad(LINK, format!("that of the last run cannot be used: {error}"), SAY_IT))
        }
        (None, None) => Err(Finding::note(LINK, "not tried: the journal does not say one", SAY_IT)),
    }
}

/// What is wrong for a slot, or for all of them, before any link is opened.
fn general(link: &LinkSpec, slots: usize, settings: &Settings, product: Option<&Product>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = (1..=slots)
        .filter_map(|slot| {
            let error = link.reaches(slot).err()?;
            Some(Finding::bad(
                slot_name(slot),
                error.to_string(),
                "write --link so that each slot has its own",
            ))
        })
        .collect();
    if let LinkSpec::Exec(command) = link {
        let programs = (1..=slots).filter_map(|slot| command.program(slot));
        let missing = programs.filter(|program| find_program(program).is_none());
        findings.extend(missing.take(1).map(|program| {
            let says = format!("there is no program {program} that this user can run");
            Finding::bad(LINK, says, "install it, or write its whole path into --link")
        }));
    }
    for (slot, name) in link.missing_ports(slots, &settings.link_limits.device_root) {
        findings.push(Finding::bad(slot_name(slot), format!("its port {name} is not there"), PORT_AWAY));
    }
    let text = link.to_string();
    if text.contains("{serial}") {
        let says = "it has {serial}: it can be opened only for a unit whose serial number is known";
        findings.push(Finding::note(LINK, says, "a run of one unit tries it: provision --limit 1"));
    } else if text.contains("{product}") && product.is_none() {
        let says = "it has {product}, and no work order is known";
        findings.push(Finding::note(LINK, says, "name one: --work-order ID"));
    }
    findings
}

async fn one(
    settings: &Settings,
    link: &LinkSpec,
    slot: usize,
    product: &Product,
    stand_in: &DeviceId,
) -> Finding {
    let limits = settings.limits;
    let question = Question {
        link,
        link_limits: &settings.link_limits,
        limits,
        product,
        interval: limits.answer_timeout,
    };
    let patience = settings.link_limits.connect + limits.answer_timeout * ANSWERS_MAX + MARGIN;
    let begun = Instant::now();
    let mut probe = Probe::of(question, stand_in, slot);
    let Ok(look) = timeout(patience, probe.look()).await else {
        let says = format!("this check did not end within {}", format_duration(patience));
        return Finding::bad(slot_name(slot), says, HANGS);
    };
    let took = begun.elapsed();
    if let Some(link) = probe.into_link() {
        link.close().await;
    }
    judge(slot, link.waits_for_its_port(), look, took)
}

fn judge(slot: usize, is_serial: bool, look: Look, took: Duration) -> Finding {
    let slot = slot_name(slot);
    let millis = took.as_millis();
    match look {
        Look::Present(Presence::Named(device)) => {
            Finding::good(slot, format!("{device} answers, {millis} ms after the link was opened"))
        }
        Look::Present(Presence::Nameless) => {
            Finding::good(slot, format!("a unit without a serial number answers, after {millis} ms"))
        }
        Look::Present(Presence::Garbled { damaged, noise_bytes }) => {
            let says =
                format!("bytes come that are no answer: {noise_bytes} bytes, {damaged} damaged frames");
            Finding::bad(
                slot,
                says,
                "compare the speed of the line with the unit's, look at the cable and its ground",
            )
        }
        Look::Absent(why) if why.is_empty() => {
            Finding::note(slot, format!("the link opens, and nothing answers within {millis} ms"), EMPTY)
        }
        Look::Absent(why) if is_serial => Finding::bad(slot, why, PORT_AWAY),
        Look::Absent(why) => Finding::note(slot, why, EMPTY),
        Look::Unusable(outcome) => Finding::bad(slot, outcome.to_string(), UNUSABLE),
    }
}

/// A program as the system finds it: by its path, or in `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let can_run = |path: &Path| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| can_run(path));
    }
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|directory| directory.join(name)).find(|path| can_run(path))
}

fn slot_name(slot: usize) -> String {
    format!("slot {slot}")
}

const SAY_IT: &str = "say how devices are reached: --link LINK --slots N";
const EMPTY: &str =
    "if no unit is in the fixture, all is well; otherwise look at its power, its firmware and the cable";
const PORT_AWAY: &str = "plug the adapter in, look at `dmesg`; or stop the other program that has the port";
const UNUSABLE: &str = "check --link: the command, the address, the permission of the port (group dialout)";

/// A unit may greet with the text of its boot loader and be asked again.
const ANSWERS_MAX: u32 = 3;

/// For the end of a command.
const MARGIN: Duration = Duration::from_secs(3);

/// As `--slots`.
const SLOTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use cli::Verdict;

    use super::*;

    #[test]
    fn a_program_is_found_as_the_system_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("agent");
        std::fs::write(&file, "").unwrap();
        assert_eq!(find_program(file.to_str().unwrap()), None, "it cannot be run");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(file.to_str().unwrap()), Some(file));
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("no-such-program-of-touchmark"), None);
    }

    #[test]
    fn an_empty_fixture_is_no_fault_and_a_port_that_is_away_is_one() {
        let took = Duration::from_millis(20);
        let verdict = |is_serial, look| judge(3, is_serial, look, took).verdict;
        assert_eq!(verdict(true, Look::Absent(String::new())), Verdict::Note);
        assert_eq!(verdict(false, Look::Absent("connection refused".into())), Verdict::Note);
        assert_eq!(verdict(true, Look::Absent("/dev/x is not there".into())), Verdict::Bad);
        assert_eq!(verdict(true, Look::Present(Presence::Nameless)), Verdict::Good);
        let garbled = Presence::Garbled { damaged: 2, noise_bytes: 100 };
        assert_eq!(verdict(true, Look::Present(garbled)), Verdict::Bad);
    }
}
