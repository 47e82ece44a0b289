/*
 * tests/user/reclaim_calls.c - reclaim by request: MADV_COLD and MADV_PAGEOUT of one's own memory and of others', and
 * drop_caches (T-RCL-13; rules RCL-19, RCL-22, RCL-24, RCL-25).
 */
#include "tests/user/reclaim.h"

/* ---- Advice ---- */

TEST(cold_memory_goes_first)
{
	need("force");
	swap_begin();
	size_t n = 2 * MIB;
	char *cold = anon(n), *warm = anon(n);
	fill_pages(cold, n);
	fill_pages(warm, n);
	for (int i = 0; i < 2; i++) {
		touch(cold, n);
		touch(warm, n);
		(void)scan(cold, n);
		(void)scan(warm, n);
	}
	EXPECT_TRUE(is_active(cold));
	EXPECT_TRUE(is_active(warm));
	long out = vmstat("pswpout");
	OK(madvise(cold, n, MADV_COLD));
	EXPECT_TRUE(!is_active(cold));
	EXPECT_TRUE(!has_flag(cold, KPF_REFERENCED));
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(pages_swapped(cold, n), 0);
	for (int i = 0; i < 100 && pages_swapped(cold, n) + pages_swapped(warm, n) < n / PAGE / 4; i++)
		EXPECT_EQ(control("force", "reclaim 0 0 %lu", n / PAGE / 4), 0);
	EXPECT_GT(pages_swapped(cold, n), pages_swapped(warm, n));
	EXPECT_EQ(wrong_pages(cold, n, 0) + wrong_pages(warm, n, 0), 0);
	swap_end();
}

/* All that scans of lists have counted: kswapd's, direct, khugepaged's, and the same by kind. */
static long all_scans(void)
{
	static const char *const names[] = {
		"pgscan_kswapd", "pgscan_direct", "pgscan_khugepaged", "pgscan_proactive", "pgscan_anon", "pgscan_file",
	};
	long sum = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (vmstat(names[i]) > 0)
			sum += vmstat(names[i]);
	return sum;
}

TEST(pageout_is_no_scan)
{
	swap_begin();
	char *p = anon(16 * PAGE);
	fill_pages(p, 16 * PAGE);
	long out = vmstat("pswpout"), scans = all_scans();
	OK(madvise(p, 16 * PAGE, MADV_COLD));
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(all_scans(), scans);
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	EXPECT_EQ(vmstat("pswpout"), out + 16);
	EXPECT_EQ(all_scans(), scans);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	swap_end();
}

/* ---- Advice for others ---- */

static long process_madvise_(int pidfd, void *p, size_t n, int advice, unsigned int flags)
{
	struct iovec v = { p, n };
	return syscall(SYS_process_madvise, pidfd, &v, 1L, advice, flags);
}

/* A child on this CPU that waits, with N bytes of its own at P; they are active, where that can be had. */
static pid_t child_with_memory(struct turns *t, char *p, size_t n, int *pidfd)
{
	stay_here();
	turns_init(t);
	pid_t pid = ktap_fork();
	if (!pid) {
		fill_pages(p, n);
		child_done(t);
		child_waits(t);
		touch(p, n);
		child_done(t);
		child_waits(t);
		EXPECT_EQ(pages_swapped(p, n), n / PAGE);
		EXPECT_EQ(wrong_pages(p, n, 0), 0);
		ktap_exit();
	}
	*pidfd = (int)OK(syscall(SYS_pidfd_open, pid, 0));
	for (int i = 0; i < 2; i++) {
		parent_waits(t);
		if (have_control("force"))
			EXPECT_EQ(control("force", "scan %d 0x%lx 0x%lx", (int)pid, (unsigned long)p, (unsigned long)(p + n)), 0);
		if (!i)
			child_go(t);
	}
	return pid;
}
static uint64_t frame_in(pid_t pid, const char *p)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	uint64_t e = proc_u64(path, (uintptr_t)p / PAGE);
	return e & PM_PRESENT ? PM_PFN(e) : 0;
}

