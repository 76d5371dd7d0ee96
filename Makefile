# SPDX-License-Identifier: GPL-2.0
#
# What a person types. The kernel reads Kbuild and Kconfig instead.

KVER	?= 7.2
RUNS	?= 20
IOMMU	?= vtd
ARCH	?= $(if $(filter smmuv3,$(IOMMU)),arm64,x86_64)
FUZZ_SECONDS	?= 60
SIGNOFF	?= $(shell n=$$(git config user.name) && m=$$(git config user.email) && echo "$$n <$$m>")
RACE_SECONDS	?= 600
UPDATES	?= 100
ROOT	:= build/root
IN	:= scripts/in-root.sh $(ROOT)
SOURCE	:= build/linux-$(KVER)
STOCK	:= $(SOURCE)-stock
TESTS	?= tests/abi tests/qemu
BUILDS	?= tests/build
# the cases of one architecture: those of a machine that is the other one are marked so
MINE	:= $(if $(filter arm64,$(ARCH)),arm64,not arm64)
PYTEST	:= KVER=$(KVER) $(IN) pytest -p no:cacheprovider
# seconds after which a case fails wherever it is: all waiting for a machine is shorter
TIMEOUT	?= 1800
# several machines at a time; each takes a CPU and up to 2 GiB
WORKERS	?= $(shell nproc)
PYTESTS	:= $(PYTEST) -n $(WORKERS) --dist loadgroup --timeout $(TIMEOUT)
# for those who ask for it, by a target of its own
LONG	:= corruption or failnth or endurance

.PHONY: help
help:
	@echo 'See it work:'
	@echo '  make demo             live update of a machine in QEMU with DMA running, table and picture;'
	@echo '                        IOMMU=vtd (default), amd or smmuv3'
	@echo '  make test             all cases once'
	@echo '  make test-corruption  damage what is handed over in 100 ways, see each blocked'
	@echo '  make test-failnth     let every allocation fail in turn, in both kernels'
	@echo '  make test-host        those that need no kernel: the ABI and its tools'
	@echo '  make fuzz             the checks of the ABI, FUZZ_SECONDS=60 or FUZZ_RUNS=10000000'
	@echo '  make test-debug       the cases again on a kernel with KASAN, lockdep, kmemleak'
	@echo '  make test-kernel      the tests of the kernel itself give the same results with and without us'
	@echo '  make test-versions    live updates from Linux 7.2 to 7.3 and from 7.3 to 7.2; builds both'
	@echo '  make soak RUNS=20     every QEMU case so many times'
	@echo '  make lava             the jobs of lava-jobs/: schemas, and those of QEMU machines run by LAVA;'
	@echo '                        make lava-artifacts: kernel and initramfs for the server of a lab'
	@echo '  make race             threads against each other, debug kernel, RACE_SECONDS=600'
	@echo '  make endurance        live updates in a row, nothing may grow, UPDATES=100'
	@echo
	@echo 'Use it in a kernel of your own:'
	@echo '  make apply KDIR=/path/to/linux     put it into a kernel tree (DRY=1 only tries)'
	@echo '  make unapply KDIR=/path/to/linux   take it out again'
	@echo '  make patches          the same as a series for git am, in build/patches/; KDIR=/path/to/linux makes it for'
	@echo '                        that tree, SIGNOFF="Name <mail>" is who signs it off (default: as git is configured)'
	@echo
	@echo 'Work on it:'
	@echo '  make tools        iommu-lu: look at a state, or at a kernel that is to take it'
	@echo '  make kernels      the kernels that make test uses; make kernel-debug the one of make test-debug'
	@echo '  make test-build   the kernel in every configuration of us, as modules and without; without us it is'
	@echo '                    the stock kernel; no new warnings of gcc W=1 and sparse; both architectures'
	@echo '  make checkpatch   style of C files and hooks, by the rules of the kernel'
	@echo '  make test-patches the series applies, gives what make apply gives, and passes checkpatch;'
	@echo '                    make test-patches-steps builds the kernel after each patch'
	@echo '  make shell        a shell inside the tools root'
	@echo '  make clean        remove kernels and results; make distclean removes all of build/'
	@echo
	@echo 'KVER=$(KVER) is the kernel version. ACCEL=kvm uses KVM.'
	@echo 'TESTS="tests/qemu -k igb" chooses cases, BUILDS="tests/build -k off" those of make test-build.'
	@echo 'WORKERS=$(WORKERS) is how many machines run at a time (default: one per CPU).'
	@echo 'ARCH=arm64 takes kernels and machines with an SMMUv3, for all of the above but demo (IOMMU=smmuv3)'
	@echo 'and test-kernel.'

.PHONY: root source source-stock
root:
	@scripts/tools-root.sh $(ROOT)

source: root
	@scripts/kernel-source.sh $(ROOT) $(KVER) $(SOURCE)
	@scripts/apply.sh --link $(SOURCE)

source-stock: source
	@scripts/kernel-source.sh $(ROOT) $(KVER) $(STOCK) "$$(cat $(SOURCE)/.debian-version)"

