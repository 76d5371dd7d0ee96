// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that is refused before the jump, each with its errno. After each
 * refusal a normal preserve must work and frames must keep arriving: nothing
 * was left behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/iommufd-liveupdate.h>
#include <linux/pci_regs.h>

#include "../../abi/iommu-lu.h"
#include "cases.h"
#include "lu.h"

#define OTHER_IOVA	(HEART_IOVA + (1ULL << 30))
#define CYCLES		100

static int mark(struct heart *h)
{
	return hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 0);
}

static int unmark(struct heart *h)
{
	return hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, IOMMU_HWPT_LU_MARK_CLEAR);
}

static int mark_errors(struct heart *h)
{
	struct iommu_hwpt_lu_mark raw = {
		.size = sizeof(raw), .hwpt_id = h->hwpt, .token = TOKEN_HWPT,
	};
	uint32_t second, id;

	ktap_rc(hwpt_mark(h->iommufd, 0xfffffff, TOKEN_HWPT, 0), -ENOENT,
		"mark of an unknown HWPT");
	ktap_rc(hwpt_mark(h->iommufd, h->ioas, TOKEN_HWPT, 0), -ENOENT,
		"mark of an object that is no HWPT");
	ktap_rc(unmark(h), -EINVAL, "clear without a mark");
	ktap_rc(hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 1U << 31), -EINVAL,
		"mark with an unknown flag");
	raw.__reserved = 1;
	ktap(ioctl(h->iommufd, IOMMU_HWPT_LU_MARK, &raw) < 0,
	     "mark with a reserved field set");
	ktap_rc(mark(h), 0, "mark");
	ktap_rc(mark(h), -EALREADY, "mark twice");
	ktap_rc(hwpt_get(h->iommufd, TOKEN_HWPT, &id), -EINVAL,
		"LU_GET on an iommufd that was not retrieved");
	if (ktap_rc(hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &second), 0,
		    "second HWPT")) {
		ktap_rc(hwpt_mark(h->iommufd, second, TOKEN_HWPT, 0), -EEXIST,
			"mark with a token that is taken");
		/* not attached: only the mark holds it */
		ktap_rc(hwpt_mark(h->iommufd, second, TOKEN_HWPT + 1, 0), 0,
			"mark with another token");
		ktap_rc(iommufd_destroy(h->iommufd, second), -EBUSY,
			"destroy of a marked HWPT");
		ktap_rc(hwpt_mark(h->iommufd, second, TOKEN_HWPT + 1,
				  IOMMU_HWPT_LU_MARK_CLEAR), 0, "clear its mark");
		ktap_rc(iommufd_destroy(h->iommufd, second), 0, "destroy it");
	}
	ktap_rc(unmark(h), 0, "clear the mark");
	return 0;
}

static int not_marked(struct heart *h)
{
	int session = lu_session_create("refuse");

	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), -ENODATA,
		"iommufd without a marked HWPT");
	close(session);
	return 0;
}

static int memfd_missing(struct heart *h)
{
	int session = lu_session_create("refuse");

	mark(h);
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), -ENOENT,
		"iommufd without its memfd in the session");
	close(session);
	return unmark(h);
}

static int memfd_elsewhere(struct heart *h)
{
	int session = lu_session_create("refuse");
	int other = lu_session_create("other");

	mark(h);
	ktap_rc(lu_preserve(other, h->memfd, TOKEN_MEMFD), 0,
		"preserve the memfd in another session");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), -ENOENT,
		"iommufd whose memfd is in another session");
	close(other);
	close(session);
	return unmark(h);
}

static int device_first(struct heart *h)
{
	int session = lu_session_create("refuse");

	mark(h);
	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->cdev, TOKEN_VFIO), -ENOENT,
		"device before its iommufd");
	close(session);
	return unmark(h);
}

