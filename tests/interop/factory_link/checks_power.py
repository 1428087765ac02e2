"""Checks of power cuts: the process is killed, and a whole session must then end with one key and one
certificate."""

import secrets
import subprocess
import time

import certificates
import frames
import messages
import station
from bench import OTHER_SERIAL, PRODUCT, SERIAL, Checks, same_key
from checks_requests import body_of
from messages import Step
from station import Wrong, check_hello, expect

CHECKS = Checks()
# When the power is cut, in parts of the time that the device takes for the request. None: when the answer is
# there.
_PARTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, None)
CUTS_AGAIN = [part / 24 for part in range(27)]
# For each request, the step before it and the step after it.
_REQUESTS = [
    ("hello", None, Step.BLANK),
    ("generate_key", Step.BLANK, Step.KEY_READY),
    ("install", Step.KEY_READY, Step.INSTALLED),
    ("read_back", Step.INSTALLED, Step.INSTALLED),
    ("lock", Step.INSTALLED, Step.LOCKED),
]
_CUTS = [
    (
        f"{part:.0%} of the time after {request}" if part is not None else f"after {request} was answered",
        request,
        before,
        after,
        part,
    )
    for request, before, after in _REQUESTS
    for part in _PARTS
]


def _send(unit, request, body):
    unit.line.send(frames.frame(messages.station_message(unit.session.next_exchange(), request, body)))


def _answer(unit, request):
    got = unit.line.receive(30)
    message = None if got is None else station.read(got)
    if message is None:
        raise Wrong("the device sent a damaged frame")
    answer = station.Answer(got, message)
    expect(answer, request)
    return answer


def _ask(bench, unit, request):
    """A request and its answer; remembers the unit's key and what was installed."""
    body = body_of(bench, unit, request)
    answer = expect(unit.ask(request, body), request)
    if request == "generate_key":
        unit.key = station.request_key(answer)
    if request == "install":
        unit.installed = body


def _time_of(unit, request, body):
    """The seconds that the device takes for a request."""
    start = time.monotonic()
    _send(unit, request, body)
    _answer(unit, request)
    return time.monotonic() - start


def _cut(unit, request, body, seconds):
    """Sends a request, and cuts the power after this time. The answer, if it was waited for."""
    _send(unit, request, body)
    answer = None
    if seconds is None:
        answer = _answer(unit, request)
    else:
        time.sleep(seconds)
    unit.restart()
    return answer


def _finish(unit):
    """Ends with a whole session; there must be one key, and what is read back must be what was installed."""
    before = unit.state()
    stored = station.whole_session(unit.session, PRODUCT, SERIAL)
    if unit.key is not None:
        same_key(certificates.load(stored["certificate"]).public_key(), unit.key)
    if (
        before is not None
        and before[1] == Step.LOCKED
        and stored["certificate"] != unit.installed["certificate"]
    ):
        raise Wrong("a locked unit has another certificate than the one that was installed")
    unit.installed = unit.installed if before and before[1] == Step.LOCKED else None
    unit.must_be(Step.LOCKED)


@CHECKS.check_each(
    _CUTS,
    "power: cut {case}",
    "cut {case}, the device is at the step before or after, and a whole session ends well",
)
def _cut_request(bench, request, before, after, part):
    seconds = None
    if part is not None:
        other = bench.unit(before)
        seconds = part * _time_of(other, request, body_of(bench, other, request))
    unit = bench.unit(before)
    body = body_of(bench, unit, request)
    if request == "install":
        unit.installed = body
    answer = _cut(unit, request, body, seconds)
    state = unit.state()
    step = state[1] if state else None
    if step not in ((after,) if answer else (before, after)):
        raise Wrong(f"before {before}, after {after}, but the device is at {step}")
    if answer and request == "generate_key":
        unit.key = station.request_key(answer.body)
    _finish(unit)


