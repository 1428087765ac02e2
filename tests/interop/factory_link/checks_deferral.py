"""Checks of devices that take an installation without a certificate, and the certificate later."""

import certificates
import frames
import messages
import station
from bench import OTHER_SERIAL, PRODUCT, SERIAL, Checks, must_fault, same_key
from checks_power import CUTS_AGAIN
from messages import Fault, Step
from station import Wrong, deferred, expect

CHECKS = Checks()


@CHECKS.check(
    "deferral: an installation without a certificate",
    "it is stored, read back with an empty certificate, answered again, and survives a restart and the lock",
)
def _stored(bench):
    unit, body = bench.deferred_unit(Step.INSTALLED)
    for _ in range(2):
        unit.must_be_deferred(True)
        unit.must_be(Step.INSTALLED)
        unit.read_back()
        expect(unit.ask("install", deferred(body)), "install")
        unit.restart()
    same_key(unit.generate_key(), unit.key)
    for _ in range(2):
        expect(unit.ask("lock", {}), "lock")
        unit.must_be(Step.LOCKED)
        unit.must_be_deferred(True)
        unit.read_back()
        expect(unit.ask("install", deferred(body)), "install")
        unit.restart()


_BAD = [
    ("a chain", lambda bench, body: body | {"chain": bench.authority.chain}),
    ("no anchors", lambda bench, body: body | {"trust_bundle": {"version": 1, "anchors": []}}),
    ("an anchor that is none", lambda bench, body: body | {"trust_bundle": {"version": 1, "anchors": [b"r"]}}),
    ("an http URL", lambda bench, body: body | {"enrollment_url": "http://ca.example.com"}),
]


@CHECKS.check_each(
    _BAD, "deferral: {case}", "without a certificate, {case} is REJECTED, and nothing changes"
)
def _refused(bench, change):
    unit, body = bench.deferred_unit(Step.INSTALLED)
    must_fault(unit.ask("install", change(bench, deferred(body))), Fault.REJECTED)
    unit.must_be_deferred(True)
    unit.read_back()


@CHECKS.check(
    "deferral: before the lock", "a certificate replaces a deferral at INSTALLED, and is not taken away again"
)
def _replaced(bench):
    unit, body = bench.deferred_unit(Step.INSTALLED)
    unit.install(body)
    for _ in range(2):
        unit.must_be_deferred(False)
        unit.must_be(Step.INSTALLED)
        unit.read_back()
        must_fault(unit.ask("install", deferred(body)), Fault.REJECTED)
        unit.restart()


@CHECKS.check(
    "deferral: after the lock",
    "a locked unit takes one certificate for its key, keeps its anchors, and takes nothing after it",
)
def _one(bench):
    unit, body = bench.deferred_unit(Step.LOCKED)
    other = certificates.Authority()
    must_fault(unit.ask("generate_key", {"key_type": "p256"}), Fault.LOCKED)
    must_fault(unit.ask("install", deferred(body) | {"enrollment_url": ""}), Fault.LOCKED)
    strange = station.install_body(other, other.issue(unit.key, [PRODUCT], [SERIAL]))
    must_fault(unit.ask("install", deferred(strange)), Fault.LOCKED)
    if not bench.chain_later:
        must_fault(unit.ask("install", strange), Fault.REJECTED)
    must_fault(unit.ask("install", bench.installation(unit.key, serials=[OTHER_SERIAL])), Fault.REJECTED)
    unit.must_be_deferred(True)
    # The anchors of the message mean nothing.
    expect(unit.ask("install", body | {"trust_bundle": strange["trust_bundle"]}), "install")
    unit.installed = body
    for _ in range(2):
        unit.must_be(Step.LOCKED)
        unit.must_be_deferred(False)
        unit.read_back()
        expect(unit.ask("install", body), "install")
        expect(unit.ask("lock", {}), "lock")
        must_fault(unit.ask("install", bench.installation(unit.key)), Fault.LOCKED)
        must_fault(unit.ask("install", deferred(body)), Fault.LOCKED)
        must_fault(unit.ask("generate_key", {"key_type": "p256"}), Fault.LOCKED)
        unit.restart()


@CHECKS.check(
    "deferral: power cut again and again while a locked unit stores its certificate",
    "it has its certificate or is deferred, never a part, and takes the same certificate again",
)
def _cuts(bench):
    for part in CUTS_AGAIN[::3]:
        unit, body = bench.deferred_unit(Step.LOCKED)
        unit.line.send(frames.frame(messages.station_message(unit.session.next_exchange(), "install", body)))
        _let_it_work(unit, part)
        unit.restart()
        unit.must_be(Step.LOCKED)
        if not expect(unit.hello(), "hello")["certificate_deferred"]:
            unit.installed = body
        unit.read_back()
        unit.install(body)
        unit.must_be_deferred(False)
        unit.read_back()


def _let_it_work(unit, seconds):
    """Waits so long, or until the device has answered."""
    try:
        unit.line.receive(seconds)
    except station.Silence:
        pass


@CHECKS.check(
    "deferral: power cut before the answer, the certificate stored", "what is stored is found by the next start"
)
def _crash(bench):
    unit, body = bench.deferred_unit(Step.LOCKED, crash_after="certificate")
    unit.line.send(frames.frame(messages.station_message(unit.session.next_exchange(), "install", body)))
    unit.line.ended(30)
    bench.steady(unit)
    unit.must_be_deferred(False)
    unit.install(body)
    unit.read_back()
    if unit.state() != ((PRODUCT, SERIAL), Step.LOCKED):
        raise Wrong("the device is not locked any more")
