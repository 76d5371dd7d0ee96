// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of a card that goes on receiving. MSI-X stays on through the live update: what
 * is raised between freeze and the set-up in the next kernel is pending meanwhile and arrives
 * then. Beside that each vector is signalled once by VFIO.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include <linux/iommufd-liveupdate.h>
#include <linux/pci_regs.h>

#include "cases.h"
#include "lu.h"

/* Frames raise the first one. Nothing ever raises the other one. */
enum { RX, QUIET, VECTORS };

static int fds[VECTORS];

static bool open_fds(void)
{
	int i;

	for (i = 0; i < VECTORS; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[i] < 0)
			return false;
	}
	return true;
}

/* How often a vector was signalled since we last looked */
static uint64_t signalled(int vector)
{
	uint64_t n = 0;

	return read(fds[vector], &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static bool arrives(const char *when)
{
	struct pollfd poll_fd = { .fd = fds[RX], .events = POLLIN };

	signalled(RX);
	return ktap(poll(&poll_fd, 1, opt_num("timeout_ms", 10000)) == 1, "interrupts arrive %s",
		    when);
}

/* How often the CPUs were interrupted by a vector of vfio; -1 if it is not set up */
static long interrupts(int vector)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024], name[32], *at, *end;
	long sum = -1, n;

	snprintf(name, sizeof(name), "vfio-msix[%d]", vector);
	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, name))
			continue;
		sum = 0;
		for (at = strchr(line, ':') + 1; n = strtol(at, &end, 10), end != at; at = end)
			sum += n;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Pending bits of the first 32 vectors */
static uint32_t pending(struct heart *h)
{
	int cap = vfio_config_cap(h->cdev, PCI_CAP_ID_MSIX);
	uint32_t pba = 0, bits = 0;
	int rc;

	pba = vfio_config_read16(h->cdev, cap + PCI_MSIX_PBA) |
	      vfio_config_read16(h->cdev, cap + PCI_MSIX_PBA + 2) << 16;
	rc = vfio_read32(h->cdev, pba & PCI_MSIX_PBA_BIR, pba & PCI_MSIX_PBA_OFFSET, &bits);
	ktap_rc(rc, 0, "read the pending bits");
	return bits;
}

/* Freeze masks the vectors, and is undone because of another device. */
static bool irq_refused(struct heart *h, long stage)
{
	int other = spoiler_open(h), session = preserve_all(h, "refused");
	char line[2048];
	bool ok;

	next_cmdline(line, sizeof(line), stage + 1);
	ok = ktap_rc(other, 0, "another device on the HWPT") &&
	     ktap_rc(session, 0, "preserve with MSI-X on") &&
	     ktap_rc(spoil(other, session), 0, "preserve the other device, then change it") &&
	     ktap_rc(kexec_file(line), 0, "load the next kernel") &&
	     ktap_rc(kexec_reboot(), -EBUSY, "kexec is refused") &&
	     ktap_rc(kexec_unload(), 0, "unload it") &&
	     arrives("after a freeze that was refused");
	close(session);
	hwpt_mark(h->iommufd, h->hwpt, TOKEN_HWPT, IOMMU_HWPT_LU_MARK_CLEAR);
	unspoil(other);
	close(other);
	return ok;
}

static void irq_leave(struct heart *h, long stage)
{
	int session;

	if (!ktap_rc(heart_wait_more(h, opt_num("warmup", 100)), 0, "warm-up") ||
	    !irq_refused(h, stage))
		return;
	phase("preserve", "begin", h);
	session = preserve_all(h, SESSION_NAME);
	if (!ktap_rc(session, 0, "preserve with MSI-X on") || !arrives("after preserve"))
		return;
	phase("preserve", "end", h);
	jump(stage);
}

static bool irq_retrieve(struct heart *h, uint32_t *old)
{
	int session, memfd;

	say("@phase retrieve begin");
	session = lu_session_retrieve(SESSION_NAME);
	memfd = lu_retrieve(session, TOKEN_MEMFD);
	if (!ktap_rc(memfd, 0, "retrieve the memfd") ||
	    !ktap_rc(heart_adopt(h, card_bdf(0), memfd), 0, "adopt ring and buffers") ||
	    !ktap_rc(heart_poll_start(h), 0, "poll"))
		return false;
	h->iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
	h->cdev = lu_retrieve(session, TOKEN_VFIO);
	h->session = session;
	phase("retrieve", "end", h);
	return ktap_rc(h->iommufd, 0, "retrieve the iommufd") &&
	       ktap_rc(h->cdev, 0, "retrieve the device") &&
	       ktap_rc(vfio_bind(h->cdev, h->iommufd, &h->dev_id), 0, "bind it") &&
	       ktap_rc(hwpt_get(h->iommufd, TOKEN_HWPT, old), 0, "restored HWPT by token") &&
	       ktap_rc(vfio_attach(h->cdev, *old), 0, "attach it");
}

