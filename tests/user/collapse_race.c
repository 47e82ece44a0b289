/*
 * tests/user/collapse_race.c - what others do while a range is collapsed (KHP-16..25): in each window where the mmap lock is
 * dropped, to a page that is being swapped in, during an rmap walk, with a pin that takes no lock, and all at once.
 *
 * The collapse is parked at a pause point of the kernel. Words expected from khugepaged's look need Quire's controls.
 */
#include "tests/user/collapse.h"
#include "tests/user/swaparea.h"
#include "tests/user/trace.h"
#include <pthread.h>
#include <sys/prctl.h>

#define SET_THP_DISABLE	41

TEST_KHUGEPAGED_SLEEPS

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

/* Asleep, or waiting for a lock. */
static bool waits(pid_t pid) { return ktap_until(strchr("SD", ktap_state(pid))); }

/* PID has asked for a page, and waits for it without the lock. Then the page is there, but it has not looked again. */
static void reader_waits(pid_t pid)
{
	wait_parked("disk_read");
	ASSERT_TRUE(waits(pid));
	release("disk_read");
}

static void in_window(const char *point, const struct row *r, const char *words)
{
	need_force();
	bool reads = !strcmp(point, "collapse_swapin");
	pid_t v = start_victim(r), s;
	if (reads)
		ASSERT_EQ(control("pause", "arm disk_read once"), 0);
	s = ktap_fork();
	if (!s) {
		arm(point, getpid());
		EXPECT_TRUE(is_one_of(scan_of(v, *range_seen), words));
		ktap_exit();
	}
	if (reads)
		reader_waits(s);
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
/* A file's first 2 MiB, or what begins a page further on. */
static void map_file(char *p, int flags, off_t offset)
{
	char name[] = "/tmp/collapse.XXXXXX";
	int fd = OK(mkstemp(name));
	OK(unlink(name));
	OK(ftruncate(fd, offset + (off_t)HUGE));
	ASSERT_TRUE(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, offset) == p);
	close(fd);
	memset(p, 'n', HUGE);
}
static void map_shared_file(char *p) { map_file(p, MAP_SHARED, 0); }
static void map_private_file(char *p) { map_file(p, MAP_PRIVATE, 0); }	/* its pages are anonymous, the mapping is not */
static void map_file_askew(char *p) { map_file(p, MAP_SHARED, PAGE); }
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
static bool is_new(char *p)
{
	size_t wrong = 0;
	for (size_t i = 0; i < HUGE; i++)
		wrong += p[i] != 'n';
	return !wrong;
}
static bool is_new_and_huge(char *p) { return is_new(p) && is_huge(p); }
static bool is_new_and_small(char *p) { return is_new(p) && !is_huge(p); }

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
	{ NULL, map_shared_file, "page_not_anon|vma_check_failed", is_new },
	{ NULL, map_private_file, "page_not_anon|vma_check_failed", is_new_and_small },
	{ NULL, map_file_askew, "page_not_anon|vma_check_failed|not_suitable_address_range", is_new },
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
TEST(window_shared_file) { in_both_windows(&rows[11]); }
TEST(window_private_file) { in_both_windows(&rows[12]); }
TEST(window_file_askew) { in_both_windows(&rows[13]); }

/* ---- The window of the swap-in ---- */

/* A disk that takes its time makes the swap-in drop the lock. */
static void slow_swap_on(void)
{
	need_force();
	prefer_async_disk();
	if (!swap_disk() || swap_is_sync(swap_disk()))
		SKIP("needs a disk that takes its time");
	swap_on(0);
}
/* Out with one page; not in the swap cache either: it has to be read. */
static void page_far_out(char *p)
{
	ASSERT_EQ(page_out(p, PAGE), 1);
	EXPECT_EQ(control("force", "swapcache 0 0x%lx 0x%lx drop", (unsigned long)p, (unsigned long)p + PAGE), 0);
}
static const struct row *resident;
static char *make_swapped(void)
{
	char *p = (resident->make ? resident->make : make_small)();
	page_far_out(p + 3 * PAGE);
	return p;
}
static bool is_right_and_small(char *p) { return !in_blocks(p, HUGE, HUGE_ORDER) && (!resident->right || resident->right(p)); }

