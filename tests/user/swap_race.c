/*
 * tests/user/swap_race.c - swapping against everybody else: writers with stale TLB entries (T-COW-17, T-RCL-2, T-RCL-3),
 * pins (T-SWAP-6), slots that are used again (T-SWAP-7), disks that fail or are slow (SWAP-20), and a load of all kinds.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"
#include <pthread.h>
#include <setjmp.h>

/* ---- A CPU that stores without a pause ---- */

static volatile uint64_t *volatile word;	/* what is counted up */
static volatile uint64_t stored;		/* what it must be, seen by the writer */
static volatile int stop, faulted, wrong;
static bool only_stores;			/* the writer never reads what it wrote */
static volatile pid_t writer_tid;
static __thread sigjmp_buf jump;
static __thread bool in_writer;

static void on_fault(int sig)
{
	if (!in_writer)
		_exit(77);
	siglongjmp(jump, 1);
}

static void *writer(void *unused)
{
	uint64_t mine;
	on_cpu(1);
	writer_tid = (pid_t)syscall(SYS_gettid);
	in_writer = true;
	if (sigsetjmp(jump, 1)) {
		faulted = 1;
		while (faulted && !stop)
			sched_yield();
	}
	mine = *word;
	while (!stop) {
		/* Still what it was? A store that went to the old frame is noticed when the new one is there. */
		if (!only_stores && *word != mine)
			wrong++;
		*word = ++mine;
		stored = mine;
	}
	return NULL;
}
static pthread_t start_writer(volatile void *at)
{
	struct sigaction sa = { .sa_handler = on_fault };
	pthread_t t;
	if (ktap_cpus < 2)
		SKIP("needs two CPUs");
	sigaction(SIGSEGV, &sa, NULL);
	on_cpu(0);
	word = at;
	stop = faulted = wrong = 0;
	stored = 0;
	OK(-pthread_create(&t, NULL, writer, NULL));
	ASSERT_TRUE(ktap_until(stored > 0));
	return t;
}
static void stop_writer(pthread_t t)
{
	stop = 1;
	pthread_join(t, NULL);
	EXPECT_EQ(wrong, 0);
}
/* In a fault, for the folio that is being paged out: its CPU had lost the translation by itself. */
static bool writer_waits(void)
{
	char dir[60];
	snprintf(dir, sizeof(dir), "/proc/self/task/%d", (int)writer_tid);
	return ktap_state_of(dir) == 'D';
}
static void writer_goes_on(void)
{
	uint64_t seen = stored;
	EXPECT_TRUE(ktap_until(stored != seen));
}

/* T-COW-17, T-RCL-2: no store is lost between the clearing of the PTE and the disk's reading of the page. */
TEST_KINDS(no_store_is_lost_when_the_page_goes_out)
{
	const char *disk = swap_on(0);
	on_cpu(0);		/* whose LRU batch the pages are in, and which drains it */
	char *p = area_of(k);
	long out = vmstat("pswpout");
	pthread_t t = start_writer(p + 5 * PAGE);

	/* Where the writer is back before the write begins the page is kept: some rounds are in vain. */
	for (int i = 0; i < ktap_scale(200) || vmstat("pswpout") == out; i++) {
		OK(madvise(p, k->size, MADV_PAGEOUT));
		if (i % 16 == 0)
			writer_goes_on();
	}
	writer_goes_on();
	stop_writer(t);
	EXPECT_EQ(*word, stored);
	EXPECT_GT(vmstat("pswpout"), out);
	EXPECT_EQ(wrong_pages(p, 5 * PAGE, 0), 0);
	EXPECT_EQ(wrong_pages(p + 6 * PAGE, k->size - 6 * PAGE, 6), 0);
	swap_off(disk);
}

