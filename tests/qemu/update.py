# SPDX-License-Identifier: GPL-2.0
"""One run of a machine through live updates, and the verdict on it."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import subprocess

import iommus
import qemutrace
from machine import BOARDS, Config, Machine, MachineError

REPO = pathlib.Path(__file__).resolve().parents[2]
OUT = REPO / "build" / "qemu"

# A stall of the emulator's main loop delays a frame by up to 20 ms, ten times
# that with a kernel under KASAN. A pause longer than this is the update's own.
# PAUSE_LIMIT (seconds) in the environment is for hosts that do other work as well: their
# stalls are longer. What decides is that no frame is lost.
PAUSE_LIMIT = float(os.environ.get("PAUSE_LIMIT", 0.060))
PAUSE_LIMIT_DEBUG = max(PAUSE_LIMIT, 0.3)

SPLAT = re.compile(
    r"WARNING: |BUG: |^BUG\b|Oops|KASAN:|UBSAN:|INFO: possible|INFO: trying|INFO: task|INFO: rcu"
    r"|possible (recursive|circular)|suspicious RCU|Kernel panic|general protection"
    r"|unable to handle|Call Trace:|kmemleak: \d+ new|refcount_t:|Bad page|bad page state"
    r"|DEBUG_LOCKS_WARN|list_(add|del) corruption")

# What the drivers say, some with the name of their device in front.
SWITCHED = r"iommu_lu: (.*: switched to the preserved tables|everything .* not preserved is blocked)"
ADOPTED = r"iommu_lu: (.*: )?adopted"


KVER = os.environ.get("KVER", "7.2")

# Without interrupt remapping a device could send any interrupt: VFIO wants to be told.
NOIR = "iommufd.allow_unsafe_interrupts=1"


def kernel(flavour, arch="x86_64", version=KVER):
    """Path of a test kernel; the environment may have another one.

    KERNEL_<FLAVOUR>, for arm64 KERNEL_ARM64_<FLAVOUR>; of the version that is tested.
    """
    name = flavour if arch == "x86_64" else arch + "_" + flavour
    path = os.environ.get("KERNEL_" + name.upper()) if version == KVER else None
    path = pathlib.Path(path) if path else \
        REPO / "build" / arch / version / flavour / BOARDS[arch].image
    if not path.exists():
        raise FileNotFoundError("no %s kernel for %s at %s" % (flavour, arch, path))
    return path


@contextlib.contextmanager
def one_at_a_time(what):
    """Of all test processes that want to make something that is there once."""
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / (what + ".lock"), "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def tool():
    """Path of iommu-lu, built if it has to be."""
    with one_at_a_time("tools"):
        subprocess.run(["make", "-s", "-C", REPO / "tools"], check=True)
    return REPO / "build" / "tools" / "iommu-lu"


def guest_initrd(arch="x86_64"):
    """Build the guest programs (make does nothing when they are there)."""
    with one_at_a_time("initrd-" + arch):
        return _guest_initrd(arch)


def _guest_initrd(arch):
    out = REPO / "build" / arch
    subprocess.run([REPO / "scripts/headers.sh", arch, KVER], cwd=REPO, check=True)
    make = ["make", "-s", "-C", REPO / "tests" / "selftests", "O=%s/selftests" % out,
            "HEADERS=%s/headers/include" % out]
    if not BOARDS[arch].triplet.startswith(os.uname().machine):
        make.append("CC=%s-gcc" % BOARDS[arch].triplet)
    subprocess.run(make, check=True)
    return out / "selftests" / "initrd.cpio"


@dataclasses.dataclass
class Update:
    """One live update: phase name -> (begin, end)."""

    phases: dict
    begin: float
    end: float


@dataclasses.dataclass
class Run:
    name: str
    config: Config
    outdir: pathlib.Path
    lines: list
    events: list
    results: list           # traffic.Result per card
    found: list             # every frame in guest memory at the end, see traffic.find()
    updates: list           # Update
    begin: float            # first preserve, or first frame without one
    end: float
    error: str = ""         # the machine stopped or hung
    pause_limit: float = PAUSE_LIMIT

    @property
    def ktap(self):
        """(ok, text) of all test lines of all kernels."""
        out = []
        for _, text in self.lines:
            if m := re.match(r"^(not )?ok \d+ (.*)$", text):
                out.append((not m[1], m[2]))
        return out

    @property
    def stages(self):
        return sum(text.startswith("Linux version") for _, text in self.lines)

    def has(self, pattern):
        return any(re.search(pattern, text) for _, text in self.lines)

    def dump(self, name):
        """What a file of debugfs iommu_lu contained when the guest last looked."""
        data = b""
        for _, text in self.lines:
            if m := re.match(r"@dump %s (\d+) ([0-9a-f]+)$" % name, text):
                data = data[:int(m[1])] + bytes.fromhex(m[2])
        return data

    def dumps(self, name):
        """The same, each time it was looked at."""
        out = []
        for _, text in self.lines:
            if m := re.match(r"@dump %s (\d+) ([0-9a-f]+)$" % name, text):
                if m[1] == "0":
                    out.append(b"")
                out[-1] = out[-1][:int(m[1])] + bytes.fromhex(m[2])
        return out

    # ---- verdicts: lists of complaints ----

    def console_faults(self):
        out = [self.error] if self.error else []
        out += ["not ok: " + text for ok, text in self.ktap if not ok]
        out += ["console: " + text for _, text in self.lines if SPLAT.search(text)]
        # every kernel must have closed its KTAP block with the right plan
        count = None
        for _, text in self.lines:
            if text == "KTAP version 1":
                if count is not None:
                    out.append("KTAP block without a plan")
                count = 0
            elif re.match(r"^(not )?ok \d+ ", text):
                count = (count or 0) + 1
            elif (m := re.match(r"^1\.\.(\d+)$", text)) and count is not None:
                if int(m[1]) != count:
                    out.append("%s tests planned, %d seen" % (m[1], count))
                count = None
        if count is not None:
            out.append("KTAP block without a plan")
        if not self.ktap:
            out.append("no test result at all")
        return out

    def closed_faults(self, torn=False):
        """For a device that was not taken over: silent, and nobody else harmed.

        Its own refusals are no faults; anything else on the console is. torn: of the
        last frame its data may have been blocked, and its descriptor not.
        """
        out = self.console_faults()
        boots = [t for t, text in self.lines if text.startswith("Run /init")]
        if len(boots) != 2:
            return out + ["%d kernels booted, not 2" % len(boots)]
        res = self.results[0]
        if not res.landed:
            out.append("nothing landed before the update either")
        if [t for t, _ in res.landed if t > boots[1]]:
            out.append("the device still writes")
        if len(res.bad) > torn or (res.bad and res.landed and res.bad[0][0] < res.landed[-1][0]):
            out.append("%d frames corrupted" % len(res.bad))
        if [f for f in self.found if not f[3]]:
            out.append("frames outside their buffers")
        return out + self.order_faults()

    def traffic_faults(self, card=0):
        res, out = self.results[card], []
        if not res.sent:
            return ["no frame was ever sent"]
        if res.lost:
            out.append("%d of %d frames lost, first is %d"
                       % (len(res.lost), len(res.sent), res.lost[0]))
        if res.bad:
            out.append("%d frames corrupted, first at descriptor %d"
                       % (len(res.bad), res.bad[0][1]))
        if res.duplicate:
            out.append("%d frames landed twice" % res.duplicate)
        for up in self.updates:
            gap, at = max(res.gaps(up.begin, up.end), default=(float("inf"), up.begin))
            if gap > max(self.pause_limit, self.steady_gap(card)):
                where = [p for p, (a, b) in up.phases.items() if a < at + gap and b > at]
                out.append("pause of %.0f ms during the update (%s)"
                           % (gap * 1e3, ", ".join(where)))
        stray = [pa for pa, owner, _, in_ring in self.found if owner == card and not in_ring]
        if stray:
            out.append("%d frames outside their buffers, first at %#x" % (len(stray), stray[0]))
        return out

    def steady_gap(self, card=0):
        """Longest pause while nothing but receiving went on: before and after."""
        res = self.results[card]
        if not res.landed:
            return float("inf")
        first, last = res.landed[0][0], res.landed[-1][0]
        if not self.updates:
            return res.longest_gap(first, last)
        gaps = res.gaps(first, self.updates[0].begin) + res.gaps(self.updates[-1].end, last)
        return max(gaps)[0] if gaps else float("inf")

    def trace_faults(self, card=0):
        device, bridge = self.config.bdfs()[card]
        return self.order_faults() + qemutrace.judge(
            qemutrace.parse(self.events), self.begin, self.end, device, (bridge,),
            [(u.begin, u.end) for u in self.updates], alone=len(self.config.nics) == 1,
            proof=self.config.family.proof, requester=self.config.requester(card))

    def order_faults(self):
        """What was done to the IOMMU at a wrong time, each kind once."""
        if self.config.units > 1:
            return []
        return sorted({complaint for when, complaint in self.config.family.order(self.events)
                       if when >= self.begin})

    def logged_faults(self):
        """What the kernel has to say of DMA of the device that was blocked."""
        mine, logged = qemutrace.short(self.config.requester(0)), self.config.family.logged
        return ["console: " + text for _, text in self.lines if logged in text and mine in text]

    def faults(self):
        return (self.console_faults() + self.logged_faults() + self.traffic_faults() +
                self.trace_faults())


# Console lines that begin and end each phase.
_MARKS = [
    ("freeze", r"^@phase freeze begin", r"^iommu_lu: sealed"),
    ("shutdown", r"^iommu_lu: sealed", SWITCHED),
    ("kexec", SWITCHED, r"^Linux version"),
    ("early boot", r"^Linux version", ADOPTED),
    ("adopt", ADOPTED, r"^iommu_lu: .*: restored domain attached"),
    ("probe", r"^iommu_lu: .*: restored domain attached", r"^Run /init"),
    ("start of userspace", r"^Run /init", r"^@phase retrieve begin"),
    ("retrieve", r"^@phase retrieve begin", r"^@phase retrieve end"),
    ("bind", r"^@phase bind begin", r"^@phase bind end"),
    ("rebuild", r"^@phase rebuild begin", r"^@phase rebuild end"),
    ("hotswap", r"^@phase hotswap begin", r"^@phase hotswap end"),
    ("finish", r"^@phase finish begin", r"^@phase finish end"),
]


def updates_of(lines):
    """Cut the console into live updates."""
    starts = [i for i, (_, text) in enumerate(lines)
              if text.startswith("@phase freeze begin")]
    out = []
    for n, i in enumerate(starts):
        part = lines[i:starts[n + 1] if n + 1 < len(starts) else len(lines)]
        if any(t.startswith("@phase freeze refused") for _, t in part):
            continue
        phases = {}
        for name, first, last in _MARKS:
            a = next((t for t, text in part if re.search(first, text)), None)
            b = next((t for t, text in part
                      if a is not None and t >= a and re.search(last, text)), None)
            if b is not None:
                phases[name] = (a, b)
        end = phases["finish"][1] if "finish" in phases else part[-1][0]
        out.append(Update(phases, part[0][0], end))
    return out


def run(name, config=Config(), flavour="plain", append=(), next_flavour=None, timeout=None,
        during=None, on_line=None, qtest=False, first_kernel=None, next_kernel=None):
    """Boot, run the case on the command line to its end, collect everything.

    during(machine): hands on the running machine, e.g. to break something.
    A machine that dies is a Run with an error, not an exception.
    """
    first = first_kernel or kernel(flavour, config.family.arch)
    second = next_kernel or (kernel(next_flavour, config.family.arch) if next_flavour else first)
    append = list(append)
    if config.family is iommus.AMD and KVER != "7.2":
        # Linux 7.3 remaps interrupts only if the device that firmware names for the IOAPIC is
        # an SMBus or an ISA bridge. On QEMU's machine it is none.
        append.insert(0, NOIR)
    slow = flavour == "debug"
    if slow:
        # It is away for some 15 seconds, a minute on a busy host: fewer frames, so that no
        # buffer is used twice meanwhile, and descriptors are left after 20 updates. KASAN's
        # shadow has to fit into the scratch areas.
        config = dataclasses.replace(config, nics=tuple(
            dataclasses.replace(nic, rate=min(nic.rate, 50)) for nic in config.nics))
        if config.family.arch == "x86_64":
            # Without 5-level paging: KASAN finds its shadow by the CPU feature, which
            # identify_cpu() takes away for a moment. An interrupt just then is reported
            # as a wild access, in any kernel.
            config = dataclasses.replace(config, cpu=config.board.cpu + ",la57=off")
        append = ["lu.timeout_ms=60000", "kho_scratch=448M,2M,448M"] + append
    # UEFI itself takes as long as both kernels
    timeout = timeout or (600 if slow else 240 if config.firmware else 120)
    error = ""
    outdir = OUT / re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
    with Machine(config, first, second, guest_initrd(config.family.arch), outdir, append,
                 on_line=on_line, qtest=qtest) as m:
        try:
            if during:
                during(m)
        except MachineError as exc:
            error = str(exc)
        try:
            m.finish(timeout)
        except MachineError as exc:
            error = error or str(exc)
        lines, events, results = list(m.lines), list(m.events), m.results
        found = m.traffic.find()
    with open(outdir / "traffic.json", "w", encoding="ascii") as f:
        json.dump([dataclasses.asdict(res) for res in results], f)
    begin = next((t for t, s in lines if s.startswith("@phase preserve begin")),
                 next((t for t, s in lines if s.startswith("@ring ")), 0))
    end = lines[-1][0] if lines else 0
    return Run(name, config, outdir, lines, events, results, found, updates_of(lines),
               begin, end, error, PAUSE_LIMIT_DEBUG if slow else PAUSE_LIMIT)
