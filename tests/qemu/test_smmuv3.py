# SPDX-License-Identifier: GPL-2.0
"""SMMUv3: stages of translation x firmware x machines, and what can go wrong."""

import dataclasses
import re
import struct

import pytest

import damage
import matrix
import test_kunit
import test_liveupdate
from damage import OFFSET, TEXT, flip
from iommus import SMMUV3
from machine import Nic
from matrix import CLOSED, Row
from update import SPLAT, run

pytestmark = [pytest.mark.qemu, pytest.mark.arm64]

# mode: (options of the unit, boot by UEFI with ACPI; else with a device tree)
MODES = {
    "s1": (",stage=1", False),
    "s2": (",stage=2", False),
    "both": ("", False),
    "s1-acpi": (",stage=1", True),
    "s2-acpi": (",stage=2", True),
    "both-acpi": ("", True),
}
DT = tuple(m for m in MODES if not MODES[m][1])

# Interrupts are remapped by the ITS, which cannot be told not to. Firmware decides
# about buses and their windows: these rows will do.
ACPI = ("e1000e", "igb-port", "two-domains", "five")
ROWS = {name: row if name in ACPI else dataclasses.replace(row, modes=DT)
        for name, row in matrix.ROWS.items() if not name.startswith("no")}
# Two cards on a domain of stage 2: see test_two_on_stage_2
ROWS["one-domain"] = dataclasses.replace(ROWS["one-domain"], modes=("s1", "both"))
# Each card behind an SMMU of its own; without ACPI nobody tells of the second one
ROWS["two-smmus"] = Row((Nic(), Nic(host=True)), ("lu.case=pair",), modes=("both-acpi",))

# What the driver says it found: stages that the unit can do
TRANS_S1, TRANS_S2 = 1 << 9, 1 << 10
STAGES = {"s1": TRANS_S1, "s2": TRANS_S2, "both": TRANS_S1 | TRANS_S2}


def config(mode, row=Row()):
    options, firmware = MODES[mode]
    return dataclasses.replace(matrix.config(SMMUV3, row, options), firmware=firmware)


def check_stages(result, mode):
    """The machine is the one that was asked for: QEMU may know better."""
    found = {int(m[1], 16) for _, text in result.lines
             if (m := re.search(r"arm-smmu-v3.*\(features 0x([0-9a-f]+)\)", text))}
    assert {f & (TRANS_S1 | TRANS_S2) for f in found} == {STAGES[mode.split("-")[0]]}
    assert result.has(r"^ACPI: IORT") == MODES[mode][1]
    # what is taken from the DMA API may lie where the next kernel allocates
    assert sum(bool(re.match(r"cma: Reserved", text)) for _, text in result.lines) == \
        result.stages


modes = pytest.mark.parametrize("mode", MODES)
stages = pytest.mark.parametrize("mode", DT)


@pytest.fixture
def name(request):
    return "smmuv3-" + request.node.name


# ---- the matrix ----

@pytest.mark.parametrize("row, mode, flavour", matrix.cells(ROWS, MODES))
def test_matrix(name, flavour, mode, row):
    row = ROWS[row]
    result = matrix.update(name, row, config(mode, row), flavour, matrix.words(row), "adopted")
    check_stages(result, mode)


@pytest.mark.plain
@stages
def test_large_pages(name, mode):
    """Pages of 64K, in all tables as well. Each scratch area of KHO takes 512 MiB then."""
    row = Row()
    cfg = dataclasses.replace(config(mode, row), memory=6 << 30)
    matrix.update(name, row, cfg, "64k", matrix.words(row), "adopted")


@pytest.mark.plain
@pytest.mark.parametrize("mode", ["s2"])
def test_two_on_stage_2(name, mode):
    """One VMID stands for one table: the second card cannot go another way than the first."""
    row = matrix.ROWS["one-domain"]
    result = run(name, config(mode, row), append=[*matrix.words(row), "lu.gap=1"])
    faults = result.console_faults() + result.trace_faults() + result.traffic_faults()
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert result.has("another device is on its restored domain")
    res = result.results[1]
    assert res.landed and not res.lost and not res.bad and not res.duplicate


