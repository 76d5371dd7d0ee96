# SPDX-License-Identifier: GPL-2.0
"""AMD-Vi: machines, page tables of each depth, and what can go wrong."""

import dataclasses
import errno
import os
import re
import signal
import struct

import pytest

import matrix
import qemutrace
import test_liveupdate
from damage import (HEADER, OFFSET, TEXT, Blob, changer, damager, device, domain, failing, flip,
                    header, off_after_bus_master, patch_code, refused)
from iommus import AMD
from matrix import CLOSED, NOIR, Row
from update import KVER, SWITCHED, run

pytestmark = [pytest.mark.qemu, pytest.mark.amd]

# Cards and ports tell no more of the unit than igb-port does, which has both.
# Linux begins with 3 levels, which is 39 bits, and puts more on top when it has to.
ROWS = {r: matrix.ROWS[r] for r in matrix.ROWS if r not in ("igb", "e1000e-port")} | {
    "xtsup": Row(options=",xtsup=on"),
    "level5": Row(words=("lu.case=heartbeat", "lu.iova=%#x" % (1 << 48))),
    "level6": Row(words=("lu.case=heartbeat", "lu.iova=%#x" % (1 << 57))),
    # the first card runs in the last 20 MiB below 2^39 when the second one is attached
    "grows": Row(matrix.PAIR, ("lu.case=pair", "lu.shared=1",
                               "lu.iova=%#x" % ((1 << 39) - (20 << 20)))),
}


INVALIDATIONS = ("amdvi_all_inval", "amdvi_devtab_inval", "amdvi_pages_inval",
                 "amdvi_completion_wait")

RID, UNUSED, VIRTIO_BLK = 3 << 3, 0x1e << 3, 2 << 3
DTE = RID * 32          # of the device, in the device table
BLOCKING = (3, 0)       # V, TV; Mode = 0, IR = IW = 0; no domain id
SD = 1 << 25            # snoop disable, in its second quadword: DMA goes on


@pytest.fixture
def name(request):
    return "amd-" + request.node.name


def config(row=Row()):
    return matrix.config(AMD, row)


# ---- the matrix ----

@pytest.mark.parametrize("row, flavour", matrix.cells(ROWS))
def test_matrix(name, flavour, row):
    row = ROWS[row]
    matrix.update(name, row, config(row), flavour, matrix.words(row), "adopted")


@test_liveupdate.flavours
def test_unpreserved_device_is_stopped(name, flavour):
    test_liveupdate.unpreserved_is_stopped(name, config(), flavour)


@pytest.mark.plain
def test_invalidations(name):
    """Everything before the queues stop; after the replace the entry, then the old domain.

    So nothing before that touches the entry of the device.
    """
    cfg = dataclasses.replace(config(), events=("amdvi_completion_wait",))
    result = run(name, cfg, "plain", matrix.words(Row()))
    test_liveupdate.check(result)
    _, state = test_liveupdate.read_dump(result, "incoming", result.outdir / "incoming")
    (device,) = state["devices"]

    trace = [e for e in result.events if e[0] >= result.updates[0].begin]
    switch = next(e for e in qemutrace.parse(trace) if e.kind == "switch")
    at = next(i for i, e in enumerate(trace) if e[1] == switch.text)
    names = [text.split()[0] for _, text in trace]
    before = [n for n in names[:at] if n.startswith(INVALIDATIONS)]
    assert before[-2:] == ["amdvi_all_inval", "amdvi_completion_wait"]

    # what the logs have raised is cleared, else the next kernel would get no interrupt
    boot = [t for t, text in result.lines if text.startswith("Linux version")][1]
    status = [text for t, text in trace[at:] if t < boot and
              re.search(r"amdvi_mmio_write .* addr 0x2020, .* val 0x667\b", text)]
    assert len(status) == 1, status

    mine = [i for i, (_, text) in enumerate(trace) if i > at and
            text.startswith("amdvi_devtab_inval") and "00:03.0" in text]
    assert len(mine) == 1, "entry of the device touched %d times" % len(mine)
    then = [text for _, text in trace[mine[0]:] if text.startswith(INVALIDATIONS)]
    assert [text.split()[0] for text in then[:4]] == \
        ["amdvi_devtab_inval", "amdvi_completion_wait",
         "amdvi_pages_inval", "amdvi_completion_wait"]
    assert "domain %#x " % device["did"] in then[2]


