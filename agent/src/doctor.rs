//! Examines a device and reports findings with advice. Changes nothing.

mod reach;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use diagnostics::error_chain;
use identity::{Clock, DeviceId};

use crate::ca_client::Server;
use crate::certificate::Credential;
use crate::state::{CredentialLocation, Disk, FactoryStep, RenewalStep, Slot, StateError, Storage, View};
use crate::status::planned_renewal;
use crate::text::rfc3339;

pub use cli::{Finding, Verdict};

/// A finding from an error of the state directory.
fn of_state(subject: &'static str, error: &StateError) -> Finding {
    let verdict = if error.is_damage() { Verdict::Damaged } else { Verdict::Bad };
    let advice = match error {
        // Other commands advise to run the doctor.
        StateError::Key { .. } => Some(KEY_ADVICE),
        error => error.next_step(),
    };
    Finding { verdict, advice: advice.map(str::to_owned), ..Finding::good(subject, error_chain(error)) }
}

/// Checks a state directory, the clock and the CA, as far as what a check needs is there.
pub async fn examine(
    directory: &Path,
    storage: &Storage,
    server: Option<Server>,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let view = match View::read(directory, storage) {
        Ok(view) => view,
        Err(error) => return vec![of_state(STATE, &error)],
    };
    let mut findings = vec![state(&view), room(directory, &*storage.disk)];
    findings.extend(others(directory));
    findings.push(birth(&view));
    if view.record().factory < FactoryStep::Installed {
        return findings;
    }
    let now = match view.time_floor() {
        Ok(floor) => floor.now(clock),
        Err(error) => {
            findings.push(of_state(STATE, &error));
            return findings;
        }
    };
    findings.push(operational(&view, now));
    findings.extend(renewal(&view, now));
    findings.push(clock_alone(&view, clock, now));
    findings.extend(reach::examine(&view, server, clock, now).await);
    findings
}

fn state(view: &View) -> Finding {
    let record = view.record();
    let device = record.device.as_ref().map_or_else(|| "nobody yet".to_owned(), DeviceId::to_string);
    match record.factory {
        FactoryStep::Locked => Finding::good(STATE, format!("of {device}")),
        FactoryStep::Installed => Finding::note(
            STATE,
            format!("of {device}, and still takes factory commands"),
            "let a station finish it: touchmark-agent factory",
        ),
        FactoryStep::Blank | FactoryStep::KeyReady => Finding::bad(
            STATE,
            format!("of {device}, which has not left the factory"),
            "let a station finish it: touchmark-agent factory",
        ),
    }
}

/// Whether there is room for the next certificate.
fn room(directory: &Path, disk: &dyn Disk) -> Finding {
    let probe = directory.join(".doctor.unfinished");
    let written = disk.create(&probe, 0o600, &[0; ROOM_BYTES]).and_then(|()| disk.sync_file(&probe));
    let removed = disk.remove(&probe);
    match written.and(removed) {
        Ok(()) => Finding::good(ROOM, "there is room for the next certificate"),
        Err(error) => Finding::bad(
            ROOM,
            format!("{} cannot be written: {error}", directory.display()),
            "make room, or run as the user whose directory it is; until then no certificate can be renewed",
        ),
    }
}

/// Whether somebody else could put a state of his own in place.
fn others(directory: &Path) -> Option<Finding> {
    let places = ["", "idevid", "a", "b"].map(|name| directory.join(name));
    places.iter().find_map(|path| {
        let mode = path.metadata().ok()?.permissions().mode() & 0o7777;
        (mode & 0o022 != 0).then(|| {
            let says = format!("{} can be written by group or others (mode {mode:04o})", path.display());
            Finding::bad("access", says, format!("chmod go-w {}", path.display()))
        })
    })
}

fn birth(view: &View) -> Finding {
    let record = view.record();
    match (&record.device, record.factory) {
        _ if record.certificate_deferred => deferred(view),
        (Some(device), FactoryStep::Installed | FactoryStep::Locked) => {
            match view.own(CredentialLocation::Birth, device) {
                Ok((own, _)) => Finding::good(IDEVID, hex::encode(own.leaf.serial_number)),
                Err(error) => of_state(IDEVID, &error),
            }
        }
        (_, FactoryStep::KeyReady) => match view.key(CredentialLocation::Birth) {
            Ok(_) => Finding::good(IDEVID, "a key, and no certificate yet"),
            Err(error) => of_state(IDEVID, &error),
        },
        _ => Finding::good(IDEVID, "none yet"),
    }
}

