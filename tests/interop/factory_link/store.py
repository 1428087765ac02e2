"""What survives a power cut: files that are complete or not there."""

import json
import os
import pathlib

from messages import Step


class Store:
    """The memory of a device. Which files there are tells its step, so that the two cannot differ."""

    def __init__(self, directory):
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, name):
        """The content of a file; None if it is not there."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name, content):
        """Replaces a file at once, and returns when it is durable."""
        new = self._directory / f"{name}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, self._directory / name)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def step(self):
        """The progress that the files tell."""
        for name, step in (
            ("locked", Step.LOCKED),
            ("install.json", Step.INSTALLED),
            ("key.der", Step.KEY_READY),
        ):
            if (self._directory / name).exists():
                return step
        return Step.BLANK

    def identity(self):
        """Product and serial number that the line gave; None before."""
        content = self.read("identity.json")
        return None if content is None else tuple(json.loads(content))

    def keep_identity(self, product, serial):
        """Stores the identity, in the place of the one before."""
        self.write("identity.json", json.dumps([product, serial]).encode())

    def keep_installation(self, certificate, chain, bundle, url):
        """Stores an installation, in the place of the one before."""
        self.write(
            "install.json",
            json.dumps(
                {
                    "certificate": certificate.hex(),
                    "chain": [each.hex() for each in chain],
                    "version": bundle["version"],
                    "anchors": [each.hex() for each in bundle["anchors"]],
                    "url": url,
                }
            ).encode(),
        )

    def installation(self):
        """The fields of the Install that is stored, as they came; the certificate is empty if it is deferred."""
        stored = json.loads(self.read("install.json"))
        return {
            "certificate": bytes.fromhex(stored["certificate"]),
            "chain": [bytes.fromhex(each) for each in stored["chain"]],
            "trust_bundle": {
                "version": stored["version"],
                "anchors": [bytes.fromhex(each) for each in stored["anchors"]],
            },
            "enrollment_url": stored["url"],
        }

    def is_deferred(self):
        """Whether an installation is stored and its certificate is deferred."""
        return self.step() >= Step.INSTALLED and not self.installation()["certificate"]