@test_liveupdate.flavours
def test_changed_entry_is_refused(name, flavour):
    def flip_entry(m):
        _, _, low = m.wait_event(r"amdvi_mmio_write .* addr 0x0, .* val 0x([0-9a-f]+)", 1)
        at = (int(low[1], 16) & ~0xfff) + DTE + 8
        value, = struct.unpack("<Q", m.read_ram(at, 8))
        m.write_ram(at, struct.pack("<Q", value ^ SD))

    test_liveupdate.changed_entry_is_refused(name, config(), flavour, flip_entry,
                                             "device table entry of .* is not its domain's")


# ---- the next kernel's command line says something else ----

# What cannot be changed under a running device goes on as it was.
OTHER_MIND = ("amd_iommu=pgtbl_v2", "iommu=pt", "nointremap", "amd_iommu_intr=legacy")


@pytest.mark.plain
@pytest.mark.parametrize("word", OTHER_MIND)
def test_next_kernel_of_another_mind(name, word):
    result = run(name, config(), "plain", [*matrix.words(Row()), NOIR, "lu.next=" + word])
    test_liveupdate.check(result)


# ---- the next kernel cannot go on: everything is stopped ----

OFF = (AMD.off, "iommu=off")


@pytest.mark.plain
@pytest.mark.parametrize("word", OFF)
def test_next_kernel_without_iommu(name, word):
    result = run(name, config(), "plain", [*CLOSED, "lu.next=" + word, "lu.domain_lost=1"])
    assert not result.closed_faults()
    assert off_after_bus_master(result)


@pytest.mark.plain
@pytest.mark.parametrize("word", OFF)
def test_next_kernel_without_iommu_or_record(name, word):
    """No record tells of the device, but its entry does."""
    result = refused(name, config(), ["lu.next=" + word], hide, "AMD-Vi is given up")
    assert off_after_bus_master(result)


# Also of a unit that is off QEMU asks the device table for interrupts, which the driver has
# given back. Linux 7.2 remaps them and keeps it for that; 7.3 does not, see run(), and no disk
# can be read.
needs_interrupts = pytest.mark.skipif(
    KVER != "7.2", reason="QEMU looks up interrupts in the device table of a unit that is off")


@needs_interrupts
@pytest.mark.plain
def test_init_fails(name):
    """No memory for a log: the driver gives everything up, with devices running.

    Later failures are not survived by the stock driver either. The table in use by then
    is freed: QEMU looks up interrupts in it even though the unit is off, as long as they
    come from devices.
    """
    tamper, done = failing("plain", "amd_iommu_alloc_ppr_log")
    result = run(name, config(), "plain", [*CLOSED, "lu.next=pci=nomsi", "lu.domain_lost=1"],
                 during=tamper)
    assert done, "nothing was patched: %s" % result.error
    assert result.has("adopted") and result.has("AMD-Vi is given up")
    assert not result.closed_faults()


@needs_interrupts
@pytest.mark.plain
def test_init_fails_late(name):
    """No interrupt for the logs, when all devices were probed: the unit stays on for other
    interrupts and lets everything through, but for what was inherited. In identity mode
    the other devices do not mind."""
    seen = {}

    def during(m):
        _, _, blob = m.wait_line(r"^# outgoing: blob at (0x[0-9a-f]+)", 120)
        m.wait_line(SWITCHED, 120)
        table = dev_table(Blob(m, int(blob[1], 16)))
        m.wait_line("^@end", 120)
        seen["dte"] = dte(m, table, RID)
        seen["other"] = dte(m, table, VIRTIO_BLK)

    result = run(name, config(), "plain", [*CLOSED, "lu.next=pci=nomsi", "lu.next=iommu=pt",
                                           "lu.domain_lost=0"], during=during)
    assert result.has("restored domain attached") and result.has("AMD-Vi is given up")
    assert not result.closed_faults()
    assert seen["dte"][:2] == BLOCKING, seen
    assert seen["other"][:2] == (0, 0), seen


