# SPDX-License-Identifier: GPL-2.0
"""Live updates on real kernels: machines x cases.

Single ones:  pytest tests/qemu -k 'heartbeat and plain and e1000e'
Logs of each run: build/qemu/<name>/
"""

import dataclasses
import errno
import json
import os
import re
import statistics
import struct
import subprocess
import time

import pytest

import iommus
import matrix
import qemutrace
from frames import PATIENCE
from machine import OTHER, Config, Nic
from matrix import CLOSED, everywhere
from update import OUT, kernel, run, tool

pytestmark = pytest.mark.qemu

MACHINES = {
    "e1000e": Config(),
    "igb": Config(nics=(Nic("igb"),)),
    "e1000e-port": Config(nics=(Nic("e1000e", port=True),)),
    "igb-port": Config(nics=(Nic("igb", port=True),)),
}

FLAVOURS = [pytest.param("plain", marks=pytest.mark.plain),
            pytest.param("debug", marks=pytest.mark.debug)]


def table(*debug_machines):
    """Every machine with the plain kernel, some with the debug kernel as well.

    That one takes a minute per update, and what it looks for does not depend on
    the machine.
    """
    return pytest.mark.parametrize(
        "flavour, machine",
        [pytest.param("plain", m, marks=pytest.mark.plain) for m in MACHINES] +
        [pytest.param("debug", m, marks=pytest.mark.debug) for m in debug_machines])


def on(machine):
    """One machine, both kernels."""
    return pytest.mark.parametrize("flavour, machine", [
        pytest.param("plain", machine, marks=pytest.mark.plain),
        pytest.param("debug", machine, marks=pytest.mark.debug)])


# Where the guest looks for a sign from the host: struct heart_state in selftests/heart.h
SIGNAL = 616

flavours = pytest.mark.parametrize("flavour", FLAVOURS)


@pytest.fixture
def name(request):
    return request.node.name


def check(result):
    """No complaint from any of the three witnesses."""
    faults = result.faults()
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)


# ---- the update ----

# Each of these must have its marks on the console.
EXPECTED_PHASES = {"freeze", "shutdown", "kexec", "early boot", "adopt", "probe", "retrieve",
                   "bind", "rebuild", "hotswap", "finish"}


@table("e1000e", "igb-port")
def test_heartbeat(name, flavour, machine):
    result = run(name, MACHINES[machine], flavour, ["lu.case=heartbeat", "lu.frames=2000"])
    check(result)
    assert result.stages == 2
    res = result.results[0]
    assert len(res.landed) >= 2000

    (update,) = result.updates
    assert not EXPECTED_PHASES - set(update.phases), "phases without marks"
    frame = 1 / result.config.nics[0].rate
    for phase, (begin, end) in update.phases.items():
        if end - begin > 6 * frame:
            assert res.landed_between(begin, end), "no frame landed in phase " + phase


@everywhere("vtd")
def test_example(name, flavour, machine):
    """examples/vmm.c, twice. Its device does no DMA: this is about the sequence."""
    result = run(name, Config(iommu=matrix.MACHINES[machine]), flavour,
                 ["lu.case=example", "lu.updates=2"])
    faults = result.console_faults()
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert result.stages == 3
    assert sum("restored domain attached" in text for _, text in result.lines) == 2


@everywhere("vtd")
def test_killed_vmm(name, flavour, machine):
    """A VMM dies at 20 points of the sequence; beside it another VM goes on."""
    config = Config(nics=matrix.PAIR, iommu=matrix.MACHINES[machine])
    result = run(name, config, flavour, ["lu.case=killed"], timeout=1800)
    faults = result.console_faults() + result.traffic_faults(1)
    # The victim's card is reset over and over, and the trace does not tell which one is.
    faults += [f for f in result.trace_faults(1) if not f.startswith("device reset")]
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert sum("killed at" in text for ok, text in result.ktap if ok) == 9 + 10
    assert result.stages == 12
    # Nine died before this one got its domain id.
    ids = [device["did"] for device in state_of(result, result.dumps("outgoing")[0])["devices"]]
    assert len(ids) == 2 and abs(ids[0] - ids[1]) < 5, ids


