// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "frame.h"
#include "heart.h"
#include "lu.h"

static uint64_t round_up_page(uint64_t n)
{
	return (n + LU_PAGE - 1) & ~(LU_PAGE - 1);
}

static uint32_t pci_id(const char *bdf)
{
	char path[160], text[32];
	uint32_t id;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor", bdf);
	if (file_read(path, text, sizeof(text)) < 0)
		return 0;
	id = strtoul(text, NULL, 16) << 16;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", bdf);
	if (file_read(path, text, sizeof(text)) < 0)
		return 0;
	return id | strtoul(text, NULL, 16);
}

static int heart_mmap(struct heart *h, uint64_t size)
{
	h->st = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		     h->memfd, 0);
	if (h->st == MAP_FAILED)
		return -errno;
	h->size = size;
	return 0;
}

static int heart_common(struct heart *h, const char *bdf)
{
	snprintf(h->bdf, sizeof(h->bdf), "%s", bdf);
	h->cdev = -1;
	h->iommufd = -1;
	h->nic = nic_find(pci_id(bdf));
	if (!h->nic)
		return -ENODEV;
	if (h->nic->queue && (!h->window || h->window > h->nic->queue))
		h->window = h->nic->queue;
	return 0;
}

/* Write down where the pages lie, for the host. When they are pinned it stays true. */
static int heart_write_map(struct heart *h)
{
	uint64_t *map = (void *)((char *)h->st + h->st->map_off);
	uint64_t pages = h->size / LU_PAGE, i, pa;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	for (i = 0; i < pages && !rc; i++) {
		pa = pagemap_pa(fd, (char *)h->st + i * LU_PAGE);
		if (!pa)
			rc = -EFAULT;
		else if (h->same && map[i] && map[i] != pa)
			rc = -EAGAIN;
		map[i] = pa;
	}
	close(fd);
	for (i = 0; i < h->st->map_pages && !rc; i++)
		h->st->map_pa[i] = map[h->st->map_off / LU_PAGE + i];
	return rc;
}

/* Where the device sees @off of the memfd. */
static uint64_t heart_iova(struct heart *h, uint64_t off)
{
	uint64_t *map = (void *)((char *)h->st + h->st->map_off);

	return h->same ? map[off / LU_PAGE] + off % LU_PAGE : h->st->iova + off;
}

