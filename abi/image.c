// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel in an image file can take over.
 *
 * The note lies uncompressed in the file: in kernel_info of a bzImage, found by
 * way of the setup header; in the read-only data of an arm64 Image or of a
 * vmlinux, found by a search. The search accepts only what carries its own
 * complement, so neither the magic in a string nor random bytes pass. An image
 * may contain another one (in a built-in initramfs): notes that differ from
 * each other are refused.
 */
#ifdef __KERNEL__
#include <asm/page.h>
#include <linux/compiler.h>
#include <linux/string.h>
#else
#include <string.h>
#endif
#include "validate.h"

#ifdef __KERNEL__
/*
 * For what looks into vmlinux and Image. Not static, and used by nobody, so
 * that no compiler can do without it.
 */
const struct iommu_lu_note iommu_lu_note __used = {
	.magic = IOMMU_LU_NOTE_MAGIC,
	.caps = {
		.version = IOMMU_LU_VERSION,
		.oldest = IOMMU_LU_OLDEST_VERSION,
		.page_shift = PAGE_SHIFT,
		.understood = IOMMU_LU_UNDERSTOOD,
		.hw_types = IOMMU_LU_NOTE_HW_TYPES,
	},
	.inverse = {
		.version = (__u16)~IOMMU_LU_VERSION,
		.oldest = (__u16)~IOMMU_LU_OLDEST_VERSION,
		.page_shift = (__u16)~PAGE_SHIFT,
		.reserved0 = (__u16)~0,
		.understood = ~(__u64)IOMMU_LU_UNDERSTOOD,
		.hw_types = ~(__u32)IOMMU_LU_NOTE_HW_TYPES,
		.reserved1 = ~0U,
	},
};
#endif

/*
 * IOMMU_LU_NOTE_MAGIC is not a string here, so that there is none in the
 * kernel besides the note itself. The first character is compared by memchr().
 */
static int is_magic(const unsigned char *p)
{
	static const unsigned char inverted[IOMMU_LU_NOTE_MAGIC_LEN] = {
		~'i' & 0xff, ~'o' & 0xff, ~'m' & 0xff, ~'m' & 0xff,
		~'u' & 0xff, ~'-' & 0xff, ~'l' & 0xff, ~'u' & 0xff,
		~' ' & 0xff, ~'n' & 0xff, ~'o' & 0xff, ~'t' & 0xff,
		~'e' & 0xff, ~' ' & 0xff, ~'1' & 0xff, ~'\n' & 0xff,
	};
	unsigned int i;

	for (i = 0; i < IOMMU_LU_NOTE_MAGIC_LEN; i++)
		if (p[i] != (unsigned char)~inverted[i])
			return 0;
	return 1;
}

static int is_note(const unsigned char *p, struct iommu_lu_caps *caps)
{
	const unsigned char *c = p + offsetof(struct iommu_lu_note, caps);
	const unsigned char *inverse = p + offsetof(struct iommu_lu_note, inverse);
	unsigned int i;

	if (!is_magic(p))
		return 0;
	for (i = 0; i < sizeof(*caps); i++)
		if (c[i] != (unsigned char)~inverse[i])
			return 0;
	memcpy(caps, c, sizeof(*caps));
	return caps->version && caps->oldest && caps->oldest <= caps->version;
}

static enum iommu_lu_err search(const unsigned char *p, __u64 len, struct iommu_lu_caps *caps)
{
	struct iommu_lu_caps found;
	int have = 0;

	while (len >= sizeof(struct iommu_lu_note)) {
		const unsigned char *q;

		q = memchr(p, 'i', len - sizeof(struct iommu_lu_note) + 1);
		if (!q)
			break;
		if (is_note(q, &found)) {
			if (have && memcmp(&found, caps, sizeof(found)))
				return IOMMU_LU_IMAGE_AMBIGUOUS;
			*caps = found;
			have = 1;
		}
		len -= q + 1 - p;
		p = q + 1;
	}
	return have ? IOMMU_LU_OK : IOMMU_LU_IMAGE_NO_NOTE;
}

static __u32 le32(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (__u32)p[3] << 24;
}

/* The x86 boot protocol: setup header at 0x1f1, kernel_info since 2.15. */
static enum iommu_lu_err search_bzimage(const unsigned char *p, __u64 len,
					struct iommu_lu_caps *caps)
{
	__u32 setup_sects = p[0x1f1] ? p[0x1f1] : 4;
	__u64 info, size, total;

	if ((p[0x206] | p[0x207] << 8) < 0x20f)
		return IOMMU_LU_IMAGE_NO_NOTE;
	info = (setup_sects + 1) * 512ULL + le32(p + 0x268);
	if (info > len - 12 || memcmp(p + info, "LToP", 4))
		return IOMMU_LU_IMAGE_NO_NOTE;
	size = le32(p + info + 4);
	total = le32(p + info + 8);
	if (size < 12 || size > total || total > len - info)
		return IOMMU_LU_IMAGE_NO_NOTE;
	return search(p + info + size, total - size, caps);
}

/**
 * iommu_lu_find_note - what does this kernel image say of itself?
 * @image: the file: bzImage, arm64 Image or vmlinux
 * @len: bytes in @image
 * @caps: what it can take over
 */
enum iommu_lu_err iommu_lu_find_note(const void *image, __u64 len, struct iommu_lu_caps *caps)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b }, xz[] = { 0xfd, '7', 'z' },
				   zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	const unsigned char *p = image;

	if (len >= 0x270 && p[0x1fe] == 0x55 && p[0x1ff] == 0xaa && !memcmp(p + 0x202, "HdrS", 4))
		return search_bzimage(p, len, caps);
	if (len >= 64 && !memcmp(p + 56, "ARM\x64", 4))
		return search(p, len, caps);
	if (len >= 64 && !memcmp(p, "\177ELF", 4))
		return search(p, len, caps);
	/* zboot is a PE file with a compressed kernel in it */
	if (len >= 8 && (!memcmp(p, gzip, sizeof(gzip)) || !memcmp(p, xz, sizeof(xz)) ||
			 !memcmp(p, zstd, sizeof(zstd)) ||
			 (!memcmp(p, "MZ", 2) && !memcmp(p + 4, "zimg", 4))))
		return IOMMU_LU_IMAGE_COMPRESSED;
	return IOMMU_LU_IMAGE_UNKNOWN;
}

/**
 * iommu_lu_verify_caps - can a kernel take over a blob?
 * @caps: of the kernel
 * @version: version of the blob
 * @min_version: minimum version of the blob
 * @must_understand: bits set in the blob
 * @hw_types: bits (1 << IOMMU_HW_SER_*) of the units in the blob, 0 if not known
 * @page_shift: of the kernel that writes the blob, 0 if not known
 */
enum iommu_lu_err iommu_lu_verify_caps(const struct iommu_lu_caps *caps, __u16 version,
				       __u16 min_version, __u64 must_understand,
				       __u32 hw_types, __u16 page_shift)
{
	if (caps->version < min_version)
		return IOMMU_LU_IMAGE_TOO_OLD;
	if (caps->oldest > version)
		return IOMMU_LU_IMAGE_TOO_NEW;
	if (must_understand & ~caps->understood)
		return IOMMU_LU_IMAGE_MUST_UNDERSTAND;
	if (page_shift && caps->page_shift != page_shift)
		return IOMMU_LU_IMAGE_PAGE_SIZE;
	if (hw_types & ~caps->hw_types)
		return IOMMU_LU_IMAGE_DRIVER;
	return IOMMU_LU_OK;
}
