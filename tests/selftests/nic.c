// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "lu.h"
#include "nic.h"

const struct nic_ops *nic_find(uint32_t id)
{
	switch (id) {
	case 0x808610d3:
		return &e1000e_ops;
	case 0x808610c9:
		return &igb_ops;
	case 0x1af41041:
		return &virtio_ops;
	}
	return NULL;
}

int nic_wait(volatile void *bar, unsigned int reg, uint32_t mask, uint32_t want,
	     unsigned int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	while ((nic_rd(bar, reg) & mask) != want) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}
