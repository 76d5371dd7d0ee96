#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One case on one machine: the short loop while working on the kernel.

Words after the options go to the kernel command line, see selftests/init.c:

    case.py lu.case=heartbeat lu.strict=1
    case.py --nic igb --port --flavour debug lu.updates=5
    case.py --iommu amd lu.case=receive
    case.py lu.case=refuse lu.try=frozen
    case.py --iommu smmuv3 --unit stage=2 --firmware lu.case=heartbeat
"""

import argparse
import re
import sys

import iommus
import report
from machine import Config, Nic
from update import SPLAT, run

SHOW = re.compile(r"^(not )?ok |^[#@]|^1\.\.|^KTAP|^Linux version|iommu_lu|DMAR: \[DMA"
                  r"|Event logged|arm-smmu-v3")


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("--nic", choices=("e1000e", "igb", "virtio-net"), default="e1000e")
    par.add_argument("--iommu", choices=iommus.FAMILIES, default="vtd")
    par.add_argument("--unit", metavar="OPTIONS", default="",
                     help="for QEMU's IOMMU, beyond the usual: intremap=off, stage=1")
    par.add_argument("--port", action="store_true", help="card behind a root port")
    par.add_argument("--firmware", action="store_true", help="arm64: UEFI and ACPI")
    par.add_argument("--rate", type=int, default=300, metavar="N", help="frames per second")
    par.add_argument("--flavour", default="plain",
                     choices=("plain", "debug", "off", "kunit"))
    par.add_argument("--kernel", metavar="IMAGE", help="first kernel instead of the flavour's")
    par.add_argument("--next", choices=("plain", "debug", "off"), help="flavour of the next one")
    par.add_argument("--all", action="store_true", help="show the whole console")
    par.add_argument("word", nargs="*", help="for the kernel command line")
    args = par.parse_args()
    start = []

    def on_line(now, text):
        start.append(now)
        if args.all or SHOW.search(text) or SPLAT.search(text):
            print("%9.4f  %s" % (now - start[0], text), flush=True)

    config = Config(nics=(Nic(args.nic, args.port, rate=args.rate),),
                    iommu=iommus.FAMILIES[args.iommu].machine + (args.unit and "," + args.unit),
                    firmware=args.firmware)
    result = run("case", config, args.flavour, args.word, next_flavour=args.next,
                 first_kernel=args.kernel, on_line=on_line)
    print("\n".join(report.table(result)))
    faults = result.faults()
    print("\n" + ("\n".join(faults) or "no complaint") + "\nlogs: %s" % result.outdir)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
