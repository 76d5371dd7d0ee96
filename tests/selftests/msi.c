// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts where the IOMMU translates the writes that are MSIs: the page they go to must
 * be mapped in the domain of the device, whichever that is. The card goes on receiving, and
 * raises the interrupts when it is told to.
 *
 *	lu.doorbell=0	no interrupt was set up in the first kernel, so nothing is mapped
 *
 * What is refused is ENOSPC, as PCI says of any vector that cannot be had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "cases.h"
#include "lu.h"

/* e1000e: causes of interrupts, and which of them are let through */
#define ICR		0x00c0
#define ICS		0x00c8
#define IMS		0x00d0
#define LINK		(1u << 2)

static int event = -1, session = -1;

/* One MSI, signalled to @event. */
static int msi(struct heart *h, bool on)
{
	struct {
		struct vfio_irq_set set;
		int32_t eventfd;
	} arg = {
		.set.argsz = on ? sizeof(arg) : sizeof(arg.set),
		.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
			     (on ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.set.index = VFIO_PCI_MSI_IRQ_INDEX,
		.set.count = on,
		.eventfd = event,
	};

	return ioctl(h->cdev, VFIO_DEVICE_SET_IRQS, &arg) < 0 ? -errno : 0;
}

static bool raise_one(struct heart *h, const char *when)
{
	struct pollfd poll_fd = { .fd = event, .events = POLLIN };
	uint64_t n = 0;
	bool ok;

	/* leave nothing of the one before: it is sent when a cause comes up */
	nic_wr(h->bar, NIC_IMC, ~0U);
	nic_rd(h->bar, ICR);
	read(event, &n, sizeof(n));
	nic_wr(h->bar, IMS, LINK);
	nic_wr(h->bar, ICS, LINK);
	ok = ktap(poll(&poll_fd, 1, opt_num("timeout_ms", 10000)) == 1, "an interrupt arrives %s",
		  when);
	nic_wr(h->bar, NIC_IMC, ~0U);
	nic_rd(h->bar, ICR);
	return ok;
}

static bool on_raise(struct heart *h, const char *when)
{
	return ktap_rc(msi(h, true), 0, "MSI on") && raise_one(h, when);
}

static void msi_first(struct heart *h, long stage)
{
	if (!setup_heart(h, 0, card_bdf(0)) ||
	    !ktap_rc(payload_unpack(), 0, "read the next kernel from the disk"))
		return;
	if (opt_num("doorbell", 1) &&
	    !(on_raise(h, "in the first kernel") && ktap_rc(msi(h, false), 0, "MSI off")))
		return;
	if (!ktap_rc(heart_wait_more(h, opt_num("warmup", 100)), 0, "warm-up"))
		return;
	phase("preserve", "begin", h);
	if (!ktap_rc(preserve_all(h, SESSION_NAME), 0, "preserve memfd, iommufd and device"))
		return;
	if (opt_num("doorbell", 1))
		ktap(!msi(h, true) && !msi(h, false), "preserved: a doorbell can be used");
	else
		ktap_rc(msi(h, true), -ENOSPC, "preserved: no doorbell is mapped");
	phase("preserve", "end", h);
	jump(stage);
}

static bool msi_retrieve(struct heart *h, uint32_t *old)
{
	int memfd;

	if (!ktap_rc(vfio_bind_driver(card_bdf(0), "vfio-pci"), 0, "bind the card"))
		return false;
	say("@phase retrieve begin");
	session = lu_session_retrieve(SESSION_NAME);
	memfd = lu_retrieve(session, TOKEN_MEMFD);
	if (!ktap_rc(memfd, 0, "retrieve the memfd") ||
	    !ktap_rc(heart_adopt(h, card_bdf(0), memfd), 0, "adopt ring and buffers") ||
	    !ktap_rc(heart_poll_start(h), 0, "poll"))
		return false;
	h->iommufd = lu_retrieve(session, TOKEN_IOMMUFD);
	h->cdev = lu_retrieve(session, TOKEN_VFIO);
	phase("retrieve", "end", h);
	if (!ktap_rc(h->iommufd, 0, "retrieve the iommufd") ||
	    !ktap_rc(h->cdev, 0, "retrieve the device") ||
	    !ktap_rc(vfio_bind(h->cdev, h->iommufd, &h->dev_id), 0, "bind it") ||
	    !ktap_rc(hwpt_get(h->iommufd, TOKEN_HWPT, old), 0, "restored HWPT by token"))
		return false;
	h->bar = vfio_map_bar(h->cdev, 0, &h->bar_len);
	return ktap(h->bar, "map the registers");
}

static bool msi_next(struct heart *h)
{
	bool doorbell = opt_num("doorbell", 1);
	uint32_t old;

	if (!msi_retrieve(h, &old))
		return false;
	ktap_rc(msi(h, true), -ENOSPC, "claimed, but not attached: MSI is refused");
	if (!ktap_rc(vfio_attach(h->cdev, old), 0, "attach the restored HWPT"))
		return false;
	if (!doorbell)
		ktap_rc(msi(h, true), -ENOSPC, "no doorbell in the restored HWPT: MSI is refused");
	else if (!on_raise(h, "through the restored HWPT"))
		return false;

	phase("rebuild", "begin", h);
	if (!ktap_rc(heart_map(h), 0, "new HWPT over the same memfd"))
		return false;
	phase("rebuild", "end", h);
	phase("hotswap", "begin", h);
	if (!ktap_rc(vfio_attach(h->cdev, h->hwpt), 0, "replace the restored HWPT"))
		return false;
	phase("hotswap", "end", h);
	if (!ktap_rc(iommufd_destroy(h->iommufd, old), 0, "destroy the restored HWPT"))
		return false;

	/* as it was set up, and set up anew */
	if (doorbell && !(raise_one(h, "through the new HWPT") &&
			  ktap_rc(msi(h, false), 0, "MSI off")))
		return false;
	if (!on_raise(h, "when set up in the new HWPT"))
		return false;
	phase("finish", "begin", h);
	if (!ktap_rc(lu_finish(session), 0, "finish the session"))
		return false;
	close(session);
	phase("finish", "end", h);
	return raise_one(h, "after the end of the session");
}

void case_msi(long stage)
{
	static struct heart h;

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!ktap_rc(event, 0, "event file"))
		return;
	if (stage == 1) {
		msi_first(&h, stage);
		return;
	}
	if (!msi_next(&h))
		return;
	ktap_rc(heart_wait_more(&h, opt_num("tail", 100)), 0, "frames keep arriving");
	ktap(heart_intact(&h), "every frame whole and in order");
	check_leaks();
}
