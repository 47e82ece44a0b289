/*
 * tests/user/thp_fault.c - which folio a first touch brings (T-MTHP-*), the huge zero page (FLT-9, COW-20),
 * and PMD mappings becoming tables (SPLIT-1..3).
 */
#include "tests/user/thp.h"
#include <pthread.h>

#define KPF_HEAD_BIT	(1ull << KPF_COMPOUND_HEAD)
#define KPF_TAIL_BIT	(1ull << KPF_COMPOUND_TAIL)
#define KPF_THP_BIT	(1ull << KPF_THP)

/* ---- Large folios mapped by PTEs ---- */

/* T-MTHP-1 */
TEST(one_write_brings_64k)
{
	thp_need_sizes();
	thp_only(64, 0);
	char *p = thp_anon(64 * KB);
	long allocated = thp_stat(64, "anon_fault_alloc"), live = thp_stat(64, "nr_anon");
	long huge = vmstat("thp_fault_alloc");
	long faults = thread_faults();
	p[5 * PAGE + 7] = 1;
	EXPECT_EQ(thread_faults() - faults, 1);
	EXPECT_EQ(pages_present(p, 64 * KB), 16);
	EXPECT_TRUE(contiguous(p, 16));
	EXPECT_EQ(pfn_of(p) % 16, 0);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(kpageflags(pfn_of(p + i * PAGE)) & (KPF_HEAD_BIT | KPF_TAIL_BIT | KPF_THP_BIT),
			  KPF_THP_BIT | (i ? KPF_TAIL_BIT : KPF_HEAD_BIT));
	EXPECT_EQ(thp_stat(64, "anon_fault_alloc") - allocated, 1);
	EXPECT_EQ(thp_stat(64, "nr_anon") - live, 1);
	EXPECT_EQ(vmstat("thp_fault_alloc") - huge, 0);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 0);
	EXPECT_EQ(smaps_kb(p, "Rss"), 64);
	/* The other pages need no fault to be written (MTHP-12). */
	faults = thread_faults();
	for (int i = 0; i < 16; i++)
		p[i * PAGE] = (char)i;
	EXPECT_EQ(thread_faults() - faults, 0);
	OK(munmap(p, 64 * KB));
	EXPECT_EQ(thp_stat(64, "nr_anon") - live, 0);
}

/* T-MTHP-2 */
TEST(a_block_must_lie_inside_the_mapping)
{
	thp_need_sizes();
	thp_only(64, 0);
	char *p = thp_anon_at(64 * KB, 64 * KB, PAGE);
	long fallback = thp_stat(64, "anon_fault_fallback");
	p[4 * PAGE] = 1;
	EXPECT_EQ(folio_pages(p + 4 * PAGE), 1);
	EXPECT_EQ(pages_present(p, 64 * KB), 1);
	EXPECT_EQ(thp_stat(64, "anon_fault_fallback") - fallback, 0);

	thp_only(16, 32, 64, 0);
	p = thp_anon_at(64 * KB, 64 * KB, PAGE);
	p[4 * PAGE] = 1;		/* page 5 of the block: 4..7 fit, 0..7 do not */
	EXPECT_EQ(folio_pages(p + 4 * PAGE), 4);
	EXPECT_EQ(pfn_of(p + 3 * PAGE) % 4, 0);
	p[7 * PAGE] = 1;		/* page 8: 8..15 */
	EXPECT_EQ(folio_pages(p + 7 * PAGE), 8);
	p[0] = 1;			/* page 1: nothing fits */
	EXPECT_EQ(folio_pages(p), 1);
}

/* T-MTHP-3 */
TEST(a_block_must_be_empty)
{
	thp_need_sizes();
	thp_only(0);
	char *p = thp_anon(64 * KB);
	p[5 * PAGE] = 1;
	thp_only(16, 32, 64, 0);
	p[0] = 1;
	EXPECT_EQ(folio_pages(p), 4);
	p[8 * PAGE] = 1;
	EXPECT_EQ(folio_pages(p + 8 * PAGE), 8);
	p[6 * PAGE] = 1;
	EXPECT_EQ(folio_pages(p + 6 * PAGE), 1);
	EXPECT_EQ(pages_present(p, 64 * KB), 14);
}

