//! A full disk: the CA refuses to issue and says why, still answers reads, and issues again when there is
//! space; acknowledged entries are kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::time::Duration;

use proto::v1::{GetDeviceRequest, IssuedCertificate, ReportScrapRequest, Role};
use tests::{
    Answer, CertificateAuthority, Device, Factory, FileSystem, Operator, OrderTerms, ask, eventually,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_tmpfs_stops_issuing_until_there_is_space() {
    if let Some(disk) = FileSystem::in_memory(64) {
        full_and_free_again(disk).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_ext4_stops_issuing_until_there_is_space() {
    if let Some(disk) = FileSystem::on_a_loop_device(96) {
        full_and_free_again(disk).await;
    }
}

/// As with `2>ca.log` beside the CA's directory: one disk fills under the ledger and the log together.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_the_same_disk_does_not_keep_the_ca_from_coming_back() {
    let Some(disk) = FileSystem::in_memory(24) else { return };
    let mut authority = CertificateAuthority::founded_in(&disk.path().join("ca"))
        .with_log(&disk.path().join("ca.log"))
        .with_environment("TOUCHMARK_LOG", "debug");
    authority.serve();
    let factory = Factory::of(&authority);
    let station = authority.caller(&factory.credential(Role::Station, "line-1").await);
    let order = factory.order(OrderTerms::new(100_000, &["line-1"])).await;
    disk.fill_but(200 * 1024);
    let mut issued = Vec::new();
    let (mut device, refused) = until_refused(&station, &order, &mut issued).await;
    assert_eq!(refused.reason, "STORE_FULL", "{refused:?}");

    // It says so, answers reads, obeys signals, and issues nothing.
    eventually(WAIT, "it is not ready", async || {
        let (status, body) = authority.readiness();
        (status.contains("503") && body.contains("full")).then_some(())
    })
    .await;
    assert!(authority.metrics().contains("touchmark_store_disk_full 1.0"));
    let doctor = Operator::of(&authority).run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(6), "{doctor:?}");
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("not ready: the disk that holds the ledger is full"), "{said}");
    // A file that is replaced may leave room for one more.
    let enough = issued.len() + 16;
    for _ in 0..200 {
        match ask(&station, device.birth_request(&order)).await {
            Answer::Issued(certificate) => {
                issued.push((device, certificate));
                assert!(issued.len() < enough, "a full disk takes certificate after certificate");
                device = Device::new("cam-2", &format!("SN{:06}", issued.len() + 1));
            }
            other => assert_eq!(other.reason(), "STORE_FULL"),
        }
    }
    assert_eq!(factory.counts(&order).await.issued, issued.len() as u64);
    eventually(WAIT, "log lines are lost", async || {
        (authority.metric("touchmark_log_lines_lost_total") > 0.0).then_some(())
    })
    .await;

    // With room it is ready before anybody asks for a certificate; then it issues, publishes, and reports
    // lost log lines.
    disk.free();
    eventually(WAIT, "it is ready", async || authority.readiness().0.contains("200").then_some(())).await;
    assert!(ask(&station, device.birth_request(&order)).await.is_issued());
    assert!(authority.metrics().contains("touchmark_store_disk_full 0.0"));
    let (failures, published) =
        (authority.metric("touchmark_crl_failures_total"), authority.metric("touchmark_crl_published_total"));
    let scrap = ReportScrapRequest {
        work_order: order.clone(),
        device: Some(device.id.clone()),
        reason: "cracked lens".to_owned(),
        operator: String::new(),
    };
    station.provisioning().report_scrap(scrap).await.unwrap();
    eventually(WAIT, "a CRL shows the revocation", async || {
        (authority.metric("touchmark_crl_published_total") > published).then_some(())
    })
    .await;
    assert!(authority.metric("touchmark_crl_failures_total") - failures < 2.0);
    assert_eq!(authority.metric("touchmark_store_stopped"), 0.0);
    assert_eq!(authority.metric("touchmark_panics_total"), 0.0);
    assert!(authority.log().contains("log lines were lost"));
    assert_eq!(authority.stop().code(), Some(0));
}

