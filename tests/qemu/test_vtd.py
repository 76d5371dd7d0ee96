# SPDX-License-Identifier: GPL-2.0
"""VT-d: modes of translation x machines, and what can go wrong in each mode."""

import dataclasses
import mmap
import os
import re
import signal
import struct
import subprocess

import pytest

import qemutrace
import test_corruption
import test_liveupdate
from machine import Config, Nic
from test_corruption import TEXT, Blob, context, header, intel
from update import kernel, run

pytestmark = [pytest.mark.qemu, pytest.mark.vtd]

CLOSED = test_liveupdate.CLOSED

# mode: (options of the unit, words for the kernel)
MODES = {
    "legacy": ("", "intel_iommu=sm_off"),
    "ss": (",scalable-mode=on", "intel_iommu=sm_on"),
    "fs": (",scalable-mode=on,fsts=on", "intel_iommu=sm_on"),
}

# Without interrupt remapping a device could send any interrupt: VFIO wants to be told.
NOIR = "iommufd.allow_unsafe_interrupts=1"


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the matrix."""

    nics: tuple = (Nic(),)
    words: tuple = ("lu.case=heartbeat",)
    intremap: bool = True
    updates: int = 1
    options: str = ""           # of the unit
    modes: tuple = tuple(MODES)


PAIR = (Nic(), Nic())
ROWS = {
    "e1000e": Row(),
    "igb": Row((Nic("igb"),)),
    "e1000e-port": Row((Nic("e1000e", port=True),)),
    "igb-port": Row((Nic("igb", port=True),)),
    "bridge": Row((Nic("e1000e", bridge=1),)),
    "two-domains": Row(PAIR, ("lu.case=pair",)),
    "one-domain": Row(PAIR, ("lu.case=pair", "lu.shared=1")),
    "noir": Row(intremap=False),
    "nointremap": Row(words=("lu.case=heartbeat", "nointremap", NOIR)),
    "five": Row(updates=5),
    # a unit that remembers what is not present, as one that is emulated for a guest
    "caching-mode": Row(options=",caching-mode=on"),
    # with a page request queue
    "svm": Row(options=",svm=on,device-iotlb=on,pasid-bits=20", modes=("fs",)),
}
# Also with the debug kernel, which takes a minute.
DEBUG = ("e1000e", "igb-port", "bridge", "two-domains", "one-domain", "five")


def config(mode, row=Row()):
    options = MODES[mode][0] + row.options + ",intremap=" + ("on" if row.intremap else "off")
    nics = row.nics
    if mode != "legacy":
        # In scalable mode Linux makes no entry for the requester id that such a bridge
        # uses for all devices behind it. It is the first one's own as well.
        nics = tuple(dataclasses.replace(n, bridge=0) if n.bridge > 0 else n for n in nics)
    return Config(nics=nics, iommu="intel-iommu" + options)


def words(mode, row=Row()):
    out = [MODES[mode][1], "lu.updates=%d" % row.updates, "lu.warmup=100"]
    if not row.intremap:
        out.append(NOIR)
    return list(row.words) + out


modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def name(request):
    return "vtd-" + request.node.name


# ---- the matrix ----

@pytest.mark.parametrize(
    "row, mode, flavour",
    [pytest.param(r, m, "plain", marks=pytest.mark.plain) for r in ROWS for m in ROWS[r].modes] +
    [pytest.param(r, m, "debug", marks=pytest.mark.debug) for r in DEBUG for m in ROWS[r].modes])
def test_matrix(name, flavour, mode, row):
    row = ROWS[row]
    result = run(name, config(mode, row), flavour, words(mode, row),
                 timeout=1200 if row.updates > 1 else None)
    faults = result.faults()
    for card in range(1, len(row.nics)):
        faults += result.traffic_faults(card) + result.trace_faults(card)
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert result.stages == row.updates + 1 and len(result.updates) == row.updates
    want = "adopted, %s mode" % ("legacy" if mode == "legacy" else "scalable")
    assert sum(want in text for _, text in result.lines) == row.updates
    assert sum("restored domain attached" in text for _, text in result.lines) == \
        row.updates * len(row.nics)
    assert result.has("Enabled IRQ remapping") == (row.intremap and "nointremap" not in row.words)


@pytest.mark.plain
@modes
def test_unpreserved_device_is_stopped(name, mode):
    test_liveupdate.unpreserved_is_stopped(name, dataclasses.replace(
        config(mode), nics=(Nic(), Nic(rate=50))), "plain", [MODES[mode][1]])


INVALIDATIONS = ("vtd_inv_desc_cc_global", "vtd_inv_desc_cc_devices",
                 "vtd_inv_desc_pasid_cache_gsi", "vtd_inv_desc_pasid_cache_dsi",
                 "vtd_inv_desc_iotlb_global", "vtd_inv_desc_iotlb_domain")


ESRTPS = 1 << 63    # capability register


@pytest.mark.plain
@modes
def test_invalidations(name, mode):
    """After the switch everything, after the replace the old domain, in the right order.

    If the unit says that it invalidates all by itself when the root table is set
    (ESRTPS), as QEMU's does, there is nothing to see after the switch. The unit has no caching mode: what becomes present needs none. So the one for the
    context entry of the device is that of the replace, and the attach of the restored
    domain had none.
    """
    cfg = dataclasses.replace(config(mode), events=INVALIDATIONS)
    result = run(name, cfg, "plain", words(mode))
    test_liveupdate.check(result)
    trace = [text.split(" ", 1) for t, text in result.events if t >= result.updates[0].begin]
    scalable = mode != "legacy"

    switch = next(i for i, e in enumerate(trace) if e[0] == "vtd_reg_dmar_root")
    then = [e[0] for e in trace[switch + 1:] if e[0] in INVALIDATIONS]
    want = ["vtd_inv_desc_cc_global"] + ["vtd_inv_desc_pasid_cache_gsi"] * scalable + \
        ["vtd_inv_desc_iotlb_global"]
    cap, = {re.search(r" cap ([0-9a-f]+) ", text)[1] for _, text in result.lines
            if "reg_base_addr" in text}
    assert int(cap, 16) & ESRTPS or then[:len(want)] == want

    sid = "sid 0x%x " % (3 << 3)
    mine = [i for i, e in enumerate(trace)
            if i > switch and e[0] == "vtd_inv_desc_cc_devices" and sid in e[1] + " "]
    assert len(mine) == 1, "context entry of the device touched %d times" % len(mine)
    then = [e for e in trace[mine[0] + 1:] if e[0] in INVALIDATIONS]
    # QEMU does not trace the one of the IOTLB by PASID
    want = ["vtd_inv_desc_pasid_cache_dsi"] * scalable + ["vtd_inv_desc_iotlb_domain"]
    assert [e[0] for e in then[:len(want)]] == want
    domains = {re.search(r"domain 0x([0-9a-f]+)", e[1])[1] for e in then[:len(want)]}
    assert len(domains) == 1, "not all of one domain: %s" % domains


# ---- the next kernel's command line says something else ----

# What cannot be changed under a running device goes on as it was.
OTHER_MIND = {
    "legacy-sm_on": ("legacy", True, "intel_iommu=sm_on", "was left in legacy mode"),
    "ss-sm_off": ("ss", True, "intel_iommu=sm_off", "was left in scalable mode"),
    "fs-sm_off": ("fs", True, "intel_iommu=sm_off", "was left in scalable mode"),
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


# ---- the next kernel cannot go on: everything is stopped ----

@pytest.mark.plain
@modes
def test_next_kernel_without_iommu(name, mode):
    result = run(name, config(mode), "plain",
                 CLOSED + [MODES[mode][1], "lu.next=intel_iommu=off", "lu.domain_lost=1"])
    assert not result.closed_faults()
    assert off_after_bus_master(result)


def off_after_bus_master(result):
    """Translation goes off only when the device is stopped."""
    events = [e for e in qemutrace.parse(result.events) if e.time >= result.updates[0].begin]
    short = qemutrace.short(result.config.bdfs()[0][0])
    stop = next(i for i, e in enumerate(events)
                if e.kind == "command" and e.bdf == short and not e.value & qemutrace.BUS_MASTER)
    off = next(i for i, e in enumerate(events) if e.kind == "enable" and not e.value)
    return stop < off


def pasid_dir(b):
    base = b.record["device"] + test_corruption.OFFSET["iommu_device_ser", "intel"]
    return b.read(base, "iommu_device_intel_ser", "pasid_dir_pa", "Q")


def pasid_table(b):
    return struct.unpack("<Q", b.m.read_ram(pasid_dir(b), 8))[0] & ~0xfff


def root_table(b):
    base = b.record["hw"] + test_corruption.OFFSET["iommu_hw_ser", "intel"]
    return b.read(base, "iommu_intel_ser", "root_pa", "Q")


def context_table(b):
    return struct.unpack("<Q", b.m.read_ram(root_table(b), 8))[0] & ~0xfff


def poke(where, offset, value):
    return lambda b: b.m.write_ram(where(b) + offset, struct.pack("<Q", value))


def flip(where, offset, bits):
    """Bits that keep the hardware going: a frame must land as a whole or not at all."""
    def patch(b):
        old, = struct.unpack("<Q", b.m.read_ram(where(b) + offset, 8))
        poke(where, offset, old ^ bits)(b)
    return patch


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
    done = []

    def tamper(m):
        _, _, blob = m.wait_line(r"^# blob at (0x[0-9a-f]+)", 120)
        m.wait_event(r"vtd_reg_dmar_root", 120, m.events_so_far())
        patch(Blob(m, int(blob[1], 16)))
        done.append(case)

    result = run(name, config(mode), "plain", CLOSED + [MODES[mode][1], "lu.domain_lost=1"],
                 during=tamper)
    assert done, "nothing was damaged: %s" % result.error
    assert result.has(r"iommu_lu: .*not taken over.*" + re.escape(message)), \
        "no message %r" % message
    assert not result.closed_faults()


# ---- the driver's own init fails after the units were adopted ----

RETURN_EINVAL = bytes.fromhex("f30f1efa" "b8eaffffff" "c3")     # endbr64; mov $-22, %eax; ret


def code_of(flavour, function, length=48):
    """The first bytes of a function, out of the kernel's ELF file."""
    path = kernel(flavour).parents[3] / "vmlinux"
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


@pytest.mark.plain
@modes
def test_init_fails(name, mode):
    """No interrupt for faults: the driver gives everything up, with devices running."""
    code = code_of("plain", "dmar_set_interrupt")
    done = []

    def tamper(m):
        at, _, _ = m.wait_line(r"^iommu_lu: .*: switched to the preserved tables", 120)
        m.wait_line(r"^Linux version", 60, at)
        done.append(patch_code(m, code, RETURN_EINVAL))

    result = run(name, config(mode), "plain", CLOSED + [MODES[mode][1], "lu.domain_lost=1"],
                 during=tamper)
    assert done and done[0], "nothing was patched: %s" % result.error
    assert result.has("adopted, ") and result.has("DMAR: Initialization failed")
    assert not result.closed_faults()
    assert off_after_bus_master(result)
