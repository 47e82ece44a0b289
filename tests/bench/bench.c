/*
 * tests/bench/bench.c - what memory operations cost in instructions, on Quire and on Linux (`make bench`).
 *
 * Runs as init of a machine with one CPU whose clock counts instructions (QEMU's -icount shift=0): the TSC then
 * advances by one for each, and the figures are the same in every run. Prints "bench NAME COST ZEROED COPIED": the
 * TSC ticks of one operation, and how many pages of it the kernel had to zero and to copy, which no design avoids.
 * Statically linked, nothing but system calls that both kernels have.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define MiB	(1ul << 20)
#define HUGE	(2 * MiB)
#define THP	"/sys/kernel/mm/transparent_hugepage/enabled"
#define THP_64K	"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled"

static inline uint64_t ticks(void)
{
	uint32_t lo, hi;
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

static void die(const char *what)
{
	printf("bench: %s failed\n", what);
	reboot(RB_POWER_OFF);
	exit(1);
}
#define CHECK(e) do { if ((long)(e) == -1) die(#e); } while (0)

static void report(const char *name, uint64_t total, uint64_t n, unsigned zeroed, unsigned copied)
{
	printf("bench %s %llu %u %u\n", name, (unsigned long long)(total / n), zeroed, copied);
}

static void set(const char *file, const char *word)
{
	int fd = open(file, O_WRONLY);
	if (fd >= 0) {
		CHECK(write(fd, word, strlen(word)));
		close(fd);
	}
}
static void thp(const char *word)
{
	set(THP, word);
}

static char *map(size_t n)
{
	char *p = mmap(NULL, n + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
}
static void touch(char *p, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i += step)
		((volatile char *)p)[i] = 1;
}
static void done(char *p, size_t n)
{
	munmap(p, n);
}

static void syscalls(void)
{
	const int n = 1000;
	uint64_t t = ticks();
	for (int i = 0; i < n; i++)
		syscall(SYS_getppid);
	report("getppid", ticks() - t, n, 0, 0);
}

static void faults(void)
{
	const size_t n = 4 * MiB;
	thp("never");
	char *p = map(n);
	touch(p, HUGE, PAGE);			/* tables of the first half, and warm lists */
	CHECK(madvise(p, HUGE, MADV_DONTNEED));
	uint64_t t = ticks();
	touch(p, HUGE, PAGE);
	report("fault-4k", ticks() - t, HUGE / PAGE, 1, 0);
	t = ticks();
	CHECK(munmap(p, HUGE));
	report("munmap-per-page", ticks() - t, HUGE / PAGE, 0, 0);
	done(p + HUGE, n - HUGE);
	thp("always");
	p = map(16 * MiB);
	touch(p, HUGE, PAGE);
	t = ticks();
	touch(p + HUGE, 6 * HUGE, HUGE);
	report("fault-2m", ticks() - t, 6, 512, 0);
	done(p, 16 * MiB);
}

static void exit_now(void) { syscall(SYS_exit_group, 0); }

static void forks(const char *self)
{
	const int n = 20;
	int status;
	uint64_t t = 0;
	for (int i = -2; i < n; i++) {		/* two to warm up */
		if (i == 0)
			t = ticks();
		pid_t pid = fork();
		CHECK(pid);
		if (!pid) {
			execl(self, self, "nothing", NULL);
			exit_now();
		}
		CHECK(waitpid(pid, &status, 0));
	}
	report("fork+exec+wait", ticks() - t, n, 0, 0);
	for (int i = -2; i < n; i++) {
		if (i == 0)
			t = ticks();
		pid_t pid = fork();
		CHECK(pid);
		if (!pid)
			exit_now();
		CHECK(waitpid(pid, &status, 0));
	}
	report("fork+exit+wait", ticks() - t, n, 0, 0);
}

