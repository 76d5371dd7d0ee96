# SPDX-License-Identifier: GPL-2.0
"""From one version of the kernel to the other and back, with DMA running.

Both are built by make test-versions. Who has one version only is told so.
"""

import dataclasses

import pytest

import matrix
import test_amd
import test_smmuv3
import test_vtd
from matrix import Row
from update import kernel

pytestmark = [pytest.mark.qemu, pytest.mark.plain]

# The two that are supported, see docs/support.md
VERSIONS = ("7.2", "7.3")

# Two updates: across, then on from there, so that what was inherited is handed over again.
ROW = Row(updates=2)
# Linux 7.3 remaps interrupts on AMD-Vi only if the device that firmware names for the IOAPIC is
# an SMBus or an ISA bridge. On QEMU's machine it is none.
AMD = dataclasses.replace(ROW, intremap=False)
AMD_PORT = dataclasses.replace(matrix.ROWS["igb-port"], updates=2, intremap=False)

# name: (row, machine, words)
MACHINES = {
    "vtd-" + mode: (ROW, test_vtd.config(mode, ROW), test_vtd.words(mode, ROW))
    for mode in test_vtd.MODES
} | {
    name: (row, test_amd.config(row), matrix.words(row))
    for name, row in (("amd", AMD), ("amd-port", AMD_PORT))
} | {
    "smmuv3-" + mode: (ROW, test_smmuv3.config(mode, ROW), matrix.words(ROW))
    for mode in ("s1", "s2", "both-acpi")
}


def built(version, arch):
    try:
        return kernel("plain", arch, version)
    except FileNotFoundError as exc:
        pytest.skip("%s; make test-versions%s builds it" %
                    (exc, " ARCH=arm64" if arch == "arm64" else ""))


@pytest.mark.parametrize("machine", [
    pytest.param(name, marks=[pytest.mark.arm64] * (cfg.family.arch == "arm64"))
    for name, (_, cfg, _) in MACHINES.items()])
@pytest.mark.parametrize("old, new", [VERSIONS, VERSIONS[::-1]])
def test_across(machine, old, new):
    row, cfg, words = MACHINES[machine]
    result = matrix.update("versions-%s-%s-%s" % (machine, old, new), row, cfg, "plain", words,
                           "adopted", first_kernel=built(old, cfg.family.arch),
                           next_kernel=built(new, cfg.family.arch))
    booted = [text.split()[2] for _, text in result.lines if text.startswith("Linux version")]
    assert [".".join(v.split(".")[:2]) for v in booted] == [old, new, new]
