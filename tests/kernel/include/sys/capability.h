/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of libcap as the kernel's iommufd test uses, so that the tools root
 * needs no development package for the sake of dropping one capability.
 */
#ifndef TESTS_KERNEL_SYS_CAPABILITY_H
#define TESTS_KERNEL_SYS_CAPABILITY_H

#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include <linux/capability.h>

typedef struct cap_sets {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
} *cap_t;
typedef int cap_value_t;
typedef enum { CAP_EFFECTIVE } cap_flag_t;
typedef enum { CAP_CLEAR, CAP_SET } cap_flag_value_t;

static inline cap_t cap_get_proc(void)
{
	cap_t caps = calloc(1, sizeof(*caps));

	if (!caps)
		return NULL;
	caps->head.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &caps->head, caps->data)) {
		free(caps);
		return NULL;
	}
	return caps;
}

static inline int cap_set_flag(cap_t caps, cap_flag_t flag, int count,
			       const cap_value_t *list, cap_flag_value_t to)
{
	(void)flag;	/* there is only one */
	for (int i = 0; i < count; i++) {
		if (to == CAP_SET)
			caps->data[CAP_TO_INDEX(list[i])].effective |= CAP_TO_MASK(list[i]);
		else
			caps->data[CAP_TO_INDEX(list[i])].effective &= ~CAP_TO_MASK(list[i]);
	}
	return 0;
}

static inline int cap_set_proc(cap_t caps)
{
	return syscall(SYS_capset, &caps->head, caps->data);
}

static inline int cap_free(void *caps)
{
	free(caps);
	return 0;
}

#endif
