"""Layer 2: payloads in frames. COBS with a CRC-32C, zero bytes between frames."""

PAYLOAD_MAX = 65_536
CHECKSUM_LEN = 4


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data):
    """The checksum of RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def stuff(data):
    """Encodes with COBS: the result has no zero byte."""
    out = bytearray()
    data = bytes(data) + b"\0"
    at = 0
    while at < len(data):
        zero = data.find(b"\0", at, at + 254)
        count = zero - at if zero >= 0 else 254
        out.append(count + 1)
        out += data[at : at + count]
        at += count
        if count < 254:
            at += 1
        elif at == len(data) - 1:
            break
    return bytes(out)


def unstuff(data):
    """Decodes COBS; None if it does not fit."""
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if code == 0 or len(block) < code - 1:
            return None
        out += block
        at += code
        if code < 0xFF and at < len(data):
            out.append(0)
    return bytes(out)


def frame(payload):
    """The payload as a frame, with both zero bytes."""
    return b"\0" + stuff(payload + crc32c(payload).to_bytes(CHECKSUM_LEN, "little")) + b"\0"


def unframe(collected, payload_max=PAYLOAD_MAX):
    """The payload of the bytes between two zeros; None if they are damaged."""
    data = unstuff(collected)
    if data is None or not CHECKSUM_LEN <= len(data) <= payload_max + CHECKSUM_LEN:
        return None
    payload, checksum = data[:-CHECKSUM_LEN], data[-CHECKSUM_LEN:]
    return payload if crc32c(payload) == int.from_bytes(checksum, "little") else None


class Receiver:
    """Finds frames in a stream of bytes."""

    def __init__(self, payload_max=PAYLOAD_MAX):
        self._payload_max = payload_max
        data_max = payload_max + CHECKSUM_LEN
        self._collected_max = data_max + data_max // 254 + 2
        self._collected = bytearray()
        self._too_long = False

    def feed(self, data):
        """Takes bytes; returns what ended in them: payloads, and None for each damaged frame."""
        found = []
        *ended, rest = data.split(b"\0")
        for part in ended:
            self._collect(part)
            if self._too_long:
                found.append(None)
            elif self._collected:
                found.append(unframe(self._collected, self._payload_max))
            self._collected.clear()
            self._too_long = False
        self._collect(rest)
        return found

    def _collect(self, part):
        if self._too_long or len(self._collected) + len(part) > self._collected_max:
            self._too_long = True
            self._collected.clear()
        else:
            self._collected += part
