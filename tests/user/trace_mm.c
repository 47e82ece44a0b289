/*
 * tests/user/trace_mm.c - what the trace events say, held against what is known otherwise: pagemap, counters, pids. The
 * files and rings themselves: trace.c, trace_ring.c. Events of khugepaged and compaction are looked at where these are tested.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"
#include "tests/user/trace.h"
#include <pthread.h>

/* The Nth line of NAME whose FIELD, a number, is WANT; NULL: there are fewer. */
static char *line_with(const char *name, const char *field, long long want, int n)
{
	char *line;
	for (int i = 0; (line = event_line(name, i)); i++)
		if (event_number(line, field) == want && n-- == 0)
			break;
	return line;
}
static void clear(void) { EXPECT_EQ(trace_write("trace", ""), 0); }
static void only_mine(const char *events)
{
	start_events(events);
	limit_events_to(getpid());
	clear();
}

/* ---- Faults ---- */

TEST(page_faults_name_address_and_access)
{
	start_events("exceptions:page_fault_user exceptions:page_fault_kernel");
	limit_events_to(getpid());
	char *p = anon(3 * PAGE), *line;
	int fds[2];

	OK(pipe(fds));
	clear();
	(void)*(volatile char *)p;
	*(volatile char *)(p + 8) = 1;
	read_events();
	line = line_with("page_fault_user", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "error_code"), 4);		/* user, read, not present */
	EXPECT_EQ(event_pid(line), getpid());
	line = line_with("page_fault_user", "address", (long)p + 8, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "error_code"), 7);		/* user, write, present */
	/* The kernel writes to user memory on our behalf. */
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_EQ(read(fds[0], p + PAGE + 5, 1), 1);
	read_events();
	line = line_with("page_fault_kernel", "address", (long)p + PAGE + 5, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "error_code"), 2);
	stop_events();
}

/* FLT, COW: what each fault of a life did, and to which frames. */
TEST(the_life_of_a_page)
{
	only_mine("quire:*");
	char *p = anon(PAGE), *line;
	uint64_t first, second;
	pid_t child;

	stay_here();
	clear();
	*(volatile char *)p = 1;
	first = pfn_of(p);
	read_events();
	line = line_with("anon_fault", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "pfn"), first);
	EXPECT_EQ(event_number(line, "order"), 0);
	line = line_with("fault", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_STR(event_word(line, "access"), "write");
	EXPECT_EQ(event_number(line, "result"), 0);
	/* Shared with a child: the writer gets a copy, */
	child = ktap_fork();
	if (!child) {
		pause();
		_exit(0);
	}
	clear();
	*(volatile char *)p = 2;
	second = pfn_of(p);
	read_events();
	line = line_with("wp_page_copy", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "old_pfn"), first);
	EXPECT_EQ(event_number(line, "pfn"), second);
	EXPECT_NE(first, second);
	/* once. */
	clear();
	*(volatile char *)p = 3;
	read_events();
	EXPECT_TRUE(line_with("fault", "address", (long)p, 0) == NULL);
	kill(child, SIGKILL);
	EXPECT_STATUS(child, KILLED_BY(SIGKILL));
	/* Ours alone, but read-only for a while: reused. */
	OK(mprotect(p, PAGE, PROT_READ));
	child = ktap_fork();
	if (!child)
		ktap_exit();
	EXPECT_CHILD(child);
	OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	clear();
	*(volatile char *)p = 4;
	read_events();
	line = line_with("wp_page_reuse", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "pfn"), second);
	EXPECT_EQ(pfn_of(p), second);
	stop_events();
}

TEST(copies_of_the_zero_page_have_no_old_frame)
{
	only_mine("quire:wp_page_copy");
	char *p = anon(PAGE), *line;

	(void)*(volatile char *)p;
	clear();
	*(volatile char *)p = 1;
	read_events();
	line = line_with("wp_page_copy", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_hex(line, "old_pfn"), ~0ull);
	EXPECT_EQ(event_number(line, "pfn"), pfn_of(p));
	stop_events();
}