TEST(advice_for_another_process)
{
	enum { N = 16 };
	swap_begin();
	struct turns t;
	char *p = anon(N * PAGE);
	int fd;
	pid_t pid = child_with_memory(&t, p, N * PAGE, &fd);
	uint64_t pfn = frame_in(pid, p + PAGE);
	EXPECT_TRUE(!have_control("force") || kpageflags(pfn) >> KPF_ACTIVE & 1);
	long out = vmstat("pswpout"), scans = all_scans();
	EXPECT_EQ(process_madvise_(fd, p, N * PAGE, MADV_COLD, 0), (long)(N * PAGE));
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(frame_in(pid, p + PAGE), pfn);
	EXPECT_TRUE(!(kpageflags(pfn) >> KPF_ACTIVE & 1) && !(kpageflags(pfn) >> KPF_REFERENCED & 1));
	EXPECT_EQ(all_scans(), scans);
	EXPECT_EQ(process_madvise_(fd, p, N * PAGE, MADV_PAGEOUT, 0), (long)(N * PAGE));
	EXPECT_EQ(vmstat("pswpout"), out + N);
	EXPECT_EQ(all_scans(), scans);
	child_go(&t);
	EXPECT_CHILD(pid);
	swap_end();
}

/* RCL-25: what is wrong is told apart. */
static void drop_capability(int number)
{
	struct { uint32_t version; int pid; } header = { 0x20080522, 0 };
	struct { uint32_t effective, permitted, inheritable; } data[2];
	OK(syscall(SYS_capget, &header, data));
	data[number / 32].effective &= ~(1u << number % 32);
	OK(syscall(SYS_capset, &header, data));
}
#define CAP_NICE	23	/* CAP_SYS_NICE */

TEST(advice_for_another_process_is_checked)
{
	swap_begin();
	struct turns t;
	char *p = anon(4 * PAGE);
	int fd;
	pid_t pid = child_with_memory(&t, p, 4 * PAGE, &fd);
	EXPECT_ERR(process_madvise_(fd, p, 4 * PAGE, MADV_PAGEOUT, 1), EINVAL);
	EXPECT_ERR(process_madvise_(fd, p, 4 * PAGE, MADV_DONTNEED, 0), EINVAL);
	EXPECT_ERR(process_madvise_(fd, p, 4 * PAGE, MADV_FREE, 0), EINVAL);
	EXPECT_ERR(process_madvise_(fd, p + 1, PAGE, MADV_COLD, 0), EINVAL);
	EXPECT_ERR(process_madvise_(-1, p, PAGE, MADV_COLD, 0), EBADF);
	pid_t nobody = ktap_fork();
	if (!nobody) {
		OK(setgid(1000));
		OK(setuid(1000));
		EXPECT_ERR(process_madvise_(fd, p, PAGE, MADV_COLD, 0), EACCES);
		EXPECT_ERR(process_madvise_(fd, p, PAGE, MADV_PAGEOUT, 0), EACCES);
		ktap_exit();
	}
	EXPECT_CHILD(nobody);
	/* It may trace the child, but not slow it down. */
	pid_t tracer = ktap_fork();
	if (!tracer) {
		drop_capability(CAP_NICE);
		EXPECT_ERR(process_madvise_(fd, p, PAGE, MADV_COLD, 0), EPERM);
		EXPECT_ERR(process_madvise_(fd, p, PAGE, MADV_PAGEOUT, 0), EPERM);
		ktap_exit();
	}
	EXPECT_CHILD(tracer);
	/* None of them moved anything. */
	EXPECT_NE(frame_in(pid, p), 0);
	EXPECT_EQ(process_madvise_(fd, p, 4 * PAGE, MADV_PAGEOUT, 0), (long)(4 * PAGE));
	child_go(&t);
	EXPECT_CHILD(pid);
	swap_end();
}

