/*
 * tests/user/thp_calls.c - the memory calls on large folios. Whatever the call, contents stay right, figures are exact,
 * and nothing is split that need not be.
 */
#include "tests/user/thp_calls.h"

/* ---- Unmapping ---- */

EACH_KIND(munmap_of_pieces)
{
	static const struct { size_t first, n; } cut[] = { { 0, 3 }, { 15, 2 }, { 40, 1 }, { 100, 60 }, { 255, 1 } };
	char gone[512] = { 0 };
	long rss = status_kb("RssAnon"), dropped = 0;
	for (size_t c = 0; c < 5; c++) {
		OK(munmap(b->at + cut[c].first * PAGE, cut[c].n * PAGE));
		memset(gone + cut[c].first, 1, cut[c].n);
		dropped += cut[c].n;
	}
	expect_rss_kb(rss, -4 * dropped);
	EXPECT_EQ(present(b->at, b->pages), b->pages - dropped);
	for (size_t i = 0; i < b->pages; i++)
		if (!gone[i]) {
			EXPECT_TRUE(page_holds(b->at, i, stamp(i)));
			write_page(b->at, i, i);
		}
	EXPECT_EQ(touch_signal(b->at, false), SIGSEGV);
	EXPECT_EQ(touch_signal(b->at + 120 * PAGE, true), SIGSEGV);
	expect_frames_at(b, b->at + 41 * PAGE, 41, 59);
	EXPECT_TRUE(is_large(b->at + 41 * PAGE));
	OK(munmap(b->at, b->pages * PAGE));
	expect_rss_kb(rss, -4 * (long)b->pages);
}

/* The whole of it: every frame free, every counter back. */
EACH_KIND(munmap_gives_all_back)
{
	long rss = status_kb("RssAnon"), huge = vmstat("nr_anon_transparent_hugepages");
	OK(munmap(b->at, b->pages * PAGE));
	expect_rss_kb(rss, -4 * (long)b->pages);
	EXPECT_EQ(kpagecount(b->pfn[0]), 0);
	EXPECT_EQ(kpagecount(b->pfn[17]), 0);
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("nr_anon_transparent_hugepages"), huge - (b->kind == PMD));
}

/* T-SPLIT-1, without the shrinking. */
EACH_KIND(dontneed_of_half_keeps_the_folio)
{
	long pmd = vmstat("thp_split_pmd"), deferred = vmstat("thp_deferred_split_page"), rss = status_kb("RssAnon");
	long split = vmstat("thp_split_page");
	size_t half = b->folio_pages / 2;
	OK(madvise(b->at + half * PAGE, half * PAGE, MADV_DONTNEED));
	EXPECT_EQ(huge_kb(b->at), 0);
	EXPECT_EQ(present(b->at, b->pages), b->pages - half);
	expect_rss_kb(rss, -4 * (long)half);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd + (b->kind == PMD));
	EXPECT_EQ(vmstat("thp_deferred_split_page"), deferred + (b->kind != SIZE64));
	EXPECT_EQ(vmstat("thp_split_page"), split);
	EXPECT_TRUE(is_large(b->at));
	expect_frames_at(b, b->at, 0, half);
	expect_stamps_at(b->at, 0, half);
	expect_zeroes(b->at + half * PAGE, half);
	/* What is written there now are pages of its own. */
	write_page(b->at, half, 7);
	EXPECT_NE(pfn_of(b->at + half * PAGE), b->pfn[half]);
	if (b->folio_pages < b->pages)
		expect_stamps_at(b->at + b->folio_pages * PAGE, b->folio_pages, b->pages - b->folio_pages);
}

