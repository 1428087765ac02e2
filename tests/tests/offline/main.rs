//! A shift without the CA: units are made on reservations, their certificates are issued later, each once,
//! and reach them on the bench (ADR 0069).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod half;
mod line;
mod lists;
mod office;

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Duration;

use line::{Line, outcomes, said};
use tests::{FileSystem, Process, fake};

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_without_the_ca_makes_its_reserved_units_and_they_get_their_certificates_later() {
    let mut line = Line::open(12).await;
    assert_eq!(line.provision(&["--limit", "2", "--slots", "2", "--keep-reservation"]).0, 0);
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved), (2, 10));
    line.authority.kill();

    // By default nothing leaves the line without its certificate.
    line.configure("ca-patience-s = 0\n");
    assert_eq!(line.provision(&["--limit", "5"]).0, 7);
    let refused = line.run(line.command(&["--limit", "5", "--offline"]));
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));

    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    let (status, units) = line.provision(&["--limit", "5", "--slots", "2"]);
    assert_eq!((status, outcomes(&units, "deferred")), (0, 5), "{units:?}");
    let shown = line.run(line.command(&["--limit", "5", "--slots", "2", "--offline"]));
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    assert!(
        said(&shown).contains("the CA cannot be asked now"),
        "the age of what is known: {}",
        said(&shown)
    );
    let report = line.report();
    assert_eq!((&report["passed"], &report["deferred"]), (&2.into(), &10.into()), "{report}");
    for serial in 3..=12 {
        let status = line.device(&format!("SN{serial:02}"));
        assert_eq!(status["device"], format!("cam-2/SN{serial:02}"), "each unit was told its own number");
    }

    line.authority.serve();
    let (status, answers) = line.reconcile();
    assert_eq!((status, outcomes(&answers, "issued")), (0, 10), "{answers:?}");
    assert_eq!(line.reconcile().1.len(), 1, "once: only the summary");
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved, counts.confirmed), (12, 0, 2));
    assert_eq!(line.report()["reconciled"], 10);

    line.finish_all(10);
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.confirmed), (12, 12));
    let report = line.report();
    assert_eq!((&report["passed"], &report["finished"]), (&12.into(), &10.into()), "{report}");
    line.all_certificates_are_those_on_record(12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_goes_on_when_the_ca_dies_and_goes_back_to_it_by_itself() {
    let mut line = Line::open(60).await;
    // What is reserved does not last: the line waits for the CA, however fast it is.
    line.configure("ca-patience-s = 1\noffline = \"allowed\"\nreserve-units = 20\n");
    let output = line.home.path().join("said");
    let mut command = line.command(&["--json", "--slots", "2", "--keep-reservation"]);
    let file = std::fs::File::create(&output).unwrap();
    let mut running = Process::start(command.stdout(file.try_clone().unwrap()).stderr(file));
    line.until(|report| report["passed"].as_u64() >= Some(3)).await;
    line.authority.kill();
    line.until(|report| report["deferred"].as_u64() >= Some(4)).await;
    line.authority.serve();
    let status = running.wait(Duration::from_secs(120)).expect("the line ends");
    let said = std::fs::read_to_string(&output).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("the CA answers again"), "{said}");
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved), (60, 0), "reconciled between units: {said}");
    let report = line.report();
    let reconciled = report["reconciled"].as_u64().unwrap();
    assert!(reconciled >= 4 && report["deferred"] == 0, "{report}");
    line.finish_all(reconciled);
    assert_eq!(line.counts().await.confirmed, 60);
    line.all_certificates_are_those_on_record(60).await;
}

