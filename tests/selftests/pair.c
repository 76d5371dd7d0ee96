// SPDX-License-Identifier: GPL-2.0
/*
 * Two cards through live updates together: each on a HWPT and an iommufd of its own, on two
 * HWPTs of one iommufd, or both on one. In one session, or in two, which are finished in
 * another order than they were made.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/iommufd-liveupdate.h>

#include "cases.h"
#include "lu.h"

static struct heart pair[2];

static bool shared(void)
{
	return opt_num("shared", 0);
}

/* How many iommufds, HWPTs and sessions there are. */
static int iommufds(void)
{
	return shared() || opt_num("together", 0) ? 1 : 2;
}

static int hwpts(void)
{
	return shared() ? 1 : 2;
}

static int sessions(void)
{
	return opt_num("apart", 0) ? 2 : 1;
}

static const char *session_name(int i)
{
	return i ? "second" : SESSION_NAME;
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

/* What is in session @s: all of it, or what belongs to one card. */
static bool is_in(int s, int card)
{
	return sessions() == 1 || s == card;
}

static int preserve_session(int s)
{
	int session = lu_session_create(session_name(s)), i, rc = 0;

	if (session < 0)
		return session;
	for (i = 0; i < hwpts() && !rc; i++)
		if (is_in(s, i))
			rc = hwpt_mark(pair[i].iommufd, pair[i].hwpt, token(TOKEN_HWPT, i), 0);
	for (i = 0; i < 2 && !rc; i++)
		if (is_in(s, i))
			rc = lu_preserve(session, pair[i].memfd, token(TOKEN_MEMFD, i));
	for (i = 0; i < iommufds() && !rc; i++)
		if (is_in(s, i))
			rc = lu_preserve(session, pair[i].iommufd, token(TOKEN_IOMMUFD, i));
	for (i = 0; i < 2 && !rc; i++)
		if (is_in(s, i))
			rc = lu_preserve(session, pair[i].cdev, token(TOKEN_VFIO, i));
	if (rc) {
		close(session);
		return rc;
	}
	return session;
}

/* Files of one session are none of the other's. */
static void try_foreign(int first)
{
	int second = lu_session_create("foreign");

	ktap_rc(lu_preserve(second, pair[0].iommufd, TOKEN_IOMMUFD), -EBUSY,
		"an iommufd that is preserved in another session is refused");
	ktap_rc(lu_preserve(second, pair[1].memfd, TOKEN_MEMFD), 0,
		"memory of the other VM in a session of its own");
	ktap_rc(hwpt_mark(pair[1].iommufd, pair[1].hwpt, token(TOKEN_HWPT, 1), 0), 0,
		"mark its HWPT");
	ktap_rc(lu_preserve(first, pair[1].iommufd, token(TOKEN_IOMMUFD, 1)), -ENOENT,
		"its iommufd in the first session is refused, the memory is not there");
	ktap_rc(lu_preserve(second, pair[1].iommufd, TOKEN_IOMMUFD), 0, "in its own it is not");
	ktap_rc(lu_preserve(first, pair[1].cdev, token(TOKEN_VFIO, 1)), -EXDEV,
		"its card in the first session is refused, the iommufd is in another");
	close(second);
	ktap_rc(hwpt_mark(pair[1].iommufd, pair[1].hwpt, token(TOKEN_HWPT, 1),
			  IOMMU_HWPT_LU_MARK_CLEAR), 0, "clear the mark");
}

static bool preserve_pair(void)
{
	int first = preserve_session(0);

	if (!ktap_rc(first, 0, "preserve %s", sessions() == 1 ? "both cards" : "the first card"))
		return false;
	if (sessions() == 1)
		return true;
	try_foreign(first);
	return ktap_rc(preserve_session(1), 0, "preserve the second card");
}

static void pair_leave(long stage)
{
	int rc;

	if (!ktap_rc(payload_unpack(), 0, "read the next kernel from the disk") ||
	    !wait_both(opt_num("warmup", 100)))
		return;
	phase("preserve", "begin", &pair[0]);
	if (!preserve_pair())
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
	if (iommufds() == 2)
		return setup_heart(second, 1, card_bdf(1));
	return ktap_rc(vfio_bind_driver(card_bdf(1), "vfio-pci"), 0, "bind the second card") &&
	       ktap_rc(heart_join(second, card_bdf(1), &pair[0], shared()), 0,
		       "attach it in the same iommufd") &&
	       ktap_rc(heart_start(second, 1), 0, "start it") &&
	       ktap_rc(heart_poll_start(second), 0, "poll it") &&
	       ktap_rc(heart_wait(second, 20), 0, "its first frames");
}

static bool retrieve_pair(const int *session)
{
	int i;

	for (i = 0; i < 2; i++) {
		int memfd = lu_retrieve(session[i], token(TOKEN_MEMFD, i));

		if (!ktap_rc(memfd, 0, "retrieve memfd %d", i) ||
		    !ktap_rc(heart_adopt(&pair[i], card_bdf(i), memfd), 0,
			     "adopt ring and buffers") ||
		    !ktap_rc(heart_poll_start(&pair[i]), 0, "poll"))
			return false;
	}
	for (i = 0; i < 2; i++) {
		struct heart *h = &pair[i];

		h->iommufd = i < iommufds() ? lu_retrieve(session[i], token(TOKEN_IOMMUFD, i)) :
					      pair[0].iommufd;
		h->cdev = lu_retrieve(session[i], token(TOKEN_VFIO, i));
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
		if (i >= hwpts())
			old[i] = old[0];
		else if (!ktap_rc(hwpt_get(h->iommufd, token(TOKEN_HWPT, i), &old[i]), 0,
				  "restored HWPT by token"))
			return false;
		if (!ktap_rc(vfio_attach(h->cdev, old[i]), 0, "attach the restored HWPT"))
			return false;
	}
	phase("bind", "end", &pair[0]);

	phase("rebuild", "begin", &pair[0]);
	for (i = 0; i < hwpts(); i++)
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
	for (i = 0; i < hwpts(); i++)
		if (!ktap_rc(iommufd_destroy(pair[i].iommufd, old[i]), 0,
			     "destroy the restored HWPT"))
			return false;
	return true;
}

/* In the retrieved iommufd of the other VM there is no place for a card. */
static void try_other_vm(void)
{
	uint32_t id;

	ktap_rc(vfio_bind(pair[0].cdev, pair[1].iommufd, &id), -EBUSY,
		"bind to the iommufd of the other VM is refused");
	ktap_rc(hwpt_get(pair[0].iommufd, token(TOKEN_HWPT, 1), &id), -ENOENT,
		"no HWPT of the other VM is there");
}

static bool pair_next(void)
{
	int session[2], i;

	for (i = 0; i < 2; i++)
		if (!ktap_rc(vfio_bind_driver(card_bdf(i), "vfio-pci"), 0, "bind card %d", i))
			return false;
	say("@phase retrieve begin");
	for (i = 0; i < 2; i++) {
		session[i] = i < sessions() ? lu_session_retrieve(session_name(i)) : session[0];
		if (!ktap_rc(session[i], 0, "session of card %d", i))
			return false;
	}
	if (!retrieve_pair(session))
		return false;
	phase("retrieve", "end", &pair[0]);
	if (iommufds() == 2)
		try_other_vm();
	if (!hotswap_pair())
		return false;
	phase("finish", "begin", &pair[0]);
	for (i = sessions(); i--;) {
		if (!ktap_rc(lu_finish(session[i]), 0, "finish session %d", i))
			return false;
		close(session[i]);
	}
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