static int iommufd_elsewhere(struct heart *h)
{
	int session = lu_session_create("refuse");
	int other = lu_session_create("other");

	mark(h);
	ktap_rc(lu_preserve(other, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(other, h->iommufd, TOKEN_IOMMUFD), 0, "preserve the iommufd");
	ktap_rc(lu_preserve(session, h->cdev, TOKEN_VFIO), -EXDEV,
		"device whose iommufd is in another session");
	close(session);
	close(other);
	return unmark(h);
}

static int anonymous(struct heart *h)
{
	int session = lu_session_create("refuse");
	void *mem = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	mark(h);
	ktap_rc(ioas_map_anon(h->iommufd, h->ioas, mem, page_size(), OTHER_IOVA), 0,
		"map anonymous memory");
	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), -EOPNOTSUPP,
		"iommufd with a mapping that is not file-backed");
	close(session);
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, OTHER_IOVA, page_size()), 0, "unmap it");
	munmap(mem, page_size());
	return unmark(h);
}

static int unbound(struct heart *h)
{
	int session = lu_session_create("refuse");
	int cdev = vfio_open(h->bdf);

	mark(h);
	ktap_rc(cdev, 0, "second open of the device, not bound to an iommufd");
	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), 0,
		"preserve the iommufd");
	ktap_rc(lu_preserve(session, cdev, TOKEN_VFIO), -EINVAL,
		"device that is not bound to an iommufd");
	close(session);
	close(cdev);
	return unmark(h);
}

/* Preserves a memfd that is mapped beside the heart's, and all that comes before the device. */
static int preserve_other(struct heart *h, int other, int want, const char *what)
{
	int session = lu_session_create("refuse");

	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, other, TOKEN_OTHER), 0, "preserve the other memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), want, "%s", what);
	return close(session);
}

/* A memfd has lost a page that the device still has: it would not be handed over. */
static int punched(struct heart *h)
{
	size_t page = page_size(), len = 4 * page;
	int other = memfd_create("other", MFD_CLOEXEC);
	char *mem;

	if (!ktap_rc(other < 0 || ftruncate(other, len) ? -errno : 0, 0, "another memfd"))
		return -errno;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	memset(mem, 1, len);
	mark(h);
	ktap_rc(ioas_map_file(h->iommufd, h->ioas, other, page, len - page, OTHER_IOVA), 0,
		"map it, but for its first page");
	ktap_rc(fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page) ?
		-errno : 0, 0, "punch a hole where it is not mapped");
	mem[0] = 2;
	preserve_other(h, other, 0, "iommufd with all that is mapped");
	ktap_rc(fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, len - page, page) ?
		-errno : 0, 0, "punch a hole where it is");
	preserve_other(h, other, -ESTALE, "iommufd with a page that its memfd has lost");
	/* another page is there now */
	mem[len - 1] = 2;
	preserve_other(h, other, -ESTALE, "iommufd with another page than its memfd");
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, OTHER_IOVA, len - page), 0, "unmap it");
	ktap_rc(ioas_map_file(h->iommufd, h->ioas, other, page, len - page, OTHER_IOVA), 0,
		"map it again");
	preserve_other(h, other, 0, "iommufd with the page that its memfd has now");
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, OTHER_IOVA, len - page), 0, "unmap it");
	munmap(mem, len);
	close(other);
	return unmark(h);
}

