//! Reserved units where people bring the units.

use tests::eventually;

use crate::bench::{Bench, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_keeps_units_in_hand_takes_a_further_block_while_people_scan() {
    let bench = Bench::open(20).await;
    bench.configure("keep-reservation = true\nreserve-units = 4\n");
    let mut station = bench.at_the_terminal(&[]);
    station.shows(SOON, "scan the serial number");
    let reserved = async |units: u64| {
        eventually(SOON, "so many units are reserved", async || {
            (bench.factory.counts(&bench.order).await.reserved == units).then_some(())
        })
        .await;
    };
    reserved(4).await;
    for (made, (serial, board)) in [("SN01", "A"), ("SN02", "B"), ("SN03", "C")].into_iter().enumerate() {
        if made > 0 {
            bench.take_away(1);
        }
        bench.insert(1, board);
        station.type_in(format!("{serial}\n"));
        bench.passed(made + 1).await;
    }
    // One of the first block, and another block.
    reserved(5).await;
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    reserved(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scanned_units_are_made_on_their_reservation_when_the_ca_dies() {
    let mut bench = Bench::open(20).await;
    bench.configure("keep-reservation = true\nreserve-units = 6\noffline = \"allowed\"\nca-patience-s = 1\n");
    let mut station = bench.at_the_terminal(&[]);
    station.shows(SOON, "scan the serial number");
    bench.insert(1, "A");
    station.type_in("SN01\n");
    bench.passed(1).await;
    bench.authority.kill();
    bench.exchange(1, "B");
    station.type_in("SN02\n");
    eventually(SOON, "the unit is deferred", async || {
        bench.results().iter().any(|unit| unit["outcome"] == "deferred").then_some(())
    })
    .await;
    station.type_in("SN20\n");
    station.shows(SOON, "is not reserved for this station");
    bench.authority.serve();
    station.shows(SOON, "the CA answers again");
    bench.exchange(1, "C");
    station.type_in("SN20\n");
    bench.passed(2).await;
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    assert_eq!(bench.factory.counts(&bench.order).await.issued, 3);
}
