/*
 * tests/user/reclaim.c - what reclaim does with single folios, in which order lists are emptied, and when kswapd runs
 * (rules RCL-1 to RCL-28). "scan" puts one folio through reclaim's decisions and tells which of its steps decided.
 */
#include "tests/user/reclaim.h"
#include <pthread.h>

static int zone_count(void)
{
	int n = 0;
	for (char *at = ktap_read("/proc/zoneinfo"); at && (at = strstr(at, "  pages free")); at++)
		n++;
	return n;
}
static long free_pages(void) { return zone_sum("pages free "); }

/* The process called NAME. */
static pid_t find_task(const char *name)
{
	char path[40], *text;
	for (pid_t pid = 1; pid < 300; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		text = ktap_read(path);
		if (text && !strncmp(text, name, strlen(name)) && text[strlen(name)] == '\n')
			return pid;
	}
	return 0;
}

/* ---- The decision table (T-RCL-1) ---- */

TEST(a_page_used_once_gets_a_second_chance)
{
	need("force");
	swap_begin();
	char *p = anon(PAGE);
	memset(p, 'x', PAGE);
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_TRUE(has_flag(p, KPF_REFERENCED));
	EXPECT_SCAN(p, PAGE, "freed", 10);
	EXPECT_TRUE(is_swapped(p));
	EXPECT_EQ(p[77], 'x');
	swap_end();
}

TEST(a_page_used_twice_is_activated)
{
	need("force");
	swap_begin();
	char *p = anon(PAGE);
	*p = 1;
	EXPECT_SECOND_CHANCE(p, PAGE);
	touch(p, PAGE);
	uint64_t pfn = pfn_of(p);
	long activated = vmstat("pgactivate");
	EXPECT_SCAN(p, PAGE, "activate", 4);
	EXPECT_GE(vmstat("pgactivate"), activated + 1);
	EXPECT_TRUE(is_active(p));
	EXPECT_EQ(pfn_of(p), pfn);
	swap_end();
}

TEST(a_page_young_in_two_mappings_is_activated_at_once)
{
	need("force");
	swap_begin();
	struct turns t;
	char *p = anon(PAGE);
	*p = 1;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		(void)*(volatile char *)p;
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	touch(p, PAGE);
	EXPECT_SCAN(p, PAGE, "activate", 4);
	child_go(&t);
	EXPECT_CHILD(pid);
	swap_end();
}

static void *write_drop_slabs(void *unused)
{
	EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "2"), 0);
	return NULL;
}

TEST(a_locked_folio_is_left_alone)
{
	need("pause");
	char *p = large_area(HUGE, HUGE_ORDER);
	pthread_t thread;
	OK(madvise(p + HUGE / 2, HUGE / 2, MADV_DONTNEED));
	EXPECT_EQ(control("pause", "arm deferred_shrink %d", (int)getpid()), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, write_drop_slabs, NULL), 0);
	ASSERT_TRUE(ktap_until(parked_at("deferred_shrink") == 1));
	EXPECT_SCAN(p, PAGE, "keep", 1);
	EXPECT_EQ(control("pause", "disarm deferred_shrink"), 0);
	pthread_join(thread, NULL);
}

TEST(an_mlocked_page_is_unevictable)
{
	need("force");
	swap_begin();
	char *p = anon(PAGE);
	*p = 1;
	OK(mlock(p, PAGE));
	uint64_t pfn = pfn_of(p);
	struct scan s = scan(p, PAGE);
	EXPECT_STR(s.verdict, "unevictable");
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_TRUE(has_flag(p, KPF_UNEVICTABLE));
	OK(munlock(p, PAGE));
	swap_end();
}

TEST(a_pinned_page_stays)
{
	need("force");
	swap_begin();
	int fd = gup_open();
	char *p = anon(PAGE);
	*p = 1;
	ASSERT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE), 0);
	uint64_t pfn = pfn_of(p);
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_SCAN(p, PAGE, "keep", 5);
	EXPECT_EQ(pfn_of(p), pfn);
	gup_unpin(fd);
	close(fd);
	swap_end();
}

