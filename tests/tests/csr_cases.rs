//! Requests of real devices and tools, sent to a running CA: each is accepted, or refused with the part and
//! the rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;

use proto::v1::{DeviceId, IssueBirthCertificateRequest};
use tests::{CertificateAuthority, Device, Factory, OrderTerms, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_told_what_is_wrong_with_each_request_and_its_order_is_not_touched_for_it() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(100, &["line-1"])).await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/csr_cases");
    let table = std::fs::read_to_string(directory.join("expected.tsv")).unwrap();
    let mut taken = 0;
    for (number, line) in (1..).zip(table.lines().filter(|line| !line.starts_with('#'))) {
        let [file, reason, part, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let serial = format!("SN{number:06}");
        let request = IssueBirthCertificateRequest {
            deferral: None,
            request_id: Device::new("cam-2", &serial).request_id,
            work_order: order.clone(),
            device: Some(DeviceId { product: "cam-2".into(), serial }),
            csr: std::fs::read(directory.join(file)).unwrap().into(),
            shift: String::new(),
            operator: String::new(),
        };
        match station.provisioning().issue_birth_certificate(request).await {
            Ok(_) => {
                assert_eq!(reason, "taken", "{file}");
                taken += 1;
            }
            Err(status) => {
                let said = refused(&status);
                assert_eq!(said.reason, reason, "{file}: {}", said.message);
                assert!(said.message.contains(part), "{file}: {}", said.message);
            }
        }
    }
    assert_eq!(factory.counts(&order).await.issued, taken);
    assert!(taken > 5, "{taken}");
}