.PHONY: kernel-plain kernel-off kernel-debug kernel-kunit kernel-64k kernel-stock kernels
kernel-plain kernel-off kernel-debug kernel-kunit kernel-64k: kernel-%: source
	@$(IN) scripts/build-kernel.sh $(ARCH) $(KVER) $*

kernel-stock: source-stock
	@OVER=$(STOCK):$(SOURCE) $(IN) scripts/build-kernel.sh $(ARCH) $(KVER) stock

kernels: kernel-plain kernel-off kernel-kunit $(if $(filter arm64,$(ARCH)),kernel-64k)

.PHONY: demo test test-corruption test-failnth test-host test-debug test-kernel soak race endurance
.PHONY: fuzz lava lava-artifacts tools
demo: kernel-plain
	@KVER=$(KVER) $(IN) python3 tests/qemu/demo.py --iommu $(IOMMU)

test: kernels
	@$(PYTESTS) -m '$(MINE) and not debug and not ($(LONG))' $(TESTS)

test-corruption: kernel-plain
	@$(PYTESTS) -m '$(MINE) and corruption' $(TESTS)

test-failnth: kernel-kunit kernel-debug
	@$(PYTESTS) -m '$(MINE) and failnth' $(TESTS)

test-host: root
	@$(PYTEST) tests/abi

test-debug: kernel-debug
	@$(PYTESTS) -m '$(MINE) and debug and not failnth' $(TESTS)

# the two that are supported
VERSIONS	:= 7.2 7.3
.PHONY: test-versions test-build
test-versions: root
	@for v in $(VERSIONS); do $(MAKE) --no-print-directory KVER=$$v kernel-plain || exit; done
	@$(PYTEST) -m '$(MINE)' tests/qemu/test_versions.py

test-build: source-stock
	@$(PYTEST) -m build $(BUILDS)

# stock comes second: most of it is in the compiler cache then
test-kernel: kernel-kunit kernel-stock
	@$(PYTESTS) -m kernel tests/kernel

soak: kernels
	@RUNS=$(RUNS) $(PYTESTS) -m '$(MINE) and qemu and not debug and not ($(LONG))' $(TESTS)

race: kernel-debug
	@KVER=$(KVER) $(IN) env RACE_SECONDS='$(RACE_SECONDS)' \
		pytest -p no:cacheprovider -m '$(MINE) and race and debug' $(TESTS)

endurance: kernel-plain
	@KVER=$(KVER) $(IN) env UPDATES='$(UPDATES)' \
		pytest -p no:cacheprovider -s -m '$(MINE) and endurance' $(TESTS)

lava:
	@$(MAKE) --no-print-directory kernel-plain ARCH=x86_64
	@$(MAKE) --no-print-directory kernel-plain ARCH=arm64
	@$(PYTEST) tests/lava

lava-artifacts: kernel-plain
	@KVER=$(KVER) $(IN) lava-jobs/artifacts.py $(ARCH)

fuzz: root
	@$(IN) env FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_RUNS='$(FUZZ_RUNS)' tests/fuzz/run.sh

# with the headers of our kernel: those of the root are too old for sessions
tools: source
	@$(IN) scripts/headers.sh $(ARCH) $(KVER)
	@$(IN) make -s -C tools $(if $(filter arm64,$(ARCH)),CC=aarch64-linux-gnu-gcc) \
		O=../build/$(ARCH)/tools HEADERS=../build/$(ARCH)/headers/include
	@echo build/$(ARCH)/tools/iommu-lu

.PHONY: apply unapply
apply unapply:
	@test -n '$(KDIR)' || { echo 'usage: make $@ KDIR=/path/to/linux' >&2; exit 2; }
	@scripts/apply.sh $(if $(DRY),-n) $(if $(filter unapply,$@),-R) '$(KDIR)'

.PHONY: patches test-patches test-patches-steps
patches: source
	@KDIR='$(KDIR)' $(IN) scripts/export.py '$(or $(KDIR),$(SOURCE))' build/patches/$(KVER) --signoff '$(SIGNOFF)'

test-patches: source-stock
	@SIGNOFF='$(SIGNOFF)' $(PYTEST) -m 'not steps' tests/patches

# a copy of the clean tree in place of ours, under the same name for the compiler cache
STEPS	:= build/patches/steps-$(KVER)
test-patches-steps: source-stock
	@mkdir -p build/patches
	@cmp -s $(STOCK)/.debian-version $(STEPS)/.debian-version || \
		{ rm -rf $(STEPS); cp -a $(STOCK) $(STEPS).tmp && mv $(STEPS).tmp $(STEPS); }
	@OVER=$(STEPS):$(SOURCE) SIGNOFF='$(SIGNOFF)' $(PYTEST) -s -m steps tests/patches

.PHONY: checkpatch shell clean distclean
checkpatch: source
	@$(IN) scripts/checkpatch.sh $(SOURCE)

shell: root
	@$(IN) bash

clean:
	rm -rf build/x86_64 build/arm64 build/qemu build/demo build/abi build/tools build/kernel-tests \
		build/lava build/patches build/configs

distclean:
	rm -rf --one-file-system build