/// What a unit has whose birth certificate is deferred.
fn deferred(view: &View) -> Finding {
    let key = view.key(CredentialLocation::Birth);
    let rest = key.and_then(|_| view.anchors(CredentialLocation::Birth));
    match rest {
        Ok(_) => Finding::note(
            IDEVID,
            "deferred: the CA could not be asked when the unit was made",
            "let it get it from the CA: touchmark-agent enroll, or run",
        ),
        Err(error) => of_state(IDEVID, &error),
    }
}

fn operational(view: &View, now: SystemTime) -> Finding {
    let Some((slot, device)) = in_use(view) else {
        return Finding::bad(LDEVID, "none in use", "enrol the unit: touchmark-agent enroll, or run");
    };
    match view.check_current(slot).and_then(|()| view.own(slot.into(), device)) {
        Err(error) => of_state(LDEVID, &error),
        Ok((Credential { leaf: certificate, .. }, _)) => {
            let (serial, end) = (hex::encode(&certificate.serial_number), rfc3339(certificate.not_after));
            if certificate.has_ended(now) {
                let advice = "renew it: touchmark-agent renew; it enrols again if it has to";
                Finding::bad(LDEVID, format!("{serial} ended at {end}"), advice)
            } else {
                Finding::good(LDEVID, format!("{serial}, until {end}"))
            }
        }
    }
}

fn renewal(view: &View, now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(renewal) = &view.record().renewal {
        let says = match renewal.step {
            RenewalStep::Begun => "begun, and no certificate that fits has come",
            RenewalStep::Installed => "the next certificate is here, and the CA has not heard of its use",
        };
        findings.push(Finding::note(RENEWAL, says, "let it finish: touchmark-agent renew, or run"));
    }
    if let Ok(Some(at)) = planned_renewal(view) {
        findings.push(match now.duration_since(at) {
            Ok(late) if late > LATE => Finding::bad(
                RENEWAL,
                format!("overdue since {}", rfc3339(at)),
                "see that touchmark-agent run runs, and what it logs; or renew it: touchmark-agent renew",
            ),
            Ok(_) => Finding::good(RENEWAL, format!("due since {}", rfc3339(at))),
            Err(_) => Finding::good(RENEWAL, format!("planned at {}", rfc3339(at))),
        });
    }
    if view.record().notification_pending {
        findings.push(Finding::note(
            "applications",
            "not told of the certificate in use",
            "if they have to be told, run or renew with --hook or --notify-pid-file",
        ));
    }
    findings
}

/// The clock, compared with the time floor.
fn clock_alone(view: &View, clock: &dyn Clock, now: SystemTime) -> Finding {
    match view.time_floor() {
        Ok(floor) if floor.contradicts(clock) => Finding::note(
            CLOCK,
            format!("it shows {}, which is over; going by {}", rfc3339(clock.now()), rfc3339(now)),
            "set it; until then the unit goes by what the CA says",
        ),
        _ => Finding::good(CLOCK, format!("it shows {}", rfc3339(now))),
    }
}

fn in_use(view: &View) -> Option<(Slot, &DeviceId)> {
    Some((view.record().in_use()?.slot, view.record().device.as_ref()?))
}

const KEY_ADVICE: &str = "let the agent's user alone read and own the key, or restore the directory from a backup; without its key the unit \
                          returns to the factory";

const STATE: &str = "state";
const ROOM: &str = "room";
const IDEVID: &str = "IDevID";
const LDEVID: &str = "LDevID";
const RENEWAL: &str = "renewal";
const CLOCK: &str = "clock";

/// The room for a renewal: a key, a certificate, a chain, anchors and the record, each below 4 kB.
const ROOM_BYTES: usize = 32 * 1024;

/// A renewal may wait this long for a CA that cannot be reached before it counts as overdue.
const LATE: Duration = Duration::from_secs(86_400);
