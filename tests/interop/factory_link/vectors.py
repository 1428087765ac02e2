"""Compares this implementation with the test vectors."""

import json

import certificates
import frames
import messages

_BYTES = {"certificate", "chain", "anchors", "csr", "nonce", "anchors_digest", "signature"}


def _unhex(value, name=None):
    """The values of a vector: what are bytes in a message is written in hexadecimal."""
    if isinstance(value, dict):
        return {key: _unhex(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_unhex(item, name) for item in value]
    return bytes.fromhex(value) if name in _BYTES else value


def _filled(message, values):
    """The values with the defaults that an encoding leaves out."""
    return messages.decode(message, messages.encode(message, values))


def _frames(data):
    for vector in data["frames"]:
        payload, frame = bytes.fromhex(vector["payload"]), bytes.fromhex(vector["frame"])
        checksum = frames.crc32c(payload).to_bytes(4, "little").hex()
        yield (
            vector["name"],
            (
                checksum == vector["checksum"]
                and frames.frame(payload) == frame
                and frames.Receiver().feed(frame) == [payload]
            ),
        )


def _streams(data):
    for vector in data["streams"]:
        stream = bytes.fromhex(vector["bytes"])
        wanted = [None if payload is None else bytes.fromhex(payload) for payload in vector["found"]]
        receiver = frames.Receiver()
        one_by_one = [found for byte in stream for found in receiver.feed(bytes([byte]))]
        yield vector["name"], frames.Receiver().feed(stream) == wanted == one_by_one


def _messages(data, side, message):
    for vector in data[side]:
        values = {key: item for key, item in _unhex(vector).items() if key not in ("name", "bytes")}
        values[f"from_{side}"] = True
        encoded = bytes.fromhex(vector["bytes"])
        yield (
            vector["name"],
            (
                messages.encode(message, values) == encoded
                and messages.decode(message, encoded) == _filled(message, values)
            ),
        )


def _proofs(data):
    for number, vector in enumerate(data["anchors_digests"]):
        anchors = [bytes.fromhex(anchor) for anchor in vector["anchors"]]
        yield f"anchors digest {number}", certificates.anchors_digest(anchors).hex() == vector["digest"]
    vector = data["read_back"]
    signed = messages.READ_BACK_PREFIX + bytes.fromhex(vector["nonce"])
    yield "message of a read-back", signed.hex() == vector["signed_message"]


def run(paths):
    """Prints a line for each vector; the number of those that differ."""
    differ = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        results = []
        if "frames" in data:
            results += [*_frames(data), *_streams(data)]
        if "station" in data:
            results += [
                *_messages(data, "station", "StationMessage"),
                *_messages(data, "device", "DeviceMessage"),
            ]
        if "read_back" in data:
            results += [*_proofs(data)]
        if not results:
            results = [("no vectors that this program knows", False)]
        for name, same in results:
            print(f"{'ok    ' if same else 'BROKEN'} {path}: {name}")
            differ += not same
    return differ
