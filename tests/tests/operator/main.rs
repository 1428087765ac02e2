//! `touchmark` against a running CA: what it shows and does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod mistakes;

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use proto::v1::ConfirmInstalledRequest;
use serde_json::Value;
use tests::{
    CertificateAuthority, Credentials, Device, Factory, Operator, OrderTerms, Process, eventually, json_lines,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_blast_radius_and_changes_nothing() {
    let site = Site::new().await;
    site.device(1).await;
    site.born(2).await;
    let radius =
        &site.operator.json(&["revoke", "--product", "cam-2", "--reason", "superseded", "--dry-run"])[0];
    assert_eq!((&radius["certificates"], &radius["devices"]), (&Value::from(3), &Value::from(2)), "{radius}");
    assert_eq!(radius["products"][0]["product"], "cam-2");
    assert_ne!(radius["last_seen_newest"], Value::Null, "{radius}");
    let said =
        site.operator.says(&["revoke", "--work-order", &site.order, "--reason", "superseded", "--dry-run"]);
    assert!(said.contains("3 certificates of 2 devices"), "{said}");
    assert_eq!(site.statuses(1), ["issued", "in use"]);
    assert_eq!(site.statuses(2), ["issued"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_revoked_before_somebody_has_said_the_number() {
    let site = Site::new().await;
    site.device(1).await;
    let revoke = ["device", "revoke", "cam-2/SN000001", "--reason", "keyCompromise"];
    let (status, said) = site.operator.fails(&revoke);
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("2 certificates of 1 device") && said.contains("--confirm 2"), "{said}");
    let (status, said) = site.operator.fails(&[&revoke[..], &["--confirm", "3"]].concat());
    assert_eq!(status, 5, "{said}");
    assert_eq!(site.statuses(1), ["issued", "in use"]);

    let done = &site.operator.json(&[&revoke[..], &["--confirm", "2"]].concat())[0];
    assert_eq!(done["revoked"], 2, "{done}");
    assert_eq!(site.statuses(1), ["revoked", "revoked"]);
    let again = site.operator.says(&revoke);
    assert!(again.contains("nothing to revoke"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_selection_finds_its_certificates() {
    let site = Site::new().await;
    let before = site.born(1).await;
    let device = site.device(2).await;
    let shown = &site.operator.json(&["certificate", "show", &serial(&device)])[0];
    let key = shown["key_fingerprint"].as_str().unwrap();
    let birth = shown["parent_serial_number"].as_str().unwrap();
    for (selection, certificates) in [
        (&["--device", "cam-2/SN000002"][..], 2),
        (&["--certificate", &serial(&device)], 1),
        (&["--lineage", birth], 2),
        (&["--lineage", &serial(&device)], 1),
        (&["--work-order", &site.order], 3),
        (&["--product", "cam-2"], 3),
        (&["--station", "line-1"], 3),
        (&["--key", key], 1),
        (&["--issued-from", "2020-01-01T00:00:00Z"], 3),
        (&["--issued-until", "2020-01-01T00:00:00Z"], 0),
    ] {
        let question = [&["revoke", "--reason", "superseded", "--dry-run"], selection].concat();
        let radius = &site.operator.json(&question)[0];
        assert_eq!(radius["certificates"], certificates, "{selection:?}: {radius}");
    }
    let lineage =
        ["certificate", "revoke", birth, "--lineage", "--reason", "keyCompromise", "--confirm", "2"];
    site.operator.says(&lineage);
    assert_eq!(site.statuses(2), ["revoked", "revoked"]);
    assert_eq!(site.operator.fails(&["revocations", "check", birth]).0, 6);
    site.operator.says(&["revocations", "check", &serial(&before)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_held_released_and_retired() {
    let site = Site::new().await;
    let device = site.device(1).await;
    let held =
        site.operator.says(&["device", "hold", "cam-2/SN000001", "--remark", "returned by a customer"]);
    assert!(held.contains("is held"), "{held}");
    assert_eq!(site.statuses(1), ["held", "held"]);
    let (status, said) = site.operator.fails(&["revocations", "check", &serial(&device)]);
    assert_eq!(status, 6, "{said}");
    site.operator.says(&["device", "release", "cam-2/SN000001"]);
    assert_eq!(site.statuses(1), ["issued", "in use"]);
    site.operator.says(&["revocations", "check", &serial(&device)]);

    let (status, _) = site.operator.fails(&["device", "retire", "cam-2/SN000001"]);
    assert_eq!(status, 5);
    let retired = site.operator.says(&["device", "retire", "cam-2/SN000001", "--confirm", "1"]);
    assert!(retired.contains("is retired"), "{retired}");
    assert_eq!(site.statuses(1), ["revoked", "revoked"]);
    let (status, said) = site.operator.fails(&["device", "release", "cam-2/SN000001"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("touchmark: next: "), "{said}");
    let retired = site.operator.json(&["device", "list", "--state", "retired"]);
    assert_eq!(retired.len(), 1, "{retired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_explained_with_who_why_what_came_before_and_after_and_where_it_is_revoked() {
    let site = Site::new().await;
    let device = site.device(1).await;
    let words = site.operator.says(&["certificate", "show", &serial(&device)]);
    let birth =
        site.operator.json(&["certificate", "show", &serial(&device)])[0]["parent_serial_number"].clone();
    for expected in [
        "cam-2/SN000001",
        "operational certificate of a device",
        "in use: its holder proved that it has the key",
        "by station:line-1 under wo-",
        birth.as_str().unwrap(),
        "/crl/operational/0.crl",
        "/ocsp",
        "children       none",
        "CRL            http://",
    ] {
        assert!(words.contains(expected), "{expected} is missing in:\n{words}");
    }
    let words = site.operator.says(&["certificate", "show", birth.as_str().unwrap()]);
    assert!(words.contains(&format!("ldevid {}, in use", serial(&device))), "{words}");
    assert!(words.contains(&format!("began with work order {}", site.order)), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_page_by_page_without_a_gap_or_a_double() {
    let site = Site::new().await;
    for number in 1..=7 {
        site.born(number).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let list = site.operator.run(&["--json", "device", "list", "--limit", "3", "--cursor", &cursor]);
        seen.extend(json_lines(&String::from_utf8(list.stdout).unwrap()));
        let notes = json_lines(&String::from_utf8(list.stderr).unwrap());
        match notes.first() {
            Some(more) => cursor = more["next_cursor"].as_str().unwrap().to_owned(),
            None => break,
        }
    }
    let seen: Vec<_> = seen.iter().map(|device| device["device"].as_str().unwrap().to_owned()).collect();
    let all: Vec<_> = (1..=7).map(|number| format!("cam-2/SN{number:06}")).collect();
    assert_eq!(seen, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_name_who_ends_soon_who_is_silent_and_who_came_twice() {
    let site = Site::new().await;
    let device = site.device(1).await;
    let order = site.order.clone();
    let expiring = site.operator.json(&["device", "expiring", "--within", "60d"]);
    assert_eq!(expiring.len(), 1, "{expiring:?}");
    assert_eq!(expiring[0]["serial_number"], serial(&device));
    assert!(site.operator.json(&["device", "expiring", "--within", "1d"]).is_empty());

    assert!(site.operator.json(&["device", "not-seen", "--for", "1d"]).is_empty());
    let silent = site.operator.json(&["device", "not-seen", "--since", "2030-01-01T00:00:00Z"]);
    assert_eq!(silent.len(), 1, "{silent:?}");

    assert!(site.operator.json(&["device", "forks"]).is_empty());
    assert!(site.operator.json(&["device", "duplicates"]).is_empty());
    let clone = Device::new("cam-2", "SN000001");
    let refused = site.station.provisioning().issue_birth_certificate(clone.birth_request(&order)).await;
    assert!(refused.is_err(), "another key for a unit that has one");
    let duplicates = site.operator.json(&["device", "duplicates"]);
    assert_eq!(duplicates.len(), 1, "{duplicates:?}");
    assert_eq!(duplicates[0]["device"], "cam-2/SN000001");
    assert_eq!(duplicates[0]["kind"], "same serial number");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_handed_out_to_the_devices_of_a_selection() {
    let site = Site::new().await;
    let device = site.device(1).await;
    let rotate =
        ["device", "rotate", "--work-order", &site.order, "--spread", "0s", "--remark", "weak generator"];
    let done = &site.operator.json(&rotate)[0];
    assert_eq!(done["devices"], 1, "{done}");
    let caller = site.authority.caller(&device);
    let info = caller.enrollment().get_renewal_info(proto::v1::GetRenewalInfoRequest {}).await.unwrap();
    let info = info.into_inner();
    assert_eq!(info.reason, "rotation requested");
    assert_eq!(info.explanation, "weak generator");
    let now = identity::Clock::now(&identity::SystemClock);
    assert!(std::time::SystemTime::try_from(info.window_start.unwrap()).unwrap() <= now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reworked_unit_gets_one_more_birth_certificate_and_loses_the_one_before() {
    let site = Site::new().await;
    site.born(1).await;
    let said = site.operator.says(&["device", "rework", "cam-2/SN000001"]);
    assert!(said.contains("cam-2/SN000001 may be reworked"), "{said}");
    let shown = &site.operator.json(&["device", "show", "cam-2/SN000001"])[0];
    assert_eq!(shown["rework_allowed"], true, "{shown}");
    site.born(1).await;
    assert_eq!(site.statuses(1), ["revoked", "issued"]);
    let third = Device::new("cam-2", "SN000001").birth_request(&site.order);
    assert!(site.station.provisioning().issue_birth_certificate(third).await.is_err(), "once is once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_a_station_without_a_credential_is_made_only_when_the_operator_says_so_and_with_a_warning()
 {
    let site = Site::new().await;
    let order = |station: &str| {
        let terms = ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--serials", "X{1..9}"];
        let allowed = ["--allow-unknown-station", "--station", station];
        let output = site.operator.run(&[&terms[..], &allowed].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(order("line-7").contains("station:line-7 has no credential"));
    assert!(!order("line-1").contains("no credential"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_misses_nothing_and_repeats_nothing_over_restarts_of_the_ca_and_of_itself() {
    let mut site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    for number in 1..=6 {
        site.born(number).await;
    }
    let revoke = |site: &Site, number: u32| {
        let device = format!("cam-2/SN{number:06}");
        site.operator.says(&["device", "revoke", &device, "--reason", "superseded", "--confirm", "1"]);
    };
    revoke(&site, 1);
    let watcher = site.watch(directory.path(), "first");
    seen(directory.path(), "first", 1).await;
    revoke(&site, 2);
    seen(directory.path(), "first", 2).await;
    site.authority.kill();
    site.authority.serve();
    revoke(&site, 3);
    seen(directory.path(), "first", 3).await;
    assert!(watcher.terminate(Duration::from_secs(10)).success());

    revoke(&site, 4);
    revoke(&site, 5);
    let _watcher = site.watch(directory.path(), "second");
    revoke(&site, 6);
    let second = seen(directory.path(), "second", 3).await;
    let all: Vec<_> = seen(directory.path(), "first", 3).await.into_iter().chain(second).collect();
    let wanted: Vec<_> = (1..=6).map(|number| format!("cam-2/SN{number:06}")).collect();
    assert_eq!(all, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_good_installation_good_and_a_bad_one_bad() {
    let mut site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("second");
    site.operator.says(&["principal", "issue", "operator", "second", "--out", own.to_str().unwrap()]);
    let found = Operator::with(&site.authority, &own).json(&["doctor"]);
    let health: Vec<_> = found.iter().map(|finding| finding["health"].as_str().unwrap()).collect();
    assert!(health.iter().all(|health| *health == "good"), "{found:#?}");
    assert!(found.iter().any(|finding| finding["check"] == "public CRL"), "{found:#?}");
    assert!(found.iter().any(|finding| finding["check"] == "clock"), "{found:#?}");

    site.authority.kill();
    let (status, said) = site.operator.fails(&["doctor"]);
    assert_eq!(status, 6, "{said}");
    assert!(said.contains("touchmark-ca serve"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_found_by_its_serial_number_or_a_part_of_it() {
    let site = Site::new().await;
    for number in [7, 12, 17] {
        site.born(number).await;
    }
    let found = |text: &str| -> Vec<String> {
        let rows = site.operator.json(&["device", "find", text]);
        rows.iter().map(|row| row["device"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("SN000012"), ["cam-2/SN000012"]);
    assert_eq!(found("sn000012"), ["cam-2/SN000012"]);
    assert_eq!(found("7"), ["cam-2/SN000007", "cam-2/SN000017"]);
    assert_eq!(found("cam-2/SN00001"), ["cam-2/SN000012", "cam-2/SN000017"]);
    assert_eq!(found("SN000099"), Vec::<String>::new());
    assert_eq!(site.operator.fails(&["device", "find", " "]).0, 2);
    assert_eq!(site.operator.json(&["device", "find", "cam", "--limit", "2"]).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_certificates_are_listed_birth_certificates_and_issuers_too() {
    let site = Site::new().await;
    let birth = site.born(1).await;
    let operational = site.device(2).await;
    let listed = |arguments: &[&str]| -> Vec<(String, String)> {
        let rows = site.operator.json(&[&["certificate", "list", "--limit", "0"], arguments].concat());
        let field = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        rows.iter().map(|row| (field(row, "serial_number"), field(row, "profile"))).collect()
    };
    let all = listed(&[]);
    for (certificate, profile) in [(serial(&birth), "idevid"), (serial(&operational), "ldevid")] {
        assert!(all.contains(&(certificate, profile.to_owned())), "{profile} is missing: {all:?}");
    }
    for profile in ["root", "factory-ca", "operator", "station", "service"] {
        assert!(all.iter().any(|(_, of)| of == profile), "{profile} is missing: {all:?}");
    }
    let of_factory = listed(&["--issuer", "factory"]);
    assert_eq!(of_factory.iter().filter(|(_, profile)| profile == "idevid").count(), 2, "{of_factory:?}");
    assert!(of_factory.iter().all(|(_, profile)| ["idevid", "ocsp-signer"].contains(&profile.as_str())));
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = site.operator.run(&["--json", "certificate", "list", "--limit", "2", "--cursor", &cursor]);
        pages.extend(json_lines(&String::from_utf8(page.stdout).unwrap()));
        match json_lines(&String::from_utf8(page.stderr).unwrap()).first() {
            Some(more) => cursor = more["next_cursor"].as_str().unwrap().to_owned(),
            None => break,
        }
    }
    let pages: Vec<_> = pages.iter().map(|row| row["serial_number"].as_str().unwrap()).collect();
    assert_eq!(pages, all.iter().map(|(serial, _)| serial.as_str()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_order_is_named_by_its_number_and_a_time_by_a_date_or_a_span() {
    let site = Site::new().await;
    let number = site.order.trim_start_matches("wo-").trim_start_matches('0').to_owned();
    assert_eq!(site.operator.json(&["work-order", "show", &number])[0]["id"], site.order);
    assert_eq!(site.operator.json(&["device", "list", "--work-order", &number]).len(), 0);
    let (status, said) = site.operator.fails(&["work-order", "show", "spring"]);
    assert!(status == 2 && said.contains("wo-000017"), "{said}");
    let terms = ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--serials", "Y{1..9}"];
    let window = ["--station", "line-1", "--opens", "2126-01-01", "--closes", "73000d"];
    let order = &site.operator.json(&[&terms[..], &window].concat())[0];
    assert_eq!(order["opens_at"], "2126-01-01T00:00:00Z");
    let (status, said) = site.operator.fails(&["device", "not-seen", "--since", "yesterday"]);
    assert!(status == 2 && said.contains("7d"), "{said}");
    assert!(site.operator.json(&["device", "not-seen", "--since", "7d"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_a_revoked_device_says_that_nothing_will_come_back() {
    let site = Site::new().await;
    site.device(1).await;
    let revoke = ["device", "revoke", "cam-2/SN000001", "--reason", "keyCompromise", "--confirm", "2"];
    site.operator.says(&[&revoke[..], &["--remark", "stolen from the yard"]].concat());
    let held = site.operator.run(&["device", "hold", "cam-2/SN000001"]);
    assert_eq!(held.status.code(), Some(1));
    let said = String::from_utf8(held.stderr).unwrap();
    assert!(said.contains("no release would bring them back") && said.contains("DEVICE_REVOKED"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_an_earlier_order_is_refused_with_the_true_reason() {
    let site = Site::new().await;
    let device = Device::new("cam-2", "SN000001");
    let factory = Factory::of(&site.authority);
    factory.born(&site.station, &site.order, &device).await;
    let later = factory.order(OrderTerms::new(20, &["line-1"])).await;
    let request = proto::v1::IssueBirthCertificateRequest {
        deferral: None,
        request_id: vec![7; 16].into(),
        ..device.birth_request(&later)
    };
    let status = site.station.provisioning().issue_birth_certificate(request).await.unwrap_err();
    assert!(status.message().contains(&format!("was made under work order {}", site.order)), "{status}");
    let confirm = proto::v1::ConfirmUnitRequest {
        work_order: later,
        device: Some(proto::v1::DeviceId { product: "cam-2".into(), serial: "SN000001".into() }),
        serial_number: vec![0x4a; 16].into(),
    };
    let status = site.station.provisioning().confirm_unit(confirm).await.unwrap_err();
    assert!(status.message().contains(&format!("was made under work order {}", site.order)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_tables_fit_and_harm_is_confirmed_by_typing() {
    let site = Site::new().await;
    for number in [1, 2] {
        site.device(number).await;
    }
    for list in [
        &["device", "list"][..],
        &["certificate", "list"],
        &["work-order", "list"],
        &["principal", "list"],
        &["device", "not-seen", "--since", "2126-01-01"],
        &["device", "expiring", "--within", "60d"],
    ] {
        let (status, shown) = at_a_terminal(&site.operator, list, "");
        assert_eq!(status, 0, "{list:?}: {shown}");
        let widest = shown.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        assert!(widest <= 80, "{list:?} is {widest} wide:\n{shown}");
    }
    let (_, wide) = at_a_terminal(&site.operator, &["device", "list", "--wide"], "");
    assert!(wide.contains("OPERATIONAL CERTIFICATE"), "{wide}");

    let revoke = ["device", "revoke", "cam-2/SN000001", "--reason", "keyCompromise"];
    let (status, shown) = at_a_terminal(&site.operator, &revoke, "3\n");
    assert_eq!(status, 5, "{shown}");
    assert_eq!(site.statuses(1), ["issued", "in use"]);
    let (status, shown) = at_a_terminal(&site.operator, &revoke, "2\n");
    assert_eq!(status, 0, "{shown}");
    assert_eq!(site.statuses(1), ["revoked", "revoked"]);
    let report = site.authority.directory().join("report").display().to_string();
    let close = ["work-order", "close", &site.order, "--report", &report];
    assert_eq!(site.operator.fails(&close).0, 5);
    let (status, shown) = at_a_terminal(&site.operator, &close, &format!("{}\n", site.order));
    assert_eq!(status, 0, "{shown}");
}

/// Runs it on a terminal of 80 columns (script(1) makes one) at which somebody types this.
fn at_a_terminal(operator: &Operator, arguments: &[&str], typed: &str) -> (i32, String) {
    use std::io::Write;
    let command = operator.command(arguments);
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let line = format!("stty cols 80; {}", words.join(" "));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("script(1) of bsdutils");
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    // Stays open until the end, like a terminal with a person at it.
    let output = child.wait_with_output().unwrap();
    drop(input);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

struct Site {
    authority: CertificateAuthority,
    operator: Operator,
    station: tests::Caller,
    order: String,
}

impl Site {
    async fn new() -> Self {
        let mut authority = CertificateAuthority::founded_with_public_url();
        authority.serve();
        let factory = Factory::of(&authority);
        let station = factory.station("line-1").await;
        let order = factory.order(OrderTerms::new(20, &["line-1"])).await;
        Self { operator: Operator::of(&authority), station, order, authority }
    }

    /// One with its birth certificate.
    async fn born(&self, number: u32) -> Credentials {
        let device = Device::new("cam-2", &format!("SN{number:06}"));
        Factory::of(&self.authority).born(&self.station, &self.order, &device).await
    }

    /// One with its operational certificate in use.
    async fn device(&self, number: u32) -> Credentials {
        let birth = self.born(number).await;
        let operational = Factory::of(&self.authority).enrolled(&birth).await;
        let request = ConfirmInstalledRequest { serial_number: serial_octets(&operational).into() };
        self.authority.caller(&operational).enrollment().confirm_installed(request).await.unwrap();
        operational
    }

    /// Of all certificates of a device, oldest first.
    fn statuses(&self, number: u32) -> Vec<String> {
        let device = format!("cam-2/SN{number:06}");
        let list = self.operator.json(&["certificate", "list", "--device", &device]);
        list.iter().map(|certificate| certificate["status"].as_str().unwrap().to_owned()).collect()
    }

    /// A watcher that keeps its cursor, and writes its events to a file.
    fn watch(&self, directory: &Path, name: &str) -> Process {
        let mut command = self.operator.command(&["--json", "revocations", "watch"]);
        command.arg("--cursor-file").arg(directory.join("cursor"));
        let file =
            |suffix: &str| Stdio::from(File::create(directory.join(format!("{name}{suffix}"))).unwrap());
        command.stdout(file("")).stderr(file(".log"));
        Process::start(&mut command)
    }
}

/// The devices of a watcher's first events.
async fn seen(directory: &Path, name: &str, count: usize) -> Vec<String> {
    eventually(SEEN_WITHIN, "the watcher sees every event", || async {
        let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let events = json_lines(whole);
        let devices: Vec<_> =
            events.iter().map(|event| event["device"].as_str().unwrap().to_owned()).collect();
        assert!(devices.len() <= count, "{devices:?}");
        (devices.len() == count).then_some(devices)
    })
    .await
}

fn serial(credentials: &Credentials) -> String {
    hex::encode(serial_octets(credentials))
}

fn serial_octets(credentials: &Credentials) -> Vec<u8> {
    let der = credentials.certificate_der();
    x509_parser::parse_x509_certificate(&der).unwrap().1.raw_serial().to_vec()
}

/// The feed is told within a second; a CA that restarts is found again in some seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
