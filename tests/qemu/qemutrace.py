# SPDX-License-Identifier: GPL-2.0
"""Second witness: QEMU's trace of what was done to the device and the IOMMU.

The first witness (frames) cannot see everything: QEMU does not stop DMA in
D3hot, keeps the registers of an e1000e over a PM reset, and caches what it
once translated. Real hardware does not, so none of that may happen at all.
"""

import dataclasses
import re

import iommus

BUS_MASTER = 1 << 2             # PCI command register
BRIDGE_RESET = 1 << 6           # PCI bridge control register
ATS_CONTROL = 0x106             # of QEMU's virtio devices
ATS_ENABLE = 1 << 15

_CFG = re.compile(r"pci_cfg_write (\S+) ([0-9a-f]+:[0-9a-f]+\.[0-9a-f]+) @0x([0-9a-f]+) <- 0x([0-9a-f]+)")
_PM = re.compile(r"pci_pm_(?:bad_)?transition (\S+) ([0-9a-f]+:[0-9a-f]+\.[0-9a-f]+) .*D(\d)->D(\d)")
_RESET = re.compile(r"resettable_phase_hold_exec obj=0x[0-9a-f]+\((\S+)\)")


@dataclasses.dataclass(frozen=True)
class Event:
    time: float
    kind: str       # command, bridge, ats, pm, reset, null, and those of iommus.py
    bdf: str        # "00:03.0", empty where it does not apply
    value: int
    text: str


# Event names are different in each family.
_PARSERS = {name: parser for f in iommus.FAMILIES.values()
            for name, parser in f.parsers.items() if parser}


def parse(lines):
    """Events worth judging, in order. lines: (time, text) pairs."""
    out = []
    for when, text in lines:
        def add(kind, bdf, value):
            out.append(Event(when, kind, bdf, value, text))
        if parser := _PARSERS.get(text.split(" ", 1)[0]):
            if meaning := parser(text):
                add(*meaning)
        elif m := _CFG.match(text):
            off, value = int(m[3], 16), int(m[4], 16)
            if off == 4:
                add("command", m[2], value)
            elif off == 0x3e and "port" in m[1]:
                add("bridge", m[2], value)
            elif off == ATS_CONTROL and m[1].startswith("virtio"):
                add("ats", m[2], value)
        elif m := _PM.match(text):
            add("pm", m[2], int(m[4]))
        elif text.startswith(("e1000e_core_ctrl_sw_reset", "e1000e_cb_qdev_reset_hold")):
            add("reset", "", 0)
        elif (m := _RESET.match(text)) and m[1] in ("e1000e", "igb", "virtio-net-pci"):
            add("reset", "", 0)
        elif text.startswith("e1000e_rx_null_descriptor"):
            add("null", "", 0)
    return out


def short(bdf):
    """0000:00:03.0 as the trace writes it."""
    return bdf.split(":", 1)[1]


def empty_pages(events, short):
    """The pages in which a card found nothing. It reads zeros where it may not read."""
    at, out = None, set()
    for event in events:
        if event.bdf == short and event.kind == "bypass":
            at = event.value >> 12
        elif event.kind == "null" and at is not None:
            out.add(at)
    return out


def judge(events, begin, end, device, bridges=(), windows=(), alone=True, proof=False,
          requester=None):
    """What speaks against a clean update of the device; empty if nothing does.

    begin, end: from the first preserve to the end. windows: (begin, end) of
    each update, from freeze to finish; the switch is judged in these.
    alone: no other card in the machine. The trace does not tell which card was
    reset, so there must be no reset at all; nor which one met an empty
    descriptor, which another one may (it does after a fault).
    proof: the trace tells of translations, so there must be some in each window.
    requester: whose the DMA of the device is, if that is not itself.
    """
    faults = {}
    device, requester = short(device), short(requester or device)
    bridges = [short(b) for b in bridges if b]

    for ev in events:
        if not begin <= ev.time <= end:
            continue
        mine, dma = ev.bdf == device, ev.bdf == requester
        above = ev.bdf in bridges
        complaint = None
        if ev.kind == "command" and (mine or above) and not ev.value & BUS_MASTER:
            complaint = "bus master of %s off" % ev.bdf
        elif ev.kind == "bridge" and above and ev.value & BRIDGE_RESET:
            complaint = "secondary bus of %s reset" % ev.bdf
        elif ev.kind == "ats" and mine:
            complaint = "ATS control of %s written: %#x" % (ev.bdf, ev.value)
        elif ev.kind == "pm" and (mine or above) and ev.value:
            complaint = "%s put into D%d" % (ev.bdf, ev.value)
        elif ev.kind == "off":
            complaint = "IOMMU off (%s)" % ev.text
        elif ev.kind == "remap-off":
            complaint = "interrupt remapping off (%s)" % ev.text
        elif ev.kind == "forbidden":
            complaint = "register %#x written with the unit on" % ev.value
        elif ev.kind == "fault" and (dma or not ev.bdf):
            complaint = "IOMMU fault (%s)" % ev.text
        elif ev.kind == "bypass" and dma:
            complaint = "DMA to %#x without translation" % ev.value
        elif ev.kind == "reset":
            complaint = "device reset (%s)" % ev.text.split()[0]
        elif ev.kind == "null" and alone:
            complaint = "empty descriptor seen by the device"
        if complaint:   # the first of its kind is enough
            faults.setdefault((ev.kind, ev.text.split()[0], ev.bdf), complaint)
    faults = list(faults.values())

    for a, b in windows:
        inside = [ev for ev in events if a <= ev.time <= b]
        seen = {ev.value for ev in inside if ev.kind == "switch"}
        if not seen:
            faults.append("the IOMMU was never switched over")
        elif len(seen) > 1:
            faults.append("what the IOMMU was switched to moved again: "
                          + " ".join("%#x" % value for value in sorted(seen)))
        if proof and not any(ev.kind == "walk" and ev.bdf == requester for ev in inside):
            faults.append("no translated DMA of the device")
    return faults
