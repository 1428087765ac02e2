//! What a person does next, for each reason of the CA.

use proto::v1::Reason;
use tonic::Code;

/// What to do next; `None` when the message says it all. An unknown reason gets the step of its code.
pub fn next_step(reason: Option<&str>, code: Code) -> Option<&'static str> {
    reason.and_then(Reason::from_str_name).and_then(of_reason).or_else(|| of_code(code))
}

/// The step for a reason. The match is exhaustive, so that a new reason needs a step.
#[expect(clippy::too_many_lines, reason = "one row for each reason")]
fn of_reason(reason: Reason) -> Option<&'static str> {
    use Reason::*;
    Some(match reason {
        ClientCertificateRequired => "say whose credential to use: --credentials DIR",
        ClientCertificateUnknown => "this credential is not of this CA: check --credentials and --server",
        ClientCertificateRevoked | ClientCertificateExpired => {
            "an operator makes another with `touchmark principal issue`; for the last operator, `touchmark-ca credential` on the CA's machine"
        }
        ClientCertificateHeld => {
            "its device is on hold: an operator ends that with `touchmark device release PRODUCT/SERIAL`"
        }
        RoleNotAllowed => {
            "use a credential whose role may do this, for example an operator's: --credentials DIR"
        }
        BareKeyNotAllowed => {
            "a self-signed certificate proves a key and no more: use a credential of this CA"
        }
        TokenNotAllowed => "use a credential directory: no call takes a token",
        Overloaded => "the CA has as many calls as it takes from you or from all; ask again in a moment",
        Stopping => "the CA is stopping or starting again: ask again in a moment",
        DeadlineExceeded => "ask again, and allow more time; what was asked can be asked again safely",
        RpcUnknown => "the CA is of another version than this program: use the programs of one version",
        TimeoutMalformed => "correct grpc-timeout: up to eight digits and one of H, M, S, m, u, n",
        MessageCompressed => "switch compression off in the client: the CA reads messages as they are",
        MessageMalformed => "use programs and a CA of the same version",
        MessageTooLarge => "split a long manifest over several orders",
        RequestInvalid => "correct what the message names; `--help` says what each value may be",
        RequestIdReused => "use an empty directory for another credential, or ask again exactly as before",
        CursorUnknown => {
            "begin again without a cursor; a watcher of a CA that was restored: remove its cursor file"
        }
        StoreBusy => "the CA has more to do than it can; ask again",
        StoreFull => "make room on the CA's disk (docs/operations/full-disk.md); nothing is lost",
        StoreUnavailable => "read the CA's log; what was asked can be asked again safely",
        ListingsUnavailable => "listings are being rebuilt from the ledger; issuing goes on meanwhile",
        SignerUnavailable => "read the CA's log: an issuing key cannot be used",
        GeneratorFailed => "read the CA's log: its machine gives no randomness",
        IssuanceFailed => "read the CA's log: a certificate would have broken a rule and was not made",
        SerialNumberTaken => "ask again: the CA draws another serial number",
        ClockInDoubt => {
            "put the CA's clock right, or confirm it with `touchmark-ca confirm-time` (docs/operations/wrong-clock.md)"
        }
        Internal => "read the CA's log, and report it: a fault of the program",
        CsrTooLarge => "a certificate request has at most 8 KiB; make it anew with `openssl req -new`",
        CsrNotDer => "make the certificate request anew, for example with `openssl req -new`",
        ProofOfPossessionFailed => "sign the certificate request with the key that it names",
        KeyTypeNotAllowed => {
            "use an ECDSA P-256 key: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
        }
        KeyMalformed => "make the key and the certificate request anew",
        KeyWeak => "make a new key from a good random source",
        KeyBlocked => {
            "this key is no secret: make a new one, and find out where it came from; docs/operations/blocked-keys.md"
        }
        KeyAlreadyUsed => "make a new key: one key is one holder, for ever",
        KeyUnknown => "no certificate of this CA has the key",
        ProfileForbids => {
            "ask for what the profile allows: it says the most, for example of days, and the characters of serial numbers"
        }
        WorkOrderNotFound => "see `touchmark work-order list`; a station sees only the orders that name it",
        WorkOrderExhausted => {
            "make another order with `touchmark work-order create`; scrapped and withdrawn units do not give quota back, reserved ones do when they come home"
        }
        ReservationNotFound => "see `touchmark work-order reservation list --all`",
        ReservationWithdrawn => {
            "these serial numbers are spent for ever: give the units other ones; see `touchmark work-order reservation list --all`"
        }
        ReservationsOut => {
            "see `touchmark work-order reservation list`; a run of the station without keep-reservation (`keep-reservation = false` and no --keep-reservation) returns them, or withdraw them: `touchmark work-order reservation withdraw RESERVATION --remark TEXT`"
        }
        TooManyReserved => {
            "return reserved units that are not used, or reconcile those that were made; the CA's `station-units-max` says how many may be out"
        }
        UnitReserved => {
            "another station, or another order, has this serial number: see `touchmark work-order reservation list`"
        }
        CertificateNotYetIssued => {
            "let the station that made the unit reconcile; the unit asks again by itself; a unit that was refused then never gets one: make it again"
        }
        DeferralNotAllowed => {
            "compare the station's clock with the CA's, and the serial number with `touchmark work-order reservation list --all`"
        }
        RefusedAfterDeferral => {
            "take the unit out of the lot and make another one with another serial number; the refusal that is on record says why"
        }
        ManifestIncomplete => {
            "run the command that made the order again: it sends the rest; or close orders that are not wanted: `touchmark work-order list`"
        }
        ManifestMismatch => {
            "the file is not the one that the order began with: close the order and make another with `touchmark work-order create`"
        }
        UnitGivenUp => "this serial number is spent for ever: give the unit another one",
        ProductPaused => {
            "`touchmark product list` says which, since when and why; `touchmark product resume PRODUCT --remark TEXT` lets it go on"
        }
        BrokenGenerator => {
            "stop the line: see `touchmark product list`, then `touchmark product show PRODUCT` and docs/operations/broken-generator.md"
        }
        ProductNotFound => "compare its name with `touchmark product list`",
        ProductNotPaused => "`touchmark product list` says which products are paused",
        WorkOrderPaused => "`touchmark work-order resume ID` lets it go on",
        WorkOrderClosed => "a closed order stays closed: make another with `touchmark work-order create`",
        WorkOrderNotYetOpen => "wait until its window opens: `touchmark work-order show ID` says when",
        WorkOrderExpired => "its window has ended: make another order with `touchmark work-order create`",
        SerialNotInWorkOrder => "compare the unit's serial number with `touchmark work-order show ID`",
        ProductNotInWorkOrder => "compare the unit's product with `touchmark work-order show ID`",
        QuantityOutOfRange => "an order is for 1 to 10,000,000 units",
        SerialsTooFew => "give at least as many serial numbers as the quantity",
        ManifestTooLong => "split the manifest over several orders",
        StationsMissing => "name at least one station: --station NAME",
        TooManyStations => "an order names at most 64 stations: make a second order",
        StationUnknown => {
            "check the name with `touchmark principal list`; make the station's credential first with `touchmark principal issue station NAME --out DIR`, or say --allow-unknown-station"
        }
        WindowEmpty => "let --closes be later than --opens, and later than now",
        ProfileNotForBirth => "leave --profile away, or say idevid",
        DeviceNotFound => "`touchmark device find SERIAL` looks for it; a device is written product/serial",
        DeviceAlreadyIssued => {
            "two units claim one serial number: see `touchmark device show PRODUCT/SERIAL`"
        }
        DeviceOfAnotherWorkOrder => {
            "see `touchmark device show PRODUCT/SERIAL`: the unit has its birth certificate from that order; other units need other serial numbers"
        }
        DeviceScrapped => "a scrapped unit stays scrapped: give the next unit another serial number",
        DeviceRetired => {
            "a retired device stays retired: its serial number and its keys are never used again"
        }
        DeviceRevoked => {
            "it is out of use already: see `touchmark device show PRODUCT/SERIAL`; `touchmark device retire` ends its life for the record"
        }
        DeviceHeld => {
            "see `touchmark device show PRODUCT/SERIAL`; `touchmark device release PRODUCT/SERIAL` ends the hold"
        }
        DeviceNotHeld => "there is no hold to end: see `touchmark device show PRODUCT/SERIAL`",
        DeviceInUse => {
            "it has left the factory: retire it, or revoke its certificates with `touchmark device revoke`"
        }
        AlreadyEnrolled => {
            "see `touchmark device show PRODUCT/SERIAL`: it has an operational certificate in use"
        }
        LineageForked => {
            "two hold one identity: read docs/operations/fork-alarm.md and see `touchmark device forks`"
        }
        TooManyUnconfirmed => {
            "find out why its certificates are not taken into use: `touchmark device show PRODUCT/SERIAL`"
        }
        TooOften => {
            "the device had more certificates than any honest one asks for: see `touchmark device show PRODUCT/SERIAL`"
        }
        CertificateNotFound => "see `touchmark certificate list --device PRODUCT/SERIAL`",
        CertificateRevoked => {
            "its holder needs another certificate: a device enrols anew, for others see `touchmark principal issue`"
        }
        PrincipalNotFound => "see `touchmark principal list`",
        LastOperator => {
            "first make another operator with `touchmark principal issue operator NAME`; if it is meant, `touchmark principal revoke operator NAME --last-operator`: then only `touchmark-ca credential` makes another"
        }
        CountChanged => "look again with --dry-run: the number has changed since",
        TooManyCertificates => "ask about fewer at once: at most 1,000",
        NotAllowed => {
            "choose keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn or unspecified"
        }
        JobNotFound => "repeat the command: what is revoked stays revoked, the rest is counted anew",
        TooManyRotations => "select more at once, for example a product: at most 1,000 requests are open",
        IssuerNotRevocable => {
            "an issuer is revoked with the root's key: docs/operations/compromised-issuer.md"
        }
        DocumentSignerMissing => {
            "on the CA's machine, while it does not serve, `touchmark-ca document-signer` makes one, which the root issues (docs/operations/root-key-offline.md); then `touchmark work-order report ID`"
        }
        WorkOrderNotClosed => "close it first with `touchmark work-order close ID`, which writes the report",
        IssuerExists => "see `touchmark certificate list --issuer root`",
        // The caller does not read the answer to a call that it cancelled.
        Cancelled | Unspecified => return None,
    })
}

fn of_code(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => Some("check that --credentials is of this CA, neither expired nor revoked"),
        Code::PermissionDenied => Some("use a credential whose role may do this, for example an operator's"),
        Code::Unavailable | Code::Unknown | Code::DeadlineExceeded => Some(
            "check that `touchmark-ca serve` is running and read its log; the same command can be repeated safely",
        ),
        Code::Unimplemented => Some("the CA is older than this program: use the programs of one version"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_newer_ca_gets_the_step_of_its_status_code() {
        let known = next_step(Some("WORK_ORDER_PAUSED"), Code::FailedPrecondition);
        assert!(known.is_some_and(|step| step.contains("work-order resume")), "{known:?}");
        let unknown = next_step(Some("FROM_THE_FUTURE"), Code::Unavailable);
        assert!(unknown.is_some_and(|step| step.contains("repeated safely")), "{unknown:?}");
        assert_eq!(next_step(Some("FROM_THE_FUTURE"), Code::FailedPrecondition), None);
    }
}