TEST(a_huge_page_that_somebody_reads_is_activated_unsplit)
{
	need("force");
	swap_begin();
	char *p = large_area(HUGE, HUGE_ORDER);
	int fds[2];
	hold_plainly(fds, p + 5 * PAGE, PAGE);
	long split = vmstat("thp_split_pmd");
	EXPECT_SECOND_CHANCE(p, HUGE);
	EXPECT_SCAN(p, HUGE, "activate", 5);
	EXPECT_EQ(vmstat("thp_split_pmd"), split);
	close(fds[0]);
	close(fds[1]);
	swap_end();
}

static void partly_mapped_is_split(size_t hole)
{
	need("force");
	swap_begin();
	char *p = large_area(HUGE, HUGE_ORDER), *rest = p + (hole ? 0 : HUGE / 2);
	OK(madvise(p + hole, HUGE / 2, MADV_DONTNEED));
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	long out = vmstat("pswpout"), split = vmstat("thp_split_page"), fallback = vmstat("thp_swpout_fallback");
	EXPECT_SECOND_CHANCE(rest, PAGE);
	(void)scan(rest, PAGE);
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_EQ(vmstat("thp_swpout_fallback"), fallback);
	EXPECT_EQ(pages_swapped(rest, HUGE / 2), HUGE / 2 / PAGE);
	EXPECT_EQ(vmstat("pswpout"), out + HUGE / 2 / PAGE);
	EXPECT_EQ(wrong_pages(rest, HUGE / 2, hole ? 0 : HUGE / 2 / PAGE), 0);
	swap_end();
}
TEST(a_partly_mapped_huge_page_is_split_and_its_rest_freed) { partly_mapped_is_split(HUGE / 2); }
TEST(a_huge_page_without_its_first_half_too) { partly_mapped_is_split(0); }

TEST(without_a_slot_a_page_is_activated)
{
	need("force");
	char *p = anon(PAGE);
	*p = 1;
	uint64_t pfn = pfn_of(p);
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_SCAN(p, PAGE, "activate", 5);
	EXPECT_EQ(pfn_of(p), pfn);
}

