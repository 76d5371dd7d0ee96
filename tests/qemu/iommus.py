# SPDX-License-Identifier: GPL-2.0
"""What differs between families of IOMMUs: how to ask for one, how to read its trace.

To add one: an Iommu, and a line in FAMILIES. Whoever judges a trace (qemutrace.py)
knows only what an event means:

    off         the unit was told to go off, or says that it is
    remap-off   interrupt remapping went off
    switch      from here on only what is preserved gets through; the value is what
                must stay the same until the update is over
    forbidden   a register was written that must not be while the unit is on
    fault       DMA was blocked. bdf says whose; it is empty if the trace does not
                tell and nothing of the kind may happen to anybody
    walk        DMA was translated
    bypass      DMA went through as it was
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Iommu:
    name: str               # as people say it
    arch: str
    machine: str            # option of QEMU's machine, on arm64 in our own spelling
    words: tuple            # for the command line of both kernels
    off: str                # the word that leaves it off
    logged: str             # in what the kernel says of a fault, with the device
    proof: bool             # the trace tells of each translation: some must be there
    # what a line of the trace means: function of the text, gives (kind, bdf, value) or
    # None; no function if the event is only for people who read the trace
    parsers: dict
    # what depends on the lines before: function of (time, text) pairs, gives (time, complaint)
    order: object = lambda lines: []
    # an entry that blocks looks like one that lets through: what the card got tells
    untold: bool = False


def number(text, name):
    """The hexadecimal number behind a name in a line of the trace."""
    return int(re.search(r"\b%s 0x([0-9a-f]+)" % name, text)[1], 16)


def requester(rid):
    """A requester id as the trace writes it: bus, device and function."""
    return "%02x:%02x.%x" % (rid >> 8, rid >> 3 & 31, rid & 7)


# ---- VT-d ----

VTD_TE = 1 << 31            # translation enable, in GCMD


def _vtd_gcmd(text):
    value = number(text, "value")
    return None if value & VTD_TE else ("off", "", value)


def _vtd_enable(text):
    return None if text.endswith("enable 1") else ("off", "", 0)


def _vtd_remap(text):
    return None if text.endswith("enable 1") else ("remap-off", "", 0)


def _vtd_root(text):
    return "switch", "", number(text, "addr")


def _vtd_fault(text):
    return "fault", requester(number(text, "sid")), number(text, "addr")


VTD = Iommu(
    name="VT-d", arch="x86_64", machine="intel-iommu,intremap=on", words=("intel_iommu=on",),
    off="intel_iommu=off", logged="DMAR: [DMA", proof=False,
    parsers={
        "vtd_reg_write_gcmd": _vtd_gcmd,
        "vtd_dmar_enable": _vtd_enable,
        "vtd_ir_enable": _vtd_remap,
        "vtd_reg_dmar_root": _vtd_root,
        "vtd_dmar_fault": _vtd_fault,
        "vtd_reg_ir_root": None,
        "vtd_fault_disabled": None,
        "vtd_inv_qi_enable": None,
        "vtd_inv_qi_setup": None,
    })


# ---- AMD-Vi ----

# In the control register: the unit; event log, command buffer, PPR log, guest APIC log
AMD_IOMMU_EN, AMD_QUEUES = 1 << 0, 1 << 2 | 1 << 12 | 1 << 13 | 1 << 28
# Device table base, and the bases of its segments
AMD_TABLES = (0x0, *range(0x100, 0x138, 8))


def _amd_control(text):
    """With its queues off the unit goes on for the devices and for nobody else.

    One that is left on writes to memory of the next kernel.
    """
    value = number(text, "state")
    if not value & AMD_IOMMU_EN:
        return "off", "", value
    return None if value & AMD_QUEUES else ("switch", "", 0)


def _amd_mmio(text):
    register = number(text, "addr") & ~7
    return ("forbidden", "", register) if register in AMD_TABLES else None


def _amd_translation(text):
    """Page 0 stands for nothing there: no kernel lends it to a device.

    Of an entry without page tables (Mode is 0) the trace tells the address, but not that
    neither IR nor IW is set: that is called a bypass here.
    """
    iova, pa = number(text, "gpa"), number(text, "hpa")
    kind = "fault" if not pa else "bypass" if iova >> 12 == pa >> 12 else "walk"
    return kind, re.search(r"devid: (\S+)", text)[1], iova


def _amd_broken(_text):
    return "fault", "", 0


AMD = Iommu(
    # without dma-remap the unit can be programmed, but DMA goes through as it is
    name="AMD-Vi", arch="x86_64", machine="amd-iommu,intremap=on,dma-remap=on", words=(),
    off="amd_iommu=off", logged="Event logged [", proof=True, untold=True,
    parsers={
        "amdvi_control_status": _amd_control,
        "amdvi_mmio_write": _amd_mmio,
        "amdvi_translation_result": _amd_translation,
        "amdvi_invalid_dte": _amd_broken,
        "amdvi_dte_get_fail": _amd_broken,
        "amdvi_get_pte_hwerror": _amd_broken,
        "amdvi_mode_invalid": _amd_broken,
        "amdvi_page_fault": None,
        "amdvi_all_inval": None,
        "amdvi_devtab_inval": None,
        "amdvi_pages_inval": None,
    })


# ---- SMMUv3 ----

# Control register, and its queues of commands, events and page requests
SMMU_CR0, SMMU_EN, SMMU_QUEUES = 0x20, 1 << 0, 0xe
# CR1, CR2, STRTAB_BASE, STRTAB_BASE_CFG
SMMU_CONSTANT = (0x28, 0x2c, 0x80, 0x84, 0x88)
# What becomes of requests while the unit is off; both bits together make it abort them
SMMU_GBPA, SMMU_ABORT = 0x44, 1 << 31 | 1 << 20
SMMU_IRQ_CTRL = 0x50
# Not to be written while something is enabled: in which register that is seen, its bit, and
# the bytes. Bases of the queues, and where the interrupts go to.
SMMU_GUARDED = (
    (SMMU_CR0, 1 << 3, range(0x90, 0x98)), (SMMU_CR0, 1 << 2, range(0xa0, 0xa8)),
    (SMMU_CR0, 1 << 1, range(0xc0, 0xc8)),
    (SMMU_IRQ_CTRL, 1 << 0, range(0x60, 0x70)), (SMMU_IRQ_CTRL, 1 << 2, range(0xb0, 0xc0)),
    (SMMU_IRQ_CTRL, 1 << 1, range(0xd0, 0xe0)))


def _smmu_register(text):
    return (int(re.search(name + r":? ?0x([0-9a-f]+)", text)[1], 16) for name in ("addr", "val"))


def smmu_order(lines):
    """An SMMU that goes off must block, queues and interrupts are off when they move.

    For a machine with one SMMU: the trace does not tell which one is written to.
    """
    out, state, blocks = [], {SMMU_CR0: 0, SMMU_IRQ_CTRL: 0}, False
    for when, text in lines:
        if not text.startswith("smmuv3_write_mmio "):
            continue
        register, value = _smmu_register(text)
        if register == SMMU_GBPA:
            blocks = value & SMMU_ABORT == SMMU_ABORT
        if register == SMMU_CR0 and state[SMMU_CR0] & ~value & SMMU_EN and not blocks:
            out.append((when, "IOMMU off, and it does not block"))
        out += [(when, "register %#x written while it is in use" % register)
                for control, bit, registers in SMMU_GUARDED
                if register in registers and state[control] & bit]
        if register in state:
            state[register] = value
    return out


def _smmu_write(text):
    """With its queues off the unit goes on for the devices and for nobody else."""
    register, value = _smmu_register(text)
    if register in SMMU_CONSTANT:
        return "forbidden", "", register
    if register != SMMU_CR0:
        return None
    if not value & SMMU_EN:
        return "off", "", value
    return None if value & SMMU_QUEUES else ("switch", "", 0)


def _smmu_stream(kind):
    def parse(text):
        sid = int(re.search(r"sid=0x([0-9a-f]+)", text)[1], 16)
        iova = re.search(r"iova[:=]0x([0-9a-f]+)", text)
        return kind, requester(sid), int(iova[1], 16) if iova else 0
    return parse


SMMUV3 = Iommu(
    # stage=1 or stage=2 if it has only one
    name="SMMUv3", arch="arm64", machine="smmuv3", words=(), off="", logged="event: ",
    proof=True,
    parsers={
        "smmuv3_write_mmio": _smmu_write,
        "smmuv3_translate_success": _smmu_stream("walk"),
        "smmuv3_translate_disable": _smmu_stream("bypass"),
        "smmuv3_translate_bypass": _smmu_stream("bypass"),
        "smmuv3_translate_abort": _smmu_stream("fault"),
        "smmuv3_propagate_event": _smmu_stream("fault"),
        "smmuv3_cmdq_opcode": None,
        "smmuv3_cmdq_cfgi_ste": None,
    },
    order=smmu_order)


FAMILIES = {"vtd": VTD, "amd": AMD, "smmuv3": SMMUV3}


def family(option):
    """Whose unit an option of QEMU's machine asks for."""
    model = option.split(",")[0]
    return next(f for f in FAMILIES.values() if f.machine.split(",")[0] == model)