/* T-RCL-2, parked in both windows. */
static volatile int was_parked;
static void *pageout_thread(void *arg)
{
	const struct kind *k = arg;
	char *p = (char *)((uintptr_t)word & ~(k->size - 1));
	/* A page that the writer has just brought back is in its CPU's LRU batch. */
	while (!was_parked) {
		EXPECT_EQ(control("force", "drain %d 0 0", (int)getpid()), 0);
		OK(madvise(p, k->size, MADV_PAGEOUT));
	}
	return NULL;
}
static void parked_writer(const struct kind *k, const char *point)
{
	const char *disk = swap_on(0);
	char *p;
	pthread_t t, pager;

	on_cpu(0);
	p = area_of(k);
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	/* The area begins at a multiple of its size, so that the thread finds it. */
	if ((uintptr_t)p & (k->size - 1))
		SKIP("unaligned");
	t = start_writer(p + 5 * PAGE);
	for (int i = 0; i < ktap_scale(1000); i++) {
		ASSERT_EQ(control("pause", "arm %s %d once", point, (int)getpid()), 0);
		was_parked = 0;
		OK(-pthread_create(&pager, NULL, pageout_thread, (void *)k));
		ASSERT_TRUE(ktap_until(parked_at(point) == 1));
		was_parked = 1;
		ktap_sleep_ms(1);	/* the length of the window */
		EXPECT_EQ(control("pause", "release %s", point), 0);
		pthread_join(pager, NULL);
		writer_goes_on();
	}
	stop_writer(t);
	EXPECT_EQ(*word, stored);
	swap_off(disk);
}
TEST_LIMIT(a_store_between_unmap_and_flush_4k, 3600) { parked_writer(SMALL, "unmap_flush"); }
TEST_LIMIT(a_store_between_unmap_and_flush_64k, 3600) { parked_writer(BY_64K, "unmap_flush"); }
TEST_LIMIT(a_store_between_unmap_and_flush_2m_pmd, 3600) { parked_writer(BY_PMD, "unmap_flush"); }
TEST_LIMIT(a_store_between_flush_and_write_4k, 3600) { parked_writer(SMALL, "reclaim_flushed"); }
TEST_LIMIT(a_store_between_flush_and_write_64k, 3600) { parked_writer(BY_64K, "reclaim_flushed"); }
TEST_LIMIT(a_store_between_flush_and_write_2m_pmd, 3600) { parked_writer(BY_PMD, "reclaim_flushed"); }

/*
 * T-RCL-3: reclaim has cleared the PTE and owes the flush; it holds no lock of the mm. Who takes the mapping away does the
 * flush: when the call has returned, no store reaches the page by the old entry. Where there is no right to store any more
 * the storing CPU faults, at the latest when reclaim goes on.
 */
enum taker { PROTECT, UNMAP, MOVE, DROP, FREE };

