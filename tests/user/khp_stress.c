/*
 * tests/user/khp_stress.c - everything at once against the collapse: khugepaged without a pause and MADV_COLLAPSE, against
 * fork, split, swap, migration, munmap, mremap and exit. Every byte is checked, the kernel's own check of its memory comes
 * last, and the counters of memory go back to what they were.
 *
 *	each process	a model of one range, changed by all there is, page by page: [2 MiB, twice]
 *			counters in another range, which a thread of its own raises all the time, and to which nothing is
 *			done that loses contents: a lost write is a lost count
 */
#include "tests/user/khugepaged.h"
#include "tests/user/swaparea.h"
#include <pthread.h>

#define RANGES		2
#define PAGES		(RANGES * HUGE / PAGE)
#define COUNTERS	(HUGE / PAGE)

struct churn {
	char *p;		/* the model's range */
	uint32_t want[PAGES];	/* what each page holds in its first and last word; 0: zeroes */
	uint64_t *counter;	/* one in each page of 2 MiB */
	bool stop;
	uint32_t next;
};
static struct churn c;

static uint32_t *first_word(size_t page) { return (uint32_t *)(c.p + page * PAGE); }
static uint32_t *last_word(size_t page) { return (uint32_t *)(c.p + (page + 1) * PAGE) - 1; }

static void write_page(size_t page)
{
	*first_word(page) = *last_word(page) = c.want[page] = ++c.next;
}
static int wrong_in_model(void)
{
	int wrong = 0;
	for (size_t i = 0; i < PAGES; i++)
		wrong += *first_word(i) != c.want[i] || *last_word(i) != c.want[i];
	return wrong;
}

/* Each page's counter is raised in turn, for as long as the process lives. The number of rounds. */
static void *count_up(void *unused)
{
	uint64_t rounds = 0;
	for (; !__atomic_load_n(&c.stop, __ATOMIC_ACQUIRE); rounds++)
		for (size_t i = 0; i < COUNTERS; i++)
			c.counter[i * PAGE / 8]++;
	return (void *)rounds;
}

/* ---- What is done to it ---- */