/* The only slot is somebody else's; then it is not. Shared memory gets its slot last (RCL-18), private memory first. */
static void no_slot_free(char *p, int step)
{
	need("force");
	char *other = anon(PAGE);
	area = swap_on(2);
	memset(other, 'o', PAGE);
	memset(p, 'p', PAGE);
	ASSERT_EQ(page_out(other, PAGE), 1);
	EXPECT_EQ(meminfo_kb("SwapFree"), 0);
	long out = vmstat("pswpout");
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_SCAN(p, PAGE, "activate", step);
	EXPECT_EQ(p[5], 'p');
	EXPECT_TRUE(is_active(p));
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_TRUE(is_swapped(other));
	EXPECT_EQ(other[5], 'o');
	EXPECT_EQ(p[PAGE - 1], 'p');
	swap_end();
}
static char *shared_memory(size_t n)
{
	return OK(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}
TEST(a_full_area_activates_a_page) { no_slot_free(anon(PAGE), 5); }
TEST(a_full_area_activates_shared_memory) { no_slot_free(shared_memory(PAGE), 8); }
TEST(without_swap_shared_memory_is_activated)
{
	need("force");
	char *p = shared_memory(PAGE);
	memset(p, 's', PAGE);
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_SCAN(p, PAGE, "activate", 8);
	EXPECT_EQ(p[PAGE - 1], 's');
	EXPECT_TRUE(is_active(p));
}

/* RCL-18: what nobody has written needs no slot; it is zeroes again. A write, by an entry that was there before, counts. */
TEST(shared_memory_that_was_never_written_is_dropped)
{
	need("force");
	swap_begin();
	volatile char *p = shared_memory(4 * PAGE);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(p[i * PAGE], 0);
	long shmem = vmstat("nr_shmem"), out = vmstat("pswpout");
	p[2 * PAGE] = 'w';
	EXPECT_SECOND_CHANCE(p, 2 * PAGE);
	EXPECT_SCAN(p, 2 * PAGE, "freed", 10);
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(vmstat("nr_shmem"), shmem - 2);
	EXPECT_SECOND_CHANCE(p + 2 * PAGE, PAGE);
	EXPECT_SCAN(p + 2 * PAGE, PAGE, "freed", 10);
	EXPECT_EQ(vmstat("pswpout"), out + 1);
	EXPECT_EQ(vmstat("nr_shmem"), shmem - 3);
	EXPECT_EQ(p[0] + p[PAGE] + p[3 * PAGE], 0);
	EXPECT_EQ(p[2 * PAGE], 'w');
	swap_end();
}

static void lazily_free(size_t n, int order)
{
	need("force");
	char *p = large_area(n, order);
	OK(madvise(p, n, MADV_FREE));
	long freed = vmstat("pglazyfreed"), split = vmstat("thp_split_pmd"), pieces = vmstat("thp_split_page");
	struct scan s = scan(p, n);
	EXPECT_STR(s.verdict, "freed");
	EXPECT_EQ(s.step, 9);
	/* A huge one goes as a whole (RCL-16). */
	EXPECT_EQ(vmstat("thp_split_pmd"), split);
	EXPECT_EQ(vmstat("thp_split_page"), pieces);
	EXPECT_EQ(s.freed, (long)(n / PAGE));
	EXPECT_EQ(vmstat("pglazyfreed"), freed + (long)(n / PAGE));
	EXPECT_EQ(pfn_of(p), 0);
	EXPECT_EQ(p[100], 0);
}
TEST(lazily_free_memory_is_discarded_4k) { lazily_free(PAGE, 0); }
TEST(lazily_free_memory_is_discarded_64k) { lazily_free(16 * PAGE, ORDER_64K); }
TEST(lazily_free_memory_is_discarded_2m) { lazily_free(HUGE, HUGE_ORDER); }

TEST(lazily_free_memory_that_was_written_is_ordinary_again)
{
	need("force");
	swap_begin();
	char *p = anon(PAGE);
	memset(p, 'a', PAGE);
	OK(madvise(p, PAGE, MADV_FREE));
	memset(p, 'b', PAGE);
	long freed = vmstat("pglazyfreed");
	EXPECT_SECOND_CHANCE(p, PAGE);
	EXPECT_SCAN(p, PAGE, "activate", 6);
	EXPECT_EQ(vmstat("pglazyfreed"), freed);
	EXPECT_TRUE(has_flag(p, KPF_SWAPBACKED));
	EXPECT_SCAN(p, PAGE, "freed", 10);
	EXPECT_EQ(p[9], 'b');
	swap_end();
}

TEST(shared_memory_goes_out_and_comes_back)
{
	need("force");
	swap_begin();
	char *p = shared_memory(4 * PAGE);
	fill_pages(p, 4 * PAGE);
	long shmem = vmstat("nr_shmem"), out = vmstat("pswpout");
	EXPECT_SECOND_CHANCE(p, 4 * PAGE);
	EXPECT_SCAN(p, 4 * PAGE, "freed", 10);
	EXPECT_EQ(vmstat("nr_shmem"), shmem - 4);
	EXPECT_EQ(vmstat("pswpout"), out + 4);
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
	EXPECT_EQ(vmstat("nr_shmem"), shmem);
	munmap(p, 4 * PAGE);
	swap_end();
}

/* ---- Races ---- */

struct at { char *p; struct scan s; };
static void *scan_at(void *arg)
{
	struct at *a = arg;
	a->s = scan(a->p, PAGE);
	return NULL;
}
static void *read_at(void *arg)
{
	struct at *a = arg;
	a->s.freed = a->p[8];
	return NULL;
}
/* A thread of this process other than the first waits for something. */
static bool other_thread_waits(pid_t but)
{
	char dir[60];
	for (pid_t tid = getpid() + 1; tid < getpid() + 60; tid++) {
		snprintf(dir, sizeof(dir), "/proc/self/task/%d", (int)tid);
		char s = tid == but ? 0 : ktap_state_of(dir);
		if (s == 'D' || s == 'S')
			return true;
	}
	return false;
}
static pid_t parked_tid;
static void *scan_and_say_who(void *arg)
{
	__atomic_store_n(&parked_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	return scan_at(arg);
}

/* T-RCL-4. */
TEST(a_fault_before_the_last_look_keeps_the_page)
{
	need("pause");
	swap_begin();
	char *p = anon(PAGE);
	memset(p, 'y', PAGE);
	uint64_t pfn = pfn_of(p);
	struct at scanned = { .p = p }, read = { .p = p };
	pthread_t scanner, reader;
	EXPECT_SECOND_CHANCE(p, PAGE);
	long in = vmstat("pswpin");
	EXPECT_EQ(control("pause", "arm reclaim_freeze %d", (int)getpid()), 0);
	ASSERT_EQ(pthread_create(&scanner, NULL, scan_and_say_who, &scanned), 0);
	ASSERT_TRUE(ktap_until(parked_at("reclaim_freeze") == 1));
	EXPECT_TRUE(is_swapped(p));
	ASSERT_EQ(pthread_create(&reader, NULL, read_at, &read), 0);
	ASSERT_TRUE(ktap_until(other_thread_waits(parked_tid)));
	EXPECT_EQ(control("pause", "disarm reclaim_freeze"), 0);
	pthread_join(scanner, NULL);
	pthread_join(reader, NULL);
	EXPECT_STR(scanned.s.verdict, "keep");
	EXPECT_EQ(scanned.s.step, 10);
	EXPECT_EQ(read.s.freed, 'y');
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(vmstat("pswpin"), in);
	swap_end();
}

static void on_cpu(long cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((int)cpu, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
}
static int migrate(const volatile char *p)
{
	return control("force", "migrate 0 0x%lx 0x%lx async", (unsigned long)p, (unsigned long)p + PAGE);
}

static volatile int stop;
static void *pageout_again_and_again(void *p)
{
	on_cpu(ktap_cpus - 1);
	while (!stop) {
		madvise(p, PAGE, MADV_PAGEOUT);
		(void)*(volatile char *)p;
	}
	return NULL;
}
static void scan_once(char *p) { control("force", "scan 0 0x%lx 0x%lx", (unsigned long)p, (unsigned long)p + PAGE); }
static void migrate_once(char *p) { migrate(p); }

/*
 * T-RCL-5, on two CPUs where there are two. The other one is PAGEOUT: "scan" and "migrate" wait for each other. `check` at the
 * end of the program finds lists that are not what they say.
 */
static void two_isolate(void (*one)(char *p))
{
	need("force");
	swap_begin();
	char *p = anon(PAGE);
	pthread_t thread;
	memset(p, 'z', PAGE);
	on_cpu(0);
	stop = 0;
	ASSERT_EQ(pthread_create(&thread, NULL, pageout_again_and_again, p), 0);
	for (long i = ktap_scale(2000); i; i--) {
		one(p);
		EXPECT_EQ(*(volatile char *)(p + 5), 'z');
	}
	stop = 1;
	pthread_join(thread, NULL);
	EXPECT_TRUE(ktap_until(vmstat("nr_isolated_anon") == 0));
	EXPECT_EQ(vmstat("nr_isolated_file"), 0);
	swap_end();
}
TEST(scan_and_pageout_isolate_one_folio) { two_isolate(scan_once); }
TEST(migration_and_pageout_isolate_one_folio) { two_isolate(migrate_once); }

static void *page_out_at(void *arg)
{
	struct at *a = arg;
	OK(madvise(a->p, PAGE, MADV_PAGEOUT));
	return NULL;
}

/* T-RCL-5, step by step: who isolated the folio first has it, all others go away without it; afterwards anybody may. */
TEST(only_the_first_has_the_folio)
{
	need("pause");
	swap_begin();
	char *p = anon(PAGE);
	struct at first = { .p = p };
	pthread_t thread;
	on_cpu(0);
	memset(p, '1', PAGE);
	for (long i = ktap_scale(500); i; i--) {
		bool by_scan = i % 2;
		EXPECT_EQ(control("force", "drain %d 0 0", (int)getpid()), 0);
		uint64_t pfn = pfn_of(p);
		long isolated = vmstat("nr_isolated_anon");
		if (by_scan)
			(void)scan(p, PAGE);	/* its second chance */
		EXPECT_EQ(control("pause", "arm unmap_walk %d once", (int)getpid()), 0);
		ASSERT_EQ(pthread_create(&thread, NULL, by_scan ? scan_at : page_out_at, &first), 0);
		ASSERT_TRUE(ktap_until(parked_at("unmap_walk") == 1));
		EXPECT_EQ(vmstat("nr_isolated_anon"), isolated + 1);
		OK(madvise(p, PAGE, MADV_PAGEOUT));
		if (!by_scan) {
			EXPECT_STR(scan_as_it_is(p, PAGE).verdict, "isolated");
			EXPECT_NE(migrate(p), 0);
		}
		EXPECT_EQ(pfn_of(p), pfn);
		EXPECT_EQ(vmstat("nr_isolated_anon"), isolated + 1);
		EXPECT_EQ(control("pause", "release unmap_walk"), 0);
		pthread_join(thread, NULL);
		EXPECT_TRUE(is_swapped(p));
		EXPECT_EQ(vmstat("nr_isolated_anon"), isolated);
		EXPECT_EQ(p[5], '1');
	}
	swap_end();
}

/* ---- Where memory may be asked for (T-RCL-7) ---- */

/* Shown with locks of the same levels: GFP_KERNEL under an anon_vma lock, a spinlock, in an interrupt, under a folio lock. */
TEST(lockdep_knows_where_reclaim_must_not_begin)
{
	static const char *const demos[] = { "reclaim-rmap", "reclaim-spin", "reclaim-irq", "reclaim-folio" };
	need("lockdep");
	char *text = ktap_read(QUIRE_DIR "lockdep");
	EXPECT_TRUE(strstr(text, "fs_reclaim"));
	EXPECT_TRUE(strstr(text, ", 0 failed"));
	for (size_t i = 0; i < sizeof(demos) / sizeof(demos[0]); i++)
		EXPECT_EQ(control("lockdep", "demo %s", demos[i]), 0);
}

/* ---- Watermarks, kswapd (T-RCL-6) ---- */

static long isqrt(long x)
{
	long r = 0;
	while ((r + 1) * (r + 1) <= x)
		r++;
	return r;
}
static void expect_watermarks(long min_kb)
{
	long kb = strtol(ktap_read("/proc/sys/vm/min_free_kbytes"), NULL, 10);
	EXPECT_EQ(kb, min_kb);
	long managed = zone_sum("managed "), min = zone_sum("min "), low = zone_sum("low "), high = zone_sum("high ");
	long slack = zone_count();	/* each zone rounds down */
	long step = min / 4 > managed / 1000 ? min / 4 : managed / 1000;
	EXPECT_GE(min, kb / 4 - slack);
	EXPECT_LE(min, kb / 4);
	EXPECT_GE(low, min + step - slack);
	EXPECT_LE(low, min + step + slack);
	EXPECT_EQ(high - low, low - min);
}

TEST(watermarks_follow_the_size_of_memory)
{
	if (!ktap_is_quire())
		SKIP("Linux counts its DMA zone, too");
	char old[32];
	long managed = zone_sum("managed "), plain = isqrt(16 * managed * 4), huge;
	plain = plain < 128 ? 128 : plain > 262144 ? 262144 : plain;
	huge = 22528 * zone_count() < managed / 20 * 4 ? 22528 * zone_count() : managed / 20 * 4;
	ASSERT_TRUE(choose(THP_DIR "enabled", "never", old));
	expect_watermarks(plain);
	ktap_write(THP_DIR "enabled", "always");
	expect_watermarks(huge > plain ? huge : plain);
	EXPECT_EQ(ktap_write("/proc/sys/vm/min_free_kbytes", "4096"), 0);
	expect_watermarks(4096);
	ktap_write(THP_DIR "enabled", "never");
	ktap_write(THP_DIR "enabled", old);
}

TEST(kswapd_brings_memory_back_to_high)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	swap_begin();
	size_t n = 24 * MIB;
	char *cold = anon(n), *p = anon(8 * MIB);
	fill_pages(cold, n);
	drop_caches();
	/* It may have given up in an earlier case: direct reclaim that gets something, with much free, wakes its hopes. */
	EXPECT_EQ(control("force", "reclaim 0 0 64"), 0);
	long low = zone_sum("low "), high = zone_sum("high "), runs = vmstat("pageoutrun");
	EXPECT_EQ(control("alloc", "fill %ld", low + 200), 0);
	for (size_t i = 0; i < 8 * MIB && vmstat("pageoutrun") == runs; i += PAGE)
		p[i] = 1;
	EXPECT_GT(vmstat("pageoutrun"), runs);
	pid_t kswapd = find_task("kswapd0");
	EXPECT_TRUE(ktap_until(free_pages() >= high && ktap_state(kswapd) == 'S'));
	EXPECT_GT(vmstat("pgsteal_kswapd"), 0);
	release_all();
	EXPECT_EQ(wrong_pages(cold, n, 0), 0);
	swap_end();
}

/* Each page is an allocation, below low. */
static void use_and_drop(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	OK(madvise(p, pages * PAGE, MADV_DONTNEED));
}
/* The CPU time of a task, in ticks of the clock that /proc counts by. */
static long ticks_of(pid_t pid)
{
	char path[40];
	long user = -1, system = -1;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	char *text = ktap_read(path), *at = text ? strrchr(text, ')') : NULL;
	if (at)
		sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
	EXPECT_GE(system, 0);
	return user + system;
}
TEST(kswapd_gives_up_where_nothing_can_be_done)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	drop_caches();
	long low = zone_sum("low "), min = zone_sum("min "), runs = vmstat("pageoutrun");
	pid_t kswapd = find_task("kswapd0");
	EXPECT_EQ(control("alloc", "fill %ld", (min + low) / 2), 0);
	char *p = anon(64 * PAGE);
	/* It gives up after 16 runs in a row that were in vain. One that got something may have been in between. */
	EXPECT_TRUE(ktap_until((use_and_drop(p, 64), vmstat("pageoutrun") - runs >= 16 && ktap_state(kswapd) == 'S')));
	EXPECT_LE(vmstat("pageoutrun") - runs, 2 * 16);
	/* From then on nobody wakes it: its time stands still while others want memory. */
	long after = vmstat("pageoutrun"), ticks = ticks_of(kswapd);
	for (int round = 0; round < 100; round++)
		use_and_drop(p, 64);
	EXPECT_EQ(vmstat("pageoutrun"), after);
	EXPECT_EQ(ticks_of(kswapd), ticks);
	release_all();
}

/* RCL-9, RCL-27: how far down each kind of request may go. */
TEST(reserves_are_for_those_who_need_them)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	drop_caches();
	long min = zone_sum("min "), kills = vmstat("oom_kill");
	/* In one go: below min, a system call that needs a page of its own would have somebody killed for it. */
	EXPECT_EQ(control("alloc", "fill %ld; take 2 unmovable 1 nowait; take 2 unmovable 1 noretry; take 2 unmovable 1 retry;"
			  "take 2 unmovable 1 atomic; take 2 movable 1 kernel; free", min - min / 8), 0);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "alloc"), "\ngot 0 0 0 1 0\n"));
	EXPECT_EQ(vmstat("oom_kill"), kills);
	release_all();
}

