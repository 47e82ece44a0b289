/*
 * tests/user/mlock_swap.c - locked memory and swapping: a page that several processes lock, reclaim in the middle of mlock,
 * and all at once (T-MLK-4, T-MLK-6).
 */
#include "tests/user/mlock.h"

/* ---- Two lock the same page ---- */

/* T-MLK-4: one unlocks, reclaim still leaves the pages; the other one is gone, they go out. UNMAP: the one unmaps instead. */
static void until_the_last_locker(bool unmap)
{
	need_scan();
	struct figures before = figures_now();
	char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	struct turns t;
	fill_pages(p, 4 * PAGE);
	OK(mlock(p, 4 * PAGE));
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(mlock(p, 4 * PAGE));
		child_done(&t);
		child_waits(&t);
		/* Alone with it now, or not: it is locked here. */
		uint64_t *pfn = pfns(p, 4 * PAGE);
		long out = vmstat("pswpout");
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(scan(p, 4 * PAGE, "unevictable"), 4);
		EXPECT_EQ(moved_pages(p, 4 * PAGE, pfn), 0);
		EXPECT_EQ(vmstat("pswpout"), out);
		EXPECT_GROWN(before, 16);
		EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
		if (unmap) {
			OK(munlock(p, 4 * PAGE));
			EXPECT_GROWN(before, 0);
			expect_all_go(p, 4 * PAGE);
			EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
		}
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_GROWN(before, 16);
	if (unmap)
		OK(munmap(p, 4 * PAGE));
	else
		OK(munlock(p, 4 * PAGE));
	EXPECT_GROWN(before, 16);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_GROWN(before, 0);
	if (!unmap) {
		long out = vmstat("pswpout");
		expect_all_go(p, 4 * PAGE);
		EXPECT_GE(vmstat("pswpout"), out + 4);
		EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
	}
	swap_off(area);
}
TEST(one_of_two_unlocks_and_the_other_exits) { until_the_last_locker(false); }
TEST(one_of_two_unmaps_and_the_other_unlocks) { until_the_last_locker(true); }

/* ---- In the middle of mlock ---- */

/*
 * T-MLK-6: between the flag and the faults of mlock, reclaim looks at the pages and migration moves them. Of 16 pages 4 are
 * mapped, 4 in swap, 8 have never been there. What is mapped stays; in the end all are there, each counted once.
 */
TEST(reclaim_and_migration_while_pages_are_locked)
{
	need_scan();
	if (parked_at("mlock_populate") < 0)
		SKIP("needs Quire's controls");
	struct figures before = figures_now();
	char *p = anon(16 * PAGE);
	fill_pages(p, 8 * PAGE);
	expect_all_go(p + 4 * PAGE, 4 * PAGE);
	EXPECT_EQ(pages_in_core(p, 16), 4);
	pid_t self = getpid(), pid;
	EXPECT_EQ(control("pause", "arm mlock_populate %d once", (int)self), 0);
	pid = ktap_fork();
	if (!pid) {
		unsigned long start = (unsigned long)p, end = start + 16 * PAGE;
		long out = vmstat("pswpout");
		EXPECT_TRUE(ktap_until(parked_at("mlock_populate") == 1));
		for (int i = 0; i < 3; i++) {
			EXPECT_EQ(control("force", "scan %d 0x%lx 0x%lx", (int)self, start, end), 0);
			EXPECT_EQ(control("force", "migrate %d 0x%lx 0x%lx sync", (int)self, start, end), 0);
		}
		EXPECT_EQ(vmstat("pswpout"), out);
		EXPECT_GROWN(before, 16);		/* those that are mapped are counted already */
		EXPECT_EQ(parked_at("mlock_populate"), 1);
		EXPECT_EQ(control("pause", "release mlock_populate"), 0);
		ktap_exit();
	}
	OK(mlock(p, 16 * PAGE));
	EXPECT_CHILD(pid);
	EXPECT_EQ(pages_in_core(p, 16), 16);
	EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);
	EXPECT_GROWN(before, 64);
	EXPECT_EQ(scan(p, 16 * PAGE, "unevictable"), 16);
	OK(munlock(p, 16 * PAGE));
	EXPECT_GROWN(before, 0);
	swap_off(area);
}

