// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that do to a device what they like while it is preserved, frozen, given up again,
 * and retrieved. Nobody minds what they are told; the kernel must survive, leak nothing, and
 * do a live update afterwards.
 *
 * The card is bound and attached but does not receive: it is reset all the time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include <linux/iommufd-liveupdate.h>
#include <linux/pci_regs.h>

#include "cases.h"
#include "lu.h"

#define OTHER_TOKEN	0x99
#define THREADS		4

enum op {
	MAP, UNMAP, ALLOC, MARK, CLEAR, GET, VERIFY, DESTROY, ATTACH, DETACH, RESET, IRQS, SLEEP,
	BIND, SESSION, PRESERVE, FREEZE, RETRIEVE, FINISH, OPS
};

static const char *const op_name[OPS] = {
	"map", "unmap", "alloc", "mark", "clear", "get", "verify", "destroy", "attach", "detach",
	"reset", "irqs", "sleep", "bind", "session", "preserve", "freeze", "retrieve", "finish",
};

static struct heart h;
static uint32_t hwpts[2];
static int spoiler;
static bool stop;
static unsigned long done[OPS], refused[OPS];

static int count(enum op op, int rc)
{
	__atomic_add_fetch(rc < 0 ? &refused[op] : &done[op], 1, __ATOMIC_RELAXED);
	return rc;
}

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

/* Of what there was a choice, both must have happened, or the threads did not meet. */
static void judge(const enum op *both, size_t n)
{
	size_t i;

	for (i = 0; i < OPS; i++)
		if (done[i] || refused[i])
			say("# %s: %lu, refused %lu", op_name[i], done[i], refused[i]);
	for (i = 0; i < n; i++)
		ktap(done[both[i]] && refused[both[i]], "%s: done, and refused", op_name[both[i]]);
	memset(done, 0, sizeof(done));
	memset(refused, 0, sizeof(refused));
}

/* ---- old kernel ---- */

static void *change_maps(void *arg)
{
	uint64_t at = h.st->iova + (1ULL << 30);

	(void)arg;
	while (!stopped()) {
		count(MAP, ioas_map_file(h.iommufd, h.ioas, h.memfd, 0, page_size(), at));
		count(UNMAP, ioas_unmap(h.iommufd, h.ioas, at, page_size()));
		/* while it is marked, or the device is on it, it stays */
		if (!count(DESTROY, iommufd_destroy(h.iommufd, hwpts[1])))
			count(ALLOC, hwpt_alloc(h.iommufd, h.dev_id, h.ioas, 0, &hwpts[1]));
	}
	return NULL;
}

static void *change_domain(void *arg)
{
	unsigned long i;

	(void)arg;
	for (i = 0; !stopped(); i++) {
		count(ATTACH, vfio_attach(h.cdev, hwpts[i & 1]));
		if (i % 8 == 0)
			count(DETACH, vfio_detach(h.cdev));
	}
	return NULL;
}

static void *change_device(void *arg)
{
	int pm = vfio_config_cap(h.cdev, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)arg;
	while (!stopped()) {
		count(IRQS, vfio_msix(h.cdev, &fd, 1));
		count(RESET, vfio_reset(h.cdev));
		count(IRQS, vfio_msix(h.cdev, NULL, 0));
		vfio_config_write16(h.cdev, pm, 3);
		count(SLEEP, (vfio_config_read16(h.cdev, pm) & 3) == 3 ? 0 : -EBUSY);
		vfio_config_write16(h.cdev, pm, 0);
	}
	close(fd);
	return NULL;
}

static void *change_marks(void *arg)
{
	static char state[8192];
	int session;
	uint32_t id;

	(void)arg;
	while (!stopped()) {
		count(MARK, hwpt_mark(h.iommufd, hwpts[1], OTHER_TOKEN, 0));
		count(CLEAR, hwpt_mark(h.iommufd, hwpts[1], OTHER_TOKEN,
				       IOMMU_HWPT_LU_MARK_CLEAR));
		count(GET, hwpt_get(h.iommufd, TOKEN_HWPT, &id));
		file_read("/sys/kernel/debug/iommu_lu/state", state, sizeof(state));
		session = count(SESSION, lu_session_create("other"));
		if (session < 0)
			continue;
		count(PRESERVE, lu_preserve(session, h.memfd, TOKEN_MEMFD));
		close(session);
	}
	return NULL;
}

/* Preserve, mostly freeze, and give up. */
static void preserve_and_cancel(void)
{
	int session, rc;

	count(MARK, hwpt_mark(h.iommufd, hwpts[0], TOKEN_HWPT, 0));
	session = count(SESSION, lu_session_create("race"));
	if (session < 0)
		return;
	rc = count(PRESERVE, lu_preserve(session, h.memfd, TOKEN_MEMFD));
	if (!rc)
		rc = count(PRESERVE, lu_preserve(session, h.iommufd, TOKEN_IOMMUFD));
	if (!rc) {
		rc = count(PRESERVE, lu_preserve(session, h.cdev, TOKEN_VFIO));
		/* without it nobody would stand in the way of the jump */
		if (!spoil(spoiler, session)) {
			if (!rc)
				usleep(2000);
			count(FREEZE, rc ?: kexec_reboot() == -EBUSY ? 0 : -EIO);
		}
	}
	close(session);
	unspoil(spoiler);
	count(CLEAR, hwpt_mark(h.iommufd, hwpts[0], TOKEN_HWPT, IOMMU_HWPT_LU_MARK_CLEAR));
}

