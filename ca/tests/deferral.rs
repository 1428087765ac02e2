//! Deferred birth certificates through the authority: which refusals judge a unit, and who claims a
//! certificate.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use authority::{BirthRequest, Caller, Proof, ReservationRequest, UnitRecord, UnitReport, UnitsAsked};
use issuance::BlockedKeys;
use ledger::{UnitsWanted, WorkOrderId};

use world::{Key, World, birth, device, fresh_id, noon, reason};

async fn reserved(world: &World, units: u64) -> (Caller, WorkOrderId) {
    let order = world.order(10, &["line-3"]).await;
    let station = world.station("line-3").await;
    let units = Some(UnitsWanted::Next(units));
    let request = ReservationRequest { request: fresh_id(), work_order: order, units, duration: None };
    world.authority.reserve_units(&station, request).await.unwrap();
    (station, order)
}

fn made(order: WorkOrderId, serial: u32, key: &Key) -> BirthRequest {
    BirthRequest { made_at: Some(noon()), ..birth(order, serial, key) }
}

async fn bare(world: &World, key: &Key) -> Caller {
    let proof = Proof::BareKey(key.public_key().fingerprint());
    world.authority.identify(Some(&proof)).await.unwrap()
}

#[tokio::test]
async fn a_refusal_that_judges_the_unit_is_on_record_and_stays_whatever_changes() {
    let mut world = World::new().await;
    let (station, order) = reserved(&world, 4).await;
    let (used, good) = (Key::new(), Key::new());
    world.born(&station, order, 9, &used).await;
    let asked = vec![made(order, 1, &Key::of_rfc_6979()), made(order, 3, &good), made(order, 2, &used)];
    for _ in 0..2 {
        let answers = world.authority.issue_births(&station, asked.clone()).await.unwrap();
        assert_eq!(answers.iter().map(reason).collect::<Vec<_>>(), ["KEY_BLOCKED", "OK", "KEY_ALREADY_USED"]);
        let counts = world.authority.work_order(order).await.unwrap().counts;
        assert_eq!((counts.issued, counts.reserved, counts.refused_after_deferral), (2, 1, 2));
        world.restart().await;
    }
    // One key in two units paused the product.
    let product = device(1).product;
    let pause = world.authority.product(&product).await.unwrap().paused_by.unwrap().number;
    let operator = world.operator().await;
    world.authority.resume_product(&operator, product, pause, "a copied board".to_owned()).await.unwrap();
    let again = world.authority.issue_birth(&station, made(order, 1, &Key::new())).await;
    assert_eq!(reason(&again), "REFUSED_AFTER_DEFERRAL");
    let units = UnitsAsked::Named(vec![device(1).serial, device(4).serial]);
    let told = world.authority.units(&station, order, units).await.unwrap().units;
    assert_eq!(told[0].record, UnitRecord::Refused);
    assert!(matches!(told[1].record, UnitRecord::Out(_)));
}

#[tokio::test]
async fn what_passes_or_is_not_about_the_unit_is_asked_again() {
    let world = World::new().await;
    let (station, order) = reserved(&world, 2).await;
    let key = Key::new();
    let asked = made(order, 1, &key);
    world.factory.failing.store(1, Ordering::SeqCst);
    assert_eq!(reason(&world.authority.issue_birth(&station, asked.clone()).await), "SIGNER_UNAVAILABLE");
    world.factory.failing.store(0, Ordering::SeqCst);
    let mut damaged = asked.clone();
    let mut csr = damaged.csr.to_vec();
    *csr.last_mut().unwrap() ^= 1;
    damaged.csr = csr.into();
    let refused = world.authority.issue_birth(&station, damaged).await;
    assert!(refused.is_err());
    let operator = world.operator().await;
    world.authority.pause_work_order(&operator, order).await.unwrap();
    assert_eq!(reason(&world.authority.issue_birth(&station, asked.clone()).await), "WORK_ORDER_PAUSED");
    world.authority.resume_work_order(&operator, order).await.unwrap();
    world.authority.issue_birth(&station, asked.clone()).await.unwrap();
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.refused_after_deferral, 0);
    // A certificate that is out is not given again for a key that is blocked since, and nothing is recorded.
    let list = BlockedKeys::with_list(&format!("{}\n", key.public_key().fingerprint())).unwrap();
    world.blocked.send_replace(Arc::new(list));
    assert_eq!(reason(&world.authority.issue_birth(&station, asked).await), "KEY_BLOCKED");
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.refused_after_deferral, 0);
}