static int heart_memfd(struct heart *h, uint64_t iova)
{
	uint64_t ring_len = h->same ? LU_PAGE / NIC_DESC_SIZE :
				      (uint64_t)opt_num("ring", 65520);
	uint64_t buf_len = h->nic->queue ? h->nic->queue : (uint64_t)opt_num("bufs", 4096);
	uint64_t ring_size = h->nic->queue ? h->nic->ring_size : ring_len * NIC_DESC_SIZE;
	uint64_t map_off = LU_PAGE, map_len, ring_off, buf_off, size, i;
	struct heart_state *st;
	int rc;

	/* the map is sized for itself as well: count generously */
	map_len = round_up_page((buf_len + ring_size / LU_PAGE + 80 +
				 page_size() / LU_PAGE) * sizeof(uint64_t));
	ring_off = map_off + map_len;
	buf_off = ring_off + round_up_page(ring_size);
	size = buf_off + buf_len * LU_PAGE;
	size = (size + page_size() - 1) & -page_size();
	if (map_len / LU_PAGE > 64)
		return -E2BIG;

	h->memfd = memfd_create("heartbeat", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (h->memfd < 0)
		return -errno;
	if (ftruncate(h->memfd, size) ||
	    fcntl(h->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return -errno;
	rc = heart_mmap(h, size);
	if (rc)
		return rc;

	st = h->st;
	st->magic = HEART_MAGIC;
	st->size = size;
	st->iova = iova;
	st->ring_off = ring_off;
	st->ring_len = ring_len;
	st->buf_off = buf_off;
	st->buf_len = buf_len;
	st->map_off = map_off;
	st->map_pages = map_len / LU_PAGE;
	h->ring = (char *)st + ring_off;
	h->bufs = (uint8_t *)st + buf_off;
	rc = heart_write_map(h);
	for (i = 0; i < (h->nic->queue ? h->nic->queue : ring_len) && !rc; i++)
		h->nic->fill(h->ring, i, heart_iova(h, buf_off + i % buf_len * LU_PAGE));
	return rc;
}

int heart_map_into(struct heart *h, struct heart *first)
{
	uint64_t off;
	int rc = 0;

	if (!h->same)
		return ioas_map_file(first->iommufd, first->ioas, h->memfd, 0, h->size,
				     h->st->iova);
	for (off = 0; off < h->size && !rc; off += page_size())
		rc = ioas_map_file(first->iommufd, first->ioas, h->memfd, off, page_size(),
				   heart_iova(h, off));
	return rc;
}

int heart_map(struct heart *h)
{
	int rc = ioas_alloc(h->iommufd, &h->ioas);

	if (!rc)
		rc = heart_map_into(h, h);
	if (!rc)
		rc = hwpt_alloc(h->iommufd, h->dev_id, h->ioas, 0, &h->hwpt);
	return rc;
}

int heart_open(struct heart *h, const char *bdf)
{
	int rc = heart_common(h, bdf);

	if (!rc)
		rc = heart_memfd(h, opt_num("iova", HEART_IOVA));
	if (rc)
		return rc;
	h->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (h->iommufd < 0)
		return -errno;
	h->cdev = vfio_open(bdf);
	if (h->cdev < 0)
		return h->cdev;
	rc = vfio_bind(h->cdev, h->iommufd, &h->dev_id);
	if (!rc)
		rc = heart_map(h);
	if (!rc)
		rc = vfio_attach(h->cdev, h->hwpt);
	if (!rc)
		rc = heart_write_map(h);
	return rc;
}

int heart_join(struct heart *h, const char *bdf, struct heart *first, bool same_hwpt)
{
	int rc = heart_common(h, bdf);

	if (!rc)
		rc = heart_memfd(h, first->st->iova + 2 * first->size);
	if (rc)
		return rc;
	h->iommufd = first->iommufd;
	h->ioas = first->ioas;
	h->hwpt = first->hwpt;
	h->cdev = vfio_open(bdf);
	if (h->cdev < 0)
		return h->cdev;
	rc = vfio_bind(h->cdev, h->iommufd, &h->dev_id);
	if (!rc)
		rc = same_hwpt ? heart_map_into(h, first) : heart_map(h);
	if (!rc)
		rc = vfio_attach(h->cdev, h->hwpt);
	if (!rc)
		rc = heart_write_map(h);
	return rc;
}

int heart_map_bar(struct heart *h)
{
	int rc = h->nic->bar ? h->nic->bar(h->cdev) : 0;

	if (rc < 0)
		return rc;
	h->bar = vfio_map_bar(h->cdev, rc, &h->bar_len);
	return h->bar ? 0 : -ENXIO;
}

int heart_start(struct heart *h, unsigned int index)
{
	uint64_t *map = (void *)((char *)h->st + h->st->map_off);
	int rc = heart_map_bar(h);

	if (rc)
		return rc;
	rc = vfio_bus_master(h->cdev, true);
	if (!rc)
		rc = h->nic->start(h->cdev, h->bar, h->ring, heart_iova(h, h->st->ring_off),
				   h->nic->queue ? h->nic->queue : h->st->ring_len,
				   h->window ? h->window : h->st->ring_len - 1);
	if (!rc)
		say("@ring index=%u bdf=%s nic=%s state_pa=0x%llx", index, h->bdf,
		    h->nic->name, (unsigned long long)map[0]);
	return rc;
}

int heart_adopt(struct heart *h, const char *bdf, int memfd)
{
	int rc = heart_common(h, bdf);
	uint64_t size;

	if (rc)
		return rc;
	h->memfd = memfd;
	rc = heart_mmap(h, LU_PAGE);
	if (rc)
		return rc;
	if (h->st->magic != HEART_MAGIC)
		return -EINVAL;
	size = h->st->size;
	munmap(h->st, LU_PAGE);
	rc = heart_mmap(h, size);
	if (rc)
		return rc;
	h->ring = (char *)h->st + h->st->ring_off;
	h->bufs = (uint8_t *)h->st + h->st->buf_off;
	return 0;
}

/* ---- checking ---- */

static void heart_check(struct heart *h, unsigned int len)
{
	struct heart_state *st = h->st;
	uint64_t seq, i = st->next;

	if (frame_check(h->bufs + i % st->buf_len * LU_PAGE, len, &seq)) {
		if (st->bad++ < 3)
			say("# %s: descriptor %llu: bad frame, %u bytes", h->bdf,
			    (unsigned long long)i, len);
		st->expect++;
	} else if (i < h->join) {
		st->expect = seq + 1;
	} else if (seq != st->expect) {
		/* behind: a buffer was used twice before we looked */
		say("# %s: descriptor %llu: frame %llu, wanted %llu", h->bdf,
		    (unsigned long long)i, (unsigned long long)seq,
		    (unsigned long long)st->expect);
		if (seq > st->expect && seq - st->expect < st->buf_len)
			st->lost += seq - st->expect;
		else
			st->bad++;
		st->expect = seq + 1;
	} else {
		st->expect++;
	}
	__atomic_store_n(&st->next, i + 1, __ATOMIC_RELEASE);
}

static void *heart_thread(void *arg)
{
	struct heart *h = arg;
	unsigned int len;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		while (h->st->next < h->st->ring_len &&
		       h->nic->done(h->ring, h->st->next, &len))
			heart_check(h, len);
		if (h->window && h->st->next + h->window < h->st->ring_len)
			h->nic->give(h->bar, h->ring, h->st->next + h->window);
		usleep(1000);
	}
	return NULL;
}

int heart_poll_start(struct heart *h)
{
	unsigned int len;

	h->stop = false;
	h->start = h->st->next;
	h->unseen = 0;
	while (h->start + h->unseen < h->st->ring_len &&
	       h->nic->done(h->ring, h->start + h->unseen, &len))
		h->unseen++;
	return -pthread_create(&h->thread, NULL, heart_thread, h);
}

void heart_poll_stop(struct heart *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	pthread_join(h->thread, NULL);
}

uint64_t heart_frames(struct heart *h)
{
	return __atomic_load_n(&h->st->next, __ATOMIC_ACQUIRE);
}

int heart_wait(struct heart *h, uint64_t n)
{
	uint64_t limit = opt_num("timeout_ms", 10000);
	uint64_t last = heart_frames(h), since = now_ms(), f;

	if (n > h->st->ring_len)
		return -ENOSPC;
	while ((f = heart_frames(h)) < n) {
		if (f != last) {
			last = f;
			since = now_ms();
		} else if (now_ms() - since > limit) {
			return -ETIMEDOUT;
		}
		usleep(2000);
	}
	return 0;
}

/* known to the host */
_Static_assert(offsetof(struct heart_state, signal) == 616, "signal moved");

int heart_wait_signal(struct heart *h, uint64_t n)
{
	uint64_t since = now_ms(), limit = opt_num("timeout_ms", 10000);

	while (__atomic_load_n(&h->st->signal, __ATOMIC_ACQUIRE) != n) {
		if (now_ms() - since > limit)
			return -ETIMEDOUT;
		usleep(2000);
	}
	return 0;
}

int heart_wait_more(struct heart *h, uint64_t n)
{
	return heart_wait(h, heart_frames(h) + n);
}

bool heart_intact(struct heart *h)
{
	if (h->st->lost || h->st->bad)
		say("# %s: %llu frames lost, %llu bad", h->bdf,
		    (unsigned long long)h->st->lost,
		    (unsigned long long)h->st->bad);
	return !h->st->lost && !h->st->bad;
}
