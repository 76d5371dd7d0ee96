# SPDX-License-Identifier: GPL-2.0
"""Damage to the state between freeze and adoption (requirements A6, C12).

The host waits until the old kernel has switched the IOMMU over, and then changes
guest memory. The new kernel must boot, name what is wrong, stop the device and
leave everybody else alone.
"""

import re
import struct
import subprocess

import pytest
from machine import Config
from update import REPO, run, tool

pytestmark = [pytest.mark.qemu, pytest.mark.corruption]

SEALED = 1
HEADER = (REPO / "abi" / "iommu-lu.h").read_text(encoding="ascii")
OFFSET = {(s, f): int(n) for s, f, n in
          re.findall(r"IOMMU_LU_FIELD\((\w+), (\w+), (\d+)\);", HEADER)}
TEXT = dict(re.findall(r"X\((\w+), \w+,\s+\"([^\"]+)\"\)",
                       (REPO / "abi" / "validate.h").read_text(encoding="ascii")))
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
intel = changer(lambda b: b.record["hw"] + OFFSET["iommu_hw_ser", "intel"], "iommu_intel_ser")
domain = changer(lambda b: b.record["domain"], "iommu_domain_ser")
device = changer(lambda b: b.record["device"], "iommu_device_ser")
context = changer(lambda b: b.record["device"] + OFFSET["iommu_device_ser", "intel"],
                  "iommu_device_intel_ser")


def block(kind, offset, value):
    return lambda b: b.m.write_ram(b.block[kind] + offset, struct.pack("<Q", (
        b.block[kind] if value == "itself" else value)))


def damage_root(b):
    """A bit that must be zero, in the root table the hardware is using."""
    base = b.record["hw"] + OFFSET["iommu_hw_ser", "intel"]
    root = b.read(base, "iommu_intel_ser", "root_pa", "Q")
    b.m.write_ram(root + 8, struct.pack("<Q", 1))