/* What is preserved does not change any more. */
static int frozen(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	char ranges[2][512] = {};
	uint32_t second = 0, id;
	int rc, cap;

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	rc = hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &second);
	ktap_rc(hwpt_mark(h->iommufd, rc ? h->hwpt : second, 0x99, 0), -EBUSY,
		"mark after preserve");
	ktap_rc(unmark(h), -EBUSY, "clear after preserve");
	ktap_rc(ioas_map_file(h->iommufd, h->ioas, h->memfd, 0, page_size(), OTHER_IOVA),
		-EBUSY, "map after preserve");
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, HEART_IOVA, h->size), -EBUSY,
		"unmap after preserve");
	ktap_rc(iommufd_destroy(h->iommufd, h->hwpt), -EBUSY, "destroy after preserve");
	if (!rc) {
		ioas_ranges(h->iommufd, h->ioas, ranges[0], sizeof(ranges[0]));
		ktap_rc(vfio_attach(h->cdev, second), -EBUSY, "replace after preserve");
		ktap(ioas_ranges(h->iommufd, h->ioas, ranges[1], sizeof(ranges[1])) > 0 &&
		     !strcmp(ranges[0], ranges[1]), "what may be mapped is as before: %s",
		     ranges[1]);
		iommufd_destroy(h->iommufd, second);
	}
	ktap_rc(vfio_detach(h->cdev), -EBUSY, "detach after preserve");
	ktap_rc(vfio_reset(h->cdev), -EBUSY, "reset after preserve");
	cap = vfio_config_cap(h->cdev, PCI_CAP_ID_PM);
	vfio_config_write16(h->cdev, cap + PCI_PM_CTRL, 3);
	ktap((vfio_config_read16(h->cdev, cap + PCI_PM_CTRL) & 3) == 0,
	     "power state after preserve: still D0");
	ktap_rc(vfio_low_power(h->cdev), -EBUSY, "low power mode after preserve");
	close(session);

	/* and changes again when the session is gone */
	ktap_rc(ioas_map_file(h->iommufd, h->ioas, h->memfd, 0, page_size(), OTHER_IOVA),
		0, "map works again");
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, OTHER_IOVA, page_size()), 0,
		"unmap works again");
	ktap_rc(hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &id), 0,
		"a new HWPT can be made again");
	iommufd_destroy(h->iommufd, id);
	return unmark(h);
}

/* An image without handover data would leave the device without tables. */
static int kexec_without_kho(struct heart *h)
{
	int session = preserve_all(h, "refuse");

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	if (ktap_rc(kexec_plain(), 0, "kexec_load"))
		ktap_rc(kexec_reboot(), -ENOEXEC, "kexec to an image without handover data");
	ktap_rc(kexec_unload(), 0, "unload it");
	close(session);
	return unmark(h);
}

/* Nothing loaded at all: refused as ever, and the session is unharmed. */
static int kexec_nothing(struct heart *h)
{
	int session = preserve_all(h, "refuse");

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	ktap_rc(kexec_reboot(), -EINVAL, "kexec with nothing loaded");
	close(session);
	return unmark(h);
}

/* The disk carries a kernel that cannot take the state over; lu.errno says how. */
static int kexec_foreign(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	char line[2048];

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	say_dump("outgoing");
	next_cmdline(line, sizeof(line), 2);
	if (ktap_rc(kexec_file(line), 0, "load it"))
		ktap_rc(kexec_reboot(), -opt_num("errno", ENOEXEC),
			"kexec to a kernel that cannot take the state over");
	ktap_rc(kexec_unload(), 0, "unload it");
	close(session);
	return unmark(h);
}

/* Nothing may put the device to sleep while it is preserved. */
static int suspend(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	int fd = open("/sys/power/state", O_WRONLY | O_CLOEXEC);

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	ktap_rc(write(fd, "mem", 3) == 3 ? 0 : -errno, -EBUSY, "suspend after preserve");
	close(fd);
	close(session);
	return unmark(h);
}

static int interrupts(struct heart *h)
{
	int session = lu_session_create("refuse");

	mark(h);
	ktap_rc(vfio_msi(h->cdev, true), 0, "enable MSI");
	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), 0, "preserve the iommufd");
	ktap_rc(lu_preserve(session, h->cdev, TOKEN_VFIO), -EBUSY, "device with MSI enabled");
	close(session);
	ktap_rc(vfio_msi(h->cdev, false), 0, "disable MSI");
	return unmark(h);
}