/* Window (b) of T-KHP-6: whatever was done, the attempt ends in the same way, and nothing else is touched (KHP-18). */
TEST(window_of_the_swap_in)
{
	slow_swap_on();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct row before, r;	/* not on the stack: the victim may unmap its own */
		before = r = rows[i];
		if (before.right == is_new_and_huge)
			before.right = is_new_and_small;
		resident = &before;
		r.make = make_swapped;
		r.right = r.act == map_and_touch ? is_whole : is_right_and_small;
		in_window("collapse_swapin", &r, "page_locked");
	}
	swap_off(swap_disk());
}

/* How many of the pages AT of P are mapped or in the swap cache. */
static int in_memory(char *p, const size_t *at, int n)
{
	unsigned char here;
	int nr = 0;
	for (int i = 0; i < n; i++) {
		OK(mincore(p + at[i] * PAGE, PAGE, &here));
		nr += here & 1;
	}
	return nr;
}
/* T-KHP-8: each of three reads ends an attempt, and leaves one page more in memory, for the next one to map. */
TEST(each_attempt_brings_one_page_in)
{
	static const size_t at[] = { 5, 200, 400 };
	char cluster[20];
	slow_swap_on();
	/* Far apart in memory, but not on the disk: only what is asked for is read. */
	snprintf(cluster, sizeof(cluster), "%s", ktap_read("/proc/sys/vm/page-cluster"));
	ASSERT_EQ(ktap_write("/proc/sys/vm/page-cluster", "0"), 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = small_range(HUGE);
		for (int i = 0; i < 3; i++)
			page_far_out(p + at[i] * PAGE);
		EXPECT_EQ(in_memory(p, at, 3), 0);
		ASSERT_EQ(control("pause", "arm disk_read"), 0);
		for (int tries = 1; tries <= 3; tries++) {
			EXPECT_EQ(collapse(p, HUGE), EAGAIN);
			EXPECT_EQ(in_memory(p, at, 3), tries);
			EXPECT_EQ(pages_swapped(p, HUGE), 3 - (tries - 1));
			EXPECT_TRUE(!is_huge(p));
		}
		EXPECT_EQ(control("pause", "disarm disk_read"), 0);
		EXPECT_EQ(collapse(p, HUGE), 0);
		EXPECT_TRUE(is_huge(p));
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	/* No read ends before the one who asked for it has given up the lock. */
	for (int reads = 0; reads < 3; reads++)
		reader_waits(pid);
	EXPECT_CHILD(pid);
	EXPECT_EQ(ktap_write("/proc/sys/vm/page-cluster", cluster), 0);
	swap_off(swap_disk());
}

/* The process is gone: only the daemon gets there, who holds no user of the mm (KHP-8). The event tells what it said. */
static void nothing(char *p) { }
static void exits_in_window(const char *point, const char *word)
{
	const struct row plain = { NULL, nothing, NULL, NULL }, swapped = { make_swapped, nothing, NULL, NULL };
	bool reads = !strcmp(point, "collapse_swapin");
	need_force();
	resident = &plain;
	start_events("huge_memory:mm_collapse_huge_page");
	pid_t v = start_victim(reads ? &swapped : &plain);
	if (reads)
		ASSERT_EQ(control("pause", "arm disk_read once"), 0);
	ASSERT_EQ(control("pause", "arm %s once", point), 0);
	set_limit("scan_sleep_millisecs", 1);
	if (reads)
		reader_waits(khugepaged_pid());
	wait_parked(point);
	kill(v, SIGKILL);
	EXPECT_STATUS(v, KILLED_BY(SIGKILL));
	release(point);
	EXPECT_TRUE(ktap_until((read_events(), event_count("mm_collapse_huge_page")) >= 1));
	EXPECT_STR(event_word(event_line("mm_collapse_huge_page", 0), "status"), word);
	stop_events();
	khugepaged_sleep_time(1000000000);
}
TEST(window_process_exits)
{
	exits_in_window("collapse_alloc", "no_process_for_page");
	exits_in_window("collapse_upgrade", "no_process_for_page");
}
TEST(window_of_the_swap_in_process_exits)
{
	slow_swap_on();
	exits_in_window("collapse_swapin", "page_locked");
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

static int thread_error;
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

static bool is_present_in(pid_t pid, const char *p)
{
	char path[60];
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	return proc_u64(path, (uintptr_t)p / PAGE) & PM_PRESENT;
}

/* T-KHP-8: another thread is just mapping one of the pages. The lock is gone, the pages before it stay. */
static char *make_three_swapped(void)
{
	const size_t at[] = { 3, 10, 20 };
	return swapped_at(at, 3);
}
static void touch_the_second(char *p) { (void)*(volatile char *)(p + 10 * PAGE); }
static bool two_came_in(char *p)
{
	EXPECT_TRUE(is_present(p + 3 * PAGE) && is_present(p + 10 * PAGE));
	EXPECT_TRUE(is_swapped(p + 20 * PAGE));
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	return is_huge(p) && !wrong_pages(p, HUGE, 0);
}
TEST(a_page_locked_by_a_fault)
{
	const struct row r = { make_three_swapped, touch_the_second, NULL, two_came_in };
	need_force();
	if (!swap_is_sync(swap_disk() ? swap_disk() : ""))
		SKIP("needs a disk that answers at once");
	pid_t v = start_victim(&r), s;
	arm("swapin_locked", v);
	child_go(&turns);
	wait_parked("swapin_locked");
	s = ktap_fork();
	if (!s) {
		EXPECT_EQ(control("pause", "arm swapin_found %d", (int)getpid()), 0);
		EXPECT_STR(scan_of(v, *range_seen), "page_locked");
		ktap_exit();
	}
	wait_parked("swapin_found");		/* with the first page */
	release("swapin_found");
	ASSERT_TRUE(ktap_until(is_present_in(v, *range_seen + 3 * PAGE)));
	wait_parked("swapin_found");		/* with the second, before it finds it locked */
	EXPECT_EQ(control("pause", "disarm swapin_found"), 0);
	ASSERT_TRUE(waits(s));
	release("swapin_locked");
	EXPECT_CHILD(s);
	parent_waits(&turns);
	child_go(&turns);
	EXPECT_CHILD(v);
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

/* ---- Walkers of the rmap (T-KHP-16), pins without a lock (T-KHP-17) ---- */

/*
 * A process V owns the range and waits; C collapses it through process_madvise, W walks, and this one, whose own mmap lock
 * nobody holds, lets them go. RESULTS: what the collapse may return, with | between them.
 */
static pid_t start_collapser(pid_t v, const char *point, const char *results)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		struct iovec range_of_v = { *range_seen, HUGE };
		on_cpu(0);		/* not where somebody spins */
		int fd = (int)OK(syscall(SYS_pidfd_open, v, 0));
		char error[12];
		arm(point, getpid());
		snprintf(error, sizeof(error), "%d",
			 syscall(SYS_process_madvise, fd, &range_of_v, 1, ADVISE_COLLAPSE, 0) == -1 ? errno : 0);
		EXPECT_TRUE(is_one_of(error, results));
		ktap_exit();
	}
	wait_parked(point);
	return pid;
}
/* "WORD PID START END MODE" to a control file, for the first N bytes: MODE is what follows in TEXT. */
static void walk(pid_t v, const char *text, size_t n)
{
	unsigned long p = (unsigned long)*range_seen, end = p + n;
	char line[120];
	if (!strcmp(text, "split")) {
		snprintf(line, sizeof(line), "%d,0x%lx,0x%lx", (int)v, p, end);
		EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", line), 0);
	} else {
		EXPECT_EQ(control("force", "%.*s %d 0x%lx 0x%lx%s", (int)strcspn(text, " "), text, (int)v, p, end,
				  text + strcspn(text, " ")), 0);
	}
}
static pid_t start_walker(pid_t v, const char *text, size_t n, const char *point)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		arm(point, getpid());
		walk(v, text, n);
		ktap_exit();
	}
	wait_parked(point);
	return pid;
}
static bool becomes_huge(char *p)
{
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	return is_huge(p);
}
static void end_victim(pid_t v)
{
	child_go(&turns);
	parent_waits(&turns);
	child_go(&turns);
	EXPECT_CHILD(v);
}
/* Old, so that reclaim takes them at the first look. */
static char *make_old(void)
{
	char *p = small_range(HUGE);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	return p;
}
static char *make_64k(void) { return large_area(HUGE, ORDER_64K); }

