/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a file with a copy of a blob (struct iommu_lu_dump).
 */
#ifndef DUMPFILE_H
#define DUMPFILE_H

#include "../abi/validate.h"

/**
 * struct dumpfile - a blob in the memory of this program
 * @incoming: it was inherited, else it is to be handed over
 * @hdr: head; what an older writer did not have is 0
 * @err: verdict over the head; %IOMMU_LU_HDR_NOT_SEALED leaves the rest valid
 * @refused: number of records that would be refused
 * @blob: records and verdicts, there unless @err
 */
struct dumpfile {
	int incoming;
	struct iommu_lu_hdr hdr;
	enum iommu_lu_err err;
	int refused;
	struct iommu_lu_blob blob;
};

const char *dumpfile_parse(const void *data, size_t len, const struct iommu_lu_caps *caps,
			   struct dumpfile *d);
void dumpfile_free(struct dumpfile *d);

#endif
