# SPDX-License-Identifier: GPL-2.0
"""Building parts of a kernel in a configuration, and looking at what came out."""

import collections
import os
import pathlib
import re
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]
KVER = os.environ.get("KVER", "7.2")
PATCHED = REPO / "build" / ("linux-" + KVER)
STOCK = REPO / "build" / ("linux-%s-stock" % KVER)
OURS = "drivers/iommu/liveupdate/"

TOOLS = {"x86_64": "", "arm64": "aarch64-linux-gnu-"}
KARCH = {"x86_64": "x86", "arm64": "arm64"}
WARNING = re.compile(r"^(?:\.\./)*(?:\S*?/build/linux-[^/]*/)?([\w./-]+\.[chS]):\d+(?::\d+)?: "
                     r"((?:warning|error): .*)$", re.M)


class BuildError(Exception):
    pass


class Kernel:
    """An output directory, used for one configuration after the other."""

    def __init__(self, arch, source, name):
        self.arch, self.source = arch, source
        self.out = REPO / "build/configs" / ("%s-%s-%s" % (arch, KVER, name))
        self.out.mkdir(parents=True, exist_ok=True)

    def make(self, *words):
        """Returns what make said; BuildError with the end of it if it failed."""
        argv = ["make", "-C", self.source, "O=%s" % self.out, "ARCH=" + KARCH[self.arch],
                "CROSS_COMPILE=" + TOOLS[self.arch], "HOSTCC=ccache gcc",
                "CC=ccache %sgcc" % TOOLS[self.arch], "-s",
                "-j%s" % (os.environ.get("JOBS") or os.cpu_count()), *words]
        done = subprocess.run(list(map(str, argv)), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise BuildError("make %s:\n%s" % (" ".join(words), done.stdout[-4000:]))
        return done.stdout

    def configure(self, start, fragment):
        """start: a target of make, or the text of a configuration. Gives what came of it."""
        path = self.out / ".config"
        if "\n" in start:
            path.write_text(start, encoding="ascii")
        else:
            self.make(start)
        with open(path, "a", encoding="ascii") as f:
            f.write(fragment)
        self.make("olddefconfig")
        return self.config()

    def config(self):
        text = (self.out / ".config").read_text(encoding="ascii")
        return dict(re.findall(r"(?m)^CONFIG_(\w+)=(.*)$", text))

    def warnings(self, *words):
        """(file, text) of each warning while it was built."""
        return WARNING.findall(self.make(*words))

    def functions(self, name):
        """{function: its code} of an object that was made with the words GIMPLE.

        That is the compiler's last form of it that is not yet for a machine: without addresses
        and registers, and the same for a function that others may call as for one that is
        static. Names of temporaries, which are numbers, are counted anew in each function.
        """
        source = (self.out / name).with_suffix(".c")
        if not (self.source / name).with_suffix(".c").exists():
            return {name: subprocess.run(
                [TOOLS[self.arch] + "objdump", "-dr", self.out / name], check=True,
                stdout=subprocess.PIPE, text=True).stdout.split("\n", 3)[3]}
        dump, = source.parent.glob(source.name + ".*t.optimized")
        parts = re.split(r"(?m)^;; Function (\S+) .*$", dump.read_text(encoding="utf-8"))
        return {function: counted(body) for function, body in zip(parts[1::2], parts[2::2])}


# Nothing is taken apart or put into others that would not have to be, as what is worth that
# depends on who else calls it.
GIMPLE = "KCFLAGS=" + " ".join((
    "-fdump-tree-optimized-nouid", "-fno-inline-small-functions", "-fno-inline-functions",
    "-fno-inline-functions-called-once", "-fno-partial-inlining", "-fno-ipa-sra", "-fno-ipa-cp",
    "-fno-ipa-ra", "-fno-ipa-icf", "-fno-ipa-modref", "-fno-ipa-pure-const", "-fno-ipa-vrp",
    "-fno-ipa-reference"))


def counted(body):
    """What matters of it: without what the compiler gives out as it comes to it.

    That are numbers, counted here in the order in which they are first seen, names of variables
    that may be gone, lines, the order of what comes together, and how often it thinks that a
    block is run.
    """
    seen = collections.defaultdict(dict)

    def number(kind, what):
        return kind + str(seen[kind].setdefault(what, len(seen[kind])))

    # declarations end at the first block
    head, mark, body = body.partition("  <bb ")
    head = re.sub(r"(?m)^  \S.*;$", "", head)
    body = "\n".join(line for line in (head + mark + body).split("\n")
                     if line and not line.startswith("Removing basic block"))
    body = re.sub(r" \[(local )?count: \d+\]|; \[[\d.]+%\]", "", body)
    body = re.sub(r'("line" "i" |- \.; \.short )\d+', r"\1-", body)
    # first what a name ends in, then its versions: ivtmp.755_47
    body = re.sub(r"(\b__UNIQUE_ID_[a-zA-Z_]+)(\d+)(?=_)", lambda m: number(*m.groups()), body)
    body = re.sub(r"(\b[a-zA-Z_]\w*\.)(\d+)(?=\b|_)", lambda m: number(*m.groups()), body)
    body = re.sub(r"(<bb |\bL|<L)(\d+)\b", lambda m: number(*m.groups()), body)
    body = re.sub(r"\b[\w.]*_\d+\b", lambda m: number("_", m[0]), body)
    return re.sub(r"PHI <(.*)>", lambda m: "PHI <%s>" % ", ".join(sorted(
        re.sub(r"\(\d+\)$", "", arg) for arg in m[1].split(", "))), body)


def fragment(arch, options=()):
    """tinyconfig plus what every test kernel has, plus options NAME=VALUE."""
    text = "".join((REPO / "tests/qemu/config" / (name + ".config")).read_text(encoding="ascii")
                   for name in ("base", KVER, arch))
    return text + "".join("CONFIG_%s\n" % o for o in options)


def hooked():
    """Files of the kernel that hooks change."""
    hooks = subprocess.run([REPO / "scripts/apply.sh", "--hooks", STOCK], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split()
    return sorted({name for hook in hooks for name in re.findall(
        r"(?m)^\+\+\+ b/([^\t\n]*)", (REPO / hook).read_text(encoding="utf-8"))})
