#!/usr/bin/env python3
"""Writes the test vectors of the factory link (docs/protocol.md) beside itself. Needs nothing but Python."""

import hashlib
import json
import pathlib


def crc32c(data):
    """CRC-32C, docs/protocol.md, layer 2."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data):
    data = data + b"\0"
    out = b""
    while data:
        n = min(data.index(0), 254)
        out += bytes([n + 1]) + data[:n]
        data = data[n:]
        if n < 254:
            data = data[1:]
        elif data == b"\0":
            break
    return out


def body(payload):
    return cobs(payload + crc32c(payload).to_bytes(4, "little"))


def frame(payload):
    return b"\0" + body(payload) + b"\0"


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def octets(field, value, even_if_empty=False):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value if value or even_if_empty else b""


def repeated(field, values):
    return b"".join(octets(field, value, True) for value in values)


def message(field, content):
    return octets(field, content, True)


PRINTED_MAX = 2048


def frames():
    """Payloads and their frames. Long ones are described instead of printed."""
    ramp = bytes(range(256))
    cases = [
        ("nothing", b""),
        ("one zero", b"\0"),
        ("the check value", b"123456789"),
        ("zeros only", b"\0" * 9),
        ("253 bytes without a zero", bytes(range(1, 254))),
        ("250 bytes, so that payload and checksum fill one block", bytes(250 * [0x55])),
        ("254 bytes without a zero", bytes(range(1, 255))),
        ("255 bytes without a zero", bytes(range(1, 256))),
        ("every byte value", ramp),
        ("a long message", ramp * 7),
    ]
    return [
        {"name": name, "payload": payload.hex(), "checksum": crc32c(payload).to_bytes(4, "little").hex(),
         "frame": frame(payload).hex()}
        for name, payload in cases
        if len(payload) <= PRINTED_MAX
    ]


def streams():
    """Streams of bytes, and what a receiver finds in them: payloads, and `null` for a damaged frame."""
    one, two = b"first", b"second \0 message"
    flipped = bytearray(frame(one))
    flipped[3] ^= 1
    cut = frame(one)[:-4]
    extra = b"\0" + body(b"A" * 250) + b"\x01\0" if len(body(b"A" * 250)) == 255 else None
    cases = [
        ("two frames", frame(one) + frame(two), [one, two]),
        ("one zero between two frames", frame(one) + frame(two)[1:], [one, two]),
        ("many zeros between two frames", frame(one) + b"\0" * 9 + frame(two), [one, two]),
        ("a boot greeting before the first frame", b"U-Boot 2024.01\r\n" + frame(one), [None, one]),
        ("a changed bit", bytes(flipped) + frame(two), [None, two]),
        ("a frame that is cut", cut + frame(two), [None, two]),
        ("a frame without its first zero", frame(one)[1:] + frame(two), [one, two]),
        ("a frame that is cut at the end of the stream", frame(one) + cut, [one]),
        ("three bytes, fewer than a checksum", b"\0" + cobs(b"abc") + b"\0" + frame(one), [None, one]),
        ("a block that promises more than there is", b"\0\x09abc\0" + frame(one), [None, one]),
        ("the same frame twice", frame(one) * 2, [one, one]),
        ("nothing but zeros", b"\0" * 20, []),
    ]
    if extra is not None:
        cases.append(("a full last block with one more empty block", extra, [b"A" * 250]))
    return [
        {"name": name, "bytes": stream.hex(), "found": [None if it is None else it.hex() for it in found]}
        for name, stream, found in cases
    ]


def messages():
    """Messages as fields, and their bytes with the fields in ascending order."""
    from_station, from_device = number(14, 1), number(15, 1)
    csr, leaf, issuer, root = b"\x30\x03csr", b"\x30\x04leaf", b"\x30\x06issuer", b"\x30\x04root"
    nonce = bytes(range(32))
    digest = anchors_digest([root])
    signature = b"\x30\x06\x02\x01\x01\x02\x01\x02"
    station = [
        ("Hello with a serial number", 1,
         {"hello": {"protocol_version": 1, "assigned_serial": "SN000123", "product": "cam-2"}},
         message(2, number(1, 1) + octets(2, "SN000123") + octets(3, "cam-2"))),
        ("Hello that asks for the unit's own serial number", 7,
         {"hello": {"protocol_version": 1, "product": "cam-2"}}, message(2, number(1, 1) + octets(3, "cam-2"))),
        ("Hello with withdrawn serial numbers", 300,
         {"hello": {"protocol_version": 1, "assigned_serial": "SN3", "product": "cam-2",
                    "withdrawn_serials": ["SN1", "SN2"]}},
         message(2, number(1, 1) + octets(2, "SN3") + octets(3, "cam-2") + repeated(4, ["SN1", "SN2"]))),
        ("GenerateKey", 2, {"generate_key": {"key_type": "p256"}}, message(3, octets(1, "p256"))),
        ("Install", 4294967295,
         {"install": {"certificate": leaf.hex(), "chain": [issuer.hex()],
                      "trust_bundle": {"version": 1, "anchors": [root.hex()]},
                      "enrollment_url": "https://ca.example.com:8443"}},
         message(4, octets(1, leaf) + repeated(2, [issuer])
                 + message(3, number(1, 1) + repeated(2, [root])) + octets(4, "https://ca.example.com:8443"))),
        ("Install without a certificate", 8,
         {"install": {"certificate": "", "chain": [],
                      "trust_bundle": {"version": 1, "anchors": [root.hex()]},
                      "enrollment_url": "https://ca.example.com:8443"}},
         message(4, message(3, number(1, 1) + repeated(2, [root])) + octets(4, "https://ca.example.com:8443"))),
        ("ReadBack", 4, {"read_back": {"nonce": nonce.hex()}}, message(5, octets(1, nonce))),
        ("Lock", 5, {"lock": {}}, message(6, b"")),
    ]
    device = [
        ("HelloResponse", 1,
         {"hello": {"protocol_version": 1, "device": {"product": "cam-2", "serial": "SN000123"},
                    "firmware": "fw 1.0", "key_types": ["p256"], "step": 1}},
         message(2, number(1, 1) + message(2, octets(1, "cam-2") + octets(2, "SN000123"))
                 + octets(3, "fw 1.0") + repeated(4, ["p256"]) + number(5, 1))),
        ("HelloResponse of a locked unit whose certificate is deferred", 9,
         {"hello": {"protocol_version": 1, "device": {"product": "cam-2", "serial": "SN000123"},
                    "firmware": "fw 1.1", "key_types": ["p256"], "step": 4, "capabilities": ["deferral"],
                    "certificate_deferred": True}},
         message(2, number(1, 1) + message(2, octets(1, "cam-2") + octets(2, "SN000123"))
                 + octets(3, "fw 1.1") + repeated(4, ["p256"]) + number(5, 4) + repeated(6, ["deferral"])
                 + number(7, 1))),
        ("GenerateKeyResponse", 2, {"generate_key": {"csr": csr.hex()}}, message(3, octets(1, csr))),
        ("InstallResponse", 3, {"install": {}}, message(4, b"")),
        ("ReadBackResponse", 4,
         {"read_back": {"certificate": leaf.hex(), "chain": [issuer.hex()], "anchors_digest": digest.hex(),
                        "signature": signature.hex()}},
         message(5, octets(1, leaf) + repeated(2, [issuer]) + octets(3, digest) + octets(4, signature))),
        ("ReadBackResponse without a certificate", 10,
         {"read_back": {"certificate": "", "chain": [], "anchors_digest": digest.hex(),
                        "signature": signature.hex()}},
         message(5, octets(3, digest) + octets(4, signature))),
        ("LockResponse", 5, {"lock": {}}, message(6, b"")),
        ("the fault DAMAGED_FRAME", 0, {"fault": {"code": 1, "message": "send it again"}},
         message(7, number(1, 1) + octets(2, "send it again"))),
    ]
    return {
        "station": [vector(name, exchange, fields, content, from_station)
                    for name, exchange, fields, content in station],
        "device": [vector(name, exchange, fields, content, from_device)
                   for name, exchange, fields, content in device],
    }


def vector(name, exchange, fields, content, origin):
    return {"name": name, "exchange": exchange, **fields,
            "bytes": (number(1, exchange) + content + origin).hex()}


def anchors_digest(anchors):
    return hashlib.sha256(b"".join(len(it).to_bytes(4, "big") + it for it in anchors)).digest()


def proof():
    nonce = bytes(range(32))
    lists = [[], [b"\x30\x04root"], [b"\x30\x04root", bytes(300)]]
    return {
        "anchors_digests": [
            {"anchors": [it.hex() for it in anchors], "digest": anchors_digest(anchors).hex()}
            for anchors in lists
        ],
        "read_back": {"nonce": nonce.hex(), "signed_message": (b"touchmark read-back v1\0" + nonce).hex()},
    }


def main():
    here = pathlib.Path(__file__).parent
    assert crc32c(b"123456789") == 0xE3069283
    for name, content in [
        ("frames", {"frames": frames(), "streams": streams()}),
        ("messages", messages()),
        ("proof", proof()),
    ]:
        (here / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
