# SPDX-License-Identifier: GPL-2.0
"""VT-d: modes of translation x machines, and what can go wrong in each mode."""

import dataclasses
import re
import struct
import time

import pytest

import matrix
import qemutrace
import test_liveupdate
from damage import (OFFSET, TEXT, device, failing, flip, header, off_after_bus_master, poke,
                    refused)
from iommus import VTD
from machine import Nic
from matrix import CLOSED, Row
from test_corruption import context, intel
from update import ADOPTED, SWITCHED, run

pytestmark = [pytest.mark.qemu, pytest.mark.vtd]

# mode: (options of the unit, words for the kernel)
MODES = {
    "legacy": ("", "intel_iommu=sm_off"),
    "ss": (",scalable-mode=on", "intel_iommu=sm_on"),
    "fs": (",scalable-mode=on,fsts=on", "intel_iommu=sm_on"),
}

CONVENTIONAL = Nic("e1000e", bridge=1, conventional=True)
ROWS = matrix.ROWS | {
    # The requester id is that of the bridge, which is a device of its own as well.
    "conventional": Row((CONVENTIONAL,), modes=("legacy",)),
    # a unit that remembers what is not present, as one that is emulated for a guest
    "caching-mode": Row(options=",caching-mode=on"),
    # ATS is used by the driver, though QEMU translates each access anew
    "ats": Row((matrix.ATS,), options=",device-iotlb=on"),
    # with a page request queue
    "svm": Row(options=",svm=on,device-iotlb=on,pasid-bits=20", modes=("fs",)),
}


def config(mode, row=Row()):
    if mode != "legacy":
        # In scalable mode Linux makes no entry for the requester id that such a bridge
        # uses for all devices behind it. It is the first one's own as well.
        row = dataclasses.replace(row, nics=tuple(
            dataclasses.replace(n, bridge=0) if n.bridge > 0 else n for n in row.nics))
    return matrix.config(VTD, row, MODES[mode][0])


def words(mode, row=Row()):
    return [MODES[mode][1], *matrix.words(row)]


modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def name(request):
    return "vtd-" + request.node.name


# ---- the matrix ----

@pytest.mark.parametrize("row, mode, flavour", matrix.cells(ROWS, MODES))
def test_matrix(name, flavour, mode, row):
    row = ROWS[row]
    kind = "legacy" if mode == "legacy" else "scalable"
    result = matrix.update(name, row, config(mode, row), flavour, words(mode, row),
                           "adopted, %s mode" % kind)
    assert result.has("Enabled IRQ remapping") == (row.intremap and "nointremap" not in row.words)


@pytest.mark.plain
@modes
def test_unpreserved_device_is_stopped(name, mode):
    test_liveupdate.unpreserved_is_stopped(name, config(mode), "plain", [MODES[mode][1]])


@pytest.mark.plain
@pytest.mark.parametrize("mode", ["ss", "fs"])
def test_conventional_bridge_is_refused(name, mode):
    """In scalable mode it is the PASID table of the bridge that its DMA goes through."""
    cfg = matrix.config(VTD, Row((CONVENTIONAL,)), MODES[mode][0])
    result = run(name, cfg, "plain", ["lu.case=refuse", "lu.try=shared", MODES[mode][1]])
    assert not result.console_faults() + result.traffic_faults()
    assert result.has("iommu_lu: a bridge does its DMA, its PASID table is not carried")


@pytest.mark.plain
@pytest.mark.parametrize("row", ["conventional", "bridge"])
def test_replace_fails(name, row):
    """After the bridge has got the new domain. It goes back, and the device has never moved."""
    row = ROWS[row]
    tamper, done = failing("plain", "intel_lu_replace")

    def during(m):
        tamper(m)
        m.wait_line("^@end", 240)
        frames, end = m.traffic.peek()[0][1] + 100, time.monotonic() + 60
        while m.traffic.peek()[0][1] < frames and time.monotonic() < end:
            time.sleep(0.01)    # between two looks at what has landed

    result = run(name, config("legacy", row), "plain", words("legacy", row), during=during)
    assert done, "nothing was patched: %s" % result.error
    failed = [f for f in result.console_faults() if f.startswith("not ok")]
    assert len(failed) == 1 and "replace the restored HWPT" in failed[0], failed
    assert not result.logged_faults() + result.traffic_faults() + result.trace_faults()


