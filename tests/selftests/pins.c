// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that inherited page tables refer to stays where it is: everything userspace can do
 * to move pages of a memfd is tried on it, and on another memfd, to see that it works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/swap.h>

#include "cases.h"
#include "lu.h"

#define SWAP_DISK	"/dev/ram0"
#define CONTROL		64UL		/* pages of the other memfd */

static int pagemap;

/* Physical address. A page that is not there is fetched first, from wherever it is. */
static uint64_t where(const volatile char *at)
{
	*at;
	return pagemap_pa(pagemap, at);
}

/* mkswap and swapon */
static int swap_on(void)
{
	static char head[LU_PAGE];
	uint32_t info[3] = { 1, 4096 / 4 - 1, 0 };	/* version, last page, bad pages */
	int fd = open(SWAP_DISK, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	memcpy(head + 1024, info, sizeof(info));
	memcpy(head + LU_PAGE - 10, "SWAPSPACE2", 10);
	if (write(fd, head, sizeof(head)) != sizeof(head) || fsync(fd))
		rc = -EIO;
	close(fd);
	return rc ? rc : swapon(SWAP_DISK, 0) ? -errno : 0;
}

static void shake(void *mem, uint64_t size)
{
	madvise(mem, size, MADV_COLD);
	madvise(mem, size, MADV_PAGEOUT);
	file_write("/proc/sys/vm/drop_caches", "3");
	file_write("/proc/sys/vm/compact_memory", "1");
}

/* The same on memory that is not held. Returns how many pages have moved. */
static long shake_control(void)
{
	int fd = memfd_create("control", MFD_CLOEXEC);
	uint64_t was[CONTROL];
	long moved = 0;
	size_t i;
	char *mem;

	if (fd < 0 || ftruncate(fd, CONTROL * LU_PAGE))
		return -errno;
	mem = mmap(NULL, CONTROL * LU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, CONTROL * LU_PAGE);
	for (i = 0; i < CONTROL; i++)
		was[i] = where(mem + i * LU_PAGE);
	shake(mem, CONTROL * LU_PAGE);
	for (i = 0; i < CONTROL; i++)
		moved += where(mem + i * LU_PAGE) != was[i];
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LU_PAGE) || *mem)
		moved = -EIO;
	munmap(mem, CONTROL * LU_PAGE);
	close(fd);
	return moved;
}

void try_pins(struct heart *h)
{
	const uint64_t *map = (void *)((char *)h->st + h->st->map_off);
	uint64_t i, moved = 0;
	char *mem = (char *)h->st;

	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!ktap_rc(pagemap < 0 ? -errno : 0, 0, "look where pages lie") ||
	    !ktap_rc(swap_on(), 0, "have somewhere to swap to"))
		return;
	ktap(shake_control() > 0, "pages of an ordinary memfd can be moved");

	ktap_rc(fallocate(h->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LU_PAGE) ?
		-errno : 0, -EPERM, "held memory: punching a hole is refused");
	ktap_rc(ftruncate(h->memfd, LU_PAGE) ? -errno : 0, -EPERM,
		"held memory: truncating is refused");
	shake(mem, h->size);
	for (i = 0; i < h->size / LU_PAGE; i++)
		moved += where(mem + i * LU_PAGE) != map[i];
	ktap(!moved, "held memory: %llu of %llu pages have moved", (unsigned long long)moved,
	     (unsigned long long)i);
	swapoff(SWAP_DISK);
	close(pagemap);
}
