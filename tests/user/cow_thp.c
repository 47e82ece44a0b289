/*
 * tests/user/cow_thp.c - copy-on-write of large folios: which writes copy, which take a page over, and what is
 * left of the folio (rules COW-7 to COW-19, COW-28, MMID-10; scenarios T-COW-1 to 6, 11, 13, 14).
 *
 * State is told by frame numbers, by counters, and by the folio control: {total mapcount, references, mappings by
 * the first mm, by the second, SHARED}.
 */
#include "tests/user/large.h"
#include <pthread.h>

static bool is_large_rule_tested(void)
{
	if (!large_folios_are_reused())
		SKIP("a kernel that copies every page of a large folio");
	return true;
}
/* Write to page I; how many pages were taken over for it. */
static long reused_by_write(char *p, size_t i)
{
	long before = vmstat("pgreuse");
	p[i * PAGE + 200] = 'W';
	return vmstat("pgreuse") - before;
}
/* This process, its memory written to once: its stack and data make no COW faults of their own between two readings. */
static void settle(void)
{
	vmstat("pgreuse");
	vmstat("pgreuse");
}

/* T-COW-1: forked, and the child gone: each first write takes its page over, and no other. */
TEST_LARGE_KINDS(parent_reuses_after_the_child_is_gone)
{
	is_large_rule_tested();
	char *p = area_of(k);
	long n = (long)(k->size / PAGE);
	uint64_t *pfn = pfns(p, k->size);
	struct turns t;
	turns_init(&t);
	EXPECT_STATE(p, n, n, n, 0, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_STATE(p, 2 * n, 2 * n, n, n, 1);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_STATE(p, n, n, n, 0, 0);
	settle();
	EXPECT_EQ(reused_by_write(p, 7), 1);
	EXPECT_EQ(reused_by_write(p, 7), 0);	/* writable now */
	EXPECT_EQ(reused_by_write(p, 8), 1);	/* COW-11: it was still read-only */
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	EXPECT_STATE(p, n, n, n, 0, 0);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

/* While the child lives each write copies one page, on either side. */
TEST_KINDS(both_sides_copy_while_both_live)
{
	char *p = area_of(k);
	uint64_t *pfn = pfns(p, k->size);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		p[3 * PAGE] = 'C';
		EXPECT_EQ(moved_pages(p, k->size, pfn), 1);
		EXPECT_EQ(p[3 * PAGE + 1], byte_of(3));
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(moved_pages(p, k->size, pfn), 1);
		EXPECT_EQ(p[4 * PAGE], byte_of(4));
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	p[4 * PAGE] = 'P';
	EXPECT_EQ(moved_pages(p, k->size, pfn), 1);
	EXPECT_EQ(p[3 * PAGE], byte_of(3));
	child_go(&t);
	EXPECT_CHILD(pid);
}

/* ---- The half/half counterexample: T-COW-2, 3, 4 ---- */

/* Move each folio of PID's range to other frames; true if all went. */
static bool force_migrate(pid_t pid, const char *p, size_t n)
{
	if (control("force", "migrate %d 0x%lx 0x%lx sync", (int)pid, (unsigned long)p, (unsigned long)p + n))
		return false;
	return strstr(ktap_read(QUIRE_DIR "force"), "\nresult: ok\n") != NULL;
}

struct halves { char *low, *high; size_t half; uint64_t *pfn; struct turns t; };
/*
 * Parent and child share a PTE-mapped huge page; the child keeps the lower half, the parent the upper one. Returns in
 * both: the child's pid, or 0.
 */
static pid_t share_by_halves(struct halves *h)
{
	char *p = area_of(BY_PTES);
	*h = (struct halves){ .low = p, .high = p + HUGE / 2, .half = HUGE / 2, .pfn = pfns(p, HUGE) };
	turns_init(&h->t);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(munmap(h->high, h->half));
		child_done(&h->t);
		child_waits(&h->t);
		return 0;
	}
	parent_waits(&h->t);
	return pid;
}

TEST(half_and_half_is_not_one_owner)
{
	struct halves h;
	long queued = vmstat("thp_deferred_split_page");
	pid_t pid = share_by_halves(&h);
	if (!pid) {
		EXPECT_STATE(h.low, 512, 512, 256, 256, 1);
		h.low[7 * PAGE + 200] = 'C';
		EXPECT_NE(pfn_of(h.low + 7 * PAGE), h.pfn[7]);
		EXPECT_EQ(moved_pages(h.low, h.half, h.pfn), 1);
		EXPECT_STATE(h.low + PAGE, 511, 511, 256, 255, 1);
		child_done(&h.t);
		child_waits(&h.t);
		EXPECT_EQ(wrong_pages(h.low, h.half, 0), 0);
		if (have_control("force")) {
			/* Every entry was found: none stayed behind on the old frames, and all are present. */
			uint64_t *before = pfns(h.low, h.half);
			EXPECT_TRUE(force_migrate(getpid(), h.low, h.half));
			EXPECT_EQ(moved_pages(h.low, h.half, before), h.half / PAGE);
			EXPECT_EQ(wrong_pages(h.low, h.half, 0), 0);
			for (size_t i = 0; i < h.half; i += PAGE)
				EXPECT_TRUE(is_present(h.low + i));
		}
		ktap_exit();
	}
	/* With a count for each page: mapped once. That is not the question. */
	bool per_page = kpagecount(h.pfn[0]) == 2 && kpagecount(h.pfn[400]) == 1;
	OK(munmap(h.low, h.half));
	EXPECT_EQ(kpagecount(h.pfn[0]), 1);
	EXPECT_EQ(!!(pagemap(h.high) & PM_EXCLUSIVE), per_page);
	if (ktap_is_quire() && per_page)
		EXPECT_EQ(vmstat("thp_deferred_split_page"), queued);
	child_go(&h.t);
	parent_waits(&h.t);
	if (ktap_is_quire() && per_page)
		EXPECT_EQ(vmstat("thp_deferred_split_page"), queued + 1);
	EXPECT_EQ(moved_pages(h.high, h.half, h.pfn + 256), 0);
	if (have_control("force")) {
		EXPECT_TRUE(force_migrate(getpid(), h.high, h.half));
		EXPECT_EQ(moved_pages(h.high, h.half, h.pfn + 256), h.half / PAGE);
	}
	EXPECT_EQ(wrong_pages(h.high, h.half, 256), 0);
	child_go(&h.t);
	EXPECT_CHILD(pid);
}

/* T-SHR-6: what the owner query says of a small page. */
TEST(a_small_page_is_shared_while_two_map_it)
{
	if (!have_control("folio"))
		SKIP("needs Quire's controls");
	char *p = area_of(SMALL);
	EXPECT_EQ(folio_number(getpid(), p, "maybe_mapped_shared"), 0);
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	EXPECT_EQ(folio_number(getpid(), p, "maybe_mapped_shared"), 1);
	OK(kill(pid, SIGKILL));
	EXPECT_STATUS(pid, KILLED_BY(SIGKILL));
	EXPECT_EQ(folio_number(getpid(), p, "maybe_mapped_shared"), 0);
}

/* The whole folio moves, with the entries of both. */
TEST(migration_finds_both_halves)
{
	struct halves h;
	if (!have_control("force"))
		SKIP("no force control");
	pid_t pid = share_by_halves(&h);
	if (!pid) {
		EXPECT_TRUE(in_blocks(h.low, h.half, HUGE_ORDER - 1));
		EXPECT_EQ(moved_pages(h.low, h.half, h.pfn), h.half / PAGE);
		EXPECT_STATE(h.low, 512, 512, 256, 256, 1);
		EXPECT_EQ(wrong_pages(h.low, h.half, 0), 0);
		ktap_exit();
	}
	OK(munmap(h.low, h.half));
	EXPECT_TRUE(force_migrate(getpid(), h.high, h.half));
	EXPECT_EQ(moved_pages(h.high, h.half, h.pfn + 256), h.half / PAGE);
	EXPECT_EQ(wrong_pages(h.high, h.half, 256), 0);
	child_go(&h.t);
	EXPECT_CHILD(pid);
}

/* T-COW-3: the parent is gone: what is left belongs to the child, which takes it over. */
TEST(the_other_half_gone_it_is_one_owner)
{
	is_large_rule_tested();
	struct halves h;
	pid_t pid = share_by_halves(&h);
	if (!pid) {
		settle();
		h.low[7 * PAGE] = 'C';
		child_done(&h.t);
		child_waits(&h.t);
		EXPECT_STATE(h.low, 255, 255, 0, 255, 0);
		EXPECT_EQ(reused_by_write(h.low, 9), 1);
		EXPECT_EQ(moved_pages(h.low, h.half, h.pfn), 1);
		ktap_exit();
	}
	OK(munmap(h.low, h.half));
	child_go(&h.t);
	parent_waits(&h.t);
	OK(munmap(h.high, h.half));
	child_go(&h.t);
	EXPECT_CHILD(pid);
}

/*
 * T-COW-4: the rule of 2016. "No page is mapped twice" lets the child take the page over and narrow the anon_vma to
 * itself; then the parent's entries are not found any more.
 */
TEST(largest_mapcount_rule_loses_the_other_half)
{
	struct halves h;
	if (!have_control("variant") || !have_control("force"))
		SKIP("no historical rules here");
	pid_t pid = share_by_halves(&h);
	if (!pid) {
		h.low[7 * PAGE + 200] = 'C';
		EXPECT_EQ(moved_pages(h.low, h.half, h.pfn), 0);
		child_done(&h.t);
		child_waits(&h.t);
		EXPECT_EQ(wrong_pages(h.low, h.half, 0), 0);
		ktap_exit();
	}
	OK(munmap(h.low, h.half));
	EXPECT_EQ(control("variant", "max_subpage_mapcount"), 0);
	child_go(&h.t);
	parent_waits(&h.t);
	EXPECT_EQ(control("variant", "none"), 0);
	EXPECT_TRUE(!force_migrate(getpid(), h.high, h.half));
	EXPECT_EQ(moved_pages(h.high, h.half, h.pfn + 256), 0);
	EXPECT_EQ(wrong_pages(h.high, h.half, 256), 0);
	/* Before the child: the folio names the child's anon_vma. */
	OK(munmap(h.high, h.half));
	child_go(&h.t);
	EXPECT_CHILD(pid);
}

/* ---- Mapped by PMDs ---- */

/* T-COW-5: the child's write splits its own mapping and copies 4 KiB; the parent's stays huge. */
TEST(child_write_copies_one_page_of_a_huge_page)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *pfn = pfns(p, HUGE);
	long splits = vmstat("thp_split_pmd"), queued = vmstat("thp_deferred_split_page");
	struct turns t;
	turns_init(&t);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(huge_mapped(p), 2048);
		EXPECT_STATE(p, 2, 2, 1, 1, 1);
		p[100 * PAGE] = 'C';
		EXPECT_EQ(huge_mapped(p), 0);
		EXPECT_EQ(moved_pages(p, HUGE, pfn), 1);
		EXPECT_STATE(p, 512, 512, 1, 511, 1);
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	if (ktap_is_quire()) {
		EXPECT_EQ(vmstat("thp_split_pmd"), splits + 1);
		EXPECT_EQ(vmstat("thp_deferred_split_page"), queued);
	}
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
}