/* T-MTHP-14, without the pressure. */
TEST(dontneed_of_three_pages_of_64k)
{
	static struct block b;
	make_block(&b, SIZE64);
#define STAT(name) atol(ktap_read(K64 "stats/" name))
	long deferred = STAT("split_deferred"), part = STAT("nr_anon_partially_mapped");
	long thp = vmstat("thp_deferred_split_page"), rss = status_kb("RssAnon");
	OK(madvise(b.at + 20 * PAGE, 3 * PAGE, MADV_DONTNEED));
	expect_rss_kb(rss, -12);
	EXPECT_EQ(STAT("split_deferred"), deferred + 1);
	EXPECT_EQ(STAT("nr_anon_partially_mapped"), part + 1);
	EXPECT_EQ(vmstat("thp_deferred_split_page"), thp);
	EXPECT_TRUE(is_large(b.at + 16 * PAGE));
	EXPECT_TRUE(is_large(b.at + 23 * PAGE));
	expect_frames_at(&b, b.at, 0, 20);
	expect_frames_at(&b, b.at + 23 * PAGE, 23, b.pages - 23);
	/* Once is enough. */
	OK(madvise(b.at + 25 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(STAT("split_deferred"), deferred + 1);
	OK(munmap(b.at, b.pages * PAGE));
	EXPECT_EQ(STAT("nr_anon_partially_mapped"), part);
}

EACH_KIND(dontneed_of_all)
{
	long pmd = vmstat("thp_split_pmd"), rss = status_kb("RssAnon");
	OK(madvise(b->at, b->pages * PAGE, MADV_DONTNEED));
	EXPECT_EQ(present(b->at, b->pages), 0);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd);
	expect_rss_kb(rss, -4 * (long)b->pages);
	expect_zeroes(b->at, b->pages);
}

/* ---- Rights ---- */

/* T-COW-13, first half. */
EACH_KIND(mprotect_and_back_takes_no_fault)
{
	long pmd = vmstat("thp_split_pmd");
	OK(mprotect(b->at, b->pages * PAGE, PROT_READ));
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	EXPECT_EQ(touch_signal(b->at + 99 * PAGE, true), SIGSEGV);
	expect_stamps(b);
	OK(mprotect(b->at, b->pages * PAGE, PROT_NONE));
	EXPECT_EQ(touch_signal(b->at + 99 * PAGE, false), SIGSEGV);
	OK(mprotect(b->at, b->pages * PAGE, RW));
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	expect_stamps(b);
	expect_frames(b);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd);
}

TEST(exclusive_pages_become_writable_without_faults)
{
	if (!ktap_is_quire())
		SKIP("newer kernels do; for huge PMDs since 6.2");
	for (enum kind kind = PMD; kind <= SIZE64; kind++) {
		static struct block b;
		make_block(&b, kind);
		OK(mprotect(b.at, b.pages * PAGE, PROT_READ));
		OK(mprotect(b.at, b.pages * PAGE, RW));
		long before = faults();
		for (size_t i = 0; i < b.pages; i++)
			write_page(b.at, i, i);
		EXPECT_EQ(faults(), before);
	}
}

/* T-COW-13, second half: after fork the pages are nobody's, and each write asks once. */
EACH_KIND(mprotect_does_not_make_shared_pages_writable)
{
	pid_t pid = ktap_fork();
	if (!pid)
		ktap_exit();
	EXPECT_CHILD(pid);
	OK(mprotect(b->at, b->pages * PAGE, PROT_READ));
	OK(mprotect(b->at, b->pages * PAGE, RW));
	long before = faults();
	for (size_t i = 0; i < b->pages; i++)
		write_page(b->at, i, stamp(i));
	EXPECT_GE(faults() - before, b->kind == PMD ? 1 : (long)b->pages);
	EXPECT_LE(faults() - before, b->kind == PMD ? 3 : (long)b->pages + 2);
	expect_stamps(b);
	if (ktap_is_quire())
		expect_frames(b);	/* all were taken over, not copied */
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
}

/* While a child lives, a writable mapping must not reach the pages it reads. */
EACH_KIND(mprotect_of_shared_pages_leaks_nothing)
{
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		expect_stamps(b);
		ktap_exit();
	}
	OK(mprotect(b->at, b->pages * PAGE, PROT_READ));
	OK(mprotect(b->at, b->pages * PAGE, RW));
	for (size_t i = 0; i < b->pages; i++)
		write_page(b->at, i, 1);
	child_go(&t);
	EXPECT_CHILD(pid);
}

