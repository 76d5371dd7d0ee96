# SPDX-License-Identifier: GPL-2.0
"""The comparison itself: it sees what it is there to see."""

import pytest

from ktap import Results, differences

pytestmark = pytest.mark.kernel

KUNIT = """\
KTAP version 1
1..2
    KTAP version 1
    # Subtest: vtdss_fmt_test
    # module: kunit_iommu_pt
    1..2
        KTAP version 1
        # Subtest: test_init
        ok 1 cfg_0
        ok 2 cfg_1 # SKIP no such level
    # test_init: pass:1 fail:0 skip:1 total:2
    ok 1 test_init
    not ok 2 test_map
# vtdss_fmt_test: pass:1 fail:1 skip:0 total:2
not ok 1 vtdss_fmt_test
    KTAP version 1
    # Subtest: x86_64_fmt_test
    1..1
    ok 1 test_init
ok 2 x86_64_fmt_test
"""


def results(text):
    out = Results()
    out.ktap(text.splitlines(), "kunit")
    return out


def test_blocks_in_blocks():
    assert results(KUNIT).of == {
        "kunit/vtdss_fmt_test/test_init/cfg_0": "ok",
        "kunit/vtdss_fmt_test/test_init/cfg_1": "skip",
        "kunit/vtdss_fmt_test/test_init": "ok",
        "kunit/vtdss_fmt_test/test_map": "not ok",
        "kunit/vtdss_fmt_test": "not ok",
        "kunit/x86_64_fmt_test/test_init": "ok",
        "kunit/x86_64_fmt_test": "ok",
    }
    assert not results(KUNIT).broken


def test_flat():
    got = results("TAP version 13\n1..4\nok 1 a.b # SKIP why\nok 2 a.c # XFAIL\n"
                  "# a.d: Test terminated by timeout\nnot ok 3 a.d\nok 4 a.c\n")
    assert got.of == {"kunit/a.b": "skip", "kunit/a.c": "xfail", "kunit/a.d": "not ok",
                      "kunit/a.c (2)": "ok"}


@pytest.mark.parametrize("cut", ("    not ok 2 test_map\n", "        ok 1 cfg_0\n",
                                 "ok 2 x86_64_fmt_test\n"))
def test_cut_short(cut):
    got = results(KUNIT.replace(cut, "", 1))
    # the inner block of a parameterised test has no plan, nothing can be missed
    assert bool(got.broken) == ("cfg_0" not in cut)
    assert differences(results(KUNIT), got)


def test_every_change_is_seen():
    stock = results(KUNIT)
    assert not differences(stock, results(KUNIT))
    worse = results(KUNIT.replace("ok 1 cfg_0", "not ok 1 cfg_0"))
    assert differences(stock, worse) == [
        "kunit/vtdss_fmt_test/test_init/cfg_0: ok on stock, not ok on patched"]
    # better is different, too: it would be a test that does not reach what it tests
    assert differences(worse, stock)
    assert len(differences(stock, results(""))) == len(stock.of)


def test_only_ours_may_be_new():
    more = KUNIT.replace("1..2\n", "1..3\n", 1)
    assert not differences(results(KUNIT), results(more + "ok 3 iommu_lu_blob\n"))
    assert differences(results(KUNIT), results(more + "ok 3 riscv_64_fmt_test\n"))
