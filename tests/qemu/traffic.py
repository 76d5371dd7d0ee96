# SPDX-License-Identifier: GPL-2.0
"""Numbered frames into a QEMU network card, and an eye on where they land.

One process per machine does both, on its own clock: it sends frames at a fixed
rate over a datagram socket and watches the receive ring in the memory of the
guest, which QEMU shares through a file. Neither depends on any kernel in the
guest being alive.
"""

import dataclasses
import mmap
import multiprocessing
import os
import socket
import struct
import time

from frames import BODY, FRAME_LEN, HEAD, Sender, build, source

PAGE = 4096


@dataclasses.dataclass
class Result:
    """What one card did. Times are CLOCK_MONOTONIC of the host, in seconds."""

    sent: list          # time of frame number i
    dropped: list       # numbers the card never took
    landed: list        # (time, number) per descriptor, in ring order
    bad: list           # (time, descriptor) whose data is not what was sent
    blocked: float      # longest time a frame waited for the card, seconds

    @property
    def lost(self):
        here = {seq for _, seq in self.landed}
        return [seq for seq in range(len(self.sent)) if seq not in here]

    @property
    def duplicate(self):
        return len(self.landed) - len({seq for _, seq in self.landed})

    def gaps(self, begin=None, end=None):
        """(length, start) of every pause between two frames, longest first.

        A pause counts where it overlaps the window; the window's own edges
        count as frames only where the stream has ended before them.
        """
        times = [t for t, _ in self.landed]
        if end is not None and times and times[-1] < end:
            times.append(end)
        out = []
        for a, b in zip(times, times[1:]):
            if (begin is None or b > begin) and (end is None or a < end):
                out.append((b - a, a))
        return sorted(out, reverse=True)

    def longest_gap(self, begin=None, end=None):
        gaps = self.gaps(begin, end)
        return gaps[0][0] if gaps else float("inf")

    def landed_between(self, begin, end):
        return sum(begin <= t < end for t, _ in self.landed)


