# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests give the same results on the patched as on the stock kernel.

Both kernels have the same configuration (flavours kunit and stock) and run the
same programs, which are those of the stock tree. Every suite has a machine of
its own. Logs and results: build/qemu/kernel-<suite>-<flavour>/
"""

import os
import pathlib
import re
import subprocess

import pytest

from ktap import OURS, Results, differences
from machine import Config, Machine, MachineError
from update import OUT, REPO, SPLAT, kernel, one_at_a_time

pytestmark = pytest.mark.kernel

KVER = os.environ.get("KVER", "7.2")
FLAVOURS = ("stock", "kunit")

# Suite -> words for the command line. All of what the kernel offers for iommufd,
# live update and generic_pt runs, but for the following, which emulation is too
# slow for. Their code, iommu_pt.h, is in the other tests of the same suites.
#
#   test_random_map         90 to 110 s for each of the ten configurations; the
#                           pattern in filter_glob leaves it out
#   amdv1_mock_iommu_test   over 130 s in test_map_table_to_oa; it is amdv1 again,
#                           as iommufd's mock domains have it: suite iommufd
SUITES = {
    # drivers/iommu/generic_pt; counts the page tables of the system, so there must
    # be no others, and one CPU only, see counters_settle() in init.c
    "generic_pt": ["lu.kunit=1", "lu.skip=amdv1_mock_iommu_test", "kunit.enable=1",
                   "kunit.autorun=0", "kunit.filter_glob=*.test_[!r]*", "maxcpus=1",
                   "intel_iommu=off"],
    # tools/testing/selftests/iommu
    "iommufd": ["lu.run=iommufd"],
    "iommufd_fail_nth": ["lu.run=iommufd_fail_nth"],
    # tools/testing/selftests/liveupdate
    "liveupdate": ["lu.run=liveupdate"],
    "luo_kexec_simple": ["lu.run=luo_kexec_simple", "lu.kexec=1"],
    "luo_multi_session": ["lu.run=luo_multi_session", "lu.kexec=1"],
    "luo_stress_files": ["lu.run=luo_stress_files", "lu.kexec=1"],
    "luo_stress_sessions": ["lu.run=luo_stress_sessions", "lu.kexec=1"],
}
TIMEOUT = 600
KSFT_SKIP = 4


class Boot:
    """One suite on one kernel."""

    def __init__(self, suite, flavour, initrd):
        words = SUITES[suite]
        image = kernel(flavour)
        self.faults = []
        self.outdir = OUT / ("kernel-%s-%s" % (suite, flavour))
        with Machine(Config(nics=()), image, image, initrd, self.outdir, words) as m:
            try:
                m.finish(TIMEOUT)
            except MachineError as exc:
                self.faults.append(str(exc))
            self.lines = [text for _, text in m.lines]
        self.splats = [text for text in self.lines if SPLAT.search(text)]
        self.faults += [text for text in self.lines if text.startswith("@error")]
        self.results = self._results(words)
        self.faults += self.results.broken
        if not self.results.count()["ok"]:
            self.faults.append("not a single test is ok")
        with open(self.outdir / "results", "w", encoding="utf-8") as f:
            for name, outcome in self.results.of.items():
                f.write("%-7s %s\n" % (outcome, name))

    def _results(self, words):
        out = Results()
        run = next((w[len("lu.run="):] for w in words if w.startswith("lu.run=")), None)
        stages = 2 if "lu.kexec=1" in words else 1
        if run:
            mark = run + ": "
            out.ktap([t[len(mark):] for t in self.lines if t.startswith(mark)], run)
        else:
            out.ktap(self.lines, "kunit")
        # a program passes or fails as a whole, too
        ends = [m for m in (re.match(r"^@exit \S+ (\d+) (\d+)$", t) for t in self.lines) if m]
        for m in ends:
            code = int(m[2])
            out.add("%s stage %s" % (run, m[1]),
                    "skip" if code == KSFT_SKIP else "not ok" if code else "ok")
        if run and len(ends) != stages:
            self.faults.append("%d of %d stages ended" % (len(ends), stages))
        # CONFIG_LIVEUPDATE_TEST has its own way of saying it
        for text in self.lines:
            if m := re.match(r"^liveupdate test: (.*)$", text):
                out.add(m[0], "not ok" if re.search("ERROR|[Ff]ailed", m[1]) else "ok")
        return out


def summary(flavour, boot):
    n = boot.results.count()
    ours = sum(bool(OURS.search(name)) for name in boot.results.of)
    return "%-8s %5d ok %4d skip %3d xfail %3d not ok%s" % (
        {"kunit": "patched"}.get(flavour, flavour), n["ok"], n["skip"], n["xfail"], n["not ok"],
        " (%d of them our own)" % ours if ours else "")


@pytest.fixture(scope="session")
def initrd():
    with one_at_a_time("kernel-tests"):
        subprocess.run(["make", "-s", "-C", REPO / "tests/kernel",
                        "SRC=../../build/linux-%s-stock" % KVER], check=True)
    return REPO / "build/kernel-tests/initrd.cpio"


@pytest.mark.parametrize("suite", SUITES)
def test_same_results(suite, initrd, record_property):
    boots = {flavour: Boot(suite, flavour, initrd) for flavour in FLAVOURS}
    stock, patched = boots["stock"], boots["kunit"]
    report = [suite]
    report += ["  " + summary(flavour, boot) for flavour, boot in boots.items()]
    report += ["  not ok on stock, too: " + name for name in stock.results.failed()
               if name in patched.results.failed()]
    report += ["  console of stock: " + text for text in stock.splats]
    record_property("numbers", "\n".join(report))

    faults = ["%s: %s" % (flavour, fault) for flavour, boot in boots.items()
              for fault in boot.faults]
    faults += ["console of patched: " + text for text in patched.splats]
    faults += differences(stock.results, patched.results)
    assert not faults, "\n  ".join(["see %s" % patched.outdir] + faults)


def test_same_configuration():
    """But for our own options, of course."""
    def options(flavour):
        path = REPO / "build/x86_64" / KVER / flavour / ".config"
        return {line for line in pathlib.Path(path).read_text("ascii").splitlines()
                if "CONFIG_" in line and not line.startswith("# CONFIG_IOMMU_LIVEUPDATE")}
    ours = {line for line in options("kunit") if line.startswith("CONFIG_IOMMU_LIVEUPDATE")}
    assert ours
    assert options("kunit") - ours == options("stock")