/* ---- Swapping needs no memory (T-RCL-8), and waits for the disk (T-RCL-9) ---- */

TEST(memory_goes_out_while_no_page_can_be_had)
{
	need("fail");
	size_t n = 32 * MIB;
	swap_begin_slow();
	char *p = anon(n);
	fill_pages(p, n);
	EXPECT_EQ(control("fail", "alloc_pages order=0 pid=%d", (int)getpid()), 0);
	int error = madvise(p, n, MADV_PAGEOUT) ? errno : 0;
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_EQ(error, 0);
	EXPECT_TRUE(ktap_until(pages_swapped(p, n) == n / PAGE));
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	swap_end();
}

/*
 * T-RCL-9. The task that looks on and lets the disk go on in the end must not need memory: it is resident, has copied what
 * it shared with its children, and every file that it reads is open and has been read before.
 */
struct looks { int vmstat, stat[4]; };

static long number_in(int fd, const char *name)
{
	static char text[16384];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	for (char *at = text; (at = strstr(at, name)); at++)
		if (at > text && at[-1] == '\n' && at[strlen(name)] == ' ')
			return atol(at + strlen(name));
	return -1;
}
static long scanned(const struct looks *l)
{
	return number_in(l->vmstat, "pgscan_kswapd") + number_in(l->vmstat, "pgscan_direct");
}
/* All four of them wait for something. */
static bool all_wait(const struct looks *l)
{
	for (int i = 0; i < 4; i++) {
		char text[200], *at;
		ssize_t n = pread(l->stat[i], text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		at = strrchr(text, ')');
		if (!at || !strchr("DS", at[2]))
			return false;
	}
	return true;
}
static void fill_when_told(struct turns *t, size_t n)
{
	child_done(t);
	child_waits(t);
	char *p = anon(n);
	fill_pages(p, n);
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	ktap_exit();
}
/* Work in memory that is there, and nothing else. */
static void run_on(volatile char *p, size_t n, int rounds)
{
	while (rounds--)
		for (size_t i = 0; i < n; i += PAGE)
			p[i]++;
}

TEST_SLOW(nobody_is_killed_while_the_disk_does_not_answer)
{
	need("alloc");
	size_t n = 12 * MIB;
	pid_t child[4];
	struct turns turns;
	struct looks l = { .vmstat = OK(open("/proc/vmstat", O_RDONLY | O_CLOEXEC)) };
	swap_begin_slow();
	if (swap_is_sync(area))
		SKIP("no disk that answers later");
	char *resident = anon(4 * MIB);
	fill_pages(resident, 4 * MIB);
	OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	int release = OK(open(QUIRE_DIR "pause", O_WRONLY | O_CLOEXEC));
	turns_init(&turns);
	for (int i = 0; i < 4; i++) {
		char path[40];
		child[i] = ktap_fork();
		if (!child[i])
			fill_when_told(&turns, n);
		parent_waits(&turns);
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)child[i]);
		l.stat[i] = OK(open(path, O_RDONLY | O_CLOEXEC));
	}
	EXPECT_TRUE(ktap_until(all_wait(&l)));
	run_on(resident, 4 * MIB, 1);
	drop_caches();
	long kills = number_in(l.vmstat, "oom_kill"), out = number_in(l.vmstat, "pswpout");
	EXPECT_EQ(control("alloc", "fill %ld", zone_sum("high ") + (long)(n / PAGE)), 0);
	EXPECT_EQ(control("pause", "arm disk_write_done"), 0);
	EXPECT_EQ(write(turns.to_child[1], "xxxx", 4), 4);
	/* From the moment that none of them can go on, until this task has done its work: nobody tries again and again. */
	EXPECT_TRUE(ktap_until(number_in(l.vmstat, "nr_writeback") > 0 && all_wait(&l)));
	long runs = number_in(l.vmstat, "pageoutrun"), scans = scanned(&l);
	run_on(resident, 4 * MIB, 3000);
	runs = number_in(l.vmstat, "pageoutrun") - runs;
	scans = scanned(&l) - scans;
	EXPECT_EQ(write(release, "disarm", 6), 6);
	ktap_line("# %ld %ld", runs, scans);
	for (int i = 0; i < 4; i++)
		EXPECT_CHILD(child[i]);
	EXPECT_LE(runs, 16);
	EXPECT_LE(scans, 4 * (long)(n / PAGE));
	EXPECT_GE(vmstat("pswpout") - out, 4 * (long)(n / PAGE) / 2);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	release_all();
	swap_end();
}

