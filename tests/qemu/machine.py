# SPDX-License-Identifier: GPL-2.0
"""A QEMU machine with a vIOMMU, network cards and a disk for the next kernel."""

import calendar
import dataclasses
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import iommus
from traffic import Traffic

PAGE = 4096
FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
# one of several, for a bus; like the one of the machine it does both stages
SMMU = "arm-smmuv3,primary-bus=%s,stage=nested"

# Config.other
OTHER = "0000:00:09.0"

# Of cards and buses. Enough to judge an update, little enough not to slow it down.
EVENTS = """
pci_cfg_write
pci_pm_transition
pci_pm_bad_transition
e1000e_core_ctrl_sw_reset
e1000e_cb_qdev_reset_hold
e1000e_rx_null_descriptor
resettable_phase_hold_exec
"""


# What a kernel says last when it can do nothing more, not even leave
HALTED = re.compile(r"System halted|end Kernel panic")


class MachineError(Exception):
    """The machine did not do what was waited for."""


@dataclasses.dataclass(frozen=True)
class Board:
    """What differs between the architectures, apart from the IOMMU."""

    qemu: str
    triplet: str                # of the compiler for guest programs
    image: str                  # in the build tree of a kernel
    cpu: str
    ram: int                    # physical address of the memory
    ecam: int                   # and of the configuration space
    words: tuple                # for the kernel


BOARDS = {
    # no_timer_check: an emulated timer on a busy host may miss its deadline
    "x86_64": Board("qemu-system-x86_64", "x86_64-linux-gnu", "arch/x86/boot/bzImage", "max", 0,
                    0xb0000000,
                    ("console=ttyS0", "earlycon=uart8250,io,0x3f8", "no_timer_check")),
    # emulating pointer authentication and vectors of "max" costs seconds per boot
    "arm64": Board("qemu-system-aarch64", "aarch64-linux-gnu", "arch/arm64/boot/Image",
                   "neoverse-n1", 0x40000000, 0x4010000000,
                   ("console=ttyAMA0", "earlycon=pl011,0x9000000")),
}


@dataclasses.dataclass(frozen=True)
class Nic:
    model: str = "e1000e"
    port: bool = False          # behind a PCI Express root port
    bridge: int = -1            # slot behind a PCI Express to PCI bridge
    conventional: bool = False  # the bridge is a conventional one, on the root bus
    host: bool = False          # behind a root port of a host bridge with an IOMMU of its own
    rate: int = 300             # frames per second
    options: str = ""           # for QEMU's device


