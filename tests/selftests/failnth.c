// SPDX-License-Identifier: GPL-2.0
/*
 * Allocation failures at every site of preserve, freeze and retrieve, by
 * /proc/thread-self/fail-nth. A step is done again and again, with the first, the
 * second, ... allocation failing, until there is none left to fail. Each time
 * it must either work or say that there was no memory, and leave nothing behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include <linux/iommufd-liveupdate.h>
#include <linux/pci_regs.h>

#include "cases.h"
#include "lu.h"

#define DEBUG_DIR	"/sys/kernel/debug/"
#define LIMIT		2000	/* sites of one step; far more than there are */

static int nth_fd = -1, all_fd = -1;

/* Let any allocation fail, and quietly. */
static bool nth_setup(void)
{
	static const char * const knobs[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/task-filter", "Y" },
		{ "failslab/times", "-1" },
		{ "failslab/verbose", "0" },
		{ "failslab/probability", "100" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/task-filter", "Y" },
		{ "fail_page_alloc/times", "-1" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_page_alloc/probability", "100" },
	};
	char path[128];
	int rc = 0;
	size_t i;

	for (i = 0; i < sizeof(knobs) / sizeof(knobs[0]) && !rc; i++) {
		snprintf(path, sizeof(path), DEBUG_DIR "%s", knobs[i][0]);
		rc = file_write(path, knobs[i][1]);
	}
	/* lookups of objects in iommufd, in a kernel that has its selftest */
	file_write(DEBUG_DIR "fail_iommufd/verbose", "0");
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	all_fd = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	return ktap_rc(rc ? rc : nth_fd, 0, "fault injection") &&
	       ktap_rc(all_fd, 0, "fault injection for this thread");
}

/* Every allocation fails: what an xarray does is tried twice. */
static void starve(bool on)
{
	if (pwrite(all_fd, on ? "1" : "0", 1, 0) != 1)
		ktap(false, "fault injection on or off: %s", strerrorname_np(errno));
}

static void nth_arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth_fd, text, len, 0) != len)
		ktap(false, "arm fault injection: %s", strerrorname_np(errno));
}

/* What a failure that was made may look like. */
static bool sensible(int rc)
{
	return rc == -ENOMEM || (rc == -ENOENT && !access(DEBUG_DIR "fail_iommufd", F_OK));
}

/* Has an allocation failed since nth_arm()? */
static bool nth_hit(void)
{
	char text[16] = "0";
	ssize_t len = pread(nth_fd, text, sizeof(text) - 1, 0);

	if (len > 0)
		text[len] = 0;
	/* this may be what fails, if nothing did before */
	if (pwrite(nth_fd, "0", 1, 0) != 1 && pwrite(nth_fd, "0", 1, 0) != 1)
		ktap(false, "disarm fault injection: %s", strerrorname_np(errno));
	return len > 0 && !strtoul(text, NULL, 10);
}

/* ---- the old kernel ---- */

static bool state_has(const char *what)
{
	char text[4096];

	return file_read(DEBUG_DIR "iommu_lu/state", text, sizeof(text)) < 0 ||
	       strstr(text, what);
}

/* Nothing is preserved: no record, no blob, no page. */
static bool clean(const char *step, unsigned int n, long pages)
{
	const char *what = NULL;
	long now = vmstat("nr_iommu_pages");

	if (!state_has("outgoing: nothing preserved\n") ||
	    !access(DEBUG_DIR "kho/out/sub_fdts/iommu-lu", F_OK))
		what = "a record";
	else if (now != pages)
		what = "IOMMU pages";
	if (!what)
		return true;
	say_file(DEBUG_DIR "iommu_lu/state");
	return ktap(false, "%s, allocation %u: %s left behind (pages %ld, before %ld)", step, n,
		    what, now, pages);
}

static int session;

static int begin_mark(struct heart *h)
{
	(void)h;
	session = -1;
	return 0;
}

static int begin_session(struct heart *h)
{
	session = -1;
	return hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 0);
}

static int begin_memfd(struct heart *h)
{
	int rc = begin_session(h);

	if (rc)
		return rc;
	session = lu_session_create("failnth");
	return session < 0 ? session : 0;
}

