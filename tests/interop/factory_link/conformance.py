"""Runs the checks of a device, each on a fresh bench, and prints one line for each."""

import tempfile

import checks_deferral
import checks_frames
import checks_install
import checks_power
import checks_requests
import line
from bench import Advice, Bench, Skipped
from station import Wrong


def run(arguments):
    """Prints a line for each check; the number of broken rules."""
    broken = 0
    for module in (checks_frames, checks_requests, checks_install, checks_power, checks_deferral):
        for name, rule, function in module.CHECKS.all:
            if arguments.only and arguments.only not in name:
                continue
            with tempfile.TemporaryDirectory(prefix="factory-link-") as directory:
                verdict, why = _judge(function, Bench(arguments, directory))
            broken += verdict == "BROKEN"
            print(f"{verdict:8}{name}" + (f": {rule}\n        {why}" if why else ""), flush=True)
    print(f"{broken} broken")
    return broken


def _judge(function, bench):
    try:
        function(bench)
    except (Wrong, line.Silence, line.Gone, line.Noise) as error:
        return "BROKEN", str(error)
    except Advice as advice:
        return "note", str(advice)
    except Skipped as reason:
        return "skipped", str(reason)
    finally:
        bench.clear()
    return "ok", None
