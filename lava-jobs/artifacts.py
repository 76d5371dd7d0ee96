#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the jobs of one architecture want to find on the artifact server.

    artifacts.py x86_64                         of the test kernel of this project
    artifacts.py arm64 --kernel Image           of a kernel of your own
    artifacts.py x86_64 --next bzImage          another one to update to

Makes kernel and initrd.cpio.gz in build/lava/ARCH. A board has no disk that we know of: the
initramfs carries the next kernel, and the initramfs for that.
"""

import argparse
import gzip
import pathlib
import shutil
import subprocess
import sys
import tempfile

import table
from update import REPO, guest_initrd, kernel

OUT = REPO / "build" / "lava"


def make(arch, image=None, next_image=None, out=OUT):
    image = image or kernel("plain", arch)
    initrd = guest_initrd(arch)
    out = out / arch
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, out / "kernel")
    with tempfile.TemporaryDirectory() as tmp:
        shutil.copyfile(next_image or image, tmp + "/next-kernel")
        shutil.copyfile(initrd, tmp + "/next-initrd")
        carried = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=tmp, check=True,
                                 input=b"next-kernel\nnext-initrd\n",
                                 stdout=subprocess.PIPE).stdout
    # one archive after the other: the kernel unpacks all that there are
    with gzip.open(out / "initrd.cpio.gz", "wb", compresslevel=1) as f:
        f.write(initrd.read_bytes() + carried)
    return out


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("arch", choices=sorted(table.BOARDS))
    par.add_argument("--kernel", metavar="IMAGE", type=pathlib.Path)
    par.add_argument("--next", metavar="IMAGE", type=pathlib.Path)
    args = par.parse_args()
    try:
        print(make(args.arch, args.kernel, args.next).relative_to(REPO))
    except FileNotFoundError as exc:
        sys.exit("artifacts: %s" % exc)


if __name__ == "__main__":
    main()
