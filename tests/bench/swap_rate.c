/*
 * tests/bench/swap_rate.c - how fast memory goes to a swap device and comes back, by the clock, on Quire and on Linux
 * (`make bench-swap`).
 *
 *	swap_rate DEVICE MIB
 *
 * Runs as init of a machine with less memory than MIB. It fills MIB of memory, reads it all in order, then some of it in
 * no order, and checks what it reads. On a RAM disk, which takes memory itself, there is memory enough: what is there goes
 * out by MADV_PAGEOUT and is read again. Prints for each of these "rate NAME NANOSECONDS" (of one page), and the pages
 * that went out and came in. Statically linked, nothing but system calls and files that both kernels have.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define RANDOM	2048ul

static void die(const char *what)
{
	printf("swap_rate: %s failed\n", what);
	reboot(RB_POWER_OFF);
	exit(1);
}
#define CHECK(e) do { if ((long)(e) == -1) die(#e); } while (0)

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void report(const char *name, uint64_t from, size_t pages)
{
	printf("rate %s %llu\n", name, (unsigned long long)((now() - from) / pages));
}

static void prepare_system(void)
{
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);
	fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);
	if (fd >= 0 && write(fd, "never", 5) != 5)
		die("thp");
	close(fd);
}

/* FILL: Linux's RAM disk takes its memory when it is first written. */
static void swap_to(const char *device, int fill)
{
	static char page[PAGE];
	int fd = open(device, O_RDWR);
	uint32_t head[3] = { 1 };
	off_t size;

	CHECK(fd);
	size = lseek(fd, 0, SEEK_END);
	CHECK(size);
	for (off_t at = 0; fill && at < size; at += (off_t)PAGE)
		CHECK(pwrite(fd, page, PAGE, at));
	head[1] = (uint32_t)(size / (off_t)PAGE) - 1;
	memcpy(page + 1024, head, sizeof(head));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	CHECK(pwrite(fd, page, PAGE, 0));
	CHECK(fsync(fd));
	close(fd);
	CHECK(swapon(device, 0));
}

static long vmstat(const char *name)
{
	static char text[65536];
	int fd = open("/proc/vmstat", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	size_t len = strlen(name);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	for (char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, len) && p[len] == ' ')
			return atol(p + len);
	return -1;
}

static void check(const char *p, size_t i)
{
	if (*(const volatile size_t *)(p + i * PAGE) != i + 1)
		die("contents");
}

static void run_ramdisk(char *p, size_t n)
{
	uint64_t t;

	for (size_t i = 0; i < n; i++)
		*(volatile size_t *)(p + i * PAGE) = i + 1;
	t = now();
	CHECK(madvise(p, n * PAGE, MADV_PAGEOUT));
	report("out", t, n);
	t = now();
	for (size_t i = 0; i < n; i++)
		check(p, i);
	report("in", t, n);
}

static void run(char *p, size_t n)
{
	uint64_t t = now();
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		*(volatile size_t *)(p + i * PAGE) = i + 1;
	report("fill", t, n);
	t = now();
	for (size_t i = 0; i < n; i++)
		check(p, i);
	report("read", t, n);
	t = now();
	for (size_t i = 0; i < RANDOM; i++) {
		at = (at * 1103515245 + 12345) % (1ul << 31);
		check(p, at % n);
	}
	report("random", t, RANDOM);
}

int main(int argc, char **argv)
{
	int ramdisk;
	size_t n;
	char *p;

	prepare_system();
	if (argc < 3)
		die("arguments");
	n = strtoul(argv[argc - 1], NULL, 10) << 20;
	ramdisk = strstr(argv[argc - 2], "ram") != NULL;
	swap_to(argv[argc - 2], ramdisk);
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (ramdisk)
		run_ramdisk(p, n / PAGE);
	else
		run(p, n / PAGE);
	printf("rate done out %ld in %ld faults %ld readahead %ld hits %ld\n", vmstat("pswpout"), vmstat("pswpin"),
	       vmstat("pgmajfault"), vmstat("swap_ra"), vmstat("swap_ra_hit"));
	reboot(RB_POWER_OFF);
	return 0;
}
