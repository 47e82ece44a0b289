/*
 * tests/user/split.c - cutting large folios: by hand, by the deferred queue; what stays as it was, what comes back
 * (rules SPLIT-4 to SPLIT-15, ABI-27).
 */
#include "tests/user/large.h"
#include <pthread.h>

#define SPLIT_FILE "/sys/kernel/debug/split_huge_pages"

/* ---- Helpers ---- */

static void need_split_file(void)
{
	if (access(SPLIT_FILE, W_OK))
		SKIP("no split_huge_pages");
}
/* Cut what is mapped at [P, P + N) of this process; MORE: ",ORDER[,OFFSET]" or "". The errno. */
static int split_here(const char *p, size_t n, const char *more)
{
	char text[120];
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx%s", (int)getpid(), (unsigned long)p, (unsigned long)(p + n), more);
	return ktap_write(SPLIT_FILE, text);
}
static void shrink(void) { EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "2"), 0); }

/* A counter of /hugepages-<kB>kB/stats; 0 where the kernel has none. */
static bool have_size_stats(void) { return access(THP_DIR "hugepages-2048kB/stats/split", R_OK) == 0; }
/* SPLIT-8 and SPLIT-9 (b) came to Linux together. */
static bool have_underused(void) { return access(THP_DIR "shrink_underused", W_OK) == 0; }

/* Is the page a folio's first, and how large is that folio? 0: it is a tail. */
static int order_at(uint64_t pfn)
{
	int nr = 1;
	uint64_t flags = kpageflags(pfn);
	if (flags >> 16 & 1)
		return -1;
	if (!(flags >> 15 & 1))
		return 0;
	while (kpageflags(pfn + nr) >> 16 & 1)
		nr++;
	return __builtin_ctz(nr);
}
/* Every folio of [P, P + N) has this order, and the pages lie as they should. */
static bool all_of_order(const char *p, size_t n, int order)
{
	for (size_t at = 0; at < n; at += PAGE << order)
		if (order_at(pfn_of(p + at)) != order)
			return false;
	return in_blocks(p, n, order);
}
/*
 * Writing to every page of P takes no fault: each PTE is writable, dirty and young, so each page is exclusive. Linux now and
 * then takes one more in the process, for reasons of its own.
 */
static void expect_writable(volatile char *p, size_t n)
{
	faults_of_writing(p, 0);	/* so that the code itself is there */
	EXPECT_LE(faults_of_writing(p, n), ktap_is_quire() ? 0 : 1);
}

/* ---- By hand ---- */

TEST(bad_texts_are_refused)
{
	need_split_file();
	EXPECT_EQ(ktap_write(SPLIT_FILE, "nonsense"), EINVAL);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "2"), EINVAL);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "1,0x1000"), EINVAL);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "2,1000,2000"), EINVAL);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "4194303,0x1000,0x2000"), ESRCH);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "/no/such/file,0x0,0x2"), EINVAL);
	EXPECT_EQ(split_here((char *)0x10000, PAGE, ""), 0);	/* nothing there: nothing to do */
}

/* Folios of 2^ORDER come out; frames, contents and rights stay. */
static void split_to(const struct kind *k, int order)
{
	char more[16] = "";
	need_split_file();
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size);
	long rss = smaps_kb(p, "Anonymous"), stat = size_stat(k->order, "split"), thp = vmstat("thp_split_page");
	if (order)
		snprintf(more, sizeof(more), ",%d", order);
	/* All rights are in place before: what area_of did to split the PMD may have cost one PTE its write bit. */
	faults_of_writing(p, k->size);
	EXPECT_EQ(split_here(p, k->size, more), 0);
	if (order && !ktap_is_quire() && order_at(pfn_of(p)) != order)
		SKIP("splits to order 0 only");
	EXPECT_TRUE(all_of_order(p, k->size, order));
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_EQ(smaps_kb(p, "Anonymous"), rss);
	expect_writable(p, k->size);
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	if (have_size_stats())
		EXPECT_GE(size_stat(k->order, "split"), stat + 1);
	if (k->order == HUGE_ORDER)
		EXPECT_GE(vmstat("thp_split_page"), thp + 1);
}
TEST(pmd_mapped_to_order_0) { split_to(BY_PMD, 0); }
TEST(pmd_mapped_to_order_2) { split_to(BY_PMD, 2); }
TEST(pmd_mapped_to_order_3) { split_to(BY_PMD, 3); }
TEST(pmd_mapped_to_order_4) { split_to(BY_PMD, 4); }
TEST(pmd_mapped_to_order_5) { split_to(BY_PMD, 5); }
TEST(pmd_mapped_to_order_6) { split_to(BY_PMD, 6); }
TEST(pmd_mapped_to_order_7) { split_to(BY_PMD, 7); }
TEST(pmd_mapped_to_order_8) { split_to(BY_PMD, 8); }
TEST(pte_mapped_to_order_0) { split_to(BY_PTES, 0); }
TEST(pte_mapped_to_order_4) { split_to(BY_PTES, 4); }
TEST(middle_size_to_order_0) { split_to(BY_64K, 0); }
TEST(middle_size_to_order_2) { split_to(BY_64K, 2); }