def within(kind, field):
    return lambda b: b.unit(kind) + OFFSET["iommu_hw_ser", field]


amd = changer(within("AMD", "amd"), "iommu_amd_ser")
segment = changer(within("AMD_SEGMENT", "amd_segment"), "iommu_amd_segment_ser")
entry = changer(lambda b: b.record["device"] + OFFSET["iommu_device_ser", "amd"],
                "iommu_device_amd_ser")


def dev_table(b):
    """Where the hardware looks for the entry of a requester id."""
    at = within("AMD_SEGMENT", "amd_segment")(b)
    return b.read(at, "iommu_amd_segment_ser", "dev_table_pa", "Q")


def dte(m, table, rid):
    return struct.unpack("<4Q", m.read_ram(table + rid * 32, 32))


def copy_entry(b):
    """What leads a hidden device to memory, behind a requester id that no device has."""
    table = dev_table(b)
    b.m.write_ram(table + UNUSED * 32, b.m.read_ram(table + DTE, 32))


def hide(b):
    """The record is that of a device that is not there, or is not seen."""
    copy_entry(b)
    device("bdf", "H", UNUSED)(b)
    device("rids", "H", UNUSED)(b)


def hide_file(b):
    """Also for who finishes the session: the file of the device, as LUO has written it down."""
    os.kill(b.m.proc.pid, signal.SIGSTOP)       # until patch_code() is done
    hide(b)
    assert patch_code(b.m, *(struct.pack("<48sQ", VFIO_FILE, rid) for rid in (RID, UNUSED)))


def second_rid(b):
    """Its entry is there, and no device of this kernel would have it."""
    copy_entry(b)
    base = b.record["device"]
    device("nr_rids", "H", 2)(b)
    b.m.write_ram(base + OFFSET["iommu_device_ser", "rids"] + 2, struct.pack("<H", UNUSED))


def register(offset, change):
    """One of the unit's own registers."""
    def patch(b):
        old, = b.m.qtest("readq %#x" % (MMIO + offset))
        b.m.qtest("writeq %#x %#x" % (MMIO + offset, change(int(old, 16))))
    return patch


