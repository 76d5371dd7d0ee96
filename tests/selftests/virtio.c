// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net: the receive queue and nothing else. Sections are those of
 * "Virtual I/O Device (VIRTIO) Version 1.2".
 *
 * Split virtqueue (2.7), no indirect descriptors, no event indices, buffers used
 * in order by the one queue there is. A queue has 1024 descriptors at most, so
 * they are used again and again: what the card has got at a time is enough for
 * as long as no CPU helps, and whoever looks at the frames gives it the next ones.
 *
 * ACCESS_PLATFORM (6) makes the device use the IOMMU.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "lu.h"
#include "nic.h"

#define QUEUE		1024
#define RX_QUEUE	0			/* 5.1.2 */

/* 5.1.6: struct virtio_net_hdr with num_buffers, which is there since VERSION_1 */
#define NET_HDR		12
#define FRAME_MAX	2048

/*
 * 2.7: alignment 16, 2 and 4. No entry of the used ring crosses a page: QEMU loses the
 * half that is behind the boundary. The observer on the host knows where that ring is.
 */
struct ring {
	struct vring_desc desc[QUEUE];
	struct {
		uint16_t flags;
		uint16_t idx;
		uint16_t ring[QUEUE];
	} avail;
	uint8_t pad[2048];
	struct {
		uint16_t flags;
		uint16_t idx;
		struct vring_used_elem ring[QUEUE];
	} used;
	/* at the end, before the buffers: the header of the first one */
	uint8_t spare[NET_HDR];
};

_Static_assert(offsetof(struct ring, used) == 20484, "used ring moved");

static struct {
	volatile struct virtio_pci_common_cfg *common;
	volatile uint16_t *notify;
} regs;

/*
 * The header goes in front of the frame: into the end of the page before, which
 * no frame reaches, so that frames begin at the beginning of their pages.
 */
static void virtio_fill(void *ring, unsigned int i, uint64_t iova)
{
	struct ring *r = ring;

	r->desc[i].addr = htole64(iova - NET_HDR);
	r->desc[i].len = htole32(NET_HDR + FRAME_MAX);
	r->desc[i].flags = htole16(VRING_DESC_F_WRITE);
	r->avail.ring[i] = htole16(i);
}

/* 2.7.8; of a buffer other than the next one there is nothing to be had */
static bool virtio_done(const void *ring, unsigned int i, unsigned int *len)
{
	const struct ring *r = ring;
	const struct vring_used_elem *elem = &r->used.ring[i % QUEUE];
	unsigned int total;

	if (le16toh(__atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE)) == (uint16_t)i)
		return false;
	total = le32toh(elem->len);
	*len = le32toh(elem->id) == i % QUEUE && total > NET_HDR ? total - NET_HDR : 0;
	return true;
}

/*
 * 2.7.13. A device that has not run out of buffers needs no notification. After the
 * kexec nobody has mapped its registers, and one that has run out has lost frames.
 */
