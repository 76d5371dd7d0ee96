# SPDX-License-Identifier: GPL-2.0
"""KUnit suites of tests/kunit, all of them in one boot of each kernel."""

import dataclasses
import pathlib
import re
import warnings

import pytest

from iommus import FAMILIES
from machine import Config
from update import REPO, SPLAT, run

# All suites run on one machine of each architecture, the conformance suite on every IOMMU.
MACHINES = ("vtd", "smmuv3")

# machine: family, options of the unit, words for the kernel
HARDWARE = {name: (family, "", ()) for name, family in FAMILIES.items()} | {
    "vtd-ss": (FAMILIES["vtd"], ",scalable-mode=on", ("intel_iommu=sm_on",)),
    "vtd-fs": (FAMILIES["vtd"], ",scalable-mode=on,fsts=on", ("intel_iommu=sm_on",)),
    "smmuv3-s2": (FAMILIES["smmuv3"], ",stage=2", ()),
}
CONFORMANCE = "iommu_lu_conformance"


def suites_in(folder):
    """Names of the suites in the source: one that is not built must be missed."""
    return sorted(name for path in pathlib.Path(folder).glob("*.c")
                  for name in re.findall(r'struct kunit_suite \w+ = \{[^}]*?\.name = "(\w+)"',
                                         path.read_text(encoding="utf-8")))


SUITES = suites_in(REPO / "tests/kunit")


def suites_on(machine):
    """Without those of backends for another architecture, which have its name in theirs."""
    def arch(suite):
        return next((family.arch for name, family in FAMILIES.items() if name in suite.split("_")),
                    FAMILIES[machine].arch)
    return [suite for suite in SUITES if arch(suite) == FAMILIES[machine].arch]


def own_conformance(machine):
    """The suite for the IOMMU that this machine has."""
    return "%s_%s" % (CONFORMANCE, next(name for name, family in FAMILIES.items()
                                        if family is HARDWARE[machine][0]))


def boots(machines=MACHINES, more=lambda machine: [()]):
    """Parameters of a test: machine, flavour, and the tuples of more(machine)."""
    def marks(machine, flavour):
        arm64 = HARDWARE[machine][0].arch == "arm64"
        return [getattr(pytest.mark, flavour)] + [pytest.mark.arm64] * arm64
    return [pytest.param(machine, flavour, *rest, marks=marks(machine, flavour))
            for machine in machines for flavour in ("kunit", "debug")
            for rest in more(machine)]


# --- KTAP -------------------------------------------------------------------

@dataclasses.dataclass
class Result:
    """One line of KTAP, and what was under it."""

    name: str
    ok: bool
    skip: str = None        # the reason
    parts: list = dataclasses.field(default_factory=list)

    def leaves(self, above=""):
        """(path, result) of what has nothing under it."""
        path = above + self.name
        if not self.parts:
            return [(path, self)]
        return [leaf for part in self.parts for leaf in part.leaves(path + ".")]


@dataclasses.dataclass
class Block:
    depth: int
    plan: int = None
    results: list = dataclasses.field(default_factory=list)

    def close(self):
        if self.plan is None or len(self.results) == self.plan:
            return []
        return ["%d results planned, %d seen, last is %s"
                % (self.plan, len(self.results),
                   self.results[-1].name if self.results else "none")]


def parse(lines):
    """Nested KTAP among other lines; returns (results, what is wrong with it)."""
    open_blocks, wrong = [], []
    for text in lines:
        depth = len(text) - len(text.lstrip(" "))
        text = text.strip()
        if text == "KTAP version 1":
            if open_blocks and open_blocks[-1].depth >= depth:
                wrong.append("KTAP begins again after %s"
                             % [res.name for res in open_blocks[-1].results][-1:])
            open_blocks.append(Block(depth))
        elif (m := re.fullmatch(r"1\.\.(\d+)", text)) and open_blocks:
            open_blocks[-1].plan = int(m[1])
        elif m := re.fullmatch(r"(not )?ok (\d+) (.*?)(?: # SKIP\b ?(.*)| # .*)?", text):
            parts = []
            while open_blocks and open_blocks[-1].depth > depth:
                wrong += open_blocks[-1].close()
                parts = open_blocks.pop().results
            if not open_blocks or open_blocks[-1].depth != depth:
                wrong.append("result outside of any block: " + text)
                continue
            block = open_blocks[-1]
            block.results.append(Result(m[3], not m[1], m[4], parts))
            if int(m[2]) != len(block.results):
                wrong.append("number %s is not the %dth: %s"
                             % (m[2], len(block.results), m[3]))
    if not open_blocks:
        return [], ["no KTAP at all"]
    if open_blocks[0].plan is None:
        wrong.append("KTAP without a plan")
    if len(open_blocks) > 1:
        wrong.append("KTAP ends in the middle of a suite")
    wrong += [text for block in open_blocks for text in block.close()]
    return open_blocks[0].results, wrong


