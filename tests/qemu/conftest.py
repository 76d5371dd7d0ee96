# SPDX-License-Identifier: GPL-2.0
"""Options by environment:

KERNEL_PLAIN, KERNEL_DEBUG, KERNEL_OFF, KERNEL_KUNIT  kernel images (default: the build tree);
         KERNEL_ARM64_PLAIN and so on for arm64
KVER     kernel version in the build tree (7.2)
RACE_SECONDS  how long test_race does what it likes, in all (20)
RUNS     repeat each test that starts a machine that many times
UPDATES  live updates in a row for each machine of the matrix (1; 5 for the row "five"), and of
         test_in_a_row (100)
PAUSE_LIMIT  seconds that DMA may pause on a busy host (0.06)
ACCEL    accelerator of QEMU (tcg)
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

# Test: the parameters that tell which machine it looks at, which was started by the first one
MACHINE = ("machine", "flavour", "soak")
SHARED = {
    "test_suite": MACHINE,
    "test_nothing_else_on_the_console": MACHINE,
    "test_conformance_on_hardware": MACHINE,
    "test_refused": MACHINE,
    "test_refused_leaves_nothing": MACHINE,
}
RUNS = int(os.environ.get("RUNS", "1"))


def pytest_configure(config):
    for name, what in (("qemu", "starts a machine"), ("plain", "plain kernel"),
                       ("kunit", "kernel with KUnit and fault injection"),
                       ("debug", "kernel with KASAN, lockdep, kmemleak"),
                       ("arm64", "kernels and machines for arm64"),
                       ("vtd", "modes and failure paths of VT-d"),
                       ("amd", "page tables and failure paths of AMD-Vi"),
                       ("race", "threads against each other"),
                       ("endurance", "a hundred live updates in a row"),
                       ("corruption", "damages what is handed over"),
                       ("failnth", "makes allocations fail")):
        config.addinivalue_line("markers", "%s: %s" % (name, what))


def pytest_generate_tests(metafunc):
    if RUNS > 1 and metafunc.definition.get_closest_marker("qemu"):
        metafunc.fixturenames.append("soak")
        metafunc.parametrize("soak", range(RUNS))


@pytest.hookimpl(tryfirst=True)     # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items):
    """Tests that look at the same machine go to the same process, if there are several."""
    for item in items:
        if shared := SHARED.get(getattr(item, "originalname", None)):
            of = [item.path.stem, *(item.callspec.params.get(name, 0) for name in shared)]
            item.add_marker(pytest.mark.xdist_group("-".join(map(str, of))))
