//! For each reason of the CA: what a person does next.

use tonic::Code;

/// What to do next; `None` when the message says it all.
pub(crate) fn next_step(reason: Option<&str>, code: Code) -> Option<&'static str> {
    match reason {
        Some(reason) => NEXT_STEPS
            .iter()
            .find(|(known, _)| *known == reason)
            .map(|(_, next)| *next)
            .or_else(|| general(code)),
        None => general(code),
    }
}

/// The reasons that an operator, a station or a device can be given, with what helps.
const NEXT_STEPS: &[(&str, &str)] = &[
    ("REQUEST_ID_REUSED", "use an empty directory for another credential, or ask again exactly as before"),
    ("REQUEST_INVALID", "correct what the message names; `--help` says what each value may be"),
    ("MESSAGE_TOO_LARGE", "split a long manifest over several orders"),
    ("MESSAGE_MALFORMED", "use programs and a CA of the same version"),
    ("INTERNAL", "read the CA's log, and report it: a fault of the program"),
    (
        "BARE_KEY_NOT_ALLOWED",
        "a self-signed certificate proves a key and no more: use a credential of this CA",
    ),
    ("TOKEN_NOT_ALLOWED", "use a credential directory: no call takes a token"),
    ("KEY_UNKNOWN", "no certificate of this CA has the key"),
    ("RPC_UNKNOWN", "the CA is of another version than this program: use the programs of one version"),
    ("WORK_ORDER_NOT_FOUND", "see `touchmark work-order list`; a station sees only the orders that name it"),
    (
        "WORK_ORDER_EXHAUSTED",
        "make another order with `touchmark work-order create`; scrapped units do not give quota back",
    ),
    ("WORK_ORDER_PAUSED", "`touchmark work-order resume ID` lets it go on"),
    ("WORK_ORDER_CLOSED", "a closed order stays closed: make another with `touchmark work-order create`"),
    ("WORK_ORDER_NOT_YET_OPEN", "wait until its window opens: `touchmark work-order show ID` says when"),
    ("WORK_ORDER_EXPIRED", "its window has ended: make another order with `touchmark work-order create`"),
    ("SERIAL_NOT_IN_WORK_ORDER", "compare the unit's serial number with `touchmark work-order show ID`"),
    ("PRODUCT_NOT_IN_WORK_ORDER", "compare the unit's product with `touchmark work-order show ID`"),
    ("QUANTITY_OUT_OF_RANGE", "an order is for 1 to 10,000,000 units"),
    ("SERIALS_TOO_FEW", "give at least as many serial numbers as the quantity"),
    ("MANIFEST_TOO_LONG", "split the manifest over several orders"),
    (
        "STATION_UNKNOWN",
        "check the name with `touchmark principal list`; make the station's credential first with `touchmark principal issue station NAME --out DIR`, or say --allow-unknown-station",
    ),
    ("STATIONS_MISSING", "name at least one station: --station NAME"),
    ("TOO_MANY_STATIONS", "an order names at most 64 stations: make a second order"),
    ("WINDOW_EMPTY", "let --closes be later than --opens, and later than now"),
    ("PROFILE_NOT_FOR_BIRTH", "leave --profile away, or say idevid"),
    ("PROFILE_FORBIDS", "ask for less: the profile says the most, for example of days"),
    (
        "DEVICE_ALREADY_ISSUED",
        "two units claim one serial number: see `touchmark device show PRODUCT/SERIAL`",
    ),
    ("DEVICE_NOT_FOUND", "`touchmark device find SERIAL` looks for it; a device is written product/serial"),
    (
        "DEVICE_OF_ANOTHER_WORK_ORDER",
        "see `touchmark device show PRODUCT/SERIAL`: the unit has its birth certificate from that order; other units need other serial numbers",
    ),
    (
        "LAST_OPERATOR",
        "first make another operator with `touchmark principal issue operator NAME`; if it is meant, `touchmark principal revoke operator NAME --last-operator`: then only `touchmark-ca credential` makes another",
    ),
    ("DEVICE_SCRAPPED", "a scrapped unit stays scrapped: give the next unit another serial number"),
    (
        "DEVICE_HELD",
        "see `touchmark device show PRODUCT/SERIAL`; `touchmark device release PRODUCT/SERIAL` ends the hold",
    ),
    ("DEVICE_NOT_HELD", "there is no hold to end: see `touchmark device show PRODUCT/SERIAL`"),
    (
        "DEVICE_REVOKED",
        "it is out of use already: see `touchmark device show PRODUCT/SERIAL`; `touchmark device retire` ends its life for the record",
    ),
    ("DEVICE_RETIRED", "a retired device stays retired: its serial number and its keys are never used again"),
    (
        "DEVICE_IN_USE",
        "it has left the factory: retire it, or revoke its certificates with `touchmark device revoke`",
    ),
    (
        "LINEAGE_FORKED",
        "two hold one identity: read docs/operations/fork-alarm.md and see `touchmark device forks`",
    ),
    ("COUNT_CHANGED", "look again with --dry-run: the number has changed since"),
    (
        "REASON_NOT_ALLOWED",
        "choose keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn or unspecified",
    ),
    (
        "ISSUER_NOT_REVOCABLE",
        "an issuer is revoked with the root's key: docs/operations/compromised-issuer.md",
    ),
    ("TOO_MANY_CERTIFICATES", "ask about fewer at once: at most 1,000"),
    ("TOO_MANY_ROTATIONS", "select more at once, for example a product: at most 1,000 requests are open"),
    ("JOB_NOT_FOUND", "repeat the command: what is revoked stays revoked, the rest is counted anew"),
    (
        "ALREADY_ENROLLED",
        "see `touchmark device show PRODUCT/SERIAL`: it has an operational certificate in use",
    ),
    (
        "TOO_MANY_UNCONFIRMED",
        "find out why its certificates are not taken into use: `touchmark device show PRODUCT/SERIAL`",
    ),
    ("KEY_ALREADY_USED", "make a new key: one key is one holder, for ever"),
    ("SERIAL_NUMBER_TAKEN", "ask again: the CA draws another serial number"),
    ("CERTIFICATE_NOT_FOUND", "see `touchmark certificate list --device PRODUCT/SERIAL`"),
    (
        "CERTIFICATE_REVOKED",
        "its holder needs another certificate: a device enrols anew, for others see `touchmark principal issue`",
    ),
    ("CLIENT_CERTIFICATE_REQUIRED", "say whose credential to use: --credentials DIR"),
    ("CLIENT_CERTIFICATE_UNKNOWN", "this credential is not of this CA: check --credentials and --server"),
    (
        "CLIENT_CERTIFICATE_REVOKED",
        "an operator makes another with `touchmark principal issue`; for the last operator, `touchmark-ca credential` on the CA's machine",
    ),
    (
        "CLIENT_CERTIFICATE_HELD",
        "its device is on hold: an operator ends that with `touchmark device release PRODUCT/SERIAL`",
    ),
    (
        "CLIENT_CERTIFICATE_EXPIRED",
        "an operator makes another with `touchmark principal issue`; for the last operator, `touchmark-ca credential` on the CA's machine",
    ),
    (
        "ROLE_NOT_ALLOWED",
        "use a credential whose role may do this, for example an operator's: --credentials DIR",
    ),
    ("PRINCIPAL_NOT_FOUND", "see `touchmark principal list`"),
    ("ISSUER_EXISTS", "see `touchmark certificate list --issuer root`"),
    (
        "CURSOR_UNKNOWN",
        "begin again without a cursor; a watcher of a CA that was restored: remove its cursor file",
    ),
    ("LISTINGS_UNAVAILABLE", "listings are being rebuilt from the ledger; issuing goes on meanwhile"),
    ("OVERLOADED", "the CA has as many calls as it takes from you or from all; ask again in a moment"),
    ("STOPPING", "the CA is stopping or starting again: ask again in a moment"),
    ("DEADLINE_EXCEEDED", "ask again, and allow more time; what was asked can be asked again safely"),
    ("MESSAGE_COMPRESSED", "switch compression off in the client: the CA reads messages as they are"),
    ("TIMEOUT_MALFORMED", "correct grpc-timeout: up to eight digits and one of H, M, S, m, u, n"),
    (
        "TOO_OFTEN",
        "the device had more certificates than any honest one asks for: see `touchmark device show PRODUCT/SERIAL`",
    ),
    (
        "CLOCK_IN_DOUBT",
        "put the CA's clock right, or confirm it with `touchmark-ca confirm-time` (docs/operations/wrong-clock.md)",
    ),
    ("STORE_BUSY", "the CA has more to do than it can; ask again"),
    ("STORE_FULL", "make room on the CA's disk (docs/operations/full-disk.md); nothing is lost"),
    ("STORE_UNAVAILABLE", "read the CA's log; what was asked can be asked again safely"),
    ("SIGNER_UNAVAILABLE", "read the CA's log: an issuing key cannot be used"),
    ("ISSUANCE_FAILED", "read the CA's log: a certificate would have broken a rule and was not made"),
    ("GENERATOR_FAILED", "read the CA's log: its machine gives no randomness"),
    ("CSR_TOO_LARGE", "a certificate request has at most 8 KiB; make it anew with `openssl req -new`"),
    ("CSR_NOT_DER", "make the certificate request anew, for example with `openssl req -new`"),
    ("PROOF_OF_POSSESSION_FAILED", "sign the certificate request with the key that it names"),
    (
        "KEY_TYPE_NOT_ALLOWED",
        "use an ECDSA P-256 key: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
    ),
    ("KEY_WEAK", "make a new key from a good random source"),
    (
        "KEY_BLOCKED",
        "this key is no secret: make a new one, and find out where it came from; docs/operations/blocked-keys.md",
    ),
    ("KEY_MALFORMED", "make the key and the certificate request anew"),
];

fn general(code: Code) -> Option<&'static str> {
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
    fn no_reason_is_listed_twice() {
        for (index, (reason, _)) in NEXT_STEPS.iter().enumerate() {
            assert!(!NEXT_STEPS[..index].iter().any(|(earlier, _)| earlier == reason), "{reason}");
        }
    }
}
