#!/usr/bin/env python3
"""Fingerprints of published private keys, for known_test_keys.txt.

    fingerprints.py SOURCE=DIRECTORY...

Looks through the files of each directory for private keys that are not encrypted: PEM, also where it is quoted in source code; DER; JWK;
the "d = ..." of NIST's vectors; the pairs of Ed25519's sign.input; 32 bytes in hex that are called a private key. For each that a CA of
Touchmark could be asked to certify, prints the SHA-256 over its SubjectPublicKeyInfo, below where it was found. Needs `cryptography`.
"""
import base64
import hashlib
import pathlib
import re
import sys
import warnings

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

warnings.simplefilter("ignore")
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
FILE_BYTES_MAX = 16 * 1024 * 1024
PEM = re.compile(r"-----BEGIN ((?:RSA |EC )?)(?:PRIVATE|TESTING) KEY-----(.*?)-----END", re.DOTALL)
QUOTES = re.compile(r'\\r|\\n|[^A-Za-z0-9+/=]')
JWK = re.compile(r"\{[^{}]*\}")
FIELD = re.compile(r"""["']?(crv|d)["']?\s*[:=]>?\s*["']([A-Za-z0-9_=-]+)["']""")
HEX_KEY = re.compile(r"PrivateKey\s*=\s*[A-Za-z.]*fromHex\(\s*[\"']([0-9A-Fa-f]{64})[\"']")
CAVP = re.compile(r"^\[(P-256|P-384|[A-Z]+-\d+)[,\]]|^d = ([0-9A-Fa-f]+)\s*$", re.MULTILINE)


def on_curve(name, scalar):
    return ec.derive_private_key(scalar, CURVES[name])


def private_keys(path):
    """All that can be loaded; what cannot is not a key."""
    data = path.read_bytes()
    if data[:1] == b"\x30":
        yield lambda: serialization.load_der_private_key(data, None)
    text = data.decode("latin-1")
    for kind, body in PEM.findall(text):
        if "ENCRYPTED" in body:
            continue
        pem = f"-----BEGIN {kind}PRIVATE KEY-----\n{QUOTES.sub('', body)}\n-----END {kind}PRIVATE KEY-----\n".encode()
        yield lambda: serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    for candidate in JWK.findall(text) if '"d"' in text or "'d'" in text else ():
        fields = dict(FIELD.findall(candidate))
        octets = base64.urlsafe_b64decode(fields.get("d", "") + "===") if "crv" in fields else b""
        if fields.get("crv") in CURVES:
            yield lambda: on_curve(fields["crv"], int.from_bytes(octets, "big"))
        elif fields.get("crv") == "Ed25519":
            yield lambda: ed25519.Ed25519PrivateKey.from_private_bytes(octets)
    for digits in HEX_KEY.findall(text):
        yield lambda: on_curve("P-256", int(digits, 16))
    if path.suffix in (".rsp", ".txt"):
        curve = None
        for heading, scalar in CAVP.findall(text):
            curve = heading or curve
            if scalar and curve in CURVES:
                yield lambda: on_curve(curve, int(scalar, 16))
    if path.name == "sign.input":
        for line in text.splitlines():
            yield lambda: ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(line[:64]))


def fingerprint(key):
    """None for a key that no CA of Touchmark reads."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size not in (2048, 3072, 4096) or public.public_numbers().e != 65537:
            return None
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.name not in ("secp256r1", "secp384r1"):
            return None
    elif not isinstance(public, ed25519.Ed25519PublicKey):
        return None
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def main():
    found = {}
    for argument in sys.argv[1:]:
        source, directory = argument.split("=", 1)
        root = pathlib.Path(directory)
        for path in sorted(root.rglob("*")):
            if not path.is_file() or path.is_symlink() or path.stat().st_size > FILE_BYTES_MAX:
                continue
            for load in private_keys(path):
                try:
                    digits = fingerprint(load())
                except Exception:  # not a key after all
                    continue
                if digits:
                    found.setdefault(digits, f"{source} {path.relative_to(root)}")
    heading = None
    for where, digits in sorted((where, digits) for digits, where in found.items()):
        if where != heading:
            print(f"\n# {where}")
        heading = where
        print(digits)


main()
