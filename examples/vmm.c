// SPDX-License-Identifier: GPL-2.0
/*
 * vmm - the live update of one PCI device, as a VMM does it
 *
 *   vmm run BDF SESSION       A "VM": some memory, the device attached to it. SIGUSR1
 *                             preserves it, SIGUSR2 takes that back.
 *   vmm resume BDF SESSION    The same VM in the next kernel.
 *
 * Made to be copied from. Between the two somebody loads the next kernel with
 * kexec_file_load() and calls reboot(KEXEC), with this program still running: what is
 * preserved is given up when the session is closed. See docs/userspace.md.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <linux/iommufd.h>
#include <linux/iommufd-liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/vfio.h>

/* Names that both kernels know. Object ids are not kept, these are. */
enum {
	TOKEN_RAM = 1,		/* of the files in the session */
	TOKEN_IOMMUFD = 2,
	TOKEN_DEVICE = 3,
	TOKEN_HWPT = 1,		/* of the HWPT in the iommufd */
};

#define RAM_SIZE	(64ULL << 20)
#define RAM_IOVA	0ULL	/* where the guest sees its memory, and so the device */

struct vm {
	const char *bdf;
	int ram, iommufd, device;
	__u32 dev_id, hwpt_id;
};

/* ---- both kernels: the device, and page tables over the memory ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static void bind_driver(struct vm *vm)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", vm->bdf);
	if (!access(path, F_OK))
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", vm->bdf);
	write_file(path, "vfio-pci");
	write_file("/sys/bus/pci/drivers_probe", vm->bdf);
}

static void bind_iommufd(struct vm *vm)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind), .iommufd = vm->iommufd,
	};

	if (ioctl(vm->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		err(1, "%s: bind to the iommufd", vm->bdf);
	vm->dev_id = bind.out_devid;
}

static void attach(struct vm *vm, __u32 hwpt_id)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = hwpt_id,
	};

	if (ioctl(vm->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		err(1, "%s: attach to HWPT %u", vm->bdf, hwpt_id);
}

/*
 * Only mappings of a memfd can be carried, so IOMMU_IOAS_MAP_FILE. And the HWPT is made by
 * hand: one that ATTACH makes for an IOAS cannot be marked.
 */
static void build_hwpt(struct vm *vm)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.fd = vm->ram, .iova = RAM_IOVA,
	};
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .dev_id = vm->dev_id };
	struct stat ram;

	if (fstat(vm->ram, &ram))
		err(1, "size of the memory");
	map.length = ram.st_size;
	if (ioctl(vm->iommufd, IOMMU_IOAS_ALLOC, &ioas))
		err(1, "new IOAS");
	map.ioas_id = hwpt.pt_id = ioas.out_ioas_id;
	if (ioctl(vm->iommufd, IOMMU_IOAS_MAP_FILE, &map))
		err(1, "map the memory");
	if (ioctl(vm->iommufd, IOMMU_HWPT_ALLOC, &hwpt))
		err(1, "new HWPT");
	vm->hwpt_id = hwpt.out_hwpt_id;
}

/* ---- old kernel ---- */

static int open_device(const char *bdf)
{
	char path[512];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4)) {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
	if (fd < 0)
		err(1, "%s", path);
	closedir(dir);
	return fd;
}

static void start(struct vm *vm)
{
	bind_driver(vm);
	vm->ram = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (vm->ram < 0 || ftruncate(vm->ram, RAM_SIZE) ||
	    fcntl(vm->ram, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
		err(1, "memory");
	vm->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (vm->iommufd < 0)
		err(1, "/dev/iommu");
	vm->device = open_device(vm->bdf);
	bind_iommufd(vm);
	build_hwpt(vm);
	attach(vm, vm->hwpt_id);
}

/* /dev/liveupdate can be open once in a system: give it back at once. */
static int session_ioctl(unsigned long cmd, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);

	_Static_assert(sizeof(arg) == sizeof(struct liveupdate_ioctl_retrieve_session),
		       "create and retrieve take the same");
	if (fd < 0)
		err(1, "/dev/liveupdate");
	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	if (ioctl(fd, cmd, &arg))
		err(1, "session %s", name);
	close(fd);
	return arg.fd;
}

static int preserve_fd(int session, int fd, __u64 token, const char *what)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	if (!ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg))
		return 0;
	warn("the %s cannot be preserved, see the kernel log", what);
	return -1;
}