/* ---- Which memory goes first ---- */

TEST(a_hot_set_keeps_its_frames_against_a_stream)
{
	need("alloc");
	swap_begin();
	size_t room = 12 * MIB, hot_n = room / 4;
	char *hot = anon(hot_n);
	fill_pages(hot, hot_n);
	leave_only(room);
	long out = vmstat("pswpout");
	char *stream = anon(3 * room);
	for (size_t i = 0; i < 3 * room; i += PAGE) {
		stream[i] = 1;
		if (!(i & (256 * 1024 - 1)))
			touch(hot, hot_n);
	}
	EXPECT_GT(vmstat("pswpout") - out, (long)(room / PAGE));
	EXPECT_LE(pages_swapped(hot, hot_n), hot_n / PAGE / 8);
	EXPECT_EQ(wrong_pages(hot, hot_n, 0), 0);
	munmap(stream, 3 * room);
	release_all();
	swap_end();
}

TEST(swappiness_takes_its_values)
{
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "201"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "-1"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "200"), 0);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "60"), 0);
}

/* Swappiness 0 keeps anonymous memory as long as there is something else; there is nothing else here. */
TEST(swappiness_0_does_not_prevent_swapping)
{
	need("alloc");
	swap_begin();
	size_t n = 16 * MIB;
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "0"), 0);
	long kills = vmstat("oom_kill");
	leave_only(n / 2);
	char *p = anon(n);
	fill_pages(p, n);
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", "60"), 0);
	release_all();
	munmap(p, n);
	swap_end();
}

