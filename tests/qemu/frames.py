#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Numbered frames for a network card whose DMA is watched.

As a program, a generator that needs nothing but this file. Whoever receives finds out
by the numbers what is missing, and has to begin with any of them (lu.join= in
selftests/init.c): nobody tells the generator when the card is ready.

    frames.py --interface eth1              out of a network interface, for a card at the
                                            other end of its cable; until it is killed
    frames.py --fd 9 COMMAND...             into file descriptor 9 of COMMAND, a datagram
                                            socket, for as long as that runs. For QEMU:
                                            -netdev dgram,id=ID,local.type=fd,local.str=9
"""

import argparse
import ctypes
import errno
import os
import signal
import socket
import struct
import time
import zlib

MAGIC = 0x4C554842
WORDS = 26
HEAD = struct.Struct("<6s6sHHII")       # dst, src, type, pad, magic, crc
BODY = struct.Struct("<QQ%dQ" % WORDS)  # seq, sent_ns, words
FRAME_LEN = HEAD.size + BODY.size
M64 = (1 << 64) - 1

# A frame that the card does not take within this time is gone. Long enough for
# the emulator to stand still on a busy host (real cards buffer more at these
# rates); pauses are judged by their length, whether a frame was lost or not.
PATIENCE = max(0.2, float(os.environ.get("PAUSE_LIMIT", 0)))

PR_SET_PDEATHSIG = 1


def source(card):
    return b"\x02luhb" + bytes([card])


def build(card, seq, sent_ns):
    """The bytes of frame seq for a card. frame.c in the guest checks the same."""
    base = seq * 0x9E3779B97F4A7C15
    body = BODY.pack(seq, sent_ns, *((base + i * 0xBF58476D1CE4E5B9) & M64
                                     for i in range(WORDS)))
    return HEAD.pack(b"\xff" * 6, source(card), 0xB588, 0, MAGIC, zlib.crc32(body)) + body


class Sender:
    """The frames of one card, at a fixed rate. send: takes the bytes of one, or raises."""

    # full, or nobody there yet
    REFUSED = (errno.EAGAIN, errno.ENOBUFS, errno.ECONNREFUSED, errno.ENOENT)

    def __init__(self, card, rate, send, patience=PATIENCE):
        self.card, self.rate, self.send, self.patience = card, rate, send, patience
        self.sending = False
        self.begin = 0.0
        self.frames = 0         # so many are due or gone
        self.waiting = []       # (number, due)
        self.sent = []          # time of frame number i
        self.dropped = []       # numbers the card never took
        self.blocked = 0.0      # longest time a frame waited for the card, seconds

    def start(self):
        if not self.sending:
            self.sending = True
            self.begin = time.monotonic()

    @property
    def due(self):
        """When the next frame is to go."""
        return self.begin + self.frames / self.rate

    def pump(self, now):
        """Send what is due, as far as the card takes it."""
        while self.sending and now >= self.due:
            self.waiting.append((self.frames, self.due))
            self.sent.append(self.due)
            self.frames += 1
        while self.waiting:
            seq, due = self.waiting[0]
            try:
                self.send(build(self.card, seq, int(now * 1e9)))
            except OSError as exc:
                if exc.errno not in self.REFUSED:
                    raise
                if now - due < self.patience:
                    return
                self.dropped.append(seq)
            self.blocked = max(self.blocked, now - due)
            self.waiting.pop(0)


def generate(args, send):
    """For as long as somebody receives."""
    sender = Sender(0, args.rate, send, args.patience)
    sender.start()
    while True:
        sender.pump(time.monotonic())
        sender.sent.clear()     # nobody asks
        sender.dropped.clear()
        time.sleep(max(0.0, min(sender.due - time.monotonic(), 0.001)))


def beside(args):
    """Become the command, with a generator as a child that ends with it."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    parent = os.getpid()
    if os.fork():
        os.dup2(theirs.fileno(), args.fd)    # inheritable
        os.execvp(args.command[0], args.command)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:          # it has died in between
        return
    theirs.close()
    # the console is the command's alone
    null = os.open(os.devnull, os.O_RDWR)
    for std in range(3):
        os.dup2(null, std)
    mine.setblocking(False)
    # as small as it can be: what waits in it for a card that is off is old
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)
    generate(args, mine.send)


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("--rate", type=int, default=100, metavar="N",
                     help="frames per second (100)")
    par.add_argument("--patience", type=float, default=PATIENCE, metavar="N",
                     help="seconds that a card may take to take one (%.1f)" % PATIENCE)
    how = par.add_mutually_exclusive_group(required=True)
    how.add_argument("--interface", metavar="NAME")
    how.add_argument("--fd", type=int, metavar="N")
    par.add_argument("command", nargs=argparse.REMAINDER)
    args = par.parse_args()
    if bool(args.command) != (args.fd is not None):
        par.error("--fd needs a command, --interface has none")
    if args.command:
        beside(args)
    else:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((args.interface, 0))
            sock.setblocking(False)
            generate(args, sock.send)


if __name__ == "__main__":
    main()
