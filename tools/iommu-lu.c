// SPDX-License-Identifier: GPL-2.0
/*
 * iommu-lu - look at IOMMU live update state, and at kernels that are to take it
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dumpfile.h"
#include "reap.h"

#define INCOMING "/sys/kernel/debug/iommu_lu/incoming"

static const char usage[] =
"NAME\n"
"    iommu-lu - look at IOMMU live update state\n"
"\n"
"SYNOPSIS\n"
"    iommu-lu dump [--json] FILE\n"
"    iommu-lu check [--state FILE] IMAGE\n"
"    iommu-lu reap [--state FILE] SESSION\n"
"    iommu-lu --help | --version\n"
"\n"
"DESCRIPTION\n"
"    dump prints the state that one kernel hands over to the next, and what is\n"
"    wrong with it. FILE is a copy of the state as debugfs gives it; - is\n"
"    standard input.\n"
"\n"
"    check says whether the kernel in IMAGE can take over the state, before it\n"
"    is loaded. IMAGE is what is given to kexec: a bzImage or an arm64 Image;\n"
"    or a vmlinux. A kernel that is compressed as a whole must be unpacked.\n"
"\n"
"    reap ends a session that came from the previous kernel and that no VMM is\n"
"    going to use: one that died, before or after it retrieved the session. Its\n"
"    devices are stopped and reset, its memory is freed.\n"
"\n"
"OPTIONS\n"
"    --json        print JSON. Numbers of 64 bits are strings, 0x... .\n"
"    --state FILE  the state of this machine, a file as for dump. Without it the\n"
"                  version is checked, but not whether IMAGE has the drivers.\n"
"                  reap: what the machine has inherited, from\n"
"                  " INCOMING " if not given\n"
"\n"
"EXIT STATUS\n"
"    0  dump: all of the state is sound; check: IMAGE can take over; reap: done\n"
"    1  dump: part of it would be refused; check: IMAGE cannot take over; reap:\n"
"       something is left\n"
"    2  wrong usage, or a file that cannot be read or is not what it should be\n";

enum { GOOD, BAD, TROUBLE };

/* --- fields --------------------------------------------------------------- */

/**
 * struct field - a member of a record
 * @size: of one element, in bytes
 * @nr: elements, 1 if it is no array
 */
struct field {
	const char *name;
	unsigned short offset;
	unsigned short size;
	unsigned short nr;
};

