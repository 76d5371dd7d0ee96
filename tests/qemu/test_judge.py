# SPDX-License-Identifier: GPL-2.0
"""The judges themselves: each verdict must be reachable. No machine needed."""

import dataclasses

import pytest

import iommus
import qemutrace
from machine import Config
from traffic import Result
from update import Run, Update

# of the sample streams, whatever it is for the machines
PAUSE_LIMIT = 0.060

DEV = "0000:00:03.0"
PORT = "0000:00:04.0"

# What a clean update looks like, whoever translates; the device is 00:03.0.
COMMON = [
    (1.0, "pci_cfg_write e1000e 00:03.0 @0x4 <- 0x107"),
    (1.4, "pci_cfg_write e1000e 00:05.0 @0x4 <- 0x100"),
    (1.6, "pci_pm_transition virtio-blk-pci 00:02.0 PM transition D0->D3"),
]
CLEAN = {
    "vtd": COMMON + [
        (1.1, "vtd_reg_dmar_root addr 0x111000 scalable 0"),
        (1.2, "vtd_reg_write_gcmd status 0xc7000000 value 0xc6000000"),
        (1.3, "vtd_reg_dmar_root addr 0x111000 scalable 0"),
        (1.5, "vtd_dmar_fault sid 0x28 fault 2 addr 0x1000 write 1"),
    ],
    "amd": COMMON + [
        (1.1, "amdvi_control_status MMIO_STATUS state 0x7e01"),
        (1.2, "amdvi_mmio_write AMDVI_MMIO_COMMAND_TAIL write addr 0x2008, size 4, val 0x20,"
              " offset 0x2008"),
        (1.3, "amdvi_translation_result devid: 00:03.0 gpa 0x1000002040 hpa 0x4321000"),
        (1.32, "amdvi_control_status MMIO_STATUS state 0x401"),
        (1.5, "amdvi_translation_result devid: 00:05.0 gpa 0x1000002040 hpa 0x0"),
        (1.8, "amdvi_control_status MMIO_STATUS state 0x401"),
        (1.9, "amdvi_control_status MMIO_STATUS state 0x1401"),
    ],
    "smmuv3": COMMON + [
        (1.1, "smmuv3_write_mmio addr: 0x20 val:0x1 size: 0x4(0)"),
        (1.2, "smmuv3_translate_success smmuv3-iommu-memory-region-24-1 sid=0x18"
              " iova=0x1000002040 translated=0x4321040 perm=0x3 stage=1"),
        (1.3, "smmuv3_translate_abort smmuv3-iommu-memory-region-40-3 sid=0x28 abort on"
              " iova:0x1000002040 is_write=1"),
        (1.4, "smmuv3_propagate_event C_BAD_STE sid=0x28"),
        (1.7, "smmuv3_write_mmio addr: 0x20 val:0x1 size: 0x4(0)"),
        (1.8, "smmuv3_write_mmio addr: 0x90 val:0x4000000044444008 size: 0x8(0)"),
        (1.9, "smmuv3_write_mmio addr: 0x20 val:0x9 size: 0x4(0)"),
    ],
}
families = pytest.mark.parametrize("family", CLEAN)


def judge(family, extra=(), base=None, port=None, requester=None):
    base = CLEAN[family] if base is None else base
    events = qemutrace.parse(sorted(list(base) + list(extra)))
    return qemutrace.judge(events, 0.5, 3, DEV, (port,), [(0.9, 2)],
                           proof=iommus.FAMILIES[family].proof, requester=requester)


@families
def test_clean_trace_passes(family):
    assert judge(family) == []


