"""Checks of frames and messages: damage, echoes, unknown fields."""

import random
import secrets

import frames
import messages
import station
from bench import OTHER_SERIAL, PRODUCT, SERIAL, Advice, Checks, must_fault
from line import Gone, run_on_terminal
from messages import Fault, Step
from station import Wrong, check_hello, expect

CHECKS = Checks()
TERMINAL_SECONDS = 10.0
GARBAGE_BYTES = 10_000_000
# No field of a station's message has this number.
UNKNOWN_FIELD = 1000


def _decoy():
    """A request that would give the unit another serial number, if the device took it."""
    return messages.station_message(77, "hello", station.hello_body(PRODUCT, OTHER_SERIAL))


def _padded(payload, length):
    """The message with an unknown field that makes it this long."""
    head = messages.field(UNKNOWN_FIELD, b"x" * (length - len(payload) - 8))
    padding = messages.field(
        UNKNOWN_FIELD, b"x" * (length - len(payload) - 8 + length - len(payload) - len(head))
    )
    return payload + padding


def _flipped():
    frame = bytearray(frames.frame(_decoy()))
    for bit in range(8 * len(frame)):
        frame[bit // 8] ^= 1 << bit % 8
        # A flipped bit in the last zero would damage the next frame as well.
        yield bytes(frame) + b"\0"
        frame[bit // 8] ^= 1 << bit % 8


def _cut():
    frame = frames.frame(_decoy())
    return (frame[:length] for length in range(1, len(frame) - 1))


def _lost():
    frame = frames.frame(_decoy())
    return (frame[:at] + frame[at + 1 :] for at in range(1, len(frame) - 1))


def _invented(byte):
    frame = frames.frame(_decoy())
    return (frame[:at] + byte + frame[at:] for at in range(2, len(frame) - 1))


def _garbage():
    return random.Random(1).randbytes(GARBAGE_BYTES)


_DAMAGE = [
    ("each bit flipped", lambda: b"".join(_flipped())),
    ("a frame cut after each byte", lambda: b"".join(_cut())),
    ("each byte lost", lambda: b"".join(_lost())),
    ("a byte invented at each place", lambda: b"".join(_invented(b"U"))),
    ("a zero invented at each place", lambda: b"".join(_invented(b"\0"))),
    ("a boot loader's greeting", lambda: b"U-Boot 2024.01\r\n"),
    ("every byte value", lambda: bytes(range(256))),
    ("doubled zeros", lambda: b"\0\0\0\0"),
    ("fewer bytes than a checksum", lambda: b"\0\x04abc\0"),
    ("a block that promises more than there is", lambda: b"\0\x09abc\0"),
    ("a frame that is too long", lambda: frames.frame(_padded(_decoy(), frames.PAYLOAD_MAX + 1))),
    ("10 MB of garbage without a zero", lambda: _garbage().replace(b"\0", b"\x01")),
    ("10 MB of garbage with zeros", _garbage),
    ("an empty payload", lambda: frames.frame(b"")),
    ("a payload that is text", lambda: frames.frame(b"not a message")),
    ("a field that is cut", lambda: frames.frame(_decoy()[:-4])),
    ("a varint without an end", lambda: frames.frame(b"\x08" + b"\xff" * 12)),
    (
        "exchange 0",
        lambda: frames.frame(messages.station_message(0, "hello", station.hello_body(PRODUCT, OTHER_SERIAL))),
    ),
]


@CHECKS.check_each(
    _DAMAGE,
    "damage: {case}",
    "damage is answered with DAMAGED_FRAME or not at all, and the next frame is found",
)
def _damage(bench, make):
    unit = bench.unit()
    identity, step = unit.after(make())
    if identity != (PRODUCT, SERIAL) or step != Step.BLANK:
        raise Wrong(f"the damaged request was carried out: the unit is {'/'.join(identity)}")


@CHECKS.check("damage: a request between damaged frames", "a damaged frame does not replace the last answer")
def _damage_between(bench):
    unit = bench.unit(Step.BLANK)
    number = unit.session.next_exchange()
    payload = messages.station_message(number, "generate_key", {"key_type": "p256"})
    answer = unit.ask_payload(payload, number).payload
    unit.line.send(frames.frame(payload)[:20] + b"\0")
    unit.line.drain(0.3)
    if unit.ask_payload(payload, number).payload != answer:
        raise Wrong("the same request was answered with other bytes")


@CHECKS.check_each(
    [(str(seed), seed) for seed in range(1, 4)],
    "damage: a whole session on a bad line, {case}",
    "requests that are sent again carry a session over a line that damages and loses every third frame",
)
def _bad_line(bench, seed):
    unit = bench.unit()
    chance = random.Random(seed)

    def spoil(data):
        fate = chance.random()
        if fate > 0.3 or not data:
            return data
        at = chance.randrange(len(data))
        return [b"", data[:at], data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]][
            int(fate * 10)
        ]

    unit.line.spoil = spoil
    station.whole_session(station.Session(unit.line, answer_seconds=2.0, sends_max=40), PRODUCT, SERIAL)
    unit.restart()
    unit.must_be(Step.LOCKED)


@CHECKS.check("line: a terminal", "a device on a terminal device puts it in raw mode")
def _terminal(bench):
    unit = bench.unit(run=lambda command, values: run_on_terminal(command, values, TERMINAL_SECONDS))
    unit.after(bytes(range(1, 256)))
    station.whole_session(unit.session, PRODUCT, SERIAL)


@CHECKS.check("frames: byte by byte", "a frame may come in any pieces")
def _byte_by_byte(bench):
    unit = bench.unit(Step.BLANK)
    number = unit.session.next_exchange()
    for byte in frames.frame(messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL))):
        unit.line.send(bytes([byte]))
    check_hello(expect(station.Answer(*_received(unit)), "hello"))


