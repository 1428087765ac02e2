"""What the checks of a device have in common: the bench, the unit on it, and how a check is registered."""

import functools
import pathlib
import secrets

import certificates
import frames
import line
import messages
import station
from messages import Fault, Step
from station import Wrong, check_hello, expect

PRODUCT, SERIAL, OTHER_SERIAL = "cam-2", "SN000123", "SN000124"
ANSWER_SECONDS = 30.0
NOISE_SECONDS = 120.0


class Skipped(Exception):
    """The device cannot be checked for this with the commands that were given."""


class Advice(Exception):
    """The device does not do what the document says it should do."""


class Unit:
    """One device with its state directory, started and ended at will."""

    def __init__(self, command, values, run):
        self._command, self._values, self._run = command, values, run
        self.key = self.installed = None
        self.start()

    def start(self):
        """Turns the power on."""
        self.line = self._run(self._command, self._values)
        self.session = station.Session(self.line, ANSWER_SECONDS, sends_max=1)

    def restart(self):
        """Cuts the power and turns it on."""
        self.line.kill()
        self.line.close()
        self.start()

    def off(self):
        """Cuts the power."""
        self.line.kill()
        self.line.close()

    def again(self, command):
        """The same state under another command, after the process has ended."""
        self.line.close()
        self._command = command
        self.start()

    def ask(self, request, body):
        """The answer to a new request."""
        return self._checked(self.session.ask(request, body))

    def ask_payload(self, payload, number):
        """The answer to these bytes."""
        return self._checked(self.session.ask_payload(payload, number))

    def _checked(self, answer):
        if answer.kind is None:
            raise Wrong("the answer is empty")
        if answer.kind == "fault" and len(answer.body["message"]) > 256:
            raise Wrong("the fault's message has more than 256 characters")
        return answer

    def hello(self, serial=SERIAL, product=PRODUCT, withdrawn=()):
        """The answer to Hello."""
        return self.ask("hello", station.hello_body(product, serial, withdrawn))

    def defers(self):
        """Whether the device takes an installation without a certificate."""
        return messages.DEFERRAL in expect(self.hello(serial=""), "hello")["capabilities"]

    def generate_key(self):
        """The key of the request that the device makes."""
        return station.request_key(expect(self.ask("generate_key", {"key_type": "p256"}), "generate_key"))

    def install(self, body):
        """Installs, and remembers what must be read back."""
        expect(self.ask("install", body), "install")
        self.installed = body

    def read_back(self):
        """Reads back; it must be what was installed last."""
        nonce = secrets.token_bytes(messages.NONCE_LEN)
        station.check_read_back(
            expect(self.ask("read_back", {"nonce": nonce}), "read_back"), nonce, self.installed, self.key
        )

    def must_be_deferred(self, deferred):
        """Refuses a unit that says something else about its certificate."""
        if expect(self.hello(serial=""), "hello")["certificate_deferred"] != deferred:
            raise Wrong(f"the device does not say that its certificate is {'' if deferred else 'not '}deferred")

    def state(self):
        """Identity and step; None for a device without identity. Changes nothing."""
        answer = self.hello(serial="")
        if answer.kind == "fault" and answer.body["code"] == Fault.WRONG_DEVICE:
            return None
        return check_hello(expect(answer, "hello"))

    def must_be(self, step, identity=(PRODUCT, SERIAL)):
        """Refuses another state than this one; no step: no identity."""
        state, wanted = self.state(), None if step is None else (identity, step)
        if state != wanted:
            raise Wrong(f"the device is {_state_name(state)} and not {_state_name(wanted)}")

    def after(self, noise, silent=False):
        """A good request after these bytes must be answered, and before it nothing else than DAMAGED_FRAME;
        `silent`: nothing at all."""
        number = self.session.next_exchange()
        payload = messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL))
        self.line.send(noise + frames.frame(payload), NOISE_SECONDS)
        while True:
            got = self.line.receive(ANSWER_SECONDS)
            message = None if got is None else station.read(got)
            if message is None:
                raise Wrong("the device sent a damaged frame")
            if message["exchange"] == number:
                return check_hello(expect(station.Answer(got, message), "hello"))
            if silent or not station.is_damage(message):
                raise Wrong(
                    f"the device sent {station.Answer(got, message)} for exchange {message['exchange']}"
                )


