//! Publication over a ledger in memory, with real keys.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, IssuerName, ManualClock, ProfileName, PublicKey, RevocationReason, SerialNumber};
use issuance::{Certificate, CrlNumber, CrlSummary, OcspCertStatus, Profile, Request, Subject, draft};
use signer::{DelegateKey, FileSigner, Issuer, Signer};

use super::fake::FakeSource;
use super::*;

const OPERATIONAL: IssuerName = IssuerName::Operational;

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn serial(n: u64) -> SerialNumber {
    let mut octets = [0x40; 16];
    octets[8..].copy_from_slice(&n.to_be_bytes());
    SerialNumber::try_from(octets.as_slice()).unwrap()
}

async fn certificate(
    profile: Profile,
    subject: Subject,
    key: &PublicKey,
    by: Option<&Issuer>,
    signer: &dyn Signer,
) -> Certificate {
    static NUMBERS: AtomicU64 = AtomicU64::new(1 << 40);
    let number = serial(NUMBERS.fetch_add(1, Ordering::Relaxed));
    let request = Request { public_key: key.clone(), subject, lifetime: None, shard: None };
    let by = by.map(|by| by.certificate.as_ref());
    let prepared = draft(request, &profile, "Example", by, number, noon()).unwrap().prepare().unwrap();
    let signature = signer.sign(prepared.to_be_signed()).await.unwrap();
    prepared.seal(&signature).unwrap()
}

async fn issuers() -> Issuers {
    let root_signer = Arc::new(FileSigner::generate().unwrap());
    let law = Profile::standard(ProfileName::Root);
    let subject = || Subject::Issuer("A CA".into());
    let root = certificate(law, subject(), root_signer.public_key(), None, root_signer.as_ref()).await;
    let root = Issuer { name: IssuerName::Root, certificate: Arc::new(root), signer: root_signer };
    let issuer = async |name, profile| {
        let signer = Arc::new(FileSigner::generate().unwrap());
        let law = Profile::standard(profile);
        let subject = Subject::Issuer(format!("The {name} CA"));
        let made = certificate(law, subject, signer.public_key(), Some(&root), root.signer.as_ref()).await;
        Issuer { name, certificate: Arc::new(made), signer }
    };
    Issuers {
        factory: issuer(IssuerName::Factory, ProfileName::FactoryCa).await,
        operational: issuer(OPERATIONAL, ProfileName::OperationalCa).await,
        infrastructure: issuer(IssuerName::Infrastructure, ProfileName::InfrastructureCa).await,
        root: root.certificate,
    }
}

struct Office {
    dir: tempfile::TempDir,
    source: Arc<FakeSource>,
    issuers: Issuers,
    clock: Arc<ManualClock>,
    publication: Arc<Publication>,
    publisher: Publisher,
}

impl Office {
    async fn new(shards: u32) -> Self {
        let source = Arc::new(FakeSource::at(1).shards(shards));
        let (issuers, clock) = (issuers().await, Arc::new(ManualClock::at(noon())));
        let dir = tempfile::tempdir().unwrap();
        let seen = LedgerHead::of(source.as_ref()).await.unwrap();
        CrlNumberFile::create(&dir.path().join("crl-epoch"), seen).unwrap();
        let (publication, publisher) = open(dir.path(), &source, &issuers, &clock).await;
        Self { dir, source, issuers, clock, publication, publisher }
    }

    async fn restart(&mut self) {
        (self.publication, self.publisher) =
            open(self.dir.path(), &self.source, &self.issuers, &self.clock).await;
    }

    fn crl(&self, shard: Option<u32>) -> Arc<Crl> {
        self.publication.crl(CrlId { issuer: OPERATIONAL, shard }).unwrap()
    }

    fn revoke(&self, shard: u32, n: u64) {
        let reason = RevocationReason::Superseded;
        self.source.revoke(OPERATIONAL, shard, serial(n), self.clock.now(), reason);
    }
}

async fn open(
    dir: &Path,
    source: &Arc<FakeSource>,
    issuers: &Issuers,
    clock: &Arc<ManualClock>,
) -> (Arc<Publication>, Publisher) {
    let numbers = CrlNumberFile::open(&dir.join("crl-epoch"), source.as_ref()).await.unwrap();
    let storage = PublicationStorage {
        numbers: Arc::new(numbers),
        crls: Arc::new(CrlDirectory::new(&dir.join("publication"))),
        chores: Arc::new(store::OnlyProcess),
    };
    let publication = Arc::new(Publication::new(issuers));
    let (source, clock) = (Arc::<FakeSource>::clone(source), Arc::<ManualClock>::clone(clock));
    let url = "http://ca.example.test".into();
    let publisher = Publisher::open(storage, source, issuers.clone(), Arc::clone(&publication), url, clock);
    (publication, publisher.await.unwrap())
}

