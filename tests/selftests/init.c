// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the test machine: runs the case that the kernel command line names.
 *
 *   lu.case=NAME       heartbeat, receive, refuse, disabled, closed, leaks, failnth,
 *                      retrieve, adopt, pair, example, killed, msi, irq, race
 *   lu.try=NAME        refuse: only that one
 *   lu.errno=N         refuse, closed: with this error
 *   lu.finish=1        closed: end the session
 *   lu.sibling=BDF     refuse: another function of the device
 *   lu.fail=STEP:N     retrieve: the Nth allocation of memfd, iommufd or device fails
 *   lu.spare=BYTES     retrieve: all but the first so many bytes fail
 *   lu.unbound=1       heartbeat: leave it to the kernel to bind the device to vfio-pci
 *   lu.recover=1       retrieve: go on to a third kernel
 *   lu.nic=BDF         the device under test
 *   lu.nic2=BDF        a second one, running but not preserved
 *   lu.updates=N       live updates in a row (heartbeat, pair, example, irq, race)
 *   lu.shared=1        pair: both cards on one HWPT
 *   lu.gap=1           pair: it cannot be replaced while both are on it, so one goes first
 *   lu.doorbell=0      msi: no interrupt is set up in the first kernel
 *   lu.together=1      pair: on two HWPTs of one iommufd
 *   lu.apart=1         pair: in two sessions
 *   lu.late=1          irq: set up interrupts when the session is finished, not before
 *   lu.seconds=N       race: how long, in each of the old kernels
 *   lu.preserve=0      heartbeat: leave the IOMMU and the device out
 *   lu.warmup=N        frames before each update
 *   lu.tail=N          frames after each update
 *   lu.frames=N        frames in all, at least
 *   lu.between=N       heartbeat: frames that land between the kernels, at least
 *   lu.join=N          the first N frames may have any number: their generator runs on its own
 *   lu.timeout_ms=N    give up when no frame arrives for so long
 *   lu.torn=1          closed: the last frame need not be whole
 *   lu.strict=1        heartbeat: also try what must be refused on the way
 *   lu.ring=N lu.bufs=N  size of the ring, number of buffers
 *   lu.iova=N          where the device sees the memfd
 *   lu.same=1 lu.same2=1  the first, second card sees each page at its physical
 *                      address, and has as many descriptors as fit into one
 *   lu.window=N lu.window2=N  give the first, second card only so many
 *                      descriptors at a time
 *   lu.disk=0          no disk: the next kernel is in the initramfs
 *   lu.next=WORD       goes to the command line of the next kernel
 *   lu.stage=N         set by ourselves
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cases.h"
#include "lu.h"

/* The kernel has done all there is to do before userspace. */
static void case_leaks(long stage)
{
	(void)stage;
	check_leaks();
}

static const struct {
	const char *name;
	void (*run)(long stage);
} cases[] = {
	{ "heartbeat", case_heartbeat },
	{ "receive", case_receive },
	{ "refuse", case_refuse },
	{ "disabled", case_disabled },
	{ "closed", case_closed },
	{ "leaks", case_leaks },
	{ "failnth", case_failnth },
	{ "retrieve", case_retrieve },
	{ "adopt", case_adopt },
	{ "pair", case_pair },
	{ "example", case_example },
	{ "killed", case_killed },
	{ "msi", case_msi },
	{ "irq", case_irq },
	{ "race", case_race },
};

static void mount_at(const char *type, const char *dir)
{
	mkdir(dir, 0755);
	mount(type, dir, type, 0, NULL);
}

static void finish(void)
{
	say("@end");
	/* The runner switches the machine off when it has seen enough. */
	for (;;)
		pause();
}

static void crashed(int sig)
{
	say("not ok 999 the test program got signal %d", sig);
	finish();
}

int main(void)
{
	const char *name;
	size_t i;

	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);

	name = opt_str("case", "heartbeat");
	ktap_begin();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(cases[i].name, name)) {
			cases[i].run(opt_num("stage", 1));
			break;
		}
	}
	if (i == sizeof(cases) / sizeof(cases[0]))
		ktap(false, "no case named %s", name);
	ktap_end();
	finish();
}

