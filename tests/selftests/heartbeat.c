// SPDX-License-Identifier: GPL-2.0
/* The live update itself, and variations of its second half. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "cases.h"
#include "lu.h"

#define U(n)	((unsigned long long)(n))

static bool want_iommu(void)
{
	return opt_num("preserve", 1);
}

/*
 * Called at the same point in every kernel: the old tables must be gone, and
 * nothing may add up over the updates. The disk's own tables vary by up to
 * four pages with the addresses it happened to get; a domain of ours has a dozen.
 */
static void check_pages(struct heart *h, long stage)
{
	long pages = vmstat("nr_iommu_pages");

	/* caches are not what we want to know of */
	file_write("/proc/sys/vm/drop_caches", "3");
	say("@counters stage=%ld iommu=%ld unreclaimable=%ld used=%ld", stage, pages,
	    vmstat("nr_slab_unreclaimable"),
	    meminfo_kb("MemTotal") / (long)(page_size() / 1024) - free_pages());

	say("# stage %ld: nr_iommu_pages %ld, first stage had %llu", stage, pages,
	    U(h->st->iommu_pages));
	if (stage == 1)
		h->st->iommu_pages = pages;
	else if (opt_num("disk", 1))	/* else a machine that other devices live in */
		ktap(pages > 0 && pages <= (long)h->st->iommu_pages + 6,
		     "as many IOMMU pages as in the first kernel");
}

/* Leave for the next kernel; comes back only if that did not work. */
static void heartbeat_leave(struct heart *h, long stage)
{
	int session, rc;

	if (!ktap_rc(payload_unpack(), 0, "find the next kernel"))
		return;

	check_pages(h, stage);

	if (!ktap_rc(heart_wait(h, heart_frames(h) + opt_num("warmup", 300)), 0,
		     "warm-up"))
		return;
	ktap(heart_intact(h), "every frame so far is whole and in order");

	phase("preserve", "begin", h);
	if (want_iommu()) {
		session = preserve_all(h, SESSION_NAME);
		if (!ktap_rc(session, 0, "mark the HWPT, preserve memfd, iommufd and device"))
			return;
	} else {
		session = lu_session_create(SESSION_NAME);
		if (!ktap_rc(session, 0, "create session") ||
		    !ktap_rc(lu_preserve(session, h->memfd, TOKEN_MEMFD), 0,
			     "preserve the memfd and nothing else"))
			return;
	}
	if (want_iommu() && opt_num("strict", 0))
		preserve_spare(session);
	phase("preserve", "end", h);
	say_file("/sys/kernel/debug/iommu_lu/state");
	say_dump("outgoing");

	/* An attempt that is refused must not spoil the one that is not. */
	if (want_iommu() && opt_num("strict", 0)) {
		ktap_rc(kexec_plain(), 0, "load an image without handover data");
		ktap_rc(kexec_reboot(), -ENOEXEC, "kexec to it is refused");
		ktap_rc(kexec_unload(), 0, "unload it");
	}

	rc = jump(stage);
	phase("freeze", "refused", h);
	ktap_rc(rc, 0, "kexec");
}

static void heartbeat_first(struct heart *h)
{
	static struct heart second;
	const char *bdf2 = opt_str("nic2", NULL);

	if (!setup_heart(h, 0, card_bdf(0)))
		return;
	if (bdf2 && !setup_heart(&second, 1, bdf2))
		return;
	heartbeat_leave(h, 1);
}

/* What must not be possible while the device is held for its session. */
static void try_held(const char *bdf)
{
	char path[128];
	int rc;

	/* a driver that asks for DMA; it would not fit, but must not get that far */
	rc = vfio_bind_driver(bdf, "virtio-pci");
	ktap_rc(rc, -EBUSY, "held device: bind of a native driver is refused");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	file_write(path, "\n");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type", bdf);
	ktap_rc(file_write(path, "DMA"), -EPERM, "held device: type of its group cannot change");
}

