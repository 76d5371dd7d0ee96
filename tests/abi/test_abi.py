# SPDX-License-Identifier: GPL-2.0
"""What crosses the kexec: layout, checks, the tool that looks at it.

The C program abi-test has the cases; here it is compiled in several ways and
run. Needs no kernel and no machine.
"""

import json
import os
import re
import struct
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "../.."))
BUILD = os.path.join(TOP, "build/abi")
GOLDEN = os.path.join(HERE, "golden")

ABI = ["abi/validate.c", "abi/blocks.c", "abi/image.c"]
TEST = ABI + ["tools/dumpfile.c", "tests/abi/build.c", "tests/abi/abi-test.c"]
WARN = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]

BUILDS = {
    "gcc": (["gcc"] + SANITIZE, []),
    "clang": (["clang"] + SANITIZE, []),
    "arm64": (["aarch64-linux-gnu-gcc", "-static"], ["qemu-aarch64"]),
}


def compiled(name):
    """The abi-test of that name, compiled if it is older than its sources."""
    cc, _ = BUILDS[name]
    os.makedirs(BUILD, exist_ok=True)
    out = os.path.join(BUILD, "abi-test-" + name)
    subprocess.run(cc + WARN + ["-o", out] + TEST, cwd=TOP, check=True)
    return out


def ktap(name, *args):
    """Run it; return {description: passed}."""
    run = BUILDS[name][1] + [compiled(name)] + list(args)
    done = subprocess.run(run, cwd=TOP, capture_output=True, text=True, timeout=300)
    print(done.stdout)
    print(done.stderr)
    lines = re.findall(r"^(not )?ok \d+ (.*)$", done.stdout, re.M)
    plan = re.search(r"^1\.\.(\d+)$", done.stdout, re.M)
    assert plan and int(plan.group(1)) == len(lines) > 0, "not all cases were run"
    failed = [what for bad, what in lines if bad]
    assert not failed
    assert done.returncode == 0
    return [what for _, what in lines]


@pytest.mark.parametrize("name", ["gcc", "clang", "arm64"])
def test_checks(name):
    """A1-A3, A5-A7: every named error, on two compilers and two architectures."""
    assert len(ktap(name)) > 300


@pytest.mark.parametrize("name", ["gcc", "clang", "arm64"])
def test_golden(name):
    """A4, A5: the same bytes everywhere, and every version that was ever written is read."""
    files = os.listdir(GOLDEN)
    done = ktap(name, "golden", GOLDEN)
    assert len([d for d in done if " is read" in d]) == len(files)


def test_layout_on_32_bit():
    """A4: sizes and offsets do not depend on how the compiler aligns 64 bits."""
    code = "typedef %s;\n" % ";\ntypedef ".join(
        "unsigned %s __u%d" % t for t in (("char", 8), ("short", 16), ("int", 32),
                                          ("long long", 64)))
    with open(os.path.join(TOP, "abi/iommu-lu.h")) as f:
        header = f.read()
    header = re.sub(r"#include <.*", "", header)
    code += "#define static_assert _Static_assert\n#define offsetof __builtin_offsetof\n"
    subprocess.run(["gcc", "-m32", "-std=gnu11", "-Wall", "-Werror", "-Wpadded", "-x", "c",
                    "-fsyntax-only", "-"],
                   input=code + header, text=True, check=True)


def test_assembler_sees_constants_only():
    """The note in kernel_info uses the same constants."""
    src = '#include "abi/iommu-lu.h"\n.ascii IOMMU_LU_NOTE_MAGIC\n.short IOMMU_LU_VERSION\n' \
          ".quad ~IOMMU_LU_UNDERSTOOD\n.long ~IOMMU_LU_NOTE_HW_TYPES, 0\n"
    subprocess.run(["gcc", "-c", "-x", "assembler-with-cpp", "-I" + TOP, "-o", "/dev/null", "-"],
                   input=src, text=True, check=True)


def test_magic_is_in_the_kernel_once():
    """The search pattern must not be found in the program that searches."""
    obj = os.path.join(BUILD, "image.o")
    os.makedirs(BUILD, exist_ok=True)
    for opt in ("-O0", "-O2", "-O3"):
        for cc in ("gcc", "clang"):
            subprocess.run([cc, opt, "-c", "-o", obj, "abi/image.c"], cwd=TOP, check=True)
            with open(obj, "rb") as f:
                assert b"iommu-lu note" not in f.read(), (cc, opt)
