"""The device's side: what it answers, and the stream that it answers on."""

import os
import re
import select
import socket
import sys
import tty
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import certificates
import frames
import line
import messages
from messages import Fault, Step

FIRMWARE = "interop device 1"
URL_BYTES_MAX = 512
MESSAGE_MAX = 256
SECONDS_AFTER_LOCK = 5.0
_PRODUCT = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_SERIAL = re.compile(r"(?! )[A-Za-z0-9 '()+,\-./:=?]{1,64}(?<! )")


class Refused(Exception):
    """A request that is answered with a fault."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Device:
    """Answers requests. `own` is the identity of a unit that has one; `crash_after` the thing whose storing
    ends the process."""

    def __init__(self, store, own=None, crash_after=None):
        self._store, self._own, self._crash_after = store, own, crash_after
        self._last = (None, None)
        self.locked_now = False

    def answer(self, payload):
        """The payload that answers this one; None if nothing may be answered."""
        try:
            if payload is not None and messages.is_from(messages.FROM_DEVICE, payload):
                return None
            if payload is None:
                raise messages.Malformed("the frame is damaged")
            if payload == self._last[0]:
                return self._last[1]
            message = messages.decode("StationMessage", payload)
            if message["exchange"] == 0:
                raise messages.Malformed("the exchange number is 0")
        except messages.Malformed as error:
            return messages.device_message(0, "fault", _fault(Fault.DAMAGED_FRAME, error))
        try:
            kind, body = self._do(message)
        except Refused as refused:
            kind, body = "fault", _fault(refused.code, refused)
        except (OSError, ValueError, TypeError, KeyError) as error:
            kind, body = "fault", _fault(Fault.STORAGE, error)
        answer = messages.device_message(message["exchange"], kind, body)
        if kind != "fault" or body["code"] != Fault.STORAGE:
            self._last = (payload, answer)
        return answer

    def _do(self, message):
        kind, body = messages.content(messages.REQUESTS, message)
        if kind is None:
            raise Refused(Fault.UNEXPECTED, "no request that this device knows")
        if kind != "hello" and self._identity() is None:
            raise Refused(Fault.UNEXPECTED, "this device has no identity yet")
        return kind, getattr(self, f"_{kind}")(body)

    def _identity(self):
        return self._own or self._store.identity()

    def _stored(self, what):
        if what == self._crash_after:
            os._exit(9)

    def _hello(self, hello):
        if hello["protocol_version"] != messages.PROTOCOL_VERSION:
            raise Refused(Fault.UNEXPECTED, "the protocol version is not 1")
        product, serial = hello["product"], hello["assigned_serial"]
        identity = self._identity()
        if identity and not self._withdrawn(hello, identity):
            if product != identity[0] or serial not in ("", identity[1]):
                raise Refused(Fault.WRONG_DEVICE, f"this unit is {'/'.join(identity)}")
        else:
            if not _SERIAL.fullmatch(serial) or not _PRODUCT.fullmatch(product):
                raise Refused(
                    Fault.WRONG_DEVICE, "this unit has no serial number, and was given none that is valid"
                )
            self._store.keep_identity(product, serial)
            self._stored("identity")
            identity = (product, serial)
        return {
            "protocol_version": messages.PROTOCOL_VERSION,
            "device": {"product": identity[0], "serial": identity[1]},
            "firmware": FIRMWARE,
            "key_types": ["p256"],
            "step": self._store.step(),
            "capabilities": [messages.DEFERRAL],
            "certificate_deferred": self._store.is_deferred(),
        }

    def _withdrawn(self, hello, identity):
        return (
            self._own is None
            and hello["product"] == identity[0]
            and identity[1] in hello["withdrawn_serials"]
            and hello["assigned_serial"] != ""
            and self._store.step() < Step.INSTALLED
        )

    def _generate_key(self, request):
        if self._store.step() == Step.LOCKED:
            raise Refused(Fault.LOCKED, "this unit is locked")
        if request["key_type"] != "p256":
            raise Refused(Fault.UNEXPECTED, "the key type is not p256")
        if self._store.step() == Step.BLANK:
            key = ec.generate_private_key(ec.SECP256R1())
            self._store.write(
                "key.der",
                key.private_bytes(
                    serialization.Encoding.DER,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
            self._stored("key")
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .sign(self._key(), hashes.SHA256())
        )
        return {"csr": request.public_bytes(serialization.Encoding.DER)}

    def _key(self):
        return serialization.load_der_private_key(self._store.read("key.der"), None)

    def _install(self, install):
        self._need(Step.KEY_READY)
        install.setdefault("trust_bundle", {"version": 0, "anchors": []})
        if self._store.step() == Step.LOCKED:
            self._install_on_locked(install)
            return {}
        try:
            if install["certificate"]:
                _check_certificate(install, self._key().public_key(), self._identity())
            else:
                self._check_deferred(install)
            _check_url(install["enrollment_url"])
        except certificates.Unfit as unfit:
            raise Refused(Fault.REJECTED, str(unfit)) from unfit
        self._keep(install)
        self._stored("install")
        return {}

    def _check_deferred(self, install):
        if self._store.step() >= Step.INSTALLED and not self._store.is_deferred():
            raise certificates.Unfit("this unit has its certificate")
        if install["chain"]:
            raise certificates.Unfit("there is a chain and no certificate")
        certificates.check_anchors(
            [certificates.load(each) for each in install["trust_bundle"]["anchors"]]
        )

    def _install_on_locked(self, install):
        """Takes the certificate that is deferred, and nothing else; what is stored already is taken again."""
        stored = self._store.installation()
        parts = ("certificate", "chain")
        if not self._store.is_deferred():
            same = all(install[part] == stored[part] for part in parts)
        elif not install["certificate"]:
            same = install == stored
        else:
            new = stored | {part: install[part] for part in parts}
            try:
                _check_certificate(new, self._key().public_key(), self._identity())
            except certificates.Unfit as unfit:
                raise Refused(Fault.REJECTED, str(unfit)) from unfit
            self._keep(new)
            self._stored("certificate")
            return
        if not same:
            raise Refused(Fault.LOCKED, "this unit is locked")

    def _keep(self, install):
        self._store.keep_installation(
            install["certificate"], install["chain"], install["trust_bundle"], install["enrollment_url"]
        )

    def _read_back(self, request):
        self._need(Step.INSTALLED)
        if len(request["nonce"]) != messages.NONCE_LEN:
            raise Refused(Fault.UNEXPECTED, "the nonce has not 32 bytes")
        stored = self._store.installation()
        signature = self._key().sign(messages.READ_BACK_PREFIX + request["nonce"], ec.ECDSA(hashes.SHA256()))
        return {
            "certificate": stored["certificate"],
            "chain": stored["chain"],
            "anchors_digest": certificates.anchors_digest(stored["trust_bundle"]["anchors"]),
            "signature": signature,
        }

    def _lock(self, _):
        self._need(Step.INSTALLED)
        if self._store.step() != Step.LOCKED:
            self._store.write("locked", b"")
            self._stored("lock")
        self.locked_now = True
        return {}

    def _need(self, step):
        if self._store.step() < step:
            raise Refused(Fault.UNEXPECTED, f"this unit is not yet {step.name}")


def _fault(code, error):
    return {"code": code, "message": str(error)[:MESSAGE_MAX]}


def _check_certificate(install, key, identity):
    certificate = certificates.load(install["certificate"])
    if certificates.public_bytes(certificate.public_key()) != certificates.public_bytes(key):
        raise certificates.Unfit("the certificate is for another key")
    certificates.check_subject(certificate, *identity)
    certificates.check_chain(
        certificate,
        [certificates.load(each) for each in install["chain"]],
        [certificates.load(each) for each in install["trust_bundle"]["anchors"]],
    )


def _check_url(url):
    try:
        fits = url == "" or (url.startswith("https://") and urllib.parse.urlsplit(url).hostname)
    except ValueError:
        fits = False
    if not fits or len(url.encode()) > URL_BYTES_MAX:
        raise certificates.Unfit("the URL is not https:// with a host, of at most 512 bytes")


def _session(device, reading, writing, idle_seconds):
    """Answers until the station is silent for long, is gone, or has locked the unit."""
    receiver = frames.Receiver()
    while True:
        seconds = SECONDS_AFTER_LOCK if device.locked_now else idle_seconds
        if not select.select([reading], [], [], seconds)[0]:
            return
        data = os.read(reading, 1 << 16)
        if not data:
            return
        for payload in receiver.feed(data):
            answer = device.answer(payload)
            if answer is not None:
                _write(writing, frames.frame(answer))


def _write(descriptor, data):
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def serve_stdio(device, idle_seconds):
    """One session on standard input and output."""
    if os.isatty(0):
        tty.setraw(0)
    try:
        _session(device, 0, 1, idle_seconds)
    except OSError as error:
        print(f"the station is gone: {error}", file=sys.stderr)


def serve_tcp(device, listen, idle_seconds):
    """One session after another on a TCP address, until the unit is locked."""
    with socket.create_server(line.address(listen)) as server:
        host, port = server.getsockname()[:2]
        print(f"listening on {host}:{port}", file=sys.stderr, flush=True)
        while not device.locked_now:
            connection, _ = server.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    _session(device, connection.fileno(), connection.fileno(), idle_seconds)
                except OSError as error:
                    print(f"the station is gone: {error}", file=sys.stderr)