fn bytes(crl: &Crl) -> Vec<u8> {
    crl.read(0, usize::MAX).unwrap().to_vec()
}

fn has(crl: &Crl, n: u64) -> bool {
    bytes(crl).windows(16).any(|window| window == serial(n).as_bytes())
}

#[tokio::test]
async fn one_revocation_makes_one_shard_new_and_the_full_crl() {
    let mut office = Office::new(3).await;
    assert_eq!(office.publisher.round().await.unwrap(), 9 + 3);
    assert_eq!(office.publisher.round().await.unwrap(), 0);
    let before = [0, 1, 2].map(|shard| office.crl(Some(shard)).meta.number);
    office.revoke(1, 77);
    assert_eq!(office.publisher.round().await.unwrap(), 2);
    let after = [0, 1, 2].map(|shard| office.crl(Some(shard)).meta.number);
    assert!(after[0] == before[0] && after[1] > before[1] && after[2] == before[2]);
    assert!(has(&office.crl(Some(1)), 77) && has(&office.crl(None), 77) && !has(&office.crl(Some(0)), 77));
    assert_eq!(office.publisher.round().await.unwrap(), 0);
    let summary = CrlSummary::from_der(&bytes(&office.crl(None))).unwrap();
    assert_eq!((summary.number, summary.next_update), (office.crl(None).meta.number, noon() + CRL_LIFETIME));
}

#[tokio::test]
async fn the_full_crl_has_what_its_shards_have_also_when_they_are_large() {
    let mut office = Office::new(3).await;
    for n in 0..2_500 {
        office.revoke(u32::try_from(n % 3).unwrap(), n);
    }
    office.publisher.round().await.unwrap();
    let full_crl = office.crl(None);
    assert_eq!(full_crl.meta.count, 2_500);
    assert!(full_crl.length() > 2_500 * 49);
    let parts: Vec<u8> = (0..3)
        .flat_map(|shard| {
            let crl = office.crl(Some(shard));
            bytes(&crl)[usize::try_from(crl.entries_at).unwrap()..]
                [..usize::try_from(crl.entries_bytes).unwrap()]
                .to_vec()
        })
        .collect();
    let at = usize::try_from(full_crl.entries_at).unwrap();
    assert_eq!(bytes(&full_crl)[at..at + parts.len()], parts);
}

#[tokio::test]
async fn a_restart_serves_what_is_on_disk_if_it_is_still_right() {
    let mut office = Office::new(2).await;
    office.revoke(0, 5);
    office.publisher.round().await.unwrap();
    let (zero, one) = (bytes(&office.crl(Some(0))), bytes(&office.crl(Some(1))));
    office.restart().await;
    assert_eq!((bytes(&office.crl(Some(0))), bytes(&office.crl(Some(1)))), (zero.clone(), one));
    assert_eq!(office.publisher.round().await.unwrap(), 0);
    // CRLs with a revocation that was not published yet, and damaged ones, are made again.
    office.revoke(1, 6);
    let path = office.dir.path().join("publication/operational/0.crl");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 8], 40).unwrap();
    office.restart().await;
    assert!(office.publication.crl(CrlId { issuer: OPERATIONAL, shard: Some(0) }).is_none());
    office.publisher.round().await.unwrap();
    assert!(has(&office.crl(Some(0)), 5) && has(&office.crl(Some(1)), 6) && has(&office.crl(None), 6));
    assert!(
        CrlSummary::from_der(&bytes(&office.crl(Some(0)))).unwrap().number
            > CrlSummary::from_der(&zero).unwrap().number
    );
}

#[tokio::test]
async fn the_directory_can_be_deleted_and_the_numbers_go_on() {
    // R-CRL-01.
    let mut office = Office::new(1).await;
    office.publisher.round().await.unwrap();
    let before = office.crl(None).meta.number;
    std::fs::remove_dir_all(office.dir.path().join("publication")).unwrap();
    office.restart().await;
    office.publisher.round().await.unwrap();
    assert!(office.crl(Some(0)).meta.number > before);
    assert!(before > CrlNumber::new(0, 0));
}

