# SPDX-License-Identifier: GPL-2.0
"""What jobs there are: each machine with each test. render.py makes files of it.

What a QEMU machine looks like, and what each family of IOMMUs wants to read on the
kernel's command line, is not said again here: it comes from tests/qemu.
"""

import dataclasses
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "qemu"))

import iommus  # noqa: E402
from machine import BOARDS, Config  # noqa: E402
from update import NOIR  # noqa: E402

# Where the kernels and the initramfs are, see README.md. render.py --artifacts
ARTIFACTS = "http://artifacts.example.org/iommu-liveupdate"

# Frames per second: there are buffers for 4096, so a kernel that does not look for longer than
# 40 seconds finds some used twice.
RATE = 100
# A dispatcher that is busy stops QEMU for a while, in seconds.
PATIENCE = 2
# QEMU's end of the generator
FD = 9

# For every machine, on top of what its own loader or template says of the console
WORDS = ("printk.devkmsg=on", "loglevel=7", "kho=on", "liveupdate=on", "panic=0",
         "lu.disk=0", "lu.join=50")


@dataclasses.dataclass(frozen=True)
class Machine:
    title: str
    iommu: str                  # family, as in iommus.py
    boot: str                   # template of the boot method
    device_type: str = ""       # of LAVA; a QEMU machine has one of ours
    tags: tuple = ()            # of LAVA: what a board of that type must have
    unit: str = ""              # QEMU: options of the IOMMU
    words: tuple = ()           # for the kernel
    dtb: str = ""               # of a board without ACPI
    minutes: int = 5            # that it may take from power on to the test

    @property
    def family(self):
        return iommus.FAMILIES[self.iommu]

    @property
    def arch(self):
        return self.family.arch

    @property
    def config(self):
        """The machine of tests/qemu that this is."""
        return Config(iommu=self.family.machine + self.unit)

    @property
    def command_line(self):
        board = BOARDS[self.arch].words if self.boot == "qemu" else ()
        return (*board, *WORDS, *self.family.words, *self.words)


def qemu(title, iommu, unit="", words=()):
    return Machine(title, iommu, "qemu", unit=unit, words=words, minutes=2)


# The card of a board is at the end of a cable of its own, from a machine that sends the
# frames. A board of a lab gets the tag "iommu-lu" when it has one.
CABLE = "iommu-lu"

MACHINES = {
    "qemu-vtd-legacy": qemu("QEMU, VT-d, legacy mode", "vtd", words=("intel_iommu=sm_off",)),
    "qemu-vtd-ss": qemu("QEMU, VT-d, scalable mode, second stage", "vtd",
                        ",scalable-mode=on", ("intel_iommu=sm_on",)),
    "qemu-vtd-fs": qemu("QEMU, VT-d, scalable mode, first stage", "vtd",
                        ",scalable-mode=on,fsts=on", ("intel_iommu=sm_on",)),
    # from Linux 7.3 on interrupts are not remapped there, see NOIR in tests/qemu
    "qemu-amd": qemu("QEMU, AMD-Vi", "amd", words=(NOIR,)),
    "qemu-smmuv3": qemu("QEMU, SMMUv3", "smmuv3"),

    "ipxe-vtd": Machine("x86 by iPXE, VT-d", "vtd", "ipxe", "x86", (CABLE, "vtd")),
    "ipxe-amd": Machine("x86 by iPXE, AMD-Vi", "amd", "ipxe", "x86", (CABLE, "amd-vi")),
    "grub-vtd": Machine("UP Squared by GRUB, VT-d", "vtd", "grub", "upsquare", (CABLE,)),
    "grub-amd": Machine("AMD EPYC server by GRUB, AMD-Vi", "amd", "grub",
                        "supermicro-as-2015hr-tnr", (CABLE,), minutes=15),
    "grub-smmuv3": Machine("Arm N1SDP by UEFI and GRUB, SMMUv3", "smmuv3", "grub", "n1sdp",
                           (CABLE,), minutes=10),
    "u-boot-smmuv3": Machine("Radxa ROCK 5B by U-Boot, SMMUv3", "smmuv3", "u-boot",
                             "rk3588-rock-5b", (CABLE,), dtb="rk3588-rock-5b.dtb"),
}


@dataclasses.dataclass(frozen=True)
class Test:
    title: str
    words: tuple                # for the kernel: what the guest program does
    expected: tuple             # what it says that it found, in this order
    minutes: int
    priority: str = "medium"


# What setup_heart() says, in selftests/init.c
SETUP = ("bind to vfio-pci", "map and attach", "start", "poll", "first frames")

TESTS = {
    # The machine, the card and the generator are there and work: no update.
    "health": Test(
        "health check", ("lu.case=receive", "lu.frames=200"),
        ("still in the first kernel", *SETUP, "frames arrive", "every frame whole and in order"),
        2, "high"),
    "update": Test(
        "live update", ("lu.case=heartbeat", "lu.warmup=100", "lu.between=30"),
        (*SETUP, "find the next kernel", "warm-up", "every frame so far is whole and in order",
         "mark the HWPT, preserve memfd, iommufd and device", "load the next kernel",
         # the next kernel
         "bind to vfio-pci", "retrieve the session", "retrieve the memfd",
         "adopt ring and buffers", "poll", "retrieve the iommufd", "retrieve the device",
         "frames landed between the kernels", "bind the device to the retrieved iommufd",
         "restored HWPT by token", "attach the restored HWPT", "new HWPT over the same memfd",
         "it maps the same", "replace the restored HWPT", "destroy the restored HWPT",
         "finish the session", "frames keep arriving", "read the command register",
         "bus master is on", "frames in all", "every frame whole and in order"),
        4),
}
