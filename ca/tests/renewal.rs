//! Renewal, its ends, and withdrawal through the authority's public API.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use authority::{BirthRequest, Caller, PeerCertificate, Proof, RenewalReason, RevocationRequest};
use identity::{COMPROMISE_PROOF_NAME, Clock, RevocationReason};
use ledger::{CertificateStatus, Selection};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use store::Released;

use world::{Key, SUPERSEDED_FOR, World, device, fresh_id, reason};

#[tokio::test]
async fn a_superseded_certificate_is_revoked_when_its_grace_has_ended() {
    let world = World::new().await;
    let (parent, with_parent) = enrolled(&world).await;
    let child = world.authority.renew(&with_parent, fresh_id(), &Key::new().csr()).await.unwrap();
    assert_eq!(status(&world, &parent).await, CertificateStatus::InUse, "the child was not seen yet");

    let with_child = world.caller(child.der()).await;
    assert!(with_child.is_unconfirmed());
    world.authority.confirm_by_use(&with_child).await.unwrap();
    assert!(!world.caller(child.der()).await.is_unconfirmed(), "once");
    assert_eq!(status(&world, &parent).await, CertificateStatus::Superseded);
    let record = world.store.certificate(&parent.serial_number()).await.unwrap().unwrap();
    assert_eq!(record.ends(), Some(world.clock.now() + SUPERSEDED_FOR));
    let time = world.authority.renewal_window(&with_parent).await.unwrap();
    assert_eq!(time.reason, RenewalReason::Superseded);

    world.clock.advance(SUPERSEDED_FOR - Duration::from_secs(1));
    world.authority.upkeep_once().await.unwrap();
    assert_eq!(status(&world, &parent).await, CertificateStatus::Superseded, "not a second early");
    world.clock.advance(Duration::from_secs(2));
    world.authority.upkeep_once().await.unwrap();
    let record = world.store.certificate(&parent.serial_number()).await.unwrap().unwrap();
    assert_eq!(record.revocation().unwrap().reason, RevocationReason::Superseded);
    assert_eq!(status(&world, &child).await, CertificateStatus::InUse);
}

