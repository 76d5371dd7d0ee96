/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LU_SELFTESTS_CASES_H
#define LU_SELFTESTS_CASES_H

#include "heart.h"

/* Tokens of the files in the session, and of the HWPT in its iommufd */
enum {
	TOKEN_MEMFD = 0x11,
	TOKEN_IOMMUFD = 0x22,
	TOKEN_VFIO = 0x33,
	TOKEN_HWPT = 0x44,
	TOKEN_OTHER = 0x55,
};

#define SESSION_NAME	"heartbeat"

void case_heartbeat(long stage);
void case_receive(long stage);
void case_refuse(long stage);
void case_disabled(long stage);
void case_closed(long stage);
void case_failnth(long stage);
void case_retrieve(long stage);
void case_adopt(long stage);
void case_pair(long stage);
void case_example(long stage);
void case_killed(long stage);
void case_msi(long stage);
void case_irq(long stage);
void case_race(long stage);

/* Bind h's device to vfio-pci and get frames going. Reported step by step. */
bool setup_heart(struct heart *h, unsigned int index, const char *bdf);
/* Mark, new session, memfd + iommufd + vfio; returns the session or an errno */
int preserve_all(struct heart *h, const char *name);
/*
 * Another device, lu.other=BDF, on the HWPT of h. Preserved after everything else, and not as it
 * was then: it lets a freeze fail when all others are frozen. -EBUSY, "MSI is enabled".
 */
int spoiler_open(struct heart *h);
int spoil(int spoiler, int session);
int unspoil(int spoiler);
/* Load the next kernel and go there. Returns only on failure. */
int jump(long stage);
/* The second half of a live update: retrieved files to a finished session */
bool heartbeat_take_over(struct heart *h, int session);
/* A file of debugfs iommu_lu for the host, which has the program that reads it */
void say_dump(const char *name);
/* Try to move the memory of a retrieved memfd. */
void preserve_spare(int session);
int try_pins(struct heart *h, int session);
void try_unpinned(int spare);
/* Phase marks; the runner notes when they arrive. */
void phase(const char *name, const char *what, struct heart *h);
/* Nothing for kmemleak to complain about? */
void check_leaks(void);

#endif
