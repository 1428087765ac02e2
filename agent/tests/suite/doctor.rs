//! What the doctor finds, and that it changes nothing.

use crate::support::prelude::*;

#[test]
fn a_healthy_unit_is_told_so() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let before = std::fs::read(home.path().join("state.json")).unwrap();
    let output = doctor(home.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for words in ["of cam-2/SN1", "takes the LDevID", "room for the next", "planned at"] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert_eq!(std::fs::read(home.path().join("state.json")).unwrap(), before);
    assert_eq!(
        home.path()
            .read_dir()
            .unwrap()
            .filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().contains("doctor"))
            .count(),
        0
    );
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let ca = FakeCa::start();
    let healthy = tempfile::tempdir().unwrap();
    enrolled(healthy.path(), &ca.issuers, "SN1", &ca.url());
    let mode = |home: &Path, name: &str, mode| {
        std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let refuse = |reason| ca.state.lock().unwrap().refusals = vec![(Code::Unauthenticated, reason, None)];
    let cases: [(&str, Harm<'_>, i32, &str); 9] = [
        ("key for all", &|home| mode(home, "a/key.pem", 0o644), 6, "chmod"),
        ("directory for all", &|home| mode(home, "b", 0o777), 6, "chmod go-w"),
        ("no current", &|home| std::fs::remove_file(home.join("current")).unwrap(), 4, "restore"),
        ("no birth key", &|home| std::fs::remove_file(home.join("idevid/key.pem")).unwrap(), 4, "restore"),
        ("key cut", &|home| std::fs::write(home.join("a/key.pem"), "cut").unwrap(), 4, "from a backup"),
        ("no state", &|home| std::fs::remove_file(home.join("state.json")).unwrap(), 4, "restore"),
        ("on hold", &|_| refuse("CLIENT_CERTIFICATE_HELD"), 6, "device release"),
        ("revoked", &|_| refuse("CLIENT_CERTIFICATE_REVOKED"), 6, "return the unit"),
        (
            "overdue",
            &|home| {
                ca.state.lock().unwrap().window = Some((-900_000, -800_000));
                ca.state.lock().unwrap().refusals =
                    vec![(Code::FailedPrecondition, "DEVICE_HELD", None), (Code::Ok, "", None)];
                assert_eq!(renew(home, &[]).status.code(), Some(7));
            },
            6,
            "overdue since",
        ),
    ];
    for (name, harm, exit, says) in cases {
        let home = tempfile::tempdir().unwrap();
        copy(healthy.path(), home.path());
        std::fs::create_dir_all(home.path().join("b")).unwrap();
        harm(home.path());
        let output = doctor(home.path());
        ca.state.lock().unwrap().refusals.clear();
        assert_eq!(output.status.code(), Some(exit), "{name}: {}", said(&output));
        assert!(said(&output).contains(says), "{name}: {}", said(&output));
        assert!(
            !said(&output).contains("touchmark-agent doctor"),
            "{name}: it advises itself: {}",
            said(&output)
        );
    }
}

#[test]
fn a_unit_that_is_not_enrolled_or_whose_ca_is_away_is_told_so() {
    let home = tempfile::tempdir().unwrap();
    born(home.path(), &Issuers::new(), "SN1", "https://127.0.0.1:9");
    let output = doctor(home.path());
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    for words in ["enrol the unit", "cannot be reached", "check the network"] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    let nothing = doctor(&home.path().join("missing"));
    assert_eq!(nothing.status.code(), Some(6));
    assert!(said(&nothing).contains("touchmark-agent factory"), "{}", said(&nothing));
}

#[test]
fn json_is_one_finding_a_line() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let output = agent().args(["doctor", "--json", "--state"]).arg(home.path()).output().unwrap();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["subject"].is_string() && finding["verdict"].is_string(), "{line}");
    }
}

/// What happens to a state directory, or to its CA.
type Harm<'a> = &'a dyn Fn(&Path);

fn doctor(home: &Path) -> Output {
    agent().args(["doctor", "--state"]).arg(home).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output))
}
