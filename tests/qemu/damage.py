# SPDX-License-Identifier: GPL-2.0
"""Hands on what one kernel leaves to the next, while neither of them runs."""

import mmap
import os
import re
import signal
import struct
import subprocess

import qemutrace
from matrix import CLOSED
from update import REPO, SWITCHED, kernel, run

SEALED = 1
HEADER = (REPO / "abi" / "iommu-lu.h").read_text(encoding="ascii")
OFFSET = {(s, f): int(n) for s, f, n in
          re.findall(r"IOMMU_LU_FIELD\((\w+), (\w+), (\d+)\);", HEADER)}
TEXT = dict(re.findall(r"X\((\w+), \w+,\s+\"([^\"]+)\"\)",
                       (REPO / "abi" / "validate.h").read_text(encoding="ascii")))
HW_TYPE = {name: int(n) for name, n in
           re.findall(r"#define IOMMU_HW_SER_(\w+)\s+(\d+)", HEADER)}
MAGIC, = (struct.pack("<Q", int(n, 16)) for n in
          re.findall(r"#define IOMMU_LU_MAGIC\s+(0x[0-9a-f]+)", HEADER))


class Blob:
    """The sealed blob in the memory of a machine."""

    def __init__(self, machine, hdr):
        self.m = machine
        self.hdr = hdr
        assert machine.read_ram(hdr, 8) == MAGIC, "no blob at %#x" % hdr
        assert self.read(hdr, "iommu_lu_hdr", "flags", "I") & SEALED, "not sealed"
        self.block = {kind: self.read(self.hdr, "iommu_lu_hdr", field, "Q") for kind, field in
                      (("hw", "hw_blocks"), ("domain", "domain_blocks"),
                       ("device", "device_blocks"))}
        # a block begins with the address of the next and a count
        self.record = {kind: pa + 16 for kind, pa in self.block.items()}

    def unit(self, kind):
        """Where the first record of a kind of unit is: IOMMU_HW_SER_<kind>."""
        size, n = (self.read(self.hdr, "iommu_lu_hdr", field, fmt)
                   for field, fmt in (("hw_size", "H"), ("nr_hw", "I")))
        return next(at for at in range(self.record["hw"], self.record["hw"] + n * size, size)
                    if self.read(at, "iommu_hw_ser", "type", "I") == HW_TYPE[kind])

    def read(self, base, record, field, fmt):
        at = base + OFFSET[record, field]
        return struct.unpack("<" + fmt, self.m.read_ram(at, struct.calcsize(fmt)))[0]

    def write(self, base, record, field, fmt, value):
        self.m.write_ram(base + OFFSET[record, field], struct.pack("<" + fmt, value))


def changer(base, record):
    """Makes makers of patches: field, format, and a new value or a function of the old one."""
    def maker(field, fmt, change):
        def patch(b):
            at = base(b)
            old = b.read(at, record, field, fmt)
            b.write(at, record, field, fmt, change(old) if callable(change) else change)
        return patch
    return maker


header = changer(lambda b: b.hdr, "iommu_lu_hdr")
unit = changer(lambda b: b.record["hw"], "iommu_hw_ser")
domain = changer(lambda b: b.record["domain"], "iommu_domain_ser")
device = changer(lambda b: b.record["device"], "iommu_device_ser")


def block(kind, offset, value):
    return lambda b: b.m.write_ram(b.block[kind] + offset, struct.pack("<Q", (
        b.block[kind] if value == "itself" else value)))


def damager(patch):
    """For run(during=): damages the blob between the kernels. Also a list, empty until then."""
    done = []

    def tamper(m):
        _, _, blob = m.wait_line(r"^# outgoing: blob at (0x[0-9a-f]+)", 120)
        m.wait_line(SWITCHED, 120)
        patch(Blob(m, int(blob[1], 16)))
        done.append(patch)

    return tamper, done


