"""Certificates: what a device checks, and the small CA of the station."""

import datetime
import hashlib
import secrets

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

CHAIN_MAX = 4
ANCHORS_MAX = 4


class Unfit(ValueError):
    """A certificate, chain or request is not what the protocol asks for."""


def anchors_digest(anchors):
    """The digest of the anchors in their order."""
    return hashlib.sha256(b"".join(len(anchor).to_bytes(4, "big") + anchor for anchor in anchors)).digest()


def public_bytes(key):
    """A public key as SubjectPublicKeyInfo, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load(der):
    """A certificate of DER bytes."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.subject, certificate.extensions, certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Unfit(f"a certificate cannot be read: {error}") from error
    return certificate


def check_subject(certificate, product, serial):
    """Refuses a certificate that does not name exactly this device."""
    for oid, what, wanted in (
        (NameOID.SERIAL_NUMBER, "serialNumber", serial),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU", product),
    ):
        values = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]
        if values != [wanted]:
            raise Unfit(f"the subject's {what} is {values}, not {wanted!r}")


def check_anchors(anchors):
    """Refuses a number of anchors that is not allowed, and one that is not self-signed."""
    if not 1 <= len(anchors) <= ANCHORS_MAX:
        raise Unfit(f"{len(anchors)} anchors")
    for anchor in anchors:
        _check_issued(anchor, anchor, "an anchor is not self-signed")


def check_chain(certificate, chain, anchors):
    """Refuses a chain that does not lead from the certificate to one of the anchors. No clock is asked."""
    if len(chain) > CHAIN_MAX:
        raise Unfit(f"{len(chain)} certificates in the chain")
    check_anchors(anchors)
    for child, issuer in zip([certificate, *chain], chain):
        _check_issued(child, issuer, "the chain is broken")
    last = [certificate, *chain][-1]
    if not any(_issued(last, anchor) for anchor in anchors):
        raise Unfit("the chain leads to none of the anchors")
    for below, issuer in enumerate(chain):
        _check_authority(issuer, below)
    if all(
        isinstance(each.public_key(), (ec.EllipticCurvePublicKey, rsa.RSAPublicKey))
        for each in [*chain, *anchors]
    ):
        _verify_as_web(certificate, chain, anchors)


def _issued(child, issuer):
    try:
        child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_issued(child, issuer, otherwise):
    if not _issued(child, issuer):
        raise Unfit(otherwise)


def _check_authority(issuer, below):
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Unfit("an issuer is not a CA") from error
    if (
        not basic.ca
        or not usage.key_cert_sign
        or (basic.path_length is not None and basic.path_length < below)
    ):
        raise Unfit("an issuer may not sign the certificate below it")


def _verify_as_web(certificate, chain, anchors):
    """The rest of RFC 5280, by the library, at a time when the whole chain is valid: names, critical
    extensions, algorithms."""
    time = max(each.not_valid_before_utc for each in [certificate, *chain, *anchors])
    if any(each.not_valid_after_utc < time for each in [certificate, *chain, *anchors]):
        return
    builder = (
        PolicyBuilder()
        .store(Store(anchors))
        .time(time.replace(tzinfo=None))
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
    )
    try:
        builder.build_client_verifier().verify(certificate, chain)
    except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
        raise Unfit(f"the chain is not valid: {error}") from error


def check_request(der):
    """Refuses a certificate request that is not as the document says; returns its public key."""
    if len(der) > 8_192:
        raise Unfit(f"a request of {len(der)} bytes")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        valid = request.is_signature_valid
        reencoded = request.public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unfit(f"the request cannot be read: {error}") from error
    if reencoded != der:
        raise Unfit("the request is not DER")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unfit("the request's key is not on P-256")
    if public_bytes(key) not in der:
        raise Unfit("the request's key is not a named curve with an uncompressed point")
    if request.signature_algorithm_oid.dotted_string != "1.2.840.10045.4.3.2" or not valid:
        raise Unfit("the request's signature is not a valid ecdsa-with-SHA256")
    return key


class Authority:
    """A root and the issuers below it. The last of them signs the birth certificates."""

    def __init__(self, issuers=1, name="Interop"):
        self._keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(issuers + 1)]
        self._names = [
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} CA {depth}")])
            for depth in range(issuers + 1)
        ]
        made = [self._authority(depth) for depth in range(issuers + 1)]
        self.root = made[0].public_bytes(Encoding.DER)
        # The nearest first.
        self.chain = [each.public_bytes(Encoding.DER) for each in reversed(made[1:])]

    def _authority(self, depth):
        usage = x509.KeyUsage(
            False,
            False,
            False,
            False,
            False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            self._builder(self._names[depth], self._keys[depth].public_key(), max(depth - 1, 0))
            .add_extension(
                x509.BasicConstraints(ca=True, path_length=len(self._keys) - 1 - depth), critical=True
            )
            .add_extension(usage, critical=True)
        )
        return builder.sign(self._keys[max(depth - 1, 0)], hashes.SHA256())

    def _builder(self, subject, key, issuer):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._names[issuer])
            .public_key(key)
            .serial_number(secrets.randbits(127) | 1 << 126)
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._keys[issuer].public_key()),
                critical=False,
            )
        )

    def issue(self, key, products, serials):
        """A birth certificate for this key. A device has one product and one serial number; a bad certificate
        has others."""
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, product) for product in products]
            + [x509.NameAttribute(NameOID.SERIAL_NUMBER, serial) for serial in serials]
        )
        usage = x509.KeyUsage(
            True,
            False,
            False,
            False,
            False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            self._builder(subject, key, len(self._keys) - 1)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        return builder.sign(self._keys[-1], hashes.SHA256()).public_bytes(Encoding.DER)