static bool race_old(long stage)
{
	static void *(*const run[THREADS])(void *) = {
		change_maps, change_domain, change_device, change_marks,
	};
	static const enum op both[] = { MAP, UNMAP, DESTROY, ATTACH, RESET, MARK, CLEAR, PRESERVE };
	char line[2048];
	uint64_t end = now_ms() + 1000 * opt_num("seconds", 10);
	pthread_t thread[THREADS];
	int i;

	hwpts[0] = h.hwpt;
	spoiler = spoiler_open(&h);
	next_cmdline(line, sizeof(line), stage + 1);
	if (!ktap_rc(hwpt_alloc(h.iommufd, h.dev_id, h.ioas, 0, &hwpts[1]), 0, "second HWPT") ||
	    !ktap_rc(spoiler, 0, "another device") ||
	    !ktap_rc(kexec_file(line), 0, "load the next kernel"))
		return false;
	stop = false;
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, run[i], NULL);
	while (now_ms() < end)
		preserve_and_cancel();
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ktap(done[FREEZE] > 0, "frozen up to the last device");
	judge(both, sizeof(both) / sizeof(both[0]));
	close(spoiler);
	/* still there if it was to be taken back while the iommufd was preserved */
	hwpt_mark(h.iommufd, hwpts[1], OTHER_TOKEN, IOMMU_HWPT_LU_MARK_CLEAR);

	return ktap_rc(kexec_unload(), 0, "unload it") &&
	       ktap_rc(vfio_attach(h.cdev, h.hwpt), 0, "attach the first HWPT") &&
	       ktap_rc(iommufd_destroy(h.iommufd, hwpts[1]), 0, "destroy the second one");
}

/* ---- next kernel ---- */

static int session;
static uint32_t dev_id;
static pthread_barrier_t start;

/* All that a VMM does, from RETRIEVE_FD to FINISH; others do the same with the same files. */
static void take_over(int iommufd, int cdev)
{
	struct heart mine = h;
	uint64_t iova;
	uint32_t id;

	mine.iommufd = iommufd;
	if (!count(BIND, vfio_bind(cdev, iommufd, &id)))
		__atomic_store_n(&dev_id, id, __ATOMIC_RELEASE);
	mine.dev_id = __atomic_load_n(&dev_id, __ATOMIC_ACQUIRE);
	if (!count(GET, hwpt_get(iommufd, TOKEN_HWPT, &id)))
		count(ATTACH, vfio_attach(cdev, id));
	if (mine.dev_id && !count(ALLOC, heart_map(&mine))) {
		count(VERIFY, hwpt_verify(iommufd, id, mine.hwpt, &iova));
		count(ATTACH, vfio_attach(cdev, mine.hwpt));
		count(DESTROY, iommufd_destroy(iommufd, id));
		count(DESTROY, iommufd_destroy(iommufd, mine.hwpt));
		iommufd_destroy(iommufd, mine.ioas);
	}
	if (!count(FINISH, lu_finish(session)))
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
}

static void *retrieve_all(void *arg)
{
	int memfd, iommufd, cdev;

	(void)arg;
	do {
		memfd = count(RETRIEVE, lu_retrieve(session, TOKEN_MEMFD));
		iommufd = count(RETRIEVE, lu_retrieve(session, TOKEN_IOMMUFD));
		cdev = count(RETRIEVE, lu_retrieve(session, TOKEN_VFIO));
		count(FINISH, lu_finish(session));
		pthread_barrier_wait(&start);
		if (iommufd >= 0 && cdev >= 0)
			take_over(iommufd, cdev);
		close(memfd);
		close(iommufd);
		close(cdev);
		pthread_barrier_wait(&start);
	} while (!stopped());
	return NULL;
}

static bool race_next(void)
{
	static const enum op both[] = { BIND, DESTROY, FINISH };
	pthread_t thread[THREADS];
	int i, memfd;

	say("@phase retrieve begin");
	session = lu_session_retrieve("race");
	memfd = lu_retrieve(session, TOKEN_MEMFD);
	if (!ktap_rc(memfd, 0, "retrieve the memfd") ||
	    !ktap_rc(heart_adopt(&h, card_bdf(0), memfd), 0, "adopt it"))
		return false;
	stop = false;
	pthread_barrier_init(&start, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, retrieve_all, NULL);
	/* for afterwards: the files are gone when nobody has them open any more */
	h.iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
	h.cdev = lu_retrieve(session, TOKEN_VFIO);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	phase("retrieve", "end", &h);
	h.dev_id = dev_id;
	judge(both, sizeof(both) / sizeof(both[0]));
	close(session);
	return ktap_rc(h.iommufd, 0, "the iommufd") && ktap_rc(h.cdev, 0, "the device") &&
	       ktap_rc(heart_map(&h), 0, "one more HWPT") &&
	       ktap_rc(vfio_attach(h.cdev, h.hwpt), 0, "attach it");
}

static bool race_first(void)
{
	return ktap_rc(vfio_bind_driver(card_bdf(0), "vfio-pci"), 0, "bind the card") &&
	       ktap_rc(heart_open(&h, card_bdf(0)), 0, "map and attach it");
}

void case_race(long stage)
{
	if (!(stage == 1 ? race_first() : race_next()))
		return;
	if (stage <= opt_num("updates", 1)) {
		if (!ktap_rc(payload_unpack(), 0, "read the next kernel from the disk") ||
		    !race_old(stage))
			return;
		phase("preserve", "begin", &h);
		if (!ktap_rc(preserve_all(&h, "race"), 0, "preserve it in peace"))
			return;
		phase("preserve", "end", &h);
		check_leaks();
		jump(stage);
		return;
	}
	check_leaks();
}