static void take_away(enum taker how, char *p, char *to)
{
	switch (how) {
	case PROTECT:
		OK(mprotect(p, PAGE, PROT_READ));
		break;
	case UNMAP:
		OK(munmap(p, PAGE));
		ASSERT_TRUE(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
		break;
	case MOVE:
		ASSERT_TRUE(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		break;
	case DROP:
		OK(madvise(p, PAGE, MADV_DONTNEED));
		break;
	case FREE:
		OK(madvise(p, PAGE, MADV_FREE));
		break;
	}
}
/* False: the writer's CPU had lost the translation by itself before the call, so that there was nothing to see. */
static bool owed_flush_is_done(enum taker how)
{
	const char *disk = swap_on(0);
	bool no_more = how == PROTECT || how == MOVE, storing;
	char *p = anon(PAGE), *to = anon(PAGE);
	uint64_t seen;
	pthread_t t;
	pid_t scanner;

	on_cpu(0);
	if (!have_control("force"))
		SKIP("needs Quire's controls");
	only_stores = true;	/* a read could wait for the folio, which is locked */
	t = start_writer(p);
	scanner = ktap_fork();
	if (!scanner) {
		/* The first scans see it young; but the writer's CPU does not look at the PTE again. */
		for (;;)
			control("force", "scan %d 0x%lx 0x%lx", (int)getppid(), (unsigned long)p, (unsigned long)p + PAGE);
	}
	ASSERT_EQ(control("pause", "arm unmap_flush %d", (int)scanner), 0);
	ASSERT_TRUE(ktap_until(parked_at("unmap_flush") == 1));
	seen = stored;
	EXPECT_TRUE(ktap_until(stored > seen + 1 || writer_waits()));
	storing = stored > seen + 1;
	take_away(how, p, to);
	seen = stored;		/* one more may be on its way to be noted */
	EXPECT_TRUE(ktap_until(faulted || stored > seen + 1 || writer_waits()));
	if (no_more)
		EXPECT_LE(stored, seen + 1);
	else	/* in new memory */
		EXPECT_TRUE(faulted || stored <= seen + 1 || *(volatile uint64_t *)p);
	EXPECT_EQ(control("pause", "disarm unmap_flush"), 0);
	kill(scanner, SIGKILL);
	EXPECT_EQ(control("pause", "release unmap_flush"), 0);
	EXPECT_STATUS(scanner, KILLED_BY(SIGKILL));
	if (no_more) {
		EXPECT_TRUE(ktap_until(faulted));
		word = (uint64_t *)(how == MOVE ? to : p);	/* where the writer may look on its way out */
		EXPECT_EQ(*word, stored);
	}
	stop_writer(t);
	swap_off(disk);
	return storing;
}
static void owed_flush(enum taker how)
{
	for (int rounds = 0; rounds < 20; rounds++)
		if (owed_flush_is_done(how))
			return;
	KTAP_FAIL("# the writer never stored by an old entry");
}
TEST(mprotect_does_the_flush_that_is_owed) { owed_flush(PROTECT); }
TEST(munmap_does_the_flush_that_is_owed) { owed_flush(UNMAP); }
TEST(mremap_does_the_flush_that_is_owed) { owed_flush(MOVE); }
TEST(dontneed_does_the_flush_that_is_owed) { owed_flush(DROP); }
TEST(madv_free_does_the_flush_that_is_owed) { owed_flush(FREE); }

/* ---- T-SWAP-6: a pin and the way out at the same time ---- */

struct pinner { char *p; volatile int stop; long pins, bad; };
static void *pin_thread(void *arg)
{
	struct pinner *a = arg;
	on_cpu((int)ktap_cpus - 1);
	int fd = gup_open();
	char seen[PAGE], mark = 'a';

	for (; !a->stop; a->pins++) {
		if (gup_pin(fd, a->p, PAGE, PIN_WRITE | (a->pins % 2 ? PIN_FAST : 0)))
			continue;
		/* While it is pinned the page is the process's own, and stays where it is. */
		mark = mark == 'z' ? 'a' : mark + 1;
		a->bad += is_swapped(a->p);
		*(volatile char *)a->p = mark;
		gup_read(fd, seen);
		a->bad += seen[0] != mark;
		gup_unpin(fd);
		/* Time for others: a folio that is pinned always never goes out. */
		for (uint64_t i = ktap_random() % 4096; i; i--)
			__asm__ volatile("pause");
	}
	close(fd);
	return NULL;
}
TEST_KINDS(a_pinned_page_is_never_a_swap_entry)
{
	const char *disk = swap_on(0);
	struct pinner a = { 0 };
	long out = vmstat("pswpout");
	pthread_t t;

	on_cpu(0);
	a.p = area_of(k);
	close(gup_open());
	OK(-pthread_create(&t, NULL, pin_thread, &a));
	for (int i = 0; i < ktap_scale(300) || a.pins < 10 || vmstat("pswpout") == out; i++)
		OK(madvise(a.p, k->size, MADV_PAGEOUT));
	a.stop = 1;
	pthread_join(t, NULL);
	EXPECT_EQ(a.bad, 0);
	EXPECT_GT(vmstat("pswpout"), out);
	swap_off(disk);
}

struct bytes { char *p; size_t n; };
static void *page_out_bytes(void *arg)
{
	const struct bytes *b = arg;
	OK(madvise(b->p, b->n, MADV_PAGEOUT));
	return NULL;
}
static void pinned_on_the_way_out(const struct kind *k, unsigned int how)
{
	struct bytes folio = { area_of(k), PAGE << k->order };
	volatile char *p = folio.p;
	uint64_t *before = frames_of(folio.p, folio.n);
	int fd = gup_open();
	char seen[PAGE];
	pthread_t t;
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	EXPECT_EQ(control("pause", "arm unmap_walk %d once", (int)getpid()), 0);
	OK(-pthread_create(&t, NULL, page_out_bytes, &folio));
	ASSERT_TRUE(ktap_until(parked_at("unmap_walk") == 1));
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE | how), 0);
	EXPECT_EQ(control("pause", "release unmap_walk"), 0);
	pthread_join(t, NULL);
	EXPECT_EQ(frames_changed(folio.p, folio.n, before), 0);
	*p = 'P';
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'P');
	EXPECT_EQ(frames_changed(folio.p, folio.n, before), 0);
	gup_unpin(fd);
	close(fd);
	free(before);
}
/* Step by step: reclaim saw no pin, then there is one. The page stays mapped, and the process's own. */
TEST_KINDS(a_pin_just_before_the_unmapping)
{
	const char *disk = swap_on(0);
	on_cpu(0);
	pinned_on_the_way_out(k, 0);
	pinned_on_the_way_out(k, PIN_FAST);
	swap_off(disk);
}