/* T-MTHP-4 */
TEST(a_zero_page_counts_as_occupied)
{
	thp_need_sizes();
	thp_only(64, 0);
	char *p = thp_anon(64 * KB);
	EXPECT_EQ(*(volatile char *)(p + 3 * PAGE), 0);
	EXPECT_EQ(pages_present(p, 64 * KB), 1);	/* FLT-9: one zero page, whatever sizes are enabled */
	EXPECT_TRUE(has_flag(p + 3 * PAGE, KPF_ZERO_PAGE));
	p[0] = 1;
	EXPECT_EQ(folio_pages(p), 1);
	p[3 * PAGE] = 1;
	EXPECT_EQ(folio_pages(p + 3 * PAGE), 1);
	EXPECT_TRUE(!has_flag(p + 3 * PAGE, KPF_ZERO_PAGE));
	EXPECT_EQ(pages_present(p, 64 * KB), 2);
}

/* T-MTHP-6 */
TEST(each_failed_size_is_counted_and_the_next_is_tried)
{
	thp_need_sizes();
	control_need("fail");
	thp_only(16, 64, 0);
	char *p = thp_anon(128 * KB);
	long failed64 = thp_stat(64, "anon_fault_fallback"), failed32 = thp_stat(32, "anon_fault_fallback");
	long failed16 = thp_stat(16, "anon_fault_fallback"), got16 = thp_stat(16, "anon_fault_alloc");

	control("fail", thp_text("anon_folio order=4 pid=%d", getpid()));
	p[0] = 1;
	EXPECT_EQ(folio_pages(p), 4);
	EXPECT_EQ(thp_stat(64, "anon_fault_fallback") - failed64, 1);
	EXPECT_EQ(thp_stat(32, "anon_fault_fallback") - failed32, 0);
	EXPECT_EQ(thp_stat(16, "anon_fault_fallback") - failed16, 0);
	EXPECT_EQ(thp_stat(16, "anon_fault_alloc") - got16, 1);

	/* No large folio at all: a small page, which counts nothing. */
	control("fail", thp_text("anon_folio pid=%d", getpid()));
	p[64 * KB] = 1;
	control("fail", "off anon_folio");
	EXPECT_EQ(folio_pages(p + 64 * KB), 1);
	EXPECT_EQ(thp_stat(64, "anon_fault_fallback") - failed64, 2);
	EXPECT_EQ(thp_stat(32, "anon_fault_fallback") - failed32, 0);
	EXPECT_EQ(thp_stat(16, "anon_fault_fallback") - failed16, 1);
	EXPECT_EQ(thp_stat(16, "anon_fault_alloc") - got16, 1);
}

/* T-MTHP-7 */
TEST(without_a_huge_folio_the_next_smaller_size_is_used)
{
	thp_need_sizes();
	control_need("fail");
	thp_only(64, 2048, 0);
	long fallback = vmstat("thp_fault_fallback"), failed = thp_stat(2048, "anon_fault_fallback");
	char *p = thp_anon(HUGE);
	control("fail", thp_text("anon_folio order=9 pid=%d", getpid()));
	p[100 * PAGE] = 1;
	control("fail", "off anon_folio");
	EXPECT_EQ(folio_pages(p + 100 * PAGE), 16);
	EXPECT_EQ(pages_present(p, HUGE), 16);
	EXPECT_EQ(vmstat("thp_fault_fallback") - fallback, 1);
	EXPECT_EQ(thp_stat(2048, "anon_fault_fallback") - failed, 1);
	/* Too small for a huge page: nobody asked for one. */
	p = thp_anon(HUGE / 2);
	p[0] = 1;
	EXPECT_EQ(folio_pages(p), 16);
	EXPECT_EQ(vmstat("thp_fault_fallback") - fallback, 1);
	EXPECT_EQ(thp_stat(2048, "anon_fault_fallback") - failed, 1);
}