TEST(large_folios_say_their_order)
{
	only_mine("quire:*");
	char *p = large_area(HUGE, HUGE_ORDER), *line;
	uint64_t pfn = pfn_of(p);

	read_events();
	line = line_with("anon_fault", "pfn", pfn, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "order"), 9);
	EXPECT_EQ(event_number(line, "address"), (long)p);
	clear();
	OK(mprotect(p, PAGE, PROT_READ));
	read_events();
	line = line_with("split_pmd", "address", (long)p, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "pfn"), pfn);
	stop_events();
}

/* ---- Pages ---- */

TEST(pages_are_seen_to_be_allocated_and_freed)
{
	only_mine("kmem:mm_page_alloc kmem:mm_page_free");
	char *p = anon(PAGE), *line;
	uint64_t pfn;

	stay_here();
	clear();
	*(volatile char *)p = 1;
	pfn = pfn_of(p);
	read_events();
	line = line_with("mm_page_alloc", "pfn", pfn, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "order"), 0);
	EXPECT_TRUE(strstr(event_word(line, "gfp_flags"), "GFP_HIGHUSER_MOVABLE") != NULL);
	stop_events();
}

TEST(a_free_page_says_so)
{
	start_events("kmem:mm_page_free");
	char *p = anon(PAGE);
	uint64_t pfn;
	bool freed = false;

	*(volatile char *)p = 1;
	pfn = pfn_of(p);
	clear();
	munmap(p, PAGE);
	/* Somebody's batch may hold it for a while; what frees that batch is anybody's fault. */
	for (int i = 0; i < 100 && !freed; i++) {
		char *other = anon(64 * PAGE);
		memset(other, 1, 64 * PAGE);
		munmap(other, 64 * PAGE);
		read_events();
		freed = line_with("mm_page_free", "pfn", pfn, 0) != NULL;
	}
	EXPECT_TRUE(freed);
	stop_events();
}

/* ---- Swap, splits ---- */

TEST(swap_out_and_in_name_frame_and_slot)
{
	start_events("quire:swap_out quire:swap_in");
	const char *disk = swap_on(0);
	char *p = anon(PAGE), *line;
	uint64_t pfn, entry;

	fill_pages(p, PAGE);
	pfn = pfn_of(p);
	clear();
	ASSERT_EQ(page_out(p, PAGE), 1);
	entry = pagemap(p);
	read_events();
	line = line_with("swap_out", "pfn", pfn, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "nr_pages"), 1);
	EXPECT_EQ(event_number(line, "type"), PM_SWAP_TYPE(entry));
	EXPECT_EQ(event_number(line, "offset"), PM_SWAP_OFFSET(entry));
	clear();
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	read_events();
	line = line_with("swap_in", "offset", PM_SWAP_OFFSET(entry), 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "pfn"), pfn_of(p));
	stop_events();
	swap_off(disk);
}

TEST(splits_say_from_what_to_what)
{
	start_events("quire:split_folio");
	char *p = large_area(HUGE, HUGE_ORDER), *line;
	uint64_t pfn = pfn_of(p);
	char text[100];

	fill_pages(p, HUGE);
	clear();
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx,0", (int)getpid(), (long)p, (long)(p + HUGE));
	if (ktap_write("/sys/kernel/debug/split_huge_pages", text))
		SKIP("no split_huge_pages");
	read_events();
	line = line_with("split_folio", "pfn", pfn, 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "order"), 9);
	EXPECT_EQ(event_number(line, "new_order"), 0);
	EXPECT_EQ(event_number(line, "ret"), 0);
	stop_events();
}

/* ---- Tasks ---- */

static bool slept_since(pid_t pid)
{
	char *line;
	for (int i = 0; (line = event_line("sched_switch", i)); i++)
		if (event_number(line, "prev_pid") == pid && !strcmp(event_word(line, "prev_state"), "S"))
			return true;
	return false;
}