#define F(s, f) \
	{ #f, offsetof(struct s, f), sizeof(((struct s *)0)->f), 1 }
#define ARRAY(s, f, n) \
	{ #f, offsetof(struct s, f), sizeof(((struct s *)0)->f) / (n), (n) }
#define END { NULL, 0, 0, 0 }

static const struct field hdr_fields[] = {
	F(iommu_lu_hdr, version), F(iommu_lu_hdr, min_version), F(iommu_lu_hdr, len),
	F(iommu_lu_hdr, must_understand), F(iommu_lu_hdr, flags), F(iommu_lu_hdr, page_shift),
	F(iommu_lu_hdr, nr_hw), F(iommu_lu_hdr, nr_domains), F(iommu_lu_hdr, nr_devices),
	F(iommu_lu_hdr, hw_size), F(iommu_lu_hdr, domain_size), F(iommu_lu_hdr, device_size),
	F(iommu_lu_hdr, hw_blocks), F(iommu_lu_hdr, domain_blocks),
	F(iommu_lu_hdr, device_blocks), END
};

static const struct field hw_fields[] = {
	F(iommu_hw_ser, token), F(iommu_hw_ser, type), F(iommu_hw_ser, segment), END
};

static const struct field intel_fields[] = {
	F(iommu_hw_ser, intel.cap), F(iommu_hw_ser, intel.ecap), F(iommu_hw_ser, intel.root_pa),
	F(iommu_hw_ser, intel.nr_context_tables), F(iommu_hw_ser, intel.flags),
	F(iommu_hw_ser, intel.irt_pa), F(iommu_hw_ser, intel.irt_lg2),
	F(iommu_hw_ser, intel.prq_pa), F(iommu_hw_ser, intel.prq_lg2), END
};

static const struct field amd_fields[] = {
	F(iommu_hw_ser, amd.efr), F(iommu_hw_ser, amd.efr2), F(iommu_hw_ser, amd.control),
	F(iommu_hw_ser, amd.segment_index), F(iommu_hw_ser, amd.devid), END
};

static const struct field amd_segment_fields[] = {
	F(iommu_hw_ser, amd_segment.dev_table_pa), F(iommu_hw_ser, amd_segment.dev_table_size),
	F(iommu_hw_ser, amd_segment.last_bdf), END
};

static const struct field smmuv3_fields[] = {
	F(iommu_hw_ser, smmuv3.strtab_pa), F(iommu_hw_ser, smmuv3.strtab_base),
	F(iommu_hw_ser, smmuv3.strtab_base_cfg), F(iommu_hw_ser, smmuv3.nr_l2_tables),
	F(iommu_hw_ser, smmuv3.cr0), F(iommu_hw_ser, smmuv3.cr1), F(iommu_hw_ser, smmuv3.cr2),
	F(iommu_hw_ser, smmuv3.iidr), F(iommu_hw_ser, smmuv3.aidr),
	F(iommu_hw_ser, smmuv3.idr0), F(iommu_hw_ser, smmuv3.idr1),
	F(iommu_hw_ser, smmuv3.idr3), F(iommu_hw_ser, smmuv3.idr5),
	F(iommu_hw_ser, smmuv3.flags), END
};

static const struct field domain_fields[] = {
	F(iommu_domain_ser, token), F(iommu_domain_ser, iommufd_id),
	F(iommu_domain_ser, file_token),
	F(iommu_domain_ser, top_pa), F(iommu_domain_ser, nr_tables),
	F(iommu_domain_ser, pgsize_bitmap), F(iommu_domain_ser, format),
	F(iommu_domain_ser, features), F(iommu_domain_ser, top_level),
	F(iommu_domain_ser, vasz_lg2), F(iommu_domain_ser, oasz_lg2), END
};

static const struct field arm_fields[] = {
	F(iommu_domain_ser, arm.tcr), F(iommu_domain_ser, arm.mair),
	F(iommu_domain_ser, arm.sw_msi_start), F(iommu_domain_ser, arm.hw_index),
	F(iommu_domain_ser, arm.flags), F(iommu_domain_ser, arm.granule_lg2),
	F(iommu_domain_ser, arm.top_lg2), F(iommu_domain_ser, arm.nr_sw_msi),
	{ "arm.sw_msi", offsetof(struct iommu_domain_ser, arm.sw_msi), 8,
	  2 * IOMMU_DOMAIN_SER_MAX_SW_MSI }, END
};

static const struct field device_fields[] = {
	F(iommu_device_ser, segment), F(iommu_device_ser, bdf), F(iommu_device_ser, vendor),
	F(iommu_device_ser, device), F(iommu_device_ser, class), F(iommu_device_ser, pasid),
	F(iommu_device_ser, hw_index), F(iommu_device_ser, domain_index),
	F(iommu_device_ser, file_token), F(iommu_device_ser, flags),
	F(iommu_device_ser, ats_control), F(iommu_device_ser, pasid_control),
	F(iommu_device_ser, nr_rids),
	ARRAY(iommu_device_ser, rids, IOMMU_DEVICE_SER_MAX_RIDS), END
};

static const struct field device_intel_fields[] = {
	F(iommu_device_ser, intel.did), F(iommu_device_ser, intel.context_lo),
	F(iommu_device_ser, intel.context_hi), F(iommu_device_ser, intel.pasid_dir_pa),
	F(iommu_device_ser, intel.max_pasid), F(iommu_device_ser, intel.nr_pasid_tables),
	ARRAY(iommu_device_ser, intel.pasid_entry, 8), END
};

static const struct field device_amd_fields[] = {
	F(iommu_device_ser, amd.did), ARRAY(iommu_device_ser, amd.dte, 4),
	F(iommu_device_ser, amd.gcr3_did), F(iommu_device_ser, amd.gcr3_levels),
	F(iommu_device_ser, amd.gcr3_pa), END
};

static const struct field device_smmuv3_fields[] = {
	F(iommu_device_ser, smmuv3.did),
	ARRAY(iommu_device_ser, smmuv3.sids, IOMMU_DEVICE_SER_MAX_RIDS),
	ARRAY(iommu_device_ser, smmuv3.ste, 8), ARRAY(iommu_device_ser, smmuv3.cd, 8),
	F(iommu_device_ser, smmuv3.cdtab_pa), F(iommu_device_ser, smmuv3.nr_cd_tables),
	F(iommu_device_ser, smmuv3.s1fmt), F(iommu_device_ser, smmuv3.s1cdmax), END
};

static const struct {
	const char *name;
	const struct field *unit;
	const struct field *device;
} hw_types[] = {
	[IOMMU_HW_SER_INTEL] = { "Intel VT-d", intel_fields, device_intel_fields },
	[IOMMU_HW_SER_AMD] = { "AMD-Vi", amd_fields, device_amd_fields },
	[IOMMU_HW_SER_AMD_SEGMENT] = { "AMD-Vi device table", amd_segment_fields, NULL },
	[IOMMU_HW_SER_SMMUV3] = { "Arm SMMUv3", smmuv3_fields, device_smmuv3_fields },
};

static const char *const formats[] = {
	[IOMMU_DOMAIN_SER_FMT_VTDSS] = "VT-d second stage",
	[IOMMU_DOMAIN_SER_FMT_X86_64] = "x86_64",
	[IOMMU_DOMAIN_SER_FMT_AMDV1] = "AMD v1",
	[IOMMU_DOMAIN_SER_FMT_RISCV_64] = "RISC-V 64",
	[IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1] = "Arm LPAE stage 1",
	[IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2] = "Arm LPAE stage 2",
};

#define NR(a)	(sizeof(a) / sizeof((a)[0]))

static const char *hw_name(uint32_t type)
{
	return type < NR(hw_types) && hw_types[type].name ? hw_types[type].name : "unknown";
}

static const char *format_name(uint32_t format)
{
	return format < NR(formats) && formats[format] ? formats[format] : "unknown";
}

static const char *const kinds[] = { "state", "unit", "domain", "device" };

/* --- dump ----------------------------------------------------------------- */

static int json;

static uint64_t value(const void *rec, const struct field *f, unsigned int i)
{
	uint64_t v = 0;

	memcpy(&v, (const char *)rec + f->offset + (size_t)i * f->size, f->size);
	return v;
}

/* Without the name of the union member. */
static const char *short_name(const struct field *f)
{
	const char *dot = strchr(f->name, '.');

	return dot ? dot + 1 : f->name;
}

/* Numbers that are counted with, as opposed to bits, ids and addresses. */
static int is_decimal(const char *name)
{
	static const char *const ends[] = {
		"_size", "_lg2", "_index", "_level", "_levels", "_shift", "_pasid", "version",
		"len", "type", "format", "segment", "did", "s1fmt", "s1cdmax", "iommufd_id",
	};
	size_t len = strlen(name), i;

	for (i = 0; i < NR(ends); i++) {
		size_t end = strlen(ends[i]);

		if (len >= end && !strcmp(name + len - end, ends[i]))
			return 1;
	}
	return !strncmp(name, "nr_", 3);
}

static void print_value(uint64_t v, const struct field *f)
{
	if (json && f->size == 8)
		printf("\"0x%llx\"", (unsigned long long)v);
	else if (json || is_decimal(short_name(f)))
		printf("%llu", (unsigned long long)v);
	else
		printf("0x%llx", (unsigned long long)v);
}

static void print_fields(const void *rec, const struct field *f)
{
	unsigned int i;

	for (; f && f->name; f++) {
		printf(json ? "\"%s\": " : "    %-18s", short_name(f));
		if (json && f->nr > 1)
			putchar('[');
		for (i = 0; i < f->nr; i++) {
			if (i)
				fputs(json ? ", " : " ", stdout);
			print_value(value(rec, f, i), f);
		}
		if (json && f->nr > 1)
			putchar(']');
		fputs(json ? ", " : "\n", stdout);
	}
}

static void print_verdict(const struct iommu_lu_verdict *v)
{
	if (json && !v->err) {
		fputs("\"error\": null", stdout);
	} else if (json) {
		printf("\"error\": {\"name\": \"%s\", \"text\": \"%s\"", iommu_lu_err_name(v->err),
		       iommu_lu_strerror(v->err));
		if (v->kind)
			printf(", \"other\": \"%s\", \"index\": %u", kinds[v->kind], v->index);
		putchar('}');
	} else if (v->err) {
		printf("    NOT TAKEN OVER: %s", iommu_lu_strerror(v->err));
		if (v->kind)
			printf(" (%s %u)", kinds[v->kind], v->index);
		putchar('\n');
	}
}

static void print_hw(const struct dumpfile *d, uint32_t i)
{
	const struct iommu_hw_ser *hw = &d->blob.hw[i];

	if (json)
		printf("{\"index\": %u, \"type_name\": \"%s\", ", i, hw_name(hw->type));
	else
		printf("unit %u: %s at %#llx\n", i, hw_name(hw->type),
		       (unsigned long long)hw->token);
	print_fields(hw, hw_fields);
	if (hw->type < NR(hw_types))
		print_fields(hw, hw_types[hw->type].unit);
	print_verdict(&d->blob.hw_verdict[i]);
}

static void print_domain(const struct dumpfile *d, uint32_t i)
{
	const struct iommu_domain_ser *dom = &d->blob.domain[i];

	if (json)
		printf("{\"index\": %u, \"format_name\": \"%s\", ", i, format_name(dom->format));
	else
		printf("domain %u: token %#llx of iommufd %llu, %s, %llu tables\n", i,
		       (unsigned long long)dom->token, (unsigned long long)dom->iommufd_id,
		       format_name(dom->format), (unsigned long long)dom->nr_tables);
	print_fields(dom, domain_fields);
	if (dom->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S1 ||
	    dom->format == IOMMU_DOMAIN_SER_FMT_ARM_LPAE_S2)
		print_fields(dom, arm_fields);
	print_verdict(&d->blob.domain_verdict[i]);
}

static void print_device(const struct dumpfile *d, uint32_t i)
{
	const struct iommu_device_ser *dev = &d->blob.device[i];
	uint32_t type = 0;

	if (dev->hw_index < d->hdr.nr_hw)
		type = d->blob.hw[dev->hw_index].type;
	if (json)
		printf("{\"index\": %u, \"name\": \"%04x:%02x:%02x.%x\", ", i, dev->segment,
		       dev->bdf >> 8, dev->bdf >> 3 & 0x1f, dev->bdf & 7);
	else
		printf("device %u: %04x:%02x:%02x.%x [%04x:%04x], unit %u, domain %u\n", i,
		       dev->segment, dev->bdf >> 8, dev->bdf >> 3 & 0x1f, dev->bdf & 7,
		       dev->vendor, dev->device, dev->hw_index, dev->domain_index);
	print_fields(dev, device_fields);
	if (type < NR(hw_types))
		print_fields(dev, hw_types[type].device);
	print_verdict(&d->blob.device_verdict[i]);
}

static void print_list(const struct dumpfile *d, const char *name, uint32_t nr,
		       void (*print)(const struct dumpfile *d, uint32_t i))
{
	uint32_t i;

	if (json)
		printf(", \"%s\": [", name);
	for (i = 0; i < nr; i++) {
		fputs(json ? i ? ",\n  " : "\n  " : "\n", stdout);
		print(d, i);
		if (json)
			putchar('}');
	}
	if (json)
		putchar(']');
}

static void print_dump(const struct dumpfile *d)
{
	struct iommu_lu_verdict v = { .err = d->err };
	int readable = !d->err || d->err == IOMMU_LU_HDR_NOT_SEALED;

	if (json)
		printf("{\"incoming\": %s, \"sealed\": %s, \"refused\": %d, \"header\": {",
		       d->incoming ? "true" : "false", d->err ? "false" : "true", d->refused);
	else
		printf("%s state, version %u, for readers of version %u and later, %s\n",
		       d->incoming ? "inherited" : "outgoing", d->hdr.version,
		       d->hdr.min_version,
		       d->err == IOMMU_LU_HDR_NOT_SEALED ? "not sealed" :
		       d->err ? "damaged" : "sealed");
	print_fields(&d->hdr, hdr_fields);
	/* before a freeze it is as it should be */
	if (d->err == IOMMU_LU_HDR_NOT_SEALED && !d->incoming)
		v.err = 0;
	print_verdict(&v);
	if (json)
		putchar('}');
	if (readable) {
		print_list(d, "units", d->hdr.nr_hw, print_hw);
		print_list(d, "domains", d->hdr.nr_domains, print_domain);
		print_list(d, "devices", d->hdr.nr_devices, print_device);
	}
	if (json)
		puts("}");
	else if (readable)
		printf("\n%u units, %u domains, %u devices; %d would be refused\n", d->hdr.nr_hw,
		       d->hdr.nr_domains, d->hdr.nr_devices, d->refused);
}

/* --- files ---------------------------------------------------------------- */

static void *load(const char *name, size_t *len)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "rb") : stdin;
	size_t size = 1 << 16, got;
	char *buf = NULL, *more;

	*len = 0;
	if (!f)
		goto err;
	do {
		size *= 2;
		more = realloc(buf, size);
		if (!more) {
			errno = ENOMEM;
			goto err;
		}
		buf = more;
		got = fread(buf + *len, 1, size - *len, f);
		*len += got;
	} while (*len == size);
	if (ferror(f))
		goto err;
	if (f != stdin)
		fclose(f);
	return buf;

err:
	fprintf(stderr, "iommu-lu: %s: %s\n", name, strerror(errno));
	free(buf);
	if (f && f != stdin)
		fclose(f);
	return NULL;
}