/* ---- Files ---- */

TEST(the_huge_zero_page_goes_when_nobody_has_it)
{
	need("alloc");
	long made = vmstat("thp_zero_page_alloc");
	for (int i = 1; i <= 2; i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			char old[32], *p = reserve(HUGE);
			choose(THP_DIR "enabled", "madvise", old);
			OK(madvise(p, HUGE, MADV_HUGEPAGE));
			EXPECT_EQ(*(volatile char *)p, 0);
			EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "2"), 0);	/* in use: it stays */
			EXPECT_EQ(p[HUGE / 2], 0);
			p[HUGE / 2] = 1;
			EXPECT_EQ(p[0], 0);
			ktap_write(THP_DIR "enabled", old);
			ktap_exit();
		}
		EXPECT_CHILD(pid);
		drop_caches();
		EXPECT_LE(vmstat("thp_zero_page_alloc"), made + i);
	}
	EXPECT_GE(vmstat("thp_zero_page_alloc"), made + 1);
}

/* The blocks of a disk that nobody has written to are the first to go, without any swap. */
TEST(cached_blocks_make_room)
{
	need("alloc");
	int fd = open("/dev/ram0", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP("no disk");
	static char block[64 * 1024];
	size_t n = 24 * MIB, got = 0;
	drop_caches();
	while (got < n && read(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		got += sizeof(block);
	EXPECT_GE(vmstat("nr_inactive_file") + vmstat("nr_active_file"), (long)(got / PAGE / 2));
	long kills = vmstat("oom_kill"), stolen = vmstat("pgsteal_file");
	EXPECT_EQ(control("alloc", "fill %ld", zone_sum("high ")), 0);
	char *p = anon(n / 2);
	fill_pages(p, n / 2);
	EXPECT_GT(vmstat("pgsteal_file"), stolen);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	EXPECT_EQ(wrong_pages(p, n / 2, 0), 0);
	release_all();
	close(fd);
}

/* ---- Under load (T-RCL-14) ---- */

static void hog(char *shared, size_t n, int number, long rounds)
{
	char *p = anon(n);
	fill_pages(p, n);
	for (long r = 0; r < rounds; r++) {
		pid_t pid = r % 8 ? 0 : ktap_fork();
		if (r % 8 == 0 && !pid) {
			for (size_t i = 0; i < n; i += 7 * PAGE)
				p[i + 100]++;	/* its own copies */
			ktap_exit();
		}
		EXPECT_EQ(wrong_pages(p, n, 0), 0);
		__atomic_add_fetch(&shared[(ktap_random() % 64) * PAGE], 1, __ATOMIC_SEQ_CST);
		if (pid)
			EXPECT_CHILD(pid);
		if (ktap_random() % 4 == 0)
			madvise(p + ktap_random() % (n / PAGE) * PAGE, PAGE, MADV_PAGEOUT);
	}
	(void)number;
}

static void stress(const char *thp, int swappiness)
{
	need("alloc");
	enum { HOGS = 10 };
	char old[32];
	pid_t child[HOGS];
	size_t n = 4 * MIB;
	long rounds = ktap_scale(24), kills = vmstat("oom_kill");
	swap_begin_slow();
	char text[10];
	snprintf(text, sizeof(text), "%d", swappiness);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", text), 0);
	choose(THP_DIR "enabled", thp, old);
	char *shared = OK(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	memset(shared, 0, 64 * PAGE);
	leave_only(24 * MIB);
	for (int i = 0; i < HOGS; i++) {
		child[i] = ktap_fork();
		if (!child[i]) {
			hog(shared, n, i, rounds);
			ktap_exit();
		}
	}
	for (int i = 0; i < HOGS; i++)
		EXPECT_CHILD(child[i]);
	unsigned int sum = 0;
	for (int i = 0; i < 64; i++)
		sum += (unsigned char)shared[i * PAGE];
	EXPECT_EQ(sum % 256, (unsigned long)(HOGS * rounds) % 256);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	release_all();
	ktap_write(THP_DIR "enabled", old);
	ktap_write("/proc/sys/vm/swappiness", "60");
	munmap(shared, 64 * PAGE);
	swap_end();
}
TEST(hogs_share_too_little_memory) { stress("never", 60); }
TEST_SLOW(hogs_with_huge_pages) { stress("always", 60); }
TEST_SLOW(hogs_with_swappiness_0) { stress("always", 0); }
TEST_SLOW(hogs_with_swappiness_200) { stress("never", 200); }
