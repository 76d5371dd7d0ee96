/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * iommufd ioctls for live update.
 *
 * They are issued on an iommufd (/dev/iommu, or one that was retrieved from a
 * live update session) and follow its conventions: @size is the size of the
 * structure userspace was built with, unknown trailing bytes must be zero.
 */
#ifndef _UAPI_LINUX_IOMMUFD_LIVEUPDATE_H
#define _UAPI_LINUX_IOMMUFD_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* ioctl numbers, well above those that iommufd hands out one by one */
#define IOMMUFD_LU_IOCTL_TYPE		';'
#define IOMMUFD_CMD_HWPT_LU_MARK	0xc0
#define IOMMUFD_CMD_HWPT_LU_GET		0xc1
#define IOMMUFD_CMD_HWPT_LU_VERIFY	0xc2

/**
 * enum iommu_hwpt_lu_mark_flags - flags of IOMMU_HWPT_LU_MARK
 * @IOMMU_HWPT_LU_MARK_CLEAR: take an earlier mark away
 */
enum iommu_hwpt_lu_mark_flags {
	IOMMU_HWPT_LU_MARK_CLEAR = 1 << 0,
};

/**
 * struct iommu_hwpt_lu_mark - ioctl(IOMMU_HWPT_LU_MARK)
 * @size: sizeof(struct iommu_hwpt_lu_mark)
 * @flags: combination of enum iommu_hwpt_lu_mark_flags
 * @hwpt_id: a HWPT made with IOMMU_HWPT_ALLOC over an IOAS
 * @__reserved: must be 0
 * @token: name under which the next kernel hands the HWPT out, unique in this
 *         iommufd. Object ids are not kept across a live update, tokens are.
 *
 * Mark a HWPT to be carried over when this iommufd is preserved. The HWPT
 * cannot be destroyed while it is marked. Nothing else changes until
 * LIVEUPDATE_SESSION_PRESERVE_FD.
 *
 * Errors: ENOENT no such HWPT, EEXIST token taken, EALREADY marked before,
 * EINVAL not marked (CLEAR) or unknown flag, EBUSY the iommufd is preserved,
 * EOPNOTSUPP live update is off, or a kind of HWPT that is not carried
 * (automatic, nesting parent, fault-capable, dirty tracking, PASID).
 */
struct iommu_hwpt_lu_mark {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
	__aligned_u64 token;
};

#define IOMMU_HWPT_LU_MARK _IO(IOMMUFD_LU_IOCTL_TYPE, IOMMUFD_CMD_HWPT_LU_MARK)

/**
 * struct iommu_hwpt_lu_get - ioctl(IOMMU_HWPT_LU_GET)
 * @size: sizeof(struct iommu_hwpt_lu_get)
 * @flags: must be 0
 * @out_hwpt_id: output, id of the restored HWPT in this iommufd
 * @__reserved: must be 0
 * @token: the token given to IOMMU_HWPT_LU_MARK in the previous kernel
 *
 * Find a restored HWPT in an iommufd that was retrieved from a session. The
 * restored HWPT is immutable: it can be attached to the devices that were on
 * it, replaced by a new HWPT and destroyed, nothing else.
 *
 * Errors: ENOENT no such token, EIO the domain could not be taken over (its
 * devices are blocked, see the kernel log) or the restored HWPT was destroyed
 * already, EINVAL not a retrieved iommufd or a flag is set.
 */
struct iommu_hwpt_lu_get {
	__u32 size;
	__u32 flags;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__aligned_u64 token;
};

#define IOMMU_HWPT_LU_GET _IO(IOMMUFD_LU_IOCTL_TYPE, IOMMUFD_CMD_HWPT_LU_GET)

/**
 * struct iommu_hwpt_lu_verify - ioctl(IOMMU_HWPT_LU_VERIFY)
 * @size: sizeof(struct iommu_hwpt_lu_verify)
 * @flags: must be 0
 * @restored_id: a restored HWPT, from IOMMU_HWPT_LU_GET
 * @hwpt_id: the HWPT that is to replace it, made with IOMMU_HWPT_ALLOC over an IOAS
 * @out_iova: output with EDOM, the first address that is different
 *
 * Compare what the device can reach by both, before it is moved from one to the other.
 * Every address that the restored HWPT maps must be mapped by the new one to the same memory
 * and, if both have page tables of the same format, with the same permissions and memory
 * attributes. The size of pages may differ, and the new HWPT may map more. Nothing changes,
 * and the device is not affected.
 *
 * Takes time in proportion to the number of page table entries in both. The IOAS of the new
 * HWPT cannot be mapped or unmapped meanwhile; what is mapped or unmapped afterwards is not
 * covered.
 *
 * Errors: EDOM they differ, at @out_iova; ENOENT no such restored HWPT or no such HWPT, EINVAL
 * a flag is set, EOPNOTSUPP they are of different drivers, or page tables of a kind that is not
 * carried; EINTR the process is being killed.
 */
struct iommu_hwpt_lu_verify {
	__u32 size;
	__u32 flags;
	__u32 restored_id;
	__u32 hwpt_id;
	__aligned_u64 out_iova;
};

#define IOMMU_HWPT_LU_VERIFY _IO(IOMMUFD_LU_IOCTL_TYPE, IOMMUFD_CMD_HWPT_LU_VERIFY)

#endif
