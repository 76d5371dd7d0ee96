#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A live update to look at: a network card receives while the kernel changes.

Prints the phases as they happen, then a table, and draws a picture.
"""

import argparse
import re
import sys
import time

import iommus
import report
from machine import Config, Nic
from update import REPO, kernel, run

# What to print when a console line arrives.
STEPS = [
    (r"^Linux version (\S+)", "kernel %s starts"),
    (r"^@ring index=0 bdf=(\S+) nic=(\S+)", "%s (%s) receives into guest memory"),
    (r"^@phase preserve begin frames=(\d+)", "preserve: after %s frames"),
    (r"^@phase preserve end", "preserve: memfd, iommufd and device are in the session"),
    (r"^@phase freeze begin", "reboot into the next kernel"),
    (r"^iommu_lu: sealed", "freeze: state sealed"),
    (r"^iommu_lu: (\S+): switched to the preserved tables",
     "shutdown: %s walks the preserved tables only"),
    (r"^arm-smmu-v3 (\S+): iommu_lu: everything that is not preserved is blocked",
     "shutdown: %s has blocked everything else"),
    (r"^(?:iommu_lu:|arm-smmu-v3) (\S+): (?:iommu_lu: )?adopted",
     "adopt: %s goes on, nothing rewritten"),
    (r"^iommu_lu: (\S+): restored domain attached", "probe: %s on its restored domain"),
    (r"^@phase retrieve end", "retrieve: files are back"),
    (r"^@phase hotswap end frames=(\d+)", "hotswap: new tables in use, frame %s"),
    (r"^@phase finish end frames=(\d+)", "finish: old tables freed, frame %s"),
    (r"^@end", "end"),
]


def main():
    par = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    par.add_argument("--iommu", choices=iommus.FAMILIES, default="vtd")
    par.add_argument("--nic", choices=("e1000e", "igb"), default="e1000e")
    par.add_argument("--port", action="store_true", help="card behind a root port")
    par.add_argument("--kernel", metavar="IMAGE", help="test kernel (default: build tree)")
    par.add_argument("--updates", type=int, default=1, metavar="N")
    par.add_argument("--frames", type=int, default=2100, metavar="N")
    par.add_argument("--rate", type=int, default=300, metavar="N", help="frames per second")
    par.add_argument("--without", action="store_true",
                     help="leave preservation out, to see what is lost")
    args = par.parse_args()

    try:
        image = args.kernel or kernel("plain", iommus.FAMILIES[args.iommu].arch)
    except FileNotFoundError as exc:
        sys.exit("demo: %s" % exc)
    start = time.monotonic()

    def on_line(now, text):
        for pattern, what in STEPS:
            if m := re.search(pattern, text):
                print("%8.3f s  %s" % (now - start, what % m.groups()), flush=True)

    config = Config(nics=(Nic(args.nic, args.port, rate=args.rate),),
                    iommu=iommus.FAMILIES[args.iommu].machine)
    print("QEMU: %s, %s, %s%s, %d numbered frames per second"
          % (config.family.arch, config.family.name, args.nic,
             " behind a root port" if args.port else "", args.rate))
    result = run("demo", config, first_kernel=image, on_line=on_line,
                 append=["lu.case=heartbeat", "lu.updates=%d" % args.updates,
                         "lu.frames=%d" % args.frames,
                         "lu.preserve=%d" % (not args.without)])
    print("\n".join(report.table(result)))
    paths = report.picture(result, REPO / "build" / "demo" / "update")
    print("\npicture: " + ", ".join(str(p.relative_to(REPO)) for p in paths))

    faults = result.faults()
    if args.without:
        print("\nWithout preservation: " + ("; ".join(faults) or "nothing lost?"))
        return 0 if result.results[0].lost else 1
    if faults:
        print("\nFAILED, see %s\n  %s" % (result.outdir.relative_to(REPO), "\n  ".join(faults)))
        return 1
    print("\nEvery frame arrived. The IOMMU never let go of the device.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