/* ---- T-SWAP-7 ---- */

/* Out of the swap cache, where an asynchronous disk leaves what was written. */
static int drop_cached(char *p, size_t n)
{
	return control("force", "swapcache %d 0x%lx 0x%lx drop", (int)getpid(), (unsigned long)p, (unsigned long)(p + n));
}

static void *touch_thread(void *p)
{
	return (void *)(long)*(volatile char *)p;
}
static void recycled_slot(const char *point, bool cached)
{
	const char *disk = swap_on(2);		/* one slot */
	char *p = anon(PAGE), *q = anon(PAGE);
	uint64_t entry;
	pthread_t t;
	void *read;

	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	fill_pages(p, PAGE);
	memset(q, 'Q', PAGE);
	ASSERT_EQ(page_out(p, PAGE), 1);
	entry = pagemap(p);
	ASSERT_EQ(drop_cached(p, PAGE), 0);
	if (cached)
		OK(madvise(p, PAGE, MADV_WILLNEED));
	ASSERT_EQ(control("pause", "arm %s %d once", point, (int)getpid()), 0);
	OK(-pthread_create(&t, NULL, touch_thread, p));
	ASSERT_TRUE(ktap_until(parked_at(point) == 1));
	/* The thread has read the entry of P. Its slot goes, and comes to Q. */
	OK(madvise(p, PAGE, MADV_DONTNEED));
	if (!cached) {
		EXPECT_EQ(page_out(q, PAGE), 1);
		EXPECT_EQ(pagemap(q), entry);
	}
	EXPECT_EQ(control("pause", "release %s", point), 0);
	pthread_join(t, &read);
	EXPECT_EQ((long)read, 0);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(q[0], 'Q');
	EXPECT_EQ(q[PAGE - 1], 'Q');
	swap_off(disk);
}
TEST(a_recycled_slot_is_noticed) { recycled_slot("swapin_read", false); }
TEST(a_freed_entry_is_noticed_with_the_folio_in_hand) { recycled_slot("swapin_found", true); }

/* ---- SWAP-20: faulty disks ---- */