# name: (what is done, what the new kernel says)
CASES = {
    # the whole blob
    "magic": (header("magic", "Q", 0x1234), TEXT["HDR_MAGIC"]),
    "min-version-above-version": (header("min_version", "H", 2), TEXT["HDR_VERSION"]),
    "too-new": (lambda b: (header("version", "H", 9)(b), header("min_version", "H", 9)(b)),
                TEXT["HDR_TOO_NEW"]),
    "too-old": (lambda b: (header("version", "H", 0)(b), header("min_version", "H", 0)(b)),
                TEXT["HDR_TOO_OLD"]),
    "must-understand": (header("must_understand", "Q", 1 << 40), TEXT["HDR_MUST_UNDERSTAND"]),
    "header-length": (header("len", "I", 8), TEXT["HDR_LEN"]),
    "header-flag": (header("flags", "I", 0x81), TEXT["HDR_FLAGS"]),
    "header-reserved": (header("reserved1", "I", 1), TEXT["HDR_RESERVED"]),
    "page-size": (header("page_shift", "I", 16), TEXT["HDR_PAGE_SIZE"]),
    "record-size": (header("hw_size", "H", 3), TEXT["HDR_RECORD_SIZE"]),
    "too-many-units": (header("nr_hw", "I", 0xffffffff), TEXT["HDR_COUNT"]),
    "not-sealed": (header("flags", "I", 0), TEXT["HDR_NOT_SEALED"]),
    "count-without-list": (header("device_blocks", "Q", 0), TEXT["HDR_LIST"]),
    "one-device-too-many": (header("nr_devices", "I", 2), TEXT["BLOCK_MISSING"]),
    "block-address": (header("domain_blocks", "Q", 0x1001), TEXT["BLOCK_ADDRESS"]),
    "block-not-memory": (header("domain_blocks", "Q", 0x7000000000), TEXT["BLOCK_UNMAPPED"]),
    "block-empty": (block("device", 8, 0), TEXT["BLOCK_EMPTY"]),
    "block-overfull": (block("hw", 8, 1 << 32), TEXT["BLOCK_COUNT"]),
    "block-cycle": (block("hw", 0, "itself"), TEXT["BLOCK_CYCLE"]),
    "block-shared": (lambda b: header("domain_blocks", "Q", b.block["device"])(b),
                     TEXT["BLOCK_SHARED"]),
    # a unit
    "unit-token": (unit("token", "Q", 0xfed90001), TEXT["HW_TOKEN"]),
    "unit-type": (unit("type", "I", 77), TEXT["HW_TYPE"]),
    "unit-flags": (intel("flags", "I", 0x80), TEXT["HW_FLAGS"]),
    "unit-root-misaligned": (intel("root_pa", "Q", lambda pa: pa + 8), TEXT["HW_TABLE"]),
    "unit-root-elsewhere": (intel("root_pa", "Q", lambda pa: pa ^ 0x1000),
                            "root table pointer differs"),
    "unit-capability": (intel("cap", "Q", lambda cap: cap ^ (1 << 39)), "capabilities differ"),
    "unit-context-tables": (intel("nr_context_tables", "I", 2), "root table is damaged"),
    "unit-root-damaged": (damage_root, "root table is damaged"),
    # a domain
    "domain-iommufd": (domain("iommufd_id", "Q", 0), TEXT["DOMAIN_IOMMUFD"]),
    "domain-format": (domain("format", "I", 99), TEXT["DOMAIN_FORMAT"]),
    "domain-features": (domain("features", "I", 1 << 30), TEXT["DOMAIN_FEATURES"]),
    "domain-level": (domain("top_level", "B", lambda level: level - 1), TEXT["DOMAIN_GEOMETRY"]),
    "domain-top-misaligned": (domain("top_pa", "Q", lambda pa: pa + 1), TEXT["DOMAIN_TABLE"]),
    "domain-top-elsewhere": (domain("top_pa", "Q", lambda pa: pa ^ 0x1000),
                             TEXT["DEVICE_ENTRY"]),
    "domain-no-tables": (domain("nr_tables", "Q", 0), TEXT["DOMAIN_COUNT"]),
    # a device
    "device-unit-link": (device("hw_index", "I", 1), TEXT["DEVICE_HW_LINK"]),
    "device-domain-link": (device("domain_index", "I", 0xffffffff), TEXT["DEVICE_DOMAIN_LINK"]),
    "device-pasid": (device("pasid", "I", 5), TEXT["DEVICE_PASID"]),
    "device-no-rid": (device("nr_rids", "H", 0), TEXT["DEVICE_RID_COUNT"]),
    "device-foreign-rid": (device("rids", "H", lambda rid: rid ^ 8), TEXT["DEVICE_RID_OWN"]),
    "device-vendor": (device("vendor", "H", lambda v: v ^ 1),
                      "it is not the device that was preserved"),
    "device-domain-id": (context("did", "H", lambda did: did ^ 0x15), TEXT["DEVICE_ENTRY"]),
    "device-entry": (context("context_lo", "Q", lambda lo: lo & ~1), TEXT["DEVICE_ENTRY"]),
}


@pytest.mark.plain
@pytest.mark.parametrize("case", CASES)
def test_corruption(request, case):
    patch, message = CASES[case]
    done = []

    def tamper(m):
        _, _, blob = m.wait_line(r"^# outgoing: blob at (0x[0-9a-f]+)", 120)
        m.wait_event(r"vtd_reg_dmar_root", 120, m.events_so_far())
        patch(Blob(m, int(blob[1], 16)))
        done.append(case)

    # without its iommufd nobody can ask for the domain
    lost = case != "domain-iommufd"
    result = run(request.node.name, Config(), "plain",
                 ["lu.case=closed", "lu.ring=8000", "lu.timeout_ms=3000",
                  "lu.domain_lost=%d" % lost], during=tamper)
    assert done, "nothing was damaged: %s" % result.error
    assert result.has(r"iommu_lu: .*not taken over.*%s|iommu_lu: .*%s" %
                      (re.escape(message), re.escape(message))), "no message %r" % message
    assert not result.closed_faults()

    # the tool says the same of what the new kernel shows in debugfs
    dump = result.outdir / "incoming"
    dump.write_bytes(result.dump("incoming"))
    told = subprocess.run([tool(), "dump", dump], capture_output=True, text=True, check=False)
    if message not in TEXT.values():
        assert told.returncode == 0, told       # the record is sound, the hardware disagrees
    elif message in [text for name, text in TEXT.items()
                     if name.startswith("BLOCK") or name in ("HDR_NOT_SEALED", "HDR_PAGE_SIZE")]:
        assert told.returncode == 2, told       # its lists were not read
    else:
        assert told.returncode == 1 and message in told.stdout, told
