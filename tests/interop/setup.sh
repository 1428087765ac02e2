#!/bin/sh
# Installs the programs of others that judge our certificates. Needs root for the Debian packages; without root it
# says which are missing. The Python tools go into a virtual environment in the target directory.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
venv=${CARGO_TARGET_DIR:-$root/target}/interop-venv

missing=
for pair in openssl:openssl certtool:gnutls-bin javac:default-jdk-headless faketime:faketime \
    chromium:chromium pdftotext:poppler-utils; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
python3 -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"

if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing Debian packages; run as root: apt-get install$missing" >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

if ! "$venv/bin/python" -c 'import cryptography, pkilint' >/dev/null 2>&1; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/interop/requirements.txt"
fi
echo "the programs of the interop suite are here: $venv"