static void try_open(const char *bdf)
{
	int fd = vfio_open(bdf);

	ktap_rc(fd, -EBUSY, "held device: open of its cdev by path is refused");
	if (fd >= 0)
		close(fd);
}

static void try_fresh_iommufd(struct heart *h)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	uint32_t id;

	ktap_rc(vfio_bind(h->cdev, fd, &id), -EBUSY,
		"held device: bind to another iommufd is refused");
	close(fd);
}

static bool retrieve(struct heart *h, int session, const char *bdf)
{
	int memfd = lu_retrieve(session, TOKEN_MEMFD);

	return ktap_rc(memfd, 0, "retrieve the memfd") &&
	       ktap_rc(heart_adopt(h, bdf, memfd), 0, "adopt ring and buffers") &&
	       ktap_rc(heart_poll_start(h), 0, "poll");
}

/* LUO has these files in a session already, until that is finished. */
static void try_preserve(struct heart *h)
{
	int session = lu_session_create("again");

	ktap_rc(session, 0, "another session");
	ktap_rc(lu_preserve(session, h->iommufd, TOKEN_IOMMUFD), -EBUSY,
		"preserve of an iommufd that is not finished is refused");
	ktap_rc(lu_preserve(session, h->cdev, TOKEN_VFIO), -EBUSY,
		"preserve of a device that is not finished is refused");
	close(session);
}

/* A HWPT over all of the memfd but one page, where there is another one or none. */
static int other_hwpt(struct heart *h, uint64_t off, bool another, uint32_t *ioas, uint32_t *hwpt)
{
	uint64_t size = page_size(), end = off + size;
	int rc = ioas_alloc(h->iommufd, ioas);

	if (!rc && off)
		rc = ioas_map_file(h->iommufd, *ioas, h->memfd, 0, off, h->st->iova);
	if (!rc && end < h->size)
		rc = ioas_map_file(h->iommufd, *ioas, h->memfd, end, h->size - end,
				   h->st->iova + end);
	if (!rc && another)
		rc = ioas_map_file(h->iommufd, *ioas, h->memfd, off ? 0 : end, size,
				   h->st->iova + off);
	return rc ? rc : hwpt_alloc(h->iommufd, h->dev_id, *ioas, 0, hwpt);
}

/* Is it found out when the new HWPT does not map what the restored one maps? */
static void try_verify(struct heart *h, uint32_t restored)
{
	uint64_t middle = h->size / 2 & -page_size(), last = h->size - page_size(), iova;
	const struct {
		uint64_t off;
		bool another;
	} wrong[] = {
		{ 0, false }, { 0, true }, { middle, false }, { middle, true },
		{ last, false }, { last, true },
	};
	uint32_t ioas, hwpt;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ktap_rc(other_hwpt(h, wrong[i].off, wrong[i].another, &ioas, &hwpt), 0,
			"a HWPT with %s at offset %#llx",
			wrong[i].another ? "another page" : "no page", U(wrong[i].off));
		ktap_rc(hwpt_verify(h->iommufd, restored, hwpt, &iova), -EDOM,
			"verify: the difference is found");
		ktap(iova == h->st->iova + wrong[i].off, "verify: it is at %#llx", U(iova));
		ktap_rc(iommufd_destroy(h->iommufd, hwpt), 0, "destroy it");
		ktap_rc(iommufd_destroy(h->iommufd, ioas), 0, "and its IOAS");
	}
	/* more does not matter */
	ktap_rc(ioas_map_file(h->iommufd, h->ioas, h->memfd, 0, page_size(),
			      h->st->iova + h->size), 0, "map a page beyond");
	ktap_rc(hwpt_verify(h->iommufd, restored, h->hwpt, &iova), 0, "verify: one page more");
	ktap_rc(ioas_unmap(h->iommufd, h->ioas, h->st->iova + h->size, page_size()), 0,
		"unmap it");

	ktap_rc(hwpt_verify(h->iommufd, h->hwpt, h->hwpt, &iova), -ENOENT,
		"verify: what is not restored is refused");
	ktap_rc(hwpt_verify(h->iommufd, restored, restored, &iova), -ENOENT,
		"verify: a restored one in place of the new one is refused");
	ktap_rc(hwpt_verify(h->iommufd, restored, h->ioas, &iova), -ENOENT,
		"verify: an IOAS in place of the new one is refused");
}

