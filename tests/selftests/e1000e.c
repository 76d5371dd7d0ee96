// SPDX-License-Identifier: GPL-2.0
/* Intel 82574L: legacy receive descriptors on queue 0 */
#include <endian.h>
#include <string.h>

#include "nic.h"

#define RDBAL	0x2800
#define RDBAH	0x2804
#define RDLEN	0x2808
#define RDH	0x2810
#define RDT	0x2818

#define CTRL_EXT	0x0018
#define CTRL_EXT_IAME	(1u << 27)	/* EIAC does not mask */
#define IMS	0x00d0
#define EIAC	0x00dc
#define IVAR	0x00e4
#define IVAR_RXQ0_VECTOR0	(1u << 3)
#define INT_RXQ0		(1u << 20)

#define STATUS_DD	0x01

struct rx_desc {
	uint64_t addr;
	uint16_t length;
	uint16_t csum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

static void e1000e_fill(void *ring, unsigned int i, uint64_t iova)
{
	struct rx_desc *d = (struct rx_desc *)ring + i;

	memset(d, 0, sizeof(*d));
	d->addr = htole64(iova);
}

static bool e1000e_done(const void *ring, unsigned int i, unsigned int *len)
{
	const struct rx_desc *d = (const struct rx_desc *)ring + i;

	/* status first: the length is only valid behind it */
	if (!(__atomic_load_n(&d->status, __ATOMIC_ACQUIRE) & STATUS_DD))
		return false;
	*len = le16toh(d->length);
	return true;
}

static void e1000e_give(volatile void *bar, void *ring, unsigned int tail)
{
	(void)ring;
	nic_wr(bar, RDT, tail);
}

static int e1000e_start(int cdev, volatile void *bar, void *ring, uint64_t ring_iova,
			unsigned int n, unsigned int tail)
{
	int rc;

	(void)cdev;
	nic_wr(bar, NIC_IMC, ~0U);
	nic_wr(bar, NIC_CTRL, nic_rd(bar, NIC_CTRL) | NIC_CTRL_RST);
	rc = nic_wait(bar, NIC_CTRL, NIC_CTRL_RST, 0, 1000);
	if (rc)
		return rc;
	nic_wr(bar, NIC_IMC, ~0U);
	nic_wr(bar, NIC_CTRL, nic_rd(bar, NIC_CTRL) | NIC_CTRL_SLU);
	rc = nic_wait(bar, NIC_STATUS, NIC_STATUS_LU, NIC_STATUS_LU, 5000);
	if (rc)
		return rc;

	nic_wr(bar, RDBAL, (uint32_t)ring_iova);
	nic_wr(bar, RDBAH, ring_iova >> 32);
	nic_wr(bar, RDLEN, n * NIC_DESC_SIZE);
	nic_wr(bar, RDH, 0);
	nic_wr(bar, NIC_RCTL, NIC_RCTL_EN | NIC_RCTL_UPE | NIC_RCTL_MPE |
			      NIC_RCTL_BAM | NIC_RCTL_SECRC);
	e1000e_give(bar, ring, tail);
	return 0;
}

static void e1000e_irq(volatile void *bar, bool on)
{
	if (!on) {
		nic_wr(bar, NIC_IMC, INT_RXQ0);
		return;
	}
	nic_wr(bar, CTRL_EXT, nic_rd(bar, CTRL_EXT) | CTRL_EXT_IAME);
	nic_wr(bar, IVAR, IVAR_RXQ0_VECTOR0);
	/* done with as soon as it is sent, so that the next frame raises it again */
	nic_wr(bar, EIAC, INT_RXQ0);
	nic_wr(bar, IMS, INT_RXQ0);
}

const struct nic_ops e1000e_ops = {
	.name = "e1000e",
	.fill = e1000e_fill,
	.done = e1000e_done,
	.start = e1000e_start,
	.give = e1000e_give,
	.irq = e1000e_irq,
};