/* A thread that touches one byte when told to. */
struct toucher { volatile char *at; volatile int tid, go; long faults; pthread_t thread; };
static void *touch_when_told(void *arg)
{
	struct toucher *t = arg;
	t->faults = thread_faults();
	t->tid = (int)syscall(SYS_gettid);
	while (!t->go)
		sched_yield();
	*t->at = 42;
	t->faults = thread_faults() - t->faults;
	return NULL;
}
/* Start it, and let it run into the pause point. */
static void park_toucher(struct toucher *t, const char *point)
{
	ASSERT_EQ(pthread_create(&t->thread, NULL, touch_when_told, t), 0);
	while (!t->tid)
		sched_yield();
	control("pause", thp_text("arm %s %d once", point, t->tid));
	t->go = 1;
	EXPECT_TRUE(ktap_until(parked(point) == 1));
}
static void let_go(struct toucher *t, const char *point)
{
	control("pause", thp_text("release %s", point));
	pthread_join(t->thread, NULL);
}

/* T-MTHP-8 */
TEST(of_two_folios_for_one_block_one_is_dropped)
{
	thp_need_sizes();
	control_need("pause");
	thp_only(64, 0);
	char *p = thp_anon(64 * KB);
	struct toucher t = { .at = p + 3 * PAGE };
	long allocated = thp_stat(64, "anon_fault_alloc"), live = thp_stat(64, "nr_anon");
	park_toucher(&t, "anon_fault_alloc");
	p[9 * PAGE] = 1;
	uint64_t pfn = pfn_of(p);
	EXPECT_EQ(folio_pages(p), 16);
	let_go(&t, "anon_fault_alloc");
	EXPECT_EQ(t.faults, 1);
	EXPECT_EQ(p[3 * PAGE], 42);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(thp_stat(64, "anon_fault_alloc") - allocated, 1);
	EXPECT_EQ(thp_stat(64, "nr_anon") - live, 1);
}

/* T-MTHP-9. With ALSO (kB) the look at the neighbours finds no table, without it the locked look does. */
static void vanished_table(int also)
{
	thp_only(2048, also, 0);
	char *p = thp_anon(HUGE);
	struct toucher t = { .at = p + 300 * PAGE };
	control("fail", thp_text("anon_folio order=9 nth=1 pid=%d", getpid()));
	park_toucher(&t, "anon_fault_pte_level");
	p[0] = 1;
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	let_go(&t, "anon_fault_pte_level");
	control("fail", "off anon_folio");
	EXPECT_EQ(t.faults, 1);
	EXPECT_EQ(p[300 * PAGE], 42);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
	OK(munmap(p, HUGE));
}
TEST(a_huge_pmd_where_a_table_was_wanted)
{
	thp_need_sizes();
	control_need("pause");
	vanished_table(0);
	vanished_table(64);
}

/* T-MTHP-8, for a whole PMD. */
TEST(of_two_huge_folios_one_is_dropped)
{
	thp_need();
	control_need("pause");
	thp_only(2048, 0);
	char *p = thp_anon(HUGE);
	struct toucher t = { .at = p + 3 * PAGE };
	long allocated = vmstat("thp_fault_alloc"), tables = status_kb("VmPTE");
	park_toucher(&t, "huge_fault_alloc");
	p[9 * PAGE] = 1;
	uint64_t pfn = pfn_of(p);
	let_go(&t, "huge_fault_alloc");
	EXPECT_EQ(p[3 * PAGE], 42);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(vmstat("thp_fault_alloc") - allocated, 1);
	OK(munmap(p, HUGE));
	EXPECT_LE(status_kb("VmPTE"), tables + 8);	/* the thread's stack may have made some */
}

/* ---- Policies ---- */

/* MTHP-2 */
static bool allowed(const char *size, const char *global, bool advised)
{
	if (!strcmp(size, "inherit"))
		size = global;
	return !strcmp(size, "always") || (!strcmp(size, "madvise") && advised);
}
static void expect_policy(int kb, bool expected, char *p, const char *what)
{
	p[0] = 1;
	if (folio_pages(p) != (expected ? kb / 4 : 1) || smaps_kb(p, "THPeligible") != expected)
		KTAP_FAIL("# %d kB %s: folio of %d pages, THPeligible %ld, expected %d", kb, what,
			  folio_pages(p), smaps_kb(p, "THPeligible"), expected);
	OK(munmap(p, HUGE));
}