static void mark(struct vm *vm, __u32 flags)
{
	struct iommu_hwpt_lu_mark arg = {
		.size = sizeof(arg), .flags = flags,
		.hwpt_id = vm->hwpt_id, .token = TOKEN_HWPT,
	};

	if (ioctl(vm->iommufd, IOMMU_HWPT_LU_MARK, &arg))
		err(1, "mark the HWPT");
}

/* To close the session is to take it all back, whatever was reached. */
static void cancel(struct vm *vm, int session)
{
	close(session);
	mark(vm, IOMMU_HWPT_LU_MARK_CLEAR);
}

/*
 * Each file needs the one before it. From here on the page tables cannot change; the
 * device goes on. Returns the session, to be kept open until the jump, or -1: then nothing
 * has changed and the VM can go on, be migrated away, or be stopped.
 */
static int preserve(struct vm *vm, const char *name)
{
	int session = session_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, name);

	mark(vm, 0);
	if (!preserve_fd(session, vm->ram, TOKEN_RAM, "memory") &&
	    !preserve_fd(session, vm->iommufd, TOKEN_IOMMUFD, "iommufd") &&
	    !preserve_fd(session, vm->device, TOKEN_DEVICE, "device"))
		return session;
	cancel(vm, session);
	return -1;
}

/* ---- next kernel ---- */

static int retrieve_fd(int session, __u64 token, const char *what)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	if (ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg))
		err(1, "the %s did not come back, see the kernel log", what);
	return arg.fd;
}

/* The device is doing DMA all the time, into the memory it had before. */
static void resume(struct vm *vm, const char *name)
{
	struct iommu_hwpt_lu_get restored = { .size = sizeof(restored), .token = TOKEN_HWPT };
	struct iommu_hwpt_lu_verify verify = { .size = sizeof(verify) };
	struct iommu_destroy destroy = { .size = sizeof(destroy) };
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	int session = session_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name);

	vm->ram = retrieve_fd(session, TOKEN_RAM, "memory");
	vm->iommufd = retrieve_fd(session, TOKEN_IOMMUFD, "iommufd");
	vm->device = retrieve_fd(session, TOKEN_DEVICE, "device");

	/* No reset, and bus master stays on. The device is on the restored HWPT. */
	bind_iommufd(vm);
	if (ioctl(vm->iommufd, IOMMU_HWPT_LU_GET, &restored))
		err(1, "restored HWPT");
	attach(vm, restored.out_hwpt_id);

	/* The restored one cannot change. One that can takes its place, without a gap. */
	build_hwpt(vm);
	verify.restored_id = destroy.id = restored.out_hwpt_id;
	verify.hwpt_id = vm->hwpt_id;
	if (ioctl(vm->iommufd, IOMMU_HWPT_LU_VERIFY, &verify))
		err(1, "the new HWPT differs from the old one at %#llx", verify.out_iova);
	attach(vm, vm->hwpt_id);
	if (ioctl(vm->iommufd, IOMMU_DESTROY, &destroy))
		err(1, "destroy the restored HWPT");
	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish))
		err(1, "finish the session");
	close(session);
}

int main(int argc, char **argv)
{
	struct vm vm;
	int session = -1, sig;
	sigset_t set;

	if (argc != 4 || (strcmp(argv[1], "run") && strcmp(argv[1], "resume")))
		errx(2, "usage: vmm run|resume BDF SESSION");
	vm.bdf = argv[2];
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);

	if (!strcmp(argv[1], "run"))
		start(&vm);
	else
		resume(&vm, argv[3]);
	for (;;) {
		printf("%s: %s\n", vm.bdf, session < 0 ? "running" : "preserved");
		fflush(stdout);
		if (sigwait(&set, &sig))
			return 1;
		if (sig == SIGUSR1 && session < 0) {
			session = preserve(&vm, argv[3]);
		} else if (sig == SIGUSR2 && session >= 0) {
			cancel(&vm, session);
			session = -1;
		}
	}
}
