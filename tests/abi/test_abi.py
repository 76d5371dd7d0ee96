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

# the programs are built once, in one place
pytestmark = pytest.mark.xdist_group("abi")

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "../.."))
BUILD = os.path.join(TOP, "build/abi")
GOLDEN = os.path.join(HERE, "golden")

ABI = ["abi/validate.c", "abi/blocks.c", "abi/image.c"]
TEST = ABI + ["tools/dumpfile.c", "tests/abi/build.c", "tests/abi/cases.c",
              "tests/abi/abi-test.c"]
WARN = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]

TOOL = ABI + ["tools/dumpfile.c", "tools/reap.c", "tools/iommu-lu.c"]

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


# --- iommu-lu ---------------------------------------------------------------

HW_INTEL, HW_AMD, HW_AMD_SEGMENT, HW_SMMUV3 = (1 << t for t in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def tool():
    """Runs iommu-lu: (exit status, stdout, stderr)."""
    os.makedirs(BUILD, exist_ok=True)
    out = os.path.join(BUILD, "iommu-lu")
    subprocess.run(["gcc"] + WARN + SANITIZE + ["-o", out] + TOOL, cwd=TOP, check=True)

    def run(*args, stdin=None):
        done = subprocess.run([out] + [str(a) for a in args], input=stdin, capture_output=True,
                              timeout=60)
        assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run


def golden(name):
    with open(os.path.join(GOLDEN, "v1-%s.bin" % name), "rb") as f:
        return bytearray(f.read())


def note(version=1, oldest=1, page_shift=12, understood=0, hw_types=HW_INTEL):
    caps = struct.pack("<HHHHQII", version, oldest, page_shift, 0, understood, hw_types, 0)
    return b"iommu-lu note 1\n" + caps + bytes(~c & 0xff for c in caps)


def bzimage(note_of=b""):
    """As small as one can be: setup header, one sector, kernel_info."""
    image = bytearray(1024)
    image[0x1f1] = 1
    image[0x1fe:0x200] = b"\x55\xaa"
    image[0x202:0x208] = b"HdrS\x0f\x02"
    image[0x268:0x26c] = struct.pack("<I", 0x40)
    info = b"LToP" + struct.pack("<III", 16, 16 + len(note_of), 9) + note_of
    return bytes(image) + bytes(0x40) + info + bytes(64)


@pytest.mark.parametrize("name", ["intel", "intel-scalable", "amd", "smmuv3", "mixed"])
def test_dump(tool, tmp_path, name):
    """A7: what was written is what is printed."""
    data = golden(name)
    file = tmp_path / "dump"
    file.write_bytes(data)
    rc, out, err = tool("dump", file)
    assert (rc, err) == (0, "")
    assert "outgoing state, version 1" in out and "; 0 would be refused" in out

    rc, out, err = tool("dump", "--json", "-", stdin=bytes(data))
    assert (rc, err) == (0, "")
    state = json.loads(out)
    assert state["sealed"] and not state["incoming"] and state["refused"] == 0
    nr_hw, nr_domains, nr_devices = struct.unpack_from("<III", data, 16 + 32)
    assert [len(state[k]) for k in ("units", "domains", "devices")] == \
        [nr_hw, nr_domains, nr_devices]
    assert int(state["units"][0]["token"], 16) == struct.unpack_from("<Q", data, 16 + 112)[0]
    assert all(r["error"] is None for k in ("units", "domains", "devices") for r in state[k])


def test_dump_of_damage(tool, tmp_path):
    """A6, A7: the damaged record is named, the others are not."""
    data = golden("intel")
    root_pa = 16 + 112 + 16 + 16
    struct.pack_into("<Q", data, root_pa, 0x1001)
    file = tmp_path / "dump"
    file.write_bytes(data)
    rc, out, _ = tool("dump", file)
    assert rc == 1
    assert re.search(r"unit 0: Intel.*\n(    .*\n)*    NOT TAKEN OVER: misaligned table", out)
    assert out.count("NOT TAKEN OVER") == 4 and "4 would be refused" in out

    rc, out, _ = tool("dump", "--json", file)
    state = json.loads(out)
    assert rc == 1 and state["refused"] == 4
    assert state["units"][0]["error"]["name"] == "HW_TABLE"
    assert state["devices"][0]["error"] == {"name": "DEVICE_HW_FAILED", "other": "unit",
                                            "index": 0, "text": "its unit is not taken over"}
    assert state["units"][1]["error"] is None and state["devices"][3]["error"] is None


def test_dump_unsealed(tool, tmp_path):
    """Before a freeze that is in order; inherited it is not."""
    data = golden("intel")
    data[16 + 24] = 0
    file = tmp_path / "dump"
    file.write_bytes(data)
    rc, out, _ = tool("dump", file)
    assert rc == 0 and "not sealed" in out and "device 3" in out
    data[12] = 1
    file.write_bytes(data)
    rc, out, _ = tool("dump", file)
    assert rc == 1 and "inherited" in out and "NOT TAKEN OVER: not sealed" in out


def test_dump_of_a_newer_kernel(tool, tmp_path):
    data = golden("intel")
    struct.pack_into("<HH", data, 16 + 8, 2, 2)
    file = tmp_path / "dump"
    file.write_bytes(data)
    rc, out, _ = tool("dump", file)
    assert rc == 1 and "NOT TAKEN OVER: written for a newer kernel" in out
    rc, out, _ = tool("dump", "--json", file)
    assert rc == 1 and json.loads(out)["header"]["error"]["name"] == "HDR_TOO_NEW"


@pytest.mark.parametrize("cut", [0, 8, 15, 16, 100, 127, 128, 500, 1791])
def test_dump_cut_off(tool, tmp_path, cut):
    file = tmp_path / "dump"
    file.write_bytes(golden("intel")[:cut])
    rc, out, err = tool("dump", file)
    assert rc == (1 if 16 <= cut < 128 else 2), out + err
    assert rc == 1 or (err and not out)


def test_wrong_usage(tool, tmp_path):
    for args in ([], ["dump"], ["check"], ["dump", "a", "b"], ["check", "--state", "a"],
                 ["dump", "--xml", "a"], ["frob", "a"]):
        assert tool(*args)[0] == 2, args
    for command in ("dump", "check"):
        rc, out, err = tool(command, tmp_path / "missing")
        assert rc == 2 and "No such file" in err
        rc, out, err = tool(command, tmp_path)
        assert rc == 2 and err
    rc, out, _ = tool("--help")
    assert rc == 0 and "EXIT STATUS" in out
    rc, out, _ = tool("--version")
    assert rc == 0 and "ABI version 1" in out


CHECKS = [
    # image, with the state of, exit status, message
    (bzimage(note()), None, 0, "can take over version 1"),
    (bzimage(note(version=3)), None, 0, "reads versions 1 to 3"),
    (bzimage(note()), "intel", 0, "drivers: Intel VT-d\n"),
    (bzimage(note()), "amd", 1, "it has no live update for an IOMMU that is in use"),
    (bzimage(note(hw_types=HW_AMD | HW_AMD_SEGMENT)), "amd", 0, "drivers: AMD-Vi\n"),
    (bzimage(note(page_shift=16)), "intel", 1, "its page size differs"),
    (bzimage(note(version=9, oldest=2)), None, 1, "it no longer reads our version"),
    (bzimage(), None, 1, "it has no IOMMU live update"),
    (bzimage(note() + note(version=2)), None, 1, "contradict each other"),
    (b"\x7fELF" + bytes(100) + note(hw_types=HW_SMMUV3), "smmuv3", 0, "Arm SMMUv3"),
    (bytes(56) + b"ARMd" + bytes(99) + note(hw_types=HW_SMMUV3), "smmuv3", 0, "can take over"),
    (b"\x1f\x8b\x08" + bytes(100), None, 2, "compressed as a whole"),
    (b"#!/bin/sh" + bytes(100), None, 2, "not a bzImage, Image or vmlinux"),
]


@pytest.mark.parametrize("n", range(len(CHECKS)))
def test_check(tool, tmp_path, n):
    image, state, want, message = CHECKS[n]
    (tmp_path / "image").write_bytes(image)
    args = ["check"]
    if state:
        (tmp_path / "state").write_bytes(golden(state))
        args += ["--state", tmp_path / "state"]
    rc, out, err = tool(*args, tmp_path / "image")
    assert rc == want and message in out + err, out + err


def test_check_with_newer_state(tool, tmp_path):
    """The state counts, not the version of this tool: min_version and must_understand."""
    data = golden("intel")
    struct.pack_into("<HH", data, 16 + 8, 2, 1)
    struct.pack_into("<Q", data, 16 + 16, 0)
    (tmp_path / "state").write_bytes(data)
    (tmp_path / "image").write_bytes(bzimage(note()))
    rc, out, _ = tool("check", "--state", tmp_path / "state", tmp_path / "image")
    assert rc == 0 and "can take over version 2" in out


def test_tool_is_no_kernel(tool):
    """The tool in an initramfs inside an image must not look like a note."""
    with open(os.path.join(BUILD, "iommu-lu"), "rb") as f:
        assert b"iommu-lu note 1\n" not in f.read()


@pytest.mark.parametrize("kind", ["arch/x86/boot/bzImage", "vmlinux"])
def test_check_real_kernels(tool, kind):
    """Kernels of the build tree, if they were built."""
    base = os.path.join(TOP, "build/x86_64", os.environ.get("KVER", "7.2"))
    image = os.path.join(base, "plain", kind)
    if not os.path.exists(image):
        pytest.skip("no kernel was built")
    rc, out, err = tool("check", image)
    assert rc == 0 and "drivers: Intel VT-d" in out, out + err
    off = os.path.join(base, "off", kind)
    if os.path.exists(off):
        rc, out, err = tool("check", off)
        assert rc == 1 and "it has no IOMMU live update" in out
