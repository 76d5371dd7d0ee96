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

static int shake(void *mem, uint64_t size)
{
	if (madvise(mem, size, MADV_PAGEOUT))
		return -errno;
	file_write("/proc/sys/vm/drop_caches", "3");
	file_write("/proc/sys/vm/compact_memory", "1");
	return 0;
}

/* Returns how many pages of a memfd have moved, or an error. */
static long shake_memfd(int fd)
{
	uint64_t was[CONTROL];
	long moved;
	size_t i;
	char *mem;

	mem = mmap(NULL, CONTROL * LU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, CONTROL * LU_PAGE);
	for (i = 0; i < CONTROL; i++)
		was[i] = where(mem + i * LU_PAGE);
	moved = shake(mem, CONTROL * LU_PAGE);
	if (!moved)
		for (i = 0; i < CONTROL; i++)
			moved += where(mem + i * LU_PAGE) != was[i];
	munmap(mem, CONTROL * LU_PAGE);
	return moved;
}

static int punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LU_PAGE) ? -errno : 0;
}

static int truncate_to_page(int fd)
{
	return ftruncate(fd, LU_PAGE) ? -errno : 0;
}

static int new_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 || ftruncate(fd, CONTROL * LU_PAGE) ? -errno : fd;
}

/* A memfd that is preserved with the others, and that no device knows of */
void preserve_spare(int session)
{
	int fd = new_memfd("spare");
	char *mem = mmap(NULL, CONTROL * LU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (!ktap_rc(mem == MAP_FAILED ? -errno : 0, 0, "a spare memfd"))
		return;
	memset(mem, 1, CONTROL * LU_PAGE);
	ktap_rc(lu_preserve(session, fd, TOKEN_OTHER), 0, "preserve it");
}

static void try_pins_of(int memfd)
{
	ktap_rc(punch(memfd), -EPERM, "held memory: punching a hole is refused");
	ktap_rc(truncate_to_page(memfd), -EPERM, "held memory: truncating is refused");
}

/**
 * try_pins - nothing that userspace can do moves memory before FINISH
 * @h: its memory, which a device writes to
 * @session: with the memfd of preserve_spare()
 *
 * Return: that memfd.
 */
int try_pins(struct heart *h, int session)
{
	const uint64_t *map = (void *)((char *)h->st + h->st->map_off);
	int control = new_memfd("control"), spare;
	uint64_t i, moved = 0;
	char *mem = (char *)h->st;
	long swapped;

	spare = lu_retrieve(session, TOKEN_OTHER);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!ktap_rc(spare, 0, "retrieve the spare memfd") ||
	    !ktap_rc(pagemap < 0 ? -errno : 0, 0, "look where pages lie") ||
	    !ktap_rc(swap_on(), 0, "have somewhere to swap to"))
		return spare;
	swapped = vmstat("pswpout");
	ktap(shake_memfd(control) > 0, "pages of an ordinary memfd can be moved");
	ktap(vmstat("pswpout") > swapped, "and swapped out");
	ktap_rc(punch(control), 0, "and a hole can be punched");
	close(control);

	try_pins_of(h->memfd);
	swapped = vmstat("pswpout");
	ktap_rc(shake(mem, h->size), 0, "held memory: taking it away is tried");
	for (i = 0; i < h->size / LU_PAGE; i++)
		moved += where(mem + i * LU_PAGE) != map[i];
	ktap(!moved, "held memory: %llu of %llu pages have moved", (unsigned long long)moved,
	     (unsigned long long)i);
	try_pins_of(spare);
	ktap(!shake_memfd(spare), "spare memory: no page has moved");
	ktap(vmstat("pswpout") == swapped, "no page of either was swapped out");
	return spare;
}

/* The session is finished. What iommufd has pinned itself by now stays so. */
void try_unpinned(int spare)
{
	ktap(shake_memfd(spare) > 0, "pages of the spare memfd can be moved again");
	ktap_rc(punch(spare), 0, "and a hole can be punched");
	ktap_rc(truncate_to_page(spare), 0, "and it can be truncated");
	close(spare);
	swapoff(SWAP_DISK);
	close(pagemap);
}