/* Marked and preserved is another HWPT than the one the device is on. */
static int other_hwpt(struct heart *h)
{
	int session = lu_session_create("refuse");
	uint32_t second = 0;

	ktap_rc(hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &second), 0, "second HWPT");
	ktap_rc(hwpt_mark(h->iommufd, second, TOKEN_HWPT, 0), 0, "mark it");
	ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0, "preserve the memfd");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), 0, "preserve the iommufd");
	ktap_rc(lu_preserve(session, h->cdev, TOKEN_VFIO), -EINVAL, "device on another HWPT");
	close(session);
	ktap_rc(hwpt_mark(h->iommufd, second, TOKEN_HWPT, IOMMU_HWPT_LU_MARK_CLEAR), 0,
		"clear the mark");
	return iommufd_destroy(h->iommufd, second);
}

static int preserve_cycles(struct heart *h, int n)
{
	int session, rc = 0;

	while (n-- && !rc) {
		session = preserve_all(h, "cycles");
		if (session < 0)
			return session;
		close(session);
		rc = unmark(h);
	}
	return rc;
}

/* Preserve and unpreserve, again and again: nothing may add up. */
static int cycles(struct heart *h)
{
	long pages, slab, now;

	/* the first few fill caches, and KHO's tree, which keeps its nodes */
	ktap_rc(preserve_cycles(h, 5), 0, "a few cycles");
	pages = vmstat("nr_iommu_pages");
	slab = vmstat("nr_slab_unreclaimable");
	ktap_rc(preserve_cycles(h, CYCLES), 0, "%d cycles", CYCLES);
	ktap(vmstat("nr_iommu_pages") == pages, "as many IOMMU pages as before");
	now = vmstat("nr_slab_unreclaimable");
	say("# slab pages: %ld, before %ld", now, slab);
	/* KASAN keeps freed objects for a while; that kernel has kmemleak, which sees more */
	if (access("/sys/kernel/debug/kmemleak", F_OK))
		ktap(now < slab + CYCLES / 4, "as much slab memory as before");
	ktap(access("/sys/kernel/debug/kho/out/sub_fdts/iommu-lu", F_OK) < 0,
	     "nothing is to be handed over");
	return 0;
}

/* The domain id of the device in what is preserved, or 0 */
static uint16_t preserved_did(struct heart *h)
{
	int fd, session = preserve_all(h, "did");
	off_t at = sizeof(struct iommu_lu_dump);
	struct iommu_device_ser dev;
	struct iommu_lu_hdr hdr;
	struct iommu_hw_ser hw;
	uint16_t did = 0;

	fd = open("/sys/kernel/debug/iommu_lu/outgoing", O_RDONLY | O_CLOEXEC);
	if (session >= 0 && pread(fd, &hdr, sizeof(hdr), at) == sizeof(hdr) &&
	    pread(fd, &hw, sizeof(hw), at + hdr.len) == sizeof(hw)) {
		at += hdr.len + hdr.nr_hw * hdr.hw_size + hdr.nr_domains * hdr.domain_size;
		if (pread(fd, &dev, sizeof(dev), at) == sizeof(dev))
			did = hw.type == IOMMU_HW_SER_INTEL ? dev.intel.did :
			      hw.type == IOMMU_HW_SER_SMMUV3 ? dev.smmuv3.did : dev.amd.did;
	}
	close(fd);
	close(session);
	unmark(h);
	return did;
}

/* A domain that was preserved often gives its id back when it is gone. */
static int cycle_ids(struct heart *h)
{
	uint32_t first = h->hwpt;
	uint16_t did[2];
	int i;

	for (i = 0; i < 2; i++) {
		ktap_rc(hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &h->hwpt), 0, "new HWPT");
		ktap_rc(vfio_attach(h->cdev, h->hwpt), 0, "attach it");
		did[i] = preserved_did(h);
		ktap_rc(preserve_cycles(h, CYCLES), 0, "%d cycles", CYCLES);
		ktap_rc(vfio_attach(h->cdev, first), 0, "attach the first one");
		ktap_rc(iommufd_destroy(h->iommufd, h->hwpt), 0, "destroy it");
		h->hwpt = first;
	}
	ktap(did[0] && did[0] == did[1], "domain id %u, and the next one %u", did[0], did[1]);
	return 0;
}