/* ---- shared steps ---- */

void phase(const char *name, const char *what, struct heart *h)
{
	say("@phase %s %s frames=%llu", name, what,
	    (unsigned long long)(h && h->st ? heart_frames(h) : 0));
}

void say_dump(const char *name)
{
	unsigned char data[256];
	char path[128], hex[2 * sizeof(data) + 1];
	size_t at = 0;
	ssize_t len, i;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/iommu_lu/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((len = pread(fd, data, sizeof(data), at)) > 0) {
		for (i = 0; i < len; i++)
			sprintf(hex + 2 * i, "%02x", data[i]);
		say("@dump %s %zu %s", name, at, hex);
		at += len;
	}
	if (len < 0)
		say("# no dump of %s: %s", name, strerrorname_np(errno));
	close(fd);
}

bool setup_heart(struct heart *h, unsigned int index, const char *bdf)
{
	h->window = opt_num(index ? "window2" : "window", 0);
	h->join = opt_num("join", 0);
	h->same = opt_num(index ? "same2" : "same", 0);
	return ktap_rc(vfio_bind_driver(bdf, "vfio-pci"), 0, "bind to vfio-pci # %s", bdf) &&
	       ktap_rc(heart_open(h, bdf), 0, "map and attach # %s", bdf) &&
	       ktap_rc(heart_start(h, index), 0, "start # %s", bdf) &&
	       ktap_rc(heart_poll_start(h), 0, "poll # %s", bdf) &&
	       ktap_rc(heart_wait(h, 20), 0, "first frames # %s", bdf);
}

int preserve_all(struct heart *h, const char *name)
{
	int rc, session;

	rc = hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 0);
	if (rc)
		return rc;
	session = lu_session_create(name);
	if (session < 0)
		return session;
	rc = lu_preserve(session, h->memfd, TOKEN_MEMFD);
	if (!rc)
		rc = lu_preserve(session, h->iommufd, TOKEN_IOMMUFD);
	if (!rc)
		rc = lu_preserve(session, h->cdev, TOKEN_VFIO);
	if (rc) {
		close(session);
		return rc;
	}
	return session;
}

int spoiler_open(struct heart *h)
{
	const char *bdf = opt_str("other", NULL);
	int rc = bdf ? vfio_bind_driver(bdf, "vfio-pci") : -ENODEV, fd;
	uint32_t id;

	fd = rc ? rc : vfio_open(bdf);
	if (fd < 0)
		return fd;
	rc = vfio_bind(fd, h->iommufd, &id);
	if (!rc)
		rc = vfio_attach(fd, h->hwpt);
	/* now, as it may need a doorbell mapped */
	if (!rc)
		rc = vfio_msi(fd, true);
	if (!rc)
		rc = vfio_msi(fd, false);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int spoil(int spoiler, int session)
{
	int rc = lu_preserve(session, spoiler, TOKEN_OTHER);

	return rc ? rc : vfio_msi(spoiler, true);
}

int unspoil(int spoiler)
{
	return vfio_msi(spoiler, false);
}

int jump(long stage)
{
	char line[2048];
	int rc = next_cmdline(line, sizeof(line), stage + 1);

	if (!rc)
		rc = kexec_file(line);
	if (!ktap_rc(rc, 0, "load the next kernel"))
		return rc;
	ktap_end();
	say("@phase freeze begin");
	rc = kexec_reboot();
	ktap_begin();
	return rc;
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

void check_leaks(void)
{
	char report[4096], *line, *save;
	bool clean;

	if (access(KMEMLEAK, F_OK))
		return;
	/*
	 * kmemleak reports only what is at least five seconds old and was found
	 * unreferenced in a scan: let the youngest objects come of age.
	 */
	file_write(KMEMLEAK, "scan");
	sleep(6);
	file_write(KMEMLEAK, "scan");
	clean = file_read(KMEMLEAK, report, sizeof(report)) == 0;
	for (line = strtok_r(report, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		say("# kmemleak: %s", line);
	ktap(clean, "kmemleak has nothing to report");
}
