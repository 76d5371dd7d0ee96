# SPDX-License-Identifier: GPL-2.0
"""Second witness: QEMU's trace of what was done to the device and the IOMMU.

The first witness (frames) cannot see everything: QEMU does not stop DMA in
D3hot, keeps the registers of an e1000e over a PM reset, and caches what it
once translated. Real hardware does not, so none of that may happen at all.
"""

import dataclasses
import re

TE = 1 << 31                    # translation enable, in GCMD and GSTS
BUS_MASTER = 1 << 2             # PCI command register
BRIDGE_RESET = 1 << 6           # PCI bridge control register

_CFG = re.compile(r"pci_cfg_write (\S+) ([0-9a-f]+:[0-9a-f]+\.[0-9a-f]+) @0x([0-9a-f]+) <- 0x([0-9a-f]+)")
_PM = re.compile(r"pci_pm_(?:bad_)?transition (\S+) ([0-9a-f]+:[0-9a-f]+\.[0-9a-f]+) .*D(\d)->D(\d)")
_GCMD = re.compile(r"vtd_reg_write_gcmd status 0x([0-9a-f]+) value 0x([0-9a-f]+)")
_ROOT = re.compile(r"vtd_reg_dmar_root addr 0x([0-9a-f]+) scalable (\d)")
_ENABLE = re.compile(r"vtd_dmar_enable enable (\d)")
_REMAP = re.compile(r"vtd_ir_enable enable (\d)")
_FAULT = re.compile(r"vtd_dmar_fault sid 0x([0-9a-f]+) fault (\S+) addr 0x([0-9a-f]+)")
_RESET = re.compile(r"resettable_phase_hold_exec obj=0x[0-9a-f]+\((\S+)\)")


@dataclasses.dataclass(frozen=True)
class Event:
    time: float
    kind: str       # command, bridge, pm, gcmd, root, enable, remap, fault, reset, null
    bdf: str        # "00:03.0", empty where it does not apply
    value: int
    text: str


def sid_to_bdf(sid):
    return "%02x:%02x.%x" % (sid >> 8, sid >> 3 & 31, sid & 7)


def parse(lines):
    """Events worth judging, in order. lines: (time, text) pairs."""
    out = []
    for when, text in lines:
        def add(kind, bdf, value):
            out.append(Event(when, kind, bdf, value, text))
        if m := _CFG.match(text):
            off, value = int(m[3], 16), int(m[4], 16)
            if off == 4:
                add("command", m[2], value)
            elif off == 0x3e and "port" in m[1]:
                add("bridge", m[2], value)
        elif m := _PM.match(text):
            add("pm", m[2], int(m[4]))
        elif m := _GCMD.match(text):
            add("gcmd", "", int(m[2], 16))
        elif m := _ROOT.match(text):
            add("root", "", int(m[1], 16))
        elif m := _ENABLE.match(text):
            add("enable", "", int(m[1]))
        elif m := _REMAP.match(text):
            add("remap", "", int(m[1]))
        elif m := _FAULT.match(text):
            add("fault", sid_to_bdf(int(m[1], 16)), int(m[3], 16))
        elif text.startswith(("e1000e_core_ctrl_sw_reset", "e1000e_cb_qdev_reset_hold")):
            add("reset", "", 0)
        elif (m := _RESET.match(text)) and m[1] in ("e1000e", "igb"):
            add("reset", "", 0)
        elif text.startswith("e1000e_rx_null_descriptor"):
            add("null", "", 0)
    return out


def short(bdf):
    """0000:00:03.0 as the trace writes it."""
    return bdf.split(":", 1)[1]


def judge(events, begin, end, device, bridges=(), windows=(), alone=True):
    """What speaks against a clean update of the device; empty if nothing does.

    begin, end: from the first preserve to the end. windows: (begin, end) of
    each update, from freeze to finish; the root table is judged in these.
    alone: no other card in the machine. The trace does not tell which card was
    reset, so there must be no reset at all; nor which one met an empty
    descriptor, which another one may (it does after a fault).
    """
    faults = []
    device, bridges = short(device), [short(b) for b in bridges if b]

    for ev in events:
        if not begin <= ev.time <= end:
            continue
        mine = ev.bdf == device
        if ev.kind == "command" and (mine or ev.bdf in bridges) and not ev.value & BUS_MASTER:
            faults.append("bus master of %s off" % ev.bdf)
        elif ev.kind == "bridge" and ev.bdf in bridges and ev.value & BRIDGE_RESET:
            faults.append("secondary bus of %s reset" % ev.bdf)
        elif ev.kind == "pm" and (mine or ev.bdf in bridges) and ev.value:
            faults.append("%s put into D%d" % (ev.bdf, ev.value))
        elif ev.kind == "gcmd" and not ev.value & TE:
            faults.append("GCMD written without TE: %#x" % ev.value)
        elif ev.kind == "enable" and not ev.value:
            faults.append("translation switched off")
        elif ev.kind == "remap" and not ev.value:
            faults.append("interrupt remapping switched off")
        elif ev.kind == "fault" and mine:
            faults.append("IOMMU fault of the device at %#x" % ev.value)
        elif ev.kind == "reset":
            faults.append("device reset (%s)" % ev.text.split()[0])
        elif ev.kind == "null" and alone:
            faults.append("empty descriptor seen by the device")

    for a, b in windows:
        roots = [ev.value for ev in events if ev.kind == "root" and a <= ev.time <= b]
        if not roots:
            faults.append("root table never switched")
        elif len(set(roots)) > 1:
            faults.append("root table pointer moved again: "
                          + " ".join("%#x" % r for r in roots))
    # one line per kind is enough
    return list(dict.fromkeys(faults))