/* T-MMID-12: that the pieces keep nothing of the folio's owner words is looked at by `check`. */
TEST(pieces_can_be_split_again)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	static const int orders[] = { 8, 7, 4, 2, 0 };
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		char more[16];
		snprintf(more, sizeof(more), ",%d", orders[i]);
		EXPECT_EQ(split_here(p, HUGE, more), 0);
		if (!i && !ktap_is_quire() && order_at(pfn_of(p)) != 8)
			SKIP("splits to order 0 only");
		EXPECT_TRUE(all_of_order(p, HUGE, orders[i]));
	}
	if (have_control("check"))
		EXPECT_EQ(strncmp(ktap_read(QUIRE_DIR "check"), "ok ", 3), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	expect_writable(p, HUGE);
}

TEST(nr_anon_follows_the_pieces)
{
	need_split_file();
	if (!have_size_stats())
		SKIP("no statistics of sizes");
	char *p = large_area(HUGE, HUGE_ORDER);
	long huge = size_stat(9, "nr_anon"), small = size_stat(4, "nr_anon");
	EXPECT_EQ(split_here(p, HUGE, ",4"), 0);
	EXPECT_EQ(size_stat(9, "nr_anon"), huge - 1);
	EXPECT_EQ(size_stat(4, "nr_anon"), small + 32);
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_EQ(size_stat(4, "nr_anon"), small);
	OK(munmap(p, HUGE));
	EXPECT_EQ(size_stat(9, "nr_anon"), huge - 1);
}

TEST(order_1_is_refused)
{
	need_split_file();
	if (!have_size_stats())
		SKIP("splits to order 0 only");
	char *p = large_area(HUGE, HUGE_ORDER);
	long failed = size_stat(9, "split_failed"), thp = vmstat("thp_split_page_failed");
	EXPECT_EQ(split_here(p, HUGE, ",1"), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_TRUE(all_of_order(p, HUGE, HUGE_ORDER));
	/* Every page of the range was tried. */
	EXPECT_GT(size_stat(9, "split_failed"), failed);
	EXPECT_GT(vmstat("thp_split_page_failed"), thp);
	/* What is not smaller is passed over. */
	failed = size_stat(9, "split_failed");
	EXPECT_EQ(split_here(p, HUGE, ",9"), 0);
	EXPECT_EQ(size_stat(9, "split_failed"), failed);
}

TEST(around_one_page)
{
	need_split_file();
	if (!ktap_is_quire())
		SKIP("the offset is young");
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	/* Only the first page of the range, or the pieces would be split as well. */
	EXPECT_EQ(split_here(p, PAGE, ",2,37"), 0);
	static const struct { int page, order; } pieces[] = {
		{ 0, 5 }, { 32, 2 }, { 36, 2 }, { 40, 3 }, { 48, 4 }, { 64, 6 }, { 128, 7 }, { 256, 8 },
	};
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		EXPECT_EQ(order_at(pfn_of(p + pieces[i].page * PAGE)), pieces[i].order);
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
	expect_writable(p, HUGE);
	EXPECT_EQ(split_here(p + 256 * PAGE, PAGE, ",0,255"), 0);
	EXPECT_EQ(order_at(pfn_of(p + 511 * PAGE)), 0);
	EXPECT_EQ(order_at(pfn_of(p + 508 * PAGE)), 0);		/* there is no order 1 */
	EXPECT_EQ(order_at(pfn_of(p + 504 * PAGE)), 2);
	EXPECT_EQ(order_at(pfn_of(p + 256 * PAGE)), 7);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
}

TEST(one_splits_all)
{
	need_split_file();
	char *p = large_area(4 * HUGE, HUGE_ORDER), *q = NULL;
	long split = vmstat("thp_split_page");
	if (have_size_stats())
		q = large_area(HUGE, ORDER_64K);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "1"), 0);
	EXPECT_TRUE(all_of_order(p, 4 * HUGE, 0));
	EXPECT_EQ(wrong_pages(p, 4 * HUGE, 0), 0);
	EXPECT_GE(vmstat("thp_split_page"), split + 4);
	if (q) {
		EXPECT_TRUE(all_of_order(q, HUGE, 0));
		EXPECT_EQ(wrong_pages(q, HUGE, 0), 0);
	}
}