static void virtio_give(volatile void *bar, void *ring, unsigned int tail)
{
	struct ring *r = ring;

	if (le16toh(r->avail.idx) == (uint16_t)tail)
		return;
	__atomic_store_n(&r->avail.idx, htole16(tail), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (bar && !(le16toh(r->used.flags) & VRING_USED_F_NO_NOTIFY))
		*regs.notify = htole16(RX_QUEUE);
}

static int read8(int cdev, unsigned int off)
{
	int word = vfio_config_read16(cdev, off & ~1);

	return word < 0 ? word : word >> 8 * (off & 1) & 0xff;
}

/* 4.1.4: where a structure lies. Returns the BAR. */
static int find(int cdev, unsigned int type, uint32_t *offset, uint32_t *mult)
{
	int at = read8(cdev, PCI_CAPABILITY_LIST) & ~3;

	for (; at > 0; at = read8(cdev, at + 1) & ~3) {
		if (read8(cdev, at) != PCI_CAP_ID_VNDR ||
		    read8(cdev, at + VIRTIO_PCI_CAP_CFG_TYPE) != (int)type)
			continue;
		*offset = vfio_config_read16(cdev, at + VIRTIO_PCI_CAP_OFFSET) |
			  vfio_config_read16(cdev, at + VIRTIO_PCI_CAP_OFFSET + 2) << 16;
		if (mult)
			*mult = vfio_config_read16(cdev, at + VIRTIO_PCI_NOTIFY_CAP_MULT) |
				vfio_config_read16(cdev, at + VIRTIO_PCI_NOTIFY_CAP_MULT + 2) << 16;
		return read8(cdev, at + VIRTIO_PCI_CAP_BAR);
	}
	return -ENOENT;
}

static int virtio_bar(int cdev)
{
	uint32_t offset;

	return find(cdev, VIRTIO_PCI_CAP_COMMON_CFG, &offset, NULL);
}

/* 4.1.3.1: the halves of a 64-bit register are accessed one by one */
static void write64(volatile __le32 *lo, volatile __le32 *hi, uint64_t val)
{
	*lo = htole32(val);
	*hi = htole32(val >> 32);
}

/* 3.1.1, 4.1.4.3 */
static int virtio_start(int cdev, volatile void *bar, void *ring, uint64_t ring_iova,
			unsigned int n, unsigned int tail)
{
	const uint64_t want = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM;
	volatile struct virtio_pci_common_cfg *common;
	uint32_t offset, notify_off, mult;
	uint64_t features, end;
	struct ring *r = ring;
	int cfg, notify;

	cfg = find(cdev, VIRTIO_PCI_CAP_COMMON_CFG, &offset, NULL);
	notify = find(cdev, VIRTIO_PCI_CAP_NOTIFY_CFG, &notify_off, &mult);
	if (cfg < 0 || notify != cfg)
		return -ENODEV;
	regs.common = (volatile void *)((volatile char *)bar + offset);
	common = regs.common;

	common->device_status = 0;
	for (end = now_ms() + 1000; common->device_status;)
		if (now_ms() > end)
			return -ETIMEDOUT;
	common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	common->device_status |= VIRTIO_CONFIG_S_DRIVER;

	common->device_feature_select = htole32(0);
	features = le32toh(common->device_feature);
	common->device_feature_select = htole32(1);
	features |= (uint64_t)le32toh(common->device_feature) << 32;
	if ((features & want) != want)
		return -EOPNOTSUPP;
	common->guest_feature_select = htole32(0);
	common->guest_feature = htole32((uint32_t)want);
	common->guest_feature_select = htole32(1);
	common->guest_feature = htole32(want >> 32);
	common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EOPNOTSUPP;

	common->queue_select = htole16(RX_QUEUE);
	if (le16toh(common->queue_size) < n || n != QUEUE)
		return -ENOSPC;
	common->queue_size = htole16(n);
	write64(&common->queue_desc_lo, &common->queue_desc_hi,
		ring_iova + offsetof(struct ring, desc));
	write64(&common->queue_avail_lo, &common->queue_avail_hi,
		ring_iova + offsetof(struct ring, avail));
	write64(&common->queue_used_lo, &common->queue_used_hi,
		ring_iova + offsetof(struct ring, used));
	regs.notify = (volatile void *)((volatile char *)bar + notify_off +
					le16toh(common->queue_notify_off) * mult);
	r->avail.flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	common->queue_enable = htole16(1);
	common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;

	virtio_give(bar, ring, tail);
	return 0;
}

const struct nic_ops virtio_ops = {
	.name = "virtio-net",
	.queue = QUEUE,
	.ring_size = sizeof(struct ring),
	.fill = virtio_fill,
	.done = virtio_done,
	.bar = virtio_bar,
	.start = virtio_start,
	.give = virtio_give,
};
