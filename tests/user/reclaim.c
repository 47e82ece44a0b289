/*
 * tests/user/reclaim.c - what reclaim does with single folios, and in which order lists are emptied
 * (rules RCL-1 to RCL-28). "scan" puts one folio through reclaim's decisions and tells which of its steps decided.
 */
#include "tests/user/reclaim.h"
#include <pthread.h>

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

static int migrate(const volatile char *p)
{
	return control("force", "migrate 0 0x%lx 0x%lx async", (unsigned long)p, (unsigned long)p + PAGE);
}

static volatile int stop;
static void *pageout_again_and_again(void *p)
{
	on_cpu((int)ktap_cpus - 1);
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