/* A walk is parked inside; the collapse waits for its lock, then goes on. */
static void walk_first(char *(*make)(void), const char *text, const char *point, const char *results)
{
	const struct row r = { make, nothing, NULL, becomes_huge };
	need_force();
	pid_t v = start_victim(&r), c = start_collapser(v, "collapse_upgrade", results);
	pid_t w = start_walker(v, text, 16 * PAGE, point);
	arm("collapse_cleared", c);
	release("collapse_upgrade");
	ASSERT_TRUE(waits(c));
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(parked_at("collapse_cleared"), 0);
		ktap_sleep_ms(1);
	}
	release(point);
	wait_parked("collapse_cleared");
	release("collapse_cleared");
	EXPECT_CHILD(c);
	EXPECT_CHILD(w);
	end_victim(v);
}
/* EINVAL (22): a page went out, or was just moved, meanwhile; the next attempt brings it in. EAGAIN (11): locked, or referenced. */
TEST(reclaim_walks_first)
{
	const char *disk = swap_on(0);
	walk_first(make_old, "scan", "unmap_walk", "0|11|22");
	swap_off(disk);
}
TEST(migration_walks_first) { walk_first(make_small, "migrate sync", "migrate_walk", "0|11|22"); }
TEST(split_walks_first) { walk_first(make_64k, "split", "split_unmapped", "0|11"); }