static int load_dump(const char *name, struct dumpfile *d)
{
	const char *err;
	size_t len;
	void *data;

	data = load(name, &len);
	if (!data)
		return TROUBLE;
	err = dumpfile_parse(data, len, &iommu_lu_this_build, d);
	free(data);
	if (!err)
		return GOOD;
	fprintf(stderr, "iommu-lu: %s: %s\n", name, err);
	dumpfile_free(d);
	return TROUBLE;
}

static int dump(const char *name)
{
	struct dumpfile d;
	int ret;

	ret = load_dump(name, &d);
	if (ret)
		return ret;
	print_dump(&d);
	ret = d.refused ? BAD : GOOD;
	if (d.err && (d.err != IOMMU_LU_HDR_NOT_SEALED || d.incoming))
		ret = BAD;
	dumpfile_free(&d);
	if (fflush(stdout) || ferror(stdout)) {
		perror("iommu-lu: standard output");
		return TROUBLE;
	}
	return ret;
}

/* --- check ---------------------------------------------------------------- */

static void print_hw_types(uint32_t types)
{
	const char *sep = "";
	uint32_t i;

	for (i = 0; i < 32; i++) {
		if (!(types & 1U << i) || i == IOMMU_HW_SER_AMD_SEGMENT)
			continue;
		printf("%s%s", sep, hw_name(i));
		sep = ", ";
	}
	puts(*sep ? "" : "none");
}