@pytest.mark.plain
def test_page_request_queue(name):
    """Its memory is handed over with the unit, which may write to it at any time. That the
    device goes on is shown by the row of the matrix."""
    row = ROWS["svm"]
    result = run(name, config("fs", row), "plain", words("fs", row))
    assert not result.error and result.stages == 2
    _, state = test_liveupdate.read_dump(result, "incoming", result.outdir / "incoming")
    unit, = state["units"]
    assert int(unit["prq_pa"], 16) and unit["prq_lg2"] >= 12


INVALIDATIONS = ("vtd_inv_desc_cc_global", "vtd_inv_desc_cc_devices",
                 "vtd_inv_desc_pasid_cache_gsi", "vtd_inv_desc_pasid_cache_dsi",
                 "vtd_inv_desc_iotlb_global", "vtd_inv_desc_iotlb_domain")


ESRTPS = 1 << 63    # capability register


def traced(result):
    """Trace of the update as (event, the rest), and where in it the switch is.

    What follows what goes by the order of the trace: the console is read later than what it
    tells of.
    """
    trace = [text.split(" ", 1) for t, text in result.events if t >= result.updates[0].begin]
    return trace, next(i for i, e in enumerate(trace) if e[0] == "vtd_reg_dmar_root")


def from_entry(result, rid):
    """The trace from the invalidation of a device's context entry on. After the switch there
    is one."""
    trace, switch = traced(result)
    sid = "sid 0x%x " % rid
    mine = [i for i, e in enumerate(trace)
            if i > switch and e[0] == "vtd_inv_desc_cc_devices" and sid in e[1] + " "]
    assert len(mine) == 1, "context entry of the device touched %d times" % len(mine)
    return trace[mine[0]:]


@pytest.mark.plain
@modes
def test_invalidations(name, mode):
    """After the switch everything, after the replace the old domain, in the right order.

    If the unit says that it invalidates all by itself when the root table is set
    (ESRTPS), as QEMU's does, there is nothing to see after the switch. The unit has no
    caching mode: what becomes present needs none. So the one for the context entry of the
    device is that of the replace, and the attach of the restored domain had none.
    """
    cfg = dataclasses.replace(config(mode), events=INVALIDATIONS)
    result = run(name, cfg, "plain", words(mode))
    test_liveupdate.check(result)
    trace, switch = traced(result)
    scalable = mode != "legacy"

    then = [e[0] for e in trace[switch + 1:] if e[0] in INVALIDATIONS]
    want = ["vtd_inv_desc_cc_global"] + ["vtd_inv_desc_pasid_cache_gsi"] * scalable + \
        ["vtd_inv_desc_iotlb_global"]
    cap, = {re.search(r" cap ([0-9a-f]+) ", text)[1] for _, text in result.lines
            if "reg_base_addr" in text}
    assert int(cap, 16) & ESRTPS or then[:len(want)] == want

    then = [e for e in from_entry(result, 3 << 3)[1:] if e[0] in INVALIDATIONS]
    # QEMU does not trace the one of the IOTLB by PASID
    want = ["vtd_inv_desc_pasid_cache_dsi"] * scalable + ["vtd_inv_desc_iotlb_domain"]
    assert [e[0] for e in then[:len(want)]] == want
    domains = {re.search(r"domain 0x([0-9a-f]+)", e[1])[1] for e in then[:len(want)]}
    assert len(domains) == 1, "not all of one domain: %s" % domains


# ---- ATS ----

ATS = ROWS["ats"]
# type 3 in bits 3:0; source id in 47:32, S in 0 and address in 63:12 of the other half (6.5.2.5)
DEVICE_TLB = re.compile(r"vtd_inv_desc invalidate desc type device.*")


@pytest.mark.plain
@modes
def test_ats(name, mode):
    """Turned on by the first kernel and never written again; what the device has learned of
    the old domain is taken from it last, when nothing can tell it again."""
    events = (*INVALIDATIONS, "vtd_inv_desc")
    result = run(name, dataclasses.replace(config(mode, ATS), events=events), "plain",
                 words(mode, ATS))
    test_liveupdate.check(result)
    bdf = qemutrace.short(result.config.bdfs()[0][0])
    control = [e for e in qemutrace.parse(result.events) if e.kind == "ats" and e.bdf == bdf]
    assert control and control[-1].value == qemutrace.ATS_ENABLE
    assert control[-1].time < result.begin

    kinds = [e[0] for e in from_entry(result, 1 << 8)
             if e[0] in INVALIDATIONS or DEVICE_TLB.match(" ".join(e))]
    want = ["vtd_inv_desc_cc_devices"] + ["vtd_inv_desc_pasid_cache_dsi"] * (mode != "legacy") + \
        ["vtd_inv_desc_iotlb_domain", "vtd_inv_desc"]
    assert kinds[:len(want)] == want