TEST(a_failed_read_is_sigbus_for_the_reader)
{
	const char *disk = swap_on(0);
	char *p = anon(4 * PAGE);

	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	fill_pages(p, 4 * PAGE);
	ASSERT_EQ(page_out(p, 4 * PAGE), 4);
	ASSERT_EQ(drop_cached(p, 4 * PAGE), 0);
	ASSERT_EQ(control("fail", "disk_read"), 0);
	EXPECT_EQ(touch_signal(p + PAGE, false), SIGBUS);
	EXPECT_EQ(control("fail", "off disk_read"), 0);
	/* As long as what could not be read is cached, nobody asks the disk again. */
	EXPECT_EQ(touch_signal(p + PAGE, true), SIGBUS);
	EXPECT_TRUE(is_swapped(p + PAGE));
	ASSERT_EQ(drop_cached(p, 4 * PAGE), 0);
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
	swap_off(disk);
}

TEST_KINDS(a_failed_write_leaves_the_page_in_memory)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);

	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	/* Each of them, from now on: nothing may be lost. */
	ASSERT_EQ(control("fail", "disk_write"), 0);
	for (int i = 0; i < 3; i++) {
		OK(madvise(p, k->size, MADV_PAGEOUT));
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	}
	EXPECT_EQ(control("fail", "off disk_write"), 0);
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	swap_off(disk);
}

