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
    Some(match reason {
        Reason::ClientCertificateRequired => "say whose credential to use: --credentials DIR",
        Reason::ClientCertificateUnknown => {
            "this credential is not of this CA: check --credentials and --server"
        }
        Reason::ClientCertificateRevoked | Reason::ClientCertificateExpired => {
            "an operator makes another with `touchmark principal issue`; for the last operator, `touchmark-ca credential` on the CA's machine"
        }
        Reason::ClientCertificateHeld => {
            "its device is on hold: an operator ends that with `touchmark device release PRODUCT/SERIAL`"
        }
        Reason::RoleNotAllowed => {
            "use a credential whose role may do this, for example an operator's: --credentials DIR"
        }
        Reason::BareKeyNotAllowed => {
            "a self-signed certificate proves a key and no more: use a credential of this CA"
        }
        Reason::TokenNotAllowed => "use a credential directory: no call takes a token",
        Reason::Overloaded => {
            "the CA has as many calls as it takes from you or from all; ask again in a moment"
        }
        Reason::Stopping => "the CA is stopping or starting again: ask again in a moment",
        Reason::DeadlineExceeded => {
            "ask again, and allow more time; what was asked can be asked again safely"
        }
        Reason::RpcUnknown => {
            "the CA is of another version than this program: use the programs of one version"
        }
        Reason::TimeoutMalformed => "correct grpc-timeout: up to eight digits and one of H, M, S, m, u, n",
        Reason::MessageCompressed => {
            "switch compression off in the client: the CA reads messages as they are"
        }
        Reason::MessageMalformed => "use programs and a CA of the same version",
        Reason::MessageTooLarge => "split a long manifest over several orders",
        Reason::RequestInvalid => "correct what the message names; `--help` says what each value may be",
        Reason::RequestIdReused => {
            "use an empty directory for another credential, or ask again exactly as before"
        }
        Reason::CursorUnknown => {
            "begin again without a cursor; a watcher of a CA that was restored: remove its cursor file"
        }
        Reason::StoreBusy => "the CA has more to do than it can; ask again",
        Reason::StoreFull => "make room on the CA's disk (docs/operations/full-disk.md); nothing is lost",
        Reason::StoreUnavailable => "read the CA's log; what was asked can be asked again safely",
        Reason::ListingsUnavailable => {
            "listings are being rebuilt from the ledger; issuing goes on meanwhile"
        }
        Reason::SignerUnavailable => "read the CA's log: an issuing key cannot be used",
        Reason::GeneratorFailed => "read the CA's log: its machine gives no randomness",
        Reason::IssuanceFailed => {
            "read the CA's log: a certificate would have broken a rule and was not made"
        }
        Reason::SerialNumberTaken => "ask again: the CA draws another serial number",
        Reason::ClockInDoubt => {
            "put the CA's clock right, or confirm it with `touchmark-ca confirm-time` (docs/operations/wrong-clock.md)"
        }
        Reason::Internal => "read the CA's log, and report it: a fault of the program",
        Reason::CsrTooLarge => {
            "a certificate request has at most 8 KiB; make it anew with `openssl req -new`"
        }
        Reason::CsrNotDer => "make the certificate request anew, for example with `openssl req -new`",
        Reason::ProofOfPossessionFailed => "sign the certificate request with the key that it names",
        Reason::KeyTypeNotAllowed => {
            "use an ECDSA P-256 key: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
        }
        Reason::KeyMalformed => "make the key and the certificate request anew",
        Reason::KeyWeak => "make a new key from a good random source",
        Reason::KeyBlocked => {
            "this key is no secret: make a new one, and find out where it came from; docs/operations/blocked-keys.md"
        }
        Reason::KeyAlreadyUsed => "make a new key: one key is one holder, for ever",
        Reason::KeyUnknown => "no certificate of this CA has the key",
        Reason::ProfileForbids => "ask for less: the profile says the most, for example of days",
        Reason::WorkOrderNotFound => {
            "see `touchmark work-order list`; a station sees only the orders that name it"
        }
        Reason::WorkOrderExhausted => {
            "make another order with `touchmark work-order create`; scrapped units do not give quota back"
        }
        Reason::WorkOrderPaused => "`touchmark work-order resume ID` lets it go on",
        Reason::WorkOrderClosed => {
            "a closed order stays closed: make another with `touchmark work-order create`"
        }
        Reason::WorkOrderNotYetOpen => {
            "wait until its window opens: `touchmark work-order show ID` says when"
        }
        Reason::WorkOrderExpired => {
            "its window has ended: make another order with `touchmark work-order create`"
        }
        Reason::SerialNotInWorkOrder => {
            "compare the unit's serial number with `touchmark work-order show ID`"
        }
        Reason::ProductNotInWorkOrder => "compare the unit's product with `touchmark work-order show ID`",
        Reason::QuantityOutOfRange => "an order is for 1 to 10,000,000 units",
        Reason::SerialsTooFew => "give at least as many serial numbers as the quantity",
        Reason::ManifestTooLong => "split the manifest over several orders",
        Reason::StationsMissing => "name at least one station: --station NAME",
        Reason::TooManyStations => "an order names at most 64 stations: make a second order",
        Reason::StationUnknown => {
            "check the name with `touchmark principal list`; make the station's credential first with `touchmark principal issue station NAME --out DIR`, or say --allow-unknown-station"
        }
        Reason::WindowEmpty => "let --closes be later than --opens, and later than now",
        Reason::ProfileNotForBirth => "leave --profile away, or say idevid",
        Reason::DeviceNotFound => {
            "`touchmark device find SERIAL` looks for it; a device is written product/serial"
        }
        Reason::DeviceAlreadyIssued => {
            "two units claim one serial number: see `touchmark device show PRODUCT/SERIAL`"
        }
        Reason::DeviceOfAnotherWorkOrder => {
            "see `touchmark device show PRODUCT/SERIAL`: the unit has its birth certificate from that order; other units need other serial numbers"
        }
        Reason::DeviceScrapped => "a scrapped unit stays scrapped: give the next unit another serial number",
        Reason::DeviceRetired => {
            "a retired device stays retired: its serial number and its keys are never used again"
        }
        Reason::DeviceRevoked => {
            "it is out of use already: see `touchmark device show PRODUCT/SERIAL`; `touchmark device retire` ends its life for the record"
        }
        Reason::DeviceHeld => {
            "see `touchmark device show PRODUCT/SERIAL`; `touchmark device release PRODUCT/SERIAL` ends the hold"
        }
        Reason::DeviceNotHeld => "there is no hold to end: see `touchmark device show PRODUCT/SERIAL`",
        Reason::DeviceInUse => {
            "it has left the factory: retire it, or revoke its certificates with `touchmark device revoke`"
        }
        Reason::AlreadyEnrolled => {
            "see `touchmark device show PRODUCT/SERIAL`: it has an operational certificate in use"
        }
        Reason::LineageForked => {
            "two hold one identity: read docs/operations/fork-alarm.md and see `touchmark device forks`"
        }
        Reason::TooManyUnconfirmed => {
            "find out why its certificates are not taken into use: `touchmark device show PRODUCT/SERIAL`"
        }
        Reason::TooOften => {
            "the device had more certificates than any honest one asks for: see `touchmark device show PRODUCT/SERIAL`"
        }
        Reason::CertificateNotFound => "see `touchmark certificate list --device PRODUCT/SERIAL`",
        Reason::CertificateRevoked => {
            "its holder needs another certificate: a device enrols anew, for others see `touchmark principal issue`"
        }
        Reason::PrincipalNotFound => "see `touchmark principal list`",
        Reason::LastOperator => {
            "first make another operator with `touchmark principal issue operator NAME`; if it is meant, `touchmark principal revoke operator NAME --last-operator`: then only `touchmark-ca credential` makes another"
        }
        Reason::CountChanged => "look again with --dry-run: the number has changed since",
        Reason::TooManyCertificates => "ask about fewer at once: at most 1,000",
        Reason::NotAllowed => {
            "choose keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn or unspecified"
        }
        Reason::JobNotFound => "repeat the command: what is revoked stays revoked, the rest is counted anew",
        Reason::TooManyRotations => {
            "select more at once, for example a product: at most 1,000 requests are open"
        }
        Reason::IssuerNotRevocable => {
            "an issuer is revoked with the root's key: docs/operations/compromised-issuer.md"
        }
        Reason::IssuerExists => "see `touchmark certificate list --issuer root`",
        // The caller does not read the answer to a call that it cancelled.
        Reason::Cancelled | Reason::Unspecified => return None,
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