/*
 * To another domain in the ordinary way, which blocks the device for a moment. DMA that fails
 * then would cost the card its whole ring.
 */
static int move_to(struct heart *h, uint32_t *pt)
{
	int rc = vfio_bus_master(h->cdev, false);

	if (!rc)
		rc = vfio_attach_pt(h->cdev, pt);
	return rc ?: vfio_bus_master(h->cdev, true);
}

/* Kinds of HWPTs that are not carried, those of them that can be made on this machine. */
static int kinds(struct heart *h)
{
	static const struct {
		uint32_t flags;
		const char *name;
	} kind[] = {
		{ IOMMU_HWPT_ALLOC_NEST_PARENT, "for nesting" },
		{ IOMMU_HWPT_ALLOC_DIRTY_TRACKING, "with dirty tracking" },
		{ IOMMU_HWPT_FAULT_ID_VALID, "with a fault queue" },
		{ IOMMU_HWPT_ALLOC_PASID, "for PASIDs" },
	};
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_hwpt_alloc alloc;
	unsigned int made = 0;
	size_t i;

	ktap_rc(ioctl(h->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &fault) ? -errno : 0, 0,
		"a fault queue");
	for (i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		alloc = (struct iommu_hwpt_alloc) {
			.size = sizeof(alloc), .flags = kind[i].flags, .dev_id = h->dev_id,
			.pt_id = h->ioas, .data_type = IOMMU_HWPT_DATA_NONE,
		};
		if (kind[i].flags & IOMMU_HWPT_FAULT_ID_VALID)
			alloc.fault_id = fault.out_fault_id;
		if (ioctl(h->iommufd, IOMMU_HWPT_ALLOC, &alloc)) {
			say("# no HWPT %s here: %s", kind[i].name, strerror(errno));
			continue;
		}
		made++;
		ktap_rc(hwpt_mark(h->iommufd, alloc.out_hwpt_id, TOKEN_HWPT, 0), -EOPNOTSUPP,
			"mark of a HWPT %s", kind[i].name);
		ktap_rc(iommufd_destroy(h->iommufd, alloc.out_hwpt_id), 0, "destroy it");
	}
	close(fault.out_fault_fd);
	ktap_rc(iommufd_destroy(h->iommufd, fault.out_fault_id), 0, "destroy the fault queue");
	ktap(made, "%u kinds of HWPTs that are not carried", made);
	return 0;
}

/* A kind that is not made by IOMMU_HWPT_ALLOC */
static int automatic(struct heart *h)
{
	uint32_t first = h->hwpt, pt = h->ioas;

	ktap_rc(move_to(h, &pt), 0, "attach to the IOAS itself");
	ktap_rc(hwpt_mark(h->iommufd, pt, TOKEN_HWPT, 0), -EOPNOTSUPP,
		"mark of an automatic HWPT");
	return move_to(h, &first);
}

/* Files that nobody knows how to carry. */
static int other_files(struct heart *h)
{
	int session = lu_session_create("refuse");
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)h;
	ktap_rc(lu_preserve(session, fd, TOKEN_VFIO), -ENOENT, "a file that has no handler");
	close(fd);
	close(session);
	return 0;
}

/* The host changes the entry that the hardware uses, and changes it back. */
static int entry_changed(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	char line[2048];

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	next_cmdline(line, sizeof(line), 2);
	ktap_rc(kexec_file(line), 0, "load the next kernel");
	say("@signal 1");
	if (ktap_rc(heart_wait_signal(h, 1), 0, "the host has changed the entry"))
		ktap_rc(kexec_reboot(), -EBUSY, "kexec with another entry");
	say("@signal 2");
	ktap_rc(heart_wait_signal(h, 2), 0, "the host has changed it back");
	ktap_rc(kexec_unload(), 0, "unload it");
	close(session);
	return unmark(h);
}