EACH_KIND(mprotect_of_a_part_keeps_the_folio)
{
	long pmd = vmstat("thp_split_pmd");
	OK(mprotect(b->at + 7 * PAGE, 30 * PAGE, PROT_READ));
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd + (b->kind == PMD));
	expect_frames(b);
	expect_stamps(b);
	EXPECT_TRUE(is_large(b->at) && is_large(b->at + 20 * PAGE));
	EXPECT_EQ(touch_signal(b->at + 7 * PAGE, true), SIGSEGV);
	EXPECT_EQ(touch_signal(b->at + 36 * PAGE, true), SIGSEGV);
	write_page(b->at, 6, stamp(6));
	write_page(b->at, 37, stamp(37));
	OK(mprotect(b->at, b->pages * PAGE, PROT_NONE));
	OK(mprotect(b->at, b->pages * PAGE, RW));
	expect_stamps(b);
	expect_frames_at(b, b->at + 38 * PAGE, 38, b->pages - 38);
	if (ktap_is_quire())	/* before 6.15 the writes after the forks above copied */
		expect_frames(b);
}

/* ---- Moving ---- */

/* T-COW-15's mremap: the pages follow. */
EACH_KIND(mremap_moves_folios_whole)
{
	size_t n = b->pages * PAGE;
	char *to = free_place(2 * HUGE) + ((uintptr_t)b->at & (HUGE - 1));
	long rss = status_kb("RssAnon"), pmd = vmstat("thp_split_pmd");
	EXPECT_EQ(OK(mremap(b->at, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to)), to);
	expect_stamps_at(to, 0, b->pages);
	expect_frames_at(b, to, 0, b->pages);
	EXPECT_EQ(huge_kb(to), block_huge_kb(b));
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd);
	expect_rss_kb(rss, 0);
	EXPECT_EQ(touch_signal(b->at + 5 * PAGE, false), SIGSEGV);
	/* fork and reuse work at the new place. */
	pid_t pid = ktap_fork();
	if (!pid) {
		expect_stamps_at(to, 0, b->pages);
		write_page(to, 3, 3);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	expect_stamps_at(to, 0, b->pages);
	OK(munmap(to, n));
	expect_rss_kb(rss, -4 * (long)b->pages);
}

