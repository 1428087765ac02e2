//! A CA that answers questions and issues nothing.

use std::time::Duration;

use tests::{CertificateAuthority, FileSystem, Process};

use crate::line::Line;

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_whose_disk_is_full_is_away_until_it_issues_again() {
    let Some(disk) = FileSystem::in_memory(24) else { return };
    let mut authority = CertificateAuthority::founded_in(&disk.path().join("ca"));
    authority.serve();
    let line = Line::at(authority, 60).await;
    line.configure("ca-patience-s = 0\noffline = \"allowed\"\nreserve-units = 12\n");
    assert_eq!(line.provision(&["--limit", "1", "--keep-reservation"]).0, 0);
    disk.fill_but(0);
    let output = line.home.path().join("said");
    let file = std::fs::File::create(&output).unwrap();
    let mut command = line.command(&["--json", "--keep-reservation"]);
    let mut running = Process::start(command.stdout(file.try_clone().unwrap()).stderr(file));
    line.until_said(&output, "further units wait for the CA").await;
    // It was looked for meanwhile, and answered.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let deferred = line.report()["deferred"].as_u64().unwrap();
    let said = std::fs::read_to_string(&output).unwrap();
    assert!(!said.contains("the CA answers again"), "{said}");

    disk.free();
    line.until_said(&output, "the CA answers again").await;
    let status = running.wait(Duration::from_secs(120)).expect("the line ends");
    let said = std::fs::read_to_string(&output).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    let counts = line.counts().await;
    assert_eq!(counts.issued, 60, "{said}");
    assert!(deferred > 0, "{said}");
    line.finish_all(deferred);
    line.all_certificates_are_those_on_record(60).await;
}