/* T-COW-6: the child is gone; one write makes the whole PMD writable again. */
TEST(parent_reuses_a_huge_page_whole)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *pfn = pfns(p, HUGE);
	long splits = vmstat("thp_split_pmd");
	fork_and_exit();
	settle();
	EXPECT_EQ(reused_by_write(p, 100), 0);		/* COW-11: pgreuse is for PTEs */
	long faults = vmstat("pgfault");
	fill_pages(p, HUGE);
	EXPECT_LT(vmstat("pgfault") - faults, 100);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(moved_pages(p, HUGE, pfn), 0);
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("thp_split_pmd"), splits);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
}

/* ---- T-COW-11: the last page ---- */

static char *last_page_of(const struct kind *k, bool shared_before)
{
	char *p = area_of(k);
	if (shared_before)
		fork_and_exit();
	OK(munmap(p + PAGE, k->size - PAGE));
	return p;
}
TEST_LARGE_KINDS(last_page_is_copied_and_the_folio_freed)
{
	is_large_rule_tested();
	char *p = last_page_of(k, true);
	uint64_t pfn = pfn_of(p);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	p[200] = 'W';
	EXPECT_NE(pfn_of(p), pfn);
	EXPECT_EQ(p[0], byte_of(0));
	/* Nobody is left of the whole old folio. */
	EXPECT_EQ(kpagecount(pfn), 0);
	EXPECT_EQ(kpageflags(pfn) >> KPF_THP & 1, 0);
	EXPECT_EQ(kpageflags(pfn) >> KPF_ANON & 1, 0);
}
TEST_LARGE_KINDS(last_page_stays_if_it_is_exclusive)
{
	char *p = last_page_of(k, false);
	uint64_t pfn = pfn_of(p);
	OK(mprotect(p, PAGE, PROT_READ));
	OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	p[200] = 'W';
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
}

