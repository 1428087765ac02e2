//! Unavoidable CPU: write each entry, hash it, sign the digest once. Uses libraries only, except for the key.

use std::time::Duration;

use anyhow::Result;
use aws_lc_rs::digest::{Context, SHA256, SHA384};
use issuance::{CrlEntry, SignatureAlgorithm};
use signer::Issuer;
use time::OffsetDateTime;

use crate::cores::process_cpu;
use crate::crl::source::Revoked;
use crate::der::{INTEGER, SEQUENCE, UTC_TIME};

/// CPU time for one CRL of all entries by this issuer.
pub(crate) async fn bare(revoked: &Revoked, issuer: &Issuer) -> Result<Duration> {
    let started = process_cpu();
    let mut hash = Context::new(match issuer.signer.algorithm() {
        SignatureAlgorithm::EcdsaP256Sha256 => &SHA256,
        SignatureAlgorithm::EcdsaP384Sha384 => &SHA384,
    });
    let mut piece = Vec::with_capacity(2 * PIECE_BYTES);
    for entry in revoked.entries() {
        write(&entry, &mut piece);
        if piece.len() >= PIECE_BYTES {
            hash.update(&piece);
            piece.clear();
        }
    }
    hash.update(&piece);
    std::hint::black_box(issuer.signer.sign_digest(hash.finish().as_ref()).await?);
    Ok(process_cpu() - started)
}

/// `SEQUENCE { serial, UTCTime, SEQUENCE { reasonCode } }`, with constant lengths.
fn write(entry: &CrlEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&[SEQUENCE, 47, INTEGER, 16]);
    out.extend_from_slice(entry.serial_number.as_bytes());
    out.extend_from_slice(&[UTC_TIME, 13]);
    let time = OffsetDateTime::from(entry.revoked_at);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let year = u8::try_from(year.rem_euclid(100)).unwrap_or_default();
    for two in [year, u8::from(month), day, hour, minute, second] {
        out.extend_from_slice(&[b'0' + two / 10, b'0' + two % 10]);
    }
    out.push(b'Z');
    out.extend_from_slice(REASON_CODE);
    out.push(entry.reason.code());
}

/// Extensions with a reasonCode, up to its value.
const REASON_CODE: &[u8] = &[SEQUENCE, 12, SEQUENCE, 10, 6, 3, 0x55, 0x1d, 21, 4, 3, 10, 1];

const PIECE_BYTES: usize = 64 * 1024;