/* ---- All at once ---- */

/* Pages [AT, AT + N) of P go out, by whatever way there is, unless they are locked. */
static void push_out(char *p, int at, int n)
{
	madvise(p + at * PAGE, n * PAGE, MADV_PAGEOUT);
	if (have_control("force"))
		control("force", "scan %d 0x%lx 0x%lx", (int)getpid(), (unsigned long)(p + at * PAGE),
			(unsigned long)(p + (at + n) * PAGE));
}
/*
 * All write the same: whoever has a page, and wherever it was, it holds that. The upper half is never locked. In the end
 * something has gone out, of which there were OUT pages before.
 */
static void lock_unlock_and_swap(char *p, int n, long rounds, long out)
{
	for (long i = 0; i < rounds; i++) {
		int at = (int)(ktap_random() % (uint64_t)n), len = (int)(1 + ktap_random() % (uint64_t)(n - at));
		switch (ktap_random() % 6) {
		case 0: mlock(p + at / 2 * PAGE, (len + 1) / 2 * PAGE); break;
		case 1: munlock(p + at / 2 * PAGE, (len + 1) / 2 * PAGE); break;
		case 2: mlock2_call(p + at / 2 * PAGE, (len + 1) / 2 * PAGE, ONFAULT); break;
		case 3: push_out(p, at, len); break;
		case 4:
			for (int k = at; k < at + len; k++)
				memset(p + k * PAGE, byte_of(k), PAGE / 2);
			break;
		case 5:
			if (have_control("force"))
				control("force", "migrate %d 0x%lx 0x%lx async", (int)getpid(), (unsigned long)p,
					(unsigned long)(p + n * PAGE));
			break;
		}
	}
	OK(munlock(p, n * PAGE));
	if (have_control("force"))	/* MADV_PAGEOUT alone passes over what others have mapped (ABI-24) */
		EXPECT_TRUE(ktap_until((push_out(p, n / 2, n / 2), vmstat("pswpout") > out)));
	EXPECT_EQ(wrong_pages(p, n * PAGE, 0), 0);
}
/* What is not locked goes out and comes in while four processes and their children lock and unlock it. */
static void swap_stress(char *p, int n, long rounds)
{
	const char *disk = swap_on(0);
	struct figures before = figures_now();
	long out = vmstat("pswpout");
	pid_t pid[4];
	fill_pages(p, n * PAGE);
	for (int c = 0; c < 4; c++) {
		pid[c] = ktap_fork();
		if (pid[c])
			continue;
		ktap_seed_state = 77 * (c + 1);
		for (int forks = 0; forks < 4; forks++) {
			lock_unlock_and_swap(p, n, rounds, out);
			pid_t child = ktap_fork();
			if (!child) {
				lock_unlock_and_swap(p, n, rounds / 4 + 1, out);
				ktap_exit();
			}
			EXPECT_CHILD(child);
		}
		ktap_exit();
	}
	for (int c = 0; c < 4; c++)
		EXPECT_CHILD(pid[c]);
	EXPECT_EQ(wrong_pages(p, n * PAGE, 0), 0);
	EXPECT_GROWN(before, 0);
	swap_off(disk);
	EXPECT_EQ(wrong_pages(p, n * PAGE, 0), 0);
}
TEST(stress_of_private_memory_that_is_swapped) { swap_stress(anon(32 * PAGE), 32, ktap_scale(60)); }
TEST(stress_of_shared_memory_that_is_swapped)
{
	char *p = OK(mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	swap_stress(p, 32, ktap_scale(60));
}
TEST(stress_of_large_folios_that_are_swapped) { swap_stress(large_area(HUGE, HUGE_ORDER), 512, ktap_scale(20)); }