MMIO = 0xfed80000
VFIO_FILE = re.search(rb'IOMMU_LU_VFIO_PCI_COMPATIBLE\s+"([^"]+)"', HEADER.encode())[1]
GA_EN = 1 << 17         # in the control register
COHERENT = 1 << 10      # likewise: how the unit itself reads memory
DAMAGE = {
    "magic": (header("magic", "Q", 0x1234), TEXT["HDR_MAGIC"]),
    "device": (device("vendor", "H", lambda v: v ^ 1),
               "it is not the device that was preserved"),
    "table-elsewhere": (lambda b: (
        segment("dev_table_pa", "Q", lambda pa: pa ^ 0x200000)(b),
        changer(lambda b: b.unit("AMD_SEGMENT"), "iommu_hw_ser")(
            "token", "Q", lambda pa: pa ^ 0x200000)(b)), "device table differs"),
    "table-size": (segment("dev_table_size", "I", lambda size: size // 2),
                   TEXT["HW_TABLE_SIZE"]),
    "link": (amd("segment_index", "I", 9), TEXT["HW_LINK"]),
    "features": (amd("efr", "Q", lambda efr: efr ^ 1), "features differ"),
    "control": (amd("control", "Q", lambda control: control ^ COHERENT), "mode differs"),
    # the next kernel would put it right by itself
    "control-register": (register(0x18, lambda control: control ^ COHERENT), "mode differs"),
    # half the table; with another address KHO would warn that it knows of no memory there
    "table-register": (register(0x0, lambda base: base & ~0x1ff | 0xff), "not inherited memory"),
    "second-requester-id": (second_rid, "requester ids are not those that were recorded"),
    "no-record": (hide, "there is no record of it"),
    "entry": (flip(dev_table, DTE + 8, SD), "the restored domain needs"),
    "recorded-entry": (entry("dte", "Q", lambda dte: dte ^ 1), TEXT["DEVICE_ENTRY"]),
    "domain-id": (entry("did", "H", lambda did: did ^ 0x15), TEXT["DEVICE_ENTRY"]),
    "levels": (domain("top_level", "B", lambda level: level + 1), TEXT["DEVICE_ENTRY"]),
}


@pytest.mark.corruption
@pytest.mark.parametrize("case", DAMAGE)
def test_damage(name, case):
    """An entry is changed first and what is cached of it invalidated then, when there are
    commands. Meanwhile DMA to some pages is blocked and to others not."""
    refused(name, config(), [], *DAMAGE[case], torn=True)


@pytest.mark.plain
def test_entry_of_nobody(name):
    """It blocks, and the device beside it goes on."""
    seen = {}

    def patch(b):
        copy_entry(b)
        seen["table"] = dev_table(b)

    tamper, done = damager(patch)

    def during(m):
        tamper(m)
        m.wait_line("nobody knows whose entry this is, it is blocked now", 120)
        m.wait_line("^@end", 120)
        seen["dte"] = dte(m, seen["table"], UNUSED)

    result = run(name, config(), "plain", matrix.words(Row()), during=during)
    assert done and seen["dte"][:2] == BLOCKING, (result.error, seen)
    test_liveupdate.check(result)


HIDDEN = {
    # it has a record, which is not sound
    "record": (lambda b: (hide(b), device("class", "I", 0xff000000)(b)), (),
               "nobody knows whose entry this is"),
    # it has a record, and somebody finishes its session
    "finished": (hide_file, ("lu.finish=1", "lu.errno=%d" % errno.ENODEV),
                 "has not come back, it is blocked now"),
}


@pytest.mark.corruption
@pytest.mark.parametrize("case", HIDDEN)
def test_hidden_device(name, case):
    """It may be at work: its entry goes before the memory is somebody else's."""
    patch, words, message = HIDDEN[case]
    seen = {}

    def remember(b):
        patch(b)
        seen["table"] = dev_table(b)

    def then(m):
        seen["dte"] = dte(m, seen["table"], UNUSED)

    refused(name, config(), words, remember, message, lost=False, torn=True, then=then)
    assert seen["dte"][:2] == BLOCKING, seen


@pytest.mark.plain
def test_id_of_the_identity_domain(name):
    """It takes the first that is free; here a device has brought that one along."""
    def patch(b):
        entry("did", "H", 1)(b)
        recorded = b.record["device"] + OFFSET["iommu_device_ser", "amd"] + \
            OFFSET["iommu_device_amd_ser", "dte"]
        for at in (recorded + 8, dev_table(b) + DTE + 8):
            old, = struct.unpack("<Q", b.m.read_ram(at, 8))
            b.m.write_ram(at, struct.pack("<Q", old & ~0xffff | 1))

    tamper, done = damager(patch)
    result = run(name, config(), "plain", matrix.words(Row()), during=tamper)
    assert done
    test_liveupdate.check(result)


# ---- counter-proofs ----

@pytest.mark.plain
def test_stock_kernel_is_judged_dead(name):
    test_liveupdate.stock_is_dead(name, config(),
                                  ["amdvi_control_status", "register 0x0"])


@pytest.mark.plain
def test_passing_through_is_seen(name):
    """Without dma-remap frames land where the physical addresses say, and only the trace
    tells that nobody translated them."""
    cfg = dataclasses.replace(config(), iommu=AMD.machine.replace(",dma-remap=on", ""))
    result = run(name, cfg, "off", ["iommu=pt", "lu.case=receive", "lu.same=1", "lu.frames=200"])
    assert not result.console_faults() and result.results[0].landed
    events = qemutrace.parse(result.events)
    faults = qemutrace.judge(events, 0, result.end, cfg.bdfs()[0][0], proof=AMD.proof,
                             windows=[(0, result.end)])
    assert "no translated DMA of the device" in faults