TEST(a_sleeper_is_switched_away_from_and_woken)
{
	start_events("sched:sched_switch sched:sched_wakeup");
	int fds[2], woken = 0;
	char *line;
	pid_t child;

	OK(pipe(fds));
	clear();
	child = ktap_fork();
	if (!child) {
		char c;
		close(fds[1]);
		EXPECT_EQ(read(fds[0], &c, 1), 1);
		ktap_exit();
	}
	/* Its state says S a little before that: it may be preempted on its way. */
	EXPECT_TRUE(ktap_until((read_events(), slept_since(child))));
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_CHILD(child);
	read_events();
	for (int i = 0; (line = event_line("sched_wakeup", i)); i++)
		woken += event_number(line, "pid") == child;
	EXPECT_GE(woken, 1);
	/* What runs next is what was switched to: on each CPU the switches are a chain. */
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		long long before = -1;
		for (int i = 0; (line = event_line("sched_switch", i)); i++) {
			if (event_cpu(line) != cpu)
				continue;
			if (before >= 0)
				EXPECT_EQ(event_number(line, "prev_pid"), before);
			before = event_number(line, "next_pid");
		}
	}
	stop_events();
}

/* What the child of the next case and its parent share. */
struct lock_wait { char *page; _Atomic bool go; _Atomic pid_t mapper; };

static void *map_something(void *arg)
{
	struct lock_wait *w = arg;
	pid_t me = gettid();
	void *p;
	while (!w->go)
		;
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->mapper = p == MAP_FAILED ? -1 : me;
	return NULL;
}
static void *touch_and_park(void *page)
{
	EXPECT_EQ(control("pause", "arm anon_fault_alloc %d once", (int)gettid()), 0);
	*(volatile char *)page = 1;
	return NULL;
}

/*
 * A fault holds the mmap lock for reading (it is parked there): a thread that wants to map something waits for it. All in a
 * child: whoever looks must not need that lock.
 */
TEST(waiting_for_the_mmap_lock_is_seen)
{
	struct lock_wait *w = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	char *line, lock[40] = "";
	int ends = 0;
	pid_t child;

	if (!have_control("pause"))
		SKIP("needs pause points");
	start_events("lock:contention_begin lock:contention_end");
	w->page = anon(PAGE);
	child = ktap_fork();
	if (!child) {
		pthread_t faulter, mapper;
		pthread_create(&mapper, NULL, map_something, w);
		pthread_create(&faulter, NULL, touch_and_park, w->page);
		pthread_join(faulter, NULL);
		pthread_join(mapper, NULL);
		ktap_exit();
	}
	EXPECT_TRUE(ktap_until(parked_at("anon_fault_alloc") == 1));
	clear();
	w->go = true;
	EXPECT_TRUE(ktap_until((read_events(), strstr(trace_text, "(flags=WRITE)") != NULL)));
	EXPECT_EQ(control("pause", "release anon_fault_alloc"), 0);
	EXPECT_CHILD(child);
	EXPECT_GT(w->mapper, 0);
	read_events();
	for (int i = 0; (line = event_line("contention_begin", i)); i++)
		if (strstr(line, "(flags=WRITE)") && event_pid(line) == w->mapper)
			sscanf(event_says(line, "contention_begin"), "%39s", lock);
	EXPECT_NE(strlen(lock), 0);
	for (int i = 0; (line = event_line("contention_end", i)); i++)
		ends += strstr(line, lock) && event_pid(line) == w->mapper && event_number(line, "ret") == 0;
	EXPECT_GE(ends, 1);
	stop_events();
}

/* ---- Reclaim and its end ---- */

static long long sum_of_field(const char *name, const char *field)
{
	long long sum = 0;
	char *line;
	for (int i = 0; (line = event_line(name, i)); i++)
		sum += event_number(line, field);
	return sum;
}