static int check(const char *name, const char *state)
{
	struct iommu_lu_hdr hdr = {
		.version = IOMMU_LU_VERSION,
		.min_version = IOMMU_LU_MIN_VERSION,
		.must_understand = IOMMU_LU_UNDERSTOOD,
	};
	struct iommu_lu_caps caps;
	enum iommu_lu_err err;
	uint32_t types = 0, i;
	struct dumpfile d;
	size_t len;
	void *image;

	if (state) {
		if (load_dump(state, &d))
			return TROUBLE;
		if (d.err && d.err != IOMMU_LU_HDR_NOT_SEALED) {
			fprintf(stderr, "iommu-lu: %s: %s\n", state, iommu_lu_strerror(d.err));
			dumpfile_free(&d);
			return TROUBLE;
		}
		hdr = d.hdr;
		for (i = 0; i < hdr.nr_hw; i++)
			if (d.blob.hw[i].type < 32)
				types |= 1U << d.blob.hw[i].type;
		dumpfile_free(&d);
	}

	image = load(name, &len);
	if (!image)
		return TROUBLE;
	err = iommu_lu_find_note(image, len, &caps);
	free(image);
	if (err == IOMMU_LU_IMAGE_UNKNOWN || err == IOMMU_LU_IMAGE_COMPRESSED) {
		fprintf(stderr, "iommu-lu: %s: %s\n", name, iommu_lu_strerror(err));
		return TROUBLE;
	}
	if (!err) {
		printf("%s reads versions %u to %u, pages of %u KiB, drivers: ", name, caps.oldest,
		       caps.version, caps.page_shift >= 10 && caps.page_shift < 32 ?
		       1U << (caps.page_shift - 10) : 0);
		print_hw_types(caps.hw_types);
		err = iommu_lu_verify_caps(&caps, hdr.version, hdr.min_version,
					   hdr.must_understand, types, hdr.page_shift);
	}
	if (err) {
		printf("%s cannot take over: %s (version %u, for readers of %u and later)\n", name,
		       iommu_lu_strerror(err), hdr.version, hdr.min_version);
		return BAD;
	}
	printf("%s can take over version %u%s\n", name, hdr.version,
	       state ? "" : ", if it has the drivers");
	return GOOD;
}

