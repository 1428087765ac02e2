"""Checks of what a device takes as its installation, and what it refuses."""

from cryptography.hazmat.primitives.asymmetric import ec

import certificates
import station
from bench import OTHER_SERIAL, PRODUCT, SERIAL, Checks, must_fault
from messages import Fault, Step

CHECKS = Checks()


def _for(bench, key, products=(PRODUCT,), serials=(SERIAL,)):
    return bench.installation(key, products, serials)


def _another_key(bench, _):
    return _for(bench, ec.generate_private_key(ec.SECP256R1()).public_key())


def _bit_flipped(bench, key):
    body = _for(bench, key)
    return body | {"certificate": body["certificate"][:-1] + bytes([body["certificate"][-1] ^ 1])}


def _deep(issuers):
    def make(_, key):
        authority = certificates.Authority(issuers)
        return station.install_body(authority, authority.issue(key, [PRODUCT], [SERIAL]))

    return make


def _anchors(count, with_root=True):
    def make(bench, key):
        anchors = [certificates.Authority(0).root for _ in range(count - with_root)]
        body = _for(bench, key)
        return body | {
            "trust_bundle": {"version": 1, "anchors": anchors + [bench.authority.root] * with_root}
        }

    return make


def _with(**fields):
    return lambda bench, key: _for(bench, key) | fields


# Name, what makes it, and whether only the check of the chain finds it.
_BAD = [
    ("a certificate for another key", _another_key, False),
    ("another serial number", lambda bench, key: _for(bench, key, serials=[OTHER_SERIAL]), False),
    ("another product", lambda bench, key: _for(bench, key, products=["cam-3"]), False),
    ("two serial numbers", lambda bench, key: _for(bench, key, serials=[SERIAL, OTHER_SERIAL]), False),
    ("two products", lambda bench, key: _for(bench, key, products=[PRODUCT, "cam-3"]), False),
    ("the same product twice", lambda bench, key: _for(bench, key, products=[PRODUCT, PRODUCT]), False),
    ("no serial number", lambda bench, key: _for(bench, key, serials=[]), False),
    ("no product", lambda bench, key: _for(bench, key, products=[]), False),
    ("no certificate", _with(certificate=b""), False),
    ("a certificate that is none", _with(certificate=b"\x30\x04leaf"), False),
    ("a certificate with a flipped bit", _bit_flipped, True),
    (
        "the issuer of another root",
        lambda bench, key: _for(bench, key) | {"chain": bench.other_authority.chain},
        True,
    ),
    ("no issuer", _with(chain=[]), True),
    ("an issuer that is no certificate", _with(chain=[b"issuer"]), True),
    ("another root", _anchors(1, with_root=False), True),
    ("no anchors", _with(trust_bundle={"version": 1, "anchors": []}), True),
    ("a chain of five", _deep(5), False),
    ("five anchors", _anchors(5), False),
    ("an http URL", _with(enrollment_url="http://ca.example.com:8443"), False),
    ("a URL without a scheme", _with(enrollment_url="ca.example.com"), False),
    ("a URL without a host", _with(enrollment_url="https://"), False),
    ("a URL with a path and no host", _with(enrollment_url="https:///path"), False),
    ("a URL of 513 bytes", _with(enrollment_url="https://ca.example.com/".ljust(513, "p")), False),
]


@CHECKS.check_each(_BAD, "install: {case}", "{case} is REJECTED, and nothing changes")
def _refused(bench, make, by_chain):
    unit = bench.unit(Step.KEY_READY)
    bad = make(bench, unit.key)
    answer = unit.ask("install", bad)
    if by_chain and bench.chain_later and answer.kind == "install":
        return
    must_fault(answer, Fault.REJECTED)
    must_fault(unit.ask("read_back", {"nonce": b"n" * 32}), Fault.UNEXPECTED)
    unit.must_be(Step.KEY_READY)
    unit.install(bench.installation(unit.key))
    must_fault(unit.ask("install", bad), Fault.REJECTED)
    unit.must_be(Step.INSTALLED)
    unit.read_back()
    unit.restart()
    unit.read_back()


_GOOD = [
    ("no URL", _with(enrollment_url="")),
    ("a URL of 512 bytes", _with(enrollment_url="https://ca.example.com/".ljust(512, "p"))),
    ("a certificate by the root itself", _deep(0)),
    ("a chain of four", _deep(4)),
    ("four anchors", _anchors(4)),
]


@CHECKS.check_each(_GOOD, "install: {case}", "{case} is taken")
def _taken(bench, make):
    unit = bench.unit(Step.KEY_READY)
    unit.install(make(bench, unit.key))
    unit.restart()
    unit.must_be(Step.INSTALLED)
    unit.read_back()


@CHECKS.check("install: rework", "at INSTALLED another installation for the same key replaces the first one")
def _rework(bench):
    unit = bench.unit(Step.INSTALLED)
    unit.read_back()
    authority = certificates.Authority(2)
    unit.install(station.install_body(authority, authority.issue(unit.key, [PRODUCT], [SERIAL]), version=2))
    unit.read_back()
    unit.restart()
    unit.read_back()
