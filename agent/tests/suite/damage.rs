//! A damaged state directory is reported with what to do, and left as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support::prelude::*;

type Damage = Box<dyn Fn(&Path)>;

#[test]
fn damage_is_reported_with_what_to_do_and_nothing_is_replaced() {
    let ca = FakeCa::start();
    let (whole, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (home, serial) in [(&whole, "SN1"), (&other, "SN2")] {
        born(home.path(), &ca.issuers, serial, &ca.url());
        assert_eq!(enroll(home.path(), &[]).status.code(), Some(0));
    }
    let calls = ca.state.lock().unwrap().calls;
    let foreign = other.path().to_owned();
    let mut table: Vec<(String, Damage)> = vec![
        ("current is gone".into(), remove("current")),
        ("current leads to the other slot".into(), point("current", "b")),
        ("current leads away".into(), point("current", "/etc")),
        (
            "state.json is of a later format".into(),
            replace_text("state.json", "\"format\": 1", "\"format\": 2"),
        ),
        (
            "state.json has a field too many".into(),
            replace_text("state.json", "\"format\"", "\"x\": 1, \"format\""),
        ),
        ("state.json is another unit's".into(), from_other("state.json", &foreign)),
    ];
    for file in [
        "state.json",
        "a/key.pem",
        "a/cert.pem",
        "a/chain.pem",
        "a/trust.pem",
        "idevid/key.pem",
        "idevid/cert.pem",
        "idevid/trust.pem",
    ] {
        table.push((format!("{file} is gone"), remove(file)));
        table.push((format!("{file} is empty"), cut(file, 0)));
        table.push((format!("{file} is cut"), cut(file, 60)));
        table.push((format!("{file} is huge"), grow(file)));
    }
    for file in ["a/key.pem", "a/cert.pem", "idevid/key.pem", "idevid/cert.pem"] {
        table.push((format!("{file} is another unit's"), from_other(file, &foreign)));
    }
    for (name, damage) in table {
        let home = tempfile::tempdir().unwrap();
        copy(whole.path(), home.path());
        damage(home.path());
        let before = contents(home.path());
        for (command, output) in [("enroll", enroll(home.path(), &[])), ("status", status(home.path()))] {
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(4), "{name}, {command}: {told}");
            assert!(
                told.contains("restore") || told.contains("replace the unit") || told.contains("return"),
                "{name}, {command}: {told}"
            );
            assert!(!told.contains("PRIVATE KEY"), "{name}");
        }
        assert_eq!(contents(home.path()), before, "{name}: changed");
    }
    assert_eq!(ca.state.lock().unwrap().calls, calls, "no damaged unit called the CA");
}

#[test]
fn a_key_that_others_can_read_is_named_by_who_only_looks_and_set_right_by_who_owns_it() {
    let ca = FakeCa::start();
    let whole = tempfile::tempdir().unwrap();
    born(whole.path(), &ca.issuers, "SN1", &ca.url());
    assert_eq!(enroll(whole.path(), &[]).status.code(), Some(0));
    for (file, mode) in [("a/key.pem", 0o644), ("a/key.pem", 0o660), ("idevid/key.pem", 0o640)] {
        let home = tempfile::tempdir().unwrap();
        copy(whole.path(), home.path());
        let key = home.path().join(file);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = status(home.path());
        assert_eq!(told.status.code(), Some(3), "{file}: {}", stderr(&told));
        assert!(stderr(&told).contains("chmod"), "it says what to do: {}", stderr(&told));
        assert_eq!(permissions(&key), mode, "who only looks changes nothing");

        let told = enroll(home.path(), &[]);
        assert_eq!(told.status.code(), Some(0), "{file}: {}", stderr(&told));
        assert!(stderr(&told).contains(&format!("had mode {mode:04o}")), "{}", stderr(&told));
        assert_eq!(permissions(&key), 0o600, "it is set right");
        assert_eq!(status(home.path()).status.code(), Some(0));
    }
}

fn permissions(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_factory_does_not_begin_anew_on_what_is_left_of_a_state_directory() {
    let ca = FakeCa::start();
    let home = tempfile::tempdir().unwrap();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    std::fs::remove_file(home.path().join("state.json")).unwrap();
    let before = contents(home.path());
    assert_ne!(Bench::start(home.path()).close(), Some(0));
    assert_eq!(contents(home.path()), before);
}

#[test]
fn a_directory_without_state_is_neither_damaged_nor_made_into_one() {
    let home = tempfile::tempdir().unwrap();
    for path in [home.path().to_owned(), home.path().join("missing")] {
        assert_eq!(enroll(&path, &[]).status.code(), Some(3));
        assert_eq!(status(&path).status.code(), Some(3));
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_the_state_directory_is_named_by_every_command() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert_eq!(Bench::start(&path).close(), Some(3));
        for output in [enroll(&path, &[]), status(&path)] {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.contains("is not a directory") && said.contains("--state"), "{said}");
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

fn remove(file: &'static str) -> Damage {
    Box::new(move |home| std::fs::remove_file(home.join(file)).unwrap())
}

fn cut(file: &'static str, length: u64) -> Damage {
    Box::new(move |home| {
        std::fs::OpenOptions::new().write(true).open(home.join(file)).unwrap().set_len(length).unwrap();
    })
}

fn grow(file: &'static str) -> Damage {
    Box::new(move |home| {
        let mut content = std::fs::read(home.join(file)).unwrap();
        content.resize(100_000, b' ');
        std::fs::write(home.join(file), content).unwrap();
    })
}

fn point(link: &'static str, target: &'static str) -> Damage {
    Box::new(move |home| {
        std::fs::remove_file(home.join(link)).unwrap();
        std::os::unix::fs::symlink(target, home.join(link)).unwrap();
    })
}

fn replace_text(file: &'static str, from: &'static str, to: &'static str) -> Damage {
    Box::new(move |home| {
        let text = std::fs::read_to_string(home.join(file)).unwrap();
        std::fs::write(home.join(file), text.replacen(from, to, 1)).unwrap();
    })
}

fn from_other(file: &'static str, other: &Path) -> Damage {
    let source = other.join(file);
    Box::new(move |home| {
        std::fs::copy(&source, home.join(file)).unwrap();
    })
}

fn contents(home: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![home.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir().unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.file_type().unwrap().is_symlink() {
                all.insert(
                    entry.path(),
                    entry.path().read_link().unwrap().as_os_str().as_encoded_bytes().to_vec(),
                );
            } else {
                all.insert(entry.path(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}
