# SPDX-License-Identifier: GPL-2.0
"""The judges themselves: each verdict must be reachable. No machine needed."""

import pytest

import qemutrace
from machine import Config
from traffic import Result
from update import Run, Update

# of the sample streams, whatever it is for the machines
PAUSE_LIMIT = 0.060

DEV = "0000:00:03.0"
PORT = "0000:00:04.0"

CLEAN = [
    (1.0, "pci_cfg_write e1000e 00:03.0 @0x4 <- 0x107"),
    (1.1, "vtd_reg_dmar_root addr 0x111000 scalable 0"),
    (1.2, "vtd_reg_write_gcmd status 0xc7000000 value 0xc6000000"),
    (1.3, "vtd_reg_dmar_root addr 0x111000 scalable 0"),
    (1.4, "pci_cfg_write e1000e 00:05.0 @0x4 <- 0x100"),
    (1.5, "vtd_dmar_fault sid 0x28 fault 2 addr 0x1000 write 1"),
    (1.6, "pci_pm_transition virtio-blk-pci 00:02.0 PM transition D0->D3"),
]


def judge(extra=(), base=CLEAN, port=None):
    events = qemutrace.parse(sorted(list(base) + list(extra)))
    return qemutrace.judge(events, 0.5, 3, DEV, (port,), [(0.9, 2)])


def test_clean_trace_passes():
    assert judge() == []


@pytest.mark.parametrize("line, complaint", [
    ("pci_cfg_write e1000e 00:03.0 @0x4 <- 0x103", "bus master"),
    ("pci_cfg_write pcie-root-port 00:04.0 @0x4 <- 0x103", "bus master"),
    ("pci_cfg_write pcie-root-port 00:04.0 @0x3e <- 0x40", "secondary bus"),
    ("pci_pm_transition e1000e 00:03.0 PM transition D0->D3", "D3"),
    ("pci_pm_transition pcie-root-port 00:04.0 PM transition D0->D3", "D3"),
    ("vtd_reg_write_gcmd status 0xc7000000 value 0x6000000", "without TE"),
    ("vtd_dmar_enable enable 0", "switched off"),
    ("vtd_dmar_fault sid 0x18 fault 2 addr 0x1000000000 write 1", "IOMMU fault"),
    ("e1000e_core_ctrl_sw_reset Doing SW reset", "reset"),
    ("resettable_phase_hold_exec obj=0x55(igb) method=1", "reset"),
    ("e1000e_rx_null_descriptor Null RX descriptor!!", "empty descriptor"),
    ("vtd_reg_dmar_root addr 0x222000 scalable 0", "moved again"),
])
def test_each_event_is_judged(line, complaint):
    got = judge([(1.7, line)], port=PORT)
    assert len(got) == 1 and complaint in got[0]
    # the same before the update is nobody's business
    assert judge([(0.1, line)], port=PORT) == []


def test_missing_root_switch():
    assert judge(base=[e for e in CLEAN if "root" not in e[1]]) == \
        ["root table never switched"]


RATE = 300


def stream(n=600, skip=(), late=None, bad=()):
    sent = [1 + i / RATE for i in range(n)]
    landed, wrong, shift = [], [], 0.0
    for i, t in enumerate(sent):
        if late and i == late[0]:
            shift = late[1]
        if i in bad:
            wrong.append((t, i))
        elif i not in skip:
            landed.append((t + shift, i))
    return Result(sent, [], landed, wrong, 0.0)


def verdict(res, lines=None, updates=None, found=()):
    lines = lines if lines is not None else [
        (0.5, "KTAP version 1"), (0.6, "ok 1 x"), (0.7, "1..1")]
    updates = [Update({}, 2.0, 2.5)] if updates is None else updates
    run = Run("t", Config(), None, lines, [], [res], list(found), updates, 1.9, 3,
              pause_limit=PAUSE_LIMIT)
    return run.console_faults() + run.traffic_faults()


def test_clean_stream_passes():
    assert verdict(stream()) == []


@pytest.mark.parametrize("res, complaint", [
    (stream(skip=(400,)), "lost"),
    (stream(skip=range(400, 600)), "lost"),
    (stream(bad=(400,)), "corrupted"),
    (stream(late=(330, PAUSE_LIMIT + 0.01)), "pause"),
    (Result([], [], [], [], 0.0), "no frame"),
    (Result([1.0, 1.1], [], [(1.0, 0), (1.1, 1), (1.2, 1)], [], 0.0), "twice"),
])
def test_each_flaw_of_the_stream(res, complaint):
    assert any(complaint in line for line in verdict(res))


def test_pause_outside_the_update_is_not_its_fault():
    # the longest steady pause is the yardstick
    assert verdict(stream(late=(30, 0.2))) == []


def test_stray_frame():
    assert any("outside" in c for c in verdict(stream(), found=[(0x5000, 0, 7, False)]))


@pytest.mark.parametrize("line, complaint", [
    ("not ok 2 y", "not ok"),
    ("WARNING: drivers/iommu/x.c:1 at f+0x0/0x0", "console"),
    ("BUG: KASAN: slab-out-of-bounds in f", "console"),
    ("BUG: sleeping function called from invalid context", "console"),
    ("INFO: possible circular locking dependency detected", "console"),
    ("WARNING: possible recursive locking detected", "console"),
    ("Kernel panic - not syncing: x", "console"),
    ("Oops: general protection fault", "console"),
    ("kmemleak: 3 new suspected memory leaks", "console"),
])
def test_each_console_flaw(line, complaint):
    lines = [(0.5, "KTAP version 1"), (0.6, "ok 1 x"), (0.65, line),
             (0.7, "1..2" if line.startswith("not ok") else "1..1")]
    assert any(complaint in c for c in verdict(stream(), lines))


@pytest.mark.parametrize("lines", [
    [],
    [(0.5, "KTAP version 1"), (0.6, "ok 1 x")],
    [(0.5, "KTAP version 1"), (0.6, "ok 1 x"), (0.7, "1..2")],
    [(0.5, "KTAP version 1"), (0.6, "ok 1 x"), (0.7, "KTAP version 1"), (0.8, "1..0")],
])
def test_incomplete_ktap(lines):
    assert verdict(stream(), lines)
