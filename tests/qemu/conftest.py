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

sys.path.insert(0, os.path.dirname(__file__))

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
