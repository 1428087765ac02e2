//! Two RSA keys with a common prime: found when the second comes in, and on record (R-KEY-06).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use authority::{BirthRequest, Caller, PrimeWalk};
use identity::Principal;
use ledger::{AlarmKind, Clash, Event, Holder, WorkOrderId};
use store::Fault;

use world::{World, device, fresh_id, reason};

/// Requests for two keys that were made with one prime in common. Nobody has the private keys; everybody can
/// compute them.
const SHARING: [&[u8]; 2] = [
    include_bytes!("../../tests/fixtures/csr/csr_share1.pem"),
    include_bytes!("../../tests/fixtures/csr/csr_share2.pem"),
];

#[tokio::test]
async fn of_two_new_keys_with_a_common_prime_the_second_is_refused_and_both_are_named_once() {
    let world = World::with_rsa().await;
    let (station, order) = bench(&world).await;
    let first = world.authority.issue_birth(&station, birth(order, 1, 0)).await.unwrap();
    // The generator is broken: the first refusal pauses the product (R-KEY-14).
    for expected in ["KEY_WEAK", "PRODUCT_PAUSED"] {
        let second = world.authority.issue_birth(&station, birth(order, 2, 1)).await;
        assert_eq!(reason(&second), expected);
    }
    assert_eq!(alarms(&world).await, [("cam-2/SN000002".to_owned(), "cam-2/SN000001".to_owned())]);
    let again = world.authority.issue_birth(&station, birth(order, 1, 0)).await.unwrap();
    assert_eq!(again.der(), first.der(), "the first unit asks again");
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 1);
    assert_eq!(world.authority.counters().others.of(authority::Counted::SharedPrime), 1);
}

#[tokio::test]
async fn of_two_keys_on_record_with_a_common_prime_both_are_flagged_once() {
    let mut world = World::with_rsa().await;
    let (station, order) = bench(&world).await;
    world.authority.issue_birth(&station, birth(order, 1, 0)).await.unwrap();
    // A restart forgets which keys were the latest.
    world.restart().await;
    world.authority.issue_birth(&station, birth(order, 2, 1)).await.unwrap();
    assert_eq!(alarms(&world).await, []);

    let mut walk = PrimeWalk::default();
    assert_eq!(world.authority.walk_primes(&mut walk).await.unwrap(), 1);
    let both = [
        ("cam-2/SN000001".to_owned(), "cam-2/SN000002".to_owned()),
        ("cam-2/SN000002".to_owned(), "cam-2/SN000001".to_owned()),
    ];
    assert_eq!(alarms(&world).await, both);
    assert_eq!(world.authority.walk_primes(&mut walk).await.unwrap(), 0, "nothing came since");
    assert_eq!(world.authority.walk_primes(&mut PrimeWalk::default()).await.unwrap(), 1, "after a restart");
    assert_eq!(alarms(&world).await, both, "once");
}

#[tokio::test]
async fn a_walk_compares_what_came_since_with_what_it_knows_and_a_failed_one_is_made_good() {
    let mut world = World::with_rsa().await;
    let (station, order) = bench(&world).await;
    let mut walk = PrimeWalk::default();
    world.authority.issue_birth(&station, birth(order, 1, 0)).await.unwrap();
    assert_eq!(world.authority.walk_primes(&mut walk).await.unwrap(), 0);
    world.restart().await;
    world.authority.issue_birth(&station, birth(order, 2, 1)).await.unwrap();
    world.log.fail_next(Fault::Failed);
    world.authority.walk_primes(&mut walk).await.unwrap_err();
    assert_eq!(alarms(&world).await, []);
    assert_eq!(world.authority.walk_primes(&mut walk).await.unwrap(), 1);
    assert_eq!(alarms(&world).await.len(), 2);
}

#[tokio::test]
async fn where_no_profile_takes_rsa_there_is_nothing_to_compare() {
    let world = World::new().await;
    assert!(!world.authority.takes_rsa());
    let (station, order) = bench(&world).await;
    assert_eq!(
        reason(&world.authority.issue_birth(&station, birth(order, 1, 0)).await),
        "KEY_TYPE_NOT_ALLOWED"
    );
    assert_eq!(world.authority.walk_primes(&mut PrimeWalk::default()).await.unwrap(), 0);
}

async fn bench(world: &World) -> (Caller, WorkOrderId) {
    (world.station("line-3").await, world.order(9, &["line-3"]).await)
}

fn birth(work_order: WorkOrderId, serial: u32, which: usize) -> BirthRequest {
    let csr = pem(SHARING[which]);
    BirthRequest {
        request: fresh_id(),
        work_order,
        device: device(serial),
        csr: csr.into(),
        made_at: None,
        shift: String::new(),
        operator: String::new(),
    }
}

fn pem(text: &[u8]) -> Vec<u8> {
    pkcs8::der::pem::decode_vec(text).unwrap().1
}

/// Whose key shares a prime with whose, in order.
async fn alarms(world: &World) -> Vec<(String, String)> {
    let page = world.authority.store().alarms(Some(AlarmKind::Duplicate), None, 10).await.unwrap();
    let mut pairs: Vec<_> = page
        .rows
        .iter()
        .map(|alarm| match &alarm.event {
            Event::DuplicateRefused {
                device,
                other: Holder::Principal(Principal::Device(other)),
                what: Clash::Prime,
                ..
            } => (device.to_string(), other.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    pairs.sort();
    pairs
}
