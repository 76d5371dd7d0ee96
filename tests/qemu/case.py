#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One case on one machine: the short loop while working on the kernel.

Words after the options go to the kernel command line, see selftests/init.c:

    case.py lu.case=heartbeat lu.strict=1
    case.py --nic igb --port --flavour debug lu.updates=5
    case.py lu.case=refuse lu.try=frozen
"""

import argparse
import re
import sys

import report
from machine import Config, Nic
from update import SPLAT, guest_initrd, run

SHOW = re.compile(r"^(not )?ok |^[#@]|^1\.\.|^KTAP|^Linux version|iommu_lu|DMAR: \[DMA")


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("--nic", choices=("e1000e", "igb"), default="e1000e")
    par.add_argument("--port", action="store_true", help="card behind a root port")
    par.add_argument("--rate", type=int, default=300, metavar="N", help="frames per second")
    par.add_argument("--flavour", default="plain",
                     choices=("plain", "debug", "off", "kunit"))
    par.add_argument("--kernel", metavar="IMAGE", help="first kernel instead of the flavour's")
    par.add_argument("--next", choices=("plain", "debug", "off"), help="flavour of the next one")
    par.add_argument("--all", action="store_true", help="show the whole console")
    par.add_argument("word", nargs="*", help="for the kernel command line")
    args = par.parse_args()
    guest_initrd()
    start = []

    def on_line(now, text):
        start.append(now)
        if args.all or SHOW.search(text) or SPLAT.search(text):
            print("%9.4f  %s" % (now - start[0], text), flush=True)

    result = run("case", Config(nics=(Nic(args.nic, args.port, args.rate),)), args.flavour,
                 args.word, next_flavour=args.next, first_kernel=args.kernel, on_line=on_line)
    print("\n".join(report.table(result)))
    faults = result.faults()
    print("\n" + ("\n".join(faults) or "no complaint") + "\nlogs: %s" % result.outdir)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