/// Killed again and again: the line in its shift, the reconciliation, and the CA during it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_each_unit_has_one_certificate_and_the_counts_are_exact() {
    let mut line = Line::open(24).await;
    line.configure("ca-patience-s = 2\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    for round in 0..8 {
        let mut command = line.command(&["--offline", "--slots", "3"]);
        let running = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        tokio::time::sleep(Duration::from_millis(40 + 110 * round)).await;
        running.kill();
    }
    let (status, units) = line.provision(&["--offline", "--slots", "3", "--limit", "23"]);
    assert_eq!(status, 0, "{units:?}");
    assert_eq!(line.report()["deferred"], 23);
    for round in 0..10 {
        line.authority.serve();
        let mut command = line.station.command("reconcile");
        let mut running = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        tokio::time::sleep(Duration::from_millis(30 + 25 * round)).await;
        if round % 2 == 0 {
            running.kill();
            line.authority.kill();
        } else {
            line.authority.kill();
            running.wait(Duration::from_secs(30)).expect("it gives the CA up");
        }
    }
    line.authority.serve();
    assert_eq!(line.reconcile().0, 0);
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved), (24, 0));
    line.finish_all(23);
    assert_eq!(line.counts().await.confirmed, 24);
    line.all_certificates_are_those_on_record(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_is_over_and_a_clock_that_was_set_make_no_unit_and_say_why() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\nreserve-hours = 1\nreserve-units = 5\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    for (offset, words) in [
        ("+2h", "its reservation ended at 2"),
        ("+365d", "its reservation ended at 2"),
        ("-365d", "the clock went back"),
    ] {
        let output = line.home.path().join("said");
        let file = std::fs::File::create(&output).unwrap();
        let mut command = line.command(&["--offline"]);
        fake(&mut command, offset);
        let running = Process::start(command.stdout(file.try_clone().unwrap()).stderr(file));
        line.until_said(&output, words).await;
        running.kill();
        assert_eq!(line.report()["deferred"], 0, "{offset}");
    }
    assert_eq!(line.devices(), 1, "no unit was told anything");
    // The numbers come home when the CA answers.
    line.authority.serve();
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    let (status, units) = line.provision(&["--offline", "--limit", "2"]);
    assert_eq!((status, outcomes(&units, "deferred")), (0, 2), "{units:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn units_whose_reservation_was_withdrawn_meanwhile_are_listed_with_the_reason() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    assert_eq!(line.provision(&["--limit", "2", "--offline"]).0, 0);
    line.authority.serve();
    line.operator.says(&["work-order", "reservation", "withdraw", "1", "--remark", "lost", "--confirm", "8"]);
    let (status, answers) = line.reconcile();
    assert_eq!(status, 6, "{answers:?}");
    for answer in &answers[..2] {
        assert_eq!(
            (&answer["outcome"], &answer["reason"]),
            (&"refused".into(), &"RESERVATION_WITHDRAWN".into())
        );
        assert!(answer["next"].as_str().is_some_and(|next| !next.is_empty()), "{answer}");
    }
    assert_eq!(line.report()["refused_after_deferral"], 2);
    assert_eq!(line.counts().await.issued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_a_foreign_and_a_busy_journal_lose_nothing() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    assert_eq!(line.provision(&["--limit", "2", "--offline"]).0, 0);

    // The record of the last lock is torn: the unit is looked at again, and was locked.
    let journal = line.journal();
    let content = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &content[..content.len() - 9]).unwrap();
    assert_eq!(line.report()["deferred"], 1);
    let (status, units) = line.provision(&["--limit", "1", "--offline"]);
    assert_eq!((status, outcomes(&units, "deferred")), (0, 1), "{units:?}");
    assert_eq!((&line.report()["deferred"], line.devices()), (&2.into(), 3));

    // One journal, two stations.
    let mut command = line.command(&["--offline"]);
    let running = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    line.until(|report| report["deferred"].as_u64() >= Some(3)).await;
    let second = line.run(line.station.command("reconcile"));
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("another touchmark-station uses the journal"), "{}", said(&second));
    running.kill();

    // The journal of another installation.
    let elsewhere = Line::open(9).await;
    std::fs::create_dir(elsewhere.home.path().join("journal")).unwrap();
    std::fs::copy(&journal, elsewhere.journal()).unwrap();
    for command in [elsewhere.station.command("reconcile"), elsewhere.command(&["--limit", "1"])] {
        let refused = elsewhere.run(command);
        assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
        assert!(said(&refused).contains("is of another installation"), "{}", said(&refused));
    }
    assert_eq!((elsewhere.counts().await.issued, elsewhere.counts().await.reserved), (0, 0));
    // The journal of another order.
    std::fs::rename(elsewhere.journal(), elsewhere.home.path().join("journal/wo-000009.journal")).unwrap();
    let refused = elsewhere.run(elsewhere.station.command("reconcile"));
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains("is of work order wo-000001"), "{}", said(&refused));

    line.authority.serve();
    assert_eq!(line.reconcile().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_line_before_a_unit_is_locked_that_nobody_knows() {
    let Some(disk) = FileSystem::in_memory(1) else { return };
    let mut line = Line::open(9).await;
    symlink(disk.path(), line.home.path().join("journal")).unwrap();
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    let mut filler = std::fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
    // What is left of the last page of the file takes a unit or two.
    let output = line.run(line.command(&["--offline"]));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    // An open file keeps its space.
    drop(filler);
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    assert_eq!(line.provision(&["--offline"]).0, 0);
    assert_eq!(line.report()["deferred"], 8);
    line.authority.serve();
    assert_eq!(line.reconcile().0, 0);
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved), (9, 0));
    line.finish_all(8);
    line.all_certificates_are_those_on_record(9).await;
}