/* The device has a domain, which is to be taken over before there is another. */
static void try_attach(struct heart *h, uint32_t restored)
{
	uint32_t ioas, hwpt;

	ktap_rc(vfio_attach_unwritable(h->cdev, restored), -EFAULT,
		"attach with a structure that cannot be written to");
	ktap_rc(ioas_alloc(h->iommufd, &ioas), 0, "an IOAS");
	ktap_rc(hwpt_alloc(h->iommufd, h->dev_id, ioas, 0, &hwpt), 0, "a HWPT of it");
	ktap_rc(vfio_attach(h->cdev, hwpt), -EBUSY,
		"attach of another HWPT before the restored one is refused");
	ktap_rc(vfio_attach(h->cdev, ioas), -EBUSY,
		"attach of an IOAS before the restored HWPT is refused");
	ktap_rc(iommufd_destroy(h->iommufd, hwpt), 0, "destroy the HWPT");
	ktap_rc(iommufd_destroy(h->iommufd, ioas), 0, "and its IOAS");
}

/* A device that was not handed over with the iommufd */
static void try_other(struct heart *h, int want, const char *what)
{
	const char *bdf = opt_str("other", NULL);
	uint32_t id;
	int fd;

	if (!bdf)
		return;
	ktap_rc(vfio_bind_driver(bdf, "vfio-pci"), 0, "bind another device to vfio-pci");
	fd = vfio_open(bdf);
	ktap_rc(vfio_bind(fd, h->iommufd, &id), want, "%s", what);
	close(fd);
}

static bool hotswap(struct heart *h, int session, bool strict)
{
	uint32_t old, pt;
	uint64_t iova;

	if (strict)
		ktap_rc(vfio_bind_unwritable(h->cdev, h->iommufd), -EFAULT,
			"bind with a structure that cannot be written to");
	phase("bind", "begin", h);
	if (!ktap_rc(vfio_bind(h->cdev, h->iommufd, &h->dev_id), 0,
		     "bind the device to the retrieved iommufd"))
		return false;
	phase("bind", "end", h);
	if (!ktap_rc(hwpt_get(h->iommufd, TOKEN_HWPT, &old), 0, "restored HWPT by token"))
		return false;
	if (strict)
		try_attach(h, old);
	if (!ktap_rc(vfio_attach(h->cdev, old), 0, "attach the restored HWPT"))
		return false;
	if (strict) {
		uint32_t none;

		ktap_rc(hwpt_get(h->iommufd, TOKEN_HWPT + 1, &none), -ENOENT,
			"an unknown token has no HWPT");
		ktap_rc(iommufd_destroy(h->iommufd, old), -EBUSY,
			"destroy of the attached restored HWPT is refused");
		ktap_rc(lu_finish(session), -EBUSY,
			"finish is refused while the restored HWPT lives");
	}
	phase("rebuild", "begin", h);
	if (!ktap_rc(heart_map(h), 0, "new HWPT over the same memfd"))
		return false;
	if (!ktap_rc(hwpt_verify(h->iommufd, old, h->hwpt, &iova), 0, "it maps the same"))
		return false;
	if (strict)
		try_verify(h, old);
	phase("rebuild", "end", h);
	/* the IOAS itself: its automatic HWPT is the new one */
	pt = strict ? h->ioas : h->hwpt;
	phase("hotswap", "begin", h);
	if (!ktap_rc(vfio_attach_pt(h->cdev, &pt), 0, "replace the restored HWPT"))
		return false;
	phase("hotswap", "end", h);
	if (strict) {
		ktap_rc(hwpt_verify(h->iommufd, old, pt, &iova), -EOPNOTSUPP,
			"verify: an automatic HWPT is refused");
		ktap_rc(iommufd_destroy(h->iommufd, h->hwpt), 0, "destroy the other new HWPT");
		h->hwpt = pt;
		ktap_rc(lu_finish(session), -EBUSY,
			"finish is refused until the restored HWPT is destroyed");
		try_preserve(h);
		try_other(h, -EPERM, "bind of another device to the iommufd is refused");
	}
	if (!ktap_rc(iommufd_destroy(h->iommufd, old), 0, "destroy the restored HWPT"))
		return false;
	if (strict)
		try_other(h, 0, "another device can be bound to the iommufd");
	return true;
}

