// SPDX-License-Identifier: GPL-2.0
/*
 * Two cards through live updates together: each on a HWPT and an iommufd of its own, or
 * both on one.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cases.h"
#include "lu.h"

static struct heart pair[2];

static bool shared(void)
{
	return opt_num("shared", 0);
}

/* How many iommufds there are. */
static int owners(void)
{
	return shared() ? 1 : 2;
}

static uint64_t token(unsigned int token, int i)
{
	return token + 0x100 * i;
}

static bool wait_both(uint64_t n)
{
	return ktap_rc(heart_wait_more(&pair[0], n), 0, "frames arrive at the first card") &&
	       ktap_rc(heart_wait_more(&pair[1], n), 0, "frames arrive at the second card") &&
	       ktap(heart_intact(&pair[0]), "first card: every frame whole and in order") &&
	       ktap(heart_intact(&pair[1]), "second card: every frame whole and in order");
}

static int preserve_pair(void)
{
	int session = lu_session_create(SESSION_NAME), i, rc = 0;

	if (session < 0)
		return session;
	for (i = 0; i < owners() && !rc; i++)
		rc = hwpt_mark(pair[i].iommufd, pair[i].hwpt, token(TOKEN_HWPT, i), 0);
	for (i = 0; i < 2 && !rc; i++)
		rc = lu_preserve(session, pair[i].memfd, token(TOKEN_MEMFD, i));
	for (i = 0; i < owners() && !rc; i++)
		rc = lu_preserve(session, pair[i].iommufd, token(TOKEN_IOMMUFD, i));
	for (i = 0; i < 2 && !rc; i++)
		rc = lu_preserve(session, pair[i].cdev, token(TOKEN_VFIO, i));
	if (rc) {
		close(session);
		return rc;
	}
	return session;
}

static void pair_leave(long stage)
{
	int rc;

	if (!ktap_rc(payload_unpack(), 0, "read the next kernel from the disk") ||
	    !wait_both(opt_num("warmup", 100)))
		return;
	phase("preserve", "begin", &pair[0]);
	if (!ktap_rc(preserve_pair(), 0, "preserve both cards"))
		return;
	phase("preserve", "end", &pair[0]);
	say_file("/sys/kernel/debug/iommu_lu/outgoing");
	rc = jump(stage);
	phase("freeze", "refused", &pair[0]);
	ktap_rc(rc, 0, "kexec");
}

static bool pair_first(void)
{
	struct heart *second = &pair[1];

	if (!setup_heart(&pair[0], 0, card_bdf(0)))
		return false;
	if (!shared())
		return setup_heart(second, 1, card_bdf(1));
	return ktap_rc(vfio_bind_driver(card_bdf(1), "vfio-pci"), 0, "bind the second card") &&
	       ktap_rc(heart_join(second, card_bdf(1), &pair[0]), 0, "attach it to the same HWPT") &&
	       ktap_rc(heart_start(second, 1), 0, "start it") &&
	       ktap_rc(heart_poll_start(second), 0, "poll it") &&
	       ktap_rc(heart_wait(second, 20), 0, "its first frames");
}

static bool retrieve_pair(int session)
{
	int i;

	for (i = 0; i < 2; i++) {
		int memfd = lu_retrieve(session, token(TOKEN_MEMFD, i));

		if (!ktap_rc(memfd, 0, "retrieve memfd %d", i) ||
		    !ktap_rc(heart_adopt(&pair[i], card_bdf(i), memfd), 0, "adopt ring and buffers") ||
		    !ktap_rc(heart_poll_start(&pair[i]), 0, "poll"))
			return false;
	}
	for (i = 0; i < 2; i++) {
		struct heart *h = &pair[i];

		h->iommufd = i < owners() ? lu_retrieve(session, token(TOKEN_IOMMUFD, i)) :
					    pair[0].iommufd;
		h->cdev = lu_retrieve(session, token(TOKEN_VFIO, i));
		if (!ktap_rc(h->iommufd, 0, "iommufd of card %d", i) ||
		    !ktap_rc(h->cdev, 0, "retrieve card %d", i))
			return false;
	}
	return true;
}

