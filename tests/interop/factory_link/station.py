"""The station's side: requests until they are answered, and one whole session with a CA of its own."""

import secrets
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import certificates
import frames
import messages
from line import Silence
from messages import Fault, Step

PAUSE_AFTER_DAMAGE = 0.25
URL = "https://ca.example.com:8443"


class Wrong(Exception):
    """The device answered what the document does not allow."""


class Answer:
    """What a device answered: its bytes, the name of the answer, and its fields."""

    def __init__(self, payload, message):
        self.payload = payload
        self.from_device = message["from_device"]
        self.kind, self.body = messages.content(messages.ANSWERS, message)

    def __str__(self):
        if self.kind == "fault":
            return f"the fault {fault_name(self.body['code'])} ({self.body['message']})"
        return f"an answer to {self.kind}"


def fault_name(code):
    """The name of a fault's code."""
    return Fault(code).name if code in list(Fault) else f"number {code}"


class Session:
    """Sends requests on a line."""

    def __init__(self, line, answer_seconds=3.0, sends_max=10):
        self.line = line
        self._answer_seconds, self._sends_max = answer_seconds, sends_max
        self._exchange = secrets.randbelow(0xFFFF_FFFF) + 1

    def next_exchange(self):
        """The number of a new request."""
        number = self._exchange
        self._exchange = number % 0xFFFF_FFFF + 1
        return number

    def ask(self, request, body):
        """Sends a new request until it is answered."""
        number = self.next_exchange()
        return self.ask_payload(messages.station_message(number, request, body), number)

    def ask_payload(self, payload, number):
        """Sends these bytes until they are answered."""
        for _ in range(self._sends_max):
            self.line.send(frames.frame(payload))
            answer = self._await(number)
            if answer is not None:
                return answer
        raise Wrong(f"no answer to a request that was sent {self._sends_max} times")

    def _await(self, number):
        """The answer with this number; None if the request is to be sent again."""
        until = time.monotonic() + self._answer_seconds
        while True:
            try:
                payload = self.line.receive(until - time.monotonic())
            except Silence:
                return None
            message = None if payload is None else read(payload)
            if message is not None and message["exchange"] == number:
                return Answer(payload, message)
            if message is None or is_damage(message):
                self.line.drain(PAUSE_AFTER_DAMAGE)
                return None


def read(payload):
    """The device's message; None if it is none."""
    try:
        if messages.is_from(messages.FROM_STATION, payload):
            raise Wrong("the line echoes: the station receives its own messages")
        return messages.decode("DeviceMessage", payload)
    except messages.Malformed:
        return None


def is_damage(message):
    """Whether the device could not read the last frame."""
    kind, body = messages.content(messages.ANSWERS, message)
    return message["exchange"] == 0 and kind == "fault" and body["code"] == Fault.DAMAGED_FRAME


def expect(answer, kind):
    """The fields of an answer, which must be of this kind."""
    if answer.kind != kind:
        raise Wrong(f"{kind} was answered with {answer}")
    return answer.body


def hello_body(product, serial, withdrawn=()):
    """The fields of Hello."""
    return {
        "protocol_version": messages.PROTOCOL_VERSION,
        "assigned_serial": serial,
        "product": product,
        "withdrawn_serials": list(withdrawn),
    }


def check_hello(body):
    """Identity and step of a HelloResponse, which must keep its limits."""
    if body["protocol_version"] != messages.PROTOCOL_VERSION:
        raise Wrong(f"the device has protocol version {body['protocol_version']}")
    if len(body["firmware"]) > 64:
        raise Wrong("the firmware version has more than 64 characters")
    if "p256" not in body["key_types"]:
        raise Wrong("p256 is not among the key types")
    if "device" not in body or body["step"] not in list(Step):
        raise Wrong("identity or step are missing")
    return (body["device"]["product"], body["device"]["serial"]), Step(body["step"])


def request_key(body):
    """The key of a GenerateKeyResponse."""
    try:
        return certificates.check_request(body["csr"])
    except certificates.Unfit as unfit:
        raise Wrong(str(unfit)) from unfit


def install_body(authority, certificate, url=URL, version=1):
    """The fields of Install."""
    return {
        "certificate": certificate,
        "chain": authority.chain,
        "trust_bundle": {"version": version, "anchors": [authority.root]},
        "enrollment_url": url,
    }


def deferred(installation):
    """The fields of an Install without its certificate."""
    return installation | {"certificate": b"", "chain": []}


def check_proof(body, nonce, key=None):
    """Refuses a read-back whose signature is not by the key of its certificate, or by this one if the
    certificate is deferred."""
    try:
        if body["certificate"] or key is None:
            key = certificates.load(body["certificate"]).public_key()
        key.verify(body["signature"], messages.READ_BACK_PREFIX + nonce, ec.ECDSA(hashes.SHA256()))
    except certificates.Unfit as unfit:
        raise Wrong(str(unfit)) from unfit
    except InvalidSignature as error:
        raise Wrong("the read-back's signature does not verify") from error


def check_read_back(body, nonce, installed, key=None):
    """Refuses a read-back that does not prove exactly this installation."""
    if (body["certificate"], body["chain"]) != (installed["certificate"], installed["chain"]):
        raise Wrong("the certificate or chain read back are not those that were installed")
    if body["anchors_digest"] != certificates.anchors_digest(installed["trust_bundle"]["anchors"]):
        raise Wrong("the anchors' digest is not that of the anchors that were installed")
    check_proof(body, nonce, key)


def whole_session(session, product, serial, authority=None, say=lambda line: None):
    """Takes a device from any step to the lock; returns what it read back."""
    authority = authority or certificates.Authority()
    identity, step = check_hello(expect(session.ask("hello", hello_body(product, serial)), "hello"))
    say(f"hello: {'/'.join(identity)} is at step {step.name}")
    installed = None
    if step < Step.LOCKED:
        key = request_key(expect(session.ask("generate_key", {"key_type": "p256"}), "generate_key"))
        say("key: the request is good")
        installed = install_body(authority, authority.issue(key, [identity[0]], [identity[1]]))
        expect(session.ask("install", installed), "install")
        say("install: stored")
    nonce = secrets.token_bytes(messages.NONCE_LEN)
    stored = expect(session.ask("read_back", {"nonce": nonce}), "read_back")
    if installed:
        check_read_back(stored, nonce, installed)
    else:
        check_proof(stored, nonce)
    say(
        "read-back: the certificate is the one installed, and the device has its key"
        if installed
        else "read-back: the device has the key of its certificate; who issued it is not known here"
    )
    expect(session.ask("lock", {}), "lock")
    say("lock: locked")
    return stored
