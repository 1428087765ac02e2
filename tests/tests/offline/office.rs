//! What the office does about units that a station has in hand.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::Process;

use crate::line::{Line, outcomes, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_acts_on_the_next_unit_also_where_its_serial_number_is_reserved() {
    let line = Line::open(9).await;
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    let (rows, mut list) = std::io::pipe().unwrap();
    let mut command: Command = line.command(&["--serials", "-", "--keep-reservation", "--json"]);
    let output = line.home.path().join("said");
    let file = std::fs::File::create(&output).unwrap();
    command.stdin(rows).stdout(Stdio::from(file.try_clone().unwrap())).stderr(file);
    let mut running = Process::start(&mut command);
    drop(command);
    list.write_all(b"serial\nSN02\n").unwrap();
    line.until(|report| report["passed"] == 2).await;
    line.operator.says(&["work-order", "pause", &line.order]);
    // For so long the station knows what it asked before.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    list.write_all(b"SN03\n").unwrap();
    let status = running.wait(Duration::from_secs(60)).expect("the line stops");
    let said = std::fs::read_to_string(&output).unwrap();
    assert_eq!(status.code(), Some(7), "{said}");
    assert!(said.contains("WORK_ORDER_PAUSED"), "{said}");
    assert_eq!(line.devices(), 2, "the third unit was told nothing: {said}");

    line.operator.says(&["work-order", "resume", &line.order]);
    assert_eq!(line.provision(&["--limit", "1"]).0, 0);
    assert_eq!(line.report()["passed"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_was_withdrawn_is_told_to_no_unit_and_others_are_made_instead() {
    let line = Line::open(9).await;
    line.configure("reserve-units = 4\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.operator.says(&["work-order", "reservation", "withdraw", "1", "--remark", "lost", "--confirm", "3"]);
    let (status, units) = line.provision(&["--limit", "2"]);
    assert_eq!((status, outcomes(&units, "passed")), (0, 2), "{units:?}");
    assert_eq!(line.devices(), 3, "no unit was told a withdrawn number: {units:?}");
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.withdrawn, counts.reserved), (3, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_run_without_a_reserved_unit_says_so() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1"]).0, 0);
    line.authority.kill();
    let output = line.run(line.command(&["--offline"]));
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    assert!(said(&output).contains("no unit of the order is reserved for this station"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_the_office_gave_up_while_it_was_made_offline_is_refused_with_the_reason() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    assert_eq!(line.provision(&["--limit", "2", "--offline"]).0, 0);
    line.authority.serve();
    line.operator.says(&[
        "work-order",
        "give-up",
        &line.order,
        "SN02",
        "--remark",
        "the board fell",
        "--confirm",
        "1",
    ]);
    let (status, answers) = line.reconcile();
    assert_eq!((status, outcomes(&answers, "issued")), (6, 1), "{answers:?}");
    let refused = answers.iter().find(|answer| answer["outcome"] == "refused").unwrap();
    assert_eq!((&refused["device"], &refused["reason"]), (&"cam-2/SN02".into(), &"UNIT_GIVEN_UP".into()));
    assert!(refused["next"].as_str().is_some_and(|next| !next.is_empty()), "{refused}");
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.given_up), (2, 1), "{counts:?}");
    assert_eq!(line.report()["refused_after_deferral"], 1);
    line.finish_all(1);
}
