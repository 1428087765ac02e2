"""Asks pyca/cryptography whether certificates are revoked, since when and why.

Reads a table of cases (name, certificate, issuer; files in PEM). Fetches the list and asks for the status where the certificate says,
verifies both, and prints for each its name, `crl` or `ocsp`, and `good`, or `revoked`, the unix time and the reason of RFC 5280, or
`refused` and why.
"""
import sys
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

# Without the proxies of the environment: what is asked is on the loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SECONDS_MAX = 20


def fetch(url, body=None, kind=None):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind} if kind else {})
    with OPENER.open(request, timeout=SECONDS_MAX) as answer:
        return answer.read()


def certificate(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificates(file.read())[0]


def revoked(time, reason):
    return f"revoked\t{int(time.timestamp())}\t{reason.value if reason else 'unspecified'}"


def by_list(leaf, issuer):
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    [url] = [name.value for name in points[0].full_name]
    crl = x509.load_der_x509_crl(fetch(url))
    assert crl.issuer == leaf.issuer == issuer.subject, "another issuer's list"
    assert crl.is_signature_valid(issuer.public_key()), "the list's signature"
    scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert scope.critical and [name.value for name in scope.value.full_name] == [url], "another shard's list"
    entry = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
    if entry is None:
        return "good"
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = None
    return revoked(entry.revocation_date_utc, reason)


def by_status(leaf, issuer):
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    [url] = [it.access_location.value for it in access if it.access_method == AuthorityInformationAccessOID.OCSP]
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256())
    question = builder.add_extension(x509.OCSPNonce(b"a nonce of pyca."), critical=False).build()
    der = fetch(url, question.public_bytes(Encoding.DER), "application/ocsp-request")
    answer = ocsp.load_der_ocsp_response(der)
    assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL, answer.response_status
    assert answer.serial_number == leaf.serial_number, "another certificate's status"
    nonce = answer.extensions.get_extension_for_class(x509.OCSPNonce).value
    assert nonce == x509.OCSPNonce(b"a nonce of pyca."), "another question's answer"
    # RFC 6960, section 4.2.2.2: who signs for an issuer was told so by the issuer itself.
    [signer] = answer.certificates
    signer.verify_directly_issued_by(issuer)
    usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.OCSP_SIGNING in usage, "the signer may not"
    digest = answer.signature_hash_algorithm
    signer.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(digest))
    if answer.certificate_status == ocsp.OCSPCertStatus.GOOD:
        return "good"
    assert answer.certificate_status == ocsp.OCSPCertStatus.REVOKED, answer.certificate_status
    return revoked(answer.revocation_time_utc, answer.revocation_reason)


for line in open(sys.argv[1], encoding="utf-8"):
    name, *files = line.rstrip("\n").split("\t")
    pair = [certificate(file) for file in files]
    for source, ask in (("crl", by_list), ("ocsp", by_status)):
        try:
            verdict = ask(*pair)
        except Exception as error:  # whatever it is, it is not a verdict
            verdict = f"refused\t{error!r}".replace("\n", " ")
        print(f"{name}\t{source}\t{verdict}")