@pytest.mark.plain
@stages
@pytest.mark.parametrize("doorbell", [1, 0], ids=["doorbell", "no-doorbell"])
def test_interrupts(name, mode, doorbell):
    """Writes that are MSIs go through the SMMU: the doorbell must be mapped."""
    cfg = dataclasses.replace(config(mode), nics=(Nic(rate=100),))
    result = run(name, cfg, append=["lu.case=msi", "lu.doorbell=%d" % doorbell])
    test_liveupdate.check(result)
    assert result.has("interrupts need its HWPT to be attached first")
    assert result.has("interrupts need its domain to be replaced first") == (not doorbell)
    assert result.stages == 2


@pytest.mark.plain
@pytest.mark.parametrize("mode", ["both-acpi"])
def test_smmu_without_preserved_devices_blocks(name, mode):
    """A card behind another SMMU goes on, and reaches nothing while that SMMU is off.

    The trace does not tell which SMMU goes off, and is set up anew.
    """
    def judge(result):
        faults = result.console_faults() + result.traffic_faults() + \
            [f for f in result.trace_faults() if "IOMMU off" not in f and "unit on" not in f]
        assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)

    result = test_liveupdate.unpreserved_is_stopped(
        name, config(mode), "plain", second=Nic(rate=20, host=True), judge=judge)
    assert result.has("nothing is preserved, everything behind it is blocked")


@pytest.mark.plain
@stages
def test_unpreserved_device_is_stopped(name, mode):
    test_liveupdate.unpreserved_is_stopped(name, config(mode), "plain")


# ---- what is refused before the jump ----

def address_of_table(m):
    """Of the stream table, as the first kernel has said."""
    _, _, base = m.wait_event(r"smmuv3_write_mmio addr: 0x80 val:0x([0-9a-f]+)", 1)
    return int(base[1], 16) & 0xfffffffffffc0


@test_liveupdate.flavours
@pytest.mark.parametrize("what, mode", [("entry", "s1"), ("entry", "s2"), ("descriptor", "s1")])
def test_changed_entry_is_refused(name, flavour, mode, what):
    def flip_bit(m):
        table, = struct.unpack("<Q", m.read_ram(address_of_table(m), 8))
        at = (table & 0xffffffffffc0) + SID * STE_SIZE
        if what == "descriptor":
            at, bit = struct.unpack("<Q", m.read_ram(at, 8))[0] & 0xfffffffffffc0, 1 << 45
        else:
            at, bit = at + 8, MEV
        value, = struct.unpack("<Q", m.read_ram(at, 8))
        m.write_ram(at, struct.pack("<Q", value ^ bit))

    message = {"entry": "entry of stream .* is not its domain's",
               "descriptor": "its context descriptor is not its domain's"}
    test_liveupdate.changed_entry_is_refused(name, config(mode), flavour, flip_bit,
                                             message[what])


@pytest.mark.plain
def test_kernel_without_us_is_refused(name):
    result = run(name, config("both"), next_flavour="off",
                 append=["lu.case=refuse", "lu.try=kexec-foreign"])
    assert not result.console_faults() + result.traffic_faults()
    assert result.stages == 1


# ---- the next kernel finds damage: the device is stopped, the kernel boots on ----

smmu = damage.changer(lambda b: b.record["hw"] + OFFSET["iommu_hw_ser", "smmuv3"],
                      "iommu_smmuv3_ser")
attached = damage.changer(lambda b: b.record["device"] + OFFSET["iommu_device_ser", "smmuv3"],
                          "iommu_device_smmuv3_ser")

STE_SIZE, SID = 64, 3 << 3


def first_level(b):
    """Of the stream table, which has two levels on this machine."""
    base = b.record["hw"] + OFFSET["iommu_hw_ser", "smmuv3"]
    return b.read(base, "iommu_smmuv3_ser", "strtab_pa", "Q")


def entry(b):
    """The stream table entry of the device."""
    table, = struct.unpack("<Q", b.m.read_ram(first_level(b), 8))
    return (table & 0xffffffffffc0) + SID * STE_SIZE


def descriptor(b):
    """Its context descriptor: the table is linear for a device without PASIDs."""
    ste, = struct.unpack("<Q", b.m.read_ram(entry(b), 8))
    return ste & 0xfffffffffffc0