/// A recorded revocation must reach its CRL, though the disk has no free block: the ledger's last block may
/// take another entry.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_a_full_disk_takes_is_published() {
    let Some(disk) = FileSystem::in_memory(24) else { return };
    let mut authority =
        CertificateAuthority::founded_in(&disk.path().join("ca")).with_log(&disk.beside("ca.log"));
    authority.serve();
    let factory = Factory::of(&authority);
    let station = authority.caller(&factory.credential(Role::Station, "line-1").await);
    let order = factory.order(OrderTerms::new(100, &["line-1"])).await;
    let ledger = authority.directory().join("store/ledger/00000000000000000001.ledger");
    let mut number = 0;
    // Until the last block has room for an entry or two.
    while !(1_000..3_000).contains(&(BLOCK - std::fs::metadata(&ledger).unwrap().len() % BLOCK)) || number < 1
    {
        number += 1;
        let device = Device::new("cam-2", &format!("SN{number:06}"));
        assert!(ask(&station, device.birth_request(&order)).await.is_issued());
    }
    let published = authority.metric("touchmark_crl_published_total");
    disk.fill_but(0);
    let scrap = ReportScrapRequest {
        work_order: order.clone(),
        device: Some(Device::new("cam-2", "SN000001").id.clone()),
        reason: "cracked lens".to_owned(),
        operator: String::new(),
    };
    station.provisioning().report_scrap(scrap).await.expect("the last block takes it");
    eventually(WAIT, "a CRL shows the revocation", async || {
        (authority.metric("touchmark_crl_published_total") > published).then_some(())
    })
    .await;
    eventually(WAIT, "the CRLs keep up", async || {
        (authority.metric("touchmark_crl_lag_seconds") == 0.0).then_some(())
    })
    .await;
    assert_eq!(authority.metric("touchmark_crl_failures_total"), 0.0, "{}", authority.log());
    // Room is kept again, as far as there is some.
    assert!(authority.directory().join("publication/reserve").exists());
    disk.free();
    assert_eq!(authority.stop().code(), Some(0));
}

/// Of a tmpfs.
const BLOCK: u64 = 4096;

async fn full_and_free_again(disk: FileSystem) {
    let mut authority =
        CertificateAuthority::founded_in(&disk.path().join("ca")).with_log(&disk.beside("ca.log"));
    authority.serve();
    let factory = Factory::of(&authority);
    let credentials = factory.credential(Role::Station, "line-1").await;
    let station = authority.caller(&credentials);
    let order = factory.order(OrderTerms::new(100_000, &["line-1"])).await;
    let first = Device::new("cam-2", "SN000000");
    let born = ask(&station, first.birth_request(&order)).await.issued();

    disk.fill_but(100 * 1024);
    let mut issued = vec![(first, born)];
    let (device, refused) = until_refused(&station, &order, &mut issued).await;
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "STORE_FULL"), "{refused:?}");
    assert!(refused.retry, "it says when to ask again");
    eventually(WAIT, "the log says that the disk is full", async || {
        let log = authority.log();
        (log.contains("STORE_FULL") && log.contains("is full")).then_some(())
    })
    .await;

    // Reads go on: counts, devices, and the answer to a repeated request.
    assert_eq!(
        factory.counts(&order).await.issued,
        issued.len() as u64,
        "nothing was counted that was refused"
    );
    for (device, certificate) in &issued {
        check(&factory, device, certificate).await;
    }
    assert_eq!(ask(&station, issued[0].0.birth_request(&order)).await.issued(), issued[0].1);

    disk.free();
    let again = eventually(Duration::from_secs(30), "it issues again", async || {
        match ask(&station, device.birth_request(&order)).await {
            Answer::Issued(certificate) => Some(certificate),
            Answer::Refused(refused) if refused.reason == "STORE_FULL" => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    issued.push((device, again));

    authority.kill();
    authority.serve();
    let factory = Factory::of(&authority);
    assert_eq!(factory.counts(&order).await.issued, issued.len() as u64);
    for (device, certificate) in &issued {
        check(&factory, device, certificate).await;
    }
    assert_eq!(authority.stop().code(), Some(0));
}

/// Issues one after the other until the disk is full; the first device that was refused.
async fn until_refused(
    station: &tests::Caller,
    order: &str,
    issued: &mut Vec<(Device, IssuedCertificate)>,
) -> (Device, tests::Refused) {
    for number in 1..UNITS_MAX {
        let device = Device::new("cam-2", &format!("SN{number:06}"));
        match ask(station, device.birth_request(order)).await {
            Answer::Issued(certificate) => issued.push((device, certificate)),
            Answer::Refused(refused) => return (device, refused),
            Answer::Lost => panic!("the connection ended after {} certificates", issued.len()),
        }
    }
    panic!("{UNITS_MAX} certificates are on a disk that was full");
}

async fn check(factory: &Factory, device: &Device, certificate: &IssuedCertificate) {
    let request = GetDeviceRequest { device: Some(device.id.clone()) };
    let answer =
        factory.operator().lifecycle().get_device(request).await.expect("it is on record").into_inner();
    assert_eq!(answer.certificates.len(), 1);
    assert_eq!(answer.certificates[0].certificate, certificate.certificate);
}

/// For what takes moments, on a busy machine.
const WAIT: Duration = Duration::from_secs(40);

/// Far more than 100 KiB hold.
const UNITS_MAX: usize = 5_000;