/* One direct reclaim by ourselves: where it begins and ends, and what it got from the lists in between. */
TEST(direct_reclaim_tells_its_rounds)
{
	if (!have_control("force"))
		SKIP("needs force");
	start_events("vmscan:*");
	const char *disk = swap_on(0);
	size_t n = 4ul << 20;
	char *p = anon(n), *line;

	fill_pages(p, n);
	limit_events_to(getpid());
	clear();
	EXPECT_EQ(control("force", "reclaim 0 0 64"), 0);
	read_events();
	EXPECT_GE(event_count("mm_vmscan_direct_reclaim_begin"), 1);
	EXPECT_EQ(event_count("mm_vmscan_direct_reclaim_begin"), event_count("mm_vmscan_direct_reclaim_end"));
	line = event_line("mm_vmscan_direct_reclaim_begin", 0);
	EXPECT_EQ(event_number(line, "order"), 0);
	EXPECT_TRUE(strncmp(event_word(line, "gfp_flags"), "GFP_", 4) == 0);
	EXPECT_GE(event_count("mm_vmscan_lru_shrink_inactive"), 1);
	EXPECT_GT(sum_of_field("mm_vmscan_direct_reclaim_end", "nr_reclaimed"), 0);
	EXPECT_GE(sum_of_field("mm_vmscan_direct_reclaim_end", "nr_reclaimed"),
		  sum_of_field("mm_vmscan_lru_shrink_inactive", "nr_reclaimed"));
	EXPECT_GE(sum_of_field("mm_vmscan_lru_shrink_inactive", "nr_scanned"),
		  sum_of_field("mm_vmscan_lru_shrink_inactive", "nr_reclaimed"));
	stop_events();
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	swap_off(disk);
}

/* Free memory falls below low: kswapd is told, wakes, works, and sleeps again. */
TEST(kswapd_wakes_and_sleeps)
{
	char *text = ktap_read("/proc/zoneinfo"), *at = text ? strstr(text, "  pages free") : NULL;
	if (!have_control("alloc"))
		SKIP("needs alloc");
	if (!at || strstr(at + 1, "  pages free"))
		SKIP("more than one zone");
	long low = strtol(strstr(at, "low ") + 4, NULL, 10);
	start_events("vmscan:*");
	const char *disk = swap_on(0);
	size_t n = 16ul << 20;
	char *cold = anon(n), *p = anon(8ul << 20), *line;

	fill_pages(cold, n);
	ktap_write("/proc/sys/vm/drop_caches", "3");
	/* It may have given up before: what somebody else reclaims gives it hope. */
	EXPECT_EQ(control("force", "reclaim 0 0 64"), 0);
	clear();
	EXPECT_EQ(control("alloc", "fill %ld", low + 200), 0);
	for (size_t i = 0; i < 8ul << 20 && (i % (1 << 20) || !(read_events(), event_count("mm_vmscan_kswapd_wake"))); i += PAGE)
		p[i] = 1;
	EXPECT_TRUE(ktap_until((read_events(), event_count("mm_vmscan_kswapd_sleep") > 0)));
	EXPECT_GE(event_count("mm_vmscan_wakeup_kswapd"), 1);
	line = event_line("mm_vmscan_kswapd_wake", 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "nid"), 0);
	EXPECT_LE(event_number(line, "order"), 10);	/* somebody else may have wanted more */
	EXPECT_TRUE(strstr(line, "kswapd0-") != NULL);
	control("alloc", "free");
	stop_events();
	EXPECT_EQ(wrong_pages(cold, n, 0), 0);
	swap_off(disk);
}

TEST(oom_score_adj_is_told)
{
	start_events("oom:oom_score_adj_update");
	char *line;

	EXPECT_EQ(ktap_write("/proc/self/oom_score_adj", "123"), 0);
	read_events();
	line = line_with("oom_score_adj_update", "pid", getpid(), 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "oom_score_adj"), 123);
	EXPECT_STR(event_word(line, "comm"), "trace_mm");
	stop_events();
}

TEST(every_event_that_is_on_can_be_printed)
{
	if (!ktap_is_quire())
		SKIP("Linux has too many");
	start_events("*:*");
	const char *disk = swap_disk();
	char *p = anon(64 * PAGE), *text;
	pid_t child;

	clear();
	fill_pages(p, 64 * PAGE);
	if (disk)
		disk = swap_on(0);
	page_out(p, disk ? 64 * PAGE : PAGE);
	child = ktap_fork();
	if (!child)
		ktap_exit();
	EXPECT_CHILD(child);
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
	stop_events();
	text = trace_read_file("trace");
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (*line == '#' || !strncmp(line, "CPU:", 4))
			continue;
		EXPECT_GE(event_cpu(line), 0);
		EXPECT_GE(event_time(line), 0);
	}
	free(text);
	if (disk)
		swap_off(disk);
	EXPECT_EQ(trace_write("trace", ""), 0);
}
