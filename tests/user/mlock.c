/*
 * tests/user/mlock.c - mlock, munlock, mlockall, MAP_LOCKED: what they refuse, which pages stay, and how that is seen
 * (T-MLK-1 to 6).
 * What reclaim and swapping make of it while others lock and unlock: mlock_swap.c.
 */
#include "tests/user/mlock.h"
#include <sys/prctl.h>

static void set_limit(size_t bytes)
{
	struct rlimit r = { bytes, bytes };
	OK(setrlimit(RLIMIT_MEMLOCK, &r));
}
/* From here on without privileges, and with this limit. */
static void become_user(size_t limit)
{
	set_limit(limit);
	OK(setgid(65534));
	OK(setuid(65534));
	/* Who has given up root may not read its own /proc files otherwise. */
	OK(prctl(PR_SET_DUMPABLE, 1));
}
static char *map_locked(size_t n)
{
	/* Not by mmap(): musl turns EPERM into ENOMEM. */
	return (char *)syscall(SYS_mmap, NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
}
static bool vm_flag(const char *p, const char *flag)
{
	unsigned long start, end;
	bool here = false;
	for (char *line = ktap_read("/proc/self/smaps"); line && *line; line = strchr(line, '\n') + 1) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)p && (unsigned long)p < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			return strstr(line, flag) && strstr(line, flag) < strchr(line, '\n');
	}
	return false;
}

/* ---- T-MLK-1: errors and limits ---- */

