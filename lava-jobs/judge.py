#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Did a job pass? LAVA says of a job only that it came to its end.

    judge.py JOB.yaml LOGS.yaml     the job, and what lava-run or the server wrote about it

Passed: the job came to its end, each case that it expects was recorded, and all that was
recorded passed. A case that was skipped has not passed.

Exit code: 0 passed, 1 failed, 2 the lab or the job is to blame, or there is no result.
"""

import argparse
import sys

import yaml

class Log(yaml.SafeLoader):
    """It has a tag of its own for numbers."""


Log.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def results(log):
    """Every result that was recorded, in order: dictionaries."""
    return [entry["msg"] for line in log.splitlines()
            if '"lvl": "results"' in line
            for entry in yaml.load(line, Log)]


def judge(job, log):
    """(exit code, lines that say why)."""
    recorded = results(log)
    cases = [(r["case"], r["result"]) for r in recorded if r["definition"] != "lava"]
    whole = [r for r in recorded if r["definition"] == "lava" and r["case"] == "job"]
    missing = [c for action in job["actions"] if "test" in action
               for monitor in action["test"]["monitors"]
               for c in dict.fromkeys(monitor["expected"]) if c not in dict(cases)]
    out = ["%-8s%s" % (result, case) for case, result in cases]
    out += ["missing " + case for case in missing]
    if not whole:
        return 2, out + ["job: no result"]
    if whole[-1]["result"] != "pass":
        why = "%s: %s" % (whole[-1].get("error_type"), whole[-1].get("error_msg"))
        return 1 if whole[-1].get("error_type") == "Test" else 2, out + ["job: " + why]
    bad = [case for case, result in cases if result != "pass"] + missing
    if bad or not cases:
        return 1, out + ["job: %d of %d cases did not pass" % (len(bad), len(cases + missing))]
    return 0, out + ["job: %d cases passed" % len(cases)]


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("job", type=argparse.FileType())
    par.add_argument("log", type=argparse.FileType())
    args = par.parse_args()
    code, lines = judge(yaml.safe_load(args.job), args.log.read())
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
