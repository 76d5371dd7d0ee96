/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The heartbeat: a network card that receives numbered frames into a memfd,
 * and a thread that checks each of them. What the thread knows lies in the
 * memfd too, so that the next kernel goes on where this one stopped.
 */
#ifndef LU_SELFTESTS_HEART_H
#define LU_SELFTESTS_HEART_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "nic.h"

#define HEART_IOVA	0x1000000000ULL	/* 64 GiB: no memory of the guest there */
#define HEART_MAGIC	0x54524145484c5500ULL

/* First page of the memfd. The observer on the host reads it as well. */
struct heart_state {
	uint64_t magic;
	uint64_t size;			/* of the memfd, in bytes */
	uint64_t ring_off;
	uint64_t ring_len;		/* frames that it takes in all */
	uint64_t buf_off;
	uint64_t buf_len;		/* buffers of one page each */
	uint64_t map_off;		/* u64 physical address per page of the memfd */
	uint64_t map_pages;
	uint64_t map_pa[64];		/* where the map itself lies */
	/* progress */
	uint64_t next;			/* next descriptor to look at */
	uint64_t expect;		/* next frame number */
	uint64_t lost;
	uint64_t bad;
	/* to be compared by the next kernels */
	uint64_t iommu_pages;
	/* written by the host when it has done what it was asked for */
	uint64_t signal;
	uint64_t iova;			/* where the memfd is mapped */
	uint64_t shmem_pages;		/* beside iommu_pages */
};

struct heart {
	char bdf[32];
	int memfd;
	uint64_t size;
	struct heart_state *st;
	void *ring;
	uint8_t *bufs;
	const struct nic_ops *nic;

	/* device */
	int cdev;
	int iommufd;
	int session;
	uint32_t dev_id;
	uint32_t ioas;
	uint32_t hwpt;
	volatile void *bar;
	size_t bar_len;
	uint64_t window;		/* descriptors the card may have, 0: all */
	uint64_t join;			/* so many frames may have any number */
	bool same;			/* it sees each page at its physical address */

	pthread_t thread;
	bool stop;
	uint64_t start;			/* st->next when this kernel began */
	uint64_t unseen;		/* that landed before it looked */
};

/* Everything from an unbound device up to arriving frames. */
int heart_open(struct heart *h, const char *bdf);
/* The same on the iommufd of another one, on the same HWPT or another. */
int heart_join(struct heart *h, const char *bdf, struct heart *first, bool same_hwpt);
int heart_map_bar(struct heart *h);
int heart_start(struct heart *h, unsigned int index);

/* Take over a memfd that came from the previous kernel. */
int heart_adopt(struct heart *h, const char *bdf, int memfd);

int heart_poll_start(struct heart *h);
void heart_poll_stop(struct heart *h);
uint64_t heart_frames(struct heart *h);
/* 0 when @n frames have arrived in all, -ETIMEDOUT else */
int heart_wait(struct heart *h, uint64_t n);
/* until the host has written @n to st->signal */
int heart_wait_signal(struct heart *h, uint64_t n);
/* n more than now */
int heart_wait_more(struct heart *h, uint64_t n);
/* false and a line on the console for each kind of error seen so far */
bool heart_intact(struct heart *h);

/* New IOAS and HWPT over the memfd, in h->ioas and h->hwpt. */
int heart_map(struct heart *h);
/* The memfd into the IOAS of another one. */
int heart_map_into(struct heart *h, struct heart *first);

#endif