/* The other way round: the table is away, a walker comes. It waits, and finds every mapping. */
TEST(a_walker_waits_for_the_table)
{
	const struct row r = { make_64k, nothing, NULL, becomes_huge };
	need_force();
	long split = size_stat(ORDER_64K, "split");
	pid_t v = start_victim(&r), c = start_collapser(v, "collapse_cleared", "11"), w = ktap_fork();
	if (!w) {
		/* The owner's mmap lock is held: all that is on the LRU lists. */
		EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", "1"), 0);
		ktap_exit();
	}
	for (int i = 0; i < 20; i++) {
		ASSERT_TRUE(waits(w));
		ktap_sleep_ms(1);
	}
	release("collapse_cleared");
	EXPECT_CHILD(c);
	EXPECT_CHILD(w);
	EXPECT_GT(size_stat(ORDER_64K, "split"), split);
	end_victim(v);
}

/* A pin that has read the PTE, and spins with interrupts off. */
static void pin_fast(char *p)
{
	char now[PAGE];
	on_cpu(1);
	arm("gup_fast_b1", getpid());
	ASSERT_EQ(gup_pin(pin_fd, p + 9 * PAGE, PAGE, PIN_WRITE | PIN_FAST), 0);
	p[9 * PAGE + 7] = 'P';
	gup_read(pin_fd, now);
	EXPECT_EQ(now[7], 'P');			/* the pin is on the page that the process uses */
	p[9 * PAGE + 7] = byte_of(9);
}
static bool is_huge_and_pinned(char *p)
{
	bool ok = is_huge(p) && !wrong_pages(p, HUGE, 0);
	gup_unpin(pin_fd);
	return ok;
}
/*
 * T-KHP-17. The collapse clears the PMD and waits for the pinner's CPU: nothing is copied. When that one goes on it finds
 * the PMD changed, and the pin is taken behind the collapse, on the new folio. A third CPU has to let it go: the collapse
 * waits on its own.
 */
TEST(a_pin_without_a_lock)
{
	const struct row r = { make_small, pin_fast, NULL, is_huge_and_pinned };
	need_force();
	pin_fd = gup_open();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 3)
		SKIP("needs three CPUs");
	pid_t v = start_victim(&r), c = start_collapser(v, "collapse_upgrade", "0");
	on_cpu(2);
	child_go(&turns);
	wait_parked("gup_fast_b1");
	arm("collapse_cleared", c);
	release("collapse_upgrade");
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(parked_at("collapse_cleared"), 0);
		ktap_sleep_ms(1);
	}
	release("gup_fast_b1");
	wait_parked("collapse_cleared");
	release("collapse_cleared");
	EXPECT_CHILD(c);
	parent_waits(&turns);
	child_go(&turns);
	EXPECT_CHILD(v);
}

/* ---- Migration entries (T-MIG-3) ---- */

/* A page is just being moved: the collapse waits for it as a fault would. Only one: the next could be away (EINVAL). */
TEST(a_page_that_is_being_moved)
{
	const struct row r = { make_small, nothing, NULL, becomes_huge };
	need_force();
	pid_t v = start_victim(&r), w = start_walker(v, "migrate sync", PAGE, "migrate_unmapped");
	pid_t c = start_collapser(v, "collapse_alloc", "0|11");
	release("collapse_alloc");
	ASSERT_TRUE(waits(c));
	release("migrate_unmapped");
	EXPECT_CHILD(w);
	EXPECT_CHILD(c);
	end_victim(v);
}