static int begin_iommufd(struct heart *h)
{
	int rc = begin_memfd(h);

	return rc ? rc : lu_preserve(session, h->memfd, TOKEN_MEMFD);
}

static int begin_device(struct heart *h)
{
	int rc = begin_iommufd(h);

	return rc ? rc : lu_preserve(session, h->iommufd, TOKEN_IOMMUFD);
}

static int begin_unpreserve(struct heart *h)
{
	int rc = begin_device(h);

	return rc ? rc : lu_preserve(session, h->cdev, TOKEN_VFIO);
}

static int do_mark(struct heart *h)
{
	return hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 0);
}

static int do_session(struct heart *h)
{
	(void)h;
	session = lu_session_create("failnth");
	return session < 0 ? session : 0;
}

static int do_memfd(struct heart *h)
{
	return lu_preserve(session, h->memfd, TOKEN_MEMFD);
}

static int do_iommufd(struct heart *h)
{
	return lu_preserve(session, h->iommufd, TOKEN_IOMMUFD);
}

static int do_device(struct heart *h)
{
	return lu_preserve(session, h->cdev, TOKEN_VFIO);
}

static int do_unpreserve(struct heart *h)
{
	int rc = close(session) ? -errno : 0;

	(void)h;
	session = -1;
	return rc;
}

static const struct step {
	const char *name;
	int (*begin)(struct heart *h);
	int (*run)(struct heart *h);
	bool never_fails;
	bool nth_only;		/* the kernel's own handler: vmalloc() complains loudly */
} steps[] = {
	{ .name = "mark", .begin = begin_mark, .run = do_mark },
	{ .name = "session", .begin = begin_session, .run = do_session },
	{ .name = "preserve-memfd", .begin = begin_memfd, .run = do_memfd,
	  .nth_only = true },
	{ .name = "preserve-iommufd", .begin = begin_iommufd, .run = do_iommufd },
	{ .name = "preserve-device", .begin = begin_device, .run = do_device },
	{ .name = "unpreserve", .begin = begin_unpreserve, .run = do_unpreserve,
	  .never_fails = true },
};

static void unmark(struct heart *h)
{
	hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, IOMMU_HWPT_LU_MARK_CLEAR);
}

static void end_step(struct heart *h)
{
	if (session >= 0)
		close(session);
	unmark(h);
}

static bool without_memory(const struct step *step, struct heart *h, long pages)
{
	int rc = step->begin(h);

	if (rc)
		return ktap_rc(rc, 0, "%s, without memory: steps before", step->name);
	starve(true);
	rc = step->run(h);
	starve(false);
	end_step(h);
	return ktap(rc >= 0 || (sensible(rc) && !step->never_fails), "%s, without memory: %s",
		    step->name, rc < 0 ? strerrorname_np(-rc) : "works") &&
	       clean(step->name, 0, pages);
}

/* One step with each of its allocations failing in turn. */
static bool try_step(const struct step *step, struct heart *h, long pages)
{
	unsigned int n, failed = 0;
	bool hit = true;
	int rc;

	for (n = 1; hit && n < LIMIT; n++) {
		rc = step->begin(h);
		if (rc)
			return ktap_rc(rc, 0, "%s, allocation %u: steps before", step->name, n);
		nth_arm(n);
		rc = step->run(h);
		hit = nth_hit();
		end_step(h);

		failed += rc < 0;
		if (rc < 0 && (!hit || !sensible(rc) || step->never_fails))
			return ktap_rc(rc, hit && !step->never_fails ? -ENOMEM : 0,
				       "%s, allocation %u", step->name, n);
		if (!clean(step->name, n, pages))
			return false;
	}
	say("@sites %s %u failed=%u", step->name, n - 2, failed);

	return ktap(n < LIMIT, "%s: works or fails cleanly whichever allocation fails",
		    step->name);
}

/*
 * The freeze is tried without any memory, and then until it works, which is the
 * jump. An allocation of the shutdown fails then.
 */