EACH_KIND(mremap_to_a_misaligned_place)
{
	size_t n = b->pages * PAGE;
	char *to = free_place(2 * HUGE) + 3 * PAGE;
	long rss = status_kb("RssAnon");
	OK(mremap(b->at, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	expect_stamps_at(to, 0, b->pages);
	expect_frames_at(b, to, 0, b->pages);
	EXPECT_EQ(huge_kb(to), 0);
	EXPECT_TRUE(is_large(to));
	expect_rss_kb(rss, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		for (size_t i = 0; i < b->pages; i += 2)
			write_page(to, i, 0);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	expect_stamps_at(to, 0, b->pages);
	/* And back. */
	OK(mremap(to, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, b->at));
	expect_stamps(b);
	expect_frames(b);
	OK(munmap(b->at, n));
	expect_rss_kb(rss, -4 * (long)b->pages);
}

EACH_KIND(mremap_of_a_part)
{
	char *to = free_place(HUGE) + 100 * PAGE;
	OK(mremap(b->at + 50 * PAGE, 70 * PAGE, 70 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	expect_stamps_at(to, 50, 70);
	expect_frames_at(b, to, 50, 70);
	expect_stamps_at(b->at, 0, 50);
	expect_stamps_at(b->at + 120 * PAGE, 120, b->pages - 120);
	EXPECT_EQ(present(b->at, b->pages), b->pages - 70);
	/* Nothing is lost: what has moved is still the folio's. */
	EXPECT_TRUE(is_large(to));
	pid_t pid = ktap_fork();
	if (!pid) {
		expect_stamps_at(to, 50, 70);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

EACH_KIND(mremap_dontunmap)
{
	size_t n = b->pages * PAGE;
	char *to = free_place(2 * HUGE) + ((uintptr_t)b->at & (HUGE - 1));
	char *got = mremap(b->at, n, n, MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* DONTUNMAP */, to);
	if (got == MAP_FAILED && errno == EINVAL)
		SKIP("no MREMAP_DONTUNMAP");
	ASSERT_EQ(got, to);
	expect_frames_at(b, to, 0, b->pages);
	EXPECT_EQ(huge_kb(to), block_huge_kb(b));
	EXPECT_EQ(present(b->at, b->pages), 0);
	expect_zeroes(b->at, b->pages);
	expect_stamps_at(to, 0, b->pages);
}

/* ---- Advice ---- */

/* MADV_FREE. Linux marks folios in batches, and empties the batch at the next call. */
static void make_lazy(char *at, size_t pages)
{
	OK(madvise(at, pages * PAGE, MADV_FREE));
	OK(madvise(at, pages * PAGE, MADV_FREE));
}

EACH_KIND(free_is_lazy_and_a_write_cancels_it)
{
	make_lazy(b->at, b->pages);
	EXPECT_EQ(smaps_kb(b->at, "LazyFree"), 4 * b->pages);
	EXPECT_EQ(smaps_kb(b->at, "Rss"), 4 * b->pages);
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	write_page(b->at, 9, 42);
	EXPECT_EQ(smaps_kb(b->at, "LazyFree"), b->kind == PMD ? 0 : 4 * b->pages - 4);
	EXPECT_TRUE(page_holds(b->at, 9, 42));
	/* A page holds what it held, or zeroes. */
	for (size_t i = 10; i < b->pages; i++)
		EXPECT_TRUE(page_holds(b->at, i, stamp(i)) || page_holds(b->at, i, 0));
}

EACH_KIND(free_of_a_part_splits_the_folio)
{
	long split = vmstat("thp_split_page");
	make_lazy(b->at + 20 * PAGE, 3);
	EXPECT_EQ(smaps_kb(b->at, "LazyFree"), 12);
	EXPECT_TRUE(!is_large(b->at + 16 * PAGE));
	EXPECT_EQ(vmstat("thp_split_page"), split + (b->kind != SIZE64));
	expect_stamps_at(b->at, 0, 20);
	expect_stamps_at(b->at + 23 * PAGE, 23, b->pages - 23);
	expect_frames(b);
}

/* ABI-24. */
EACH_KIND(free_passes_over_what_others_map)
{
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		expect_stamps(b);
		ktap_exit();
	}
	OK(madvise(b->at + 20 * PAGE, 3 * PAGE, MADV_FREE));
	if (b->kind == PMD || ktap_is_quire())
		EXPECT_EQ(smaps_kb(b->at, "LazyFree"), 0);
	EXPECT_TRUE(is_large(b->at + 16 * PAGE));
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	child_go(&t);
	EXPECT_CHILD(pid);
	expect_stamps(b);
}

EACH_KIND(cold_keeps_everything)
{
	if (madvise(b->at, b->pages * PAGE, COLD) && errno == EINVAL)
		SKIP("no MADV_COLD");
	expect_stamps(b);
	expect_frames(b);
	if (b->kind == PMD || ktap_is_quire())	/* once, PTE-mapped ones were always split */
		EXPECT_TRUE(is_large(b->at));
	/* Only a part of a folio: that part can be cold only as pages of its own. */
	OK(madvise(b->at + 3 * PAGE, PAGE, COLD));
	EXPECT_TRUE(!is_large(b->at));
	expect_stamps(b);
}

TEST(advice_on_locked_memory)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE, COLD, PAGEOUT };
	static struct block b;
	make_block(&b, PMD);
	OK(mlock(b.at + 8 * PAGE, 8 * PAGE));
	EXPECT_EQ(huge_kb(b.at), 0);		/* a border inside */
	expect_frames(&b);
	for (int i = 0; i < 4; i++)
		EXPECT_ERR(madvise(b.at + 8 * PAGE, 8 * PAGE, advice[i]), EINVAL);
	OK(munlock(b.at + 8 * PAGE, 8 * PAGE));
	expect_stamps(&b);
}

EACH_KIND(populate_changes_nothing)
{
	if (madvise(b->at, b->pages * PAGE, POPULATE_WRITE) && errno == EINVAL)
		SKIP("no MADV_POPULATE");
	expect_frames(b);
	expect_stamps(b);
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	OK(mlock(b->at, b->pages * PAGE));
	expect_frames(b);
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
	OK(munlock(b->at, b->pages * PAGE));
}

EACH_KIND(mincore_sees_each_page)
{
	unsigned char v[512];
	OK(mincore(b->at, b->pages * PAGE, v));
	for (size_t i = 0; i < b->pages; i++)
		EXPECT_EQ(v[i] & 1, 1);
	OK(madvise(b->at + 5 * PAGE, 2 * PAGE, MADV_DONTNEED));
	memset(v, 0xff, sizeof(v));
	OK(mincore(b->at + PAGE, (b->pages - 1) * PAGE, v));
	for (size_t i = 1; i < b->pages; i++)
		EXPECT_EQ(v[i - 1] & 1, i != 5 && i != 6);
}