/* The parts before the one that fails count; an error is told if there are none. */
TEST(advice_is_counted_up_to_the_part_that_fails)
{
	swap_begin();
	struct turns t;
	char *p = anon(8 * PAGE), *hole = anon(PAGE);
	int fd;
	pid_t pid = child_with_memory(&t, p, 8 * PAGE, &fd);
	struct iovec v[3] = { { p, 3 * PAGE }, { hole - PAGE, PAGE }, { p + 3 * PAGE, 5 * PAGE } };
	EXPECT_EQ(syscall(SYS_process_madvise, fd, v, 3L, MADV_PAGEOUT, 0), (long)(3 * PAGE));
	EXPECT_TRUE(frame_in(pid, p + 3 * PAGE));
	EXPECT_ERR(syscall(SYS_process_madvise, fd, v + 1, 2L, MADV_PAGEOUT, 0), ENOMEM);
	v[1] = (struct iovec){ p + 1, PAGE };
	EXPECT_EQ(syscall(SYS_process_madvise, fd, v, 3L, MADV_PAGEOUT, 0), (long)(3 * PAGE));
	EXPECT_ERR(syscall(SYS_process_madvise, fd, v + 1, 2L, MADV_PAGEOUT, 0), EINVAL);
	EXPECT_EQ(process_madvise_(fd, p, 8 * PAGE, MADV_PAGEOUT, 0), (long)(8 * PAGE));
	child_go(&t);
	EXPECT_CHILD(pid);
	swap_end();
}

/* One's own memory takes any advice, without the right to slow others down. */
TEST(advice_for_oneself)
{
	char *p = anon(4 * PAGE);
	int fd = (int)OK(syscall(SYS_pidfd_open, getpid(), 0));
	fill_pages(p, 4 * PAGE);
	if (process_madvise_(fd, p, PAGE, MADV_NORMAL, 0) < 0 && errno == EINVAL && !ktap_is_quire())
		SKIP("advice for others only: Linux before 6.13");
	drop_capability(CAP_NICE);
	EXPECT_EQ(process_madvise_(fd, p, PAGE, MADV_DONTNEED, 0), (long)PAGE);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(wrong_pages(p + PAGE, 3 * PAGE, 1), 0);
	EXPECT_EQ(process_madvise_(fd, p, 4 * PAGE, MADV_COLD, 0), (long)(4 * PAGE));
	EXPECT_EQ(process_madvise_(fd, p, 4 * PAGE, MADV_FREE, 0), (long)(4 * PAGE));
	EXPECT_EQ(process_madvise_(fd, p, 2 * PAGE, MADV_DONTFORK, 0), (long)(2 * PAGE));
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
	EXPECT_ERR(process_madvise_(fd, p, PAGE, 99, 0), EINVAL);
	EXPECT_ERR(process_madvise_(fd, p, PAGE, MADV_COLD, 1), EINVAL);
}

/* ---- drop_caches ---- */

TEST(drop_caches_takes_1_to_4)
{
	long pages = vmstat("drop_pagecache"), slabs = vmstat("drop_slab");
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "0"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "5"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "3"), 0);
	EXPECT_EQ(vmstat("drop_pagecache"), pages + 1);
	EXPECT_EQ(vmstat("drop_slab"), slabs + 1);
}

TEST(a_file_in_memory_of_twice_the_room)
{
	need("alloc");
	swap_begin();
	size_t n = 32 * MIB;
	long kills = vmstat("oom_kill");
	int fd = (int)OK(syscall(SYS_memfd_create, "big", 0));
	static char page[PAGE], back[PAGE];
	leave_only(n / 2);
	for (size_t i = 0; i < n / PAGE; i++) {
		memset(page, (int)(i % 251), PAGE);
		ASSERT_EQ(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), (long)PAGE);
	}
	/* It is no copy of anything: this leaves it. */
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "1"), 0);
	int wrong = 0;
	for (size_t i = 0; i < n / PAGE; i++) {
		ASSERT_EQ(pread(fd, back, PAGE, (off_t)(i * PAGE)), (long)PAGE);
		wrong += back[0] != (char)(i % 251) || back[PAGE - 1] != (char)(i % 251);
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	close(fd);
	release_all();
	swap_end();
}