/* Only fork itself: the child is made to wait for us by a pipe. */
static void fork_big(const char *name, const char *policy)
{
	const size_t size = 64 * MiB;
	uint64_t t, sum = 0;
	int go[2], status;
	char c = 0;
	thp(policy);
	char *p = map(size);
	touch(p, size, PAGE);
	for (int i = -1; i < 4; i++) {
		CHECK(pipe(go));
		t = ticks();
		pid_t pid = fork();
		CHECK(pid);
		if (!pid) {
			close(go[1]);
			if (read(go[0], &c, 1) < 0)
				exit_now();
			exit_now();
		}
		if (i >= 0)
			sum += ticks() - t;
		close(go[0]);
		close(go[1]);
		CHECK(waitpid(pid, &status, 0));
	}
	report(name, sum, 4, 0, 0);
	done(p, size);
	thp("always");
}

/* After a fork whose child still lives every write copies; after its exit every write reuses. */
static void cow(void)
{
	const size_t size = 1 * MiB;
	int go[2], status;
	char c = 0;
	thp("never");
	char *p = map(size);
	touch(p, size, PAGE);
	CHECK(pipe(go));
	pid_t pid = fork();
	CHECK(pid);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			exit_now();
		exit_now();
	}
	touch(p, 64 * PAGE, PAGE);		/* warm */
	uint64_t t = ticks();
	touch(p + 64 * PAGE, 128 * PAGE, PAGE);
	report("cow-copy", ticks() - t, 128, 0, 1);
	close(go[0]);
	close(go[1]);
	CHECK(waitpid(pid, &status, 0));
	t = ticks();
	touch(p + 192 * PAGE, 64 * PAGE, PAGE);
	report("cow-reuse", ticks() - t, 64, 0, 0);
	done(p, size);
	thp("always");
}

static void calls(void)
{
	const int n = 200;
	const size_t size = 4 * MiB;
	uint64_t t = 0;
	for (int i = -2; i < n; i++) {
		if (i == 0)
			t = ticks();
		char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(munmap(p, 4 * PAGE));
	}
	report("mmap+munmap", ticks() - t, n, 0, 0);

	thp("never");
	char *p = map(size);
	touch(p, size, PAGE);
	CHECK(mprotect(p, size, PROT_READ));
	CHECK(mprotect(p, size, PROT_READ | PROT_WRITE));
	t = ticks();
	for (int i = 0; i < 10; i++) {
		CHECK(mprotect(p, size, PROT_READ));
		CHECK(mprotect(p, size, PROT_READ | PROT_WRITE));
	}
	report("mprotect-4m", ticks() - t, 20, 0, 0);
	done(p, size);
	thp("always");
	p = map(size);
	touch(p, size, PAGE);
	CHECK(mprotect(p, size, PROT_READ));
	CHECK(mprotect(p, size, PROT_READ | PROT_WRITE));
	t = ticks();
	for (int i = 0; i < 10; i++) {
		CHECK(mprotect(p, size, PROT_READ));
		CHECK(mprotect(p, size, PROT_READ | PROT_WRITE));
	}
	report("mprotect-4m-thp", ticks() - t, 20, 0, 0);
	t = ticks();
	CHECK(madvise(p + 64 * PAGE, 64 * PAGE, MADV_DONTNEED));
	report("dontneed-part-first", ticks() - t, 1, 0, 0);
	t = ticks();
	for (int i = 3; i < 7; i++)
		CHECK(madvise(p + i * 64 * PAGE, 32 * PAGE, MADV_DONTNEED));
	report("dontneed-part-32", ticks() - t, 4, 0, 0);
	done(p, size);
}

/* 512 small pages become a huge one, at once. */
static void collapses(void)
{
	const int n = 6;
	uint64_t t = 0;
	thp("never");
	char *p = map((n + 2) * HUGE);
	touch(p, (n + 1) * HUGE, PAGE);
	for (int i = -1; i < n; i++) {
		if (i == 0)
			t = ticks();
		CHECK(madvise(p + (i + 1) * HUGE, HUGE, 25 /* MADV_COLLAPSE */));
	}
	report("collapse-2m", ticks() - t, n, 0, 512);
	done(p, (n + 2) * HUGE);
	thp("always");
}