def _state_name(state):
    return "without identity" if state is None else f"{'/'.join(state[0])} at {state[1].name}"


class Bench:
    """Starts units, each in a fresh state directory."""

    def __init__(self, arguments, directory):
        self._arguments, self._directory, self._count = arguments, pathlib.Path(directory), 0
        self._units = []
        self.authority = certificates.Authority()
        self.other_authority = certificates.Authority()
        self.chain_later = arguments.chain_later

    def unit(self, step=None, own=None, crash_after=None, run=line.run):
        """A unit at this step; with an identity of its own, or one that ends hard after it stored something,
        or one that is started in another way than with pipes."""
        command, values = self._arguments.exec, {}
        if own:
            command, values = self._arguments.exec_own, dict(zip(("product", "serial"), own))
        if crash_after:
            command, values = self._arguments.exec_crash, {"step": crash_after}
        if command is None:
            raise Skipped("no command for it was given")
        self._count += 1
        unit = Unit(command, {"state": self._directory / str(self._count), **values}, run)
        self._units.append(unit)
        self._bring(unit, step)
        return unit

    def steady(self, unit):
        """Continues a unit that ended hard with the plain command."""
        unit.again(self._arguments.exec)

    def _bring(self, unit, step):
        if step is None:
            return
        check_hello(expect(unit.hello(), "hello"))
        if step >= Step.KEY_READY:
            unit.key = unit.generate_key()
        if step >= Step.INSTALLED:
            unit.install(self.installation(unit.key))
        if step == Step.LOCKED:
            expect(unit.ask("lock", {}), "lock")

    def installation(self, key, products=(PRODUCT,), serials=(SERIAL,)):
        """A good installation for this key."""
        return station.install_body(self.authority, self.authority.issue(key, products, serials))

    def deferred_unit(self, step, **options):
        """A unit at this step, INSTALLED or LOCKED, whose certificate is deferred, and that certificate."""
        unit = self.unit(Step.KEY_READY, **options)
        if not unit.defers():
            raise Skipped("the device does not take an installation without a certificate")
        body = self.installation(unit.key)
        unit.install(station.deferred(body))
        if step == Step.LOCKED:
            expect(unit.ask("lock", {}), "lock")
        return unit, body

    def clear(self):
        """Ends what a check has left running."""
        for unit in self._units:
            try:
                unit.off()
            except OSError:
                pass
        self._units.clear()


def must_fault(answer, *codes):
    """Refuses an answer that is not one of these faults."""
    if answer.kind != "fault" or answer.body["code"] not in codes:
        raise Wrong(f"wanted {' or '.join(code.name for code in codes)}, got {answer}")


def same_key(one, other):
    """Refuses a second key."""
    if certificates.public_bytes(one) != certificates.public_bytes(other):
        raise Wrong("the device has another key than before")


class Checks:
    """The checks by name, each with the rule that it checks."""

    def __init__(self):
        self.all = []

    def check(self, name, rule):
        """Registers a function of the bench."""

        def register(function):
            self.all.append((name, rule, function))
            return function

        return register

    def check_each(self, cases, name, rule):
        """Registers a function of the bench once for each case. `{case}` is replaced in name and rule."""

        def register(function):
            for case, *values in cases:
                self.all.append(
                    (
                        name.format(case=case),
                        rule.format(case=case),
                        functools.partial(_with, function, values),
                    )
                )
            return function

        return register


def _with(function, values, bench):
    function(bench, *values)