TEST(without_a_limit_nothing_may_be_locked)
{
	char *p = anon(4 * PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		become_user(0);
		EXPECT_ERR(mlock(p, PAGE), EPERM);
		EXPECT_ERR(mlock2_call(p, PAGE, 0), EPERM);
		EXPECT_ERR(mlock2_call(p, PAGE, 2), EINVAL);
		EXPECT_ERR(mlockall(MCL_CURRENT), EPERM);
		EXPECT_ERR(mlockall(0), EINVAL);
		EXPECT_TRUE(map_locked(PAGE) == MAP_FAILED && errno == EPERM);
		EXPECT_EQ(munlock(p, PAGE), 0);
		EXPECT_EQ(munlockall(), 0);
		EXPECT_EQ(locked_kb(), 0);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(the_limit_is_exact_and_overlap_counts_once)
{
	char *p = anon(64 * PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		become_user(16 * PAGE);
		EXPECT_ERR(mlock(p, 17 * PAGE), ENOMEM);
		EXPECT_EQ(locked_kb(), 0);
		EXPECT_EQ(mlock(p, 16 * PAGE), 0);
		EXPECT_ERR(mlock(p + 20 * PAGE, 1), ENOMEM);
		EXPECT_EQ(munlock(p, 6 * PAGE), 0);
		EXPECT_EQ(locked_kb(), 40);
		/* [6, 16) is locked: six pages more are allowed, seven are not. */
		EXPECT_ERR(mlock(p + 8 * PAGE, 15 * PAGE), ENOMEM);
		EXPECT_EQ(mlock(p + 8 * PAGE, 14 * PAGE), 0);
		EXPECT_EQ(locked_kb(), 64);
		/* Bytes are rounded to pages on both sides. */
		EXPECT_EQ(munlock(p + 7 * PAGE - 1, 2), 0);
		EXPECT_EQ(locked_kb(), 56);
		EXPECT_TRUE(map_locked(3 * PAGE) == MAP_FAILED && errno == EAGAIN);
		char *q = map_locked(2 * PAGE);
		EXPECT_TRUE(q != MAP_FAILED && is_present(q));
		EXPECT_TRUE(mremap(q, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EAGAIN);
		EXPECT_ERR(mlockall(MCL_CURRENT), ENOMEM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	/* With privilege the limit does not matter. */
	set_limit(16 * PAGE);
	OK(mlock(p, 64 * PAGE));
	EXPECT_EQ(locked_kb(), 256);
}

TEST(with_privilege_no_limit_is_none)
{
	char *p = anon(4 * PAGE);
	set_limit(0);
	EXPECT_EQ(mlock(p, 4 * PAGE), 0);
	EXPECT_EQ(locked_kb(), 16);
	EXPECT_TRUE(map_locked(PAGE) != MAP_FAILED);
	EXPECT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	EXPECT_TRUE(vm_flag(anon(PAGE), " lo"));
}

/* MLK-4: what cannot be filled is passed over, and nobody hears of it. */
TEST(errors_of_filling_that_are_not_told)
{
	char *p = anon(4 * PAGE);
	OK(mprotect(p + PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(mlockall(MCL_CURRENT), 0);
	EXPECT_TRUE(vm_flag(p + PAGE, " lo"));
	EXPECT_TRUE(is_present(p) && !is_present(p + PAGE));
	EXPECT_EQ(pages_in_core(p + 2 * PAGE, 2), 2);
	OK(munlockall());
	p = (char *)syscall(SYS_mmap, NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	EXPECT_TRUE(p != MAP_FAILED && vm_flag(p, " lo"));
	EXPECT_EQ(locked_kb(), 8);
}

/* No page for this process from now on, or all that it wants again. */
static void no_more_pages(bool none)
{
	if (none)
		ASSERT_EQ(control("fail", "alloc_pages order=0 pid=%d", (int)getpid()), 0);
	else
		while (control("fail", "off"))
			;
}
/* MLK-3: out of memory is EAGAIN, and the flag stays. mlockall and MAP_LOCKED do not tell it (MLK-4). */
TEST(no_memory_to_fill_it)
{
	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	char *p = anon(4 * PAGE), *q = MAP_FAILED;
	int error[3];
	stay_here();
	memset(p, 1, 4 * PAGE);			/* the tables are there, the pages are not */
	OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
	no_more_pages(true);
	error[0] = mlock(p, 4 * PAGE) ? errno : 0;
	error[1] = mlock2_call(p, 4 * PAGE, ONFAULT) ? errno : 0;
	error[2] = mlockall(MCL_CURRENT) ? errno : 0;
	no_more_pages(false);
	EXPECT_EQ(error[0], EAGAIN);
	EXPECT_EQ(error[1], 0);
	EXPECT_EQ(error[2], 0);
	EXPECT_EQ(pages_in_core(p, 4), 0);
	EXPECT_TRUE(vm_flag(p, " lo") && !vm_flag(p, " lf"));
	/* The mapping itself needs a little memory: some that was just given back. */
	for (int tries = 0; tries < 20 && q == MAP_FAILED; tries++) {
		munmap(anon(PAGE), PAGE);
		no_more_pages(true);
		q = map_locked(4 * PAGE);
		no_more_pages(false);
	}
	EXPECT_TRUE(q != MAP_FAILED && vm_flag(q, " lo"));
	EXPECT_EQ(pages_in_core(q, 4), 0);
	OK(mlock(p, 4 * PAGE));
	EXPECT_EQ(pages_in_core(p, 4), 4);
}

TEST(ranges_that_do_not_fit)
{
	char *p = anon(8 * PAGE);
	OK(munmap(p + 4 * PAGE, PAGE));
	EXPECT_ERR(mlock(p, 8 * PAGE), ENOMEM);
	EXPECT_EQ(locked_kb(), 16);			/* what lies before the gap */
	EXPECT_ERR(munlock(p, 8 * PAGE), ENOMEM);
	EXPECT_EQ(locked_kb(), 0);
	EXPECT_EQ(munlock(p, 4 * PAGE), 0);
	EXPECT_EQ(mlock(p, 0), 0);
	EXPECT_EQ(mlock(p + 4 * PAGE, 0), 0);
	EXPECT_ERR(mlock(p, -2 * PAGE), EINVAL);
	EXPECT_ERR(munlock(p, -2 * PAGE), EINVAL);
	EXPECT_ERR(mlock2_call(p, PAGE, 2), EINVAL);
	EXPECT_EQ(mlock2_call(p, PAGE, ONFAULT), 0);
	/* Nobody can read it: it cannot be filled, but the flag stays. */
	OK(mprotect(p + 5 * PAGE, PAGE, PROT_NONE));
	EXPECT_ERR(mlock(p + 5 * PAGE, PAGE), ENOMEM);
	EXPECT_TRUE(vm_flag(p + 5 * PAGE, " lo"));
	EXPECT_EQ(locked_kb(), 8);
	EXPECT_EQ(munlockall(), 0);
	EXPECT_EQ(locked_kb(), 0);
	EXPECT_TRUE(!vm_flag(p, " lo") && !vm_flag(p, " lf"));
}

/* Does smaps say so of a mapping that is locked as it is touched? */
static bool onfault_is_shown(void)
{
	char *p = anon(PAGE);
	OK(mlock2_call(p, PAGE, ONFAULT));
	bool shown = vm_flag(p, " lf");
	munmap(p, PAGE);
	return shown;
}
TEST(mlockall_takes_three_bits)
{
	EXPECT_ERR(mlockall(0), EINVAL);
	EXPECT_ERR(mlockall(8), EINVAL);
	EXPECT_ERR(mlockall(MCL_ONFAULT), EINVAL);
	EXPECT_ERR(mlockall(MCL_CURRENT | 16), EINVAL);
	char *p = anon(4 * PAGE);
	bool shown = onfault_is_shown();		/* older kernels do not */
	EXPECT_TRUE(shown || !ktap_is_quire());
	OK(mlockall(MCL_CURRENT | MCL_ONFAULT));
	EXPECT_EQ(vm_flag(p, " lf"), shown);
	EXPECT_TRUE(!is_present(p));
	OK(mlockall(MCL_CURRENT));
	EXPECT_TRUE(vm_flag(p, " lo") && !vm_flag(p, " lf"));
	EXPECT_TRUE(is_present(p));
	/* Only FUTURE locks what is mapped later. */
	char *q = anon(PAGE);
	EXPECT_TRUE(!is_present(q) && !vm_flag(q, " lo"));
	OK(munlockall());
	EXPECT_EQ(locked_kb(), 0);
}

TEST(the_future_is_locked_until_the_next_call)
{
	char *p = anon(PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		/* Not by sbrk(): musl's refuses. */
		long end = syscall(SYS_brk, 0);
		become_user(32 * PAGE);
		OK(mlockall(MCL_FUTURE));
		EXPECT_TRUE(!vm_flag(p, " lo"));
		char *q = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		EXPECT_TRUE(is_present(q + 3 * PAGE) && vm_flag(q, " lo"));
		char *big = mmap(NULL, 29 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		EXPECT_TRUE(big == MAP_FAILED && errno == EAGAIN);
		EXPECT_EQ(syscall(SYS_brk, end + 40 * PAGE), end);
		EXPECT_EQ(syscall(SYS_brk, end + 2 * PAGE), end + 2 * PAGE);
		EXPECT_EQ(locked_kb(), 24);
		EXPECT_TRUE(mremap(q, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EAGAIN);
		q = OK(mremap(q, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
		EXPECT_TRUE(is_present(q + 5 * PAGE));
		EXPECT_EQ(locked_kb(), 32);
		OK(munlockall());
		OK(mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		EXPECT_EQ(locked_kb(), 0);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(advice_that_drops_pages_is_refused)
{
	static const int refused[] = { MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT };
	char *p = anon(4 * PAGE);
	OK(mlock(p, 4 * PAGE));
	for (unsigned int i = 0; i < 4; i++) {
		EXPECT_ERR(madvise(p, 4 * PAGE, refused[i]), EINVAL);
		EXPECT_EQ(pages_in_core(p, 4), 4);
	}
	memset(p, 'x', 4 * PAGE);
	if (madvise(p, PAGE, MADV_DONTNEED_LOCKED))
		SKIP("no MADV_DONTNEED_LOCKED");
	EXPECT_TRUE(!is_present(p));
	EXPECT_EQ(locked_kb(), 16);
	EXPECT_TRUE(vm_flag(p, " lo"));
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[PAGE], 'x');
}

TEST(a_locked_mapping_that_becomes_writable_is_filled)
{
	char *p = anon(4 * PAGE);
	OK(mprotect(p, 4 * PAGE, PROT_READ));
	OK(mlock(p, 4 * PAGE));
	EXPECT_TRUE(has_flag(p, KPF_ZERO_PAGE));
	OK(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(is_present(p) && !has_flag(p, KPF_ZERO_PAGE));
	EXPECT_TRUE(has_flag(p + 3 * PAGE, KPF_ANON));
}

/* ---- Marks ---- */

TEST_KINDS(locking_and_unlocking_change_the_figures)
{
	if (k->order == HUGE_ORDER && access(THP_DIR "hugepages-64kB", F_OK))
		SKIP("a kernel before folios of all sizes locks only what a PMD maps, and marks only its first page");
	char *p = area_of(k);
	long kb = (long)k->size / 1024;
	struct figures before = figures_now();
	OK(mlock(p, k->size));
	EXPECT_GROWN(before, kb);
	EXPECT_EQ(locked_kb(), kb);
	EXPECT_EQ(smaps_kb(p, "Locked"), kb);
	EXPECT_TRUE(has_flag(p, KPF_MLOCKED) && has_flag(p, KPF_UNEVICTABLE));
	EXPECT_TRUE(has_flag(p + k->size - PAGE, KPF_MLOCKED));
	/* Locks do not nest. */
	OK(mlock(p, k->size));
	EXPECT_GROWN(before, kb);
	OK(munlock(p, k->size));
	EXPECT_GROWN(before, 0);
	EXPECT_EQ(locked_kb(), 0);
	EXPECT_EQ(smaps_kb(p, "Locked"), 0);
	EXPECT_TRUE(!has_flag(p, KPF_MLOCKED) && !has_flag(p, KPF_UNEVICTABLE));
	EXPECT_TRUE(has_flag(p, KPF_LRU));
	/* And by unmapping. */
	OK(mlock(p, k->size));
	OK(munmap(p, k->size));
	EXPECT_GROWN(before, 0);
}

TEST(pages_are_marked_as_they_come)
{
	struct figures before = figures_now();
	char *p = anon(16 * PAGE);
	OK(mlock2_call(p, 16 * PAGE, ONFAULT));
	EXPECT_GROWN(before, 0);
	EXPECT_EQ(locked_kb(), 64);
	EXPECT_EQ(smaps_kb(p, "Locked"), 0);
	for (int i = 0; i < 5; i++)
		p[i * PAGE] = 'x';
	EXPECT_GROWN(before, 20);
	EXPECT_EQ(smaps_kb(p, "Locked"), 20);
	/* The zero page is nobody's. */
	(void)*(volatile char *)(p + 9 * PAGE);
	EXPECT_GROWN(before, 20);
	OK(madvise(p, PAGE, MADV_DONTNEED_LOCKED));
	EXPECT_GROWN(before, 16);
	char *q = OK(mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(locked_kb(), 128);
	EXPECT_GROWN(before, 16);
	OK(munmap(q, 2 * PAGE));
	EXPECT_GROWN(before, 12);
	OK(munlockall());
	EXPECT_GROWN(before, 0);
}

TEST(locked_mappings_are_marked_from_the_start)
{
	struct figures before = figures_now();
	char *p = OK(map_locked(8 * PAGE));
	EXPECT_EQ(pages_in_core(p, 8), 8);
	EXPECT_GROWN(before, 32);
	pid_t pid = ktap_fork();
	if (!pid) {
		/* T-MLK-5. */
		EXPECT_EQ(locked_kb(), 0);
		EXPECT_TRUE(!vm_flag(p, " lo"));
		EXPECT_EQ(smaps_kb(p, "Locked"), 0);
		memset(p, 'c', 8 * PAGE);
		EXPECT_TRUE(!has_flag(p, KPF_MLOCKED));
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_GROWN(before, 32);
	OK(munmap(p, 8 * PAGE));
	EXPECT_GROWN(before, 0);
}

static bool same_frames(const char *p, const uint64_t *pfn, int n)
{
	for (int i = 0; i < n; i++)
		if (pfn_of(p + i * PAGE) != pfn[i])
			return false;
	return true;
}

/* T-MLK-5: after the call no fault is left; ONFAULT leaves it to the first access. */
TEST(memory_shared_by_fork_is_copied_at_once)
{
	char *p = anon(8 * PAGE);
	struct turns t;
	memset(p, 'p', 8 * PAGE);
	uint64_t *pfn = pfns(p, 8 * PAGE);
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_TRUE(same_frames(p, pfn, 8));
		EXPECT_TRUE(!has_flag(p, KPF_MLOCKED));
		EXPECT_TRUE(has_flag(p + 6 * PAGE, KPF_MLOCKED));	/* the parent's mapping of it */
		ktap_exit();
	}
	OK(mlock(p, 4 * PAGE));
	OK(mlock2_call(p + 4 * PAGE, 4 * PAGE, ONFAULT));
	drain_batches();
	for (int i = 0; i < 4; i++) {
		EXPECT_NE(pfn_of(p + i * PAGE), pfn[i]);
		EXPECT_EQ(pfn_of(p + (4 + i) * PAGE), pfn[4 + i]);
	}
	struct rusage r;
	long faults = (getrusage(RUSAGE_SELF, &r), r.ru_minflt);
	for (int i = 0; i < 4; i++)
		p[i * PAGE] = 'x';
	EXPECT_EQ((getrusage(RUSAGE_SELF, &r), r.ru_minflt), faults);
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(neither_fork_nor_exec_inherits_the_future)
{
	OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(locked_kb(), 0);
		char *p = anon(PAGE);
		EXPECT_TRUE(!is_present(p) && !vm_flag(p, " lo"));
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	pid = ktap_fork();
	if (!pid) {
		OK(mlockall(MCL_CURRENT | MCL_FUTURE));
		char **argv = ktap_self("locked_here");
		execv(argv[0], argv);
		_exit(77);
	}
	EXPECT_CHILD(pid);
}
HELPER(locked_here)
{
	char *p = anon(PAGE);
	return locked_kb() || is_present(p);
}

/* ---- Reclaim, T-MLK-2 ---- */

static void locked_pages_stay(char *p, size_t n)
{
	struct figures before = figures_now();
	long kb = (long)n / 1024, out;
	OK(mlock(p, n));
	uint64_t *pfn = pfns(p, n);
	out = vmstat("pswpout");
	for (int i = 0; i < 3; i++)
		EXPECT_GE(scan(p, n, "unevictable"), 1);
	EXPECT_EQ(moved_pages(p, n, pfn), 0);
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_GROWN(before, kb);
	EXPECT_EQ(locked_kb(), kb);
	OK(munlock(p, n));
	EXPECT_GROWN(before, 0);
	expect_all_go(p, n);
	EXPECT_GE(vmstat("pswpout"), out + (long)(n / PAGE));
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
}

TEST_KINDS(reclaim_leaves_locked_pages)
{
	need_scan();
	locked_pages_stay(area_of(k), k->size);
	swap_off(area);
}

TEST(reclaim_leaves_locked_shared_memory)
{
	need_scan();
	char *p = OK(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill_pages(p, 16 * PAGE);
	locked_pages_stay(p, 16 * PAGE);
	swap_off(area);
}

TEST(reclaim_leaves_what_was_touched_after_onfault)
{
	need_scan();
	struct figures before = figures_now();
	char *p = anon(16 * PAGE);
	OK(mlock2_call(p, 16 * PAGE, ONFAULT));
	fill_pages(p, 8 * PAGE);
	uint64_t *pfn = pfns(p, 16 * PAGE);
	long out = vmstat("pswpout");
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(scan(p, 16 * PAGE, "unevictable"), 8);
	EXPECT_EQ(moved_pages(p, 16 * PAGE, pfn), 0);
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_GROWN(before, 32);
	EXPECT_EQ(locked_kb(), 64);		/* of the mapping, touched or not */
	EXPECT_EQ(smaps_kb(p, "Locked"), 32);
	OK(munlock(p, 16 * PAGE));
	EXPECT_GROWN(before, 0);
	EXPECT_EQ(locked_kb(), 0);
	expect_all_go(p, 16 * PAGE);
	EXPECT_GE(vmstat("pswpout"), out + 8);
	EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);
	swap_off(area);
}

/* The child's copies are its own, and not locked: T-MLK-5. */
TEST(a_childs_copies_of_locked_memory_go)
{
	need_scan();
	char *p = anon(8 * PAGE);
	OK(mlock(p, 8 * PAGE));
	pid_t pid = ktap_fork();
	if (!pid) {
		fill_pages(p, 8 * PAGE);
		expect_all_go(p, 8 * PAGE);
		EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(pages_in_core(p, 8), 8);
	swap_off(area);
}

/* Swapped-out memory that is locked comes back, marked. */
TEST(locking_brings_pages_back)
{
	need_scan();
	struct figures before = figures_now();
	char *p = anon(16 * PAGE);
	fill_pages(p, 16 * PAGE);
	expect_all_go(p, 16 * PAGE);
	OK(mlock(p, 16 * PAGE));
	EXPECT_EQ(pages_in_core(p, 16), 16);
	EXPECT_GROWN(before, 64);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	swap_off(area);
}

/* ---- Shared memory, T-MLK-4 ---- */

TEST(a_page_stays_until_the_last_locker_lets_go)
{
	struct figures before = figures_now();
	char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	struct turns t;
	memset(p, 's', 4 * PAGE);
	OK(mlock(p, 4 * PAGE));
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(p[0], 's');
		OK(mlock(p, 4 * PAGE));
		drain_batches();
		child_done(&t);
		child_waits(&t);
		ktap_exit();		/* unmapping is enough */
	}
	parent_waits(&t);
	EXPECT_GROWN(before, 16);
	OK(munlock(p, 4 * PAGE));
	EXPECT_GROWN(before, 16);
	EXPECT_TRUE(has_flag(p, KPF_MLOCKED));
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_GROWN(before, 0);
	EXPECT_TRUE(!has_flag(p, KPF_UNEVICTABLE));
	/* The same in the other order. */
	OK(mlock(p, 4 * PAGE));
	EXPECT_GROWN(before, 16);
	OK(munmap(p, 4 * PAGE));
	EXPECT_GROWN(before, 0);
}

/* Nothing may be left on the unevictable list, whatever happened at the same time. */
static void lock_and_unlock(char *p, int n, long rounds)
{
	for (long i = 0; i < rounds; i++) {
		int at = (int)(ktap_random() % (uint64_t)n), len = (int)(1 + ktap_random() % (uint64_t)(n - at));
		switch (ktap_random() % 5) {
		case 0: mlock(p + at * PAGE, len * PAGE); break;
		case 1: munlock(p + at * PAGE, len * PAGE); break;
		case 2: madvise(p + at * PAGE, len * PAGE, MADV_PAGEOUT); break;
		case 3:
			for (int k = at; k < at + len; k++)
				p[k * PAGE] = (char)k;
			break;
		case 4:
			if (have_control("force"))
				control("force", "migrate %d 0x%lx 0x%lx async", (int)getpid(), (unsigned long)p,
					(unsigned long)(p + n * PAGE));
			break;
		}
	}
}

static void stress(char *p, int n, long rounds)
{
	struct figures before = figures_now();
	pid_t pid[4];
	for (int c = 0; c < 4; c++) {
		pid[c] = ktap_fork();
		if (pid[c])
			continue;
		ktap_seed_state = 77 * (c + 1);
		for (int forks = 0; forks < 4; forks++) {
			lock_and_unlock(p, n, rounds);
			pid_t child = ktap_fork();
			if (!child) {
				lock_and_unlock(p, n, rounds / 4 + 1);
				ktap_exit();
			}
			EXPECT_CHILD(child);
		}
		ktap_exit();
	}
	for (int c = 0; c < 4; c++)
		EXPECT_CHILD(pid[c]);
	/* There a page that was just isolated may keep its mark until somebody looks at it, or nobody maps it any more. */
	if (!ktap_is_quire())
		OK(munmap(p, n * PAGE));
	EXPECT_GROWN(before, 0);
}

TEST(stress_of_private_memory)
{
	char *p = anon(32 * PAGE);
	memset(p, 'x', 32 * PAGE);
	stress(p, 32, ktap_scale(60));
}

TEST(stress_of_shared_memory)
{
	char *p = OK(mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	memset(p, 'x', 32 * PAGE);
	stress(p, 32, ktap_scale(60));
}

TEST(stress_of_large_folios)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	stress(p, 512, ktap_scale(20));
}

/* ---- Large folios, T-MLK-3 ---- */

TEST(a_part_is_no_reason_to_mark_the_whole)
{
	struct figures before = figures_now();
	char *p = large_area(HUGE, HUGE_ORDER);
	long split = vmstat("thp_split_pmd");
	OK(mlock(p + 50 * PAGE, 100 * PAGE));
	EXPECT_EQ(vmstat("thp_split_pmd"), split + 1);
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_EQ(locked_kb(), 400);
	EXPECT_GROWN(before, 0);
	if (access("/sys/kernel/debug/split_huge_pages", W_OK))
		SKIP("no split_huge_pages");
	char text[100];
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", (int)getpid(), (unsigned long)p, (unsigned long)(p + HUGE));
	EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", text), 0);
	EXPECT_GROWN(before, 400);
	EXPECT_TRUE(has_flag(p + 50 * PAGE, KPF_MLOCKED) && !has_flag(p + 49 * PAGE, KPF_MLOCKED));
	EXPECT_TRUE(has_flag(p + 149 * PAGE, KPF_MLOCKED) && !has_flag(p + 150 * PAGE, KPF_MLOCKED));
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	OK(munlock(p, HUGE));
	EXPECT_GROWN(before, 0);
}

TEST(a_locked_part_of_a_large_folio_is_safe)
{
	need_scan();
	struct figures before = figures_now();
	char *p = large_area(HUGE, HUGE_ORDER), *locked = p + 50 * PAGE;
	OK(mlock(locked, 100 * PAGE));
	uint64_t *pfn = pfns(locked, 100 * PAGE);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(scan(p, HUGE, "unevictable"), 0);
	EXPECT_EQ(moved_pages(locked, 100 * PAGE, pfn), 0);
	control("../split_huge_pages", "%d,0x%lx,0x%lx", (int)getpid(), (unsigned long)p, (unsigned long)(p + HUGE));
	expect_all_go(p, 50 * PAGE);
	expect_all_go(p + 150 * PAGE, HUGE - 150 * PAGE);
	EXPECT_EQ(pages_in_core(locked, 100), 100);
	EXPECT_GROWN(before, 400);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(area);
}

TEST(unlocking_a_part_unmarks_the_whole)
{
	struct figures before = figures_now();
	char *p = large_area(HUGE, HUGE_ORDER);
	OK(mlock(p, HUGE));
	EXPECT_GROWN(before, 2048);
	EXPECT_EQ(huge_mapped(p), 2048);
	OK(munlock(p, PAGE));
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_EQ(locked_kb(), 2044);
	EXPECT_GROWN(before, 0);
	OK(munlock(p, HUGE));
	EXPECT_GROWN(before, 0);
}

/* T-MLK-6. */
TEST(a_locked_folio_that_is_moved_or_split_stays_marked)
{
	if (!have_control("force"))
		SKIP("needs Quire's controls");
	struct figures before = figures_now();
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char *p = area_of(&kinds[i]);
		uint64_t *pfn = pfns(p, kinds[i].size);
		long kb = (long)kinds[i].size / 1024;
		OK(mlock(p, kinds[i].size));
		EXPECT_EQ(control("force", "migrate %d 0x%lx 0x%lx sync", (int)getpid(), (unsigned long)p,
				  (unsigned long)(p + kinds[i].size)), 0);
		EXPECT_TRUE(moved_pages(p, kinds[i].size, pfn) > 0);
		EXPECT_GROWN(before, kb);
		control("../split_huge_pages", "%d,0x%lx,0x%lx", (int)getpid(), (unsigned long)p,
			(unsigned long)(p + kinds[i].size));
		EXPECT_GROWN(before, kb);
		EXPECT_EQ(wrong_pages(p, kinds[i].size, 0), 0);
		OK(munmap(p, kinds[i].size));
		EXPECT_GROWN(before, 0);
	}
}
