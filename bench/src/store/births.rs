//! What the bench commits: an order, and the birth certificates of its devices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use identity::{
    Clock, DeviceId, GeneratorTraces, IssuerName, KeyEnds, KeyFingerprint, Principal, ProfileName, RequestId,
    Role, SerialNumber, SystemClock, Validity, no_well_defined_expiration,
};
use ledger::{Action, Command, IssuanceSubject, SignedCertificate, WorkOrderId};
use prost::bytes::Bytes;
use store::{Ledger as _, LogStore};

pub(crate) async fn create_order(store: &LogStore, quantity: u64) -> Result<()> {
    let command = tests::order_command(quantity, "SN{00000001..99999999}");
    let verdict = store.commit(vec![command]).await?.pop().context("no verdict")?;
    verdict.map(drop).map_err(|conflict| anyhow!(conflict))
}

/// Commits one device after the other. Returns the latencies in microseconds.
pub(super) async fn commit_devices(
    store: Arc<LogStore>,
    next: Arc<AtomicU64>,
    devices: u64,
    traces: Traces,
) -> Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    let validity = Validity::new(SystemClock.now(), no_well_defined_expiration())?;
    let station = station()?;
    // Signing and building the signed bytes are not work of the store.
    let der = Bytes::from(vec![0x30; CERTIFICATE_BYTES]);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= devices {
            return Ok(latencies);
        }
        let command = birth(number + 1, validity, station.clone(), der.clone(), traces)?;
        let started = Instant::now();
        let verdict = store.commit(vec![command]).await?.pop().context("no verdict")?;
        verdict.map_err(|conflict| anyhow!(conflict))?;
        latencies.record(started.elapsed().as_micros() as u64)?;
    }
}

/// What the request of a device, which has these bytes for itself, shows of its random generator.
pub(crate) type Traces = fn([u8; 8]) -> GeneratorTraces;

pub(crate) fn traces_of(spread: [u8; 8]) -> GeneratorTraces {
    let key_ends = KeyEnds { start: spread, end: spread };
    GeneratorTraces { nonce: Some(key_of(spread)), key_ends: Some(key_ends) }
}

fn key_of(spread: [u8; 8]) -> [u8; 32] {
    let mut key = [0x17; 32];
    key[..8].copy_from_slice(&spread);
    key
}

/// The station of the order.
pub(crate) fn station() -> Result<Principal> {
    Ok(Principal::named(Role::Station, "line-3".parse()?))
}

pub(crate) fn birth(
    number: u64,
    validity: Validity,
    station: Principal,
    der: Bytes,
    traces: Traces,
) -> Result<Command> {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut serial_number = [0x41; 16];
    serial_number[8..].copy_from_slice(&spread);
    let mut request = [0; 16];
    request[..8].copy_from_slice(&spread);
    let device: DeviceId = format!("cam-2/SN{number:08}").parse()?;
    let certificate = SignedCertificate {
        issuer: IssuerName::Factory,
        profile: ProfileName::Idevid,
        serial_number: SerialNumber::try_from(serial_number.as_slice())?,
        key: KeyFingerprint::from(key_of(spread)),
        validity,
        shard: Some((number / 16_384) as u32),
        der,
    };
    let subject = IssuanceSubject::Birth {
        work_order: WorkOrderId(1),
        device,
        made_at: None,
        shift: String::new(),
        operator: String::new(),
        traces: traces(spread),
    };
    let action = Action::Issue { subject, certificate };
    Ok(Command {
        principal: Some(station),
        credential: None,
        request: Some(RequestId::from(request)),
        content: [3; 32],
        remark: String::new(),
        action,
    })
}

/// The size of a birth certificate with usual names.
pub(crate) const CERTIFICATE_BYTES: usize = 576;
