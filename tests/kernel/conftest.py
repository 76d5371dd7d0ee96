# SPDX-License-Identifier: GPL-2.0
"""Options by environment:

KERNEL_KUNIT, KERNEL_STOCK  kernel images (default: the build tree)
KVER, ACCEL                 as for tests/qemu
"""

import os
import sys

HERE = os.path.dirname(__file__)
sys.path[:0] = [HERE, os.path.join(HERE, "../qemu")]


def pytest_configure(config):
    config.addinivalue_line("markers", "kernel: the kernel's own tests, on patched and stock")


def pytest_terminal_summary(terminalreporter):
    """What the tests have to say about their numbers, whether they passed or not."""
    said = [text for reports in terminalreporter.stats.values() for report in reports
            if getattr(report, "when", None) == "call"
            for key, text in report.user_properties if key == "numbers"]
    if said:
        terminalreporter.section("the kernel's own tests")
        for text in said:
            terminalreporter.write_line(text)