def refused(name, config, append, patch, message, lost=True, torn=False, then=None):
    """Damage, and a next kernel that says what is wrong, stops the device and boots on.

    lost: somebody can ask for the domain, and is told that it is lost.
    torn: see closed_faults().
    then: called with the machine when the guest program has ended.
    """
    tamper, done = damager(patch)

    def during(m):
        tamper(m)
        if then:
            m.wait_line("^@end", 120)
            then(m)

    result = run(name, config, "plain",
                 [*CLOSED, "lu.domain_lost=%d" % lost, "lu.torn=%d" % torn, *append],
                 during=during, qtest=True)
    assert done, "nothing was damaged: %s" % result.error
    assert result.has(r"iommu_lu: .*" + re.escape(message)), "no message %r" % message
    faults = result.closed_faults(torn)
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    return result


def off_after_bus_master(result):
    """Translation goes off only when the device is stopped."""
    events = [e for e in qemutrace.parse(result.events) if e.time >= result.updates[0].begin]
    short = qemutrace.short(result.config.bdfs()[0][0])
    stop = next(i for i, e in enumerate(events)
                if e.kind == "command" and e.bdf == short and not e.value & qemutrace.BUS_MASTER)
    off = next(i for i, e in enumerate(events) if e.kind == "off")
    return stop < off


# ---- pieces of tables ----

def poke(where, offset, value):
    return lambda b: b.m.write_ram(where(b) + offset, struct.pack("<Q", value))


def flip(where, offset, bits):
    """Bits that keep the hardware going: a frame must land as a whole or not at all."""
    def patch(b):
        old, = struct.unpack("<Q", b.m.read_ram(where(b) + offset, 8))
        poke(where, offset, old ^ bits)(b)
    return patch


# ---- the driver's own code ----

RETURN_EINVAL = {
    "x86_64": bytes.fromhex("f30f1efa" "b8eaffffff" "c3"),      # endbr64; mov $-22, %eax; ret
    "arm64": bytes.fromhex("5f2403d5" "a0028012" "c0035fd6"),   # bti c; mov w0, #-22; ret
}


def code_of(flavour, arch, function, length=48):
    """The first bytes of a function, out of the kernel's ELF file."""
    path = kernel(flavour, arch).parents[3] / "vmlinux"
    symbols = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True)
    addr, = (int(line.split()[0], 16) for line in symbols.stdout.splitlines()
             if line.split()[1:] == ["T", function])
    elf = path.read_bytes()
    shoff, = struct.unpack_from("<Q", elf, 0x28)
    shentsize, shnum = struct.unpack_from("<HH", elf, 0x3a)
    for i in range(shnum):
        kind, _, start, offset, size = struct.unpack_from("<IQQQQ", elf, shoff + i * shentsize + 4)
        if kind != 8 and start and start <= addr < start + size:
            return elf[offset + addr - start:][:length]
    raise LookupError(function)


def patch_code(m, old, new):
    """Put new at the beginning of each copy of old in the guest's memory."""
    os.kill(m.proc.pid, signal.SIGSTOP)
    try:
        with open(m.ram, "r+b") as f, mmap.mmap(f.fileno(), 0) as mem:
            at, n = 0, 0
            while at < len(mem):
                try:
                    at = os.lseek(f.fileno(), at, os.SEEK_DATA)
                    stop = os.lseek(f.fileno(), at, os.SEEK_HOLE)
                except OSError:
                    break
                while (hit := mem.find(old, at, stop)) >= 0:
                    mem[hit:hit + len(new)] = new
                    at, n = hit + len(new), n + 1
                at = stop
            return n
    finally:
        os.kill(m.proc.pid, signal.SIGCONT)


def failing(flavour, function, arch="x86_64"):
    """For run(during=): a function of the next kernel returns EINVAL at once. Also a list."""
    code = code_of(flavour, arch, function)
    done = []

    def tamper(m):
        at, _, _ = m.wait_line(SWITCHED, 120)
        m.wait_line(r"^Linux version", 60, at)
        done.extend([function] * patch_code(m, code, RETURN_EINVAL[arch]))

    return tamper, done
