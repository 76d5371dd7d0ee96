# SPDX-License-Identifier: GPL-2.0
"""Damage to the state between freeze and adoption (requirements A6, C12).

The host waits until the old kernel has switched the IOMMU over, and then changes
guest memory. The new kernel must boot, name what is wrong, stop the device and
leave everybody else alone.
"""

import struct
import subprocess

import pytest
from damage import OFFSET, TEXT, block, changer, device, domain, header, refused, unit
from machine import Config
from update import tool

pytestmark = [pytest.mark.qemu, pytest.mark.corruption]

intel = changer(lambda b: b.record["hw"] + OFFSET["iommu_hw_ser", "intel"], "iommu_intel_ser")
context = changer(lambda b: b.record["device"] + OFFSET["iommu_device_ser", "intel"],
                  "iommu_device_intel_ser")


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
    # without its iommufd nobody can ask for the domain
    result = refused(request.node.name, Config(), [], patch, message,
                     lost=case != "domain-iommufd")

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