static void try_policy(int kb, const char *size, const char *global)
{
	const char *what = thp_text("%s, global %s", size, global);
	char *p = thp_anon(HUGE);
	expect_policy(kb, allowed(size, global, true), p, thp_text("%s, advised", what));
	p = thp_anon(HUGE);
	OK(madvise(p, HUGE, ADVISE_NOHUGE));
	expect_policy(kb, false, p, thp_text("%s, NOHUGEPAGE", what));
	p = thp_anon(HUGE);
	OK(prctl(41 /* PR_SET_THP_DISABLE */, 1, 0, 0, 0));
	expect_policy(kb, false, p, thp_text("%s, prctl", what));
	OK(prctl(41, 0, 0, 0, 0));
	/* Not advised: a mapping as mmap makes it. */
	p = thp_anon(HUGE);
	OK(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	expect_policy(kb, allowed(size, global, false), p, what);
}

/* T-MTHP-10 */
TEST(policies)
{
	static const char *const words[] = { "always", "madvise", "never", "inherit" };
	thp_need_sizes();
	thp_only(0);
	for (int kb = 64; kb <= 2048; kb *= 32)
		for (int i = 0; i < 12; i++) {
			thp_knob("enabled", words[i % 3]);
			thp_size(kb, words[i / 3]);
			try_policy(kb, words[i / 3], words[i % 3]);
			thp_size(kb, "never");
		}
	thp_defaults();
}

/* T-MTHP-11 */
TEST(tracked_pages_are_single)
{
	thp_need_sizes();
	control_need("force");
	thp_only(64, 2048, 0);
	char *p = thp_anon(HUGE);
	control("force", thp_text("track %d 0x%lx 0x%lx", getpid(), (long)p, (long)(p + HUGE)));
	p[0] = 1;
	EXPECT_EQ(folio_pages(p), 1);
	EXPECT_EQ(*(volatile char *)(p + PAGE), 0);
	EXPECT_EQ(pages_present(p, HUGE), 2);
}

/* T-MTHP-12 */
TEST(the_largest_enabled_size_wins)
{
	thp_need_sizes();
	thp_only(16, 32, 64, 128, 256, 512, 1024, 0);
	char *p = thp_anon(HUGE);
	long faults = thread_faults();
	p[300 * PAGE] = 1;
	EXPECT_EQ(thread_faults() - faults, 1);
	EXPECT_EQ(folio_pages(p + 300 * PAGE), 256);
	EXPECT_EQ(pages_present(p, HUGE / 2), 0);
	EXPECT_EQ(pages_present(p + HUGE / 2, HUGE / 2), 256);
	/* Every size, each where it fits only by its own. */
	for (int kb = 16; kb <= 1024; kb *= 2) {
		thp_only(kb, 0);
		char *q = thp_anon_at(kb * KB, kb * KB, 0);
		q[kb * KB - 1] = 1;
		EXPECT_EQ(folio_pages(q), kb / 4);
		EXPECT_TRUE(contiguous(q, kb / 4));
		OK(munmap(q, kb * KB));
	}
}

static size_t not_zero(const char *p, size_t n)
{
	size_t bad = 0;
	for (size_t i = 0; i < n; i += 8)
		bad += *(const uint64_t *)(p + i) != 0;
	return bad;
}

/* T-MTHP-13 */
TEST(new_folios_are_zero)
{
	thp_need_sizes();
	thp_only(0);
	char *dirty = thp_anon(32 * HUGE);
	memset(dirty, 0xa5, 32 * HUGE);
	OK(munmap(dirty, 32 * HUGE));
	for (int kb = 16; kb <= 2048; kb *= 2) {
		thp_only(kb, 0);
		char *p = thp_anon(4 * HUGE);
		for (size_t at = PAGE; at < 4 * HUGE; at += kb * KB)
			p[at] = 0;
		EXPECT_EQ(folio_pages(p), kb / 4);
		EXPECT_EQ(not_zero(p, 4 * HUGE), 0);
		memset(p, 0xa5, 4 * HUGE);
		OK(munmap(p, 4 * HUGE));
	}
}

/* T-MTHP-15 */
TEST(fork_shares_large_folios)
{
	struct turns t;
	thp_need_sizes();
	thp_only(64, 0);
	stay_here();
	char *p = thp_anon(256 * KB);
	for (size_t i = 0; i < 256 * KB; i += PAGE)
		p[i] = 1 + (char)(i / PAGE);
	uint64_t pfn = pfn_of(p), third = pfn_of(p + 32 * PAGE);
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(pfn_of(p), pfn);
		for (size_t i = 0; i < 256 * KB; i += PAGE)
			EXPECT_EQ(p[i], 1 + (char)(i / PAGE));
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(kpagecount(pfn), 2);
	EXPECT_EQ(kpagecount(third + 7), 2);
	/* Shared: the page is copied, its folio stays for the others. */
	p[5 * PAGE] = 99;
	EXPECT_NE(pfn_of(p + 5 * PAGE), pfn + 5);
	EXPECT_EQ(folio_pages(p + 5 * PAGE), 1);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(kpagecount(third + 7), 1);
	long reused = vmstat("pgreuse");
	reused = vmstat("pgreuse");	/* again: the first look took back the buffer that fork had shared */
	p[39 * PAGE] = 98;
	EXPECT_EQ(vmstat("pgreuse") - reused, 1);
	EXPECT_EQ(pfn_of(p + 39 * PAGE), third + 7);
	EXPECT_EQ(folio_pages(p + 32 * PAGE), 16);
}

/* ---- Huge PMDs ---- */

TEST(one_write_brings_2m)
{
	thp_need();
	thp_only(2048, 0);
	long allocated = vmstat("thp_fault_alloc"), gauge = vmstat("nr_anon_transparent_hugepages");
	char *p = thp_anon(2 * HUGE);
	long faults = thread_faults();
	p[77 * PAGE] = 1;
	EXPECT_EQ(thread_faults() - faults, 1);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
	EXPECT_EQ(vmstat("thp_fault_alloc") - allocated, 1);
	EXPECT_EQ(vmstat("nr_anon_transparent_hugepages") - gauge, 1);
	EXPECT_EQ(pfn_of(p) % 512, 0);
	EXPECT_EQ(pfn_of(p + 511 * PAGE), pfn_of(p) + 511);
	EXPECT_EQ(pages_present(p + HUGE, HUGE), 0);
	faults = thread_faults();
	for (int i = 0; i < 512; i++)
		p[i * PAGE] = 0x5a;
	EXPECT_EQ(thread_faults() - faults, 0);
	OK(munmap(p, 2 * HUGE));
	EXPECT_EQ(vmstat("nr_anon_transparent_hugepages") - gauge, 0);
}

/* FLT-9 */
TEST(reading_maps_the_huge_zero_page)
{
	thp_need();
	thp_only(2048, 0);
	thp_knob("use_zero_page", "1");
	char *p = thp_anon(2 * HUGE);
	long faults = thread_faults(), made;
	EXPECT_EQ(*(volatile char *)(p + 77 * PAGE), 0);
	made = vmstat("thp_zero_page_alloc");
	EXPECT_GE(made, 1);
	EXPECT_EQ(thread_faults() - faults, 1);
	EXPECT_EQ(pages_present(p, HUGE), 512);
	EXPECT_TRUE(has_flag(p, KPF_ZERO_PAGE) && has_flag(p, KPF_THP));
	EXPECT_EQ(smaps_kb(p, "Rss"), 0);
	EXPECT_EQ(not_zero(p, HUGE), 0);
	/* The next one shares it. */
	EXPECT_EQ(*(volatile char *)(p + HUGE), 0);
	EXPECT_EQ(pfn_of(p + HUGE), pfn_of(p));
	EXPECT_EQ(vmstat("thp_zero_page_alloc") - made, 0);
	/* Taken apart it is 512 times the small one. */
	long split = vmstat("thp_split_pmd");
	OK(mprotect(p, PAGE, PROT_READ));
	EXPECT_EQ(vmstat("thp_split_pmd") - split, 1);
	EXPECT_EQ(pages_present(p, HUGE), 512);
	EXPECT_TRUE(has_flag(p + 5 * PAGE, KPF_ZERO_PAGE) && !has_flag(p + 5 * PAGE, KPF_THP));
	p[6 * PAGE] = 1;
	EXPECT_EQ(folio_pages(p + 6 * PAGE), 1);
	EXPECT_EQ(smaps_kb(p + 6 * PAGE, "Rss"), 4);
	EXPECT_EQ(p[5 * PAGE], 0);
}
TEST(reading_without_the_huge_zero_page)
{
	thp_need();
	thp_only(2048, 0);
	thp_knob("use_zero_page", "0");
	char *p = thp_anon(HUGE);
	EXPECT_EQ(*(volatile char *)(p + 77 * PAGE), 0);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_TRUE(!has_flag(p, KPF_ZERO_PAGE));
	thp_knob("use_zero_page", "1");
}

/* COW-20. Older kernels, without the other sizes, split the PMD instead. */
TEST(writing_to_the_huge_zero_page)
{
	thp_need_sizes();
	thp_only(2048, 0);
	char *p = thp_anon(HUGE);
	EXPECT_EQ(*(volatile char *)p, 0);
	long allocated = vmstat("thp_fault_alloc"), sized = thp_stat(2048, "anon_fault_alloc");
	long split = vmstat("thp_split_pmd");
	p[8 * PAGE] = 1;
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_EQ(vmstat("thp_fault_alloc") - allocated, 1);
	EXPECT_EQ(thp_stat(2048, "anon_fault_alloc") - sized, 1);
	EXPECT_EQ(vmstat("thp_split_pmd") - split, 0);
	EXPECT_EQ(p[8 * PAGE], 1);
	p[8 * PAGE] = 0;
	EXPECT_EQ(not_zero(p, HUGE), 0);
}
TEST(writing_to_the_huge_zero_page_without_memory)
{
	thp_need_sizes();
	control_need("fail");
	thp_only(2048, 0);
	char *p = thp_anon(HUGE);
	EXPECT_EQ(*(volatile char *)p, 0);
	long fallback = vmstat("thp_fault_fallback"), sized = thp_stat(2048, "anon_fault_fallback");
	long split = vmstat("thp_split_pmd");
	control("fail", thp_text("anon_folio order=9 pid=%d", getpid()));
	p[8 * PAGE] = 1;
	control("fail", "off anon_folio");
	EXPECT_EQ(vmstat("thp_fault_fallback") - fallback, 1);
	EXPECT_EQ(thp_stat(2048, "anon_fault_fallback") - sized, 1);
	EXPECT_EQ(vmstat("thp_split_pmd") - split, 1);
	EXPECT_EQ(pages_present(p, HUGE), 512);
	EXPECT_EQ(smaps_kb(p, "Rss"), 4);
	EXPECT_EQ(folio_pages(p + 8 * PAGE), 1);
	EXPECT_TRUE(has_flag(p + 9 * PAGE, KPF_ZERO_PAGE));
}

/* COW-17..19 */
TEST(a_huge_page_after_fork)
{
	struct turns t;
	thp_need();
	thp_only(2048, 0);
	stay_here();
	char *p = thp_anon(HUGE);
	memset(p, 7, HUGE);
	uint64_t pfn = pfn_of(p);
	long split = vmstat("thp_split_pmd");
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
		EXPECT_EQ(pfn_of(p), pfn);
		/* Shared: this process's PMD becomes a table, 4 KiB are copied. */
		p[20 * PAGE] = 8;
		EXPECT_EQ(vmstat("thp_split_pmd") - split, 1);
		EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 0);
		EXPECT_NE(pfn_of(p + 20 * PAGE), pfn + 20);
		EXPECT_EQ(p[20 * PAGE + 1], 7);
		EXPECT_EQ(pfn_of(p + 21 * PAGE), pfn + 21);
		EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_EQ(p[20 * PAGE], 7);
	child_go(&t);
	EXPECT_CHILD(pid);
	/* Alone again: the PMD is reused whole (T-COW-6). */
	p[30 * PAGE] = 9;
	EXPECT_EQ(vmstat("thp_split_pmd") - split, 1);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages"), 2048);
	EXPECT_EQ(p[20 * PAGE], 7);
}

