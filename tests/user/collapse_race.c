/*
 * tests/user/collapse_race.c - what others do while a range is collapsed (KHP-16..25): in each window where the mmap lock is
 * dropped, to a page that is being swapped in, during an rmap walk, with a pin that takes no lock, and all at once.
 *
 * The collapse is parked at a pause point of the kernel. Words expected from khugepaged's look need Quire's controls.
 */
#include "tests/user/collapse.h"
#include "tests/user/swaparea.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/prctl.h>

#define SET_THP_DISABLE	41

TEST_KHUGEPAGED_SLEEPS

static void on_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
}
static void arm(const char *point, pid_t pid) { ASSERT_EQ(control("pause", "arm %s %d once", point, (int)pid), 0); }
static void release(const char *point) { EXPECT_EQ(control("pause", "release %s", point), 0); }
static void wait_parked(const char *point) { ASSERT_TRUE(ktap_until(parked_at(point) == 1)); }

/* ---- The windows without the mmap lock (T-KHP-6) ---- */

/*
 * A process V owns the range and does something to it while another one, S, is parked in its collapse. V runs on a stack of
 * its own far below, so that it can do without everything above the range.
 */
struct row {
	char *(*make)(void);		/* NULL: 2 MiB of small pages */
	void (*act)(char *p);
	const char *words;		/* that khugepaged may answer, with | between them */
	bool (*right)(char *p);		/* NULL: nothing to see afterwards */
};
static const struct row *row;
static char *range;
static struct turns turns;
static char **range_seen;		/* shared memory: where it is */

static char *make_small(void) { return small_range(HUGE); }