/* ---- References ---- */

static void expect_untouched(char *p, const uint64_t *before)
{
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
	expect_writable(p, HUGE);
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

/* T-SPLIT-2. */
TEST(a_pinned_folio_stays_whole)
{
	need_split_file();
	int fd = gup_open();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	EXPECT_EQ(gup_pin(fd, p + 7 * PAGE, PAGE, PIN_WRITE), 0);
	long failed = vmstat("thp_split_page_failed"), pmd = vmstat("thp_split_pmd"), thp = vmstat("thp_split_page");
	long size_split = size_stat(HUGE_ORDER, "split"), size_failed = size_stat(HUGE_ORDER, "split_failed");
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	/* Passed over: no counter moves. */
	EXPECT_EQ(vmstat("thp_split_page_failed"), failed);
	EXPECT_EQ(vmstat("thp_split_page"), thp);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd);
	EXPECT_EQ(size_stat(HUGE_ORDER, "split"), size_split);
	EXPECT_EQ(size_stat(HUGE_ORDER, "split_failed"), size_failed);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(ktap_write(SPLIT_FILE, "1"), 0);
	EXPECT_EQ(vmstat("thp_split_page_failed"), failed + 1);
	if (have_size_stats())
		EXPECT_EQ(size_stat(HUGE_ORDER, "split_failed"), size_failed + 1);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd);
	expect_untouched(p, before);
	char page[PAGE];
	p[7 * PAGE + 1000] = 'x';
	gup_read(fd, page);
	EXPECT_EQ(page[1000], 'x');
	gup_unpin(fd);
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
}

TEST(a_referenced_folio_stays_whole)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	int fds[2];
	hold_plainly(fds, p + 7 * PAGE, PAGE);
	long failed = vmstat("thp_split_page_failed");
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_EQ(vmstat("thp_split_page_failed"), failed);
	expect_untouched(p, before);
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
}

/* ---- Shared, partly mapped, moved, protected ---- */

TEST(shared_folio_is_split_for_both)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_TRUE(all_of_order(p, HUGE, 0));
		EXPECT_EQ(frames_changed(p, HUGE, before), 0);
		EXPECT_EQ(kpagecount(pfn_of(p + 9 * PAGE)), 2);
		p[9 * PAGE + 1] = '!';
		EXPECT_NE(pfn_of(p + 9 * PAGE), before[9]);
		child_done(&t);
		child_waits(&t);
		p[9 * PAGE + 1] = byte_of(9);
		EXPECT_EQ(p[10 * PAGE + 1], byte_of(10));	/* not the parent's new byte */
		p[10 * PAGE + 1] = byte_of(10);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
	child_go(&t);
	parent_waits(&t);
	EXPECT_EQ(p[9 * PAGE + 1], byte_of(9));
	p[10 * PAGE + 1] = '?';
	EXPECT_NE(pfn_of(p + 10 * PAGE), before[10]);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[10 * PAGE + 1], '?');
}

