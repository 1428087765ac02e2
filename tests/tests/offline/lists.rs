//! A list of serial numbers while the CA is away: what is reserved is made, the rest waits.

use std::path::PathBuf;
use std::time::Duration;

use tests::Process;

use crate::line::{Line, outcomes, said};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ca_a_list_makes_what_is_reserved_and_says_what_is_not() {
    let mut line = Line::open(9).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\nreserve-units = 3\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    line.authority.kill();
    let list = list(&line, &["SN08", "SN02", "SN07", "SN03"]);
    let list = list.to_str().unwrap();
    let output = line.run(line.command(&["--serials", list, "--offline"]));
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    for words in
        ["2 with certificates deferred", "not begun: 2 units", "2 units of the list are not reserved"]
    {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert_eq!((&line.report()["deferred"], line.devices()), (&2.into(), 3));

    // Nothing of the list is reserved.
    let (status, units) = line.provision(&["--serials", list, "--offline"]);
    assert_eq!((status, units.len(), line.devices()), (7, 1, 3), "{units:?}");
    assert_eq!(units[0]["summary"]["not_begun"], 2, "{units:?}");

    line.authority.serve();
    let (status, units) = line.provision(&["--serials", list]);
    assert_eq!((status, outcomes(&units, "passed")), (0, 2), "{units:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_ca_dies_goes_on_with_what_is_reserved_and_ends_when_the_ca_is_back() {
    let mut line = Line::open(40).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\nreserve-units = 8\n");
    let serials: Vec<String> = (1..=40).map(|serial| format!("SN{serial:02}")).collect();
    let list = list(&line, &serials.iter().map(String::as_str).collect::<Vec<_>>());
    let output = line.home.path().join("said");
    let file = std::fs::File::create(&output).unwrap();
    let mut command = line.command(&["--serials", list.to_str().unwrap(), "--slots", "2", "--json"]);
    let mut running = Process::start(command.stdout(file.try_clone().unwrap()).stderr(file));
    line.until(|report| report["passed"].as_u64() >= Some(3)).await;
    line.authority.kill();
    line.until_said(&output, "waits for the CA, and so does each unit that is not reserved").await;
    line.until(|report| report["deferred"].as_u64() >= Some(1)).await;
    line.authority.serve();
    let status = running.wait(Duration::from_secs(120)).expect("the line ends");
    let said = std::fs::read_to_string(&output).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    let report = line.report();
    let reconciled = report["reconciled"].as_u64().unwrap();
    assert_eq!(report["passed"].as_u64().unwrap() + reconciled, 40, "{report}");
    let counts = line.counts().await;
    assert_eq!((counts.issued, counts.reserved), (40, 0), "{said}");
    line.finish_all(reconciled);
    line.all_certificates_are_those_on_record(40).await;
}

fn list(line: &Line, serials: &[&str]) -> PathBuf {
    let path = line.home.path().join("list.csv");
    std::fs::write(&path, format!("serial\n{}\n", serials.join("\n"))).unwrap();
    path
}
