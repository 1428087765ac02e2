//! A blocked key gets no certificate, wherever it comes in.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::sync::Arc;

use authority::CredentialRequest;
use identity::Role;
use issuance::{BlockedKeys, Names};

use world::{Key, World, birth, fresh_id, reason};

#[tokio::test]
async fn a_published_test_key_gets_no_certificate_of_any_kind_and_nothing_is_recorded() {
    let world = World::new().await;
    let published = Key::of_rfc_6979();
    refused_everywhere(&world, &published).await;
    world.blocked.send_replace(Arc::new(BlockedKeys::with_list("").unwrap()));
    refused_everywhere(&world, &published).await;
}

#[tokio::test]
async fn a_listed_key_gets_no_certificate_of_any_kind_as_soon_as_the_list_has_it() {
    let world = World::new().await;
    let key = Key::new();
    let fingerprint = key.public_key().fingerprint().to_string();
    let list = BlockedKeys::with_list(&format!("{}\n", &fingerprint[..32])).unwrap();
    world.blocked.send_replace(Arc::new(list));
    refused_everywhere(&world, &key).await;
}

#[tokio::test]
async fn a_key_that_is_blocked_after_its_certificate_was_made_does_not_get_that_again() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let key = Key::new();
    let asked = birth(order, 1, &key);
    let first = world.authority.issue_birth(&station, asked.clone()).await.unwrap();
    let list = BlockedKeys::with_list(&format!("{}\n", key.public_key().fingerprint())).unwrap();
    world.blocked.send_replace(Arc::new(list));
    assert_eq!(reason(&world.authority.issue_birth(&station, asked.clone()).await), "KEY_BLOCKED");
    // What there is is withdrawn by an operator, and until then it may be renewed with another key.
    let with_birth = world.caller(first.der()).await;
    world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    world.blocked.send_replace(Arc::default());
    assert_eq!(world.authority.issue_birth(&station, asked).await.unwrap().der(), first.der());
}

#[tokio::test]
async fn of_many_units_only_the_one_with_the_blocked_key_is_refused() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(3, &["line-3"]).await;
    let asked = vec![
        birth(order, 1, &Key::new()),
        birth(order, 2, &Key::of_rfc_6979()),
        birth(order, 3, &Key::new()),
    ];
    let answers = world.authority.issue_births(&station, asked).await.unwrap();
    let reasons: Vec<_> = answers.iter().map(reason).collect();
    assert_eq!(reasons, ["OK", "KEY_BLOCKED", "OK"]);
    let told = answers[1].as_ref().unwrap_err();
    assert!(told.is_suspicious() && !told.is_ours());
    assert!(told.to_string().contains("whose private key is published: SHA-256 5a7a78cc"), "{told}");
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 2);
}

async fn refused_everywhere(world: &World, key: &Key) {
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let serial = u32::try_from(world.store.head().0).unwrap();
    let born = world.born(&station, order, serial, &Key::new()).await;
    let with_birth = world.caller(born.der()).await;
    let operational = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    let with_operational = world.caller(operational.der()).await;
    world.authority.confirm_by_use(&with_operational).await.unwrap();
    let with_operational = world.caller(operational.der()).await;
    let head = world.store.head();

    let birth = world.authority.issue_birth(&station, birth(order, serial + 1, key)).await;
    assert_eq!(reason(&birth), "KEY_BLOCKED", "birth");
    let enroll = world.authority.enroll(&with_birth, fresh_id(), &key.csr()).await;
    assert_eq!(reason(&enroll), "KEY_BLOCKED", "enroll");
    let renew = world.authority.renew(&with_operational, fresh_id(), &key.csr()).await;
    assert_eq!(reason(&renew), "KEY_BLOCKED", "renew");
    let operator = world.operator().await;
    for role in [Role::Station, Role::Operator, Role::RelyingParty, Role::Service] {
        let dns = if role == Role::Service { vec!["mqtt.example.com".to_owned()] } else { Vec::new() };
        let request = CredentialRequest {
            request: fresh_id(),
            role,
            name: "other".parse().unwrap(),
            csr: key.csr(),
            lifetime: None,
            names: Names { dns, addresses: Vec::new() },
        };
        let credential = world.authority.issue_credential(&operator, request).await;
        assert_eq!(reason(&credential), "KEY_BLOCKED", "{role}");
    }
    assert_eq!(world.store.head(), head, "a refusal changes nothing");
}