#[tokio::test]
async fn a_unit_that_nobody_reserved_is_refused_as_any_other() {
    let world = World::new().await;
    let (station, order) = reserved(&world, 1).await;
    let weak = world.authority.issue_birth(&station, made(order, 5, &Key::of_rfc_6979())).await;
    assert_eq!(reason(&weak), "KEY_BLOCKED");
    let good = world.authority.issue_birth(&station, made(order, 5, &Key::new())).await;
    assert_eq!(reason(&good), "DEFERRAL_NOT_ALLOWED");
    let head = world.store.head();
    let early = BirthRequest {
        made_at: Some(noon() - std::time::Duration::from_secs(3_600)),
        ..made(order, 1, &Key::new())
    };
    assert_eq!(reason(&world.authority.issue_birth(&station, early).await), "DEFERRAL_NOT_ALLOWED");
    assert_eq!(world.store.head(), head, "nothing is recorded");
}

#[tokio::test]
async fn a_certificate_is_claimed_with_its_key_alone_as_often_as_it_is_asked() {
    let world = World::new().await;
    let (station, order) = reserved(&world, 3).await;
    let (key, stranger) = (Key::new(), Key::new());
    let claim = async |key: &Key| world.authority.claim_birth(&bare(&world, key).await).await;
    assert_eq!(reason(&claim(&key).await), "CERTIFICATE_NOT_YET_ISSUED");
    let born = world.authority.issue_birth(&station, made(order, 1, &key)).await.unwrap();
    let head = world.store.head();
    for _ in 0..2 {
        assert_eq!(claim(&key).await.unwrap().der(), born.der());
    }
    assert_eq!(reason(&claim(&stranger).await), "CERTIFICATE_NOT_YET_ISSUED");
    // The key of an operational certificate, of a station, of an operator claims nothing.
    assert_eq!(reason(&claim(&world.operator).await), "CERTIFICATE_NOT_YET_ISSUED");
    assert_eq!(world.store.head(), head, "a claim records nothing");
    let operational = Key::new();
    let with_birth = world.caller(born.der()).await;
    world.authority.enroll(&with_birth, fresh_id(), &operational.csr()).await.unwrap();
    assert_eq!(reason(&claim(&operational).await), "CERTIFICATE_NOT_YET_ISSUED");
    assert_eq!(reason(&world.authority.claim_birth(&with_birth).await), "ROLE_NOT_ALLOWED");
}

#[tokio::test]
async fn a_unit_that_is_held_retired_scrapped_or_revoked_claims_nothing() {
    let world = World::new().await;
    let (station, order) = reserved(&world, 4).await;
    let operator = world.operator().await;
    let keys = [(); 3].map(|()| Key::new());
    for (serial, key) in (1..).zip(&keys) {
        world.authority.issue_birth(&station, made(order, serial, key)).await.unwrap();
    }
    let claim = async |key: &Key| reason(&world.authority.claim_birth(&bare(&world, key).await).await);
    world.authority.hold(&operator, device(1), String::new()).await.unwrap();
    assert_eq!(claim(&keys[0]).await, "DEVICE_HELD");
    world.authority.release_device(&operator, device(1)).await.unwrap();
    assert_eq!(claim(&keys[0]).await, "OK");
    world.authority.retire(&operator, device(1), String::new()).await.unwrap();
    assert_eq!(claim(&keys[0]).await, "DEVICE_RETIRED");
    let report = UnitReport {
        work_order: order,
        device: device(2),
        reason: "dropped".to_owned(),
        operator: String::new(),
    };
    world.authority.report_scrap(&station, report).await.unwrap();
    assert_eq!(claim(&keys[1]).await, "DEVICE_SCRAPPED");
    // After a rework the certificate of the old board is revoked, and its key claims nothing.
    world.authority.allow_rework(&operator, device(3), String::new()).await.unwrap();
    let new = Key::new();
    world.authority.issue_birth(&station, birth(order, 3, &new)).await.unwrap();
    assert_eq!(claim(&keys[2]).await, "CERTIFICATE_REVOKED");
    assert_eq!(claim(&new).await, "OK");
}