FLAWS = {
    None: [     # of the device, so the same in all families
        ("pci_cfg_write e1000e 00:03.0 @0x4 <- 0x103", "bus master"),
        ("pci_cfg_write pcie-root-port 00:04.0 @0x4 <- 0x103", "bus master"),
        ("pci_cfg_write pcie-root-port 00:04.0 @0x3e <- 0x40", "secondary bus"),
        ("pci_pm_transition e1000e 00:03.0 PM transition D0->D3", "D3"),
        ("pci_pm_transition pcie-root-port 00:04.0 PM transition D0->D3", "D3"),
        ("e1000e_core_ctrl_sw_reset Doing SW reset", "reset"),
        ("resettable_phase_hold_exec obj=0x55(igb) method=1", "reset"),
        ("e1000e_rx_null_descriptor Null RX descriptor!!", "empty descriptor"),
    ],
    "vtd": [
        ("vtd_reg_write_gcmd status 0xc7000000 value 0x6000000", "IOMMU off"),
        ("vtd_dmar_enable enable 0", "IOMMU off"),
        ("vtd_ir_enable enable 0", "remapping off"),
        ("vtd_dmar_fault sid 0x18 fault 2 addr 0x1000000000 write 1", "IOMMU fault"),
        ("vtd_reg_dmar_root addr 0x222000 scalable 0", "moved again"),
    ],
    "amd": [
        ("amdvi_control_status MMIO_STATUS state 0x7000", "IOMMU off"),
        ("amdvi_mmio_write AMDVI_MMIO_DEVICE_TABLE write addr 0x0, size 8, val 0x55501ff,"
         " offset 0x0", "register 0x0 written"),
        ("amdvi_mmio_write AMDVI_MMIO_DEVICE_TABLE write addr 0x4, size 4, val 0x1,"
         " offset 0x0", "register 0x0 written"),
        ("amdvi_mmio_write UNHANDLED write addr 0x108, size 8, val 0x555000, offset 0x108",
         "register 0x108 written"),
        ("amdvi_translation_result devid: 00:03.0 gpa 0x1000002040 hpa 0x0", "IOMMU fault"),
        ("amdvi_translation_result devid: 00:03.0 gpa 0x1000002040 hpa 0x1000002000",
         "without translation"),
        ("amdvi_invalid_dte PTE entry at 0x8000000000000003 is invalid ", "IOMMU fault"),
        ("amdvi_dte_get_fail error: failed to access Device Entry devtab 0x1 offset 0x60",
         "IOMMU fault"),
        ("amdvi_get_pte_hwerror hardware error eccessing PTE at addr 0x1", "IOMMU fault"),
        ("amdvi_mode_invalid error: translation level 0x7 translating addr 0x1000",
         "IOMMU fault"),
    ],
    "smmuv3": [
        ("smmuv3_write_mmio addr: 0x20 val:0x0 size: 0x4(0)", "IOMMU off"),
        ("smmuv3_write_mmio addr: 0x20 val:0xc size: 0x4(0)", "IOMMU off"),
        *(("smmuv3_write_mmio addr: %#x val:0x4c000042000000 size: 0x8(0)" % register,
           "register %#x written" % register) for register in (0x28, 0x2c, 0x80, 0x84, 0x88)),
        ("smmuv3_translate_disable smmuv3-iommu-memory-region-24-1 sid=0x18 bypass"
         " (smmu disabled) iova:0x1000002040 is_write=1", "without translation"),
        ("smmuv3_translate_bypass smmuv3-iommu-memory-region-24-1 sid=0x18 STE bypass"
         " iova:0x1000002040 is_write=1", "without translation"),
        ("smmuv3_translate_abort smmuv3-iommu-memory-region-24-1 sid=0x18 abort on"
         " iova:0x1000002040 is_write=1", "IOMMU fault"),
        ("smmuv3_propagate_event F_TRANSLATION sid=0x18", "IOMMU fault"),
    ],
}


@pytest.mark.parametrize("family, line, complaint", [
    (family, line, complaint) for family in CLEAN for key in (None, family)
    for line, complaint in FLAWS[key]])
def test_each_event_is_judged(family, line, complaint):
    got = judge(family, [(1.7, line)], port=PORT)
    assert len(got) == 1 and complaint in got[0]
    # the same before the update is nobody's business
    assert judge(family, [(0.1, line)], port=PORT) == []


CR0, GBPA, IRQ_CTRL = 0x20, 0x44, 0x50
ABORT = 1 << 31 | 1 << 20
# what is written to an SMMU after it was set up, and the complaint
SMMU_ORDERS = [
    ([(CR0, 1), (CR0, 9), (CR0, 0xd)], None),
    ([(GBPA, ABORT), (CR0, 0)], None),
    ([(CR0, 0)], "does not block"),
    ([(CR0, 0xc)], "does not block"),
    ([(GBPA, 1 << 31), (CR0, 0)], "does not block"),
    ([(GBPA, 1 << 20), (CR0, 0)], "does not block"),
    ([(GBPA, ABORT), (GBPA, 1 << 31), (CR0, 0)], "does not block"),
    ([(CR0, 1), (0x90, 1), (0xa0, 1), (0xc0, 1)], None),
    *(([(CR0, 1 | 0xe & ~bit), (register, 1)], None) for bit, register in
      ((8, 0x90), (4, 0xa0), (2, 0xc0))),
    *(([(register, 1)], "%#x written while it is in use" % register)
      for register in (0x90, 0x94, 0xa0, 0xa4, 0xc0, 0xc4)),
    ([(IRQ_CTRL, 0)] + [(register, 1) for register in (0x60, 0x68, 0x6c, 0xb0, 0xbc, 0xd0)], None),
    *(([(register, 1)], "%#x written while it is in use" % register)
      for register in (0x60, 0x68, 0x6c, 0xb0, 0xb8, 0xbc, 0xd0, 0xd8, 0xdc)),
]