static int reap_session(const char *name, const char *state)
{
	struct dumpfile d;
	int ret = TROUBLE;

	if (load_dump(state, &d))
		return TROUBLE;
	if (d.err)
		fprintf(stderr, "iommu-lu: %s: %s\n", state, iommu_lu_strerror(d.err));
	else
		ret = reap(name, &d);
	dumpfile_free(&d);
	return ret;
}

int main(int argc, char **argv)
{
	const char *state = NULL;
	int i = 2;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return GOOD;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("iommu-lu: writes ABI version %u, reads %u to %u\n", IOMMU_LU_VERSION,
		       IOMMU_LU_OLDEST_VERSION, IOMMU_LU_VERSION);
		return GOOD;
	}
	if (argc > 2 && !strcmp(argv[1], "dump")) {
		if (!strcmp(argv[i], "--json")) {
			json = 1;
			i++;
		}
		if (i + 1 == argc)
			return dump(argv[i]);
	}
	if (argc > 2 && !strcmp(argv[1], "check")) {
		if (!strcmp(argv[i], "--state") && i + 1 < argc) {
			state = argv[i + 1];
			i += 2;
		}
		if (i + 1 == argc)
			return check(argv[i], state);
	}
	if (argc > 2 && !strcmp(argv[1], "reap")) {
		state = INCOMING;
		if (!strcmp(argv[i], "--state") && i + 1 < argc) {
			state = argv[i + 1];
			i += 2;
		}
		if (i + 1 == argc)
			return reap_session(argv[i], state);
	}
	fputs("usage: iommu-lu dump [--json] FILE | check [--state FILE] IMAGE |\n"
	      "       reap [--state FILE] SESSION | --help\n", stderr);
	return TROUBLE;
}
