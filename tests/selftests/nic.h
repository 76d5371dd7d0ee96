/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receive side of a network card, driven from userspace. All descriptors are
 * filled before the card is started; from then on it works without a CPU.
 */
#ifndef LU_SELFTESTS_NIC_H
#define LU_SELFTESTS_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_DESC_SIZE	16

struct nic_ops {
	const char *name;
	/*
	 * Of a card that can have no more than so many descriptors, which are then
	 * used again and again: their number, and the size of its ring in bytes.
	 */
	unsigned int queue;
	size_t ring_size;
	/* descriptor @i of @ring: receive into @iova */
	void (*fill)(void *ring, unsigned int i, uint64_t iova);
	/* has the card filled descriptor @i, and with how many bytes? */
	bool (*done)(const void *ring, unsigned int i, unsigned int *len);
	/* which BAR the registers are in; NULL: the first one */
	int (*bar)(int cdev);
	/*
	 * Start receiving into a ring of @n, the first @tail of them given to
	 * the card. Bus master is the caller's business.
	 */
	int (*start)(int cdev, volatile void *bar, void *ring, uint64_t ring_iova,
		     unsigned int n, unsigned int tail);
	/* let each frame raise MSI-X vector 0, or no frame any more; NULL: it cannot */
	void (*irq)(volatile void *bar, bool on);
	/* give the card the descriptors up to @tail; @bar may be NULL if it has a queue */
	void (*give)(volatile void *bar, void *ring, unsigned int tail);
};

extern const struct nic_ops e1000e_ops, igb_ops, virtio_ops;

/* The driver for PCI vendor:device @id, or NULL. */
const struct nic_ops *nic_find(uint32_t id);

static inline uint32_t nic_rd(volatile void *bar, unsigned int reg)
{
	return *(volatile uint32_t *)((volatile char *)bar + reg);
}

static inline void nic_wr(volatile void *bar, unsigned int reg, uint32_t val)
{
	*(volatile uint32_t *)((volatile char *)bar + reg) = val;
}

/* Poll until (register & mask) == want; 0 or -ETIMEDOUT. */
int nic_wait(volatile void *bar, unsigned int reg, uint32_t mask, uint32_t want,
	     unsigned int timeout_ms);

/* Registers that e1000e and igb have in common */
#define NIC_CTRL		0x0000
#define NIC_CTRL_SLU		(1u << 6)
#define NIC_CTRL_RST		(1u << 26)
#define NIC_STATUS		0x0008
#define NIC_STATUS_LU		(1u << 1)
#define NIC_MDIC		0x0020
#define NIC_MDIC_READY		(1u << 28)
#define NIC_IMC			0x00d8
#define NIC_RCTL		0x0100
#define NIC_RCTL_EN		(1u << 1)
#define NIC_RCTL_UPE		(1u << 3)
#define NIC_RCTL_MPE		(1u << 4)
#define NIC_RCTL_BAM		(1u << 15)
#define NIC_RCTL_SECRC		(1u << 26)

#endif
