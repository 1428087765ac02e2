//! Reading and checking configurations.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use store::LogSettings;

use super::*;
use crate::clock::ClockLimits;

/// A directory as `init` makes it, as far as settings look at it.
fn installation(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["store", "issuers", "server"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let passphrase = dir.path().join("passphrase");
    fs::write(&passphrase, "a passphrase for tests\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let path = dir.path().join("ca.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn mistakes(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let (_dir, path) = installation(text);
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match Settings::read(&path, environment) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Mistakes { mistakes, .. }) => mistakes.iter().map(Mistake::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_name_is_all_that_must_be_there() {
    let (dir, path) = installation("organization = 'Example'");
    let settings = Settings::read(&path, []).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:8443".parse().unwrap());
    assert_eq!(settings.store.dir, dir.path().join("store"));
    assert_eq!(settings.profiles.ldevid_lifetime, Duration::from_secs(30 * 86_400));
    assert_eq!(settings.limits.handshake_timeout, Duration::from_secs(10));
    assert_eq!(settings.clock, ClockLimits::default());
    assert_eq!(settings.publication.backdate, Duration::from_secs(300));
}

#[test]
fn a_configuration_of_a_former_version_is_accepted_with_warnings() {
    let former = "organization = 'Example'\n[store]\nkind = 'sled'\nsegment-mib = 8\npreallocate = true\n";
    let (_dir, path) = installation(former);
    let settings = Settings::read(&path, []).unwrap();
    let log = LogSettings::Files { segment_bytes: 8 << 20, preallocate: true, archive_dir: None };
    assert_eq!(settings.store.log, log);
    assert_eq!(settings.warnings.len(), 3);
    assert!(settings.warnings[0].contains("[log] kind = \"files\""), "{:?}", settings.warnings);
    let today = "organization = 'Example'\n[log]\nkind = 'files'\nsegment-mib = 8\npreallocate = true\n";
    let (_dir, path) = installation(today);
    let settings = Settings::read(&path, []).unwrap();
    assert_eq!((settings.store.log, settings.warnings), (log, Vec::new()));
    let (_dir, path) = installation("organization = 'Example'\n[log]\nkind = 'sled'\n");
    assert!(Settings::read(&path, []).is_err());
}

#[test]
fn all_mistakes_are_told_at_once_and_where_they_are() {
    let text = "organization = ''\n\
                listen = 'localhost'\n\
                public-url = 'https://crl.example.com'\n\
                lissten = 'localhost:1'\n\
                log-format = 'yaml'\n\
                [log]\n\
                segment-mib = 0\n\
                preallocate = 'yes'\n\
                [shop]\n\
                dir = 'x'\n\
                [profiles]\n\
                hardware-type = '1.2.3.4'\n\
                [profiles.ldevid]\n\
                lifetime-days = -1\n\
                [limits]\n\
                connections-max = 1\n";
    let told = mistakes(text, &[("TOUCHMARK_CA_LISTENN", "x"), ("TOUCHMARK_CA_METRICS_LISTEN", "nowhere")]);
    for expected in [
        "organization: has 1 to 64",
        "listen: \"localhost\" is not",
        "ca.toml:4: unknown field `lissten`",
        "ca.toml:5: unknown variant `yaml`",
        "log.segment-mib: 0 is out of range",
        "ca.toml:8: invalid type: string \"yes\"",
        "ca.toml:9: unknown field `shop`",
        "profiles.hardware-type: this object identifier is for examples",
        "public-url: \"https://crl.example.com\" is not",
        "ca.toml:14: invalid value",
        "limits.connections-max: 1 is out of range; write 16 to 100000",
        "TOUCHMARK_CA_LISTENN: there is no such variable",
        "metrics-listen: \"nowhere\"",
    ] {
        assert!(told.iter().any(|mistake| mistake.starts_with(expected)), "{expected}\n{told:#?}");
    }
    assert_eq!(told.len(), 13, "{told:#?}");
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let told = mistakes("organization = 'Example'\nlisten = \n= 3\n", &[]);
    assert!(told.iter().any(|mistake| mistake.starts_with("ca.toml:2: ")), "{told:?}");
    assert!(told.iter().any(|mistake| mistake.starts_with("ca.toml:3: ")), "{told:?}");
}

#[test]
fn a_missing_organization_is_told() {
    assert!(mistakes("", &[])[0].starts_with("organization: must be there"));
}

#[test]
fn variables_go_before_the_file() {
    let (_dir, path) = installation("organization = 'Example'\nlisten = '127.0.0.1:1'\n");
    let environment =
        [("TOUCHMARK_CA_LISTEN".to_owned(), "127.0.0.1:2".to_owned()), ("PATH".to_owned(), "/".to_owned())];
    assert_eq!(Settings::read(&path, environment).unwrap().listen.port(), 2);
}

#[test]
fn what_should_exist_is_not_made() {
    let (dir, path) = installation("organization = 'Example'");
    fs::remove_dir(dir.path().join("store")).unwrap();
    fs::remove_file(dir.path().join("passphrase")).unwrap();
    let Err(ConfigError::Mistakes { mistakes, .. }) = Settings::read(&path, []) else { panic!("accepted") };
    let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.place.as_str()).collect();
    assert_eq!(places, ["store.dir", "issuers.passphrase-file"]);
    assert!(!dir.path().join("store").exists());
}

#[test]
fn a_passphrase_that_others_may_read_is_refused() {
    let (dir, path) = installation("organization = 'Example'");
    fs::set_permissions(dir.path().join("passphrase"), fs::Permissions::from_mode(0o644)).unwrap();
    let Err(ConfigError::Mistakes { mistakes, .. }) = Settings::read(&path, []) else { panic!("accepted") };
    assert!(mistakes[0].what.contains("mode 0644"), "{mistakes:?}");
}

#[test]
fn every_line_of_a_list_of_blocked_keys_that_is_no_entry_is_a_mistake() {
    let text = "organization = ''\nblocked-keys-file = 'blocked-keys.txt'\n";
    let (dir, path) = installation(text);
    let list = format!("# good\n{}\nab\n{}\n", "ab".repeat(32), "xy".repeat(32));
    fs::write(dir.path().join("blocked-keys.txt"), list).unwrap();
    let places = |path: &Path| match Settings::read(path, []) {
        Err(ConfigError::Mistakes { mistakes, .. }) => {
            mistakes.into_iter().map(|mistake| mistake.place).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(places(&path), ["organization", "blocked-keys.txt:3", "blocked-keys.txt:4"]);
    fs::write(dir.path().join("blocked-keys.txt"), "wrong\n".repeat(22)).unwrap();
    assert_eq!(places(&path).len(), 1 + 20 + 1);
    fs::remove_file(dir.path().join("blocked-keys.txt")).unwrap();
    assert_eq!(places(&path), ["organization", "blocked-keys-file"]);
}

#[test]
fn every_address_needs_a_url_for_devices() {
    assert!(mistakes("organization = 'E'\nlisten = '0.0.0.0:8443'", &[])[0].starts_with("enrollment-url: "));
    let good = "organization = 'E'\nlisten = '0.0.0.0:8443'\nenrollment-url = 'https://ca.example.com'";
    assert!(mistakes(good, &[]).is_empty());
    for bad in ["http://ca", "https://", "https://ca/path", "ca", "https://user@ca"] {
        let told = mistakes(&format!("organization = 'E'\nenrollment-url = '{bad}'"), &[]);
        assert!(
            told.first().is_some_and(|mistake| mistake.starts_with("enrollment-url: ")),
            "{bad} {told:?}"
        );
    }
}

#[test]
fn a_reservation_lasts_no_longer_than_the_longest_may() {
    let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
    let (_dir, path) = installation("organization = 'E'");
    assert_eq!(Settings::read(&path, []).unwrap().reservations, authority::ReservationLimits::default());
    let (_dir, path) = installation("organization = 'E'\n[reservations]\nhours-max = 6\nunits = 40\n");
    let settings = Settings::read(&path, []).unwrap().reservations;
    assert_eq!((settings.units, settings.duration, settings.duration_max), (40, hours(6), hours(6)));
    let wrong =
        "organization = 'E'\n[reservations]\nunits = 1001\nhours = 7\nhours-max = 6\nstation-units-max = 0\n";
    let told = mistakes(wrong, &[]);
    for expected in [
        "reservations.units: 1001 is out of range; write 1 to 1000",
        "reservations.hours: 7 is out of range; write 1 to 6",
        "reservations.station-units-max: 0 is out of range; write 1 to 10000",
    ] {
        assert!(told.iter().any(|mistake| mistake == expected), "{expected}\n{told:#?}");
    }
}