/* One process has a PMD, the other PTEs, some of them gone. */
TEST(mixed_mappings)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(munmap(p + 100 * PAGE, 100 * PAGE));
		char *q = OK(mmap(NULL, 50 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		OK(mremap(p + 300 * PAGE, 50 * PAGE, 50 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
		EXPECT_EQ(wrong_pages(q, 50 * PAGE, 300), 0);
		EXPECT_EQ(pfn_of(q), before[300]);
		EXPECT_EQ(order_at(pfn_of(q + PAGE)), 0);
		EXPECT_TRUE(!is_present(p + 310 * PAGE));
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

TEST(protection_is_kept)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	OK(mprotect(p, HUGE, PROT_READ));
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
	EXPECT_EQ(touch_signal(p + 5 * PAGE, true), SIGSEGV);
	EXPECT_EQ(touch_signal(p + 5 * PAGE, false), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	OK(mprotect(p, HUGE, PROT_READ | PROT_WRITE));
	p[77 * PAGE + 1] = byte_of(77);
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);		/* still exclusive: no copy */
	OK(mprotect(p, HUGE, PROT_NONE));
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
}

TEST(prot_none_is_kept)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	OK(mprotect(p, HUGE, PROT_NONE));
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
	OK(mprotect(p, HUGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	p[5] = 'a';
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
}

/* ---- Zero pages (SPLIT-8) ---- */

/* Pages 100 to 199 of P hold nothing. */
static void empty_some(char *p) { memset(p + 100 * PAGE, 0, 100 * PAGE); }

TEST(zero_pages_come_back)
{
	need_split_file();
	if (!have_underused())
		SKIP("zero pages stay");
	char *p = large_area(HUGE, HUGE_ORDER);
	empty_some(p);
	long rss = status_kb("RssAnon");
	EXPECT_EQ(split_here(p, HUGE, ",2"), 0);
	EXPECT_EQ(status_kb("RssAnon"), rss);		/* larger pieces are not looked at */
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	if (ktap_is_quire())
		EXPECT_EQ(status_kb("RssAnon"), rss - 400);
	EXPECT_TRUE(has_flag(p + 100 * PAGE, KPF_ZERO_PAGE));
	EXPECT_TRUE(has_flag(p + 199 * PAGE, KPF_ZERO_PAGE));
	EXPECT_TRUE(!has_flag(p + 99 * PAGE, KPF_ZERO_PAGE));
	EXPECT_EQ(p[150 * PAGE + 9], 0);
	p[150 * PAGE + 9] = 'x';
	EXPECT_TRUE(!has_flag(p + 150 * PAGE, KPF_ZERO_PAGE));
	EXPECT_EQ(p[151 * PAGE + 9], 0);
	EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0) + wrong_pages(p + 200 * PAGE, 312 * PAGE, 200), 0);
}

TEST(locked_zero_pages_stay)
{
	need_split_file();
	char *p = large_area(HUGE, HUGE_ORDER);
	empty_some(p);
	OK(mlock(p, HUGE));
	uint64_t *before = frames_of(p, HUGE);
	EXPECT_EQ(split_here(p, HUGE, ""), 0);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
}

/* ---- The deferred queue ---- */

TEST(dropping_half_frees_it_when_the_queue_is_shrunk)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	long rss = status_kb("RssAnon"), pmd = vmstat("thp_split_pmd"), queued = vmstat("thp_deferred_split_page");
	long split = vmstat("thp_split_page"), partial = size_stat(9, "nr_anon_partially_mapped");
	OK(madvise(p, HUGE / 2, MADV_DONTNEED));
	EXPECT_EQ(huge_mapped(p), 0);
	if (ktap_is_quire())
		EXPECT_EQ(status_kb("RssAnon"), rss - 1024);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd + 1);
	EXPECT_EQ(vmstat("thp_deferred_split_page"), queued + 1);
	/* Nothing is free yet: the folio is whole. */
	EXPECT_EQ(order_at(before[0]), HUGE_ORDER);
	EXPECT_EQ(vmstat("thp_split_page"), split);
	if (have_size_stats())
		EXPECT_EQ(size_stat(9, "nr_anon_partially_mapped"), partial + 1);
	/* Dropping more, and mapping again, queues it no second time (SPLIT-10, SPLIT-15). */
	OK(madvise(p + HUGE / 2, PAGE, MADV_DONTNEED));
	EXPECT_EQ(vmstat("thp_deferred_split_page"), queued + 1);
	shrink();
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_TRUE(all_of_order(p + HUGE / 2 + PAGE, HUGE / 2 - PAGE, 0));
	EXPECT_EQ(wrong_pages(p + HUGE / 2 + PAGE, HUGE / 2 - PAGE, 257), 0);
	EXPECT_EQ(pfn_of(p + 300 * PAGE), before[300]);
	int in_use = 0;
	for (int i = 0; i < 257; i++)
		in_use += (kpageflags(before[i]) & (1ull << KPF_ANON | 1ull << KPF_LRU)) != 0;
	EXPECT_LE(in_use, 64);		/* free; somebody may have taken some already */
	if (have_size_stats())
		EXPECT_EQ(size_stat(9, "nr_anon_partially_mapped"), partial);
	expect_writable(p + HUGE / 2 + PAGE, HUGE / 2 - PAGE);
}