def _received(unit):
    payload = unit.line.receive(30)
    message = None if payload is None else station.read(payload)
    if message is None:
        raise Wrong("the device sent a damaged frame")
    return payload, message


@CHECKS.check("frames: one zero between two frames", "zero bytes separate frames")
def _one_zero(bench):
    unit = bench.unit(Step.BLANK)
    payloads = [
        messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL)) for number in (5, 6)
    ]
    unit.line.send(frames.frame(payloads[0]) + frames.frame(payloads[1])[1:])
    numbers = [_received(unit)[1]["exchange"] for _ in payloads]
    if numbers != [5, 6]:
        raise Wrong(f"two requests were answered with the numbers {numbers}")


@CHECKS.check(
    "frames: both forms of a full last block",
    "a receiver takes a full last block with and without one more block 01",
)
def _full_last_block(bench):
    unit = bench.unit(Step.BLANK)
    for ending in (b"\0", b"\1\0"):
        frame = b""
        while len(frame) != 257:
            number = secrets.randbelow(1 << 31) | 1 << 31
            hello = messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL))
            payload = _padded(hello, 250)
            checked = payload + frames.crc32c(payload).to_bytes(4, "little")
            frame = b"\0" + frames.stuff(checked) + b"\0" if b"\0" not in checked else b""
        unit.line.send(frame[:-1] + ending)
        if _received(unit)[1]["exchange"] != number:
            raise Wrong(f"not answered with the ending {ending.hex()}")


@CHECKS.check("frames: 8,192 bytes", "a device receives payloads of at least 8,192 bytes")
def _large(bench):
    unit = bench.unit(Step.BLANK)
    number = unit.session.next_exchange()
    payload = _padded(messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL)), 8_192)
    check_hello(expect(unit.ask_payload(payload, number), "hello"))


_ECHOES = [
    ("HelloResponse", "hello"),
    ("GenerateKeyResponse", "generate_key"),
    ("InstallResponse", "install"),
    ("ReadBackResponse", "read_back"),
    ("a fault", "fault"),
    ("DAMAGED_FRAME", "damage"),
]


