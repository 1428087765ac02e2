"""Judges a closing report with pyca: the manifest's JWS, the registration's certificates, the detached signatures.

Usage: closing_report.py DIRECTORY ROOT.pem
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs7


def url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main(directory, root_file):
    directory = pathlib.Path(directory)
    root = x509.load_pem_x509_certificate(pathlib.Path(root_file).read_bytes())
    signer = x509.load_pem_x509_certificate((directory / "signer.pem").read_bytes())
    signer.verify_directly_issued_by(root)
    der = signer.public_bytes(serialization.Encoding.DER)
    purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose.dotted_string for purpose in purposes] == ["1.3.6.1.5.5.7.3.4"], purposes

    report = json.loads((directory / "report.json").read_text())
    passed = {unit["serial"]: unit for unit in report["units"] if unit["outcome"] == "passed"}

    elements = json.loads((directory / "manifest.jws.json").read_text())
    seen = set()
    for element in elements:
        protected = json.loads(url(element["protected"]))
        assert protected["alg"] == "ES256", protected
        assert url(protected["x5t#S256"]) == hashlib.sha256(der).digest()
        signature = url(element["signature"])
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        signed = f"{element['protected']}.{element['payload']}".encode()
        signer.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        payload = json.loads(url(element["payload"]))
        assert payload["uniqueId"] == element["header"]["uniqueId"]
        assert payload["uniqueId"] not in seen
        seen.add(payload["uniqueId"])
        [key] = payload["publicKeySet"]["keys"]
        leaf, issuer = (x509.load_der_x509_certificate(base64.b64decode(der)) for der in key["x5c"])
        leaf.verify_directly_issued_by(issuer)
        issuer.verify_directly_issued_by(root)
        numbers = leaf.public_key().public_numbers()
        assert int.from_bytes(url(key["x"]), "big") == numbers.x
        assert int.from_bytes(url(key["y"]), "big") == numbers.y
        unit = passed[payload["uniqueId"]]
        assert leaf.serial_number == int(unit["certificate_serial"], 16)
    assert seen == set(passed), (seen, set(passed))

    things = [json.loads(line) for line in (directory / "aws-registration.ndjson").read_text().splitlines()]
    for thing in things:
        assert set(thing) == {"ThingName", "SerialNumber", "CertificatePem", "CACertificatePem"}, thing
        leaf = x509.load_pem_x509_certificate(thing["CertificatePem"].encode())
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(thing["CACertificatePem"].encode()))
        assert thing["ThingName"] == f"{report['product']}_{thing['SerialNumber']}"
    assert {thing["SerialNumber"] for thing in things} == set(passed)

    signatures = sorted(directory.glob("*.p7s"))
    for signature in signatures:
        [included] = pkcs7.load_der_pkcs7_certificates(signature.read_bytes())
        assert included == signer, signature
    print(f"{len(elements)} units in the manifest, {len(things)} in the registration, {len(signatures)} signatures")


main(*sys.argv[1:])