@pytest.mark.parametrize("writes, complaint", SMMU_ORDERS)
def test_order_of_writes_to_an_smmu(writes, complaint):
    up = [(CR0, 8), (0xa0, 0x1000), (CR0, 0xe), (IRQ_CTRL, 7), (CR0, 0xf)]
    lines = [(i, "smmuv3_write_mmio addr: %#x val:%#x size: 0x4(0)" % write)
             for i, write in enumerate(up + writes)]
    run = Run("t", Config(iommu=iommus.SMMUV3.machine), None, [], lines, [], [], [], len(up), 99)
    got = run.order_faults()
    assert not got if complaint is None else len(got) == 1 and complaint in got[0]
    # the same before the update is nobody's business
    assert not dataclasses.replace(run, begin=99).order_faults()


@families
def test_missing_switch(family):
    events = qemutrace.parse(CLEAN[family])
    base = [(e.time, e.text) for e in events if e.kind != "switch"]
    assert judge(family, base=base) == ["the IOMMU was never switched over"]


@pytest.mark.parametrize("queue", [1 << 2, 1 << 12, 1 << 13, 1 << 28])
def test_queue_left_on(queue):
    """Of AMD-Vi; the other bits that a kernel leaves are not about queues."""
    base = [e for e in CLEAN["amd"] if not e[1].startswith("amdvi_control_status")]
    off = (1.3, "amdvi_control_status MMIO_STATUS state 0x401")
    left = (1.3, "amdvi_control_status MMIO_STATUS state %#x" % (0x401 | queue))
    assert judge("amd", [off], base) == []
    assert judge("amd", [left], base) == ["the IOMMU was never switched over"]


def test_requester_is_the_bridge():
    """Then it counts what is done to the card, and what its bridge asks for."""
    walk = (1.7, "amdvi_translation_result devid: 01:00.0 gpa 0x1000002040 hpa 0x4321000")
    fault = (1.7, "amdvi_translation_result devid: 01:00.0 gpa 0x1000002040 hpa 0x0")
    assert judge("amd", [walk], requester="0000:01:00.0") == []
    assert judge("amd", requester="0000:01:00.0") == ["no translated DMA of the device"]
    got = judge("amd", [walk, fault, (1.7, FLAWS[None][0][0])], requester="0000:01:00.0")
    assert len(got) == 2 and any("IOMMU fault" in c for c in got) and \
        any("bus master" in c for c in got)


def test_missing_translation():
    """A unit that lets everything through looks fine otherwise."""
    assert judge("amd", base=[e for e in CLEAN["amd"] if "00:03.0 gpa" not in e[1]]) == \
        ["no translated DMA of the device"]


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


@pytest.mark.parametrize("family, line", [
    ("vtd", "DMAR: [DMA Read NO_PASID] Request device [0000:00:%02x.0] fault addr 0x100000e000"
            " [fault reason 0x01] Present bit in root entry is clear"),
    ("smmuv3", "arm-smmu-v3 9050000.smmuv3: event: F_TRANSLATION client: 0000:00:%02x.0 sid: 0x18"
               " ssid: 0x0 iova: 0x1000001000 ipa: 0x0"),
    ("amd", "vfio-pci 0000:00:%02x.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0004"
            " address=0x1000001000 flags=0x0000]"),
])
def test_fault_that_the_kernel_logs(family, line):
    run = Run("t", Config(iommu=iommus.FAMILIES[family].machine), None,
              [(1.0, line % 4), (1.1, line % 3)], [], [], [], [], 0, 2)
    assert run.logged_faults() == ["console: " + line % 3]


def test_a_card_that_finds_nothing():
    """Two descriptors that were empty, then one that was not, with its buffer."""
    def at(iova):
        return ("amdvi_translation_result devid: 00:04.0 gpa %#x hpa %#x"
                % (iova, iova & ~0xfff))

    null = "e1000e_rx_null_descriptor Null RX descriptor!!"
    events = qemutrace.parse((1.0, text) for text in
                             (null, at(0x5010), null, at(0x5020), at(0x5020), null,
                              at(0x5030), at(0x7000), at(0x503c)))
    assert qemutrace.empty_pages(events, "00:04.0") == {5}
    assert qemutrace.empty_pages(events, "00:03.0") == set()