/* Without preservation the device has to be set going again. */
static bool restart(struct heart *h, const char *bdf)
{
	h->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (!ktap_rc(h->iommufd, 0, "new iommufd"))
		return false;
	h->cdev = vfio_open(bdf);
	return ktap_rc(h->cdev, 0, "open the device") &&
	       ktap_rc(vfio_bind(h->cdev, h->iommufd, &h->dev_id), 0, "bind") &&
	       ktap_rc(heart_map(h), 0, "map the memfd") &&
	       ktap_rc(vfio_attach(h->cdev, h->hwpt), 0, "attach") &&
	       ktap_rc(vfio_bus_master(h->cdev, true), 0, "bus master on");
}

static bool finish(struct heart *h, int session)
{
	phase("finish", "begin", h);
	if (!ktap_rc(lu_finish(session), 0, "finish the session"))
		return false;
	close(session);
	phase("finish", "end", h);
	return ktap_rc(heart_wait_more(h, opt_num("tail", 100)), 0, "frames keep arriving");
}

bool heartbeat_take_over(struct heart *h, int session)
{
	return hotswap(h, session, opt_num("strict", 0)) && finish(h, session);
}

static void heartbeat_next(struct heart *h, long stage)
{
	const char *bdf = card_bdf(0);
	bool strict = opt_num("strict", 0) && want_iommu();
	long updates = opt_num("updates", 1);
	int session, spare = -1;

	say_dump("incoming");
	if (strict)
		try_held(bdf);
	if (!opt_num("unbound", 0) &&
	    !ktap_rc(vfio_bind_driver(bdf, "vfio-pci"), 0, "bind to vfio-pci # %s", bdf))
		return;
	if (strict)
		try_open(bdf);

	say("@phase retrieve begin");
	session = lu_session_retrieve(SESSION_NAME);
	if (!ktap_rc(session, 0, "retrieve the session") ||
	    !retrieve(h, session, bdf))
		return;
	if (want_iommu()) {
		h->iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
		if (!ktap_rc(h->iommufd, 0, "retrieve the iommufd"))
			return;
		h->cdev = lu_retrieve(session, TOKEN_VFIO);
		if (!ktap_rc(h->cdev, 0, "retrieve the device"))
			return;
	}
	phase("retrieve", "end", h);

	ktap(h->unseen >= U(opt_num("between", want_iommu())),
	     "frames landed between the kernels # %llu", U(h->unseen));
	if (want_iommu()) {
		if (strict) {
			try_open(bdf);
			try_fresh_iommufd(h);
			spare = try_pins(h, session);
		}
		if (!heartbeat_take_over(h, session))
			return;
		if (strict)
			try_unpinned(spare);
	} else if (!restart(h, bdf) || !finish(h, session)) {
		return;
	}
	if (want_iommu()) {
		int cmd = vfio_config_read16(h->cdev, PCI_COMMAND);

		if (ktap_rc(cmd, 0, "read the command register"))
			ktap(cmd & PCI_COMMAND_MASTER, "bus master is on");
	}

	if (stage <= updates) {
		heartbeat_leave(h, stage);
		return;
	}

	if ((!opt_num("disk", 1) ||
	     ktap_rc(payload_unpack(), 0, "another device does DMA as well")) && want_iommu())
		check_pages(h, stage);
	check_leaks();
	ktap_rc(heart_wait(h, opt_num("frames", 0)), 0, "frames in all # %ld",
		opt_num("frames", 0));
	ktap(heart_intact(h), "every frame whole and in order # %llu frames",
	     U(heart_frames(h)));
}

