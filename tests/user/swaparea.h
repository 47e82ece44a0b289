/*
 * tests/user/swaparea.h - a swap area for the cases that need one: on the RAM disk, which is written at once, or on a
 * virtio disk, whose answers come later. Linux's brd and virtio-blk do as well.
 */
#ifndef TESTS_USER_SWAPAREA_H
#define TESTS_USER_SWAPAREA_H

#include "tests/user/ktap.h"
#include <sys/ioctl.h>
#include <sys/swap.h>

#define SWAP_RAM	"/dev/ram0"
#define SWAP_DISK	"/dev/vda"
#define BLKGETSIZE64_	_IOR(0x12, 114, size_t)

/* DEVICE gets the header of a swap area of at most N bytes (0: all of it). False: no such disk, or nobody may write it. */
static inline bool swap_format(const char *device, uint64_t n)
{
	static union { char page[PAGE]; struct { char boot[1024]; uint32_t version, last_page, nr_bad; } s; } h;
	uint64_t size = 0;
	int fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (ioctl(fd, BLKGETSIZE64_, &size) || size < 16 * PAGE) {
		close(fd);
		return false;
	}
	if (n && n < size)
		size = n;
	h.s.version = 1;
	h.s.last_page = (uint32_t)(size / PAGE - 1);
	memcpy(h.page + PAGE - 10, "SWAPSPACE2", 10);
	bool ok = pwrite(fd, h.page, PAGE, 0) == (ssize_t)PAGE && !fsync(fd);
	close(fd);
	return ok;
}
/* Swap to DEVICE, N bytes of it, 0: all. The case ends with a skip where that cannot be. swap_end at its end. */
static inline void swap_begin_on(const char *device, uint64_t n)
{
	swapoff(device);	/* a case before this one failed */
	if (!swap_format(device, n))
		SKIP("no disk for a swap area");
	if (swapon(device, 0))
		SKIP("no swap");
}
static inline void swap_begin(void) { swap_begin_on(SWAP_RAM, 0); }
static inline void swap_end_on(const char *device) { OK(swapoff(device)); }
static inline void swap_end(void) { swap_end_on(SWAP_RAM); }

#endif
