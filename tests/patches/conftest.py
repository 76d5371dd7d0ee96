# SPDX-License-Identifier: GPL-2.0
"""Options by environment:

KVER     kernel version (7.2); its clean source is build/linux-KVER-stock
SIGNOFF  who signs the patches off; somebody has to
ARCHS    architectures that each step is built for (x86_64 arm64)
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "steps: builds the kernel after each patch (hours)")