static void some_writes(void)
{
	size_t from = ktap_random() % PAGES, n = ktap_random() % 200;
	for (size_t i = from; i < from + n && i < PAGES; i++)
		write_page(i);
}
static void drop_some(void)
{
	size_t from = ktap_random() % PAGES, n = 1 + ktap_random() % 300;
	if (from + n > PAGES)
		n = PAGES - from;
	OK(madvise(c.p + from * PAGE, n * PAGE, MADV_DONTNEED));
	memset(&c.want[from], 0, n * sizeof(c.want[0]));
}
static void advise(int advice)
{
	size_t from = ktap_random() % PAGES, n = 1 + ktap_random() % PAGES;
	if (from + n > PAGES)
		n = PAGES - from;
	madvise(c.p + from * PAGE, n * PAGE, advice);
	madvise(c.counter, HUGE, advice);
}
/* Asked of both; it may say no for many reasons, none of which changes contents. */
static void collapse_both(void)
{
	collapse(c.p, PAGES * PAGE);
	collapse(c.counter, HUGE);
}
/* A child sees what is there, changes some of it for itself, and goes; at times at once. */
static void fork_one(void)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		if (ktap_random() % 2) {
			some_writes();
			collapse(c.p, PAGES * PAGE);
			EXPECT_EQ(wrong_in_model(), 0);
		}
		ktap_exit();
	}
	if (ktap_random() % 2)
		some_writes();
	EXPECT_CHILD(pid);
}
/* Moved to where nothing was, by pages that do not fit a table, and back. */
static void move_away_and_back(void)
{
	size_t n = PAGES * PAGE;
	char *to = OK(mmap(NULL, n + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	char *home = c.p;
	size_t skew = ktap_random() % 2 ? 0 : (ktap_random() % 512) * PAGE;
	char *moved = mremap(home, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to + skew);
	if (moved == MAP_FAILED && errno == EFAULT && !ktap_is_quire()) {
		munmap(to, n + HUGE);
		return;			/* several mappings do not move at once in older kernels */
	}
	c.p = OK(moved);
	some_writes();
	c.p = OK(mremap(c.p, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, home));
	munmap(to, n + HUGE);
}
static void unmap_some(void)
{
	size_t from = ktap_random() % PAGES, n = 1 + ktap_random() % 100;
	if (from + n > PAGES)
		n = PAGES - from;
	OK(mmap(c.p + from * PAGE, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(&c.want[from], 0, n * sizeof(c.want[0]));
}
static void protect_some(void)
{
	size_t from = ktap_random() % PAGES * PAGE;
	OK(mprotect(c.p + from, PAGE, PROT_READ));
	OK(mprotect(c.p + from, PAGE, PROT_READ | PROT_WRITE));
}
/* Splits and migrations by Quire's controls; elsewhere nothing. */
static void forced(const char *what)
{
	if (!have_control("force"))
		return;
	control("force", "%s 0 0x%lx 0x%lx", what, (unsigned long)c.p, (unsigned long)c.p + PAGES * PAGE);
	control("force", "%s 0 0x%lx 0x%lx", what, (unsigned long)c.counter, (unsigned long)c.counter + HUGE);
}
static void split_folios(void)
{
	char text[100];
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx,%d", getpid(), (unsigned long)c.p, (unsigned long)c.p + PAGES * PAGE,
		 (int)(ktap_random() % 3) * 2);
	ktap_write("/sys/kernel/debug/split_huge_pages", text);
}

static void do_something(void)
{
	switch (ktap_random() % 16) {
	case 0: case 1: case 2: some_writes(); break;
	case 3: drop_some(); break;
	case 4: case 5: collapse_both(); break;
	case 6: advise(MADV_PAGEOUT); break;
	case 7: advise(MADV_COLD); break;
	case 8: fork_one(); break;
	case 9: move_away_and_back(); break;
	case 10: unmap_some(); break;
	case 11: protect_some(); break;
	case 12: forced("migrate"); break;
	case 13: split_folios(); break;
	case 14: advise(MADV_HUGEPAGE); break;
	default: sched_yield(); break;
	}
}

/* ---- The processes ---- */

/* One of them: ROUNDS operations; it ends with its memory mapped, by exit. */
static void churn(int number, long rounds)
{
	pthread_t t;
	void *counted;
	int lost = 0;
	for (int i = 0; i <= number; i++)
		ktap_seed_state += ktap_random() + (uint64_t)number;
	c.p = reserve(RANGES * HUGE);
	c.counter = (uint64_t *)reserve(HUGE);
	OK(madvise(c.p, RANGES * HUGE, MADV_HUGEPAGE));
	OK(pthread_create(&t, NULL, count_up, NULL));
	for (long i = 0; i < rounds && !ktap_failed; i++) {
		do_something();
		if (i % 16 == 15)
			EXPECT_EQ(wrong_in_model(), 0);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
	pthread_join(t, &counted);
	for (size_t i = 0; i < COUNTERS; i++)
		lost += c.counter[i * PAGE / 8] != (uint64_t)(uintptr_t)counted;
	EXPECT_EQ(lost, 0);
	EXPECT_EQ(wrong_in_model(), 0);
}

static long anon_pages(void) { return vmstat("nr_anon_pages"); }

static void churn_all(const char *swap, int processes, long rounds)
{
	khugepaged_rests();
	if (swap)
		setenv("SWAP_DISK", swap, 1);
	const char *disk = swap && !access(swap, W_OK) ? swap_on(0) : NULL;
	long before = anon_pages(), collapsed = khugepaged_number("pages_collapsed"), alloc = vmstat("thp_collapse_alloc");
	pid_t pid[8];
	knob("pages_to_scan", "4096");
	knob("scan_sleep_millisecs", "1");
	knob("alloc_sleep_millisecs", "1");
	knob("max_ptes_shared", "511");
	for (int i = 0; i < processes; i++) {
		pid[i] = ktap_fork();
		if (!pid[i]) {
			churn(i, rounds);
			ktap_exit();
		}
	}
	for (int i = 0; i < processes; i++)
		EXPECT_CHILD(pid[i]);
	khugepaged_rests();
	ktap_line("# %ld collapses tried, %ld done by khugepaged", vmstat("thp_collapse_alloc") - alloc,
		  khugepaged_number("pages_collapsed") - collapsed);
	EXPECT_TRUE(ktap_until(anon_pages() <= before + 600));
	if (disk)
		swap_off(disk);
}

TEST_LIMIT(against_everything, 3600)	{ churn_all("/dev/ram0", 4, ktap_scale(2000)); }
TEST_LIMIT(with_a_disk, 3600)		{ churn_all("/dev/vda", 3, ktap_scale(600)); }
TEST_LIMIT(without_swap, 3600)		{ churn_all(NULL, 4, ktap_scale(1000)); }

TEST(defaults_are_back)
{
	if (access(KHUGEPAGED "scan_sleep_millisecs", W_OK))
		SKIP("no khugepaged");
	khugepaged_defaults();
}
