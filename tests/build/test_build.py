# SPDX-License-Identifier: GPL-2.0
"""Every configuration builds; without us the kernel is the one that it was."""

import collections
import dataclasses
import functools
import os
import re
import subprocess

import pytest

from kbuild import GIMPLE, KVER, OURS, PATCHED, REPO, STOCK, Kernel, fragment, hooked

pytestmark = pytest.mark.build

ARCHS = os.environ.get("ARCHS", "x86_64 arm64").split()
archs = pytest.mark.parametrize("arch", ARCHS)

# Folders and files that we add to or hook into, and the option they depend on.
TOUCHED = {
    "drivers/iommu/": None,
    "drivers/pci/": None,
    "drivers/vfio/": None,
    "kernel/liveupdate/": None,
    "kernel/kexec_file.o": "KEXEC_FILE",
    "mm/memfd_luo.o": "LIVEUPDATE_MEMFD",
    "arch/x86/boot/compressed/kernel_info.o": "X86",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """A line of the table."""

    options: tuple              # NAME=VALUE; each must be so in the end
    archs: tuple = ("x86_64", "arm64")
    start: str = "tinyconfig"   # target of make; tinyconfig gets the options of test kernels
    image: tuple = ("vmlinux",)  # what is built and linked; () is what is touched, only


def backends(**on):
    return tuple("IOMMU_LIVEUPDATE_%s=%s" % (name, on.get(name, "n"))
                 for name in ("INTEL", "AMD", "SMMUV3"))


X86, ARM = ("x86_64",), ("arm64",)
MODULES = ("IOMMU_LIVEUPDATE=y", "IOMMUFD=m", "VFIO=m", "VFIO_PCI=m")
TESTS = ("DEBUG_KERNEL=y", "KUNIT=y", "IOMMU_PT_AMDV1=y", "FAULT_INJECTION=y", "FAILSLAB=y",
         "IOMMU_LIVEUPDATE_KUNIT_TEST=y", "IOMMU_LIVEUPDATE_FAIL_NTH=y")

CONFIGS = {
    "off": Config(("IOMMU_LIVEUPDATE=n",)),
    "no-backend": Config(("IOMMU_LIVEUPDATE=y", *backends())),
    "intel": Config(("IOMMU_LIVEUPDATE=y", *backends(INTEL="y")), X86),
    "amd": Config(("IOMMU_LIVEUPDATE=y", *backends(AMD="y")), X86),
    "smmuv3": Config(("IOMMU_LIVEUPDATE=y", *backends(SMMUV3="y")), ARM),
    "all": Config(("IOMMU_LIVEUPDATE=y", *backends(INTEL="y", AMD="y")[:2], *TESTS), X86),
    # on arm64 nobody else asks for the page tables of the backend that lives in memory
    "all-arm": Config(("IOMMU_LIVEUPDATE=y", "IOMMU_LIVEUPDATE_SMMUV3=y", "COMPILE_TEST=y",
                       "GENERIC_PT=y", "IOMMU_PT=y", *TESTS), ARM),
    "no-irq-remap": Config(("IOMMU_LIVEUPDATE=y", "IRQ_REMAP=n", *backends(AMD="y")), X86),
    "no-pm": Config(("IOMMU_LIVEUPDATE=y", "SUSPEND=n", "HIBERNATION=n",
                     "KEXEC_HANDOVER_DEBUGFS=n", "DEBUG_FS=n")),
    # iommufd and vfio-pci as modules: every symbol they need must be exported
    "modules": Config(MODULES, image=("vmlinux", "modules")),
    "modules-vfio": Config(("IOMMU_LIVEUPDATE=y", "IOMMUFD=y", "VFIO=m", "VFIO_PCI=m"),
                           image=("vmlinux", "modules")),
    # SMMUv3's driver can be a module; live update of it cannot
    "smmuv3-module": Config(("IOMMU_LIVEUPDATE=y", "ARM_SMMU_V3=m", "IOMMU_LIVEUPDATE_SMMUV3=n"),
                            ARM, image=("vmlinux", "modules")),
    "allnoconfig": Config(("IOMMU_LIVEUPDATE=n",), start="allnoconfig", image=()),
    "allmodconfig": Config(("IOMMU_LIVEUPDATE=y", "IOMMUFD=m", "VFIO_PCI=m"),
                           start="allmodconfig", image=()),
}


@functools.cache
def kernel(arch, name="ours"):
    return Kernel(arch, STOCK if name == "stock" else PATCHED, name)


def configure(k, cfg):
    """Only options that the user can set are asked for; all must be what is expected."""
    tiny = cfg.start == "tinyconfig"
    have = k.configure(cfg.start, fragment(k.arch, cfg.options) if tiny else
                       "".join("CONFIG_%s\n" % o for o in cfg.options if o.endswith("=m")))
    wrong = ["%s is %s" % (want, have.get(want.split("=")[0], "n")) for want in cfg.options
             if have.get(want.split("=")[0], "n") != want.split("=")[1]]
    assert not wrong, "options did not take effect: " + ", ".join(wrong)
    return have


BACKENDS = {"IOMMU_LIVEUPDATE_INTEL": "drivers-intel/", "IOMMU_LIVEUPDATE_AMD": "drivers-amd/",
            "IOMMU_LIVEUPDATE_SMMUV3": "drivers-smmuv3/",
            "IOMMU_LIVEUPDATE_KUNIT_TEST": "tests/kunit/"}


def archive(k):
    """Objects that are part of the kernel, out of drivers/iommu."""
    out = subprocess.run(["ar", "t", k.out / "drivers/iommu/built-in.a"], check=True, cwd=k.out,
                         stdout=subprocess.PIPE, text=True).stdout.split()
    # a thin archive has its members where they lie, seen from here or from the root
    return [os.path.relpath(os.path.join(k.out, member), k.out) for member in out]


def touched(have):
    return [what for what, option in TOUCHED.items() if not option or have.get(option) == "y"]


@pytest.mark.parametrize("arch, name", [
    pytest.param(arch, name, id="%s-%s" % (name, arch))
    for arch in ARCHS for name, cfg in CONFIGS.items() if arch in cfg.archs])
def test_builds(arch, name):
    cfg, k = CONFIGS[name], kernel(arch)
    have = configure(k, cfg)
    found = k.warnings(*(cfg.image or touched(have)))
    assert not found, "\n".join(map(": ".join, found))
    members = archive(k)
    assert (OURS + "core/core.o" in members) == ("IOMMU_LIVEUPDATE" in have)
    for option, folder in BACKENDS.items():
        assert any(m.startswith(OURS + folder) for m in members) == (option in have)


# ---- off is stock ----

# Functions whose code is another one without us as well, and why.
ARGS = "struct liveupdate_file_op_args is larger"
MOVED = {
    "drivers/iommu/intel/dmar.o": {
        "dmar_hotplug_remove": "calls the next one",
        "dmar_hp_may_remove_drhd": "a unit is never in use",
    },
    "drivers/iommu/intel/iommu.o": {
        "intel_iommu_probe_device": "a PASID table that is there already is kept; none is",
    },
    "drivers/iommu/io-pgtable-arm.o": {
        "arm_lpae_alloc_pgtable": "its structure is cleared",
    },
    "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.o": {
        "arm_smmu_init_strtab": "the VMIDs are there before the stream table",
        "arm_smmu_rmr_install_bypass_ste": "the entry is copied to its place",
        "arm_smmu_domain_free_paging": "a VMID may have been given to another domain; none is",
    },
    "drivers/irqchip/irq-gic-v3-its.o": {
        "its_irq_domain_alloc": "an event is given back, see core/hooks/0022",
    },
    "drivers/iommu/iommu.o": {
        "iommu_lu_restore_group": "is empty",
        "iommu_setup_default_domain": "calls it",
    },
    "drivers/iommu/iommufd/device.o": {
        "iommufd_device_do_replace": "reserved ranges of a device that stays are kept",
        "iommufd_group_do_replace_reserved_iova": "likewise, see core/hooks/0023",
    },
    "drivers/pci/ats.o": {
        "pci_enable_ats": "the value is computed behind the address",
        "pci_prepare_ats": "likewise",
    },
    "kernel/liveupdate/kexec_handover.o": {
        "is_kho_boot": "does not need the linear map, see core/hooks/0024",
    },
    "kernel/liveupdate/luo_file.o": {
        "liveupdate_session_has_file": "is for handlers of files",
        "luo_file_can_finish_one": ARGS,
        "luo_file_freeze_one": ARGS,
        "luo_file_unfreeze_one": ARGS,
        "luo_preserve_file": ARGS,
    },
    "kernel/liveupdate/luo_session.o": {
        "luo_session_release": "can be retrieved again, see core/hooks/0017",
    },
}


def objects(have, k):
    """Objects of the hooked files that this configuration builds."""
    out = []
    for name in hooked():
        if name.endswith((".c", ".S")):
            folder = os.path.dirname(name)
            option = {"drivers/iommu/amd": "AMD_IOMMU", "drivers/iommu/intel": "INTEL_IOMMU",
                      "drivers/iommu/arm/arm-smmu-v3": "ARM_SMMU_V3",
                      "arch/x86/boot/compressed": "X86"}.get(folder)
            option = {"drivers/iommu/io-pgtable-arm.c": "IOMMU_IO_PGTABLE_LPAE",
                      "drivers/iommu/irq_remapping.c": "IRQ_REMAP",
                      "drivers/iommu/intel/irq_remapping.c": "IRQ_REMAP",
                      "drivers/irqchip/irq-gic-v3-its.c": "ARM_GIC_V3_ITS",
                      "drivers/pci/ats.c": "PCI_ATS",
                      "drivers/pci/controller/pci-host-common.c": "PCI_HOST_COMMON",
                      }.get(name, option)
            if not option or have.get(option) == "y":
                out.append(os.path.splitext(name)[0] + ".o")
    # a header with a hook that is the body of these
    return out + ["drivers/iommu/generic_pt/fmt/iommu_%s.o" % fmt.lower()
                  for fmt in ("AMDV1", "VTDSS", "X86_64") if have.get("IOMMU_PT_" + fmt) == "y"]


@archs
def test_off_is_stock(arch):
    """The code of what hooks touch, function by function, with the option off."""
    cfg = CONFIGS["off"]
    ours, stock = kernel(arch), kernel(arch, "stock")
    have = configure(ours, cfg)
    assert have == configure(stock, dataclasses.replace(cfg, options=()))
    names = objects(have, ours)
    assert len(names) > 15
    ours.make(GIMPLE, *names)
    stock.make(GIMPLE, *names)
    unexpected = []
    for name in names:
        a, b = ours.functions(name), stock.functions(name)
        known = MOVED.get(name, {})
        assert known.keys() <= a.keys(), "not in %s: %s" % (name, known.keys() - a.keys())
        unexpected += ["%s: %s" % (name, f) for f in sorted(a.keys() | b.keys())
                       if a.get(f) != b.get(f) and f not in known]
    assert not unexpected, "\n".join(unexpected)


# ---- warnings ----

@archs
def test_no_new_warnings(arch):
    """W=1 and sparse: none in our files, no new one where hooks are."""
    sparse = subprocess.run(["sh", "-c", "command -v ${CHECK:-sparse}"], check=False,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    assert sparse, "there is no sparse"
    cfg = CONFIGS["all" if arch == "x86_64" else "all-arm"]
    ours, stock = kernel(arch), kernel(arch, "stock")
    have = configure(ours, cfg)
    configure(stock, dataclasses.replace(cfg, options=tuple(
        o for o in cfg.options if "LIVEUPDATE" not in o)))
    names = objects(have, ours)
    words = ("W=1", "C=2", "CHECK=" + sparse)
    found = collections.Counter(ours.warnings(*words, *names, OURS))
    found += collections.Counter(w for w in ours.warnings(
        *words, "drivers/iommu/iommufd/", "drivers/vfio/") if w[0].startswith(OURS))
    known = collections.Counter(stock.warnings(*words, *names))
    new = found - known
    assert not new, "\n".join(": ".join(w) for w in new)


# ---- distributions ----

def debian_config(arch):
    """Debian's configuration of its ordinary kernel, out of its package for that version."""
    deb = {"x86_64": "amd64", "arm64": "arm64"}[arch]
    path = REPO / "build/configs" / ("debian-%s-%s.config" % (deb, KVER))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        package = "linux-config-" + KVER
        newest = subprocess.run(["apt-cache", "madison", package], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.split("\n")[0].split("|")[1].strip()
        uri, name = subprocess.run(
            ["apt-get", "download", "--print-uris", "%s=%s" % (package, newest)], check=True,
            stdout=subprocess.PIPE, text=True).stdout.split()[:2]
        # apt knows of this machine's architecture only; the other's is beside it
        uri = re.sub(r"_\w+\.deb$", "_%s.deb" % deb, uri.strip("'"))
        package = path.with_suffix(".deb")
        subprocess.run(["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root",
                        "download-file", uri, package], check=True)
        text = subprocess.run(
            "dpkg-deb --fsys-tarfile %s | tar -xO --wildcards './usr/src/*/config.%s_none_%s.xz'"
            " | xz -dc" % (package, deb, deb), shell=True, check=True, stdout=subprocess.PIPE,
            text=True).stdout
        assert "CONFIG_" in text, name
        path.write_text(text, encoding="ascii")
    return path.read_text(encoding="ascii")


@archs
def test_debian_takes_every_option(arch):
    k = Kernel(arch, PATCHED, "debian")
    text = (REPO / "configs" / ("debian-%s.config" % {"x86_64": "amd64"}.get(arch, arch))
            ).read_text(encoding="ascii")
    want = dict(re.findall(r"(?m)^CONFIG_(\w+)=(.*)$", text))
    before = k.configure(debian_config(arch), "")
    have = k.configure(debian_config(arch), text)
    assert want and {o: have.get(o, "n") for o in want} == want
    # and takes none back that it had
    gone = [o for o in before if o not in have]
    assert not gone, "options that are gone: " + ", ".join(gone)