#[tokio::test]
async fn crls_are_made_again_by_the_clock_with_three_quarters_of_their_life_left() {
    // R-CRL-03.
    let mut office = Office::new(1).await;
    office.publisher.round().await.unwrap();
    let first = office.crl(Some(0));
    office.clock.advance(CRL_RENEWED_AFTER - Duration::from_secs(1));
    assert_eq!(office.publisher.round().await.unwrap(), 0);
    office.clock.advance(Duration::from_secs(1));
    assert_eq!(office.publisher.round().await.unwrap(), 6);
    assert!(office.crl(Some(0)).meta.number > first.meta.number);
    // A reader of the old CRL still reads all of it.
    assert_eq!(CrlSummary::from_der(&bytes(&first)).unwrap().number, first.meta.number);
}

#[tokio::test]
async fn a_crl_begins_before_it_is_made_and_after_the_one_that_it_follows() {
    let mut office = Office::new(1).await;
    office.publisher.round().await.unwrap();
    assert_eq!(office.crl(Some(0)).meta.this_update, noon(), "without a margin");
    office.publisher = office.publisher.backdated(MARGIN);
    for n in 1..4 {
        let before = office.crl(Some(0));
        office.clock.advance(Duration::from_secs(1));
        office.revoke(0, n);
        office.publisher.round().await.unwrap();
        let crl = office.crl(Some(0));
        assert!(
            crl.meta.number > before.meta.number && crl.meta.this_update > before.meta.this_update,
            "{n}"
        );
        assert!(crl.meta.this_update <= office.clock.now());
    }
    office.clock.advance(Duration::from_secs(3600));
    office.revoke(0, 9);
    office.publisher.round().await.unwrap();
    for shard in [Some(0), None] {
        let crl = office.crl(shard);
        assert_eq!(crl.meta.this_update, office.clock.now() - MARGIN);
        assert_eq!(crl.meta.next_update, office.clock.now() + CRL_LIFETIME);
    }
}

#[tokio::test]
async fn a_crl_from_the_future_is_replaced_at_once_when_the_clock_is_right_again() {
    let mut office = Office::new(1).await;
    office.publisher = office.publisher.backdated(MARGIN);
    office.clock.set(noon() + Duration::from_secs(2 * 86_400));
    office.publisher.round().await.unwrap();
    let ahead = office.crl(None);
    office.clock.set(noon());
    assert_eq!(office.publisher.round().await.unwrap(), 6, "nothing happened in the ledger meanwhile");
    let crl = office.crl(None);
    assert!(crl.meta.number > ahead.meta.number);
    assert_eq!(crl.meta.this_update, noon() - MARGIN);
    assert_eq!(office.publisher.round().await.unwrap(), 0);
}

const MARGIN: Duration = Duration::from_secs(300);

/// With the number of delegates that it made.
struct Authority(Issuers, AtomicU64);

impl DelegateIssuer for Authority {
    async fn delegate(&self, issuer: IssuerName, key: &DelegateKey) -> Result<Certificate, DelegationError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let by = self.0.signing(issuer).unwrap();
        let law = Profile { issuer, ..Profile::standard(ProfileName::OcspSigner) };
        let subject = Subject::Principal("ocsp".parse().unwrap());
        Ok(certificate(law, subject, key.public_key(), Some(by), by.signer.as_ref()).await)
    }
}

/// A question about a certificate of the operational issuer, as openssl asks it, without a nonce.
fn question(issuers: &Issuers, serial_number: SerialNumber) -> Vec<u8> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let issuer = issuers.certificate(OPERATIONAL);
    let name = digest(&SHA1_FOR_LEGACY_USE_ONLY, issuer.subject());
    let key = digest(&SHA1_FOR_LEGACY_USE_ONLY, issuer.public_key().key_bits());
    let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let cert_id = [
        vec![0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0],
        tlv(4, name.as_ref()),
        tlv(4, key.as_ref()),
        tlv(2, serial_number.as_bytes()),
    ]
    .concat();
    let crl = tlv(0x30, &tlv(0x30, &tlv(0x30, &cert_id)));
    tlv(0x30, &tlv(0x30, &crl))
}

