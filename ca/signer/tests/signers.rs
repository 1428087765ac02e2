//! What every signer promises, asked of each: a new implementation adds a test that calls `judge`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::error::Error;
use std::future::Ready;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use identity::{ProfileName, PublicKey, SerialNumber};
use issuance::{Certificate, Profile, Request, SignatureAlgorithm, Subject, draft};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use signer::{FileSigner, Passphrase, Signer, SignerCheckError, SignerError, Signing, check_signer};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_file_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let (path, passphrase) = (dir.path().join("a.key.pem"), Passphrase::generate().unwrap());
    FileSigner::generate().unwrap().save(&path, &passphrase).unwrap();
    judge(Arc::new(FileSigner::open(&path, &passphrase).unwrap())).await;
}

/// The contract of [`Signer`].
async fn judge(signer: Arc<dyn Signer>) {
    assert_eq!(SignatureAlgorithm::of(signer.public_key()), Some(signer.algorithm()));
    let signature = signer.sign(b"a message").await.unwrap();
    assert!(verifies(&*signer, b"a message", &signature));
    assert!(!verifies(&*signer, b"another message", &signature));
    assert!(!verifies(&FileSigner::generate().unwrap(), b"a message", &signature));
    assert!(verifies(&*signer, b"", &signer.sign(b"").await.unwrap()));

    let hash = match signer.algorithm() {
        SignatureAlgorithm::EcdsaP256Sha256 => &SHA256,
        SignatureAlgorithm::EcdsaP384Sha384 => &SHA384,
    };
    let of_digest = signer.sign_digest(digest(hash, b"a long CRL").as_ref()).await.unwrap();
    assert!(verifies(&*signer, b"a long CRL", &of_digest));
    let refused = signer.sign_digest(&[0; 31]).await.unwrap_err();
    assert!(refused.source().is_some(), "an error carries its cause: {refused}");

    many_signatures_at_once(&signer).await;
    let certificate = self_signed(&*signer).await;
    check_signer(&*signer, &certificate).await.unwrap();
    let other = check_signer(&FileSigner::generate().unwrap(), &certificate).await;
    assert!(matches!(other, Err(SignerCheckError::OtherKey)));
}

async fn many_signatures_at_once(signer: &Arc<dyn Signer>) {
    let mut signing = JoinSet::new();
    for number in 0..64_u8 {
        let signer = Arc::clone(signer);
        signing.spawn(async move { (number, signer.sign(&[number]).await.unwrap()) });
    }
    while let Some(signed) = signing.join_next().await {
        let (number, signature) = signed.unwrap();
        assert!(verifies(&**signer, &[number], &signature), "{number}");
    }
}

#[tokio::test]
async fn a_signer_whose_signatures_are_wrong_or_that_fails_does_not_pass_the_check_at_start() {
    let key = FileSigner::generate().unwrap();
    let certificate = self_signed(&key).await;
    let wrong = Faulty { key, answer: |key| Box::pin(async { key.sign(b"something else").await }) };
    assert!(matches!(check_signer(&wrong, &certificate).await, Err(SignerCheckError::SelfTest)));
    let failing = Faulty { answer: |_| Box::pin(failed()), ..wrong };
    let refused = check_signer(&failing, &certificate).await;
    assert!(matches!(refused, Err(SignerCheckError::Signer(SignerError::Unavailable(_)))), "{refused:?}");
}

fn failed() -> Ready<Result<Vec<u8>, SignerError>> {
    std::future::ready(Err(SignerError::unavailable(Unspecified)))
}

/// A signer that does not sign what it is asked to.
struct Faulty {
    key: FileSigner,
    answer: for<'a> fn(&'a FileSigner) -> Signing<'a>,
}

impl Signer for Faulty {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn sign<'a>(&'a self, _message: &'a [u8]) -> Signing<'a> {
        (self.answer)(&self.key)
    }

    fn sign_digest<'a>(&'a self, _digest: &'a [u8]) -> Signing<'a> {
        (self.answer)(&self.key)
    }
}

fn verifies(signer: &dyn Signer, message: &[u8], signature: &[u8]) -> bool {
    let algorithm = match signer.algorithm() {
        SignatureAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        SignatureAlgorithm::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
    };
    UnparsedPublicKey::new(algorithm, signer.public_key().key_bits()).verify(message, signature).is_ok()
}

async fn self_signed(signer: &dyn Signer) -> Certificate {
    let request = Request {
        public_key: signer.public_key().clone(),
        subject: Subject::Issuer("Root CA 1".to_owned()),
        lifetime: None,
        shard: None,
    };
    let (profile, number) =
        (Profile::standard(ProfileName::Root), SerialNumber::random(&mut UnwrapErr(SysRng)));
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let prepared = draft(request, &profile, "Example", None, number, now).unwrap().prepare().unwrap();
    let signature = signer.sign(prepared.to_be_signed()).await.unwrap();
    prepared.seal(&signature).unwrap()
}