@CHECKS.check_each(_ECHOES, "echo: {case}", "a message whose from_device is true is not answered")
def _echo(bench, kind):
    unit = bench.unit(Step.INSTALLED)
    answer = {
        "hello": lambda: unit.hello(),
        "generate_key": lambda: unit.ask("generate_key", {"key_type": "p256"}),
        "install": lambda: unit.ask("install", unit.installed),
        "read_back": lambda: unit.ask("read_back", {"nonce": secrets.token_bytes(32)}),
        "fault": lambda: unit.hello(product="other"),
        "damage": lambda: None,
    }[kind]()
    payload = (
        answer.payload
        if answer
        else messages.device_message(0, "fault", {"code": Fault.DAMAGED_FRAME, "message": "send it again"})
    )
    if not messages.is_from(messages.FROM_DEVICE, payload):
        payload += messages.field(messages.FROM_DEVICE, True)
    try:
        unit.after(frames.frame(payload) * 3, silent=True)
    except Gone as gone:
        unit.restart()
        unit.must_be(Step.INSTALLED)
        raise Advice("the device ends when the line echoes; the document does not say so") from gone


@CHECKS.check("echo: the device's mark", "from_device should be true in each message")
def _mark(bench):
    unit = bench.unit(Step.BLANK)
    if not (unit.hello().from_device and unit.hello(product="other").from_device):
        raise Advice("from_device is not set")


_UNKNOWN = [
    ("a varint", messages.field(UNKNOWN_FIELD, 1 << 63)),
    ("bytes", messages.field(UNKNOWN_FIELD, b"\xff\x00\x80")),
    ("of four bytes", messages.varint(UNKNOWN_FIELD << 3 | 5) + b"\xff" * 4),
    ("of eight bytes", messages.varint(UNKNOWN_FIELD << 3 | 1) + b"\xff" * 8),
]


@CHECKS.check_each(
    _UNKNOWN, "messages: an unknown field, {case}", "unknown fields are ignored, also in the messages within"
)
def _unknown_field(bench, extra):
    unit = bench.unit()
    number = unit.session.next_exchange()
    hello = extra + messages.encode("Hello", station.hello_body(PRODUCT, SERIAL)) + extra
    payload = (
        extra
        + messages.field(1, number)
        + messages.field(2, hello)
        + messages.field(messages.FROM_STATION, True)
        + extra
    )
    check_hello(expect(unit.ask_payload(payload, number), "hello"))


@CHECKS.check(
    "messages: fields in another order, defaults written out",
    "fields come in any order; a default may be there",
)
def _order(bench):
    unit = bench.unit(Step.BLANK)
    number = unit.session.next_exchange()
    hello = messages.field(3, PRODUCT.encode()) + messages.field(2, b"") + messages.field(1, 1)
    payload = (
        messages.field(messages.FROM_STATION, True) + messages.field(2, hello) + messages.field(1, number)
    )
    check_hello(expect(unit.ask_payload(payload, number), "hello"))


@CHECKS.check(
    "messages: unknown requests", "a request that the device does not know is UNEXPECTED, with its number"
)
def _unknown_request(bench):
    unit = bench.unit(Step.BLANK)
    for request in (messages.field(13, b""), messages.field(9, b"\x08\x01"), b""):
        number = unit.session.next_exchange()
        payload = messages.field(1, number) + request + messages.field(messages.FROM_STATION, True)
        must_fault(unit.ask_payload(payload, number), Fault.UNEXPECTED)
    unit.must_be(Step.BLANK)


@CHECKS.check(
    "messages: exchange numbers", "each number but 0 is good, and an answer carries the number of its request"
)
def _numbers(bench):
    unit = bench.unit(Step.BLANK)
    for number in (4_294_967_295, 1, 127, 128, 7, 6):
        payload = messages.station_message(number, "hello", station.hello_body(PRODUCT, SERIAL))
        check_hello(expect(unit.ask_payload(payload, number), "hello"))
