# SPDX-License-Identifier: GPL-2.0
"""The generator on its own, as a lab runs it."""

import pathlib
import socket
import subprocess
import sys
import time

import frames

COUNT = 50


def numbers(received):
    """Of whole frames only."""
    out = []
    for data in received:
        seq, sent_ns = frames.BODY.unpack_from(data, frames.HEAD.size)[:2]
        assert data == frames.build(0, seq, sent_ns)
        out.append(seq)
    return out


def follow(seqs):
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_interface():
    """Who listens later begins with a later number."""
    kind = int.from_bytes(frames.build(0, 0, 0)[12:14], "big")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as sock:
        sock.bind(("lo", kind))
        sock.settimeout(20)
        with subprocess.Popen([frames.__file__, "--rate", "1000", "--interface", "lo"]) as proc:
            try:
                first = numbers(sock.recv(2048) for _ in range(COUNT))
                assert proc.poll() is None
            finally:
                proc.kill()
    # each is seen twice on that interface: on its way out and on its way in
    first = list(dict.fromkeys(first))
    assert len(first) > 1 and follow(first)


RECEIVER = """
import socket, os
sock = socket.socket(fileno=9)
print(open("/proc/self/task/%%d/children" %% os.getpid()).read().strip())
for _ in range(%d):
    print(sock.recv(2048).hex())
""" % COUNT


def test_command():
    """It ends with its command, whose output is its own."""
    out = subprocess.run(
        [frames.__file__, "--rate", "1000", "--fd", "9", sys.executable, "-c", RECEIVER],
        stdout=subprocess.PIPE, check=True, timeout=60, encoding="ascii").stdout.split()
    generator = pathlib.Path("/proc") / out[0]
    assert follow(numbers(map(bytes.fromhex, out[1:]))) and len(out) == COUNT + 1
    end = time.monotonic() + 20
    while generator.exists() and (generator / "cmdline").read_bytes():
        assert time.monotonic() < end, "the generator lives on"
        time.sleep(0.01)