/* What was raised so far, and nothing else, arrives when the vectors are set up. */
static bool irq_pending(struct heart *h)
{
	int flags = vfio_config_read16(h->cdev, vfio_config_cap(h->cdev, PCI_CAP_ID_MSIX) +
				       PCI_MSIX_FLAGS);
	uint64_t end = now_ms() + opt_num("timeout_ms", 10000), n;
	long hard;

	ktap((flags & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) ==
	     (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL),
	     "MSI-X is on and masked: %#x", flags);
	ktap_rc(heart_map_bar(h), 0, "map the registers");
	h->nic->irq(h->bar, false);
	ktap((pending(h) & (1 << RX | 1 << QUIET)) == 1 << RX,
	     "an interrupt is pending, of the right vector");

	if (!ktap_rc(vfio_msix(h->cdev, fds, VECTORS), 0, "set up the vectors"))
		return false;
	while (interrupts(RX) < 1 && now_ms() < end)
		usleep(1000);
	hard = interrupts(RX);
	ktap(hard == 1, "the pending interrupt has arrived (%ld)", hard);
	ktap(interrupts(QUIET) == 0, "and no other");
	n = signalled(RX);
	ktap(n == 2, "its eventfd was signalled for that, and once by VFIO (%llu)",
	     (unsigned long long)n);
	n = signalled(QUIET);
	ktap(n == 1, "that of the other vector once by VFIO (%llu)", (unsigned long long)n);
	h->nic->irq(h->bar, true);
	return arrives("when they are set up");
}

static bool irq_next(struct heart *h)
{
	bool late = opt_num("late", 0);
	uint32_t old;

	if (!irq_retrieve(h, &old) || (!late && !irq_pending(h)))
		return false;
	phase("rebuild", "begin", h);
	if (!ktap_rc(heart_map(h), 0, "new HWPT over the same memfd"))
		return false;
	phase("rebuild", "end", h);
	phase("hotswap", "begin", h);
	if (!ktap_rc(vfio_attach(h->cdev, h->hwpt), 0, "replace the restored HWPT"))
		return false;
	phase("hotswap", "end", h);
	if (!ktap_rc(iommufd_destroy(h->iommufd, old), 0, "destroy the restored HWPT") ||
	    (!late && !arrives("through the new HWPT")))
		return false;
	phase("finish", "begin", h);
	if (!ktap_rc(lu_finish(h->session), 0, "finish the session"))
		return false;
	close(h->session);
	phase("finish", "end", h);
	if (late && !irq_pending(h))
		return false;

	/* only the first time: later on nothing can have been lost */
	ktap_rc(vfio_msix(h->cdev, NULL, 0), 0, "MSI-X off");
	signalled(QUIET);
	ktap_rc(vfio_msix(h->cdev, fds, VECTORS), 0, "and on");
	ktap(signalled(QUIET) == 0, "VFIO signals nothing this time");
	return arrives("as in the kernel before");
}

static bool irq_first(struct heart *h)
{
	if (!setup_heart(h, 0, card_bdf(0)))
		return false;
	ktap(vfio_config_cap(h->cdev, PCI_CAP_ID_MSIX) > 0 && h->nic->irq, "the card has MSI-X");
	if (!ktap_rc(vfio_msix(h->cdev, fds, VECTORS), 0, "set up the vectors"))
		return false;
	h->nic->irq(h->bar, true);
	return arrives("in the first kernel") &&
	       ktap(signalled(QUIET) == 0, "and none that was not raised") &&
	       ktap_rc(payload_unpack(), 0, "read the next kernel from the disk");
}

void case_irq(long stage)
{
	static struct heart h;

	if (!ktap(open_fds(), "event files"))
		return;
	if (!(stage == 1 ? irq_first(&h) :
	      (stage > opt_num("updates", 1) || !payload_unpack()) && irq_next(&h)))
		return;
	if (stage <= opt_num("updates", 1)) {
		irq_leave(&h, stage);
		return;
	}
	ktap_rc(heart_wait_more(&h, opt_num("tail", 100)), 0, "frames keep arriving");
	ktap(heart_intact(&h), "every frame whole and in order");
	check_leaks();
}