def control(value):
    return device("ats_control", "H", value)


# What the next kernel finds, and why it does not go on with that.
ATS_DAMAGE = {
    "recorded-as-off": (control(0), "ATS or PASID control is not what this kernel goes on with"),
    "other-units": (control(lambda v: v + 1),
                    "ATS or PASID control is not what this kernel goes on with"),
    "pasid-recorded": (device("pasid_control", "H", 1),
                       "ATS or PASID control is not what this kernel goes on with"),
    "not-enabled": (control(1), TEXT["DEVICE_CONTROL"]),
    "unknown-bit": (control(0x8040), TEXT["DEVICE_CONTROL"]),
    "entry-without": (context("context_lo", "Q", lambda v: v ^ 1 << 2), TEXT["DEVICE_ATS"]),
}


def stopped(result):
    """Bus master off, then ATS. A driver of its own has the device afterwards."""
    bdf = qemutrace.short(result.config.bdfs()[0][0])
    events = [e for e in qemutrace.parse(result.events)
              if e.bdf == bdf and e.time >= result.updates[0].begin]
    off = next(i for i, e in enumerate(events)
               if e.kind == "command" and not e.value & qemutrace.BUS_MASTER)
    ats = next(i for i, e in enumerate(events)
               if e.kind == "ats" and not e.value & qemutrace.ATS_ENABLE)
    return off < ats


@pytest.mark.corruption
@pytest.mark.parametrize("mode", ["legacy", "fs"])
@pytest.mark.parametrize("case", ATS_DAMAGE)
def test_ats_damage(name, mode, case):
    patch, message = ATS_DAMAGE[case]
    result = refused(name, config(mode, ATS), [MODES[mode][1]], patch, message)
    assert stopped(result)


@pytest.mark.plain
@modes
def test_next_kernel_without_ats(name, mode):
    """It would not tell the device when a translation is gone."""
    result = run(name, config(mode, ATS), "plain",
                 CLOSED + [MODES[mode][1], "lu.next=pci=noats", "lu.domain_lost=1"])
    assert not result.closed_faults()
    assert result.has("ATS or PASID control is not what this kernel goes on with")
    assert stopped(result)


# ---- the next kernel's command line says something else ----

# What cannot be changed under a running device goes on as it was.
OTHER_MIND = {
    "legacy-sm_on": ("legacy", True, "intel_iommu=sm_on", "were left in legacy mode"),
    "ss-sm_off": ("ss", True, "intel_iommu=sm_off", "were left in scalable mode"),
    "fs-sm_off": ("fs", True, "intel_iommu=sm_off", "were left in scalable mode"),
    "legacy-nointremap": ("legacy", True, "nointremap", "interrupt remapping was left on"),
    "ss-nointremap": ("ss", True, "nointremap", "interrupt remapping was left on"),
}


@pytest.mark.plain
@pytest.mark.parametrize("case", OTHER_MIND)
def test_next_kernel_of_another_mind(name, case):
    mode, intremap, word, message = OTHER_MIND[case]
    cfg = config(mode, Row(intremap=intremap))
    if case == "legacy-sm_on":
        # a unit that could do both
        cfg = dataclasses.replace(cfg, iommu=config("ss").iommu)
    result = run(name, cfg, "plain", words(mode) + ["lu.next=" + word])
    test_liveupdate.check(result)
    assert result.has(message)


@pytest.mark.plain
def test_next_kernel_without_x2apic(name):
    """Interrupt remapping cannot change its mode while it is on. DMA does not notice."""
    result = run(name, config("legacy", Row(options=",eim=on")), "plain",
                 words("legacy") + ["lu.next=nox2apic"])
    assert not result.console_faults() + result.traffic_faults()
    assert [f for f in result.trace_faults() if "interrupt remapping" not in f] == []
    assert result.has("Enabled IRQ remapping in x2apic mode")
    assert result.has("interrupt remapping was left in another mode")
    assert result.has("Enabled IRQ remapping in xapic mode")


# ---- the next kernel cannot go on: everything is stopped ----

@pytest.mark.plain
@modes
@pytest.mark.parametrize("word", ["intel_iommu=off", "iommu=off"])
def test_next_kernel_without_iommu(name, mode, word):
    result = run(name, config(mode), "plain",
                 CLOSED + [MODES[mode][1], "lu.next=" + word, "lu.domain_lost=1"])
    assert not result.closed_faults()
    assert off_after_bus_master(result)


