/*
 * tests/user/swaparea.h - a swap area for a test: a disk made into one, and taken back.
 *
 * The first disk that is there: /dev/vda (make gives the machine one if a test asks for it), else /dev/ram0, whose memory is
 * the machine's own. Cases that need one SKIP where there is none.
 */
#ifndef TESTS_USER_SWAPAREA_H
#define TESTS_USER_SWAPAREA_H

#include "tests/user/pages.h"
#include <sys/ioctl.h>
#include <sys/swap.h>

#define BLOCK_SIZE_IOCTL 0x80081272ul	/* BLKGETSIZE64 */

/* Bytes of the disk; 0: there is none. */
static inline uint64_t disk_bytes(const char *disk)
{
	uint64_t n = 0;
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (ioctl(fd, BLOCK_SIZE_IOCTL, &n))
		n = 0;
	close(fd);
	return n;
}
/* Write the header that mkswap writes, for PAGES pages with the header. 0 or the errno. */
static inline int make_swap(const char *disk, uint32_t pages)
{
	static char page[PAGE];
	uint32_t info[3] = { 1, pages - 1, 0 };		/* version, last page, bad pages */
	int fd = open(disk, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno;
	memset(page, 0, PAGE);
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	int error = pwrite(fd, page, PAGE, 0) == (ssize_t)PAGE && !fsync(fd) ? 0 : errno;
	close(fd);
	return error;
}
/* Swap on a disk from now on, at most MAX bytes of it (0: all). Its name; ends the case where there is none. */
static inline const char *need_swap(uint64_t max)
{
	static const char *const disks[] = { "/dev/vda", "/dev/ram0" };
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t n = disk_bytes(disks[i]);
		if (max && n > max)
			n = max;
		if (n < 16 * PAGE || make_swap(disks[i], (uint32_t)(n / PAGE)))
			continue;
		if (!swapon(disks[i], 0))
			return disks[i];
		if (errno == EBUSY)
			return disks[i];	/* it is one already */
	}
	SKIP("no disk to swap to");
	return NULL;
}
static inline long swap_free_kb(void) { return ktap_number("/proc/meminfo", "SwapFree"); }

#endif
