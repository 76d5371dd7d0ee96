// SPDX-License-Identifier: GPL-2.0
/*
 * Is the image that was loaded one that can take over?
 *
 * After the jump it is too late to find out: a kernel that does not know the
 * state turns translation off, and the devices that are still running write
 * I/O virtual addresses as physical ones. The kernel file is at hand only while
 * it is being loaded, so it is looked at there.
 */
#define pr_fmt(fmt) "iommu_lu: " fmt

#include <kunit/static_stub.h>
#include <linux/kexec.h>

#include "private.h"

/*
 * Images, and what they say: the one that is loaded, and one that is being loaded in its
 * place, which may fail yet. Protected by kexec_trylock().
 */
static struct looked_at {
	const struct kimage *image;
	struct iommu_lu_caps caps;
	enum iommu_lu_err err;
} looked_at[2];

/* The one that is not @image: stale, or free. */
static struct looked_at *other_than(const struct kimage *image)
{
	return &looked_at[looked_at[0].image == image];
}

/**
 * iommu_lu_kexec_image - look at a kernel that is being loaded
 * @image: its kernel_buf holds the whole file
 *
 * Context: kexec_file_load(), under kexec_trylock().
 */
void iommu_lu_kexec_image(struct kimage *image)
{
	struct looked_at *look = other_than(kexec_image);

	if (image->type == KEXEC_TYPE_CRASH)
		return;
	look->image = image;
	look->err = iommu_lu_find_note(image->kernel_buf, image->kernel_buf_len, &look->caps);
}

/**
 * iommu_lu_kexec_check - may the live update go ahead with the loaded image?
 *
 * Context: kernel_kexec(), under kexec_trylock(), iommu_lu_out.lock held.
 * Return: 0, -ENOEXEC or -EPROTO.
 */
int iommu_lu_kexec_check(void)
{
	const struct looked_at *look = &looked_at[looked_at[0].image != kexec_image];
	struct iommu_lu_unit *unit;
	enum iommu_lu_err verdict;
	const char *why = NULL;
	int err = -ENOEXEC;
	u32 hw_types = 0;

	KUNIT_STATIC_STUB_REDIRECT(iommu_lu_kexec_check);
	if (!kexec_image || !kexec_image->file_mode || !kexec_image->kho.fdt) {
		why = "it was not loaded with kexec_file_load(), no memory would be handed over";
	} else if (look->image != kexec_image) {
		why = "it was not looked at when it was loaded";
	} else {
		list_for_each_entry(unit, &iommu_lu_out.units, list)
			hw_types |= 1U << unit->ser.type;
		verdict = look->err;
		if (!verdict)
			verdict = iommu_lu_verify_caps(&look->caps, IOMMU_LU_VERSION,
						       IOMMU_LU_MIN_VERSION, IOMMU_LU_UNDERSTOOD,
						       hw_types, PAGE_SHIFT);
		err = iommu_lu_errno(verdict);
		why = iommu_lu_strerror(verdict);
	}
	if (err)
		pr_err("the loaded kernel cannot take over: %s\n", why);
	return err;
}