def pasid_dir(b):
    base = b.record["device"] + OFFSET["iommu_device_ser", "intel"]
    return b.read(base, "iommu_device_intel_ser", "pasid_dir_pa", "Q")


def pasid_table(b):
    return struct.unpack("<Q", b.m.read_ram(pasid_dir(b), 8))[0] & ~0xfff


def root_table(b):
    base = b.record["hw"] + OFFSET["iommu_hw_ser", "intel"]
    return b.read(base, "iommu_intel_ser", "root_pa", "Q")


def context_table(b):
    return struct.unpack("<Q", b.m.read_ram(root_table(b), 8))[0] & ~0xfff


DEVFN = 3 << 3
FPD = 1 << 1            # fault processing disable, in a directory entry
RID_PRIV = 1 << 20      # in the second quadword of a context entry
TABLES = {
    "magic": (header("magic", "Q", 0x1234), TEXT["HDR_MAGIC"]),
    "root": (poke(root_table, 5 * 16 + 8, 0x5003), "root table is damaged"),
    "one-root-entry-more": (poke(root_table, 5 * 16 + 8, 0x5001), "root table is damaged"),
    "capability": (intel("cap", "Q", lambda cap: cap ^ (1 << 39)), "capabilities differ"),
    "extended-capability": (intel("ecap", "Q", lambda ecap: ecap ^ (1 << 6)),
                            "capabilities differ"),
    "mode": (intel("flags", "I", 0), "scalable mode differs"),
    "second-dir-entry": (poke(pasid_dir, 8, 0x5001), "PASID directory is damaged"),
    "dir-entry": (flip(pasid_dir, 0, FPD), "PASID directory is damaged"),
    "pasid-entry": (poke(pasid_table, 8, 0x1234), "PASID table entry differs"),
    "other-pasid": (poke(pasid_table, 64, 1), "PASID table entry differs"),
    "context": (flip(context_table, DEVFN * 32 + 8, RID_PRIV), "context entry differs"),
    "recorded-entry": (context("pasid_entry", "Q", lambda v: v ^ 0x40), TEXT["DEVICE_ENTRY"]),
    "max-pasid": (context("max_pasid", "I", 1 << 14), TEXT["DEVICE_TABLE_SIZE"]),
    "directory-elsewhere": (context("pasid_dir_pa", "Q", lambda pa: pa ^ 0x1000),
                            TEXT["DEVICE_ENTRY"]),
    "domain-id": (context("did", "H", lambda did: did ^ 0x15), TEXT["DEVICE_ENTRY"]),
}


@pytest.mark.corruption
@pytest.mark.parametrize("mode", ["ss", "fs"])
@pytest.mark.parametrize("case", TABLES)
def test_damage(name, mode, case):
    patch, message = TABLES[case]
    refused(name, config(mode), [MODES[mode][1]], patch, message)


@pytest.mark.corruption
@modes
def test_entry_of_nobody(name, mode):
    """It is blocked when the unit is adopted, as nobody has reserved its domain id. Whoever
    has a record goes on."""
    size = 16 if mode == "legacy" else 32
    # a slot of bus 0 that nothing is in, and whose entry is in the same table
    nobody, there = (15 << 3) * size, []

    def tamper(m):
        m.wait_line(r"^@phase preserve end", 120)
        _, _, root = m.wait_event(r"vtd_reg_dmar_root addr 0x([0-9a-f]+)", 120, m.events_so_far())
        m.wait_line(SWITCHED, 120)
        table, = struct.unpack("<Q", m.read_ram(int(root[1], 16) & ~0xfff, 8))
        table &= ~0xfff
        entry = m.read_ram(table + DEVFN * size, size)
        m.write_ram(table + nobody, entry)
        m.wait_line(ADOPTED, 120)
        there.extend((entry[0] & 1, m.read_ram(table + nobody, 1)[0] & 1))

    result = run(name, config(mode), "plain", words(mode), during=tamper)
    assert there == [1, 0]
    test_liveupdate.check(result)


# ---- the driver's own init fails after the units were adopted ----

@pytest.mark.plain
@modes
def test_init_fails(name, mode):
    """No interrupt for faults: the driver gives everything up, with devices running."""
    tamper, done = failing("plain", "dmar_set_interrupt")
    result = run(name, config(mode), "plain", CLOSED + [MODES[mode][1], "lu.domain_lost=1"],
                 during=tamper)
    assert done, "nothing was patched: %s" % result.error
    assert result.has("adopted, ") and result.has("DMAR: Initialization failed")
    assert not result.closed_faults()
    assert off_after_bus_master(result)
