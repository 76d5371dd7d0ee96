// SPDX-License-Identifier: GPL-2.0
/*
 * iommu-lu reap - end a session whose VMM does not come for it
 *
 * Does what the VMM would have done, but lets go of everything: retrieves the files,
 * takes the devices off their restored HWPTs, destroys those, and finishes the session.
 * The devices are reset by vfio-pci when their files are closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "reap.h"

#if __has_include("linux/liveupdate.h")

#include <linux/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/iommufd-liveupdate.h>

static int session_open(const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int dev, rc;

	if (strlen(name) >= sizeof(arg.name)) {
		fprintf(stderr, "iommu-lu: no session has a name as long as that\n");
		return -1;
	}
	dev = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		fprintf(stderr, "iommu-lu: /dev/liveupdate: %s%s\n", strerror(errno),
			errno == EBUSY ? ", another program has it open" : "");
		return -1;
	}
	memcpy(arg.name, name, strlen(name));
	rc = ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);
	if (rc)
		fprintf(stderr, "iommu-lu: session %s: %s\n", name,
			errno == ENOENT ? "there is none of this name" :
			errno == EINVAL ? "a program has retrieved it, end that first" :
			strerror(errno));
	close(dev);
	return rc ? -1 : arg.fd;
}

/* A file of the session, or -1 with errno. ENOENT: it is in another one. */
static int retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -1 : arg.fd;
}

/* Sessions may use the same tokens: is it the file of this device? */
static int is_device(int fd, const char *name)
{
	char path[64], line[512], *last;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		last = strrchr(line, '/');
		found = !strncmp(line, "vfio-device-syspath:", 20) && last &&
			!strcmp(last + 1, name);
	}
	if (f)
		fclose(f);
	return found;
}

static int restored_hwpt(int iommufd, uint64_t token, uint32_t *id)
{
	struct iommu_hwpt_lu_get arg = { .size = sizeof(arg), .token = token };

	if (ioctl(iommufd, IOMMU_HWPT_LU_GET, &arg))
		return -1;
	*id = arg.out_hwpt_id;
	return 0;
}

static void bus_master_off(int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t cmd;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    pread(fd, &cmd, sizeof(cmd), info.offset + PCI_COMMAND) != sizeof(cmd))
		return;
	cmd &= ~PCI_COMMAND_MASTER;
	/* if it does not work, detach will block what the device does */
	if (pwrite(fd, &cmd, sizeof(cmd), info.offset + PCI_COMMAND) != sizeof(cmd))
		return;
}

/*
 * Only what is attached can be detached, and being on the restored HWPT does not count
 * until the device was attached to it. One that the dead VMM had bound (EINVAL) may be on
 * that by then, or on another one, which it cannot leave for the restored one (EINVAL).
 */
static int release_device(int fd, int iommufd, uint64_t hwpt_token, const char *name)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) && errno != EINVAL) {
		fprintf(stderr, "iommu-lu: %s: bind: %s\n", name, strerror(errno));
		return -1;
	}
	if (!restored_hwpt(iommufd, hwpt_token, &attach.pt_id) &&
	    ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) && errno != EINVAL) {
		fprintf(stderr, "iommu-lu: %s: attach: %s\n", name, strerror(errno));
		return -1;
	}
	bus_master_off(fd);
	if (ioctl(fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach)) {
		fprintf(stderr, "iommu-lu: %s: detach: %s\n", name, strerror(errno));
		return -1;
	}
	printf("%s: stopped\n", name);
	return 0;
}

static int release_devices(int session, const struct dumpfile *d, const int *iommufd)
{
	uint32_t i, dom;
	int fd, bad = 0;
	char name[16];

	for (i = 0; i < d->hdr.nr_devices; i++) {
		const struct iommu_device_ser *dev = &d->blob.device[i];

		dom = dev->domain_index;
		if (d->blob.device_verdict[i].err || iommufd[dom] < 0)
			continue;
		snprintf(name, sizeof(name), "%04x:%02x:%02x.%x", dev->segment, dev->bdf >> 8,
			 dev->bdf >> 3 & 0x1f, dev->bdf & 7);
		fd = retrieve(session, dev->file_token);
		if (fd < 0) {
			if (errno == EIO) {
				printf("%s: was not taken over, nothing to do\n", name);
			} else if (errno != ENOENT) {
				fprintf(stderr, "iommu-lu: %s: %s\n", name, strerror(errno));
				bad++;
			}
			continue;
		}
		if (is_device(fd, name))
			bad += !!release_device(fd, iommufd[dom], d->blob.domain[dom].token, name);
		close(fd);
	}
	return bad;
}

static int destroy_domains(const struct dumpfile *d, const int *iommufd)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy) };
	uint32_t i;
	int bad = 0;

	for (i = 0; i < d->hdr.nr_domains; i++) {
		unsigned long long token = d->blob.domain[i].token;

		if (iommufd[i] < 0 || restored_hwpt(iommufd[i], token, &destroy.id))
			continue;
		if (ioctl(iommufd[i], IOMMU_DESTROY, &destroy)) {
			fprintf(stderr, "iommu-lu: HWPT %#llx: %s\n", token, strerror(errno));
			bad++;
			continue;
		}
		printf("HWPT %#llx: destroyed\n", token);
	}
	return bad;
}

int reap(const char *name, const struct dumpfile *d)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	int session, *iommufd, bad = 0;
	uint32_t i;

	session = session_open(name);
	if (session < 0)
		return 1;
	iommufd = malloc((d->hdr.nr_domains + 1) * sizeof(*iommufd));
	if (!iommufd) {
		perror("iommu-lu");
		close(session);
		return 1;
	}
	for (i = 0; i < d->hdr.nr_domains; i++)
		iommufd[i] = d->blob.domain_verdict[i].err ? -1 :
			     retrieve(session, d->blob.domain[i].file_token);

	bad += release_devices(session, d, iommufd);
	bad += destroy_domains(d, iommufd);
	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish)) {
		fprintf(stderr, "iommu-lu: session %s cannot be finished: %s\n", name,
			strerror(errno));
		bad++;
	} else {
		printf("session %s: finished\n", name);
	}
	for (i = 0; i < d->hdr.nr_domains; i++)
		if (iommufd[i] >= 0)
			close(iommufd[i]);
	free(iommufd);
	close(session);
	return !!bad;
}

#else

int reap(const char *name, const struct dumpfile *d)
{
	(void)name;
	(void)d;
	fprintf(stderr, "iommu-lu: built with headers of a kernel that has no live update\n");
	return 1;
}

#endif
