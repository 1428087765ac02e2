"""Judges certificate chains with pyca/cryptography.

Reads a table of cases (name, leaf, chain, root, purpose, unix time; files in PEM) and prints, for each, its name and `accepted`, or
`refused` and why.
"""
import datetime
import sys

from cryptography import x509
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store


def certificates(path):
    with open(path, "rb") as file:
        data = file.read()
    return x509.load_pem_x509_certificates(data) if data.strip() else []


def verify(leaf, chain, root, purpose, time):
    # The default policy is the web's: every leaf has a subjectAltName. Devices and operators have a subject.
    leaf_policy = ExtensionPolicy.webpki_defaults_ee()
    if purpose == "client":
        leaf_policy = leaf_policy.may_be_present(
            x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    builder = (
        PolicyBuilder()
        .store(Store(certificates(root)))
        .time(datetime.datetime.fromtimestamp(int(time), datetime.timezone.utc).replace(tzinfo=None))
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy)
    )
    [leaf] = certificates(leaf)
    if purpose == "server":
        verifier = builder.build_server_verifier(x509.DNSName("ca.example.test"))
    else:
        verifier = builder.build_client_verifier()
    verifier.verify(leaf, certificates(chain))


for line in open(sys.argv[1], encoding="utf-8"):
    name, *case = line.rstrip("\n").split("\t")
    try:
        verify(*case)
        print(f"{name}\taccepted")
    except Exception as error:  # whatever it is, it is not an acceptance
        print(f"{name}\trefused\t{error!r}".replace("\n", " "))