static void try_freeze(struct heart *h, long stage)
{
	unsigned int n;
	char line[2048];
	bool hit;
	int rc;

	rc = preserve_all(h, SESSION_NAME);
	if (!ktap_rc(rc, 0, "preserve everything"))
		return;
	rc = next_cmdline(line, sizeof(line), stage + 1);
	if (!rc)
		rc = kexec_file(line);
	if (!ktap_rc(rc, 0, "load the next kernel"))
		return;

	phase("preserve", "begin", h);
	phase("preserve", "end", h);
	for (n = 0; n < LIMIT; n++) {
		ktap_end();
		say("@phase freeze begin");
		if (n)
			nth_arm(n);
		else
			starve(true);
		rc = kexec_reboot();
		hit = n ? nth_hit() : true;
		starve(false);
		ktap_begin();
		phase("freeze", "refused", h);
		if (!ktap(hit, "freeze, allocation %u: it is what failed", n) ||
		    !ktap_rc(rc, -ENOMEM, "freeze, allocation %u", n) ||
		    !ktap(!state_has("sealed") && !state_has("frozen"),
			  "freeze, allocation %u: cancelled as a whole", n) ||
		    !ktap_rc(heart_wait_more(h, 10), 0, "frames keep arriving"))
			return;
	}
	ktap(false, "freeze works some time");
}

void case_failnth(long stage)
{
	static struct heart h;
	long pages;
	size_t i;
	int rc;

	if (stage > 1) {
		case_heartbeat(stage);
		return;
	}
	if (!nth_setup() || !setup_heart(&h, 0, card_bdf(0)))
		return;
	/* the disk's tables come and go as it is used: not after this */
	if (!ktap_rc(payload_unpack(), 0, "read the next kernel from the disk"))
		return;
	pages = vmstat("nr_iommu_pages");
	h.st->iommu_pages = pages;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!try_step(&steps[i], &h, pages) ||
		    (!steps[i].nth_only && !without_memory(&steps[i], &h, pages)))
			return;
		rc = preserve_all(&h, "normal");
		ktap_rc(rc, 0, "%s: a normal preserve works", steps[i].name);
		if (rc >= 0)
			close(rc);
		unmark(&h);
		ktap_rc(heart_wait_more(&h, 10), 0, "%s: frames keep arriving", steps[i].name);
	}
	ktap(heart_intact(&h), "every frame whole and in order");
	check_leaks();
	try_freeze(&h, stage);
}

/* ---- the new kernel ---- */

/*
 * lu.fail=memfd:N, iommufd:N or device:N: the Nth allocation fails. With
 * lu.spare=BYTES it is those of the slab allocator after so many bytes, which is
 * what an xarray takes for a no. LUO does not try again, so that there is one
 * attempt in each kernel.
 */
static long nth_of(const char *step)
{
	const char *fail = opt_str("fail", "");
	size_t len = strlen(step);

	return strncmp(fail, step, len) || fail[len] != ':' ? 0 : strtol(fail + len + 1, NULL, 0);
}

static int retrieve(const char *step, int from, uint64_t token, bool *hit)
{
	const char *spare = opt_str("spare", NULL);
	long n = nth_of(step);
	int fd;

	if (n && spare) {
		file_write(DEBUG_DIR "fail_page_alloc/probability", "0");
		file_write(DEBUG_DIR "failslab/space", spare);
		starve(true);
	} else if (n) {
		nth_arm(n);
	}
	fd = lu_retrieve(from, token);
	if (n && spare)
		starve(false);
	if (n) {
		*hit = spare ? fd < 0 : nth_hit();
		say("@retrieve %s %ld %s %s", step, n, *hit ? "hit" : "spared",
		    fd < 0 ? strerrorname_np(-fd) : "done");
		if (fd < 0)
			ktap(*hit && (fd == -ENOMEM || (token == TOKEN_MEMFD &&
							(fd == -EINVAL || fd == -ENOSPC))),
			     "%s, allocation %ld: says that there is no memory (%s)", step, n,
			     strerrorname_np(-fd));
	}
	return fd;
}

/*
 * Take what memory there is, and look whether somebody else writes to it: a
 * device, if memory that it is doing DMA to was given away.
 */