#[tokio::test]
async fn an_ocsp_response_is_kept_until_the_status_changes_or_half_of_its_life_is_over() {
    // R-OCSP-08.
    let office = Office::new(1).await;
    let authority = Arc::new(Authority(office.issuers.clone(), AtomicU64::new(0)));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&office.clock);
    let ocsp_responder =
        OcspResponder::new(Arc::<FakeSource>::clone(&office.source), authority, &office.issuers, clock);
    office.source.issue(OPERATIONAL, serial(1));
    let asked = question(&office.issuers, serial(1));
    let first = ocsp_responder.answer(&asked).await;
    assert_eq!(ocsp_responder.answer(&asked).await.der, first.der);
    office.clock.advance(Duration::from_secs(30 * 60));
    let second = ocsp_responder.answer(&asked).await;
    assert!(second.der != first.der && second.cache.unwrap().this_update > first.cache.unwrap().this_update);
    office.revoke(0, 1);
    let third = ocsp_responder.answer(&asked).await;
    assert!(third.der != second.der);
    assert!(third.der.windows(5).any(|window| window == [0xa0, 3, 0x0a, 1, 4]), "revoked, superseded(4)");
    let figures = ocsp_responder.figures();
    assert_eq!((figures.signed, figures.cached, figures.refused), (3, 1, 0));
    // R-OCSP-04, R-OCSP-10.
    let unknown = ocsp_responder.answer(&question(&office.issuers, serial(2))).await;
    assert!(unknown.der.windows(2).any(|window| window == [0x82, 0]));
    let mut foreign = asked;
    foreign[30] ^= 1;
    assert_eq!(ocsp_responder.answer(&foreign).await.der[..], [0x30, 3, 0x0a, 1, 6]);
    assert_eq!(ocsp_responder.answer(&[0x30, 0x80]).await.der[..], [0x30, 3, 0x0a, 1, 1]);
    assert_eq!(
        office.source.status(OPERATIONAL, &serial(1)).await.unwrap(),
        OcspCertStatus::Revoked { at: office.clock.now(), reason: RevocationReason::Superseded }
    );
}

#[tokio::test]
async fn a_question_that_is_broken_off_does_not_leave_a_delegate_that_nobody_uses() {
    let office = Office::new(1).await;
    let authority = Arc::new(Authority(office.issuers.clone(), AtomicU64::new(0)));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&office.clock);
    let source = Arc::<FakeSource>::clone(&office.source);
    let ocsp_responder = OcspResponder::new(source, Arc::clone(&authority), &office.issuers, clock);
    let asked = question(&office.issuers, serial(1));
    for _ in 0..5 {
        tokio::select! {
            biased;
            _ = ocsp_responder.answer(&asked) => {}
            () = tokio::task::yield_now() => {}
        }
    }
    ocsp_responder.answer(&asked).await;
    assert_eq!(authority.1.load(Ordering::Relaxed), 1);
}

/// Another process has the chore.
struct Elsewhere;

#[async_trait::async_trait]
impl store::Chores for Elsewhere {
    async fn is_mine(&self, _: store::Chore) -> Result<bool, store::StoreError> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_process_without_the_chore_publishes_nothing_and_takes_no_number() {
    let mut office = Office::new(1).await;
    let path = office.dir.path().join("crl-epoch");
    let numbers = CrlNumberFile::open(&path, office.source.as_ref());
    let numbers = Arc::new(numbers.await.unwrap());
    let storage = PublicationStorage {
        numbers: Arc::<CrlNumberFile>::clone(&numbers),
        crls: Arc::new(CrlDirectory::new(&office.dir.path().join("publication"))),
        chores: Arc::new(Elsewhere),
    };
    let (source, clock) =
        (Arc::<FakeSource>::clone(&office.source), Arc::<ManualClock>::clone(&office.clock));
    let (issuers, publication) = (office.issuers.clone(), Arc::clone(&office.publication));
    let publisher = Publisher::open(storage, source, issuers, publication, "http://ca".into(), clock);
    office.publisher = publisher.await.unwrap();
    office.revoke(0, 1);
    assert_eq!(office.publisher.round().await.unwrap(), 0);
    assert!(office.publication.crl(CrlId { issuer: OPERATIONAL, shard: None }).is_none());
    let head = LedgerHead::of(office.source.as_ref()).await.unwrap();
    assert_eq!(numbers.take(1, head).await.unwrap().next(), Some(CrlNumber::new(0, 1)));
}
