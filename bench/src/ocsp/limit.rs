//! Unavoidable CPU: parse the request, sign the response with a P-256 key, encode it. Uses libraries only.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use identity::{Clock, SystemClock};
use time::OffsetDateTime;
use x509_parser::asn1_rs::{Any, FromDer};

use crate::cores::{on_the_servers_core, thread_cpu};
use crate::der::{
    BIT_STRING, CONTEXT, ENUMERATED, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element,
};

/// A delegate's key without a responder.
pub(crate) struct AnswerLimit {
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// The certificate as responses contain it.
    certificate: Vec<u8>,
    questions: Vec<Vec<u8>>,
}

impl AnswerLimit {
    /// Takes these requests, each with a nonce, in turn.
    pub(crate) fn new(questions: Vec<Vec<u8>>) -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| anyhow!("no key"))?;
        let own = rcgen::generate_simple_self_signed(vec!["answers".to_owned()])?;
        Ok(Self { key, random: SystemRandom::new(), certificate: own.cert.der().to_vec(), questions })
    }

    /// CPU microseconds for one response, measured on the server's core during `length`.
    pub(crate) fn measure(&self, window: Duration) -> Result<f64> {
        on_the_servers_core(|| {
            let started = thread_cpu();
            let mut operations = 0_u32;
            for question in self.questions.iter().cycle() {
                std::hint::black_box(self.answer(question)?);
                operations += 1;
                if thread_cpu() - started >= window {
                    break;
                }
            }
            ensure!(operations > 0, "there are no questions");
            Ok((thread_cpu() - started).as_secs_f64() * 1e6 / f64::from(operations))
        })
    }

    fn answer(&self, question: &[u8]) -> Result<Vec<u8>> {
        let (cert_id, nonce) = read(question)?;
        let now = SystemClock.now();
        let now = element(GENERALIZED_TIME, &[generalized(now.into()).as_bytes()]);
        // good; nextUpdate.
        let until = element(CONTEXT, &[&now]);
        let single = element(SEQUENCE, &[cert_id, &[0x80, 0], &now, &until]);
        let singles = element(SEQUENCE, &[&single]);
        let by_key = element(CONTEXT + 2, &[&element(OCTET_STRING, &[&[0; 20]])]);
        let extension = element(SEQUENCE, &[NONCE, &element(OCTET_STRING, &[nonce])]);
        let extensions = element(CONTEXT + 1, &[&element(SEQUENCE, &[&extension])]);
        let said = element(SEQUENCE, &[&by_key, &now, &singles, &extensions]);
        let signature = self.key.sign(&self.random, &said).map_err(|_| anyhow!("no signature"))?;
        let signature = element(BIT_STRING, &[&[0], signature.as_ref()]);
        let certificates = element(CONTEXT, &[&element(SEQUENCE, &[&self.certificate])]);
        let basic = element(SEQUENCE, &[&said, ECDSA_WITH_SHA256, &signature, &certificates]);
        let bytes = element(SEQUENCE, &[BASIC, &element(OCTET_STRING, &[&basic])]);
        let successful = element(ENUMERATED, &[&[0]]);
        Ok(element(SEQUENCE, &[&successful, &element(CONTEXT, &[&bytes])]))
    }
}

/// The encoded CertID, and the nonce with its OCTET STRING.
fn read(question: &[u8]) -> Result<(&[u8], &[u8])> {
    let (outer, _) = split(question)?;
    let (fields, _) = split(outer)?;
    let (list, after_list) = split(fields)?;
    let (request, _) = split(list)?;
    let (_, after_id) = split(request)?;
    let cert_id = request.get(..request.len() - after_id.len()).context("a CertID")?;
    let (explicit, _) = split(after_list)?;
    let (extensions, _) = split(explicit)?;
    let (extension, _) = split(extensions)?;
    let (_, value) = split(extension)?;
    ensure!(extension.starts_with(NONCE), "another extension");
    let (nonce, _) = split(value)?;
    Ok((cert_id, nonce))
}

/// The content of the first element, and the bytes after it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (rest, any) = Any::from_der(bytes).map_err(|_| anyhow!("not DER"))?;
    Ok((any.data, rest))
}

fn generalized(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}{:02}{day:02}{hour:02}{minute:02}{second:02}Z", u8::from(month))
}

/// id-pkix-ocsp-nonce.
pub(super) const NONCE: &[u8] = &[OBJECT_IDENTIFIER, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 2];

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[OBJECT_IDENTIFIER, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 1];

/// ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: &[u8] = &[SEQUENCE, 10, OBJECT_IDENTIFIER, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