static long number(const char *file)
{
	char text[40] = "";
	int fd = open(file, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		die(file);
	close(fd);
	return atol(text);
}

/* khugepaged, without a rest, at ranges that it refuses for their last page. */
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"
static void khugepaged_scans(void)
{
	const int ranges = 32, passes = 100;
	struct timespec a_moment = { 0, 1000000 };
	thp("madvise");
	char *p = map(ranges * HUGE);
	for (int i = 0; i < ranges; i++)
		touch(p + i * HUGE, HUGE - PAGE, PAGE);
	set(KHUGEPAGED "max_ptes_none", "0");
	set(KHUGEPAGED "pages_to_scan", "100000");
	CHECK(madvise(p, ranges * HUGE, MADV_HUGEPAGE));
	set(KHUGEPAGED "scan_sleep_millisecs", "0");
	long first = number(KHUGEPAGED "full_scans") + 1, last;
	while (number(KHUGEPAGED "full_scans") < first)
		nanosleep(&a_moment, NULL);
	first = number(KHUGEPAGED "full_scans");
	uint64_t t = ticks();
	do
		nanosleep(&a_moment, NULL);
	while ((last = number(KHUGEPAGED "full_scans")) < first + passes);
	t = ticks() - t;
	set(KHUGEPAGED "scan_sleep_millisecs", "10000");
	set(KHUGEPAGED "max_ptes_none", "511");
	report("khugepaged-scan", t, (uint64_t)(last - first) * ranges * 511, 0, 0);
	done(p, ranges * HUGE);
	thp("always");
}

static void pipes(void)
{
	const int n = 200;
	int there[2], back[2], status;
	char c = 0;
	CHECK(pipe(there));
	CHECK(pipe(back));
	pid_t pid = fork();
	CHECK(pid);
	if (!pid) {
		while (read(there[0], &c, 1) == 1 && c != 'q')
			if (write(back[1], &c, 1) != 1)
				exit_now();
		exit_now();
	}
	uint64_t t = 0;
	for (int i = -5; i < n; i++) {
		if (i == 0)
			t = ticks();
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("pipe");
	}
	report("pipe-round-trip", ticks() - t, n, 0, 0);
	c = 'q';
	CHECK(write(there[1], &c, 1));
	CHECK(waitpid(pid, &status, 0));
}

/*
 * Swap to the RAM disk of the machine, where there is one: it is filled first, because Linux's takes its memory only
 * when it is written.
 */
static int swap_area(void)
{
	static char page[PAGE];
	const uint32_t n = 24 * MiB / PAGE, head[3] = { 1, n - 1, 0 };
	int fd = open("/dev/ram0", O_RDWR);

	if (fd < 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			return 0;
	memcpy(page + 1024, head, sizeof(head));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	CHECK(pwrite(fd, page, PAGE, 0));
	CHECK(fsync(fd));
	close(fd);
	return !swapon("/dev/ram0", 0);
}

/* All out, then in again by one fault for each STEP bytes: the second round counts. */
static void swap_round(const char *out, const char *in, size_t step)
{
	const size_t size = 8 * MiB;
	unsigned pages = step / PAGE;
	char *p = map(size);

	touch(p, size, PAGE);
	for (int i = 0; i < 2; i++) {
		uint64_t t = ticks();
		CHECK(madvise(p, size, MADV_PAGEOUT));
		if (i)
			report(out, ticks() - t, size / step, 0, pages);
		t = ticks();
		for (size_t at = 0; at < size; at += PAGE)
			(void)((volatile char *)p)[at];
		if (i)
			report(in, ticks() - t, size / step, 0, pages);
	}
	done(p, size);
}

static void swaps(void)
{
	if (!swap_area())
		return;
	thp("never");
	swap_round("swap-out-4k", "swap-in-4k", PAGE);
	set(THP_64K, "always");
	swap_round("swap-out-64k", "swap-in-64k", 16 * PAGE);
	set(THP_64K, "inherit");
	thp("always");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);
	syscalls();
	faults();
	forks(argv[0]);
	fork_big("fork-64m", "never");
	fork_big("fork-64m-thp", "always");
	cow();
	calls();
	collapses();
	khugepaged_scans();
	pipes();
	swaps();
	printf("bench done\n");
	reboot(RB_POWER_OFF);
	return 0;
}
