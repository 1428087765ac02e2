"""A second implementation of the factory link, written from docs/protocol.md alone. Needs the package
`cryptography`.

python3 tests/interop/factory_link device --state DIR (--stdio | --tcp HOST:PORT)
python3 tests/interop/factory_link station (--exec 'COMMAND with {state}' | --tcp HOST:PORT)
python3 tests/interop/factory_link conformance --exec 'COMMAND with {state}'
python3 tests/interop/factory_link vectors FILE...
"""

import argparse
import sys
import tempfile

# No compiled files among the sources.
sys.dont_write_bytecode = True

import conformance
import device
import line
import station
import vectors
from store import Store


def _arguments():
    parser = argparse.ArgumentParser(
        prog="factory_link", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    unit = commands.add_parser("device", help="answer a station")
    unit.add_argument("--state", required=True, metavar="DIR")
    stream = unit.add_mutually_exclusive_group(required=True)
    stream.add_argument("--stdio", action="store_true")
    stream.add_argument("--tcp", metavar="HOST:PORT", help="wait for the station here")
    unit.add_argument("--product", help="the identity of a unit that has its own")
    unit.add_argument("--serial")
    unit.add_argument("--idle-timeout", type=float, default=600.0, metavar="SECONDS")
    unit.add_argument(
        "--crash-after",
        choices=("identity", "key", "install", "lock", "certificate"),
        help="end hard when this has become durable, before the answer",
    )

    bench = commands.add_parser(
        "station", help="take a device through a whole session, with a CA made for it"
    )
    stream = bench.add_mutually_exclusive_group(required=True)
    stream.add_argument("--exec", metavar="COMMAND", help="the device; {state} is a fresh directory")
    stream.add_argument("--tcp", metavar="HOST:PORT")
    bench.add_argument("--product", default="cam-2")
    bench.add_argument("--serial", default="SN000123", help="empty for a unit that has its own")

    checks = commands.add_parser("conformance", help="check each rule for devices")
    checks.add_argument(
        "--exec",
        required=True,
        metavar="COMMAND",
        help="a device without identity; {state} is a fresh directory",
    )
    checks.add_argument(
        "--exec-own", metavar="COMMAND", help="the same with an identity of its own, {product} and {serial}"
    )
    checks.add_argument(
        "--exec-crash",
        metavar="COMMAND",
        help="the same, ending hard after it stored {step}: identity, key, install, lock or certificate",
    )
    checks.add_argument(
        "--chain-later", action="store_true", help="the device verifies chains only before it uses them"
    )
    checks.add_argument("--only", metavar="TEXT", help="only the checks whose name contains this")

    commands.add_parser("vectors", help="compare with the test vectors").add_argument(
        "files", nargs="+", metavar="FILE"
    )
    arguments = parser.parse_args()
    if arguments.command == "device" and (arguments.product is None) != (arguments.serial is None):
        parser.error("--product and --serial go together")
    return arguments


def _device(arguments):
    own = (arguments.product, arguments.serial) if arguments.serial else None
    unit = device.Device(Store(arguments.state), own, arguments.crash_after)
    if arguments.stdio:
        device.serve_stdio(unit, arguments.idle_timeout)
    else:
        device.serve_tcp(unit, arguments.tcp, arguments.idle_timeout)
    return 0


def _station(arguments):
    with tempfile.TemporaryDirectory(prefix="factory-link-") as state:
        link = line.connect(arguments.tcp) if arguments.tcp else line.run(arguments.exec, {"state": state})
        try:
            station.whole_session(station.Session(link), arguments.product, arguments.serial, say=print)
        except (station.Wrong, line.Silence, line.Gone, line.Noise) as error:
            print(f"BROKEN: {error}")
            return 1
        finally:
            link.close()
    return 0


def main():
    """Runs one of the commands; the exit status."""
    arguments = _arguments()
    if arguments.command == "device":
        return _device(arguments)
    if arguments.command == "station":
        return _station(arguments)
    if arguments.command == "conformance":
        return 1 if conformance.run(arguments) else 0
    return 1 if vectors.run(arguments.files) else 0


if __name__ == "__main__":
    sys.exit(main())