SAMPLE = """KTAP version 1
1..3
    KTAP version 1
    # Subtest: first
    # module: first_test
    1..3
    ok 1 A1_one
    # A2_two: EXPECTATION FAILED at first_test.c:1
something else says ok 1
        KTAP version 1
        # Subtest: A2_two
        1..2
        ok 1 small
        not ok 2 large # param:2
    # A2_two: pass:1 fail:1 skip:0 total:2
    not ok 2 A2_two
    ok 3 A3_three # SKIP no IOMMU here
# first: pass:1 fail:1 skip:1 total:3
not ok 1 first
    KTAP version 1
    # Subtest: second
    ok 1 B1
ok 2 second
ok 3 third # SKIP
""".splitlines()


def test_ktap_is_understood():
    """What is in it is found: failures, parameters, skips."""
    results, wrong = parse(SAMPLE)
    assert not wrong
    leaves = [leaf for res in results for leaf in res.leaves()]
    assert [path for path, _ in leaves] == \
        ["first.A1_one", "first.A2_two.small", "first.A2_two.large", "first.A3_three",
         "second.B1", "third"]
    assert [path for path, res in leaves if not res.ok] == ["first.A2_two.large"]
    assert [(path, res.skip) for path, res in leaves if res.skip is not None] == \
        [("first.A3_three", "no IOMMU here"), ("third", "")]
    assert [res.ok for res in results] == [False, True, True]


def test_ktap_with_something_missing_is_noticed():
    """Cut off anywhere, or without any one of the results that were planned."""
    for cut in range(1, len(SAMPLE) - 1):
        assert parse(SAMPLE[:cut])[1], SAMPLE[cut]
    for at, text in enumerate(SAMPLE):
        if re.match(r" *(not )?ok (?!1 B1)", text):
            assert parse(SAMPLE[:at] + SAMPLE[at + 1:])[1], text


# --- the kernel -------------------------------------------------------------

@dataclasses.dataclass
class Boot:
    suites: dict
    faults: list
    said: list              # of what was expected, and why not


_boots = {}


@pytest.fixture
def boot(machine, flavour, request):
    """One boot for all tests that look at it."""
    key = machine, flavour, request.node.callspec.params.get("soak", 0)
    if key not in _boots:
        suites = "iommu_lu*" if machine in MACHINES else CONFORMANCE + "*"
        family, options, words = HARDWARE[machine]
        result = run("kunit-%s-%s-%d" % key, Config(iommu=family.machine + options), flavour,
                     ["kunit.enable=1", "kunit.filter_glob=" + suites, "lu.case=leaks", *words])
        lines = [text for _, text in result.lines]
        user = next((i for i, text in enumerate(lines) if text.startswith("Run /init")), len(lines))
        results, faults = parse(lines[:user])
        faults += [result.error] if result.error else []
        faults += [text for text in lines if SPLAT.search(text)]
        faults += [text for text in lines[user:] if text.startswith("not ok")]
        said = [text.strip() for i, text in enumerate(lines[:user])
                if any("FAILED at" in before for before in lines[max(0, i - 5):i + 1])]
        _boots[key] = Boot({res.name: res for res in results}, faults, said)
    return _boots[key]


@pytest.mark.qemu
@pytest.mark.parametrize("machine, flavour, suite",
                         boots(more=lambda machine: [
                             (suite,) for suite in suites_on(machine)
                             if not suite.startswith(CONFORMANCE + "_")]))
def test_suite(boot, suite):
    """Every case of a suite passes; those that were skipped are told."""
    assert suite in boot.suites, "it was not run"
    leaves = boot.suites[suite].leaves()
    failed = [path for path, res in leaves if not res.ok]
    skipped = ["%s (%s)" % (path, res.skip) for path, res in leaves if res.skip is not None]
    assert boot.suites[suite].parts or skipped, "no cases"
    assert not failed, "\n  ".join([*failed, *boot.said])
    assert boot.suites[suite].ok
    if len(skipped) == len(leaves):
        pytest.skip(", ".join(skipped))
    if skipped:
        warnings.warn("skipped: " + ", ".join(skipped))


@pytest.mark.qemu
@pytest.mark.parametrize("machine, flavour", boots())
def test_nothing_else_on_the_console(boot, machine):
    """All suites to their end, no warning meanwhile, and nothing leaked."""
    assert suites_on(machine) and sorted(boot.suites) == suites_on(machine)
    assert not boot.faults


@pytest.mark.qemu
@pytest.mark.parametrize("machine, flavour", boots(HARDWARE))
def test_conformance_on_hardware(boot, machine):
    """Not only on the backend that lives in memory. What it cannot show is skipped."""
    assert not boot.faults
    leaves = [(path, res) for path, res in boot.suites[CONFORMANCE].leaves()
              if path.endswith(".hardware")]
    leaves += boot.suites[own_conformance(machine)].leaves()
    assert not [path for path, res in leaves if not res.ok], "\n  ".join(boot.said)
    done = [path for path, res in leaves if res.skip is None]
    print("%d of %d cases on %s" % (len(done), len(leaves), machine))
    assert len(done) > len(leaves) // 2
