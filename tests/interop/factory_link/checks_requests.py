"""Checks of the requests: the table of states, repetition, identity, withdrawn serial numbers."""

import secrets

from cryptography.hazmat.primitives.asymmetric import ec

import messages
import station
from bench import OTHER_SERIAL, PRODUCT, SERIAL, Advice, Checks, must_fault, same_key
from messages import Fault, Step
from station import Wrong, check_hello, expect

CHECKS = Checks()
OWN = ("sensor-7", "OWN 42")

_STEPS = (None, Step.BLANK, Step.KEY_READY, Step.INSTALLED, Step.LOCKED)
# For each request, what is said at each step: a fault, or the step after the answer.
_TABLE = {
    "hello": (Step.BLANK, Step.BLANK, Step.KEY_READY, Step.INSTALLED, Step.LOCKED),
    "generate_key": (Fault.UNEXPECTED, Step.KEY_READY, Step.KEY_READY, Step.INSTALLED, Fault.LOCKED),
    "install": (Fault.UNEXPECTED, Fault.UNEXPECTED, Step.INSTALLED, Step.INSTALLED, Fault.LOCKED),
    "read_back": (Fault.UNEXPECTED, Fault.UNEXPECTED, Fault.UNEXPECTED, Step.INSTALLED, Step.LOCKED),
    "lock": (Fault.UNEXPECTED, Fault.UNEXPECTED, Fault.UNEXPECTED, Step.LOCKED, Step.LOCKED),
}
_CELLS = [
    (f"{request} at {step.name if step else 'nobody'}", request, step, outcome)
    for request, row in _TABLE.items()
    for step, outcome in zip(_STEPS, row)
]


def body_of(bench, unit, request):
    """A good request of this name for this unit."""
    if request == "hello":
        return station.hello_body(PRODUCT, SERIAL)
    if request == "generate_key":
        return {"key_type": "p256"}
    if request == "install":
        return unit.installed or bench.installation(
            unit.key or ec.generate_private_key(ec.SECP256R1()).public_key()
        )
    return {"nonce": secrets.token_bytes(messages.NONCE_LEN)} if request == "read_back" else {}


def _check_outcome(unit, request, body, answer, outcome):
    """The answer must be that of the table, and what it says must be right."""
    if isinstance(outcome, Fault):
        must_fault(answer, outcome)
        return
    fields = expect(answer, request)
    if request == "hello" and check_hello(fields) != ((PRODUCT, SERIAL), outcome):
        raise Wrong(f"Hello was answered with {check_hello(fields)}")
    if request == "generate_key":
        key = station.request_key(fields)
        same_key(key, unit.key or key)
        unit.key = key
    if request == "install":
        unit.installed = body
    if request == "read_back":
        station.check_read_back(fields, body["nonce"], unit.installed)


@CHECKS.check_each(
    _CELLS,
    "table: {case}",
    "{case} is answered as the table of states says, again with the same bytes, and after a restart",
)
def _cell(bench, request, step, outcome):
    unit = bench.unit(step)
    if (request, step) == ("install", Step.LOCKED) and unit.defers():
        # It answers again what is done already.
        outcome = step
    body = body_of(bench, unit, request)
    number = unit.session.next_exchange()
    payload = messages.station_message(number, request, body)
    answer = unit.ask_payload(payload, number)
    _check_outcome(unit, request, body, answer, outcome)
    if unit.ask_payload(payload, number).payload != answer.payload:
        raise Wrong("the same request was answered with other bytes")
    after = step if isinstance(outcome, Fault) else outcome
    unit.must_be(after)
    unit.restart()
    _check_outcome(unit, request, body, unit.ask(request, body), outcome)
    unit.must_be(after)
    if after and after >= Step.INSTALLED:
        unit.read_back()


@CHECKS.check(
    "lock: for ever", "after the lock no key is made and no certificate is taken, whatever the request says"
)
def _for_ever(bench):
    unit = bench.unit(Step.LOCKED)
    for _ in range(2):
        must_fault(unit.ask("install", bench.installation(unit.key)), Fault.LOCKED)
        must_fault(unit.ask("generate_key", {"key_type": "p256"}), Fault.LOCKED)
        must_fault(unit.hello(OTHER_SERIAL), Fault.WRONG_DEVICE)
        must_fault(unit.hello(OTHER_SERIAL, withdrawn=[SERIAL]), Fault.WRONG_DEVICE)
        must_fault(unit.hello(product="other"), Fault.WRONG_DEVICE)
        unit.must_be(Step.LOCKED)
        unit.read_back()
        expect(unit.ask("lock", {}), "lock")
        unit.restart()