static void check_memory(void)
{
	uint64_t *mem, size = 0, i, bad = 0;
	long free = vmstat("nr_free_pages");

	size = (uint64_t)(free > 0 ? free : 0) * page_size() / 10 * 8;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		   -1, 0);
	if (!ktap(mem != MAP_FAILED, "get %llu MiB of memory", (unsigned long long)size >> 20))
		return;
	for (i = 0; i < size / sizeof(*mem); i++)
		bad += mem[i] != 0;
	ktap(!bad, "nobody writes to free memory");
	munmap(mem, size);
}

/* The device goes on and nobody can touch it. */
static void check_held(struct heart *h, int from, int iommufd, int cdev, const char *bdf)
{
	char path[128];
	uint16_t cmd = 0;
	uint32_t id;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(fd, &cmd, sizeof(cmd), PCI_COMMAND) != sizeof(cmd))
		cmd = 0;
	close(fd);
	ktap(cmd & PCI_COMMAND_MASTER, "bus master is on");

	fd = vfio_open(bdf);
	ktap_rc(fd, -EBUSY, "open of the device by its path is refused");
	if (iommufd < 0) {
		fd = lu_retrieve(from, TOKEN_IOMMUFD);
		ktap_rc(fd, iommufd, "the iommufd cannot be retrieved later");
	} else if (nth_of("iommufd")) {
		ktap_rc(hwpt_get(iommufd, TOKEN_HWPT, &id), -EIO, "its HWPT is refused");
	}
	if (cdev < 0)
		ktap_rc(lu_retrieve(from, TOKEN_VFIO), cdev,
			"the device cannot be retrieved later");
	ktap_rc(lu_finish(from), -EBUSY, "finish is refused");
	check_memory();
	if (h->st) {
		ktap_rc(heart_wait_more(h, 100), 0, "frames keep arriving");
		ktap(heart_intact(h), "every frame whole and in order");
	}
}

void case_retrieve(long stage)
{
	const char *bdf = card_bdf(0);
	static struct heart h;
	int from, memfd, rc = -1;
	bool hit = false;
	uint32_t id;

	if (stage == 1) {
		case_heartbeat(stage);
		return;
	}
	if (stage == 3) {
		/* what was held is an ordinary device again */
		setup_heart(&h, 0, bdf);
		return;
	}
	if (*opt_str("fail", "") && !nth_setup())
		return;
	from = lu_session_retrieve(SESSION_NAME);
	if (!ktap_rc(from, 0, "retrieve the session"))
		return;
	if (!ktap_rc(vfio_bind_driver(bdf, "vfio-pci"), 0, "bind %s to vfio-pci", bdf))
		return;

	memfd = retrieve("memfd", from, TOKEN_MEMFD, &hit);
	if (memfd >= 0 && (!ktap_rc(heart_adopt(&h, bdf, memfd), 0, "adopt ring and buffers") ||
			   !ktap_rc(heart_poll_start(&h), 0, "poll")))
		return;
	h.iommufd = retrieve("iommufd", from, TOKEN_IOMMUFD, &hit);
	h.cdev = retrieve("device", from, TOKEN_VFIO, &hit);
	if (h.iommufd >= 0)
		rc = hwpt_get(h.iommufd, TOKEN_HWPT, &id);

	if (memfd >= 0 && h.cdev >= 0 && !rc) {
		heartbeat_take_over(&h, from);
	} else if (ktap(hit, "only what was made to fail has failed")) {
		check_held(&h, from, h.iommufd, h.cdev, bdf);
		check_leaks();
		if (opt_num("recover", 0) && ktap_rc(payload_unpack(), 0, "read the next kernel"))
			jump(stage);
	}
}

/*
 * iommu_lu.fail_nth= has made an allocation fail while the kernel was starting:
 * the device is either held or stopped.
 */
void case_adopt(long stage)
{
	char text[4096];

	if (stage == 1) {
		case_heartbeat(stage);
	} else if (file_read(DEBUG_DIR "iommu_lu/state", text, sizeof(text)) > 0 &&
		   strstr(text, ": held (0)")) {
		say("@adopt held");
		case_heartbeat(stage);
	} else {
		say("@adopt stopped");
		case_closed(stage);
	}
}