@dataclasses.dataclass(frozen=True)
class Config:
    """What a machine looks like; one row of the table in test_liveupdate.py."""

    nics: tuple = (Nic(),)
    iommu: str = iommus.VTD.machine
    firmware: bool = False      # arm64: boot by UEFI, so that there is ACPI
    memory: int = 2 << 30
    cpu: str = ""               # not the board's
    other: bool = False         # one more card, which receives nothing
    past: bool = False          # nothing of the disk goes through the IOMMU, nor do its interrupts
    extra: tuple = ()           # more options of QEMU
    events: tuple = ()          # of QEMU's trace, beyond EVENTS

    # what QEMU has to be told about a model, besides its name
    MODELS = {
        "virtio-net": "virtio-net-pci,disable-legacy=on,iommu_platform=on,rx_queue_size=1024",
    }

    @property
    def units(self):
        """How many IOMMUs there are."""
        return 1 + sum(nic.host for nic in self.nics)

    @property
    def family(self):
        return iommus.family(self.iommu)

    @property
    def board(self):
        return BOARDS[self.family.arch]

    def options(self):
        """Machine and IOMMU, for QEMU."""
        if self.family.arch == "x86_64":
            return ["-machine", "q35,memory-backend=ram", "-device", self.iommu]
        # Later versions of this machine have both stages whatever they are told.
        stage = self.iommu.partition("stage=")[2]
        out = ["-machine", "%s,gic-version=3,its=on,memory-backend=ram%s"
               % ("virt-9.1" if stage else "virt", "" if self.units > 1 else ",iommu=smmuv3")]
        out += ["-global", "arm-smmuv3.stage=" + stage] if stage else []
        out += ["-device", SMMU % "pcie.0"] if self.units > 1 else []
        return out + ["-bios", FIRMWARE] if self.firmware else out

    def command(self, card):
        """Where the command register of a card lies in memory."""
        bus, slot = (int(number, 16) for number in self.bdfs()[card][0][5:10].split(":"))
        return self.board.ecam + (bus << 20) + (slot << 15) + 4

    def bdfs(self):
        """Address of each card as Linux will name it, and of what is above it."""
        out, bus = [], 1
        for i, nic in enumerate(self.nics):
            slot = 3 + i
            if nic.host:
                first = self.host_bus(i)
                out.append(("0000:%02x:00.0" % (first + 1), "0000:%02x:00.0" % first))
            elif nic.port:
                out.append(("0000:%02x:00.0" % bus, "0000:00:%02x.0" % slot))
                bus += 1
            elif nic.bridge >= 0:
                out.append(("0000:%02x:%02x.0" % (bus, nic.bridge), "0000:00:%02x.0" % slot))
                bus += 1
            else:
                out.append(("0000:00:%02x.0" % slot, None))
        return out

    @staticmethod
    def host_bus(card):
        """The first bus number of a host bridge of a card's own."""
        return 0x40 + 0x10 * card

    def requester(self, card):
        """Whose the DMA of a card is, in the trace: a bridge to conventional PCI hides it.

        A conventional bridge uses an id of its own, one from PCI Express that of slot 0.
        """
        bdf, above = self.bdfs()[card]
        if self.nics[card].bridge < 0:
            return bdf
        return above if self.nics[card].conventional else bdf[:8] + "00.0"