/* A disk that does not answer a write: the page is there all the same, for reading and writing. */
TEST_KINDS(a_slow_write_stalls_nobody)
{
	const char *disk = swap_on_async();
	char *p = area_of(k);
	long in = vmstat("pswpin");

	if (!have_control("pause") || swap_is_sync(disk))
		SKIP("needs Quire's controls, and an asynchronous disk");
	ASSERT_EQ(control("pause", "arm disk_write_done"), 0);
	OK(madvise(p, k->size, MADV_PAGEOUT));
	EXPECT_EQ(pages_swapped(p, k->size), k->size / PAGE);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	p[PAGE] = 'W';
	EXPECT_EQ(vmstat("pswpin"), in);
	EXPECT_EQ(control("pause", "disarm disk_write_done"), 0);
	EXPECT_EQ(control("pause", "release disk_write_done"), 0);
	EXPECT_EQ(p[PAGE], 'W');
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(p[PAGE], 'W');
	swap_off(disk);
}
/* SWAP-14: a slot is nobody else's as long as the disk may still write to it. */
TEST(a_slot_is_not_used_again_during_its_write)
{
	const char *disk = swap_on_async();
	char *p = anon(PAGE), *q = anon(PAGE);
	uint64_t slot;

	if (!have_control("pause") || swap_is_sync(disk))
		SKIP("needs Quire's controls, and an asynchronous disk");
	fill_pages(p, PAGE);
	memset(q, 'Q', PAGE);
	EXPECT_EQ(control("force", "drain %d 0 0", (int)getpid()), 0);
	ASSERT_EQ(control("pause", "arm disk_write_done"), 0);
	ASSERT_EQ(page_out(p, PAGE), 1);
	slot = pagemap(p);
	OK(madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_EQ(page_out(q, PAGE), 1);
	EXPECT_NE(pagemap(q), slot);
	EXPECT_EQ(control("pause", "disarm disk_write_done"), 0);
	EXPECT_EQ(control("pause", "release disk_write_done"), 0);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(q[PAGE - 1], 'Q');
	swap_off(disk);
}

/* ---- Load ---- */

/* Each page says whose it is, which one, and how often it was written. */
static void write_page(char *p, uint64_t who, uint64_t i, uint64_t gen)
{
	uint64_t *w = (uint64_t *)(p + i * PAGE);
	w[0] = who << 32 | i;
	w[1] = gen;
	w[511] = ~w[0] ^ gen;
}
static bool right_page(const char *p, uint64_t who, uint64_t i, uint64_t gen)
{
	const uint64_t *w = (const uint64_t *)(p + i * PAGE);
	return w[0] == (who << 32 | i) && w[1] == gen && w[511] == (~w[0] ^ gen);
}

static void mixed_load(uint64_t who, size_t pages, long rounds)
{
	char *p = reserve(pages * PAGE), *shared;
	uint32_t *gen = calloc(pages, sizeof(*gen));

	if (who % 3 == 0)
		madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	shared = OK(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (size_t i = 0; i < 64; i++)
		write_page(shared, who, i, 0);
	for (size_t i = 0; i < pages; i++)
		write_page(p, who, i, 0);
	for (long r = 0; r < rounds; r++) {
		size_t i = ktap_random() % pages, n = ktap_random() % (pages - i) + 1;
		switch (ktap_random() % 8) {
		case 0: case 1:
			madvise(p + i * PAGE, n * PAGE, MADV_PAGEOUT);
			break;
		case 2:
			madvise(shared, 64 * PAGE, MADV_PAGEOUT);
			for (size_t j = 0; j < 64; j++)
				EXPECT_TRUE(right_page(shared, who, j, 0));
			break;
		case 3: {
			pid_t pid = ktap_fork();
			if (!pid) {
				for (size_t j = i; j < i + n; j++) {
					EXPECT_TRUE(right_page(p, who, j, gen[j]));
					if (j % 3 == 0)
						write_page(p, who, j, 99);
				}
				ktap_exit();
			}
			for (size_t j = i; j < i + n; j += 5)
				write_page(p, who, j, ++gen[j]);
			EXPECT_CHILD(pid);
			break;
		}
		case 4:
			OK(madvise(p + i * PAGE, n * PAGE, MADV_DONTNEED));
			for (size_t j = i; j < i + n; j++)
				write_page(p, who, j, gen[j] = 0);
			break;
		case 5:
			OK(mprotect(p + i * PAGE, n * PAGE, PROT_READ));
			OK(mprotect(p + i * PAGE, n * PAGE, PROT_READ | PROT_WRITE));
			break;
		default:
			for (size_t j = i; j < i + n; j++) {
				EXPECT_TRUE(right_page(p, who, j, gen[j]));
				if (ktap_random() % 2)
					write_page(p, who, j, ++gen[j]);
			}
		}
	}
	for (size_t i = 0; i < pages; i++)
		EXPECT_TRUE(right_page(p, who, i, gen[i]));
}

static void many_loads(int processes, size_t pages, long rounds)
{
	pid_t pid[16];
	for (int i = 0; i < processes; i++) {
		pid[i] = ktap_fork();
		if (!pid[i]) {
			ktap_seed_state = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15ull;
			mixed_load((uint64_t)i, pages, rounds);
			ktap_exit();
		}
	}
	for (int i = 0; i < processes; i++)
		EXPECT_CHILD(pid[i]);
}

TEST(contents_under_a_mixed_load)
{
	const char *disk = swap_on(0);
	many_loads(4, 1024, ktap_scale(150));
	swap_off(disk);
}

/* The area is much too small: every way back from "no slot" is taken. */
TEST(contents_when_slots_are_short)
{
	const char *disk = swap_on(1025);
	many_loads(4, 1024, ktap_scale(100));
	swap_off(disk);
}

/* More than there is memory: reclaim decides what goes. Nobody is killed as long as there are slots. */
TEST_SLOW(memory_larger_than_ram)
{
	const char *disk = swap_on(0);
	long ram = meminfo_kb("MemAvailable"), half = meminfo_kb("SwapFree") / 2, kills = vmstat("oom_kill");
	size_t pages = (size_t)(ram + (half < ram ? half : ram)) / 4 / 4;
	pid_t pid[4];

	for (uint64_t who = 0; who < 4; who++) {
		pid[who] = ktap_fork();
		if (!pid[who]) {
			char *p = reserve(pages * PAGE);
			if (who % 2)
				madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
			for (uint64_t gen = 0; gen < (uint64_t)ktap_scale(2); gen++) {
				for (size_t i = 0; i < pages; i++)
					write_page(p, who, i, gen);
				for (size_t i = 0; i < pages; i++)
					EXPECT_TRUE(right_page(p, who, i, gen));
			}
			ktap_exit();
		}
	}
	for (int i = 0; i < 4; i++)
		EXPECT_CHILD(pid[i]);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	swap_off(disk);
}