class _Ring:
    """The receive ring and its buffers, found through the guest's own map."""

    FIELDS = struct.Struct("<8Q64Q")

    def __init__(self, mem, base, nic, state_pa):
        self.mem, self.nic = mem, nic
        (magic, size, self.ring_off, self.ring_len, self.buf_off, self.buf_len,
         _, map_pages, *map_pa) = self.FIELDS.unpack_from(mem, state_pa - base)
        if magic != 0x54524145484C5500:
            raise ValueError("no heartbeat at %#x" % state_pa)
        raw = b"".join(mem[pa - base:pa - base + PAGE] for pa in map_pa[:map_pages])
        # from here on, positions in the file
        self.page = [pa - base for pa in struct.unpack_from("<%dQ" % (size // PAGE), raw)]
        self.next = 0

    def at(self, off):
        return self.page[off // PAGE] + off % PAGE

    def poll(self):
        """(descriptor, frame bytes) of the next frame, or None."""
        if self.next >= self.ring_len:
            return None
        if self.nic == "virtio-net":
            return self._poll_virtio()
        at = self.at(self.ring_off + self.next * 16)
        if self.nic == "igb":
            status, length = struct.unpack_from("<IH", self.mem, at + 8)
        else:
            status = self.mem[at + 12]
            length = struct.unpack_from("<H", self.mem, at + 8)[0]
        if not status & 1:
            return None
        if self.nic == "igb":   # status first, length behind it
            length = struct.unpack_from("<H", self.mem, at + 12)[0]
        else:
            length = struct.unpack_from("<H", self.mem, at + 8)[0]
        buf = self.at(self.buf_off + self.next % self.buf_len * PAGE)
        idx = self.next
        self.next += 1
        return idx, self.mem[buf:buf + length]

    # struct ring in selftests/virtio.c: a ring of 1024, of which the card says only how far
    # it has got.
    USED, QUEUE, NET_HDR = 20484, 1024, 12

    def _poll_virtio(self):
        idx, = struct.unpack_from("<H", self.mem, self.at(self.ring_off + self.USED + 2))
        if idx == self.next & 0xffff:
            return None
        at = self.at(self.ring_off + self.USED + 4 + self.next % self.QUEUE * 8)
        desc, length = struct.unpack_from("<II", self.mem, at)
        buf = self.at(self.buf_off + desc % self.QUEUE * PAGE)
        idx = self.next
        self.next += 1
        return idx, self.mem[buf:buf + max(0, length - self.NET_HDR)]

    def pages(self):
        """Where all pages that belong to this ring lie."""
        return set(self.page)


class _Channel:
    def __init__(self, card, mine, theirs, rate):
        self.card = card
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(mine)
        self.sock.setblocking(False)
        self.ring = None
        self.sender = Sender(card, rate, lambda data: self.sock.sendto(data, theirs))
        # the lists of the sender are those of the result
        self.res = Result(self.sender.sent, self.sender.dropped, [], [], 0.0)

    def start(self, mem, base, nic, state_pa):
        self.ring = _Ring(mem, base, nic, state_pa)
        self.sender.start()     # not again if a later kernel has set up the card anew

    def result(self):
        self.res.blocked = self.sender.blocked
        return self.res

    def observe(self):
        if not self.ring:
            return
        while (got := self.ring.poll()):
            now = time.monotonic()
            idx, data = got
            seq = -1
            if len(data) >= FRAME_LEN:
                body = BODY.unpack_from(data, HEAD.size)
                seq = body[0]
            if seq < 0 or seq >= self.sender.frames or \
                    data[:FRAME_LEN] != build(self.card, seq, body[1]):
                self.res.bad.append((now, idx))
            else:
                self.res.landed.append((now, seq))

    @property
    def drained(self):
        return not self.sender.waiting and \
            len(self.res.landed) + len(self.res.bad) + len(self.res.dropped) >= self.sender.frames


def _loop(pipe, ram, base, paths, rates):
    try:
        os.nice(-10)
    except PermissionError:
        pass
    fd = os.open(ram, os.O_RDWR)
    mem = mmap.mmap(fd, 0)
    chans = [_Channel(i, *path, rate) for i, (path, rate) in enumerate(zip(paths, rates))]
    pipe.send("ready")
    stop_at = None
    while True:
        now = time.monotonic()
        for ch in chans:
            ch.sender.pump(now)
            ch.observe()
        if pipe.poll():
            cmd, *args = pipe.recv()
            if cmd == "start":
                index, nic, state_pa = args
                try:
                    chans[index].start(mem, base, nic, state_pa)
                    pipe.send("started")
                except ValueError as exc:
                    pipe.send(str(exc))
            elif cmd == "stop":
                for ch in chans:
                    ch.sender.sending = False
                stop_at = now + args[0]
            elif cmd == "peek":
                pipe.send([(ch.sender.frames, len(ch.res.landed)) for ch in chans])
            elif cmd == "find":
                pipe.send(_find(fd, mem, base, chans))
        if stop_at is not None and (now >= stop_at or all(c.drained for c in chans)):
            pipe.send([ch.result() for ch in chans])
            stop_at = None
        due = min((c.sender.due for c in chans if c.sender.sending), default=now + 0.001)
        time.sleep(max(0.0, min(due - time.monotonic(), 0.001)))


def _find(fd, mem, base, chans):
    """(physical address, card, number, in its ring) of each frame in memory.

    Looks for the start of a frame as a card writes it: at the beginning of a
    page. Holes of the (sparse) file are skipped.
    """
    mine = [ch.ring.pages() if ch.ring else set() for ch in chans]
    want = b"\xff" * 6 + source(0)[:-1]
    found, at, end = [], 0, os.fstat(fd).st_size
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
            stop = os.lseek(fd, at, os.SEEK_HOLE)
        except OSError:
            break
        while (hit := mem.find(want, at, stop)) >= 0:
            at = hit + 1
            card = mem[hit + 11]
            if hit % PAGE == 0 and card < len(chans):
                found.append((base + hit, card, BODY.unpack_from(mem, hit + HEAD.size)[0],
                              hit in mine[card]))
        at = stop
    return found


class Traffic:
    """Handle on the process.

    ram: file that is the memory of the guest from physical address base on.
    paths: one (generator, card) socket pair per card; rates: frames per second.
    """

    def __init__(self, ram, base, paths, rates):
        ctx = multiprocessing.get_context("spawn")
        self.pipe, theirs = ctx.Pipe()
        self.proc = ctx.Process(target=_loop, args=(theirs, ram, base, paths, rates), daemon=True)
        self.proc.start()
        theirs.close()
        self._answer(20)

    def _answer(self, timeout):
        if not self.pipe.poll(timeout):
            raise TimeoutError("traffic process does not answer")
        return self.pipe.recv()

    def start(self, index, nic, state_pa):
        self.pipe.send(("start", index, nic, state_pa))
        answer = self._answer(5)
        if answer != "started":
            raise RuntimeError(answer)

    def peek(self):
        """[(frames sent, frames landed)] so far."""
        self.pipe.send(("peek",))
        return self._answer(5)

    def find(self):
        """Every frame in guest memory, see _find()."""
        self.pipe.send(("find",))
        return self._answer(60)

    def stop(self, grace=1.0):
        """Stop sending, give frames under way the time to land, return Results."""
        self.pipe.send(("stop", grace))
        return self._answer(grace + 10)

    def close(self):
        self.proc.terminate()
        self.proc.join(5)
        if self.proc.is_alive():
            self.proc.kill()