/* SPLIT-1, 2: any change of a part takes the PMD apart, not the folio; no table is made or lost. */
TEST(a_huge_pmd_becomes_a_table)
{
	thp_need();
	thp_only(2048, 0);
	char *p = thp_anon(HUGE);
	for (size_t i = 0; i < HUGE; i += PAGE)
		*(uint64_t *)(p + i) = i + 1;
	uint64_t pfn = pfn_of(p);
	long split = vmstat("thp_split_pmd"), tables = status_kb("VmPTE"), faults = thread_faults();
	OK(madvise(p, HUGE / 2, ADVISE_NOHUGE));
	EXPECT_EQ(vmstat("thp_split_pmd") - split, 1);
	EXPECT_EQ(status_kb("VmPTE"), tables);
	EXPECT_EQ(smaps_kb(p, "AnonHugePages") + smaps_kb(p + HUGE / 2, "AnonHugePages"), 0);
	EXPECT_EQ(folio_pages(p + 100 * PAGE), 512);
	EXPECT_TRUE(pfn_of(p) == pfn && contiguous(p, 512));
	faults = thread_faults();
	for (size_t i = 0; i < HUGE; i += PAGE) {
		EXPECT_EQ(*(uint64_t *)(p + i), i + 1);
		*(uint64_t *)(p + i) = i + 2;		/* exclusive pages: no fault */
	}
	EXPECT_EQ(thread_faults() - faults, 0);
	OK(munmap(p + 10 * PAGE, PAGE));
	EXPECT_EQ(*(uint64_t *)(p + 11 * PAGE), 11 * PAGE + 2);
	OK(munmap(p, HUGE));
}