static void *victim(void *unused)
{
	stay_here();
	range = *range_seen = (row->make ? row->make : make_small)();
	control("force", "drain 0 0 0");
	child_done(&turns);
	child_waits(&turns);
	row->act(range);
	child_done(&turns);
	child_waits(&turns);
	if (row->right)
		EXPECT_TRUE(row->right(range));
	ktap_exit();
	return NULL;
}
static pid_t start_victim(const struct row *r)
{
	row = r;
	if (!range_seen)
		range_seen = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	turns_init(&turns);
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_attr_t attr;
		pthread_t t;
		size_t n = 256 * 1024;
		void *stack = OK(mmap((void *)0x20000000, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		pthread_attr_init(&attr);
		pthread_attr_setstack(&attr, stack, n);
		OK(-pthread_create(&t, &attr, victim, NULL));
		pthread_join(t, NULL);
	}
	parent_waits(&turns);
	return pid;
}
static bool is_one_of(const char *word, const char *words)
{
	size_t n = strlen(word);
	for (const char *at = words; (at = strstr(at, word)); at++)
		if ((at == words || at[-1] == '|') && (!at[n] || at[n] == '|'))
			return true;
	ktap_line("# %s is none of %s", word, words);
	return false;
}

static void in_window(const char *point, const struct row *r, const char *words)
{
	need_force();
	pid_t v = start_victim(r), s = ktap_fork();
	if (!s) {
		arm(point, getpid());
		EXPECT_TRUE(is_one_of(scan_of(v, *range_seen), words));
		ktap_exit();
	}
	wait_parked(point);
	child_go(&turns);
	parent_waits(&turns);
	release(point);
	EXPECT_CHILD(s);
	child_go(&turns);
	EXPECT_CHILD(v);
}
static void in_both_windows(const struct row *r)
{
	in_window("collapse_alloc", r, r->words);
	in_window("collapse_upgrade", r, r->words);
}

static char *map_at(char *p, size_t n, int flags)
{
	char *q = mmap(p, n, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
	ASSERT_TRUE(q == p);
	if (flags == MAP_PRIVATE)
		OK(madvise(p, n, MADV_HUGEPAGE));
	return p;
}
static void unmap(char *p) { OK(munmap(p, HUGE)); }
/* Stack, vdso and all: nothing is above. */
static void unmap_all_above(char *p)
{
	struct map_line m;
	while (find_map(p, &m) && m.start < 1ul << 47)
		OK(munmap((void *)m.start, m.end - m.start));
}
static void map_less(char *p) { unmap(p); map_at(p, HUGE / 2, MAP_PRIVATE); }
static void move_away(char *p)
{
	char *to = reserve(HUGE);
	ASSERT_TRUE(mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	range = to;
}
static bool moved_is_right(char *p) { return !wrong_pages(range, HUGE, 0); }
static void advise_against(char *p) { OK(madvise(p, HUGE, MADV_NOHUGEPAGE)); }
static void map_shared(char *p) { map_at(p, HUGE, MAP_SHARED); }
static void map_anew(char *p) { unmap(p); map_at(p, HUGE, MAP_PRIVATE); }
static void map_and_touch(char *p) { map_anew(p); fill_pages(p, HUGE); }
static void disable(char *p) { OK(prctl(SET_THP_DISABLE, 1, 0, 0, 0)); }
static bool is_whole(char *p) { return !wrong_pages(p, HUGE, 0); }
/* Twice as long, and touched only in the other half: an anon_vma, but no table here. */
static char *make_with_room(void)
{
	char *p = small_range(2 * HUGE);
	OK(munmap(p + HUGE, HUGE));
	return p;
}
static void map_without_table(char *p)
{
	unmap(p);
	map_at(p, 2 * HUGE, MAP_PRIVATE);
	p[HUGE] = 1;
}
/* Another table in the same slot, with other pages. */
static void new_table(char *p)
{
	unmap(p);
	map_at(p, HUGE, MAP_PRIVATE);
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	memset(p, 'N', HUGE);
	OK(madvise(p, HUGE, MADV_COLD));	/* empties this CPU's batch */
	memset(p, 'n', HUGE);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
}
static bool is_new_and_huge(char *p)
{
	size_t wrong = 0;
	for (size_t i = 0; i < HUGE; i++)
		wrong += p[i] != 'n';
	return !wrong && is_huge(p);
}

static const struct row rows[] = {
	{ NULL, unmap_all_above, "vma_null", NULL },
	{ NULL, unmap, "not_suitable_address_range", NULL },
	{ NULL, map_less, "not_suitable_address_range", NULL },
	{ NULL, move_away, "not_suitable_address_range|vma_null", moved_is_right },
	{ NULL, advise_against, "vma_check_failed", is_whole },
	{ NULL, map_shared, "page_not_anon|vma_check_failed|not_suitable_address_range", NULL },
	{ NULL, map_anew, "vma_check_failed", NULL },
	{ NULL, disable, "no_process_for_page", is_whole },
	{ NULL, map_and_touch, "page_pmd_mapped", is_whole },
	{ make_with_room, map_without_table, "no_pte_table", NULL },
	{ NULL, new_table, "succeeded", is_new_and_huge },
};
TEST(window_unmapped_and_nothing_above) { in_both_windows(&rows[0]); }
TEST(window_unmapped) { in_both_windows(&rows[1]); }
TEST(window_smaller_mapping) { in_both_windows(&rows[2]); }
TEST(window_moved_away) { in_both_windows(&rows[3]); }
TEST(window_nohugepage) { in_both_windows(&rows[4]); }
TEST(window_shared_mapping) { in_both_windows(&rows[5]); }
TEST(window_same_mapping_untouched) { in_both_windows(&rows[6]); }
TEST(window_disabled_by_prctl) { in_both_windows(&rows[7]); }
TEST(window_same_mapping_huge) { in_both_windows(&rows[8]); }
TEST(window_table_gone) { in_both_windows(&rows[9]); }
TEST(window_new_table) { in_both_windows(&rows[10]); }

/* Window (b): a disk that takes its time has made the swap-in drop the lock. All ends in the same way (KHP-18). */
static char *make_swapped(void)
{
	char *p = small_range(HUGE);
	ASSERT_EQ(page_out(p + 3 * PAGE, PAGE), 1);
	return p;
}
TEST(window_of_the_swap_in)
{
	need_force();
	if (!getenv("SWAP_DISK"))
		setenv("SWAP_DISK", "/dev/vda", 1);
	if (!swap_disk() || swap_is_sync(swap_disk()))
		SKIP("needs a disk that takes its time");
	swap_on(0);
	for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row r = rows[i];
		if (r.make)
			continue;
		r.make = make_swapped;
		if (r.right == is_new_and_huge)
			r.right = NULL;
		in_window("collapse_swapin", &r, "page_locked");
	}
	swap_off(swap_disk());
}

/* A pin between the last look without the write lock and the isolation: all is as it was (KHP-21). */
static int pin_fd;
static uint64_t *frames_before;
static char *make_and_remember(void)
{
	char *p = small_range(HUGE);
	frames_before = frames_of(p, HUGE);
	return p;
}
static void pin(char *p) { ASSERT_EQ(gup_pin(pin_fd, p + 300 * PAGE, PAGE, PIN_WRITE), 0); }
static bool is_untouched(char *p)
{
	bool same = !frames_changed(p, HUGE, frames_before) && !wrong_pages(p, HUGE, 0) && !is_huge(p);
	gup_unpin(pin_fd);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);	/* on their lists and unlocked: it works now */
	return same && is_huge(p);
}
TEST(a_pin_in_the_window)
{
	pin_fd = gup_open();
	const struct row r = { make_and_remember, pin, "not_suitable_page_count", is_untouched };
	in_both_windows(&r);
}

/* ---- Swapping in ---- */

static char *page;		/* for the threads below */
static int thread_error;
static void *touch_page(void *unused) { (void)*(volatile char *)page; return NULL; }
static void *collapse_range(void *p)
{
	thread_error = collapse(p, HUGE);
	return NULL;
}
static char *swapped_at(const size_t *at, int n)
{
	char *p = small_range(HUGE);
	if (!swap_is_sync(swap_disk() ? swap_disk() : ""))
		SKIP("needs a disk that answers at once");
	swap_on(0);
	for (int i = 0; i < n; i++)
		ASSERT_EQ(page_out(p + at[i] * PAGE, PAGE), 1);
	return p;
}

/* T-KHP-8: another thread is just mapping one of the pages. The lock is gone, the pages before it stay. */
TEST(a_page_locked_by_a_fault)
{
	const size_t at[] = { 3, 10, 20 };
	need_force();
	char *p = swapped_at(at, 3);
	pthread_t faulter;
	page = p + 10 * PAGE;
	OK(madvise(p, HUGE, MADV_DONTFORK));
	arm("swapin_locked", getpid());
	OK(-pthread_create(&faulter, NULL, touch_page, NULL));
	wait_parked("swapin_locked");
	pid_t owner = getpid(), s = ktap_fork();
	if (!s) {
		EXPECT_STR(scan_of(owner, p), "page_locked");
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(!is_swapped(p + 3 * PAGE)));
	ASSERT_TRUE(ktap_asleep(s));
	release("swapin_locked");
	EXPECT_CHILD(s);
	pthread_join(faulter, NULL);
	EXPECT_TRUE(is_present(p + 3 * PAGE) && is_present(p + 10 * PAGE));
	EXPECT_TRUE(is_swapped(p + 20 * PAGE));
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

/* T-KHP-9: while a page is read the mmap lock is held for reading: who faults elsewhere does not wait. */
TEST(others_fault_during_the_swap_in)
{
	const size_t at[] = { 3 };
	need_force();
	char *p = swapped_at(at, 1), *other = anon(PAGE);
	pthread_t t;
	arm("swapin_read", getpid());
	OK(-pthread_create(&t, NULL, collapse_range, p));
	wait_parked("swapin_read");
	other[0] = 1;
	EXPECT_EQ(parked_at("swapin_read"), 1);
	release("swapin_read");
	pthread_join(t, NULL);
	EXPECT_EQ(thread_error, 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

/* ---- Walkers of the rmap (T-KHP-16) ---- */

/* A process does WORD of the range's page at OFFSET, parked at POINT. It must not share what it works on. */
static pid_t start_walker(char *p, const char *word, size_t offset, size_t n, const char *point)
{
	pid_t owner = getpid(), pid;
	OK(madvise(p, HUGE, MADV_DONTFORK));
	pid = ktap_fork();
	if (!pid) {
		char text[100], mode[20] = "";
		if (point)
			arm(point, getpid());
		sscanf(word, "%*s %19s", mode);
		snprintf(text, sizeof(text), "%.*s %d 0x%lx 0x%lx %s", (int)strcspn(word, " "), word, (int)owner,
			 (unsigned long)p + offset, (unsigned long)p + offset + n, mode);
		EXPECT_EQ(control("force", "%s", text), 0);
		ktap_exit();
	}
	OK(madvise(p, HUGE, MADV_DOFORK));
	return pid;
}
/* The collapse is parked before it takes the anon_vma lock; a walk is parked inside; the collapse waits for it. */
static void walk_first(const char *word, const char *point)
{
	need_force();
	char *p = small_range(HUGE);
	pthread_t t;
	const char *disk = swap_on(0);
	/* Old, so that reclaim takes it at the first look. */
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	arm("collapse_upgrade", getpid());
	OK(-pthread_create(&t, NULL, collapse_range, p));
	wait_parked("collapse_upgrade");
	pid_t walker = start_walker(p, word, 5 * PAGE, PAGE, point);
	wait_parked(point);
	arm("collapse_cleared", getpid());
	release("collapse_upgrade");
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(parked_at("collapse_cleared"), 0);
		ktap_sleep_ms(1);
	}
	release(point);
	EXPECT_CHILD(walker);
	wait_parked("collapse_cleared");
	release("collapse_cleared");
	pthread_join(t, NULL);
	/* A page that went out meanwhile ends the attempt; the next one swaps it in. */
	EXPECT_TRUE(thread_error == 0 || thread_error == EAGAIN || thread_error == EINVAL);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(disk);
}
TEST(reclaim_walks_first) { walk_first("scan", "unmap_walk"); }
TEST(migration_walks_first) { walk_first("migrate sync", "migrate_unmapped"); }

/* The same with a folio split, which holds the lock for writing. */
TEST(split_walks_first)
{
	need_force();
	char *p = large_area(HUGE, ORDER_64K), text[120];
	pthread_t t;
	pid_t owner = getpid(), pid;
	arm("collapse_upgrade", getpid());
	OK(-pthread_create(&t, NULL, collapse_range, p));
	wait_parked("collapse_upgrade");
	OK(madvise(p, HUGE, MADV_DONTFORK));
	pid = ktap_fork();
	if (!pid) {
		arm("split_unmapped", getpid());
		snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", (int)owner, (unsigned long)p, (unsigned long)p + 16 * PAGE);
		EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", text), 0);
		ktap_exit();
	}
	wait_parked("split_unmapped");
	arm("collapse_cleared", owner);
	release("collapse_upgrade");
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(parked_at("collapse_cleared"), 0);
		ktap_sleep_ms(1);
	}
	release("split_unmapped");
	EXPECT_CHILD(pid);
	wait_parked("collapse_cleared");
	release("collapse_cleared");
	pthread_join(t, NULL);
	EXPECT_TRUE(thread_error == 0 || thread_error == EAGAIN);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

/* The other way round: the table is away, a walker comes. It waits, and finds every mapping. */
TEST(a_walker_waits_for_the_table)
{
	need_force();
	char *p = large_area(HUGE, ORDER_64K);
	pthread_t t;
	/* While the table is away the owner's mmap lock is held: a walker, born before, that finds folios on the LRU lists. */
	pid_t owner = getpid(), walker;
	OK(madvise(p, HUGE, MADV_DONTFORK));
	turns_init(&turns);
	walker = ktap_fork();
	if (!walker) {
		child_waits(&turns);
		EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", "1"), 0);
		ktap_exit();
	}
	OK(madvise(p, HUGE, MADV_DOFORK));
	arm("collapse_cleared", owner);
	OK(-pthread_create(&t, NULL, collapse_range, p));
	wait_parked("collapse_cleared");
	child_go(&turns);
	/* Not only on its way there. */
	for (int i = 0; i < 20; i++)
		ASSERT_TRUE(ktap_asleep(walker));
	release("collapse_cleared");
	EXPECT_CHILD(walker);
	pthread_join(t, NULL);
	EXPECT_EQ(thread_error, EAGAIN);
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_TRUE(!in_blocks(p, HUGE, ORDER_64K));
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

TEST_KHUGEPAGED_WAKES
