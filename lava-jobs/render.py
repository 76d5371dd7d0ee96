#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the files for LAVA of table.py and templates/.

    render.py                       the files that are checked in: jobs/, device-types/
    render.py --check               say what is not as it would be rendered
    render.py --artifacts URL --out DIR     for a lab with its own artifact server
"""

import argparse
import difflib
import pathlib
import re
import sys

import jinja2

import table

HERE = pathlib.Path(__file__).resolve().parent


def case_id(text):
    """What LAVA makes of the name of a case."""
    return re.sub(r"\W+", "_", text.strip().lower())


def environment():
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    env.filters["case_id"] = case_id
    return env


def job(machine, test, artifacts=table.ARTIFACTS, words=()):
    """Text of one job. words: more of them for the kernel."""
    row, what = table.MACHINES[machine], table.TESTS[test]
    return environment().get_template("test.jinja2").render(
        name=machine, machine=row, test=what, check=test,
        artifacts=artifacts.rstrip("/") + "/" + row.arch,
        device_type=row.device_type or device_type(machine),
        words=(*row.command_line, *what.words, *words))


def device_type(machine):
    return "iommu-lu-" + machine


def device_template(machine):
    """Text of the device type of a QEMU machine, for the server's own Jinja2."""
    row = table.MACHINES[machine]
    return environment().get_template("device-type.jinja2").render(
        name=device_type(machine), config=row.config, rate=table.RATE,
        patience=table.PATIENCE, fd=table.FD, slot=row.config.bdfs()[0][0][8:10])


def files(artifacts=table.ARTIFACTS):
    """Path below this directory -> text, of all there is to render."""
    out = {"jobs/%s-%s.yaml" % (m, t): job(m, t, artifacts)
           for m in table.MACHINES for t in table.TESTS}
    out |= {"device-types/%s.jinja2" % device_type(m): device_template(m)
            for m, row in table.MACHINES.items() if row.boot == "qemu"}
    return out


def differences():
    """Lines of a diff between what is checked in and what would be rendered."""
    want, out = files(), []
    there = {str(p.relative_to(HERE)) for d in ("jobs", "device-types")
             for p in (HERE / d).glob("*")}
    for path in sorted(want.keys() | there):
        have = (HERE / path).read_text(encoding="ascii") if path in there else ""
        out += difflib.unified_diff(have.splitlines(), want.get(path, "").splitlines(),
                                    path, path + " (rendered)", lineterm="")
    return out


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("--artifacts", metavar="URL", default=table.ARTIFACTS)
    par.add_argument("--out", metavar="DIR", type=pathlib.Path, default=HERE)
    par.add_argument("--check", action="store_true")
    args = par.parse_args()
    if args.check:
        diff = differences()
        print("\n".join(diff) or "jobs/ and device-types/ are as rendered")
        return bool(diff)
    for path, text in files(args.artifacts).items():
        (args.out / path).parent.mkdir(parents=True, exist_ok=True)
        (args.out / path).write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