TEST(middle_size_dropped_in_part)
{
	if (!have_size_stats())
		SKIP("no statistics of sizes");
	char *p = large_area(16 * PAGE, ORDER_64K);
	long rss = status_kb("RssAnon"), deferred = size_stat(4, "split_deferred"), split = size_stat(4, "split");
	long partial = size_stat(4, "nr_anon_partially_mapped"), thp = vmstat("thp_deferred_split_page");
	long nr = size_stat(4, "nr_anon");
	OK(madvise(p + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(status_kb("RssAnon"), rss - 12);
	EXPECT_EQ(size_stat(4, "split_deferred"), deferred + 1);
	EXPECT_EQ(size_stat(4, "nr_anon_partially_mapped"), partial + 1);
	EXPECT_EQ(vmstat("thp_deferred_split_page"), thp);
	EXPECT_EQ(order_at(pfn_of(p)), ORDER_64K);
	shrink();
	EXPECT_EQ(size_stat(4, "split"), split + 1);
	EXPECT_EQ(size_stat(4, "nr_anon_partially_mapped"), partial);
	EXPECT_EQ(size_stat(4, "nr_anon"), nr - 1);
	EXPECT_EQ(order_at(pfn_of(p)), 0);
	EXPECT_EQ(wrong_pages(p, 5 * PAGE, 0) + wrong_pages(p + 8 * PAGE, 8 * PAGE, 8), 0);
}

TEST(a_folio_that_goes_leaves_the_queue)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	long partial = size_stat(9, "nr_anon_partially_mapped"), split = vmstat("thp_split_page");
	long nr = size_stat(9, "nr_anon");
	OK(munmap(p, HUGE / 2));
	OK(munmap(p + HUGE / 2, HUGE / 2));
	EXPECT_EQ(size_stat(9, "nr_anon_partially_mapped"), partial);
	if (have_size_stats())
		EXPECT_EQ(size_stat(9, "nr_anon"), nr - 1);
	shrink();
	EXPECT_EQ(vmstat("thp_split_page"), split);
}

TEST(a_pinned_one_is_tried_again)
{
	int fd = gup_open();
	char *p = large_area(HUGE, HUGE_ORDER);
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	EXPECT_EQ(gup_pin(fd, p + 400 * PAGE, PAGE, PIN_WRITE), 0);
	OK(madvise(p, HUGE / 2, MADV_DONTNEED));
	long split = vmstat("thp_split_page"), failed = vmstat("thp_split_page_failed");
	shrink();
	EXPECT_EQ(vmstat("thp_split_page"), split);
	EXPECT_GT(vmstat("thp_split_page_failed"), failed);
	expect_writable(p + HUGE / 2, HUGE / 2);
	gup_unpin(fd);
	shrink();
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_EQ(wrong_pages(p + HUGE / 2, HUGE / 2, 256), 0);
}

/* A folio of which N pages are zero: is it split by a shrink, with max_ptes_none 409? */
static void underused(int n, bool split, bool locked)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	memset(p + 20 * PAGE, 0, n * PAGE);
	if (locked)
		OK(mlock(p, HUGE));
	long rss = status_kb("RssAnon"), was = vmstat("thp_underused_split_page");
	shrink();
	EXPECT_EQ(vmstat("thp_underused_split_page"), was + split);
	if (ktap_is_quire())
		EXPECT_EQ(status_kb("RssAnon"), rss - (split ? n * 4 : 0));
	EXPECT_EQ(huge_mapped(p), split ? 0 : 2048);
	EXPECT_EQ(p[25 * PAGE], 0);
	EXPECT_EQ(wrong_pages(p, 20 * PAGE, 0) + wrong_pages(p + (20 + n) * PAGE, HUGE - (20 + n) * PAGE, 20 + n), 0);
	if (split)
		return;
	/* Found in use: it is not looked at again, whatever becomes of it. */
	memset(p, 0, HUGE);
	shrink();
	EXPECT_EQ(vmstat("thp_underused_split_page"), was);
	EXPECT_EQ(huge_mapped(p), 2048);
}

/* T-SPLIT-3. */
TEST(mostly_empty_folios_are_split)
{
	char old[32];
	if (!have_underused())
		SKIP("no shrink_underused");
	snprintf(old, sizeof(old), "%s", ktap_read(THP_DIR "khugepaged/max_ptes_none"));
	EXPECT_EQ(ktap_write(THP_DIR "khugepaged/max_ptes_none", "511"), 0);
	underused(490, false, false);
	EXPECT_EQ(ktap_write(THP_DIR "khugepaged/max_ptes_none", "409"), 0);
	shrink();
	underused(410, true, false);
	underused(409, false, false);
	if (ktap_is_quire())
		underused(410, false, true);	/* SPLIT-12: an mlocked one stays whole, and leaves the queue */
	EXPECT_EQ(ktap_write(THP_DIR "khugepaged/max_ptes_none", old), 0);
}

