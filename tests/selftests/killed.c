// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM is killed at each point of the sequence. It can be started anew, nothing is left of
 * it, and another VM, with a card and a session of its own, loses no frame.
 *
 * The other VM is this program; the victim is a child. In the first kernel it dies at all
 * points before the jump, one after the other. Then it is taken through a live update for
 * each point behind the jump, and iommu-lu reap cleans up where that is needed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "cases.h"
#include "lu.h"

#define VICTIM	"victim"
#define OTHER	"other"

static const char *const before[] = {
	"attach", "start", "mark", "session", "memfd", "iommufd", "device", "cancel", "again",
};

static const char *const after[] = {
	"nothing", "session", "memfd", "iommufd", "device", "bind", "restored", "rebuild",
	"replace", "destroy", "finish",
};

#define NR(a)	(long)(sizeof(a) / sizeof((a)[0]))

/* ---- the victim ---- */

static const char *die_at;

static void point(const char *name)
{
	if (die_at && !strcmp(name, die_at))
		kill(getpid(), SIGKILL);
}

static int victim_preserve(struct heart *h)
{
	int session = lu_session_create(VICTIM), rc;

	if (session < 0)
		return session;
	point("session");
	rc = lu_preserve(session, h->memfd, TOKEN_MEMFD);
	point("memfd");
	if (!rc)
		rc = lu_preserve(session, h->iommufd, TOKEN_IOMMUFD);
	point("iommufd");
	if (!rc)
		rc = lu_preserve(session, h->cdev, TOKEN_VFIO);
	point("device");
	return rc ? rc : session;
}

static int victim_first(struct heart *h)
{
	int rc = heart_open(h, card_bdf(0));

	point("attach");
	if (!rc)
		rc = heart_start(h, 0);
	if (!rc)
		rc = heart_poll_start(h);
	if (!rc)
		rc = heart_wait(h, 20);
	point("start");
	if (!rc)
		rc = hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, 0);
	point("mark");
	if (!rc)
		rc = victim_preserve(h);
	if (rc < 0)
		return rc;
	if (die_at) {
		close(rc);
		point("cancel");
		rc = victim_preserve(h);
		point("again");
	}
	return rc < 0 ? rc : 0;
}

static int victim_next(struct heart *h)
{
	int session = lu_session_retrieve(VICTIM), rc;
	uint32_t old;

	if (session < 0)
		return session;
	point("session");
	rc = lu_retrieve(session, TOKEN_MEMFD);
	if (rc >= 0)
		rc = heart_adopt(h, card_bdf(0), rc);
	point("memfd");
	if (!rc) {
		rc = lu_retrieve(session, TOKEN_IOMMUFD);
		h->iommufd = rc;
	}
	point("iommufd");
	if (rc >= 0) {
		rc = lu_retrieve(session, TOKEN_VFIO);
		h->cdev = rc;
	}
	point("device");
	if (rc >= 0)
		rc = vfio_bind(h->cdev, h->iommufd, &h->dev_id);
	point("bind");
	if (!rc)
		rc = hwpt_get(h->iommufd, TOKEN_HWPT, &old);
	if (!rc)
		rc = vfio_attach(h->cdev, old);
	point("restored");
	if (!rc)
		rc = heart_map(h);
	point("rebuild");
	if (!rc)
		rc = vfio_attach(h->cdev, h->hwpt);
	point("replace");
	if (!rc)
		rc = iommufd_destroy(h->iommufd, old);
	point("destroy");
	if (!rc)
		rc = lu_finish(session);
	point("finish");
	return rc;
}

/* Returns the victim when it has got where it should: dead, or waiting. */
static pid_t victim(int (*run)(struct heart *h), const char *at)
{
	static struct heart h;
	int ready[2], status, rc = 0;
	pid_t pid;

	if (pipe(ready))
		return -errno;
	pid = fork();
	if (!pid) {
		die_at = at;
		rc = run(&h);
		if (write(ready[1], &rc, sizeof(rc)) == sizeof(rc) && !rc)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && !at && read(ready[0], &rc, sizeof(rc)) != sizeof(rc))
		rc = -EIO;
	close(ready[0]);
	if (pid < 0 || (!at && !rc))
		return pid;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return at && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? pid : rc ? rc : -EIO;
}

/* ---- the other one ---- */

static struct heart other;