/* Threads write while another one takes the PMD apart again and again: no write is lost. */
struct writers { char *p; volatile int stop; };
static void *write_on(void *arg)
{
	struct writers *w = arg;
	uint64_t n = 0;
	while (!w->stop) {
		volatile uint64_t *at = (void *)(w->p + n % 256 * PAGE);
		uint64_t before = *at;
		*at = before + 1;
		if (*at != before + 1)
			return (void *)1;
		n++;
	}
	return NULL;
}
TEST(writes_go_on_while_the_pmd_is_split)
{
	struct writers w;
	pthread_t thread;
	void *wrong;
	thp_need();
	thp_only(2048, 0);
	for (long i = 0; i < ktap_scale(50); i++) {
		w = (struct writers){ .p = thp_anon(HUGE) };
		w.p[0] = 0;
		ASSERT_EQ(pthread_create(&thread, NULL, write_on, &w), 0);
		for (int k = 0; k < 20; k++)
			sched_yield();
		OK(madvise(w.p + HUGE / 2, HUGE / 2, MADV_DONTNEED));
		w.stop = 1;
		pthread_join(thread, &wrong);
		EXPECT_TRUE(!wrong);
		EXPECT_EQ(smaps_kb(w.p, "Rss"), 1024);
		OK(munmap(w.p, HUGE));
	}
}