/* A device behind a root port: its bus can be reset, and it can be pulled out. */
static int hot_reset(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	char path[300], port[256];

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	ktap_rc(vfio_hot_reset(h->cdev), -EBUSY, "hot reset after preserve");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", h->bdf);
	ktap_rc(file_write(path, "1"), -EBUSY, "reset by sysfs after preserve");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/..", h->bdf);
	if (ktap(!!realpath(path, port), "there is a port above it")) {
		snprintf(path, sizeof(path), "%s/reset_subordinate", port);
		ktap_rc(file_write(path, "1"), -EBUSY, "reset below its port after preserve");
	}
	close(session);
	return unmark(h);
}

static void *remove_thread(void *arg)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", (const char *)arg);
	return (void *)(long)file_write(path, "1");
}

/*
 * The device is pulled out while it is preserved. vfio-pci does not let go of it
 * before its files are closed, and the session has one of them. A freeze that
 * went ahead would be followed by a shutdown that waits for the same.
 */
static int removed(struct heart *h)
{
	int session = preserve_all(h, "refuse");
	char path[160], line[2048];
	pthread_t thread;
	void *rc = NULL;

	if (!ktap_rc(session, 0, "preserve everything"))
		return session;
	next_cmdline(line, sizeof(line), 2);
	ktap_rc(kexec_file(line), 0, "load the next kernel");
	heart_poll_stop(h);
	pthread_create(&thread, NULL, remove_thread, h->bdf);
	/* the class device goes first */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", h->bdf);
	while (!access(path, F_OK))
		usleep(1000);
	ktap_rc(kexec_reboot(), -EBUSY, "kexec while the device is being removed");
	ktap_rc(kexec_unload(), 0, "unload it");
	close(session);
	unmark(h);
	/* the mapping of its registers is one more user of the file */
	munmap((void *)h->bar, h->bar_len);
	close(h->cdev);
	pthread_join(thread, &rc);
	ktap_rc((long)rc, 0, "the device is gone when its files are closed");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", h->bdf);
	ktap(access(path, F_OK) < 0, "it is gone from sysfs");
	return 0;
}

/* Nothing but D0 is carried. */
static int asleep(struct heart *h)
{
	int session, cap = vfio_config_cap(h->cdev, PCI_CAP_ID_PM);

	ktap_rc(cap, 0, "power management capability");
	ktap_rc(vfio_config_write16(h->cdev, cap + PCI_PM_CTRL, 3), 0, "go to D3hot");
	session = preserve_all(h, "refuse");
	ktap_rc(session, -EINVAL, "device in D3hot");
	if (session >= 0)
		close(session);
	ktap_rc(vfio_config_write16(h->cdev, cap + PCI_PM_CTRL, 0), 0, "go back to D0");
	return unmark(h);
}

/* Another function of the device shares its group, or what a reset hits. */
static int shared(struct heart *h)
{
	const char *sibling = opt_str("sibling", NULL);
	int session;

	if (sibling)
		ktap_rc(vfio_bind_driver(sibling, "vfio-pci"), 0, "bind %s to vfio-pci", sibling);
	session = preserve_all(h, "refuse");
	ktap_rc(session, -EOPNOTSUPP, "device that is not alone");
	if (session >= 0)
		close(session);
	return unmark(h);
}