static bool other_well(void)
{
	return ktap_rc(heart_wait_more(&other, 30), 0, "the other VM gets frames") &&
	       ktap(heart_intact(&other), "every one whole and in order");
}

static bool other_next(void)
{
	int session = lu_session_retrieve(OTHER), memfd;

	if (!ktap_rc(session, 0, "the other VM's session"))
		return false;
	memfd = lu_retrieve(session, TOKEN_MEMFD);
	if (!ktap_rc(memfd, 0, "its memory") ||
	    !ktap_rc(heart_adopt(&other, card_bdf(1), memfd), 0, "its ring and buffers") ||
	    !ktap_rc(heart_poll_start(&other), 0, "poll"))
		return false;
	other.iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
	other.cdev = lu_retrieve(session, TOKEN_VFIO);
	return ktap_rc(other.iommufd, 0, "its iommufd") && ktap_rc(other.cdev, 0, "its card") &&
	       heartbeat_take_over(&other, session);
}

/* Exit status of iommu-lu reap */
static int reap(void)
{
	char line[256];
	int status;
	pid_t pid;
	FILE *out;

	pid = spawn((char *[]){ "/iommu-lu", "reap", VICTIM, NULL }, &out);
	if (pid < 0)
		return -1;
	while (spawn_line(out, line, sizeof(line)))
		;
	fclose(out);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool nothing_preserved(void)
{
	int fd = open("/sys/kernel/debug/iommu_lu/outgoing", O_RDONLY | O_CLOEXEC);
	char c;
	int rc = fd < 0 || read(fd, &c, 1) < 0 ? -errno : 0;

	close(fd);
	return ktap_rc(rc, -ENODATA, "nothing is preserved");
}

/* Only the other VM's tables and memory are there, and it is not preserved yet. */
static bool nothing_left(long stage)
{
	long memory = vmstat("nr_shmem");
	long pages = vmstat("nr_iommu_pages");

	if (stage == 1 && !other.st->iommu_pages) {
		other.st->iommu_pages = pages;
		other.st->shmem_pages = memory;
	}
	say("# nr_iommu_pages %ld, at first %llu; memory %ld, at first %llu", pages,
	    (unsigned long long)other.st->iommu_pages, memory,
	    (unsigned long long)other.st->shmem_pages);
	return nothing_preserved() &&
	       ktap(pages <= (long)other.st->iommu_pages + 2, "no IOMMU page is left") &&
	       ktap(memory <= (long)other.st->shmem_pages + 2, "no memory of a VM is left");
}

static bool killed_before(void)
{
	long i;

	if (!setup_heart(&other, 1, card_bdf(1)) || !nothing_left(1) ||
	    !ktap_rc(vfio_bind_driver(card_bdf(0), "vfio-pci"), 0, "bind %s", card_bdf(0)))
		return false;
	for (i = 0; i < NR(before); i++)
		if (!ktap_rc(victim(victim_first, before[i]), 0, "killed at %s", before[i]) ||
		    !nothing_left(1) || !other_well())
			return false;
	return true;
}

static bool killed_after(long stage)
{
	const char *at = after[stage - 2];
	bool finished = !strcmp(at, "destroy") || !strcmp(at, "finish");

	if (!other_next())
		return false;
	if (strcmp(at, "nothing") &&
	    !ktap_rc(victim(victim_next, at), 0, "killed at %s in the next kernel", at))
		return false;
	/* The session was closed with the process. Once nothing stood against it, that was all. */
	return other_well() &&
	       ktap(!reap() != finished, finished ? "nothing to clean up" : "clean up") &&
	       nothing_left(stage) && other_well();
}

void case_killed(long stage)
{
	if (!(stage == 1 ? killed_before() : killed_after(stage)))
		return;
	if (!ktap_rc(victim(victim_first, NULL), 0, "the VM can be started again"))
		return;
	if (stage > NR(after)) {
		check_leaks();
		ktap(heart_intact(&other), "every frame of the other VM whole and in order");
		return;
	}
	phase("preserve", "begin", &other);
	if (!ktap_rc(preserve_all(&other, OTHER), 0, "preserve the other VM") ||
	    !ktap_rc(payload_unpack(), 0, "read the next kernel from the disk"))
		return;
	phase("preserve", "end", &other);
	say_dump("outgoing");
	jump(stage);
}
