# SPDX-License-Identifier: GPL-2.0
"""KTAP on a console, and what is different between two kernels."""

import collections
import re

RESULT = re.compile(r"^( *)(not )?ok \d+ ?-? ?(.*?)(?: # (SKIP|XFAIL|TIMEOUT|ERROR)\b.*)?$")
PLAN = re.compile(r"^( *)1\.\.(\d+)\b")
SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")

# Of our own, not in the stock kernel: suites, and what LUO handles for us.
OURS = re.compile(r"iommu[-_]lu|iommufd-lu|vfio-pci-lu")


class Results:
    """Test name -> "ok", "skip", "xfail" or "not ok", in the order they ran."""

    def __init__(self):
        self.of = {}
        self.broken = []        # blocks with more or less results than planned

    def add(self, name, outcome):
        """A name that comes again is told apart by its number."""
        again, n = name, 1
        while again in self.of:
            n += 1
            again = "%s (%d)" % (name, n)
        self.of[again] = outcome

    def count(self):
        return collections.Counter(self.of.values())

    def failed(self):
        return [name for name, outcome in self.of.items() if outcome == "not ok"]

    def ktap(self, lines, top):
        """Everything in these lines. Name of a test: of the blocks it is in, and its own.

        An inner block is closed by the result of the block as a whole.
        """
        path = {}       # indentation -> name of the block
        open_blocks = {}    # indentation -> [planned, seen]

        def close(indent):
            for inner in [i for i in open_blocks if i >= indent]:
                planned, seen = open_blocks.pop(inner)
                if planned != seen:
                    self.broken.append("%s: %d tests planned, %d seen"
                                       % ("/".join([top] + [path[i] for i in sorted(path)
                                                            if i <= inner]), planned, seen))
            for inner in [i for i in path if i >= indent]:
                del path[inner]

        for text in lines:
            if m := SUBTEST.match(text):
                close(len(m[1]))
                path[len(m[1])] = m[2]
            elif m := PLAN.match(text):
                open_blocks[len(m[1])] = [int(m[2]), 0]
            elif m := RESULT.match(text):
                indent = len(m[1])
                close(indent + 1)
                if indent in open_blocks:
                    open_blocks[indent][1] += 1
                name = "/".join([top] + [path[i] for i in sorted(path)] + [m[3]])
                self.add(name, "not ok" if m[2] else
                         {"SKIP": "skip", "XFAIL": "xfail"}.get(m[4], "ok"))
        close(0)


def differences(stock, patched):
    """Complaints about every test that does not give the same result on both."""
    out = []
    for name, outcome in stock.of.items():
        other = patched.of.get(name, "did not run")
        if other != outcome:
            out.append("%s: %s on stock, %s on patched" % (name, outcome, other))
    for name, outcome in patched.of.items():
        if name not in stock.of and not OURS.search(name):
            out.append("%s: did not run on stock, %s on patched" % (name, outcome))
    return out
