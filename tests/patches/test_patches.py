# SPDX-License-Identifier: GPL-2.0
"""The exported series, on the clean tree as Debian ships it."""

import email
import email.policy
import os
import pathlib
import re
import shutil
import subprocess

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
KVER = os.environ.get("KVER", "7.2")
STOCK = REPO / "build" / ("linux-%s-stock" % KVER)
WHO = os.environ.get("SIGNOFF") or "Some Body <somebody@example.org>"
OUT = REPO / "build/patches" / KVER
TREE = REPO / "build/patches" / ("linux-" + KVER)
OURS = "drivers/iommu/liveupdate/"
ENV = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", LC_ALL="C.UTF-8",
           **{"GIT_%s_%s" % (who, what): value for who in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))})


def run(*argv, cwd=REPO, check=True, **kw):
    done = subprocess.run(list(map(str, argv)), cwd=cwd, env=ENV, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    assert not check or done.returncode == 0, "%s:\n%s" % (" ".join(map(str, argv)), done.stdout)
    return done.stdout.strip() if check else done


def git(*argv, tree=TREE, **kw):
    return run("git", "-c", "gc.auto=0", *argv, cwd=tree, **kw)


def export(out, *args, kdir=STOCK):
    run("scripts/export.py", kdir, out, *args)
    return sorted(out.glob("*.patch"))


@pytest.fixture(scope="session")
def patches():
    return export(OUT, "--signoff", WHO)[1:]


def folders(patches):
    """Where the series changes or adds something, as far as it is in the clean tree."""
    names = {os.path.dirname(name) for patch in patches
             for name in re.findall(r"(?m)^\+\+\+ b/(\S+)", patch.read_text())}
    return sorted(name for name in names if name and (STOCK / name).exists())


def repository(path, patches):
    """What is there becomes a git repository; it knows of the folders that we touch only."""
    shutil.rmtree(path / ".git", ignore_errors=True)
    git("init", "-q", tree=path)
    # Debian's tree ignores everything
    git("add", "-f", "--", *(f.name for f in STOCK.iterdir() if f.is_file()
                             and f.name != ".debian-version"), *folders(patches), tree=path)
    git("commit", "-q", "--no-verify", "-m", "clean", tree=path)
    git("tag", "clean", tree=path)
    git("checkout", "-q", "--detach", tree=path)


@pytest.fixture(scope="session")
def tree(patches):
    """These folders of the clean tree, and checkpatch."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir()
    for name in STOCK.iterdir():
        if name.is_file():
            shutil.copy2(name, TREE)
    for name in (*folders(patches), "scripts", "Documentation/admin-guide"):
        shutil.copytree(STOCK / name, TREE / name, symlinks=True, dirs_exist_ok=True)
    repository(TREE, patches)
    return TREE


@pytest.fixture(autouse=True)
def clean(request):
    if "tree" in request.fixturenames:
        request.getfixturevalue("tree")
        git("am", "--abort", check=False)
        git("checkout", "-q", "-f", "--detach", "clean")


def test_every_hook_is_applied():
    there = {str(p.relative_to(REPO)) for p in REPO.glob("*/hooks/*.patch")}
    applied = set(run("scripts/apply.sh", "--hooks", STOCK).split())
    assert there == {re.sub(r"/hooks/%s/" % re.escape(KVER), "/hooks/", h) for h in applied}


def tree_of(commit):
    return git("rev-parse", commit + "^{tree}")


def test_am_makes_what_apply_makes(tree, patches):
    git("am", "-q", "--keep-non-patch", *patches)
    series = git("rev-parse", "HEAD")
    assert len(git("rev-list", "clean..HEAD").split()) == len(patches)
    git("checkout", "-q", "--detach", "clean")

    run("scripts/apply.sh", tree)
    git("add", "-f", "-A", "--", *folders(patches), "include", OURS)
    # the one thing that only the series has
    git("checkout", "-q", series, "--", "MAINTAINERS")
    assert git("diff", "--cached", "--name-status", series) == ""
    assert git("write-tree") == tree_of(series)

    git("checkout", "-q", "clean", "--", "MAINTAINERS")
    run("scripts/apply.sh", "-R", tree)
    git("add", "-f", "-A", "--", *folders(patches), "include", "drivers")
    assert git("write-tree") == tree_of("clean")


@pytest.mark.parametrize("applied", [False, True])
def test_apply_that_fails_changes_nothing(tree, patches, applied):
    """Somebody has changed a hooked file before we were put in, or since."""
    hooked = "drivers/pci/ats.c"

    def state():
        git("add", "-f", "-A", "--", *folders(patches), "include", "drivers")
        return git("write-tree")

    if applied:
        run("scripts/apply.sh", tree)
        git("checkout", "-q", "clean", "--", hooked)
    else:
        (tree / hooked).write_text("/* nothing is as it was */\n", encoding="ascii")
    now = state()
    for options in [("-n",), ()] + [("-n", "-R"), ("-R",)] * applied:
        done = run("scripts/apply.sh", *options, tree, check=False)
        assert done.returncode == 1, (options, done.stdout)
        assert ("cannot be taken out" if applied else "does not apply") in done.stdout
        assert "ats-and-pasid" in done.stdout
        assert state() == now

    shutil.rmtree(tree / ".iommu-liveupdate", ignore_errors=True)
    git("checkout", "-q", "-f", "clean")
    git("clean", "-q", "-d", "-f", "-x", "--", "drivers", "include")
    run("scripts/apply.sh", "-n", tree)


def test_checkpatch(tree, patches):
    done = run("scripts/checkpatch.sh", tree, *patches, check=False)
    said = [line for line in done.stdout.splitlines() if not line.startswith("total: ")]
    assert not said and done.returncode == 0, "\n  ".join(["checkpatch:"] + said)
    assert done.stdout.count("total: 0 errors, 0 warnings, 0 checks") == len(patches)


def test_signed_off_by_who_exports(patches):
    for patch in patches:
        mail = email.message_from_bytes(patch.read_bytes(), policy=email.policy.default)
        assert mail["From"] == WHO, patch.name
        assert "\nSigned-off-by: %s\n" % WHO in mail.get_content(), patch.name


def test_is_the_same_again(patches, tmp_path):
    again = export(tmp_path, "--signoff", WHO)[1:]
    assert [p.name for p in again] == [p.name for p in patches]
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in patches]


def test_maintainer(tree, patches):
    git("am", "-q", "--keep-non-patch", *patches)
    for name in (OURS + "drivers-amd/amd.c", "include/linux/iommu-liveupdate.h",
                 "include/linux/kho/abi/iommu-lu.h", "include/uapi/linux/iommufd-liveupdate.h"):
        who = run("scripts/get_maintainer.pl", "--no-tree", "--no-git", "-f", name, cwd=tree)
        assert WHO.split(" <")[1].rstrip(">") in who and "IOMMU LIVE UPDATE" in who, name


def project(tmp_path):
    """A copy of what is exported, to do damage to."""
    copy = tmp_path / "project"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns("build", ".git"))
    return copy


def complaint(copy, tmp_path, *args):
    done = run("scripts/export.py", STOCK, tmp_path / "out", *args, cwd=copy, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout
    assert not (tmp_path / "out").exists()
    return done.stdout


def test_a_file_that_is_in_no_patch(tmp_path):
    copy = project(tmp_path)
    (copy / "core/new.c").write_text("/* SPDX-License-Identifier: GPL-2.0 */\n")
    assert OURS + "core/new.c is in no patch" in complaint(copy, tmp_path)


def test_a_hook_that_is_in_no_patch(tmp_path):
    copy = project(tmp_path)
    plan = copy / "scripts/series.toml"
    plan.write_text(plan.read_text().replace(', "core/0018-*"', ""))
    assert re.search(r"hook core/0018-\S+ is in no patch", complaint(copy, tmp_path))


def test_a_file_that_is_not_there(tmp_path):
    copy = project(tmp_path)
    (copy / "core/pm.c").unlink()
    assert "no file is left for " + OURS + "core/pm.c" in complaint(copy, tmp_path)


def test_a_bad_name(tmp_path):
    assert "not a name and an address" in complaint(REPO, tmp_path, "--signoff", "somebody")


# ---- each step builds ----

KMAKE = {
    "x86_64": ["ARCH=x86", "CC=ccache gcc", "bzImage"],
    "arm64": ["ARCH=arm64", "CC=ccache aarch64-linux-gnu-gcc", "CROSS_COMPILE=aarch64-linux-gnu-",
              "Image"],
}
# A patch to nothing but these folders need not be built for the other architecture.
ONLY = {"arm64": (OURS + "drivers-intel/", OURS + "drivers-amd/", "drivers/iommu/intel/",
                  "drivers/iommu/amd/", "arch/x86/"),
        "x86_64": (OURS + "drivers-smmuv3/", "drivers/iommu/arm/", "drivers/iommu/io-pgtable-arm.c")}
NOT_CODE = (OURS + "docs/", OURS + "README.md", "MAINTAINERS")


SOURCE = REPO / "build" / ("linux-" + KVER)


def kmake(arch, *targets):
    out = REPO / "build/patches" / ("%s-%s" % (arch, KVER))
    return ["make", "-s", "-C", SOURCE, "O=%s" % out, "HOSTCC=ccache gcc", "LOCALVERSION=",
            "-j%s" % (os.environ.get("JOBS") or os.cpu_count()), *KMAKE[arch][:-1],
            *(targets or KMAKE[arch][-1:])], out


@pytest.mark.steps
@pytest.mark.parametrize("arch", os.environ.get("ARCHS", "x86_64 arm64").split())
def test_each_step_builds(arch, patches):
    # in-root.sh shows a copy of the clean tree as SOURCE, for the sake of ccache
    assert not (SOURCE / ".iommu-liveupdate").exists(), \
        "needs OVER, see make test-patches-steps"
    if (SOURCE / ".git").exists():
        git("checkout", "-q", "-f", "--detach", "clean", tree=SOURCE)
    repository(SOURCE, patches)
    fragments = "".join((REPO / "tests/qemu/config" / (name + ".config")).read_text()
                        for name in ("base", KVER, arch, "kunit"))
    options, faults = [], []
    for patch in [None] + patches:
        if patch:
            git("am", "-q", "--keep-non-patch", patch, tree=SOURCE)
            names = re.findall(r"(?m)^\+\+\+ b/(\S+)", patch.read_text())
            if all(name.startswith(NOT_CODE + ONLY[arch]) for name in names):
                continue
        argv, out = kmake(arch, "tinyconfig")
        run(*argv)
        with open(out / ".config", "a", encoding="ascii") as f:
            f.write(fragments)
        run(*kmake(arch, "olddefconfig")[0])
        done = run(*kmake(arch)[0], check=False)
        name = patch.name if patch else "clean"
        print("%s %s: %s" % (arch, name, "builds" if not done.returncode else "DOES NOT BUILD"),
              flush=True)
        config = (out / ".config").read_text()
        options += re.findall(r"(?m)^CONFIG_(IOMMU_LIVEUPDATE\w*)=y", config)
        if done.returncode or re.search(r"\bwarning:", done.stdout):
            faults.append("%s:\n%s" % (name, done.stdout[-3000:]))
    assert not faults, "\n".join(faults)
    backends = {"x86_64": {"IOMMU_LIVEUPDATE_INTEL", "IOMMU_LIVEUPDATE_AMD"},
                "arm64": {"IOMMU_LIVEUPDATE_SMMUV3"}}[arch]
    assert {"IOMMU_LIVEUPDATE", "IOMMU_LIVEUPDATE_KUNIT_TEST"} | backends <= set(options)
