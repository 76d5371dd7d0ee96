# SPDX-License-Identifier: GPL-2.0
"""Options by environment:

KVER    kernel version (7.2): sources are build/linux-KVER and build/linux-KVER-stock
ARCHS   architectures to build for (x86_64 arm64)
JOBS    compilers at a time (one per CPU)
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "build: builds kernels in many configurations")
