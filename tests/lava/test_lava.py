# SPDX-License-Identifier: GPL-2.0
"""The LAVA jobs: are they as rendered, would LAVA take them, do they pass.

The jobs of QEMU machines are run by lava-run, which is LAVA without a server. Those of boards
go as far as a dispatcher can without the board. All devices come from the templates of LAVA's
server, as there.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import time

import pytest
import yaml
from jinja2 import FileSystemLoader
from lava_common.jinja import create_device_templates_env
from lava_common.schemas import device as device_schema
from lava_common.schemas import validate
from voluptuous import Invalid

import artifacts
import render
import table
from judge import judge, results
from update import SPLAT

HERE = pathlib.Path(render.__file__).parent
OUT = artifacts.OUT / "run"
DEVICE_TYPES = "/usr/share/lava-server/device-types"
# where a dispatcher keeps the files of a job; lava-run --validate leaves them there
DISPATCHER = ("/var/lib/lava/dispatcher/tmp", "/srv/tftp")

JOBS = sorted(p.name for p in (HERE / "jobs").glob("*.yaml"))
QEMU = [m for m, row in table.MACHINES.items() if row.boot == "qemu"]
BOARDS = [m for m in table.MACHINES if m not in QEMU]
each_test = pytest.mark.parametrize("test", table.TESTS)

# What the second kernel says, by which it is the mode that was meant
ADOPTED = {
    "qemu-vtd-legacy": "dmar0: adopted, legacy mode",
    "qemu-vtd-ss": "dmar0: adopted, scalable mode",
    "qemu-vtd-fs": "dmar0: adopted, scalable mode",
    "qemu-amd": "iommu0: adopted",
    "qemu-smmuv3": "iommu_lu: adopted",
}

# What a lab says of one board: its console, its power, and where the card is
BOARD = """\
{%% extends '%s.jinja2' %%}
{%% set connection_command = '/bin/true' %%}
{%% set hard_reset_command = '/bin/true' %%}
{%% set power_on_command = '/bin/true' %%}
{%% set power_off_command = '/bin/true' %%}
{%% set extra_kernel_args = (extra_kernel_args | default('')) ~ ' lu.nic=0000:03:00.0' %%}
"""


@functools.cache
def made(arch):
    """Directory with what the jobs want to have."""
    return artifacts.make(arch).parent


class Lava:
    """A job on a device, by lava-run."""

    def __init__(self, name, job, dictionary):
        self.out = OUT / name
        shutil.rmtree(self.out, ignore_errors=True)
        (self.out / "bin").mkdir(parents=True)
        self.job = yaml.safe_load(job)
        env = create_device_templates_env(
            FileSystemLoader([str(HERE / "device-types"), DEVICE_TYPES]))
        device = env.from_string(dictionary).render(**self.job["context"])
        self.device = yaml.safe_load(device)
        self.files = {"job.yaml": job, "device.yaml": device,
                      # without a network there is no route that tells
                      "dispatcher.yaml": "dispatcher_ip: 127.0.0.1\n"}
        for path, text in self.files.items():
            (self.out / path).write_text(text, encoding="ascii")
        # as README.md says where to put it
        (self.out / "bin" / "iommu-lu-frames").symlink_to(
            artifacts.REPO / "tests" / "qemu" / "frames.py")

    def run(self, *options):
        """Exit code of lava-run. What it printed is in the directory."""
        number = "%d-%d" % (os.getpid(), time.monotonic_ns())
        with open(self.out / "output", "wb") as out:
            try:
                return subprocess.run(
                    ["lava-run", "--job-id", number, "--output-dir", self.out,
                     "--device", "device.yaml", "--dispatcher", "dispatcher.yaml",
                     *options, "job.yaml"], cwd=self.out, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, timeout=900, check=False,
                    env=os.environ | {"PATH": "%s/bin:%s" % (self.out, os.environ["PATH"])},
                ).returncode
            finally:
                for path in DISPATCHER:
                    shutil.rmtree(pathlib.Path(path) / number, ignore_errors=True)

    @property
    def log(self):
        return (self.out / "logs.yaml").read_text(encoding="utf-8")

    def console(self):
        """What the machine said, line by line."""
        return [entry["msg"] for line in self.log.splitlines() if '"lvl": "target"' in line
                for entry in yaml.safe_load(line)]

    def judge(self):
        return judge(self.job, self.log)


def qemu(name, machine, test, words=()):
    """The job of a QEMU machine, run."""
    url = "file://%s" % made(table.MACHINES[machine].arch)
    lava = Lava(name, render.job(machine, test, url, words),
                "{%% extends '%s.jinja2' %%}" % render.device_type(machine))
    device_schema.validate(lava.device)
    return lava, lava.run()


# ---- what is checked in ----

def test_files_are_as_rendered():
    assert not render.differences()


def test_a_change_by_hand_is_seen(monkeypatch):
    path, text = next(iter(render.files().items()))
    changed = render.files() | {path: text.replace("kho=on", "kho=off")}
    monkeypatch.setattr(render, "files", lambda: changed)
    assert [line[:1] for line in render.differences() if "kho=o" in line] == ["-", "+"]


@pytest.mark.parametrize("path", JOBS)
def test_schema(path):
    validate(yaml.safe_load((HERE / "jobs" / path).read_text(encoding="ascii")), strict=True)


# In each part of a job
MISTAKES = (("visibility: public\n", ""), ("image_arg:", "image_args:"), ("type: image", "type: kernel"),
            ("commands: ramdisk", "command: ramdisk"), ("media: ", "medium: "),
            ("expected:", "expects:"), ("{'ok': pass", "{'ok': passed"))


@pytest.mark.parametrize("path", JOBS)
def test_schema_finds_mistakes(path):
    text = (HERE / "jobs" / path).read_text(encoding="ascii")
    wrong = [text.replace(*mistake) for mistake in MISTAKES if mistake[0] in text]
    assert len(wrong) == 5
    for text in wrong:
        with pytest.raises(Invalid):
            validate(yaml.safe_load(text), strict=True)


# ---- boards ----

@each_test
@pytest.mark.parametrize("machine", BOARDS)
def test_board(machine, test):
    """A dispatcher would go and switch the board on; its loader gets all words."""
    row = table.MACHINES[machine]
    name = "board-%s-%s" % (machine, test)
    server = OUT / name / "server"
    lava = Lava(name, render.job(machine, test, "file://%s" % server),
                BOARD % row.device_type)
    device_schema.validate(lava.device)
    (server / row.arch).mkdir(parents=True)
    for path in ("kernel", "initrd.cpio.gz", row.dtb):
        if path:
            (server / row.arch / path).write_bytes(b"-")
    assert lava.run("--validate") == 0, (lava.out / "output").read_text(encoding="utf-8")

    loader = lava.device["actions"]["boot"]["methods"][row.boot]["ramdisk"]["commands"]
    words = " ".join(loader).replace("'", " ").replace('"', " ").split()
    wanted = [*row.command_line, *table.TESTS[test].words, "lu.nic=0000:03:00.0"]
    assert not set(wanted) - set(words)
    assert row.dtb == "" or any("{DTB}" in line for line in loader)


# ---- QEMU machines ----

@each_test
@pytest.mark.parametrize("machine", QEMU)
def test_qemu(machine, test):
    lava, code = qemu("%s-%s" % (machine, test), machine, test)
    verdict, lines = lava.judge()
    assert (code, verdict) == (0, 0), "\n  ".join(["see %s" % lava.out, *lines])
    # one case per line of KTAP, and the machine is the one that was meant
    names = [render.case_id(case) for case in table.TESTS[test].expected]
    assert [r["case"] for r in results(lava.log) if r["definition"] == test] == names
    console = "\n".join(lava.console())
    assert console.count("Linux version") == (2 if test == "update" else 1)
    assert test == "health" or ADOPTED[machine] in console
    assert not SPLAT.search(console)


def test_a_device_that_stops_fails_the_job():
    """The counter-proof: the same, and nobody preserves the device."""
    lava, code = qemu("unpreserved", "qemu-vtd-legacy", "update", ["lu.preserve=0"])
    verdict, lines = lava.judge()
    assert code == 0, "lava-run says nothing of it"
    assert verdict == 1, "\n  ".join(["see %s" % lava.out, *lines])
    assert "fail    frames_landed_between_the_kernels" in lines
    assert "pass    every_frame_so_far_is_whole_and_in_order" in lines


# ---- the judge ----

JOB = {"actions": [{"deploy": {}}, {"test": {"monitors": [{"expected": ["one", "two"]}]}}]}


def log(*cases, job="pass", **more):
    lines = [{"definition": "update", "case": case, "result": result} for case, result in cases]
    lines += [{"definition": "lava", "case": "job", "result": job, **more}] if job else []
    return "".join('- {"dt": "2026-01-01", "lvl": "results", "msg": %s}\n'
                   % yaml.safe_dump(msg, default_flow_style=True, width=1000).strip()
                   for msg in lines)


@pytest.mark.parametrize("code, text", [
    (0, log(("one", "pass"), ("two", "pass"))),
    (1, log(("one", "pass"), ("two", "fail"))),
    # of two with the same name, one in each kernel
    (1, log(("one", "fail"), ("two", "pass"), ("one", "pass"))),
    (1, log(("one", "pass"), ("two", "skip"))),
    (1, log(("one", "pass"), ("two", "pass"), ("three", "unknown"))),
    (1, log(("one", "pass"))),
    (1, log()),
    (1, log(("one", "pass"), ("two", "pass"), job="fail", error_type="Test", error_msg="late")),
    (2, log(("one", "pass"), ("two", "pass"), job="fail", error_type="Infrastructure")),
    (2, log(("one", "pass"), ("two", "pass"), job="")),
    (2, ""),
])
def test_judge(code, text):
    assert judge(JOB, text)[0] == code