/* ---- Races ---- */

/* Parks the split of all folios, in a process of its own, while the test does something. */
static pid_t park_split(void)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	need_split_file();
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(control("pause", "arm split_unmapped %d once", (int)getpid()), 0);
		EXPECT_EQ(ktap_write(SPLIT_FILE, "1"), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("split_unmapped") == 1));
	return pid;
}
static void unpark_split(pid_t pid)
{
	EXPECT_EQ(control("pause", "disarm split_unmapped"), 0);
	EXPECT_CHILD(pid);
}

/* The owner sleeps in mremap with its mmap lock held for writing: its folios are split all the same. */
TEST(splitting_takes_no_mmap_lock)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	need_split_file();
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = large_area(HUGE, HUGE_ORDER), *small = anon(PAGE), *to = reserve(PAGE);
		*small = 1;
		EXPECT_EQ(control("pause", "arm mremap_move %d once", (int)getpid()), 0);
		EXPECT_TRUE(mremap(small, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		EXPECT_TRUE(all_of_order(p, HUGE, 0));
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("mremap_move") == 1));
	EXPECT_EQ(ktap_write(SPLIT_FILE, "1"), 0);
	EXPECT_EQ(control("pause", "disarm mremap_move"), 0);
	EXPECT_CHILD(pid);
}

static void *toucher(void *arg)
{
	volatile char *p = arg;
	char seen = p[3 * PAGE];
	p[4 * PAGE + 1] = byte_of(4);
	return (void *)(long)(seen == byte_of(3));
}

TEST(a_fault_waits_for_the_split)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	long rss = smaps_kb(p, "Anonymous");
	pthread_t t;
	void *right;
	OK(madvise(p, HUGE, MADV_DONTFORK));		/* the process that splits shall not share it */
	pid_t pid = park_split();
	EXPECT_EQ(smaps_kb(p, "Anonymous"), rss);	/* entries count */
	EXPECT_TRUE(!is_present(p));
	EXPECT_EQ(pthread_create(&t, NULL, toucher, p), 0);
	unpark_split(pid);
	pthread_join(t, &right);
	EXPECT_TRUE(right);
	EXPECT_TRUE(all_of_order(p, HUGE, 0));
	EXPECT_EQ(frames_changed(p, HUGE, before), 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

TEST(what_is_dropped_meanwhile_stays_dropped)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	long rss = status_kb("RssAnon");
	pid_t pid = park_split();
	OK(madvise(p + 10 * PAGE, 20 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(status_kb("RssAnon"), rss - 80);
	OK(mprotect(p + 50 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	unpark_split(pid);
	EXPECT_EQ(p[15 * PAGE], 0);
	EXPECT_EQ(wrong_pages(p, 10 * PAGE, 0) + wrong_pages(p + 30 * PAGE, HUGE - 30 * PAGE, 30), 0);
	EXPECT_EQ(order_at(pfn_of(p)), 0);
}

static void *hammer(void *arg)
{
	volatile unsigned long *at = arg;
	while (!__atomic_load_n(&at[511], __ATOMIC_RELAXED))
		for (int i = 0; i < 512; i++)
			at[i * 512 + 3]++;
	return NULL;
}

TEST(splits_against_writers)
{
	need_split_file();
	for (int round = 0; round < ktap_scale(40); round++) {
		char *p = large_area(HUGE, HUGE_ORDER);
		unsigned long *at = (unsigned long *)p, first;
		pthread_t t;
		for (int i = 0; i < 512; i++)
			at[i * 512 + 3] = 0;
		at[511] = 0;
		EXPECT_EQ(pthread_create(&t, NULL, hammer, p), 0);
		ktap_until(__atomic_load_n(&at[511 * 512 + 3], __ATOMIC_RELAXED) > 0);
		EXPECT_EQ(split_here(p, HUGE, round % 3 ? "" : ",4"), 0);
		__atomic_store_n(&at[511], 1, __ATOMIC_RELAXED);
		pthread_join(t, NULL);
		first = at[3];
		for (int i = 0; i < 512; i++)
			EXPECT_EQ(at[i * 512 + 3], first);
		OK(munmap(p, HUGE));
	}
}
