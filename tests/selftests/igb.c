// SPDX-License-Identifier: GPL-2.0
/* Intel 82576: advanced one-buffer receive descriptors on queue 0 */
#include <endian.h>
#include <string.h>

#include "nic.h"

#define RDBAL		0xc000
#define RDBAH		0xc004
#define RDLEN		0xc008
#define SRRCTL		0xc00c
#define SRRCTL_ADV	(1u << 25)
#define SRRCTL_2K	2
#define RDH		0xc010
#define RDT		0xc018
#define RXDCTL		0xc028
#define RXDCTL_ENABLE	(1u << 25)

#define GPIE		0x1514
#define GPIE_MSIX	(1u << 4)
#define EIMS		0x1524
#define EIMC		0x1528
#define EIAC		0x152c
#define IVAR0		0x1700
#define IVAR_RXQ0_VECTOR0	0x80
#define INT_VECTOR0	(1u << 0)

#define MDIC_PHY1	(1u << 21)
#define MDIC_WRITE	(1u << 26)
#define BMCR_ANEG	0x1200		/* enable and restart autonegotiation */

#define STATUS_DD	0x01

union rx_desc {
	struct {
		uint64_t addr;
		uint64_t header;
	} read;
	struct {
		uint64_t info;
		uint32_t status;
		uint16_t length;
		uint16_t vlan;
	} wb;
};

static void igb_fill(void *ring, unsigned int i, uint64_t iova)
{
	union rx_desc *d = (union rx_desc *)ring + i;

	memset(d, 0, sizeof(*d));
	d->read.addr = htole64(iova);
}

static bool igb_done(const void *ring, unsigned int i, unsigned int *len)
{
	const union rx_desc *d = (const union rx_desc *)ring + i;

	if (!(le32toh(__atomic_load_n(&d->wb.status, __ATOMIC_ACQUIRE)) & STATUS_DD))
		return false;
	*len = le16toh(d->wb.length);
	return true;
}

static void igb_give(volatile void *bar, void *ring, unsigned int tail)
{
	(void)ring;
	nic_wr(bar, RDT, tail);
}

static int igb_start(int cdev, volatile void *bar, void *ring, uint64_t ring_iova,
		     unsigned int n, unsigned int tail)
{
	int rc;

	(void)cdev;
	nic_wr(bar, NIC_IMC, ~0U);
	nic_wr(bar, EIMC, ~0U);
	nic_wr(bar, NIC_CTRL, nic_rd(bar, NIC_CTRL) | NIC_CTRL_RST);
	rc = nic_wait(bar, NIC_CTRL, NIC_CTRL_RST, 0, 1000);
	if (rc)
		return rc;
	nic_wr(bar, NIC_IMC, ~0U);
	nic_wr(bar, NIC_CTRL, nic_rd(bar, NIC_CTRL) | NIC_CTRL_SLU);

	/* no link before the PHY was told to negotiate */
	nic_wr(bar, NIC_MDIC, MDIC_WRITE | MDIC_PHY1 | BMCR_ANEG);
	rc = nic_wait(bar, NIC_MDIC, NIC_MDIC_READY, NIC_MDIC_READY, 1000);
	if (!rc)
		rc = nic_wait(bar, NIC_STATUS, NIC_STATUS_LU, NIC_STATUS_LU, 5000);
	if (rc)
		return rc;

	nic_wr(bar, RDBAL, (uint32_t)ring_iova);
	nic_wr(bar, RDBAH, ring_iova >> 32);
	nic_wr(bar, RDLEN, n * NIC_DESC_SIZE);
	nic_wr(bar, SRRCTL, SRRCTL_ADV | SRRCTL_2K);
	nic_wr(bar, RDH, 0);
	nic_wr(bar, RXDCTL, nic_rd(bar, RXDCTL) | RXDCTL_ENABLE);
	nic_wr(bar, NIC_RCTL, NIC_RCTL_EN | NIC_RCTL_UPE | NIC_RCTL_MPE |
			      NIC_RCTL_BAM | NIC_RCTL_SECRC);
	igb_give(bar, ring, tail);
	return 0;
}

static void igb_irq(volatile void *bar, bool on)
{
	if (!on) {
		nic_wr(bar, EIMC, INT_VECTOR0);
		return;
	}
	nic_wr(bar, GPIE, GPIE_MSIX);
	nic_wr(bar, IVAR0, IVAR_RXQ0_VECTOR0);
	/* done with as soon as it is sent, so that the next frame raises it again */
	nic_wr(bar, EIAC, INT_VECTOR0);
	nic_wr(bar, EIMS, INT_VECTOR0);
}

const struct nic_ops igb_ops = {
	.name = "igb",
	.fill = igb_fill,
	.done = igb_done,
	.start = igb_start,
	.give = igb_give,
	.irq = igb_irq,
};