/* ---- T-COW-13: mprotect ---- */

TEST_KINDS(mprotect_back_makes_exclusive_pages_writable)
{
	char *p = area_of(k);
	uint64_t *pfn = pfns(p, k->size);
	settle();
	OK(mprotect(p, k->size, PROT_READ));
	OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
	long faults = vmstat("pgfault"), own = vmstat("pgfault") - faults;
	faults = vmstat("pgfault");
	fill_pages(p, k->size);
	long taken = vmstat("pgfault") - faults - own;
	if (ktap_is_quire())
		EXPECT_EQ(taken, 0);
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
}
TEST_LARGE_KINDS(mprotect_back_leaves_unproved_pages_to_faults)
{
	is_large_rule_tested();
	char *p = area_of(k);
	uint64_t *pfn = pfns(p, k->size);
	fork_and_exit();
	settle();
	OK(mprotect(p, k->size, PROT_READ));
	OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
	long reused = vmstat("pgreuse");
	fill_pages(p, k->size);
	EXPECT_EQ(vmstat("pgreuse") - reused, (long)(k->size / PAGE));
	fill_pages(p, k->size);
	EXPECT_EQ(vmstat("pgreuse") - reused, (long)(k->size / PAGE));
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
}

/* ---- T-COW-14: two threads at one page ---- */

