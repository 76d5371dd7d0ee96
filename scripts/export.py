#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""export.py KDIR OUT - write everything as a series of patches, for git am

KDIR is the kernel that the series is for; it may have us applied already. Which patch has
what is in scripts/series.toml. What is in the tree after the last patch is what apply.sh
makes of KDIR, and MAINTAINERS: anything that was forgotten, or is there twice, is an error.

Without --signoff the patches are written by nobody in particular, and not signed off.
"""

import argparse
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

TOP = pathlib.Path(__file__).resolve().parents[1]
OURS = "drivers/iommu/liveupdate/"
NOBODY = "nobody <nobody@localhost>"
# In these of our files a line belongs to the files that it names.
GROWING = (OURS + "Kconfig", OURS + "Kbuild")
NAMES = re.compile(r"(?:%s)?((?:drivers-\w+|tests)/[\w./-]*)" % OURS)
# What apply.sh appends a line to
LINES = ("drivers/iommu/Kconfig", "drivers/iommu/Makefile")


class Error(Exception):
    pass


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **kw).stdout


class Hook:
    """A patch of core/hooks or drivers-*/hooks."""

    def __init__(self, path):
        self.path = TOP / path
        # core/hooks/7.3/0001-x.patch is core/0001-x.patch to the series
        self.name = "%s/%s" % (path.split("/")[0], path.split("/")[-1])
        head, found, _ = self.path.read_text(encoding="utf-8").partition("\n---\n")
        if not found or not head.startswith("Subject: "):
            raise Error("hook %s has no subject, or no line of ---" % path)
        self.subject, _, self.text = head[len("Subject: "):].partition("\n\n")

    @property
    def files(self):
        return re.findall(r"(?m)^\+\+\+ b/([^\t\n]*)", self.path.read_text(encoding="utf-8"))


def hooks_for(kdir):
    return [Hook(path) for path in run(TOP / "scripts/apply.sh", "--hooks", kdir).split()]


def files_in(tree):
    return {str(p.relative_to(tree)) for p in tree.rglob("*")
            if p.is_file() and not p.relative_to(tree).parts[0] in (".git", ".iommu-liveupdate")}


def copy(source, name, dest):
    (dest / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / name, dest / name)


class Series:
    def __init__(self, kdir, work, who):
        with open(TOP / "scripts/series.toml", "rb") as f:
            self.plan = tomllib.load(f)
        self.hooks = hooks_for(kdir)
        self.who, self.sign = who or NOBODY, who is not None
        self.base, self.final, self.tree = (work / d for d in ("base", "final", "tree"))
        self._stock(kdir)
        shutil.copytree(self.base, self.final)
        run(TOP / "scripts/apply.sh", self.final)
        self._entry()
        self.left = files_in(self.final) - files_in(self.base)
        self.left_hooks = list(self.hooks)

    def _stock(self, kdir):
        """The files of the kernel that we touch, and what apply.sh knows a kernel by."""
        touched = {f for hook in self.hooks for f in hook.files} | set(LINES)
        for name in touched | {"MAINTAINERS", "Makefile"}:
            if not (kdir / name).exists():
                raise Error("%s has no %s" % (kdir, name))
            copy(kdir, name, self.base)
        if (kdir / ".iommu-liveupdate").exists():
            shutil.copytree(kdir / ".iommu-liveupdate", self.base / ".iommu-liveupdate")
            run(TOP / "scripts/apply.sh", "-R", self.base)

    def _entry(self):
        path, new = self.final / "MAINTAINERS", self.plan["maintainers"]
        text = path.read_text(encoding="utf-8")
        mark = "\n%s\n" % new["before"]
        if text.count(mark) != 1:
            raise Error("MAINTAINERS has no entry %s" % new["before"])
        entry = new["entry"].format(who=self.who)
        path.write_text(text.replace(mark, "\n" + entry + mark[1:]), encoding="utf-8")

    # ---- one patch after the other ----

    def commits(self):
        """Yield (subject, text) with the tree as it is after that patch."""
        shutil.copytree(self.base, self.tree)
        self._git("init", "-q")
        yield "base", ""
        for patch in self.plan["patch"]:
            for hook in [h for pattern in patch.get("hooks", ()) for h in self._take(pattern)]:
                subprocess.run(["patch", "-d", self.tree, "-p1", "-s", "-f",
                                "--no-backup-if-mismatch", "-i", hook.path], check=True)
                yield hook.subject, hook.text
            if "hooks" in patch:
                continue
            for pattern in patch.get("files", ()):
                self._add(pattern.replace("./", OURS, 1) if pattern.startswith("./") else pattern)
            for name in patch.get("with", ()):
                copy(self.final, name, self.tree)
            self._grow()
            yield patch["subject"], patch["text"].strip()
        self._check()

    def _take(self, pattern):
        found = [h for h in self.left_hooks if fnmatch.fnmatch(h.name, pattern)]
        if not found:
            raise Error("series.toml: no hook is left for %s" % pattern)
        self.left_hooks = [h for h in self.left_hooks if h not in found]
        return found

    def _add(self, pattern):
        found = {f for f in self.left if fnmatch.fnmatch(f, pattern)}
        if not found:
            raise Error("series.toml: no file is left for %s" % pattern)
        for name in found:
            copy(self.final, name, self.tree)
        self.left -= found

    def _known(self, name):
        """Is what a line names there: a folder with a Kbuild, an object, a Kconfig?"""
        path = self.tree / OURS / name
        return (path / "Kbuild").exists() if name.endswith("/") else \
            path.with_suffix(".c").exists() if name.endswith(".o") else path.exists()

    def _grow(self):
        for name in GROWING:
            if (self.tree / name).exists():
                lines = (self.final / name).read_text(encoding="utf-8").splitlines(True)
                (self.tree / name).write_text("".join(
                    line for line in lines if all(map(self._known, NAMES.findall(line)))),
                    encoding="utf-8")

    def _check(self):
        faults = ["hook %s is in no patch" % hook.name for hook in self.left_hooks]
        faults += ["%s is in no patch" % name for name in sorted(self.left)]
        if not faults:
            for name in sorted(files_in(self.tree) | files_in(self.final)):
                a, b = self.tree / name, self.final / name
                if not a.exists() or not b.exists() or a.read_bytes() != b.read_bytes():
                    faults.append("%s is not as apply.sh makes it" % name)
        if faults:
            raise Error("series.toml: " + "\n  ".join(faults))

    # ---- git ----

    def _git(self, *argv, **kw):
        name, _, mail = self.who.rstrip(">").rpartition(" <")
        env = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null")
        for role in ("AUTHOR", "COMMITTER"):
            env["GIT_%s_NAME" % role], env["GIT_%s_EMAIL" % role] = name, mail
            env["GIT_%s_DATE" % role] = self.date
        return run("git", "-c", "core.excludesFile=/dev/null", "-c", "gc.auto=0",
                   "-C", self.tree, *argv, env=env, **kw)

    @property
    def date(self):
        """Of what is exported, so that the same makes the same patches."""
        try:
            return run("git", "-c", "safe.directory=*", "-C", TOP, "log", "-1", "--format=%cI",
                       stderr=subprocess.DEVNULL).strip()
        except subprocess.CalledProcessError:
            return "2026-01-01T00:00:00Z"

    def write(self, out, version):
        for subject, text in self.commits():
            self._git("add", "-f", "-A", ".", ":!.iommu-liveupdate")
            self._git("commit", "-q", "--no-verify", *(["-s"] if self.sign else []),
                      "--cleanup=whitespace", "-F", "-", input="%s\n\n%s\n" % (subject, text))
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        root = self._git("rev-list", "--max-parents=0", "HEAD").strip()
        self._git("format-patch", "-q", "--cover-letter", "--no-signature", "-M", "-o", out, root)
        cover = out / "0000-cover-letter.patch"
        text = cover.read_text(encoding="utf-8")
        text = text.replace("*** SUBJECT HERE ***", self.plan["cover"]["subject"])
        text = text.replace("*** BLURB HERE ***", "%s\n\nFor %s." %
                            (self.plan["cover"]["text"].strip(), version))
        cover.write_text(text, encoding="utf-8")
        return sorted(out.glob("*.patch"))[1:]


def describe(kdir):
    text = (kdir / "Makefile").read_text(encoding="utf-8")
    found = dict(re.findall(r"(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)", text))
    mark = kdir / ".debian-version"
    return "Linux %s.%s.%s%s" % tuple(found.get(k, "") for k in (
        "VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")) + \
        (" as in Debian %s" % mark.read_text().strip() if mark.exists() else "")


def main():
    par = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    par.add_argument("kdir", metavar="KDIR", type=pathlib.Path)
    par.add_argument("out", metavar="OUT", type=pathlib.Path)
    par.add_argument("--signoff", metavar="'NAME <MAIL>'", help="author of the patches, who signs"
                     " them off and is named in MAINTAINERS")
    args = par.parse_args()
    if args.signoff and not re.fullmatch(r"[^<>\n]*\S <[^<>\s]+@[^<>\s]+>", args.signoff):
        sys.exit("export: --signoff: not a name and an address: %s" % args.signoff)
    try:
        with tempfile.TemporaryDirectory() as work:
            series = Series(args.kdir.resolve(), pathlib.Path(work), args.signoff or None)
            patches = series.write(args.out.resolve(), describe(args.kdir))
    except (Error, OSError) as exc:
        sys.exit("export: %s" % exc)
    print("export: %d patches in %s" % (len(patches), args.out))


if __name__ == "__main__":
    main()