void case_heartbeat(long stage)
{
	static struct heart h;

	if (stage == 1)
		heartbeat_first(&h);
	else
		heartbeat_next(&h, stage);
	phase("last", "end", &h);
	if (h.st)
		say("@totals frames=%llu lost=%llu bad=%llu", U(h.st->expect),
		    U(h.st->lost), U(h.st->bad));
}

/* No update at all: for tests of the tests. */
void case_receive(long stage)
{
	static struct heart h;

	if (!ktap(stage == 1, "still in the first kernel") ||
	    !setup_heart(&h, 0, card_bdf(0)))
		return;
	phase("receive", "begin", &h);
	ktap_rc(heart_wait(&h, opt_num("frames", 600)), 0, "frames arrive");
	phase("receive", "end", &h);
	ktap(heart_intact(&h), "every frame whole and in order");
}

/* ---- the next kernel cannot take the device over ---- */

static int command_register(const char *bdf)
{
	char path[128];
	uint16_t cmd;
	int fd, rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = pread(fd, &cmd, sizeof(cmd), PCI_COMMAND) == sizeof(cmd) ? cmd : -EIO;
	close(fd);
	return rc;
}

/* The kernel's own driver has taken a device that was stopped for one like any other. */
static bool has_driver(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	return !access(path, F_OK);
}

/*
 * Stage 1 as in the heartbeat. In the next kernel the device must be quiet and
 * its domain must not be handed out, but everything else works.
 */
void case_closed(long stage)
{
	const char *bdf = card_bdf(0);
	static struct heart h;
	int session, iommufd, cdev, cmd;
	uint32_t id;

	if (stage == 1) {
		heartbeat_first(&h);
		return;
	}
	say_dump("incoming");
	cmd = command_register(bdf);
	say("# command register %04x", cmd);
	ktap(cmd >= 0 && (!(cmd & PCI_COMMAND_MASTER) || has_driver(bdf)), "bus master is off");

	/* The memory comes back whole, the domain does not. */
	session = lu_session_retrieve(SESSION_NAME);
	if (!ktap_rc(session, 0, "retrieve the session") ||
	    !retrieve(&h, session, bdf))
		return;
	iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
	if (opt_num("domain_lost", 0) && iommufd >= 0)
		ktap_rc(hwpt_get(iommufd, TOKEN_HWPT, &id), -EIO,
			"the restored HWPT is refused");
	else
		say("# iommufd: %s", iommufd < 0 ? strerrorname_np(-iommufd) : "retrieved");
	cdev = lu_retrieve(session, TOKEN_VFIO);
	if (cdev >= 0)
		close(cdev);
	ktap_rc(cdev, -opt_num("errno", EIO), "the device is refused");
	if (opt_num("finish", 0))
		ktap_rc(lu_finish(session), 0, "finish the session");
	/* let the poller reach the last frame that landed */
	while (heart_wait_more(&h, 1) == 0)
		say("# frame %llu", U(heart_frames(&h)));
	ktap(heart_intact(&h) || (!h.st->lost && h.st->bad <= U(opt_num("torn", 0))),
	     "%llu frames landed, every one whole and in order", U(heart_frames(&h)));
	ktap_rc(payload_unpack(), 0, "another device still does DMA");
	check_leaks();
}