static char *race_page;
/* Arms the point for itself alone, after its stack has a page: its next COW fault is the one meant. */
static void *write_in_thread(void *unused)
{
	EXPECT_EQ(control("pause", "arm wp_copy_alloc %d once", (int)syscall(SYS_gettid)), 0);
	race_page[10] = 'T';
	return NULL;
}
/* One thread has its copy ready and is held; the other is faster. One copy stays, with what both wrote. */
TEST_KINDS(slower_copy_is_dropped)
{
	if (parked_at("wp_copy_alloc") < 0)
		SKIP("no pause control");
	char *p = area_of(k);
	uint64_t old = pfn_of(p + PAGE);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		ktap_exit();
	}
	pthread_t thread;
	race_page = p + PAGE;
	EXPECT_EQ(pthread_create(&thread, NULL, write_in_thread, NULL), 0);
	EXPECT_TRUE(ktap_until(parked_at("wp_copy_alloc") > 0));
	race_page[20] = 'M';
	uint64_t first = pfn_of(race_page);
	EXPECT_NE(first, old);
	EXPECT_EQ(control("pause", "release wp_copy_alloc"), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(pfn_of(race_page), first);
	EXPECT_EQ(race_page[10], 'T');
	EXPECT_EQ(race_page[20], 'M');
	EXPECT_EQ(race_page[0], byte_of(1));
	child_go(&t);
	EXPECT_CHILD(pid);
}

/* The same without help, many times over, and every page is accounted for in the end. */
#define RACERS 3
#define RACE_PAGES 16UL
static char *race_area;
static pthread_barrier_t race_start;
static void *race_over_pages(void *number)
{
	pthread_barrier_wait(&race_start);
	for (size_t i = 0; i < RACE_PAGES; i++)
		race_area[i * PAGE + 300 + (long)number] = (char)('0' + (long)number);
	return NULL;
}
TEST_KINDS(racing_writers_make_one_copy_of_each_page)
{
	for (long round = 0; round < ktap_scale(5); round++) {
		race_area = area_of(k);
		uint64_t *pfn = pfns(race_area, k->size);
		long rss = status_kb("RssAnon");
		struct turns t;
		turns_init(&t);
		pid_t pid = ktap_fork();
		if (!pid) {
			child_waits(&t);
			EXPECT_EQ(wrong_pages(race_area, k->size, 0), 0);
			EXPECT_EQ(moved_pages(race_area, k->size, pfn), 0);
			ktap_exit();
		}
		pthread_t thread[RACERS];
		pthread_barrier_init(&race_start, NULL, RACERS);
		for (long i = 0; i < RACERS; i++)
			EXPECT_EQ(pthread_create(&thread[i], NULL, race_over_pages, (void *)i), 0);
		for (long i = 0; i < RACERS; i++)
			pthread_join(thread[i], NULL);
		EXPECT_EQ(moved_pages(race_area, k->size, pfn), RACE_PAGES);
		for (size_t i = 0; i < RACE_PAGES; i++)
			EXPECT_EQ(memcmp(race_area + i * PAGE + 300, "012", RACERS), 0);
		EXPECT_LE(status_kb("RssAnon"), rss + 256);
		child_go(&t);
		EXPECT_CHILD(pid);
		munmap(race_area, k->size);
		EXPECT_EQ(kpagecount(pfn[3]), 0);	/* neither has any of it now */
		free(pfn);
	}
}
