# SPDX-License-Identifier: GPL-2.0
"""Allocation failures at every site of preserve, freeze, adopt and retrieve (A6, C12, C14).

In the old kernel the guest program goes through all sites by itself. In the new
one there is one attempt per live update, so each site is a run of its own; a
stage is through when there was nothing left to fail.
"""

import re

import pytest
from iommus import AMD, SMMUV3, VTD
from machine import Config
from update import run

pytestmark = [pytest.mark.qemu, pytest.mark.failnth]

LIMIT = 100     # sites of one stage; more than there are

# A stopped model runs through all of its ring, so a small one, see test_liveupdate.py
SMALL = ["lu.ring=8000", "lu.timeout_ms=3000"]


# Linux itself: the injection, vmalloc(), KHO without its file in debugfs
TRACED = re.compile(r"^FAULT_INJECTION: forcing|^init: vmalloc error|WARNING: .* kho_add_subtree")


def unexpected(result, faults):
    """Leave out what comes with injection.

    Traces of others, each announced by a line of its own. Pauses, because the
    program in the guest takes all memory meanwhile: frames are late, not lost.
    """
    expected = sum(bool(TRACED.search(text)) for _, text in result.lines)
    out = []
    for fault in faults:
        if fault == "console: Call Trace:" and expected:
            expected -= 1
        elif "kho_add_subtree" not in fault and not fault.startswith("pause of "):
            out.append(fault)
    return out


ARM64 = pytest.mark.arm64


@pytest.mark.parametrize("family, flavour", [
    pytest.param(VTD, "kunit", id="kunit"), pytest.param(VTD, "debug", id="debug"),
    pytest.param(AMD, "kunit", id="amd"),
    pytest.param(SMMUV3, "kunit", id="smmuv3", marks=ARM64)])
def test_preserve_and_freeze(request, family, flavour):
    result = run(request.node.name, Config(iommu=family.machine), flavour, ["lu.case=failnth"],
                 timeout=900)
    sites = {m[1]: (int(m[2]), int(m[3])) for _, text in result.lines
             if (m := re.match(r"@sites (\S+) (\d+) failed=(\d+)", text))}
    assert set(sites) == {"mark", "session", "preserve-memfd", "preserve-iommufd",
                          "preserve-device", "unpreserve"}
    assert not unexpected(result, result.faults())
    # that injection reaches what it should
    for step in ("mark", "preserve-memfd", "preserve-iommufd", "preserve-device"):
        assert sites[step][1], "no failure was seen in " + step
    assert any(re.search("freeze, allocation 0$", text) for _, text in result.ktap)
    assert result.stages == 2


def adopt_run(name, family, stage, n):
    """One boot of the next kernel; what became of the device, or None without a failure."""
    result = run("%s-%d" % (name, n), Config(iommu=family.machine), "kunit",
                 ["lu.case=adopt", "lu.next=iommu_lu.fail_nth=%s:%d" % (stage, n),
                  "lu.domain_lost=1"] + SMALL)
    where = "%s, allocation %d, see %s: " % (stage, n, result.outdir)
    hit = result.has(r"iommu_lu: fail_nth: an allocation of stage")
    held = result.has(r"^@adopt held")
    faults = unexpected(result, result.faults() if held else result.closed_faults())
    assert not faults, where + "; ".join(faults)
    if held:
        assert not result.has("not taken over"), where + "a refusal, but the device goes on"
    else:
        assert result.has(r"iommu_lu: .*not taken over"), where + "nothing says what failed"
        assert hit, where + "stopped without a failure"
    return ("held" if held else "stopped") if hit else None


# what is read is the same for all
@pytest.mark.parametrize("family, stage", [
    pytest.param(VTD, "read", id="read"), pytest.param(VTD, "adopt", id="adopt"),
    pytest.param(VTD, "restore", id="restore"), pytest.param(AMD, "adopt", id="amd-adopt"),
    pytest.param(AMD, "restore", id="amd-restore"),
    pytest.param(SMMUV3, "adopt", id="smmuv3-adopt", marks=ARM64),
    pytest.param(SMMUV3, "restore", id="smmuv3-restore", marks=ARM64)])
def test_adopt(request, family, stage):
    seen = []
    for n in range(1, LIMIT):
        became = adopt_run(request.node.name, family, stage, n)
        if not became:
            break
        seen.append(became)
        print("%s %d: %s" % (stage, n, became))
    assert seen and n < LIMIT - 1
    # AMD-Vi adopts with xarrays and an IDA only, which try twice
    assert (family, stage) == (AMD, "adopt") or "stopped" in seen


def retrieve_run(name, step, n, more=()):
    result = run("%s-%s-%d" % (name, step, n), Config(), "kunit",
                 ["lu.case=retrieve", "lu.fail=%s:%d" % (step, n)] + list(more))
    where = "%s, allocation %d, see %s: " % (step, n, result.outdir)
    said = next((m for _, text in result.lines
                 if (m := re.match(r"@retrieve %s %d (\S+) (\S+)" % (step, n), text))), None)
    assert said, where + "; ".join(result.console_faults())
    return result, where, said[1] == "hit", said[2]


@pytest.mark.parametrize("step", ["iommufd", "device"])
def test_retrieve(request, step):
    """It fails for good, but the device stays held and loses nothing."""
    seen = []
    for n in range(1, LIMIT):
        result, where, hit, got = retrieve_run(request.node.name, step, n)
        faults = unexpected(result, result.faults())
        assert not faults, where + "; ".join(faults)
        if not hit:
            break
        seen.append(got)
        print("%s %d: %s" % (step, n, got))
    assert n < LIMIT - 1 and "ENOMEM" in seen


@pytest.mark.parametrize("n, spare", [(1, 0), (2, 0), (4, 0), (6, 0), (1, 10000), (1, 20000),
                                      (1, 40000)])
def test_retrieve_memory(request, n, spare):
    """The memory is lost to the VM, but it is not given to anybody else."""
    result, where, hit, got = retrieve_run(request.node.name, "memfd", n,
                                           ["lu.spare=%d" % spare] if spare else [])
    faults = unexpected(result, result.faults())
    assert hit and got != "done" and not faults, where + "; ".join(faults)


@pytest.mark.parametrize("step", ["iommufd", "device", "memfd"])
def test_next_kexec_recovers(request, step):
    """What nobody could retrieve is an ordinary device after the next kexec."""
    result, where, hit, got = retrieve_run(request.node.name, step, 1, ["lu.recover=1"])
    faults = result.console_faults()
    assert hit and got in ("ENOMEM", "ENOSPC") and not faults, where + "; ".join(faults)
    assert result.stages == 3