@flavours
def test_five_in_a_row(name, flavour):
    result = run(name, flavour=flavour, append=["lu.case=heartbeat", "lu.updates=5",
                                               "lu.warmup=100"], timeout=1200)
    check(result)
    assert result.stages == 6 and len(result.updates) == 5


@everywhere("vtd")
def test_held_until_finished(name, flavour, machine):
    """On the way through the second kernel, all that must be refused is tried."""
    result = run(name, Config(iommu=matrix.MACHINES[machine], other=True), flavour,
                 ["lu.case=heartbeat", "lu.strict=1"])
    check(result)
    assert sum("refused" in text for ok, text in result.ktap if ok) >= 10
    assert sum("the difference is found" in text for ok, text in result.ktap if ok) == 6


# ---- many at once, and many in a row ----

RACE_SECONDS = int(os.environ.get("RACE_SECONDS", "20"))
UPDATES = int(os.environ.get("UPDATES", "100"))


@pytest.mark.race
@everywhere(*matrix.MACHINES)
def test_race(name, flavour, machine):
    """Threads use and abuse all interfaces while a session is preserved, frozen and given up,
    and while it is retrieved; then a live update must still work, as often as minutes are given.
    The card does not receive.
    """
    updates = max(2, RACE_SECONDS // 60)
    result = run(name, Config(iommu=matrix.MACHINES[machine], other=True), flavour,
                 ["lu.case=race", "lu.seconds=%d" % (RACE_SECONDS // updates),
                  "lu.updates=%d" % updates, "lu.ring=8000", "lu.bufs=512"],
                 timeout=1200 + 2 * RACE_SECONDS)
    faults = result.console_faults()
    assert not faults, "\n  ".join(["see %s" % result.outdir] + faults)
    assert result.stages == 1 + updates
    assert sum("done, and refused" in text for ok, text in result.ktap if ok) == updates * (8 + 3)
    # the last of all devices: the others were frozen when it refused
    assert sum(text.startswith("vfio-pci %s: iommu_lu: MSI is enabled" % OTHER)
               for _, text in result.lines) >= updates


# May differ by so much, in pages, between the first and the last ten of all updates. Whoever
# loses one page per update shows up; what a kernel has in caches differs by a few.
FLAT = {"iommu": 3, "unreclaimable": UPDATES // 2, "used": UPDATES * 3 // 4}


def counters(result):
    """What the guest counted after each update, by name."""
    rows = [dict((k, int(v)) for k, v in re.findall(r"(\w+)=(-?\d+)", text))
            for _, text in result.lines if text.startswith("@counters ")]
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.endurance
@everywhere()
def test_in_a_row(name, flavour, machine):
    """C15: a hundred live updates of a card that receives: no frame is lost, nothing grows."""
    # frames enough to see every update, few enough for the ring
    config = Config(nics=(Nic(rate=50),), iommu=matrix.MACHINES[machine])
    result = run(name, config, flavour,
                 ["lu.case=heartbeat", "lu.updates=%d" % UPDATES, "lu.warmup=10", "lu.tail=10"],
                 timeout=60 * UPDATES)
    check(result)
    assert result.stages == UPDATES + 1 and len(result.updates) == UPDATES

    counted = counters(result)
    grown = {}
    for counter, limit in FLAT.items():
        values = counted[counter][1:]
        assert len(values) == UPDATES
        part = min(10, max(1, UPDATES // 4))
        grown[counter] = statistics.median(values[-part:]) - statistics.median(values[:part])
        print("%s: %d to %d pages, %+d" % (counter, min(values), max(values), grown[counter]))
    assert not {c: n for c, n in grown.items() if n > FLAT[c]}, grown

    states = [state_of(result, data) for data in result.dumps("outgoing")]
    assert len(states) == UPDATES
    # AMD-Vi has a record for the segment besides that of the unit
    units = 1 + (config.family is iommus.AMD)
    assert {tuple(map(len, records(state))) for state in states} == {(units, 1, 1)}
    ids = [records(state)[2][0]["did"] for state in states]
    print("domain ids: %s" % sorted(set(ids)))
    assert set(ids[UPDATES // 2:]) <= set(ids[:UPDATES // 2]), ids


def state_of(result, data):
    """The same for what was in a file of debugfs."""
    path = result.outdir / "state"
    path.write_bytes(data)
    return json.loads(subprocess.run([tool(), "dump", "--json", path], capture_output=True,
                                     text=True, check=True).stdout)


def read_dump(result, name, path):
    """What iommu-lu makes of a file of debugfs."""
    path.write_bytes(result.dump(name))
    out = subprocess.run([tool(), "dump", "--json", path], capture_output=True, text=True,
                         check=False)
    return out.returncode, json.loads(out.stdout)


def records(state):
    return [state[kind] for kind in ("units", "domains", "devices")]


@table("e1000e", "igb-port")
def test_dump(name, flavour, machine):
    """A7: both sides of the update as the tool reads them from debugfs."""
    config = MACHINES[machine]
    result = run(name, config, flavour, ["lu.case=heartbeat"])
    check(result)
    rc, out = read_dump(result, "outgoing", result.outdir / "outgoing")
    assert rc == 0 and not out["incoming"] and not out["sealed"] and out["refused"] == 0
    rc, into = read_dump(result, "incoming", result.outdir / "incoming")
    assert rc == 0 and into["incoming"] and into["sealed"] and into["refused"] == 0

    (unit,), (domain,), (device,) = records(out)
    assert device["name"] == config.bdfs()[0][0]
    assert int(domain["token"], 16) == 0x44
    assert device["hw_index"] == 0 and device["domain_index"] == 0
    assert int(unit["token"], 16) == 0xfed90000
    # links are valid before the freeze, so nothing is different afterwards
    assert records(into) == records(out)


# ---- what is refused before the jump ----

TRIES = ("mark-errors", "not-marked", "memfd-missing", "memfd-elsewhere", "device-first",
         "iommufd-elsewhere", "anonymous", "punched", "unbound", "other-hwpt", "kinds",
         "automatic", "other-files", "interrupts", "frozen", "suspend", "cycles", "kexec-nothing", "kexec-without-kho")

_refused = {}


machines = everywhere(*matrix.MACHINES)


def refused_run(flavour, machine, request):
    """One machine makes all attempts; the tests share what it said."""
    key = flavour, machine, request.node.callspec.params.get("soak", 0)
    if key not in _refused:
        _refused[key] = run("refused-%s-%s-%s" % key, Config(iommu=matrix.MACHINES[machine]),
                            flavour, ["lu.case=refuse"], timeout=300)
    return _refused[key]


@machines
@pytest.mark.parametrize("attempt", TRIES)
def test_refused(flavour, machine, attempt, request):
    result = refused_run(flavour, machine, request)
    texts = [text for _, text in result.lines]
    if "# try " + attempt not in texts:
        pytest.fail("never got there: " + "; ".join(result.console_faults()))
    part = texts[texts.index("# try " + attempt):]
    stop = next((i for i, t in enumerate(part) if i and t.startswith(("# try", "1.."))),
                len(part))
    part = part[:stop]
    assert not [t for t in part if t.startswith("not ok")]
    assert any(t.startswith("ok") and "frames keep arriving" in t for t in part)


@machines
def test_refused_leaves_nothing(flavour, machine, request):
    """The same machine as a whole: console, frames, kmemleak."""
    result = refused_run(flavour, machine, request)
    assert not result.console_faults() + result.traffic_faults()
    assert result.stages == 1


@flavours
def test_kernel_without_us_is_refused(name, flavour):
    result = run(name, flavour=flavour, next_flavour="off",
                 append=["lu.case=refuse", "lu.try=kexec-foreign"])
    assert not result.console_faults() + result.traffic_faults()
    assert result.stages == 1


# What the note of an image says, and how that image is refused. Whoever builds a
# kernel that gives up an old version, or for other hardware, makes such an image.
IMAGES = {
    "raised-minimum": ({"version": 2, "oldest": 2}, "it no longer reads our version of the state"),
    "page-size": ({"page_shift": 16}, "its page size differs"),
    "no-driver": ({"hw_types": 0}, "it has no live update for an IOMMU that is in use"),
}


def patched_image(name):
    """The plain kernel with another note: numbers and their complements."""
    image = bytearray(kernel("plain").read_bytes())
    at = image.index(b"iommu-lu note 1\n") + 16
    assert image.find(b"iommu-lu note 1\n", at) < 0
    fields = ("version", "oldest", "page_shift", "reserved0", "understood", "hw_types",
              "reserved1")
    layout = struct.Struct("<HHHHQII")
    caps = dict(zip(fields, layout.unpack_from(image, at)))
    caps.update(IMAGES[name][0])
    data = layout.pack(*caps.values())
    image[at:at + 2 * len(data)] = data + bytes(~byte & 0xff for byte in data)
    path = OUT / ("image-" + name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image)
    return path


@pytest.mark.plain
@pytest.mark.parametrize("image", IMAGES)
def test_image_is_refused(name, image):
    """By freeze, and by the tool before that, for the same reason."""
    path, reason = patched_image(image), IMAGES[image][1]
    result = run(name, next_kernel=path,
                 append=["lu.case=refuse", "lu.try=kexec-foreign", "lu.errno=%d" % errno.EPROTO])
    assert not result.console_faults() + result.traffic_faults()
    assert result.stages == 1
    assert result.has("the loaded kernel cannot take over: " + reason)

    # the tool looks at the image alone, so it needs a state to tell which drivers matter
    state = OUT / re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") / "outgoing"
    state.write_bytes(result.dump("outgoing"))
    told = subprocess.run([tool(), "check", "--state", state, path], capture_output=True,
                          text=True, check=False)
    assert told.returncode == 1 and reason in told.stdout, told
    good = subprocess.run([tool(), "check", "--state", state, kernel("plain")],
                          capture_output=True, text=True, check=False)
    assert good.returncode == 0, good


@on("e1000e-port")
def test_reset_of_a_preserved_device(name, flavour, machine):
    """By its owner, by sysfs, and by way of the bus it is on."""
    result = run(name, MACHINES[machine], flavour, ["lu.case=refuse", "lu.try=hot-reset"])
    faults = [f for f in result.trace_faults() if "reset" in f]
    assert not result.console_faults() + result.traffic_faults() + faults


@on("e1000e")
def test_cycles_keep_no_id(name, flavour, machine):
    """The card is between two domains meanwhile, so frames are not judged."""
    result = run(name, MACHINES[machine], flavour,
                 ["lu.case=refuse", "lu.try=cycle-ids"] + CLOSED[1:])
    assert not result.console_faults()


@on("e1000e-port")
def test_removal_of_a_preserved_device(name, flavour, machine):
    result = run(name, MACHINES[machine], flavour, ["lu.case=refuse", "lu.try=removed"])
    assert not result.console_faults()


@on("e1000e")
def test_device_asleep_is_refused(name, flavour, machine):
    result = run(name, MACHINES[machine], flavour, ["lu.case=refuse", "lu.try=asleep"])
    assert not result.console_faults()
    assert result.has("iommu_lu: not in D0")


@pytest.mark.plain
def test_shared_group_is_refused(name):
    """Another function of the same device, without a driver."""
    config = Config(nics=(Nic(port=True, options="multifunction=on"),),
                    extra=("-device", "e1000e,romfile=,bus=port0,addr=0x0.1"))
    result = run(name, config, append=["lu.case=refuse", "lu.try=shared"])
    assert not result.console_faults() + result.traffic_faults()
    assert result.has("shares its IOMMU group with other devices")


@pytest.mark.plain
def test_shared_reset_is_refused(name):
    """Another function behind the same port, and a user who owns both."""
    config = Config(nics=(Nic(port=True, options="multifunction=on"),),
                    extra=("-device", "e1000e,romfile=,bus=port0,addr=0x0.1"))
    result = run(name, config, append=["lu.case=refuse", "lu.try=shared",
                                       "lu.sibling=" + config.bdfs()[0][0][:-1] + "1"])
    assert not result.console_faults() + result.traffic_faults()
    assert result.has("a reset of its slot or bus would hit other devices too")


def context_entry(m, bdf, start=0):
    """Address of the upper half of a device's context entry, and its value."""
    bus, devfn = int(bdf[5:7], 16), int(bdf[8:10], 16) << 3 | int(bdf[11])
    while True:
        start, _, match = m.wait_event(r"vtd_reg_dmar_root addr 0x([0-9a-f]+)", 60, start)
        root = int(match[1], 16)
        lo, = struct.unpack("<Q", m.read_ram(root + bus * 16, 8))
        if lo & 1:
            break
    at = (lo & ~0xfff) + devfn * 16 + 8
    return at, struct.unpack("<Q", m.read_ram(at, 8))[0]


def changed_entry_is_refused(name, config, flavour, flip, message):
    """flip(machine) turns a bit of the device's entry that lets DMA go on."""
    def tamper(m):
        _, _, ring = m.wait_line(r"^@ring .*state_pa=0x([0-9a-f]+)", 120)
        signal = int(ring[1], 16) + SIGNAL
        for n in (1, 2):
            m.wait_line(r"^@signal %d" % n, 120)
            flip(m)
            m.write_ram(signal, struct.pack("<Q", n))

    result = run(name, config, flavour, ["lu.case=refuse", "lu.try=entry-changed"],
                 during=tamper)
    assert not result.console_faults() + result.traffic_faults()
    assert result.has(message)


@on("e1000e")
def test_changed_context_entry_is_refused(name, flavour, machine):
    """In the bit that says that faults are not reported."""
    config = MACHINES[machine]

    def flip(m):
        low = context_entry(m, config.bdfs()[0][0])[0] - 8
        value, = struct.unpack("<Q", m.read_ram(low, 8))
        m.write_ram(low, struct.pack("<Q", value ^ 2))

    changed_entry_is_refused(name, config, flavour, flip,
                             "context entry of .* is not its domain's")


@flavours
def test_live_update_disabled(name, flavour):
    result = run(name, flavour=flavour, append=["lu.case=disabled", "liveupdate=off"])
    assert not result.console_faults() + result.traffic_faults()


# ---- the next kernel cannot go on: blocked, but it boots ----

@table("e1000e")
def test_next_kernel_without_iommu(name, flavour, machine):
    result = run(name, MACHINES[machine], flavour,
                 CLOSED + ["lu.next=intel_iommu=off", "lu.domain_lost=1"])
    assert not result.closed_faults()


@table("igb-port")
def test_wrong_context_entry(name, flavour, machine):
    """Domain id changed under way in the table the hardware uses."""
    config = MACHINES[machine]
    bdf = config.bdfs()[0][0]
    done = []

    def tamper(m):
        m.wait_line(r"^@phase preserve end", 120)
        at, hi = context_entry(m, bdf, m.events_so_far())
        m.write_ram(at, struct.pack("<Q", hi ^ (0x15 << 8)))
        done.append((at, hi))

    result = run(name, config, flavour, CLOSED + ["lu.domain_lost=1"], during=tamper)
    assert done, "nothing was patched: %s" % result.error
    assert not result.closed_faults()
    assert result.has(r"iommu_lu: .*%s.*not taken over" % re.escape(bdf)), \
        "the refusal does not name the device"


@on("e1000e")
def test_retrieve_binds_the_device(name, flavour, machine):
    """RETRIEVE_FD needs no help: what is held can be bound to vfio-pci only."""
    result = run(name, MACHINES[machine], flavour, ["lu.case=heartbeat", "lu.unbound=1"])
    check(result)
    assert sum("to vfio-pci" in text for _, text in result.ktap) == 1, "bound by hand"


# ---- counter-proofs: the witnesses see what they should ----

@flavours
def test_without_preservation_frames_are_lost(name, flavour):
    """The same program and kernel, only the memfd is preserved."""
    result = run(name, flavour=flavour, append=["lu.case=heartbeat", "lu.preserve=0"])
    assert any("frames lost" in f for f in result.traffic_faults())
    assert any("bus master" in f for f in result.trace_faults())
    assert not result.results[0].bad
    # and the program in the guest has counted the same
    assert any(not ok and "whole and in order" in text for ok, text in result.ktap)


def stock_is_dead(name, config, events):
    """A kernel without us: no DMA while the next one boots, IOMMU off (as events show), and no
    way to preserve. Whether frames are lost depends on how long they can wait."""
    result = run(name, config, "off", ["lu.case=heartbeat", "lu.preserve=0"])
    boot, user = ([t for t, text in result.lines if text.startswith(words)][1]
                  for words in ("Linux version", "Run /init"))
    res = result.results[0]
    assert [t for t in res.sent if boot < t < user]
    assert not [t for t, _ in res.landed if boot < t < user]
    faults = result.trace_faults()
    for word in ("bus master", "D3", *events):
        assert any(word in f for f in faults), word
    result = run(name + "-mark", config, "off", ["lu.case=heartbeat"])
    assert any("ENOTTY" in f for f in result.console_faults())


def test_stock_kernel_is_judged_dead(name):
    stock_is_dead(name, Config(), ["vtd_reg_write_gcmd", "vtd_dmar_enable"])


def test_a_short_pause_is_seen(name):
    """Bus master off, from outside, for longer than a frame waits: all witnesses notice."""
    config, pause = Config(), 2 * PATIENCE
    command = config.command(0)

    def blip(m):
        m.wait_line(r"^@phase receive begin", 60)
        m.qtest("writew %#x 0x103" % command)
        time.sleep(pause)   # its length, nothing is waited for
        m.qtest("writew %#x 0x107" % command)

    result = run(name, config, "off", ["lu.case=receive"], during=blip, qtest=True)
    assert any("frames lost" in f for f in result.traffic_faults())
    assert any("bus master" in f for f in result.trace_faults())
    assert any("whole and in order" in f for f in result.console_faults())
    assert result.results[0].longest_gap() > 0.75 * pause


def unpreserved_is_stopped(name, config, flavour, append=(), second=Nic(rate=20), judge=check):
    """A second card, on its own domain, that somebody keeps running.

    The kernel clears its bus master at shutdown; we set it again from outside
    at once, as a misbehaving device would. It never has more than a few
    descriptors: when its DMA fails, QEMU's model runs through all of them in one
    go, and the whole emulator stands still meanwhile. A frame that arrives
    before we have set it again costs all descriptors: then nothing is left to try
    with, and we try again. So its frames are few.

    It sees its memory at the physical addresses: what is not translated any more, but
    not blocked either, lands as before.
    """
    config = dataclasses.replace(config, nics=(Nic(), second))
    victim = config.bdfs()[1][0]
    command = config.command(1)
    short = qemutrace.short(victim)

    def revive(m):
        m.wait_line(r"^@phase preserve end", 120)
        start = m.events_so_far()
        m.wait_event(r"pci_cfg_write e1000e %s @0x4 <- 0x[0-9a-f]*[0-389ab]$"
                     % re.escape(short), 60, start)
        m.qtest("writew %#x 0x107" % command)

    for _ in range(4):
        result = run(name, config, flavour,
                     ["lu.case=heartbeat", "lu.window2=64", "lu.same2=1", *append],
                     during=revive, qtest=True)
        judge(result)

        events = [e for e in qemutrace.parse(result.events)
                  if e.time >= result.updates[0].begin]
        assert [e for e in events if e.kind == "command" and e.bdf == short and e.value & 4], \
            "the second card was never set going again"
        switch = next(e.time for e in events if e.kind == "switch")
        tries = [e for e in events if e.kind in ("fault", "walk", "bypass") and
                 e.bdf == short and e.time >= switch]
        if tries:
            break
    assert tries, "no DMA of the second card: it did not try"
    started = [t for t, text in result.lines if text.startswith("Linux version")][1]
    if config.family.untold:
        # A blocking entry looks like the identity. Had the card got its descriptors, it would
        # have gone on to their buffers.
        empty = qemutrace.empty_pages([e for e in events if switch <= e.time < started], short)
        assert empty, "the second card found its descriptors"
        tries = [dataclasses.replace(e, kind="fault") if e.value >> 12 in empty else e
                 for e in tries]
    assert [e for e in tries if e.kind == "fault"], "no fault of the second card in the trace"
    through = [e.text for e in tries if e.kind != "fault" and e.time < started]
    assert not through, "the second card got through: " + through[0]

    res = result.results[1]
    late = [seq for _, seq in res.landed if res.sent[seq] > switch]
    assert not late, "frames of the second card landed that were sent after the switch"
    # the observer sees a frame up to a few ms late, and others may use the memory by now
    last = max((seq for t, seq in res.landed if t <= switch + 0.010), default=-1)
    after = [f for f in result.found if f[1] == 1 and f[2] > last]
    assert not after, "frames of the second card landed after the switch"
    assert not [f for f in result.found if f[1] == 1 and not f[3]]
    assert last >= 0
    return result


@flavours
def test_unpreserved_device_is_stopped(name, flavour):
    unpreserved_is_stopped(name, Config(), flavour)