#[tokio::test]
async fn a_clone_is_refused_as_a_fork_and_asking_twice_is_not() {
    let world = World::new().await;
    let (_, with_parent) = enrolled(&world).await;
    let (id, key) = (fresh_id(), Key::new());
    let child = world.authority.renew(&with_parent, id, &key.csr()).await.unwrap();
    let again = world.authority.renew(&with_parent, id, &key.csr()).await.unwrap();
    assert_eq!(child.der(), again.der());
    world.authority.confirm_by_use(&world.caller(child.der()).await).await.unwrap();
    let again = world.authority.renew(&with_parent, id, &key.csr()).await.unwrap();
    assert_eq!(child.der(), again.der(), "a lost reply, however late");
    let clone = world.authority.renew(&with_parent, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&clone), "LINEAGE_FORKED");
    assert_eq!(world.authority.store().alarms(None, None, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_clone_that_asks_often_first_is_a_fork_all_the_same() {
    let world = World::new().await;
    let (_, with_parent) = enrolled(&world).await;
    let mut newest = with_parent.clone();
    let refused = loop {
        match world.authority.renew(&newest, fresh_id(), &Key::new().csr()).await {
            Ok(child) => newest = world.caller(child.der()).await,
            Err(refused) => break refused,
        }
        world.authority.confirm_by_use(&newest).await.unwrap();
    };
    assert_eq!(ca::grpc::reason(&refused).as_str_name(), "TOO_OFTEN");
    // The one whose flash was copied has the parent. Neither it nor a clone that asks with it is told to
    // wait.
    for asked in 0..40 {
        let fork = world.authority.renew(&with_parent, fresh_id(), &Key::new().csr()).await;
        assert_eq!(reason(&fork), "LINEAGE_FORKED", "asked {asked} times");
    }
    assert_eq!(world.authority.store().alarms(None, None, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_certificate_of_a_clock_that_was_ahead_renews_itself_and_does_nothing_else() {
    let world = World::new().await;
    let birth = born(&world).await;
    // The clock is twenty days ahead while the device enrols, and is right again.
    world.clock.set(world::noon() + 20 * DAY);
    let early =
        world.authority.enroll(&world.caller(&birth).await, fresh_id(), &Key::new().csr()).await.unwrap();
    world.authority.confirm_by_use(&world.caller(early.der()).await).await.unwrap();
    world.clock.set(world::noon());

    let with_early = world.caller(early.der()).await;
    assert!(with_early.is_early() && !with_early.is_late());
    let time = world.authority.renewal_window(&with_early).await.unwrap();
    assert_eq!(
        (time.reason, time.start, time.end),
        (RenewalReason::NotYetValid, world::noon(), world::noon())
    );
    let (id, key) = (fresh_id(), Key::new());
    let next = world.authority.renew(&with_early, id, &key.csr()).await.unwrap();
    let again = world.authority.renew(&with_early, id, &key.csr()).await.unwrap();
    assert_eq!(next.der(), again.der(), "exactly once");
    let with_next = world.caller(next.der()).await;
    assert!(!with_next.is_early());
    world.authority.confirm_by_use(&with_next).await.unwrap();
    assert_eq!(status(&world, &early).await, CertificateStatus::Superseded);
    assert!(
        world.authority.store().alarms(None, None, 10).await.unwrap().rows.is_empty(),
        "nobody did anything wrong"
    );

    // A copy of the device's flash gains nothing by it.
    let clone = world.authority.renew(&world.caller(early.der()).await, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&clone), "LINEAGE_FORKED");
    let clone = world.authority.enroll(&world.caller(&birth).await, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&clone), "ALREADY_ENROLLED");
    assert_eq!(world.authority.store().alarms(None, None, 10).await.unwrap().rows.len(), 2);
}

#[tokio::test]
async fn the_birth_certificate_does_not_stand_in_for_one_in_use_that_has_not_begun() {
    let world = World::new().await;
    let birth = born(&world).await;
    world.clock.set(world::noon() + 20 * DAY);
    let early =
        world.authority.enroll(&world.caller(&birth).await, fresh_id(), &Key::new().csr()).await.unwrap();
    world.authority.confirm_by_use(&world.caller(early.der()).await).await.unwrap();
    world.clock.set(world::noon());
    // Who has only the key of the factory is told apart from the device as ever.
    let thief = world.authority.enroll(&world.caller(&birth).await, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&thief), "ALREADY_ENROLLED");
    assert_eq!(world.authority.store().alarms(None, None, 10).await.unwrap().rows.len(), 1);
    let next = world.authority.renew(&world.caller(early.der()).await, fresh_id(), &Key::new().csr()).await;
    next.unwrap();
}

#[tokio::test]
async fn a_credential_of_a_person_that_has_not_begun_is_good_for_nothing() {
    let world = World::new().await;
    world.clock.set(world::noon() + 20 * DAY);
    let station = world.credential(identity::Role::Station, "line-3").await;
    world.clock.set(world::noon());
    let proof = Proof::Certificate(PeerCertificate::new(&station));
    let refused = world.authority.identify(Some(&proof)).await;
    assert_eq!(reason(&refused), "CLIENT_CERTIFICATE_EXPIRED");
}

#[tokio::test]
async fn a_renewal_that_would_not_last_longer_is_not_due() {
    let world = World::new().await;
    let [birth, other] = births(&world).await;
    let ends = world.authority.ends().into_iter().find(|end| end.name == "operational").unwrap().not_after;
    world.clock.set(ends - 20 * DAY);
    let cut =
        world.authority.enroll(&world.caller(&birth).await, fresh_id(), &Key::new().csr()).await.unwrap();
    let cut_certificate = issuance::Certificate::from_der(cut.der()).unwrap();
    let with_cut = world.caller(cut.der()).await;
    assert_eq!(cut_certificate.validity().not_after(), ends, "it ends with its issuer");
    for days_left in [19, 5, 1] {
        world.clock.set(ends - days_left * DAY);
        let time = world.authority.renewal_window(&with_cut).await.unwrap();
        assert_eq!((time.reason, time.start), (RenewalReason::IssuerEnds, ends), "{days_left} days left");
        assert!(time.retry_after >= Duration::from_secs(300));
    }
    // One that was issued in time for another is renewed as ever.
    world.clock.set(ends - 31 * DAY);
    let whole =
        world.authority.enroll(&world.caller(&other).await, fresh_id(), &Key::new().csr()).await.unwrap();
    let time = world.authority.renewal_window(&world.caller(whole.der()).await).await.unwrap();
    assert_eq!(time.reason, RenewalReason::Scheduled);
}

#[tokio::test]
async fn whoever_signs_with_a_key_that_it_is_compromised_has_it_revoked_for_ever() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let key = KeyPair::generate().unwrap();
    let birth = |serial| BirthRequest {
        request: fresh_id(),
        work_order: order,
        device: device(serial),
        csr: request(&key, "unit").into(),
        made_at: None,
        shift: String::new(),
        operator: String::new(),
    };
    let born = world.authority.issue_birth(&station, birth(1)).await.unwrap();

    let claim = world.authority.key_compromised(&request(&key, "cam-2/SN000001")).await;
    assert_eq!(reason(&claim), "REQUEST_INVALID", "an ordinary request proves nothing");
    let stranger = KeyPair::generate().unwrap();
    let unknown = world.authority.key_compromised(&request(&stranger, COMPROMISE_PROOF_NAME)).await;
    assert_eq!(unknown.unwrap(), None, "nobody has this key");
    assert_eq!(status(&world, &born).await, CertificateStatus::Issued);

    let proof = request(&key, COMPROMISE_PROOF_NAME);
    assert_eq!(world.authority.key_compromised(&proof).await.unwrap(), Some(1));
    assert_eq!(world.authority.key_compromised(&proof).await.unwrap(), Some(0), "idempotent");
    let record = world.store.certificate(&born.serial_number()).await.unwrap().unwrap();
    assert_eq!(record.revocation().unwrap().reason, RevocationReason::KeyCompromise);
    let reused = world.authority.issue_birth(&station, birth(2)).await;
    assert_eq!(reason(&reused), "KEY_ALREADY_USED");
}

#[tokio::test]
async fn watchers_at_the_same_place_share_one_page_and_wake_at_once() {
    let world = World::new().await;
    let (operational, _) = enrolled(&world).await;
    let operator = world.operator().await;
    let now = world.authority.feed_now();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let (authority, operator) = (world.authority.clone(), operator.clone());
            tokio::spawn(async move { authority.feed_after(&operator, now).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    let request = RevocationRequest {
        request: fresh_id(),
        selection: Selection::Certificate(operational.serial_number()),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        expected: 1,
        remark: String::new(),
    };
    let progress = world.authority.revoke(&operator, request).await.unwrap();
    assert!(progress.done);
    let mut pages = Vec::new();
    for page in waiting {
        pages.push(page.await.unwrap());
    }
    assert!(pages.iter().all(|page| Arc::ptr_eq(page, &pages[0])), "read once");
    assert_eq!(pages[0].changes.len(), 1);
    assert_eq!(pages[0].changes[0].serial_number, operational.serial_number());
}

/// The birth certificate of a device.
async fn born(world: &World) -> Vec<u8> {
    let [birth, _] = births(world).await;
    birth
}

/// The birth certificates of two devices.
async fn births(world: &World) -> [Vec<u8>; 2] {
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let one = world.born(&station, order, 1, &Key::new()).await.der().to_vec();
    [one, world.born(&station, order, 2, &Key::new()).await.der().to_vec()]
}

const DAY: Duration = Duration::from_secs(86_400);

/// A device with its operational certificate in use.
async fn enrolled(world: &World) -> (Released, Caller) {
    let station = world.station("line-3").await;
    let order = world.order(1, &["line-3"]).await;
    let born = world.born(&station, order, 1, &Key::new()).await;
    let with_birth = world.caller(born.der()).await;
    let operational = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    let caller = world.caller(operational.der()).await;
    world.authority.confirm_by_use(&caller).await.unwrap();
    (operational, caller)
}

async fn status(world: &World, certificate: &Released) -> CertificateStatus {
    world.store.certificate_status(&certificate.serial_number()).await.unwrap().unwrap()
}

fn request(key: &KeyPair, name: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serialize_request(key).unwrap().der().to_vec()
}
