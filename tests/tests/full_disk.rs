//! A full disk: the CA refuses to issue and says why, goes on reading, and issues again when there is space; what it answered is
//! on record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::time::Duration;

use proto::v1::{GetDeviceRequest, IssuedCertificate, Role};
use tests::{Answer, CertificateAuthority, Device, Factory, FileSystem, OrderTerms, ask, eventually};
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
    let log = authority.log();
    assert!(log.contains("STORE_FULL") && log.contains("is full"), "the log says that the disk is full");

    // Reading goes on: counts, devices, and the answer to a question that was answered before.
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

/// Far more than 100 KiB hold.
const UNITS_MAX: usize = 5_000;