MEV = 1 << 19           # merge events, in the second quadword of an entry
ALL = ("s1", "s2")
# name: (modes, what is done, what the new kernel says). The bits in tables keep the
# hardware going: a frame must land as a whole or not at all.
DAMAGE = {
    "flags": (ALL, smmu("flags", "I", 0x80), TEXT["HW_FLAGS"]),
    "cr0": (ALL, smmu("cr0", "I", 0), TEXT["HW_REGISTER"]),
    "table-elsewhere": (ALL, smmu("strtab_pa", "Q", lambda pa: pa ^ 0x10000),
                        TEXT["HW_REGISTER"]),
    "table-size": (ALL, smmu("strtab_base_cfg", "I", lambda cfg: cfg ^ 1), "differs"),
    "second-levels": (ALL, smmu("nr_l2_tables", "I", lambda n: n + 1), "stream table is damaged"),
    "identification": (ALL, smmu("idr0", "I", lambda idr: idr ^ (1 << 4)),
                       "identification differs"),
    "cr1": (ALL, smmu("cr1", "I", lambda cr1: cr1 ^ 1), "control registers differ"),
    "cr2": (ALL, smmu("cr2", "I", lambda cr2: cr2 ^ 2), "control registers differ"),
    "first-level": (ALL, damage.poke(first_level, 8 * 200, 0x5003), "stream table is damaged"),
    "no-id": (ALL, attached("did", "H", 0), TEXT["DEVICE_DID"]),
    "other-id": (ALL, attached("did", "H", lambda did: did ^ 0x15), TEXT["DEVICE_ENTRY"]),
    "recorded-entry": (ALL, attached("ste", "Q", lambda ste: ste & ~1), TEXT["DEVICE_ENTRY"]),
    # the entry is nobody's then, and does not wait for its device
    "stream": (ALL, attached("sids", "I", lambda sid: sid ^ 8), "there is no record of it"),
    # this one has no table
    "stream-of-nobody": (ALL, attached("sids", "I", lambda sid: sid ^ 0x8000), "as it was recorded"),
    "entry": (ALL, flip(entry, 8, MEV), "stream table entry differs"),
    "descriptor": (("s1",), flip(descriptor, 0, 1 << 45), "context descriptor differs"),
}


@pytest.mark.corruption
@pytest.mark.parametrize("case, mode", [(c, m) for c in DAMAGE for m in DAMAGE[c][0]])
def test_damage(name, mode, case):
    _, patch, message = DAMAGE[case]
    damage.refused(name, config(mode), [], patch, message)


@pytest.mark.plain
@stages
def test_init_fails(name, mode):
    """The driver gives up after it took the SMMU over, with devices running."""
    tamper, done = damage.failing("plain", "iommu_device_sysfs_add", "arm64")
    # the disk as well would be blocked, and nobody could start
    cfg = dataclasses.replace(config(mode), past=True)
    result = run(name, cfg, "plain", [*CLOSED, "lu.domain_lost=1"], during=tamper)
    assert done, "nothing was patched: %s" % result.error
    assert result.has("adopted") and result.has("given up, everything behind it is blocked")
    assert not result.closed_faults()


# ---- the kernel's own tests ----

OWN = {"arm-smmu-v3-kunit-test", "io-pgtable-arm-test"}


@pytest.mark.kunit
def test_own_tests_of_the_driver(name):
    """Of how entries are written and page tables are laid out, on the patched kernel."""
    result = run(name, config("both"), "kunit", ["kunit.enable=1", "kunit.filter_glob=*arm*-test",
                                                 "lu.case=leaks"], timeout=600)
    texts = [text for _, text in result.lines]
    user = next(i for i, text in enumerate(texts) if text.startswith("Run /init"))
    suites, wrong = test_kunit.parse(texts[:user])
    assert not wrong
    assert {suite.name for suite in suites if suite.parts} == OWN
    assert not [path for suite in suites for path, res in suite.leaves() if not res.ok]
    assert not [text for text in texts if SPLAT.search(text)]


# ---- counter-proofs ----

@pytest.mark.plain
@modes
def test_stock_kernel_is_judged_dead(name, mode):
    test_liveupdate.stock_is_dead(name, config(mode), ["IOMMU off", "register 0x28 written"])