@CHECKS.check(
    "hello: the protocol version", "another protocol version than 1 is UNEXPECTED, and gives no identity"
)
def _version(bench):
    unit = bench.unit()
    for version in (0, 2, 257):
        body = station.hello_body(PRODUCT, OTHER_SERIAL) | {"protocol_version": version}
        must_fault(unit.ask("hello", body), Fault.UNEXPECTED)
    unit.must_be(None)
    check_hello(expect(unit.hello(), "hello"))
    must_fault(
        unit.ask("hello", station.hello_body(PRODUCT, SERIAL) | {"protocol_version": 2}), Fault.UNEXPECTED
    )


_BAD_SERIALS = [
    ("empty", ""),
    ("of 65 characters", "A" * 65),
    ("with a space before", " SN1"),
    ("with a space after", "SN1 "),
    ("of one space", " "),
    ("with an underscore", "SN_1"),
    ("with an asterisk", "SN*1"),
    ("not ASCII", "SNÄ"),
    ("with a line end", "SN1\n"),
]


@CHECKS.check_each(
    _BAD_SERIALS, "hello: a serial number {case}", "a serial number {case} is WRONG_DEVICE, and is not taken"
)
def _bad_serial(bench, serial):
    unit = bench.unit()
    must_fault(unit.hello(serial), Fault.WRONG_DEVICE)
    unit.restart()
    unit.must_be(None)
    check_hello(expect(unit.hello(), "hello"))


_GOOD_IDENTITIES = [
    ("shortest", "a", "1"),
    ("longest", "a" + "-" * 30 + "9", "S" * 64),
    ("each sign", "cam-2", "aZ09 '()+,-./:=?x"),
]


@CHECKS.check_each(
    _GOOD_IDENTITIES, "hello: a good identity, {case}", "valid products and serial numbers are taken"
)
def _good_identity(bench, product, serial):
    unit = bench.unit()
    for _ in range(2):
        if check_hello(expect(unit.hello(serial, product), "hello")) != ((product, serial), Step.BLANK):
            raise Wrong("the device has taken another identity")
        unit.restart()


@CHECKS.check(
    "hello: another unit", "another product or serial number is WRONG_DEVICE; an empty serial number is not"
)
def _another(bench):
    unit = bench.unit(Step.BLANK)
    must_fault(unit.hello(OTHER_SERIAL), Fault.WRONG_DEVICE)
    must_fault(unit.hello(product="cam-3"), Fault.WRONG_DEVICE)
    must_fault(unit.hello("", "cam-3"), Fault.WRONG_DEVICE)
    unit.restart()
    must_fault(unit.hello(OTHER_SERIAL), Fault.WRONG_DEVICE)
    unit.must_be(Step.BLANK)


@CHECKS.check(
    "hello: who is on the bench",
    "the last word of WRONG_DEVICE's message should be product/serial of the unit",
)
def _last_word(bench):
    message = bench.unit(Step.BLANK).hello(OTHER_SERIAL).body["message"]
    if not message.split() or message.split()[-1] != f"{PRODUCT}/{SERIAL}":
        raise Advice(f"the message is {message!r}")


@CHECKS.check_each(
    [("BLANK", Step.BLANK), ("KEY_READY", Step.KEY_READY)],
    "withdrawn: at {case}",
    "at {case} a withdrawn serial number is dropped for the assigned one, and the key stays",
)
def _withdrawn(bench, step):
    unit = bench.unit(step)
    number = unit.session.next_exchange()
    withdrawn = ["SN1", SERIAL, "SN2"]
    payload = messages.station_message(number, "hello", station.hello_body(PRODUCT, OTHER_SERIAL, withdrawn))
    answer = unit.ask_payload(payload, number)
    if check_hello(expect(answer, "hello")) != ((PRODUCT, OTHER_SERIAL), step):
        raise Wrong(f"the device answers {check_hello(answer.body)}")
    if unit.ask_payload(payload, number).payload != answer.payload:
        raise Wrong("the same request was answered with other bytes")
    unit.restart()
    must_fault(unit.hello(SERIAL), Fault.WRONG_DEVICE)
    expect(unit.hello(OTHER_SERIAL, withdrawn=withdrawn), "hello")
    unit.must_be(step, (PRODUCT, OTHER_SERIAL))
    key = unit.generate_key()
    same_key(key, unit.key or key)
    must_fault(unit.ask("install", bench.installation(key)), Fault.REJECTED)
    unit.install(bench.installation(key, serials=[OTHER_SERIAL]))
    unit.read_back()


