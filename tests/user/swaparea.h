/*
 * tests/user/swaparea.h - a swap area for the tests that need one: on the disk that SWAP_DISK in the environment names, on
 * the RAM disk, or on the first virtio disk; and what they ask of swapped-out memory.
 *
 * mkswap's header is written by hand: version 1, no bad blocks. The device must be a scratch one: its contents go.
 */
#ifndef TESTS_USER_SWAPAREA_H
#define TESTS_USER_SWAPAREA_H

#include "tests/user/pages.h"
#include <sys/swap.h>

#ifndef MADV_PAGEOUT
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_FREE
#define MADV_FREE	8
#endif
#define SWAP_HEADER	1024		/* where version, last page and number of bad blocks lie */
#define SWAP_MAGIC	(PAGE - 10)
#define KPF_WRITEBACK	8
#define KPF_SWAPCACHE	13
/* pagemap of a swapped-out page */
#define PM_SWAP_TYPE(e)	  ((e) & 31)
#define PM_SWAP_OFFSET(e) (((e) >> 5) & ((1ull << 50) - 1))

/* A disk whose contents nobody wants, or NULL. */
static inline const char *swap_disk(void)
{
	const char *disks[] = { "/dev/ram0", "/dev/vda" };
	if (getenv("SWAP_DISK"))
		disks[0] = getenv("SWAP_DISK");
	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		int fd = open(disks[i], O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		off_t size = lseek(fd, 0, SEEK_END);
		close(fd);
		if (size >= 1 << 20)
			return disks[i];
	}
	return NULL;
}
static inline long disk_pages(const char *disk)
{
	int fd = OK(open(disk, O_RDONLY | O_CLOEXEC));
	off_t size = OK(lseek(fd, 0, SEEK_END));
	close(fd);
	return size / PAGE;
}
/* Write the header of an area of PAGES pages (the first one included) on DISK. */
static inline void make_swap(const char *disk, long pages)
{
	char page[PAGE] = { 0 };
	uint32_t words[3] = { 1, (uint32_t)(pages - 1), 0 };
	int fd = OK(open(disk, O_RDWR | O_CLOEXEC));
	memcpy(page + SWAP_HEADER, words, sizeof(words));
	memcpy(page + SWAP_MAGIC, "SWAPSPACE2", 10);
	ASSERT_EQ(pwrite(fd, page, sizeof(page), 0), sizeof(page));
	fsync(fd);
	close(fd);
}
/* PAGES pages of swap (0: the whole disk) from now on. SKIP where there is no disk or no privilege. */
static inline const char *swap_on(long pages)
{
	const char *disk = swap_disk();
	if (!disk)
		SKIP("no scratch disk");
	swapoff(disk);		/* left over from a case that failed */
	make_swap(disk, pages ? pages : disk_pages(disk));
	if (swapon(disk, 0) && errno == EPERM)
		SKIP("needs privilege");
	else if (errno == ENOSYS)
		SKIP("no swap");
	return disk;
}
/* Where there is a choice, a disk that takes its time. */
static inline void prefer_async_disk(void) { setenv("SWAP_DISK", "/dev/vda", 0); }
static inline const char *swap_on_async(void)
{
	prefer_async_disk();
	return swap_on(0);
}
static inline void swap_off(const char *disk) { EXPECT_EQ(swapoff(disk), 0); }
static inline bool swap_is_sync(const char *disk) { return !strcmp(disk, "/dev/ram0"); }

static inline bool is_swapped(const volatile void *p) { return (pagemap(p) & (PM_PRESENT | PM_SWAPPED)) == PM_SWAPPED; }
static inline size_t pages_swapped(const char *p, size_t n)
{
	size_t swapped = 0;
	for (size_t i = 0; i < n; i += PAGE)
		swapped += is_swapped(p + i);
	return swapped;
}
/*
 * Out with [P, P + N). Pages may be passed over for a moment: locked, or in the LRU batch of the CPU that they were faulted
 * in on, which only it drains. So it is asked again, from each CPU, until all are out. How many are.
 */
static inline size_t page_out(char *p, size_t n)
{
	cpu_set_t before;
	OK(sched_getaffinity(0, sizeof(before), &before));
	for (int i = 0; i < 100; i++) {
		OK(madvise(p, n, MADV_PAGEOUT));
		if (pages_swapped(p, n) == n / PAGE)
			break;
		on_cpu(i % (int)ktap_cpus);
		if (i >= 16)
			ktap_sleep_ms(1);
	}
	sched_setaffinity(0, sizeof(before), &before);
	return pages_swapped(p, n);
}
static inline long meminfo_kb(const char *name) { return ktap_number("/proc/meminfo", name); }

#endif