static const struct {
	const char *name;
	int (*run)(struct heart *h);
	bool only_when_named;
	bool never_works;
	bool stops;		/* the device does not receive afterwards */
} tries[] = {
	{ .name = "mark-errors", .run = mark_errors },
	{ .name = "not-marked", .run = not_marked },
	{ .name = "memfd-missing", .run = memfd_missing },
	{ .name = "memfd-elsewhere", .run = memfd_elsewhere },
	{ .name = "device-first", .run = device_first },
	{ .name = "iommufd-elsewhere", .run = iommufd_elsewhere },
	{ .name = "anonymous", .run = anonymous },
	{ .name = "punched", .run = punched },
	{ .name = "unbound", .run = unbound },
	{ .name = "frozen", .run = frozen },
	{ .name = "suspend", .run = suspend },
	{ .name = "interrupts", .run = interrupts },
	{ .name = "other-hwpt", .run = other_hwpt },
	{ .name = "kinds", .run = kinds },
	{ .name = "automatic", .run = automatic },
	{ .name = "other-files", .run = other_files },
	{ .name = "cycles", .run = cycles },
	{ .name = "kexec-nothing", .run = kexec_nothing },
	{ .name = "kexec-without-kho", .run = kexec_without_kho },
	{ .name = "kexec-foreign", .run = kexec_foreign, .only_when_named = true },
	{ .name = "entry-changed", .run = entry_changed, .only_when_named = true },
	{ .name = "cycle-ids", .run = cycle_ids, .only_when_named = true, .stops = true },
	{ .name = "hot-reset", .run = hot_reset, .only_when_named = true },
	{ .name = "removed", .run = removed, .only_when_named = true, .never_works = true,
	  .stops = true },
	{ .name = "asleep", .run = asleep, .only_when_named = true, .stops = true },
	{ .name = "shared", .run = shared, .only_when_named = true, .never_works = true },
};

/* lu.try=NAME runs one of them, default is all that need no special disk. */
void case_refuse(long stage)
{
	const char *one = opt_str("try", NULL);
	static struct heart h;
	long pages = -1;
	size_t i;
	int rc;

	if (!ktap(stage == 1, "still in the first kernel"))
		return;
	if (!setup_heart(&h, 0, card_bdf(0)))
		return;

	/* the disk's tables come and go as it is used: not after this */
	ktap_rc(payload_unpack(), 0, "read the next kernel from the disk");
	/* An unmap leaves upper tables in place: have them before counting. */
	rc = ioas_map_file(h.iommufd, h.ioas, h.memfd, 0, page_size(), OTHER_IOVA);
	if (!rc)
		rc = ioas_unmap(h.iommufd, h.ioas, OTHER_IOVA, page_size());
	ktap_rc(rc, 0, "map and unmap a page");
	/* So is the table of its interrupts, with some IOMMUs. */
	rc = vfio_msi(h.cdev, true);
	if (!rc)
		rc = vfio_msi(h.cdev, false);
	ktap_rc(rc, 0, "enable and disable MSI");
	pages = vmstat("nr_iommu_pages");

	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (one ? strcmp(one, tries[i].name) : tries[i].only_when_named)
			continue;
		say("# try %s", tries[i].name);
		ktap_rc(tries[i].run(&h), 0, "%s: marks as before", tries[i].name);

		if (!tries[i].never_works) {
			rc = preserve_all(&h, "normal");
			ktap_rc(rc, 0, "%s: a normal preserve works", tries[i].name);
			if (rc >= 0)
				close(rc);
			unmark(&h);
		}
		if (tries[i].stops)
			continue;
		ktap_rc(heart_wait_more(&h, 10), 0, "%s: frames keep arriving",
			tries[i].name);
		ktap(vmstat("nr_iommu_pages") == pages, "%s: no IOMMU page left behind",
		     tries[i].name);
	}
	ktap(heart_intact(&h), "every frame whole and in order");
	check_leaks();
}

/* liveupdate=off on the command line */
void case_disabled(long stage)
{
	static struct heart h;

	if (!ktap(stage == 1, "still in the first kernel"))
		return;
	if (!setup_heart(&h, 0, card_bdf(0)))
		return;
	ktap_rc(mark(&h), -EOPNOTSUPP, "mark with live update disabled");
	ktap_rc(lu_session_create("refuse"), -ENOENT, "no /dev/liveupdate");
	ktap_rc(heart_wait_more(&h, 50), 0, "frames keep arriving");
	ktap(heart_intact(&h), "every frame whole and in order");
	check_leaks();
}
