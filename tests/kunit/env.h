/* SPDX-License-Identifier: GPL-2.0 */
/* What the suites that need devices and domains have in common. */
#ifndef IOMMU_LU_KUNIT_ENV_H
#define IOMMU_LU_KUNIT_ENV_H

#include <kunit/test.h>
#include <linux/iommu.h>

/**
 * struct lu_backend - where a test runs
 * @name: for people
 * @add: make the devices appear; or find them
 * @remove: undo @add
 * @device: the Nth device, of which 0 and 1 are behind the same unit; NULL if
 *	there is none
 * @translate: where does a write of the device go; NULL if nobody can tell
 * @kexec: the end of the old kernel, @damage, and the new kernel, after
 *	mock_kexec(); NULL for hardware, whose second half is tested by the cases
 *	in tests/qemu
 * @stores: calls of env_stored() that the kexec of C8_device_goes_on_as_it_was
 *	takes; each of them has to be accounted for
 */
struct lu_backend {
	const char *name;
	int (*add)(struct kunit *test);
	void (*remove)(struct kunit *test);
	struct device *(*device)(unsigned int i);
	bool (*translate)(struct device *dev, u64 iova, u64 *pa);
	int (*kexec)(struct kunit *test, void (*damage)(struct kunit *test));
	unsigned int stores;
};

extern const struct lu_backend lu_mock_backend, lu_hardware_backend;

#define ENV_MAX_DEVICES	4
#define ENV_NR_IOVAS	4

/**
 * struct env - a test's devices and domains, test->priv
 * @be: backend
 * @flb: the FLB is there
 * @files: calls of iommu_lu_file_preserve() to be undone
 * @iommufd_id: number the domains are preserved under
 * @page: what is mapped
 * @domain: of each device; two may be the same
 * @owned: the device is claimed and attached
 * @steady: the device has to reach the page after every store, see env_steady()
 * @stores: number of calls of env_stored()
 */
struct env {
	const struct lu_backend *be;
	bool flb;
	unsigned int files;
	u64 iommufd_id;
	struct page *page;
	struct iommu_domain *domain[ENV_MAX_DEVICES];
	bool owned[ENV_MAX_DEVICES];
	bool steady[ENV_MAX_DEVICES];
	unsigned int stores;
};

extern const u64 env_iova[ENV_NR_IOVAS];

int env_init(struct kunit *test, const struct lu_backend *be);
int env_init_hardware(struct kunit *test, const struct iommu_lu_ops *ops);
void env_exit(struct kunit *test);

struct device *env_dev(struct kunit *test, unsigned int i);
struct iommu_domain *env_domain(struct kunit *test, struct device *dev);
void env_attach(struct kunit *test, unsigned int i, struct iommu_domain *domain);
void env_detach(struct kunit *test, unsigned int i);
void env_preserve(struct kunit *test, unsigned int i);
void env_unpreserve(struct kunit *test, unsigned int i);
int env_freeze(struct kunit *test, unsigned int nr, ...);
void env_unfreeze(struct kunit *test, unsigned int nr, ...);
void env_steady(struct kunit *test, unsigned int i, bool on);
void env_stored(void);
void env_kexec(struct kunit *test, void (*damage)(struct kunit *test));
long env_pages(void);
void env_expect_dma(struct kunit *test, unsigned int i, bool works);
void env_expect_nothing_preserved(struct kunit *test);
void env_expect_refusal(struct kunit *test, int err);
void env_expect_domain_refusal(struct kunit *test, int err);
void env_expect_normal(struct kunit *test);
void env_expect_aliases_refused(struct kunit *test, unsigned int nr);
bool env_inject_failures(bool on);

#endif