@CHECKS.check_each(
    [("INSTALLED", Step.INSTALLED), ("LOCKED", Step.LOCKED)],
    "withdrawn: at {case}",
    "at {case} the list of withdrawn serial numbers changes nothing",
)
def _withdrawn_late(bench, step):
    unit = bench.unit(step)
    must_fault(unit.hello(OTHER_SERIAL, withdrawn=[SERIAL]), Fault.WRONG_DEVICE)
    unit.must_be(step)
    unit.read_back()


@CHECKS.check(
    "withdrawn: not this unit",
    "another number in the list, another product or no assigned number: nothing is dropped",
)
def _withdrawn_other(bench):
    unit = bench.unit(Step.KEY_READY)
    must_fault(unit.hello(OTHER_SERIAL, withdrawn=["SN1", "SN00012", "SN0001234"]), Fault.WRONG_DEVICE)
    must_fault(unit.hello(OTHER_SERIAL, "cam-3", [SERIAL]), Fault.WRONG_DEVICE)
    expect(unit.hello("", withdrawn=[SERIAL]), "hello")
    unit.restart()
    unit.must_be(Step.KEY_READY)


@CHECKS.check("withdrawn: the longest list", "64 serial numbers of 64 characters are taken")
def _withdrawn_longest(bench):
    unit = bench.unit(Step.BLANK)
    numbers = [f"{number:064}" for number in range(63)] + [SERIAL]
    if check_hello(expect(unit.hello(OTHER_SERIAL, withdrawn=numbers), "hello"))[0] != (
        PRODUCT,
        OTHER_SERIAL,
    ):
        raise Wrong("the number was not dropped")


@CHECKS.check("own identity: hello", "a device with its own identity takes no other")
def _own(bench):
    unit = bench.unit(own=OWN)
    product, serial = OWN
    must_fault(unit.hello(OTHER_SERIAL, product), Fault.WRONG_DEVICE)
    must_fault(unit.hello("", PRODUCT), Fault.WRONG_DEVICE)
    for assigned in ("", serial):
        if check_hello(expect(unit.hello(assigned, product), "hello")) != (OWN, Step.BLANK):
            raise Wrong("the device has another identity than its own")


@CHECKS.check("own identity: withdrawn", "a device with its own serial number ignores the list")
def _own_withdrawn(bench):
    unit = bench.unit(own=OWN)
    product, serial = OWN
    must_fault(unit.hello(OTHER_SERIAL, product, [serial]), Fault.WRONG_DEVICE)
    for assigned in ("", serial):
        if check_hello(expect(unit.hello(assigned, product, [serial]), "hello")) != (OWN, Step.BLANK):
            raise Wrong("the device has another identity than its own")


@CHECKS.check("own identity: whole session", "a device with its own identity goes through all steps")
def _own_session(bench):
    unit = bench.unit(own=OWN)
    station.whole_session(unit.session, OWN[0], "")


@CHECKS.check("key: other types", "another key type than p256 is UNEXPECTED, and makes no key")
def _key_types(bench):
    unit = bench.unit(Step.BLANK)
    for name in ("", "P256", "p384", "ed25519", "p256 "):
        must_fault(unit.ask("generate_key", {"key_type": name}), Fault.UNEXPECTED)
    unit.must_be(Step.BLANK)


@CHECKS.check("read-back: the nonce", "a nonce of another length than 32 is UNEXPECTED")
def _nonce(bench):
    unit = bench.unit(Step.INSTALLED)
    for length in (0, 1, 31, 33, 64):
        must_fault(unit.ask("read_back", {"nonce": b"n" * length}), Fault.UNEXPECTED)
    unit.read_back()
    unit.read_back()
