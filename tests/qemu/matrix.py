# SPDX-License-Identifier: GPL-2.0
"""Machines that every family of IOMMUs must do live updates on, in each of its modes."""

import dataclasses
import os

import pytest

import iommus
from machine import Config, Nic
from update import NOIR, run

# What follows a guest program that stops for good: a small ring, as a stopped model
# runs through all of it.
CLOSED = ["lu.case=closed", "lu.ring=8000", "lu.timeout_ms=3000"]

# Every row does at least so many live updates in a row: make soak UPDATES=20
UPDATES = int(os.environ.get("UPDATES", "1"))
# Half of the time of a debug kernel is kmemleak's. It looks after each of so many in a row.
LEAKS = 5


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the matrix."""

    nics: tuple = (Nic(),)
    words: tuple = ("lu.case=heartbeat",)
    intremap: bool = True
    updates: int = UPDATES
    options: str = ""           # of the unit
    other: bool = False         # see Config
    modes: tuple = ()           # of the family; all of them if empty


PAIR = (Nic(), Nic())
# It has room for 1024 frames at a time: for 17 seconds, then.
VIRTIO = Nic("virtio-net", rate=60)
# QEMU's only card with ATS, and only where it is a PCI Express endpoint. For units that can.
ATS = Nic("virtio-net", port=True, rate=60, options="ats=on")
ROWS = {
    "e1000e": Row(),
    "igb": Row((Nic("igb"),)),
    "e1000e-port": Row((Nic("e1000e", port=True),)),
    "igb-port": Row((Nic("igb", port=True),)),
    "virtio": Row((VIRTIO,)),
    "bridge": Row((Nic("e1000e", bridge=1),)),
    "two-domains": Row(PAIR, ("lu.case=pair",)),
    "one-domain": Row(PAIR, ("lu.case=pair", "lu.shared=1")),
    "one-iommufd": Row(PAIR, ("lu.case=pair", "lu.together=1")),
    "two-sessions": Row(PAIR, ("lu.case=pair", "lu.apart=1")),
    "msix": Row(words=("lu.case=irq",), updates=max(2, UPDATES), other=True),
    "msix-late": Row(words=("lu.case=irq", "lu.late=1"), other=True),
    "msix-igb": Row((Nic("igb", port=True),), ("lu.case=irq",), other=True),
    "noir": Row(intremap=False),
    "nointremap": Row(words=("lu.case=heartbeat", "nointremap", NOIR)),
    "five": Row(updates=max(5, UPDATES)),
}
# Also with the debug kernel, which takes a minute; those that the family has.
DEBUG = ("e1000e", "igb-port", "bridge", "two-domains", "one-domain", "two-sessions", "msix",
         "noir", "five", "xtsup", "level5", "grows", "two-smmus")


# One machine for each family and each way to replace a domain: for what userspace sees, which
# must be the same everywhere.
MACHINES = {
    "vtd": iommus.VTD.machine,
    "amd": iommus.AMD.machine,
    "smmuv3-s1": iommus.SMMUV3.machine + ",stage=1",
    "smmuv3-s2": iommus.SMMUV3.machine + ",stage=2",
}


def everywhere(*debug, plain=tuple(MACHINES)):
    """Parameters of a test: flavour of the kernel, machine; some with the debug kernel."""
    def param(flavour, machine):
        family = iommus.family(MACHINES[machine])
        marks = [getattr(pytest.mark, flavour)]
        marks += [pytest.mark.arm64] * (family.arch == "arm64")
        marks += [pytest.mark.amd] * (family is iommus.AMD)
        return pytest.param(flavour, machine, marks=marks)

    return pytest.mark.parametrize("flavour, machine", [param("plain", m) for m in plain] +
                                   [param("debug", m) for m in debug])


def cells(rows, modes=()):
    """Parameters of a test: row, mode if there are any, flavour of the kernel."""
    def param(row, flavour):
        return [pytest.param(row, *mode, flavour, marks=getattr(pytest.mark, flavour))
                for mode in ([(m,) for m in rows[row].modes or modes] or [()])]

    return sum((param(row, "plain") for row in rows), []) + \
        sum((param(row, "debug") for row in DEBUG if row in rows), [])


def config(family, row, options=""):
    """The machine of a row; options of a mode of the unit."""
    remap = "" if row.intremap else ",intremap=off"
    return Config(nics=row.nics, iommu=family.machine + options + row.options + remap,
                  other=row.other)


def words(row):
    return [*row.words, "lu.updates=%d" % row.updates, "lu.warmup=100"] + \
        ["kmemleak=off"] * (row.updates > LEAKS) + [NOIR] * (not row.intremap)


def update(name, row, cfg, flavour, append, adopted, **kernels):
    """All updates of a row, judged by all witnesses. adopted: what is said of each.

    kernels: first_kernel and next_kernel, if they are not of that flavour.
    """
    timeout = max(1200, 120 * row.updates) if row.updates > 1 else None
    result = run(name, cfg, flavour, append, timeout=timeout, **kernels)
    faults = result.faults()
    for card in range(1, len(row.nics)):
        faults += result.traffic_faults(card) + result.trace_faults(card)
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert result.stages == row.updates + 1 and len(result.updates) == row.updates
    assert sum(adopted in text for _, text in result.lines) == row.updates * cfg.units
    assert sum("restored domain attached" in text for _, text in result.lines) == \
        row.updates * len(row.nics)
    return result
