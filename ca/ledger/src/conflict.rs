//! Why a command is refused. Each has a stable reason on the wire (`grpc/status/reason.rs`).

use identity::{DeviceId, Principal, PrincipalName, Product, RevocationReason, SerialNumber};

use super::{
    Clash, EntryNumber, INCOMPLETE_ORDERS_MAX, JobId, REVOKE_MAX, ROTATIONS_MAX, ReservationId, TermsRefusal,
    UnitFlaw, WorkOrderId, WorkOrderState,
};

/// Why the ledger refuses a command. Nothing has changed, but that an alarm may be on record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum Conflict {
    /// `CLIENT_CERTIFICATE_REVOKED`: the certificate that makes the call was revoked since the call began.
    #[error("the client certificate is revoked")]
    CallerRevoked,
    /// `CLIENT_CERTIFICATE_HELD`: the certificate that makes the call is on hold.
    #[error("the client certificate is on hold")]
    CallerHeld,
    /// The request id was used for other content (`REQUEST_ID_REUSED`).
    #[error("this request id was used for another request; use a new one")]
    RequestReused,
    /// `WORK_ORDER_NOT_FOUND`; also what a station sees of an order that does not name it.
    #[error("there is no work order {0}")]
    NoSuchWorkOrder(WorkOrderId),
    /// `WORK_ORDER_EXHAUSTED`. The quantity is all that the order allows, not what is left.
    #[error("work order {work_order} allows {}, and all are issued, reserved or withdrawn", counted(*.quantity))]
    WorkOrderExhausted { work_order: WorkOrderId, quantity: u64 },
    /// `WORK_ORDER_EXHAUSTED`: the quota is not spent, but other orders have used up the serial numbers.
    #[error("work order {0} has no free serial number left")]
    NoFreeSerial(WorkOrderId),
    /// `RESERVATIONS_OUT`: they must come home or be withdrawn first.
    #[error("stations have {} of work order {work_order} reserved that did not come home", counted(*.units))]
    ReservationsOut { work_order: WorkOrderId, units: u64 },
    /// `RESERVATION_NOT_FOUND`; also what a station sees of another station's reservation.
    #[error("there is no reservation {0}")]
    NoSuchReservation(ReservationId),
    /// `TOO_MANY_RESERVED`.
    #[error("a station may have {} reserved at a time, and as many are out", counted(*.units_max))]
    TooManyReserved { units_max: u64 },
    /// `UNIT_RESERVED`: by another station, or under another order.
    #[error("the serial number of {0} is in another reservation")]
    UnitReserved(DeviceId),
    /// `DEFERRAL_NOT_ALLOWED`: only units of a reservation are made without the CA.
    #[error(
        "{0} was made while the CA could not be asked, and the station has not reserved its serial number"
    )]
    NotReserved(DeviceId),
    /// `DEFERRAL_NOT_ALLOWED`: before it was reserved, or in the future.
    #[error(
        "{0} cannot have been made when the station says: not before it was reserved, and not in the future"
    )]
    NotMadeThen(DeviceId),
    /// `REFUSED_AFTER_DEFERRAL`: its serial number is spent for ever.
    #[error(
        "{0} was made while the CA could not be asked, and was refused for good: no unit ever gets its serial number"
    )]
    UnitRefused(DeviceId),
    /// The reason of the flaw: the answer to a request that was refused for good, each time it comes.
    #[error("{device} was refused for good: {flaw}")]
    DeferralRefused { device: DeviceId, flaw: UnitFlaw },
    /// `DEVICE_ALREADY_ISSUED`: it cannot be reserved any more.
    #[error("{0} already has a birth certificate")]
    UnitMade(DeviceId),
    /// `RESERVATION_WITHDRAWN`: its serial number is spent for ever.
    #[error("the serial number of {0} was reserved and withdrawn: no unit ever gets it")]
    UnitWithdrawn(DeviceId),
    /// `RESERVATION_WITHDRAWN`: nothing of it comes home any more.
    #[error("reservation {0} was withdrawn")]
    ReservationWithdrawn(ReservationId),
    /// `UNIT_GIVEN_UP`: its serial number is spent for ever.
    #[error("the serial number of {0} was given up: no unit ever gets it")]
    UnitGivenUp(DeviceId),
    /// `MANIFEST_MISMATCH`: the part is not what comes next, or was recorded otherwise.
    #[error(
        "this part of the manifest does not fit: {recorded} serial numbers of work order {work_order} are on record"
    )]
    ManifestMismatch { work_order: WorkOrderId, recorded: u64 },
    /// `MANIFEST_MISMATCH`: the list as a whole has another digest than the one that was announced.
    #[error("the manifest of work order {work_order} is not the one that was announced")]
    ManifestDigest { work_order: WorkOrderId },
    /// `MANIFEST_INCOMPLETE`: too many orders wait for the rest of their manifests.
    #[error("{INCOMPLETE_ORDERS_MAX} work orders wait for the rest of their manifests")]
    TooManyIncomplete,
    /// `WORK_ORDER_PAUSED`, `WORK_ORDER_CLOSED` or `MANIFEST_INCOMPLETE`.
    #[error("work order {work_order} is {state}")]
    WorkOrderNotOpen { work_order: WorkOrderId, state: WorkOrderState },
    /// `WORK_ORDER_NOT_YET_OPEN`.
    #[error("work order {0} is not open yet")]
    WorkOrderNotYetOpen(WorkOrderId),
    /// `WORK_ORDER_EXPIRED`.
    #[error("the window of work order {0} has ended")]
    WorkOrderExpired(WorkOrderId),
    /// `SERIAL_NOT_IN_WORK_ORDER`.
    #[error("work order {work_order} has no serial number for {device}")]
    SerialNotInWorkOrder { work_order: WorkOrderId, device: DeviceId },
    /// `PRODUCT_NOT_IN_WORK_ORDER`.
    #[error("work order {work_order} is for another product than {device}")]
    ProductNotInWorkOrder { work_order: WorkOrderId, device: DeviceId },
    /// `DEVICE_ALREADY_ISSUED`: the same serial with another key.
    #[error("{0} already has a birth certificate for another key")]
    DeviceAlreadyIssued(DeviceId),
    /// `KEY_ALREADY_USED`: one key is one holder, for ever. Strangers do not learn whose it is.
    #[error("this key was used before; every certificate needs a key of its own")]
    KeyAlreadyUsed,
    /// `KEY_ALREADY_USED`: the key is that of another unit of the product, or of a device of another one,
    /// which its maker is not told.
    #[error(
        "{} has the key that {device} asks with: the random generator repeats itself, a memory image was copied, or one unit was put in under two serial numbers{}",
        other_unit(.other), paused_now(.device, *.paused)
    )]
    KeyOfAnotherUnit {
        device: DeviceId,
        /// `None`: of another product.
        other: Option<DeviceId>,
        /// Whether the product is paused.
        paused: bool,
    },
    /// `BROKEN_GENERATOR`: a good random generator makes nothing twice (R-KEY-14).
    #[error(
        "{device} and {} {}{}",
        other_unit(.other), in_common(*.what), paused_now(.device, *.paused)
    )]
    BrokenGenerator {
        device: DeviceId,
        /// `None`: of another product.
        other: Option<DeviceId>,
        what: Clash,
        /// Whether the product is paused.
        paused: bool,
    },
    /// `PRODUCT_PAUSED`: by an operator, or by what was found.
    #[error(
        "product {product} is paused for all stations since ledger entry {pause}: no birth certificate is issued for it until an operator resumes it"
    )]
    ProductPaused { product: Product, pause: EntryNumber },
    /// `PRODUCT_NOT_FOUND`.
    #[error("no work order was ever made for product {0}")]
    NoSuchProduct(Product),
    /// `PRODUCT_NOT_PAUSED`.
    #[error("product {product} was not paused by ledger entry {pause}")]
    ProductNotPaused { product: Product, pause: EntryNumber },
    /// `KEY_WEAK`: the RSA key has a prime that another key has too (R-KEY-06). Strangers do not learn whose.
    #[error("this RSA key shares a prime with another key: its private key can be computed")]
    SharedPrime,
    /// `SERIAL_NUMBER_TAKEN`: the certificate serial number exists (R-5280-02); draw another and sign again.
    #[error("this certificate serial number exists")]
    SerialNumberTaken,
    /// `DEVICE_NOT_FOUND`.
    #[error("there is no device {0}")]
    NoSuchDevice(DeviceId),
    /// `DEVICE_SCRAPPED`.
    #[error("{0} was scrapped")]
    DeviceScrapped(DeviceId),
    /// `DEVICE_RETIRED`.
    #[error("{0} was retired")]
    DeviceRetired(DeviceId),
    /// `DEVICE_REVOKED`: a hold would change nothing, and a release would bring nothing back.
    #[error(
        "all certificates of {0} are revoked: there is nothing to hold, and no release would bring them back"
    )]
    DeviceRevoked(DeviceId),
    /// `DEVICE_HELD`: an operator put it on hold, or a fork did.
    #[error("{0} is on hold")]
    DeviceHeld(DeviceId),
    /// `DEVICE_NOT_HELD`: there is nothing to release.
    #[error("{0} is not on hold")]
    DeviceNotHeld(DeviceId),
    /// `DEVICE_IN_USE`: a unit that enrolled is not scrapped by the factory; an operator retires it.
    #[error("{0} is in the field; an operator may retire it")]
    DeviceInUse(DeviceId),
    /// `LINEAGE_FORKED`: the certificate that asks has a successor in use: cloned flash, or a stolen key.
    #[error("another certificate of {0} is in use instead of this one")]
    LineageForked(DeviceId),
    /// `CERTIFICATE_NOT_FOUND`: of nobody.
    #[error("there is no certificate {0}")]
    NoCertificate(SerialNumber),
    /// `ISSUER_NOT_REVOCABLE`: an issuer is not revoked in this way (R-CRL-13).
    #[error("the certificate of an issuer is not revoked in this way")]
    IssuerNotRevocable,
    /// `TOO_MANY_CERTIFICATES`, or none.
    #[error("one command revokes 1 to {REVOKE_MAX} certificates")]
    RevokeCount,
    /// `REASON_NOT_ALLOWED` (R-CRL-05).
    #[error("{0} is not a reason to revoke a certificate of a device or principal for ever")]
    ReasonNotAllowed(RevocationReason),
    /// `JOB_NOT_FOUND`: no such mass revocation goes on.
    #[error("there is no mass revocation {0} that goes on")]
    NoSuchJob(JobId),
    /// `TOO_MANY_ROTATIONS`.
    #[error("there are {ROTATIONS_MAX} rotation requests; the oldest must be forgotten first")]
    TooManyRotations,
    /// `CERTIFICATE_NOT_FOUND`: no such certificate, or it is not of this device.
    #[error("{0} has no such certificate")]
    NoSuchCertificate(DeviceId),
    /// `CERTIFICATE_REVOKED`: the one that authorises the request, or the one that would answer it.
    #[error("the certificate is revoked")]
    CertificateRevoked,
    /// `ALREADY_ENROLLED`: the device has an operational certificate in use, for another key, that has not
    /// expired.
    #[error("{0} has an operational certificate in use")]
    AlreadyEnrolled(DeviceId),
    /// `PRINCIPAL_NOT_FOUND`.
    #[error("there is no {0}")]
    NoSuchPrincipal(Principal),
    /// `LAST_OPERATOR`: nobody could operate the CA afterwards.
    #[error("this would revoke the last operator credential that is good: nobody could operate this CA")]
    LastOperator,
    /// `DEVICE_OF_ANOTHER_WORK_ORDER`: a unit with this name was made before.
    #[error("{device} was made under {}", match work_order {
        Some(work_order) => format!("work order {work_order}"),
        None => "another work order".to_owned(),
    })]
    DeviceOfAnotherWorkOrder {
        device: DeviceId,
        /// Its order, if the caller may know it.
        work_order: Option<WorkOrderId>,
    },
    /// `TOO_MANY_UNCONFIRMED`: the device has as many operational certificates that it never used as it may
    /// have at one time.
    #[error("{0} has too many operational certificates that it never used; they must expire first")]
    TooManyUnconfirmed(DeviceId),
    /// `STATION_UNKNOWN`: the order names a station that never had a credential.
    #[error("there is no station {0}: no credential was ever made for it")]
    NoSuchStation(PrincipalName),
    /// The terms contradict themselves; each way has its own reason.
    #[error(transparent)]
    TermsRefused(#[from] TermsRefusal),
    /// `ISSUER_EXISTS`.
    #[error("this issuer is on record")]
    IssuerExists,
}

fn counted(units: u64) -> String {
    if units == 1 { "1 unit".to_owned() } else { format!("{units} units") }
}

fn other_unit(other: &Option<DeviceId>) -> String {
    other.as_ref().map_or_else(|| "a device of another product".to_owned(), ToString::to_string)
}

fn in_common(what: Clash) -> &'static str {
    match what {
        Clash::Nonce => {
            "signed their requests with the same random number: whoever has one of the units can compute the private key of the other"
        }
        Clash::KeyStart => {
            "have keys that begin with the same 64 bits: their random generator repeats itself"
        }
        Clash::KeyEnd => "have keys that end with the same 64 bits: their random generator repeats itself",
        Clash::Prime => "have keys that share a prime: everybody can compute both private keys",
        Clash::Key | Clash::Serial => "claim to be one",
    }
}

fn paused_now(device: &DeviceId, paused: bool) -> String {
    match paused {
        true => format!("; product {} is paused for all stations", device.product),
        false => String::new(),
    }
}