/*
 * A stage 2 domain of an SMMUv3 with two devices on it cannot be replaced without a gap. So one
 * is told to receive nothing for a moment and gets a HWPT of its own, then the other one can do
 * without.
 */
static bool leave_with_gap(struct heart *h)
{
	uint32_t rctl;

	h->bar = vfio_map_bar(h->cdev, 0, &h->bar_len);
	if (!ktap(h->bar, "map the registers") ||
	    !ktap_rc(vfio_attach(h->cdev, h->hwpt), -EOPNOTSUPP,
		     "replacing it while another card is on it is refused") ||
	    !ktap_rc(heart_wait_more(h, 20), 0, "the card goes on"))
		return false;
	rctl = nic_rd(h->bar, NIC_RCTL);
	nic_wr(h->bar, NIC_RCTL, rctl & ~NIC_RCTL_EN);
	if (!ktap_rc(vfio_detach(h->cdev), 0, "it receives nothing: detach it") ||
	    !ktap_rc(heart_map(h), 0, "another HWPT, over its memfd") ||
	    !ktap_rc(vfio_attach(h->cdev, h->hwpt), 0, "attach that"))
		return false;
	nic_wr(h->bar, NIC_RCTL, rctl);
	return ktap_rc(heart_wait_more(h, 20), 0, "it goes on");
}

static bool hotswap_pair(void)
{
	uint32_t old[2];
	int i;

	phase("bind", "begin", &pair[0]);
	for (i = 0; i < 2; i++) {
		struct heart *h = &pair[i];

		if (!ktap_rc(vfio_bind(h->cdev, h->iommufd, &h->dev_id), 0, "bind card %d", i))
			return false;
		if (i >= owners())
			old[i] = old[0];
		else if (!ktap_rc(hwpt_get(h->iommufd, token(TOKEN_HWPT, i), &old[i]), 0,
				  "restored HWPT by token"))
			return false;
		if (!ktap_rc(vfio_attach(h->cdev, old[i]), 0, "attach the restored HWPT"))
			return false;
	}
	phase("bind", "end", &pair[0]);

	phase("rebuild", "begin", &pair[0]);
	for (i = 0; i < owners(); i++)
		if (!ktap_rc(heart_map(&pair[i]), 0, "new HWPT over the same memfd"))
			return false;
	if (shared()) {
		pair[1].hwpt = pair[0].hwpt;
		if (!ktap_rc(heart_map_into(&pair[1], &pair[0]), 0, "and over the other one"))
			return false;
	}
	phase("rebuild", "end", &pair[0]);

	phase("hotswap", "begin", &pair[0]);
	if (opt_num("gap", 0) && !leave_with_gap(&pair[1]))
		return false;
	for (i = 0; i < (opt_num("gap", 0) ? 1 : 2); i++)
		if (!ktap_rc(vfio_attach(pair[i].cdev, pair[i].hwpt), 0,
			     "replace the restored HWPT of card %d", i))
			return false;
	phase("hotswap", "end", &pair[0]);
	for (i = 0; i < owners(); i++)
		if (!ktap_rc(iommufd_destroy(pair[i].iommufd, old[i]), 0,
			     "destroy the restored HWPT"))
			return false;
	return true;
}

static bool pair_next(void)
{
	int session, i;

	for (i = 0; i < 2; i++)
		if (!ktap_rc(vfio_bind_driver(card_bdf(i), "vfio-pci"), 0, "bind card %d", i))
			return false;
	say("@phase retrieve begin");
	session = lu_session_retrieve(SESSION_NAME);
	if (!ktap_rc(session, 0, "retrieve the session") || !retrieve_pair(session))
		return false;
	phase("retrieve", "end", &pair[0]);
	if (!hotswap_pair())
		return false;
	phase("finish", "begin", &pair[0]);
	if (!ktap_rc(lu_finish(session), 0, "finish the session"))
		return false;
	close(session);
	phase("finish", "end", &pair[0]);
	return true;
}

void case_pair(long stage)
{
	if (!(stage == 1 ? pair_first() : pair_next()))
		return;
	if (stage <= opt_num("updates", 1)) {
		pair_leave(stage);
		return;
	}
	if (wait_both(opt_num("tail", 100)))
		check_leaks();
}