class Machine:
    """Started on entry, gone on exit. All waiting has a timeout."""

    def __init__(self, config, kernel, next_kernel, initrd, outdir, append=(),
                 on_line=None, qtest=False):
        self.config, self.kernel, self.next_kernel = config, kernel, next_kernel
        self.initrd, self.append, self.on_line = initrd, list(append), on_line
        self.qtest_wanted = qtest
        self.outdir = pathlib.Path(outdir)
        self.lines = []         # (time, text) of the console
        self.events = []        # (time, text) of QEMU's trace
        self._cond = threading.Condition()
        self._rings = {}
        self._dead = ""         # why nothing more will come
        self.results = None

    # ---- start and stop ----

    def __enter__(self):
        shutil.rmtree(self.outdir, ignore_errors=True)
        self.outdir.mkdir(parents=True)
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="lu-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _payload(self):
        kernel = pathlib.Path(self.next_kernel).read_bytes()
        initrd = pathlib.Path(self.initrd).read_bytes()

        def pad(data):
            return data + bytes(-len(data) % PAGE)

        head = struct.pack("<8sQQ", b"LUPAYLD1", len(kernel), len(initrd))
        path = self.tmp / "payload"
        path.write_bytes(pad(head) + pad(kernel) + pad(initrd))
        return path

    def cmdline(self):
        words = [*self.config.board.words, "printk.devkmsg=on", "loglevel=7", "kho=on",
                 "liveupdate=on", "panic=-1", *self.config.family.words]
        for i, (bdf, _) in enumerate(self.config.bdfs()):
            words.append("lu.nic%s=%s" % ("" if i == 0 else i + 1, bdf))
        if self.config.other:
            words.append("lu.other=" + OTHER)
        return " ".join(words + self.append)

    def _start(self):
        cfg = self.config
        ram = self.tmp / "ram"
        with open(ram, "wb") as f:
            f.truncate(cfg.memory)
        self.ram = ram
        events = self.tmp / "events"
        events.write_text("".join(e + "\n" for e in
                                  (*EVENTS.split(), *cfg.family.parsers, *cfg.events)))
        self.trace_path = self.outdir / "trace.log"
        self.trace_path.touch()

        argv = [cfg.board.qemu, "-nodefaults", "-no-user-config", "-display", "none",
                *cfg.options(), "-accel", os.environ.get("ACCEL", "tcg"),
                "-cpu", cfg.cpu or cfg.board.cpu, "-smp", "2", "-m", str(cfg.memory >> 20),
                "-object", "memory-backend-file,id=ram,size=%d,mem-path=%s,share=on"
                % (cfg.memory, ram),
                "-no-reboot", "-serial", "stdio", "-monitor", "none",
                "-drive", "if=none,id=disk,format=raw,readonly=on,file=%s" % self._payload(),
                "-device", "virtio-blk-pci,drive=disk,addr=0x2,disable-legacy=on,"
                           "iommu_platform=%s" % ("off,vectors=0" if cfg.past else "on"),
                "-trace", "events=%s" % events, "-D", str(self.trace_path),
                "-msg", "timestamp=on",
                "-kernel", str(self.kernel), "-initrd", str(self.initrd),
                "-append", self.cmdline()]
        paths = []
        for i, nic in enumerate(cfg.nics):
            gen, card = str(self.tmp / ("gen%d" % i)), str(self.tmp / ("nic%d" % i))
            paths.append((gen, card))
            bus, slot = "pcie.0", 3 + i
            if nic.host:
                argv += ["-device", "pxb-pcie,id=host%d,bus=pcie.0,addr=%#x,bus_nr=%d"
                         % (i, slot, cfg.host_bus(i)),
                         "-device", SMMU % ("host%d" % i),
                         "-device", "pcie-root-port,id=port%d,bus=host%d,addr=0x0,chassis=%d"
                         % (i, i, i + 1)]
                bus, slot = "port%d" % i, 0
            elif nic.port:
                argv += ["-device", "pcie-root-port,id=port%d,bus=pcie.0,addr=%#x,chassis=%d"
                         % (i, slot, i + 1)]
                bus, slot = "port%d" % i, 0
            elif nic.bridge >= 0:
                model = "pci-bridge,chassis_nr=%d" % (i + 1) if nic.conventional else \
                    "pcie-pci-bridge"
                argv += ["-device", "%s,id=bridge%d,bus=pcie.0,addr=%#x" % (model, i, slot)]
                bus, slot = "bridge%d" % i, nic.bridge
            argv += ["-netdev", "dgram,id=net%d,local.type=unix,local.path=%s,"
                     "remote.type=unix,remote.path=%s" % (i, card, gen),
                     "-device", "%s,netdev=net%d,bus=%s,addr=%#x,romfile=%s"
                     % (cfg.MODELS.get(nic.model, nic.model), i, bus, slot,
                        nic.options and "," + nic.options)]
        if cfg.other:
            argv += ["-device", "e1000e,bus=pcie.0,addr=0x9,romfile="]
        argv += cfg.extra
        if self.qtest_wanted:
            argv += ["-qtest", "unix:%s,server=on,wait=off" % (self.tmp / "qtest"),
                     "-qtest-log", "none"]
        (self.outdir / "command").write_text(" ".join(argv) + "\n")

        self.traffic = Traffic(str(ram), cfg.board.ram, paths,
                               [nic.rate for nic in cfg.nics])
        # trace time stamps are wall clock
        self._epoch = time.time() - time.monotonic()
        with open(self.outdir / "qemu.stderr", "wb") as err:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=err)
        self._threads = [threading.Thread(target=self._read_console, daemon=True),
                         threading.Thread(target=self._read_trace, daemon=True)]
        for t in self._threads:
            t.start()

    def __exit__(self, *exc):
        if hasattr(self, "proc"):
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
            for t in self._threads:
                t.join(5)
        if hasattr(self, "traffic"):
            self.traffic.close()
        if hasattr(self, "_qtest"):
            self._qtest.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    # ---- console ----

    def _read_console(self):
        with open(self.outdir / "console.log", "w", encoding="utf-8") as log:
            for raw in self.proc.stdout:
                now = time.monotonic()
                text = raw.decode("utf-8", "replace").rstrip("\r\n")
                log.write("%.6f %s\n" % (now, text))
                log.flush()
                bare = re.sub(r"^\[\s*\d+\.\d+\]( \[[^\]]*\])? ?", "", text)
                m = re.match(r"@ring index=(\d+) bdf=(\S+) nic=(\S+) state_pa=(\S+)", bare)
                if m:
                    self.traffic.start(int(m[1]), m[3], int(m[4], 0))
                with self._cond:
                    self.lines.append((now, bare))
                    if HALTED.search(bare):
                        self._dead = "its kernel has stopped"
                    self._cond.notify_all()
                if self.on_line:
                    self.on_line(now, bare)
        with self._cond:
            self._dead = self._dead or "QEMU has ended"
            self._cond.notify_all()

    def _wait(self, items, pattern, timeout, start, what):
        rx, end = re.compile(pattern), time.monotonic() + timeout
        with self._cond:
            at = start
            while True:
                while at < len(items):
                    m = rx.search(items[at][1])
                    at += 1
                    if m:
                        return at, items[at - 1][0], m
                left = end - time.monotonic()
                if self._dead or left <= 0:
                    raise MachineError(
                        "%s: no %s within %.0f s%s; last line: %s"
                        % (self.outdir.name, what, timeout,
                           " (%s)" % self._dead if self._dead else "",
                           self.lines[-1][1] if self.lines else "none"))
                self._cond.wait(left)

    def wait_line(self, pattern, timeout, start=0):
        """Wait for a console line; returns (index behind it, time, match)."""
        return self._wait(self.lines, pattern, timeout, start, "line /%s/" % pattern)

    def events_so_far(self):
        """Where to start, for an event that has not happened yet."""
        with self._cond:
            return len(self.events)

    def wait_event(self, pattern, timeout, start=0):
        """The same for QEMU's trace."""
        return self._wait(self.events, pattern, timeout, start, "event /%s/" % pattern)

    # ---- trace ----

    STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)Z?(?:[+-]\d\d:?\d\d)? (.*)$")

    def _read_trace(self):
        tail = ""
        with open(self.trace_path, encoding="utf-8", errors="replace") as f:
            while True:
                chunk = f.read()
                if not chunk:
                    if self._dead:
                        return
                    time.sleep(0.001)   # a log file cannot be waited for
                    continue
                *done, tail = (tail + chunk).split("\n")
                with self._cond:
                    for line in done:
                        self.events.append(self._stamp(line))
                    self._cond.notify_all()

    def _stamp(self, line):
        m = self.STAMP.match(line)
        if not m:
            return time.monotonic(), line
        whole, frac = m[1].split(".")
        secs = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
        return secs + float("0." + frac) - self._epoch, m[2]

    # ---- hands on the machine ----

    def finish(self, timeout):
        """Wait for the end of the guest program, then collect the traffic."""
        try:
            return self.wait_line(r"^@end", timeout)
        finally:
            self.results = self.traffic.stop()

    def qtest(self, command):
        """One command of QEMU's qtest protocol, e.g. a write to memory space."""
        if not hasattr(self, "_qtest"):
            self._qtest = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._qtest.settimeout(5)
            self._qtest.connect(str(self.tmp / "qtest"))
        self._qtest.sendall(command.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._qtest.recv(4096)
        if not answer.startswith(b"OK"):
            raise MachineError("qtest %s: %s" % (command, answer.decode().strip()))
        return answer.decode().split()[1:]

    def read_ram(self, pa, size):
        with open(self.ram, "rb") as f:
            f.seek(pa - self.config.board.ram)
            return f.read(size)

    def write_ram(self, pa, data):
        with open(self.ram, "r+b") as f:
            f.seek(pa - self.config.board.ram)
            f.write(data)
