/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The numbered frames that the generator on the host sends, and their check.
 * traffic.py builds them: keep both in step.
 */
#ifndef LU_SELFTESTS_FRAME_H
#define LU_SELFTESTS_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC	0x4c554842U	/* "LUHB" */
#define FRAME_WORDS	26

struct frame {
	uint8_t dst[6];
	uint8_t src[6];
	uint16_t type;
	uint16_t pad;
	uint32_t magic;
	uint32_t crc;			/* CRC-32 of everything behind it */
	uint64_t seq;
	uint64_t sent_ns;		/* clock of the host */
	uint64_t word[FRAME_WORDS];	/* follow from seq */
} __attribute__((packed));

/* 0 and the number of the frame, or -EBADMSG */
int frame_check(const void *data, size_t len, uint64_t *seq);

#endif
