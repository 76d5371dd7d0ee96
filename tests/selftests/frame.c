// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "frame.h"

static uint32_t crc32_of(const uint8_t *p, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0U;
	size_t i;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			uint32_t c = i;
			int k;

			for (k = 0; k < 8; k++)
				c = c & 1 ? 0xedb88320U ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	}
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

int frame_check(const void *data, size_t len, uint64_t *seq)
{
	struct frame f;
	unsigned int i;

	if (len < sizeof(f))
		return -EBADMSG;
	memcpy(&f, data, sizeof(f));
	if (f.magic != FRAME_MAGIC ||
	    f.crc != crc32_of((const uint8_t *)&f + offsetof(struct frame, seq),
			      sizeof(f) - offsetof(struct frame, seq)))
		return -EBADMSG;
	for (i = 0; i < FRAME_WORDS; i++)
		if (f.word[i] != f.seq * 0x9e3779b97f4a7c15ULL +
				 i * 0xbf58476d1ce4e5b9ULL)
			return -EBADMSG;
	*seq = f.seq;
	return 0;
}