/*
 * The first, second, ... allocation of a frame fails: in a fault it is tried again or done with smaller pages, fork says
 * ENOMEM; nothing is lost, and nothing is left behind (the tables are counted when the child and this process end).
 */
TEST(any_allocation_may_fail)
{
	thp_need_sizes();
	control_need("fail");
	thp_only(64, 2048, 0);
	int hit = 0;
	for (int nth = 1; nth <= 24; nth++) {
		char *p = thp_anon(4 * HUGE);
		p[3 * HUGE] = 3;
		control("fail", thp_text("alloc_pages nth=%d pid=%d", nth, getpid()));
		p[0] = 1;
		EXPECT_EQ(*(volatile char *)(p + HUGE), 0);
		p[HUGE + PAGE] = 2;
		pid_t pid = fork();
		if (!pid) {
			bool right = p[0] == 1 && p[HUGE + PAGE] == 2 && p[HUGE] == 0 && p[3 * HUGE] == 3;
			p[0] = p[3 * HUGE] = 9;
			_exit(right ? 0 : 1);
		}
		EXPECT_TRUE(pid > 0 || errno == ENOMEM || errno == EAGAIN);
		char *site = ktap_read(QUIRE_DIR "/fail"), *field = site ? strstr(site, "\nalloc_pages ") : NULL;
		field = field ? strstr(field, "hits=") : NULL;
		hit += field && atoi(field + 5) > 0;
		while (ktap_write(QUIRE_DIR "/fail", "off alloc_pages"))
			;
		if (pid > 0)
			EXPECT_STATUS(pid, EXITED(0));
		EXPECT_EQ(p[0], 1);
		EXPECT_EQ(p[HUGE + PAGE], 2);
		EXPECT_EQ(p[3 * HUGE], 3);
		EXPECT_EQ(p[3 * HUGE + PAGE], 0);
		OK(munmap(p, 4 * HUGE));
	}
	EXPECT_GE(hit, 8);
}

/* Whoever comes next finds the knobs as a boot sets them. */
TEST(knobs_as_at_boot)
{
	thp_need();
	thp_defaults();
}