@CHECKS.check("power: cut between any two requests", "after a cut a unit continues from its step")
def _between(bench):
    unit = bench.unit()
    for request in ("hello", "generate_key", "install", "read_back", "lock"):
        _ask(bench, unit, request)
        unit.restart()
        unit.state()
    unit.must_be(Step.LOCKED)
    unit.read_back()


@CHECKS.check(
    "power: cut again and again while the key is made", "a second key is not made once a request was sent"
)
def _key_cuts(bench):
    other, unit = bench.unit(Step.BLANK), bench.unit(Step.BLANK)
    seconds = _time_of(other, "generate_key", {"key_type": "p256"})
    for part in CUTS_AGAIN:
        _cut(unit, "generate_key", {"key_type": "p256"}, part * seconds)
    unit.key = unit.generate_key()
    unit.restart()
    same_key(unit.generate_key(), unit.key)
    _finish(unit)


@CHECKS.check(
    "power: cut again and again in a rework",
    "certificate, chain and anchors are those of one installation, the old or the new, or the step is KEY_READY",
)
def _rework_cuts(bench):
    unit = bench.unit(Step.INSTALLED)
    seconds = _time_of(unit, "install", unit.installed)
    for number, part in enumerate(CUTS_AGAIN):
        authority = certificates.Authority(1 + number % 2)
        new = station.install_body(authority, authority.issue(unit.key, [PRODUCT], [SERIAL]))
        _cut(unit, "install", new, part * seconds)
        identity, step = unit.state() or (None, None)
        if identity != (PRODUCT, SERIAL) or step not in (Step.KEY_READY, Step.INSTALLED):
            raise Wrong(f"the unit is {identity} at {step}")
        if step == Step.KEY_READY:
            expect(unit.ask("install", new), "install")
        nonce = secrets.token_bytes(messages.NONCE_LEN)
        stored = expect(unit.ask("read_back", {"nonce": nonce}), "read_back")
        unit.installed = new if stored["certificate"] == new["certificate"] else unit.installed
        station.check_read_back(stored, nonce, unit.installed)
    same_key(unit.generate_key(), unit.key)


@CHECKS.check(
    "power: cut again and again while a number is withdrawn",
    "the unit has the withdrawn serial number or the new one, and the same key",
)
def _withdrawal_cuts(bench):
    unit = bench.unit(Step.KEY_READY)
    seconds = _time_of(unit, "hello", station.hello_body(PRODUCT, OTHER_SERIAL, [SERIAL]))
    serials = [OTHER_SERIAL, SERIAL]
    for part in CUTS_AGAIN:
        body = station.hello_body(PRODUCT, serials[1], [serials[0]])
        _cut(unit, "hello", body, part * seconds)
        identity, step = unit.state() or (None, None)
        if identity not in [(PRODUCT, serial) for serial in serials] or step != Step.KEY_READY:
            raise Wrong(f"the unit is {identity} at {step}")
        if check_hello(expect(unit.ask("hello", body), "hello"))[0] != (PRODUCT, serials[1]):
            raise Wrong("the number was not dropped")
        serials.reverse()
    same_key(unit.generate_key(), unit.key)


_STORED = [
    ("identity", "hello", Step.BLANK),
    ("key", "generate_key", Step.KEY_READY),
    ("install", "install", Step.INSTALLED),
    ("lock", "lock", Step.LOCKED),
]


@CHECKS.check_each(
    _STORED, "power: cut before the answer, {case} stored", "what is stored is found by the next start"
)
def _crash(bench, request, after):
    what = {"hello": "identity", "generate_key": "key"}.get(request, request)
    unit = bench.unit(crash_after=what)
    asked = [each[0] for each in _REQUESTS]
    for name in asked[: asked.index(request)]:
        _ask(bench, unit, name)
    body = body_of(bench, unit, request)
    if request == "install":
        unit.installed = body
    _send(unit, request, body)
    try:
        unit.line.ended(30)
    except subprocess.TimeoutExpired as error:
        raise Wrong("the device did not end") from error
    bench.steady(unit)
    unit.must_be(after)
    _finish(unit)