/* A huge page that is just being moved is as good as there (KHP-9). */
static char *make_huge(void) { return large_area(HUGE, HUGE_ORDER); }
TEST(a_huge_page_that_is_being_moved)
{
	const struct row r = { make_huge, nothing, NULL, becomes_huge };
	need_force();
	pid_t v = start_victim(&r), w = start_walker(v, "migrate sync", HUGE, "migrate_unmapped");
	long alloc = vmstat("thp_collapse_alloc");
	struct iovec range_of_v = { *range_seen, HUGE };
	EXPECT_EQ(syscall(SYS_process_madvise, (int)OK(syscall(SYS_pidfd_open, v, 0)), &range_of_v, 1, ADVISE_COLLAPSE, 0),
		  HUGE);
	EXPECT_EQ(vmstat("thp_collapse_alloc"), alloc);
	release("migrate_unmapped");
	EXPECT_CHILD(w);
	end_victim(v);
}

/* ---- All at once ---- */

static volatile int stop, wrong;
static volatile long stores;

/* Counts a word of each page up; whatever happens to the pages, what it stored last is there. */
static void *writer(void *arg)
{
	volatile long *word = arg;
	long n = 0;
	while (!stop) {
		n++;
		for (size_t i = 0; i < 512; i += 37) {
			volatile long *w = word + i * (PAGE / sizeof(long)) + 8;
			if (n > 1 && *w != n - 1)
				wrong++;
			*w = n;
		}
		stores = n;
	}
	return NULL;
}
static void writer_goes_on(void)
{
	long seen = stores;
	EXPECT_TRUE(ktap_until(stores > seen + 1));
}
/* T-COW-17: a store by an entry that the collapse has taken away would be lost. */
TEST(no_store_is_lost)
{
	need_collapse();
	char *p = small_range(HUGE);
	pthread_t t;
	OK(-pthread_create(&t, NULL, writer, p));
	for (int i = 0; i < ktap_scale(100); i++) {
		writer_goes_on();
		EXPECT_EQ(collapse_at_last(p, HUGE), 0);
		writer_goes_on();
		/* Into a table again, of the huge folio or, sometimes, of copies. */
		OK(mprotect(p + 500 * PAGE, PAGE, PROT_READ));
		OK(mprotect(p + 500 * PAGE, PAGE, PROT_READ | PROT_WRITE));
		if (i % 4 == 0) {
			pid_t pid = ktap_fork();
			if (!pid) {
				long first = *(volatile long *)(p + 64);
				sched_yield();
				EXPECT_EQ(*(volatile long *)(p + 64), first);
				collapse(p, HUGE);
				EXPECT_EQ(*(volatile long *)(p + 64), first);
				ktap_exit();
			}
			writer_goes_on();
			EXPECT_CHILD(pid);
		}
	}
	stop = 1;
	pthread_join(t, NULL);
	EXPECT_EQ(wrong, 0);
}

/* Two threads collapse, others take pages away, protect, page out, pin and fork: what is there is right. */
static char *field;
static void *collapser(void *unused)
{
	while (!stop)
		collapse(field, 2 * HUGE);
	return NULL;
}
static void *disturber(void *seed)
{
	uint64_t x = (uintptr_t)seed * 0x9e3779b97f4a7c15ull + ktap_random();
	while (!stop) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		char *at = field + x / 16 % 1000 * PAGE;
		switch (x % 5) {
		case 0: madvise(at, 8 * PAGE, MADV_PAGEOUT); break;
		case 1: madvise(at, 8 * PAGE, MADV_COLD); break;
		case 2: mprotect(at, PAGE, PROT_READ); mprotect(at, PAGE, PROT_READ | PROT_WRITE); break;
		case 3: madvise(field + 2 * HUGE + x / 16 % 500 * PAGE, 8 * PAGE, MADV_DONTNEED); break;
		case 4: field[2 * HUGE + x / 16 % 512 * PAGE] = 1; break;
		}
	}
	return NULL;
}
TEST(everybody_at_once)
{
	need_collapse();
	const char *disk = swap_disk() ? swap_on(0) : NULL;
	pthread_t t[4];
	field = small_range(3 * HUGE);
	for (int i = 0; i < 4; i++)
		OK(-pthread_create(&t[i], NULL, i < 2 ? collapser : disturber, (void *)(long)(i + 1)));
	for (int i = 0; i < ktap_scale(50); i++) {
		EXPECT_EQ(wrong_pages(field, 2 * HUGE, 0), 0);
		pid_t pid = ktap_fork();
		if (!pid) {
			collapse(field, HUGE);
			EXPECT_EQ(wrong_pages(field, 2 * HUGE, 0), 0);
			ktap_exit();
		}
		EXPECT_CHILD(pid);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(wrong_pages(field, 2 * HUGE, 0), 0);
	if (disk)
		swap_off(disk);
}

TEST_KHUGEPAGED_WAKES
