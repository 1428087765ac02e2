"""Layer 3: the messages as dictionaries, and their protobuf encoding by hand."""

import enum

PROTOCOL_VERSION = 1
NONCE_LEN = 32
DEFERRAL = "deferral"
READ_BACK_PREFIX = b"touchmark read-back v1\0"


class Step(enum.IntEnum):
    """The progress of a device."""

    BLANK = 1
    KEY_READY = 2
    INSTALLED = 3
    LOCKED = 4


class Fault(enum.IntEnum):
    """Why a device does not do what it is asked."""

    DAMAGED_FRAME = 1
    LOCKED = 2
    UNEXPECTED = 3
    REJECTED = 4
    STORAGE = 5
    WRONG_DEVICE = 6


# For each message, its fields: number, name, type, and whether it is repeated. A type that is a key of this
# table is a message.
_FIELDS = {
    "StationMessage": [
        (1, "exchange", "uint32", False),
        (2, "hello", "Hello", False),
        (3, "generate_key", "GenerateKey", False),
        (4, "install", "Install", False),
        (5, "read_back", "ReadBack", False),
        (6, "lock", "Lock", False),
        (14, "from_station", "bool", False),
    ],
    "DeviceMessage": [
        (1, "exchange", "uint32", False),
        (2, "hello", "HelloResponse", False),
        (3, "generate_key", "GenerateKeyResponse", False),
        (4, "install", "InstallResponse", False),
        (5, "read_back", "ReadBackResponse", False),
        (6, "lock", "LockResponse", False),
        (7, "fault", "DeviceFault", False),
        (15, "from_device", "bool", False),
    ],
    "Hello": [
        (1, "protocol_version", "uint32", False),
        (2, "assigned_serial", "text", False),
        (3, "product", "text", False),
        (4, "withdrawn_serials", "text", True),
    ],
    "HelloResponse": [
        (1, "protocol_version", "uint32", False),
        (2, "device", "DeviceId", False),
        (3, "firmware", "text", False),
        (4, "key_types", "text", True),
        (5, "step", "uint32", False),
        (6, "capabilities", "text", True),
        (7, "certificate_deferred", "bool", False),
    ],
    "DeviceId": [(1, "product", "text", False), (2, "serial", "text", False)],
    "GenerateKey": [(1, "key_type", "text", False)],
    "GenerateKeyResponse": [(1, "csr", "bytes", False)],
    "Install": [
        (1, "certificate", "bytes", False),
        (2, "chain", "bytes", True),
        (3, "trust_bundle", "TrustBundle", False),
        (4, "enrollment_url", "text", False),
    ],
    "TrustBundle": [(1, "version", "uint64", False), (2, "anchors", "bytes", True)],
    "InstallResponse": [],
    "ReadBack": [(1, "nonce", "bytes", False)],
    "ReadBackResponse": [
        (1, "certificate", "bytes", False),
        (2, "chain", "bytes", True),
        (3, "anchors_digest", "bytes", False),
        (4, "signature", "bytes", False),
    ],
    "Lock": [],
    "LockResponse": [],
    "DeviceFault": [(1, "code", "uint32", False), (2, "message", "text", False)],
}
_DEFAULTS = {"uint32": 0, "uint64": 0, "bool": False, "text": "", "bytes": b""}
_VARINTS = ("uint32", "uint64", "bool")
REQUESTS = ("hello", "generate_key", "install", "read_back", "lock")
ANSWERS = REQUESTS + ("fault",)
FROM_STATION, FROM_DEVICE = 14, 15


class Malformed(ValueError):
    """The bytes are not such a message."""


def varint(value):
    """A number in groups of seven bits, the least significant first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One field: a varint for an int, a length and the bytes otherwise."""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    return varint(number << 3 | 2) + varint(len(value)) + value


def _take_varint(data, at):
    value = 0
    for group in range(10):
        if at >= len(data):
            raise Malformed("a varint is cut")
        value |= (data[at] & 0x7F) << 7 * group
        at += 1
        if data[at - 1] < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Malformed("a varint of more than ten bytes")


def fields(data):
    """The fields of a message in their order: number, wire type and value."""
    found, at = [], 0
    while at < len(data):
        key, at = _take_varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Malformed("a field has the number zero")
        if wire == 0:
            value, at = _take_varint(data, at)
        elif wire in (1, 2, 5):
            # Wire types 1 and 5 are in no message of this protocol, but an unknown field can have them.
            length, at = _take_varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            if length > len(data) - at:
                raise Malformed("a field is cut")
            value, at = data[at : at + length], at + length
        else:
            raise Malformed(f"wire type {wire}")
        found.append((number, wire, value))
    return found


def encode(message, values):
    """The bytes of a message. Fields with their default value are left out."""
    out = bytearray()
    for number, name, kind, repeated in _FIELDS[message]:
        if name not in values:
            continue
        for value in values[name] if repeated else [values[name]]:
            if kind in _FIELDS:
                out += field(number, encode(kind, value))
            elif repeated or value != _DEFAULTS[kind]:
                out += field(number, value.encode() if kind == "text" else value)
    return bytes(out)


def decode(message, data):
    """The fields of a message. Those that are missing have their default; missing messages are not there."""
    known = {entry[0]: entry[1:] for entry in _FIELDS[message]}
    values = {
        name: [] if repeated else _DEFAULTS[kind]
        for _, name, kind, repeated in _FIELDS[message]
        if repeated or kind not in _FIELDS
    }
    for number, wire, raw in fields(data):
        if number not in known:
            continue
        name, kind, repeated = known[number]
        if wire != (0 if kind in _VARINTS else 2):
            raise Malformed(f"{name} has wire type {wire}")
        value = _value(kind, raw)
        if repeated:
            values[name].append(value)
        else:
            values[name] = value
    return values


def _value(kind, raw):
    if kind in _FIELDS:
        return decode(kind, raw)
    if kind == "text":
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed("text is not UTF-8") from error
    if kind == "uint32":
        return raw & 0xFFFF_FFFF
    return bool(raw) if kind == "bool" else raw


def is_from(sender, data):
    """Whether the message says that it is from this side. Nothing else of it is looked at: as a message of
    the other side it may not be well-formed."""
    return any(number == sender and wire == 0 and value for number, wire, value in fields(data))


def station_message(exchange, request, body):
    """A request as a payload."""
    return encode("StationMessage", {"exchange": exchange, request: body, "from_station": True})


def device_message(exchange, answer, body):
    """An answer as a payload."""
    return encode("DeviceMessage", {"exchange": exchange, answer: body, "from_device": True})


def content(names, values):
    """The one request or answer in a message, by name; two Nones if there is none that we know."""
    return next(((name, values[name]) for name in names if name in values), (None, None))
