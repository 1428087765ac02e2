//! The real `touchmark-station` with a CA and devices that live in the test: mTLS and frames over TCP are
//! real.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    unnameable_types,
    reason = "tests"
)]

mod support {
    pub mod factory;
}

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use support::factory::{Factory, text};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_made_reported_and_not_made_again() {
    let factory = Factory::open(100).await;
    factory.ca.0.lock().unwrap().busy = 3;
    let list: String = (1..=20).map(|number| format!("SN{number:04},B{number}\n")).collect();
    std::fs::write(factory.directory.path().join("list.csv"), format!("serial,revision\n{list}")).unwrap();
    let arguments = ["--serials", "list.csv", "--slots", "4", "--report", "report.jsonl", "--json"];
    let output = factory.provision(&arguments).await;
    assert_eq!(output.status.code(), Some(6), "one device has a worn out flash: {}", text(&output));
    let report = std::fs::read_to_string(factory.directory.path().join("report.jsonl")).unwrap();
    let units: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(units.len(), 20);
    let failed: Vec<_> = units.iter().filter(|unit| unit["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["device"], "cam-2/SN0007");
    assert_eq!((&failed[0]["cause"], &failed[0]["reason"]), (&"device-fault".into(), &"STORAGE".into()));
    assert_eq!(failed[0]["columns"]["revision"], "B7");
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), 19);
    assert_eq!(factory.flash.lock().unwrap().values().filter(|kept| kept.locked).count(), 19);

    let again = factory.provision(&["--serials", "list.csv", "--json"]).await;
    let stdout = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(stdout.lines().count(), 2, "the one that failed, and the summary: {stdout}");
    assert_eq!(factory.ca.0.lock().unwrap().issued.len(), 19);
    let report = factory.station("report", &["--json"]).await;
    let totals: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&totals["passed"], &totals["failed"]), (&19.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_order_stops_the_line_once_and_says_what_to_do() {
    let factory = Factory::open(3).await;
    let list: String = (11..=30).map(|number| format!("SN{number:04}\n")).collect();
    std::fs::write(factory.directory.path().join("list"), list).unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert!(text(&output).contains("3 passed, 0 failed, 1 unfinished"), "{}", text(&output));
    assert!(text(&output).contains("WORK_ORDER_EXHAUSTED"), "{}", text(&output));
    assert!(text(&output).contains("not begun: 16 units"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_order_stops_the_line_before_a_unit_is_put_on_the_bench() {
    let factory = Factory::open(5).await;
    factory.ca.0.lock().unwrap().paused = true;
    let output = factory.provision(&["--slots", "4", "--json"]).await;
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["summary"]["stopped"]["reason"], "WORK_ORDER_PAUSED");
    assert_eq!(summary["summary"]["not_begun"], 5);
    assert!(text(&output).contains("touchmark work-order resume"), "{}", text(&output));
    assert!(factory.flash.lock().unwrap().is_empty(), "no device was spoken to");
    factory.ca.0.lock().unwrap().paused = false;
    assert_eq!(factory.provision(&["--slots", "4"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrapped_unit_is_on_record_and_is_not_made_again() {
    let factory = Factory::open(5).await;
    std::fs::write(factory.directory.path().join("list"), "SN0001\nSN0002\n").unwrap();
    assert_eq!(factory.provision(&["--serials", "list"]).await.status.code(), Some(0));
    let scrap = ["--work-order", "wo-000001", "--reason", "cracked lens", "SN0001", "SN0009"];

    let unasked = factory.station("scrap", &scrap).await;
    assert_eq!(unasked.status.code(), Some(5), "nobody can be asked: {}", text(&unasked));
    assert!(text(&unasked).contains("--yes"), "{}", text(&unasked));
    assert!(factory.ca.0.lock().unwrap().scrapped.is_empty());

    for _ in 0..2 {
        let output = factory.station("scrap", &[&["--yes", "--json"], scrap.as_slice()].concat()).await;
        assert_eq!(output.status.code(), Some(6), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&said[0]["device"], &said[0]["outcome"]), (&"cam-2/SN0001".into(), &"scrapped".into()));
        assert_eq!(
            (&said[1]["outcome"], &said[1]["reason"]),
            (&"refused".into(), &"DEVICE_NOT_FOUND".into())
        );
        assert_eq!(said[2]["summary"]["scrapped"], 1);
    }
    assert_eq!(factory.ca.0.lock().unwrap().scrapped["SN0001"], "cracked lens");

    let again = factory.provision(&["--serials", "list", "--json"]).await;
    let said = lines(&again);
    assert_eq!((again.status.code(), said.len()), (Some(6), 2), "{}", text(&again));
    assert_eq!((&said[0]["outcome"], &said[0]["reason"]), (&"failed".into(), &"SCRAPPED_OR_RETIRED".into()));
    assert_eq!(said[1]["summary"]["done_before"], 1);
    let report = factory.station("report", &["--json"]).await;
    let totals: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&totals["passed"], &totals["scrapped"]), (&1.into(), &1.into()));
    let none = factory.station("report", &["--work-order", "99"]).await;
    assert!(
        text(&none).contains("has no work order wo-000099; its last ones are wo-000001"),
        "{}",
        text(&none)
    );
    let units = factory.station("report", &["--units"]).await;
    let said = text(&units);
    assert!(said.contains("cam-2/SN0001 scrapped, certificate ") && said.contains("SN0002 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_to_a_file_has_no_colours() {
    let factory = Factory::open(1).await;
    factory.ca.0.lock().unwrap().busy = 1;
    let output = factory.provision(&[]).await;
    assert!(text(&output).contains("the CA answers again"), "{}", text(&output));
    assert!(!text(&output).contains('\u{1b}'), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_hangs_or_babbles_fails_its_unit_and_says_why() {
    let factory = Factory::open(5).await;
    let config = factory.directory.path().join("station.toml");
    let fast = std::fs::read_to_string(&config).unwrap() + "answer-timeout-ms = 50\nsends-max = 2\n";
    std::fs::write(&config, fast).unwrap();
    for (command, status, cause, words) in [
        ("exec:sh -c 'echo no such board >&2; exit 7'", 6, "link-lost", "no such board"),
        ("exec:sh -c 'echo waiting for the loader >&2; exec sleep 60'", 6, "timed-out", "did not answer"),
        (r#"exec:sh -c 'while printf "xx\000"; do sleep 0.01; done'"#, 6, "timed-out", "damaged frames"),
        ("exec:yes", 6, "timed-out", "bytes received and no frame among them"),
        ("exec:cat /dev/zero", 6, "timed-out", "bytes received and no frame among them"),
        ("exec:cat", 1, "echo", "the line echoes"),
        ("exec:/nonexistent/agent", 1, "link-unusable", "cannot start /nonexistent/agent"),
    ] {
        let arguments = ["--work-order", "wo-000001", "--limit", "1", "--json", "--link", command];
        let output = factory.station("provision", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{command}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let unit: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!(unit["cause"], cause, "{command}: {unit}");
        assert!(unit["message"].as_str().unwrap().contains(words), "{command}: {unit}");
    }
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_the_orders_own_range_is_made_up_to_its_quantity() {
    let factory = Factory::open(5).await;
    let output = factory.provision(&["--slots", "2"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let issued: Vec<String> = factory.ca.0.lock().unwrap().issued.keys().cloned().collect();
    assert_eq!(issued, ["SN0001", "SN0002", "SN0003", "SN0004", "SN0005"]);
    let dry = factory.provision(&["--dry-run"]).await;
    assert!(text(&dry).contains("to make       0 units"), "{}", text(&dry));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_killed_is_resumed_with_the_same_certificates() {
    let factory = Factory::open(100).await;
    let list: String = (11..=60).map(|number| format!("SN{number:04}\n")).collect();
    std::fs::write(factory.directory.path().join("list"), list).unwrap();
    let mut station = Command::new(env!("CARGO_BIN_EXE_touchmark-station"));
    station.arg("provision").arg("--config").arg(factory.directory.path().join("station.toml"));
    station.args(["--work-order", "wo-000001", "--slots", "8", "--link", &factory.link, "--serials"]);
    let mut station = station.arg(factory.directory.path().join("list")).spawn().unwrap();
    while factory.ca.0.lock().unwrap().issued.len() < 10 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    station.kill().unwrap();
    station.wait().unwrap();
    let resumed = factory.station("resume", &[]).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed));
    let before = factory.ca.0.lock().unwrap().issued.len();
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), before, "none is left under way");
    let rest = factory.provision(&["--serials", "list", "--slots", "8"]).await;
    assert_eq!(rest.status.code(), Some(0), "{}", text(&rest));
    assert_eq!(factory.ca.0.lock().unwrap().issued.len(), 50);
    let kept = factory.flash.lock().unwrap();
    let records = factory.ca.0.lock().unwrap();
    for (serial, (_, certificate)) in &records.issued {
        assert_eq!(kept[serial].install.as_ref().unwrap().certificate, certificate.certificate, "{serial}");
        assert!(kept[serial].locked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_a_foreign_order_and_a_damaged_journal_are_refused_before_anything_is_begun() {
    let factory = Factory::open(5).await;
    std::fs::write(factory.directory.path().join("list"), "SN0001\nSN_2\nSN0001\n").unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("line 2:") && text(&output).contains("line 3:"), "{}", text(&output));
    std::fs::write(factory.directory.path().join("list"), "SN0001\nXX1\n").unwrap();
    let output = factory.provision(&["--serials", "list"]).await;
    assert!(
        text(&output).contains(
            "line 2: the serial number is not in SN{0001..0100}, the range of work order wo-000001: XX1"
        ),
        "{}",
        text(&output)
    );

    let output = factory.station("provision", &["--work-order", "wo-000002", "--link", &factory.link]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("WORK_ORDER_NOT_FOUND"), "{}", text(&output));

    let journal = factory.directory.path().join("journal/wo-000001.journal");
    let mut content = std::fs::read(&journal).unwrap();
    content[20] ^= 1;
    std::fs::write(&journal, &content).unwrap();
    let output = factory.provision(&[]).await;
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("is damaged in line 1"), "{}", text(&output));
    assert_eq!(std::fs::read(&journal).unwrap(), content, "it is left as it is");
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_nowhere_stops_the_line_at_its_first_unit() {
    let factory = Factory::open(50).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (link, status, begun, words) in [
        ("exec:/nonexistent/agent".to_owned(), 1, 1, "cannot start /nonexistent/agent"),
        (
            "tcp:no-such-host.invalid:7000".to_owned(),
            1,
            1,
            "the host name no-such-host.invalid cannot be resolved",
        ),
        (format!("tcp:{nobody}"), 1, 0, "Connection refused"),
        ("exec:false".to_owned(), 1, 3, "the first 3 units said nothing, at any slot"),
    ] {
        let arguments = ["--work-order", "wo-000001", "--link", &link, "--json"];
        let output = factory.station("provision", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{link}: {}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(summary["summary"]["stopped"]["reason"], "LINK_UNUSABLE", "{link}: {summary}");
        assert_eq!(said.lines().count(), begun + 1, "{link}: {said}");
        assert!(text(&output).contains(words), "{link}: {}", text(&output));
        assert!(text(&output).contains("check --link"), "{link}: {}", text(&output));
    }
    assert!(factory.ca.0.lock().unwrap().issued.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_where_nobody_is_leaves_its_units_to_the_others() {
    let factory = Factory::open(6).await;
    // The devices listen at 127.0.0.1 only.
    let port = factory.link.rsplit(':').next().unwrap();
    let link = format!("tcp:127.0.0.{{slot}}:{port}");
    let arguments = ["--work-order", "wo-000001", "--link", &link, "--slots", "2"];
    let output = factory.station("provision", &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("slot 2 takes no units in this run"), "{}", text(&output));
    assert!(text(&output).contains("no more units were made at slot 2: "), "{}", text(&output));
    assert_eq!(factory.ca.0.lock().unwrap().confirmed.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_numbers_go_to_the_slots_in_their_order() {
    let factory = Factory::open(8).await;
    let output = factory.provision(&["--slots", "8", "--json"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut slots: Vec<(String, u64)> = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|unit| Some((unit["device"].as_str()?.to_owned(), unit["slot"].as_u64()?)))
        .collect();
    slots.sort();
    // SN0007 of this factory's devices cannot make its key; it is on its fixture all the same.
    let expected: Vec<_> = (1..=8).map(|number| (format!("cam-2/SN{number:04}"), number)).collect();
    assert_eq!(slots, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_which_unit_is_on_which_slot() {
    let factory = Factory::open(9).await;
    let list = factory.directory.path().join("list.csv");
    std::fs::write(&list, "serial,Slot\nSN0001,2\nSN0002,2\nSN0003,\nSN0004,1\n").unwrap();
    let output = factory.provision(&["--serials", "list.csv", "--slots", "2", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let units = lines(&output);
    let slot = |serial: &str| {
        let device = format!("cam-2/{serial}");
        units.iter().find(|unit| unit["device"] == device.as_str()).unwrap()["slot"].as_u64()
    };
    assert_eq!((slot("SN0001"), slot("SN0002"), slot("SN0004")), (Some(2), Some(2), Some(1)));

    // A slot that does not exist is a mistake of the list, told with all others before anything is begun.
    std::fs::write(&list, "serial,Slot\nSN0005,1\nSN0006,3\nSN_7,1\nSN0008,x\n").unwrap();
    let told = factory.flash.lock().unwrap().len();
    let output = factory.provision(&["--serials", "list.csv", "--slots", "2"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    for words in [
        "line 3: \"3\" is not a slot of this run, which has slots 1 to 2",
        "line 4: ",
        "line 5: \"x\" is not a slot",
    ] {
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
    }
    assert_eq!(factory.flash.lock().unwrap().len(), told, "no device was spoken to");
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_that_do_not_fit_the_other_arguments_are_wrong_usage() {
    let factory = Factory::open(9).await;
    for arguments in [
        &["--mode", "scan", "--serials", "list"][..],
        &["--mode", "device", "--serials", "list"],
        &["--mode", "device", "--link", "exec:agent {serial}"],
        &["--mode", "list", "--scanner", "/dev/ttyACM0"],
    ] {
        let mut all = vec!["--work-order", "wo-000001"];
        if !arguments.contains(&"--link") {
            all.extend(["--link", &factory.link]);
        }
        all.extend(arguments);
        let output = factory.station("provision", &all).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
    }
}

/// What a command printed with `--json`.
fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", text(output))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_with_many_slots_stops_after_three_units_of_the_whole_line() {
    let factory = Factory::open(50).await;
    let arguments = ["--work-order", "wo-000001", "--slots", "8", "--json", "--link", "exec:false"];
    let output = factory.station("provision", &arguments).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = &lines(&output).pop().unwrap()["summary"];
    // Units that were on the other slots when the line stopped are not judged; a slot may have begun its next
    // one by then.
    let unfinished = summary["unfinished"].as_u64().unwrap();
    assert_eq!(summary["failed"], 3, "{summary}");
    assert!((1..=2 * 8).contains(&unfinished), "{summary}");
    assert_eq!(summary["not_begun"], 50 - 3 - unfinished);
    let report = lines(&factory.station("report", &["--json"]).await).remove(0);
    assert_eq!(report["failed"], 3);
    assert_eq!(report["open"].as_array().unwrap().len() as u64, unfinished);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_goes_silent_after_its_first_unit_stops_the_line() {
    let factory = Factory::open(20).await;
    let link = factory.server_of(1, false).await;
    let output = factory.station("provision", &["--work-order", "1", "--json", "--link", &link]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = &lines(&output).pop().unwrap()["summary"];
    assert_eq!(
        (&summary["passed"], &summary["failed"], &summary["not_begun"]),
        (&1.into(), &3.into(), &16.into())
    );
    assert_eq!(summary["stopped"]["reason"], "LINK_UNUSABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_server_that_goes_away_stops_the_line_and_its_units_were_not_begun() {
    let factory = Factory::open(20).await;
    let link = factory.server_of(1, true).await;
    let arguments = ["--work-order", "1", "--json", "--limit", "3", "--link", &link];
    let output = factory.station("provision", &arguments).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = &lines(&output).pop().unwrap()["summary"];
    assert_eq!(
        (&summary["passed"], &summary["failed"], &summary["unfinished"]),
        (&1.into(), &0.into(), &0.into())
    );
    assert_eq!((&summary["not_begun"], &summary["stopped"]["reason"]), (&2.into(), &"LINK_UNUSABLE".into()));
    let report = lines(&factory.station("report", &["--json"]).await).remove(0);
    assert_eq!(
        (&report["passed"], &report["failed"], &report["open"]),
        (&1.into(), &0.into(), &Value::Array(vec![]))
    );
    assert!(text(&factory.station("resume", &[]).await).contains("no unit is unfinished"));
}

#[tokio::test(flavor = "multi_thread")]
async fn units_in_a_list_that_are_given_up_retired_or_revoked_fail_for_the_true_reason() {
    let factory = Factory::open(9).await;
    let list = factory.directory.path().join("list");
    std::fs::write(&list, "SN0001\nSN0002\nSN0003\nSN0007\n").unwrap();
    assert_eq!(
        factory.provision(&["--serials", "list"]).await.status.code(),
        Some(6),
        "SN0007 has a worn flash"
    );
    let scrap = ["--work-order", "1", "--remark", "worn out", "--yes", "cam-2/SN0007"];
    let output = factory.station("scrap", &scrap).await;
    assert!(text(&output).contains("cam-2/SN0007 given up"), "{}", text(&output));
    factory.ca.0.lock().unwrap().revoked.insert("SN0002".into());
    factory.ca.0.lock().unwrap().scrapped.insert("SN0003".into(), "retired by an operator".into());
    let told = factory.flash.lock().unwrap().len();

    let output = factory.provision(&["--serials", "list", "--json"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    let units = lines(&output);
    let found: Vec<_> =
        units[..3].iter().map(|unit| (&unit["device"], &unit["outcome"], &unit["reason"])).collect();
    let failed = "failed".into();
    assert_eq!(found[0], (&"cam-2/SN0002".into(), &failed, &"REVOKED".into()));
    assert_eq!(found[1], (&"cam-2/SN0003".into(), &failed, &"SCRAPPED_OR_RETIRED".into()));
    assert_eq!(found[2], (&"cam-2/SN0007".into(), &failed, &"GIVEN_UP".into()));
    assert_eq!(units[3]["summary"]["done_before"], 1);
    assert_eq!(factory.flash.lock().unwrap().len(), told);

    // Where no journal says it, the CA does.
    std::fs::remove_dir_all(factory.directory.path().join("journal")).unwrap();
    std::fs::write(&list, "SN0002\nSN0003\n").unwrap();
    let units = lines(&factory.provision(&["--serials", "list", "--json"]).await);
    assert_eq!(
        (&units[0]["reason"], &units[1]["reason"]),
        (&"REVOKED".into(), &"SCRAPPED_OR_RETIRED".into())
    );
    let report =
        factory.station("scrap", &["--work-order", "1", "--remark", "x", "--yes", "cam-3/SN0007"]).await;
    assert!(text(&report).contains("cam-3/SN0007 is not a unit of this order"), "{}", text(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_outside_of_the_window_of_the_order() {
    let factory = Factory::open(5).await;
    let now = factory.ca.0.lock().unwrap().now();
    for (opens_at, closes_at, status, reason) in
        [(Some(now + 600), None, 7, "WORK_ORDER_NOT_YET_OPEN"), (None, Some(now), 6, "WORK_ORDER_EXPIRED")]
    {
        {
            let mut records = factory.ca.0.lock().unwrap();
            (records.opens_at, records.closes_at) = (opens_at, closes_at);
        }
        let output = factory.provision(&["--json"]).await;
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        assert_eq!(lines(&output)[0]["summary"]["stopped"]["reason"], reason);
        assert!(factory.flash.lock().unwrap().is_empty(), "no device was spoken to");
        assert!(text(&factory.station("resume", &[]).await).contains("no unit is unfinished"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_under_way_of_an_order_that_has_ended_and_gave_them_nothing_are_not_finished_for_ever() {
    let factory = Factory::open(5).await;
    let journal = factory.directory.path().join("journal");
    factory.ca.0.lock().unwrap().paused = true;
    factory.provision(&[]).await;
    // Killed between the first word to the unit and the question to the CA.
    let begun = br#"{"record":"begun","device":"cam-2/SN0001"}"#;
    let path = journal.join("wo-000001.journal");
    let run = format!(r#"{{"record":"run","at_ms":1,"link":"{}","slots":1}}"#, factory.link)
        .replace("at_ms", "at-ms");
    let mut content = std::fs::read(&path).unwrap();
    for line in [run.as_bytes(), begun] {
        content.extend(
            format!("{:08x} ", crc32c::crc32c(line)).bytes().chain(line.iter().copied()).chain(*b"\n"),
        );
    }
    std::fs::write(&path, content).unwrap();
    let report = lines(&factory.station("report", &["--json"]).await).remove(0);
    assert_eq!(report["open"][0], "cam-2/SN0001");
    let shown = text(&factory.station("report", &[]).await);
    let config = factory.directory.path().join("station.toml");
    assert!(shown.contains(&format!("touchmark-station resume --config {}", config.display())), "{shown}");

    let now = {
        let mut records = factory.ca.0.lock().unwrap();
        records.paused = false;
        records.now()
    };
    factory.ca.0.lock().unwrap().closes_at = Some(now);
    let output = factory.station("resume", &[]).await;
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert!(
        text(&output)
            .contains("the order issues no further certificates, and 1 unfinished unit had none yet"),
        "{}",
        text(&output)
    );
    let again = factory.station("resume", &[]).await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_stops_the_line_before_its_first_unit_and_is_named() {
    let factory = Factory::open(5).await;
    factory.ca.0.lock().unwrap().ahead_s = 40 * 86_400;
    let output = factory.provision(&["--slots", "2", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = lines(&output).pop().unwrap();
    assert_eq!(summary["summary"]["stopped"]["reason"], "STATION_CLOCK_WRONG");
    let message = summary["summary"]["stopped"]["message"].as_str().unwrap();
    assert!(message.starts_with("this station's clock shows 20"), "{message}");
    assert!(text(&output).contains("set the one that is wrong"), "{}", text(&output));
    assert!(factory.flash.lock().unwrap().is_empty() && factory.ca.0.lock().unwrap().issued.is_empty());
}
