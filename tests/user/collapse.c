/*
 * tests/user/collapse.c - one range of 2 MiB becomes huge: what is accepted, what is refused and by which word, and what is
 * there afterwards (KHP-9..30).
 */
#include "tests/user/collapse.h"
#include "tests/user/swaparea.h"
#include "tests/user/trace.h"
#include <sys/prctl.h>

#define SET_THP_DISABLE	41
#define BLOCKS		3

TEST_KHUGEPAGED_SLEEPS

/* ---- What comes out ---- */

/* 512 small pages become one folio, with all that belongs to it (KHP-21). */
TEST(small_pages_become_one_folio)
{
	need_collapse();
	char *p = small_range(HUGE);
	long alloc = vmstat("thp_collapse_alloc"), fault = vmstat("thp_fault_alloc");
	long anon_fault = size_stat(HUGE_ORDER, "anon_fault_alloc"), nr_anon = size_stat(HUGE_ORDER, "nr_anon");
	long collapsed = khugepaged_number("pages_collapsed");
	ASSERT_EQ(collapse_at_last(p, HUGE), 0);
	if (ktap_is_quire())		/* Linux's daemon may have done somebody else's memory */
		EXPECT_EQ(khugepaged_number("pages_collapsed"), collapsed);	/* KHP-26: only khugepaged's count */
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_TRUE(in_blocks(p, HUGE, HUGE_ORDER));
	EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
	EXPECT_GE(vmstat("thp_collapse_alloc") - alloc, 1);
	EXPECT_EQ(vmstat("thp_fault_alloc"), fault);
	EXPECT_EQ(size_stat(HUGE_ORDER, "anon_fault_alloc"), anon_fault);
	if (!access(THP_DIR "hugepages-2048kB/stats/nr_anon", F_OK))
		EXPECT_EQ(size_stat(HUGE_ORDER, "nr_anon") - nr_anon, 1);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	EXPECT_EQ(faults_of_writing(p, HUGE), 0);
	EXPECT_EQ(collapse(p, HUGE), 0);		/* a second time: nothing to do */
	split_pmds(p, HUGE);				/* it has a table in reserve */
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

TEST(khugepaged_collapses_the_same)
{
	need_force();
	char *p = small_range(HUGE);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_STR(scan(p), "page_pmd_mapped");
}

/* The holes read as zeroes, and count as resident from then on. */
TEST(holes_and_zero_pages_are_filled)
{
	need_collapse();
	char *p = reserve(HUGE), sum = 0;
	madvise(p, HUGE, MADV_NOHUGEPAGE);
	fill_pages(p, 100 * PAGE);
	for (int i = 200; i < 300; i++)
		sum |= ((volatile char *)p)[i * PAGE];
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	EXPECT_EQ(smaps_kb(p, "Rss"), 400);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
	EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
	for (size_t at = 100 * PAGE; at < HUGE; at++)
		sum |= p[at];
	EXPECT_EQ(sum, 0);
}

/* Folios of each size are sources like any other, and free afterwards. */
TEST(large_folios_are_sources)
{
	need_collapse();
	for (int order = 2; order < HUGE_ORDER; order++) {
		long before = size_stat(order, "nr_anon");
		char *p = large_area(HUGE, order);
		EXPECT_GE(size_stat(order, "nr_anon"), before + (512 >> order));
		EXPECT_EQ(collapse_at_last(p, HUGE), 0);
		EXPECT_EQ(huge_mapped(p), 2048);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		EXPECT_LE(size_stat(order, "nr_anon"), before);
		munmap(p, HUGE);
	}
}

TEST(a_pte_mapped_huge_folio_is_a_source)
{
	need_collapse();
	char *p = large_area(HUGE, HUGE_ORDER);
	split_pmds(p, HUGE);
	OK(madvise(p + 100 * PAGE, 50 * PAGE, MADV_DONTNEED));
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	uint64_t pfn = pfn_of(p);
	long nr_anon = size_stat(HUGE_ORDER, "nr_anon");
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_NE(pfn_of(p), pfn);
	EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
	EXPECT_EQ(p[120 * PAGE], 0);
	EXPECT_EQ(wrong_pages(p + 150 * PAGE, HUGE - 150 * PAGE, 150), 0);
	EXPECT_EQ(size_stat(HUGE_ORDER, "nr_anon"), nr_anon);		/* the old one is gone */
}

/* Folios that lie across both ends of the range: only what this table maps is copied, the rest stays. */
TEST(folios_across_the_border)
{
	need_collapse();
	char *from = large_area(2 * HUGE, ORDER_64K), *to = reserve(4 * HUGE);
	char *p = to + 8 * PAGE;
	ASSERT_TRUE(mremap(from, 2 * HUGE, 2 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	uint64_t before = pfn_of(to + HUGE - PAGE), behind = pfn_of(to + 2 * HUGE);
	EXPECT_EQ(collapse_at_last(to + HUGE, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, 2 * HUGE, 0), 0);
	EXPECT_EQ(pfn_of(to + HUGE - PAGE), before);
	EXPECT_EQ(pfn_of(to + 2 * HUGE), behind);
	EXPECT_STATE(to + HUGE - PAGE, 8, 8, 8, 0, 0);
	EXPECT_STATE(to + 2 * HUGE, 8, 8, 8, 0, 0);
}

TEST(a_read_only_mapping_stays_so)
{
	need_collapse();
	need_no_writable_page();
	char *p = small_range(HUGE);
	OK(mprotect(p, HUGE, PROT_READ));
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(touch_signal(p + PAGE, true), SIGSEGV);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	uint64_t pfn = pfn_of(p);
	OK(mprotect(p, HUGE, PROT_READ | PROT_WRITE));
	p[7] = 1;
	EXPECT_EQ(pfn_of(p), pfn);		/* exclusive: no copy */
}

/* T-MLK-6: the new folio is mlocked like the old pages (MLK-9). */
TEST(a_locked_range_stays_locked)
{
	need_collapse();
	char *p = small_range(HUGE);
	long before = meminfo_kb("Mlocked");
	if (mlock(p, HUGE))
		SKIP("may not lock 2 MiB");
	/* What others lock and let go lies in batches of Linux for a while. */
	long noise = ktap_is_quire() ? 0 : 256;
	EXPECT_LE(labs(meminfo_kb("Mlocked") - before - 2048), noise);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_LE(labs(meminfo_kb("Mlocked") - before - 2048), noise);
	EXPECT_TRUE(has_flag(p, 18));		/* unevictable */
	EXPECT_EQ(smaps_kb(p, "Locked"), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	OK(munlock(p, HUGE));
	EXPECT_LE(labs(meminfo_kb("Mlocked") - before), noise);
}

/* ---- khugepaged's limits ---- */

static const char *scan_present(int present, bool zero_page)
{
	char *p = reserve(HUGE);
	madvise(p, HUGE, MADV_NOHUGEPAGE);
	fill_pages(p, (size_t)present * PAGE);
	if (zero_page)
		(void)*(volatile char *)(p + HUGE - PAGE);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	const char *word = scan(p);
	EXPECT_EQ(wrong_pages(p, (size_t)present * PAGE, 0), 0);
	EXPECT_EQ(is_huge(p), !strcmp(word, "succeeded"));
	munmap(p, HUGE);
	return word;
}

/* T-KHP-5 */
TEST(max_ptes_none)
{
	need_force();
	long exceed = vmstat("thp_scan_exceed_none_pte");
	set_limit("max_ptes_none", 256);
	EXPECT_STR(scan_present(255, false), "exceed_none_pte");
	EXPECT_EQ(vmstat("thp_scan_exceed_none_pte") - exceed, 1);
	EXPECT_STR(scan_present(256, false), "succeeded");
	EXPECT_STR(scan_present(255, true), "exceed_none_pte");		/* a zero page is as good as none */
	set_limit("max_ptes_none", 0);
	EXPECT_STR(scan_present(511, false), "exceed_none_pte");
	EXPECT_STR(scan_present(511, true), "exceed_none_pte");
	EXPECT_STR(scan_present(512, false), "succeeded");
	set_limit("max_ptes_none", 511);
	EXPECT_STR(scan_present(1, false), "succeeded");
	EXPECT_EQ(vmstat("thp_scan_exceed_none_pte") - exceed, 4);
	default_limits();
}

/* A small range of which the first PAGES are on a disk that answers at once. */
static char *partly_swapped(size_t pages)
{
	char *p = small_range(HUGE);
	if (!swap_is_sync(swap_disk() ? swap_disk() : ""))
		SKIP("needs a disk that answers at once");
	swap_on(0);
	ASSERT_EQ(page_out(p, pages * PAGE), pages);
	return p;
}

/* T-KHP-1 */
TEST(swapped_pages_come_in)
{
	need_force();
	char *p = partly_swapped(64);
	long pswpin = vmstat("pswpin"), major = vmstat("pgmajfault"), alloc = vmstat("thp_collapse_alloc");
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	EXPECT_STR(scan_at_last(p), "succeeded");
	getrusage(RUSAGE_SELF, &after);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(vmstat("pswpin") - pswpin, 64);
	EXPECT_LE(vmstat("pgmajfault") - major, 64);
	EXPECT_EQ(after.ru_majflt, before.ru_majflt);
	EXPECT_EQ(vmstat("thp_collapse_alloc") - alloc, 1);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(smaps_kb(p, "Swap"), 0);
	swap_off(swap_disk());
}

/* The same as the events tell it (ABI-15 to 18, 20). */
TEST(events_of_a_swap_in)
{
	need_force();
	char *p = partly_swapped(64), *line;
	start_events("huge_memory:*");
	limit_events_to(getpid());
	EXPECT_STR(scan(p), "succeeded");
	read_events();
	stop_events();
	line = event_line("mm_khugepaged_scan_pmd", 0);
	EXPECT_STR(event_word(line, "status"), "succeeded");
	EXPECT_EQ(event_number(line, "unmapped"), 64);
	EXPECT_GE(event_number(line, "referenced"), 448);
	EXPECT_EQ(event_number(line, "none_or_zero"), 0);
	line = event_line("mm_collapse_huge_page_swapin", 0);
	EXPECT_EQ(event_number(line, "swapped_in"), 64);
	EXPECT_EQ(event_number(line, "ret"), 1);		/* succeeded */
	line = event_line("mm_collapse_huge_page_isolate", 0);
	EXPECT_STR(event_word(line, "status"), "succeeded");
	line = event_line("mm_collapse_huge_page", 0);
	EXPECT_STR(event_word(line, "status"), "succeeded");
	EXPECT_EQ(event_number(line, "isolated"), 1);
	EXPECT_EQ(event_count("mm_collapse_huge_page"), 1);
	EXPECT_STR(scan(small_range(HUGE)), "succeeded");	/* off again */
	EXPECT_EQ(event_count("mm_collapse_huge_page"), 1);
	swap_off(swap_disk());
}

/* T-KHP-2 */
TEST(max_ptes_swap)
{
	need_force();
	char *p = partly_swapped(65);
	long pswpin = vmstat("pswpin"), alloc = vmstat("thp_collapse_alloc"), exceed = vmstat("thp_scan_exceed_swap_pte");
	EXPECT_STR(scan(p), "exceed_swap_pte");
	EXPECT_EQ(vmstat("thp_scan_exceed_swap_pte") - exceed, 1);
	EXPECT_EQ(vmstat("pswpin"), pswpin);
	EXPECT_EQ(vmstat("thp_collapse_alloc"), alloc);
	EXPECT_EQ(pages_swapped(p, HUGE), 65);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);	/* KHP-15 */
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

/* Make the pages of P old, then read YOUNG of them, the first one not. */
static void touch_some(char *p, int young)
{
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	for (int i = 1; i <= young; i++)
		(void)*(volatile char *)(p + i * PAGE);
}

/* T-KHP-3: one young page is enough, but with swap entries half of them must be (KHP-13). */
TEST(enough_young_pages)
{
	need_force();
	char *p = small_range(HUGE);
	long alloc = vmstat("thp_collapse_alloc");
	touch_some(p, 0);
	EXPECT_STR(scan(p), "lack_referenced_page");
	EXPECT_EQ(vmstat("thp_collapse_alloc"), alloc);
	touch_some(p, 1);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 2048);
	p = small_range(HUGE);
	touch_some(p, 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);	/* KHP-15, PIT-32 */
}

TEST(enough_young_pages_to_swap_in)
{
	need_force();
	char *p = partly_swapped(1);
	long pswpin = vmstat("pswpin");
	touch_some(p, 255);
	EXPECT_STR(scan(p), "lack_referenced_page");
	EXPECT_EQ(vmstat("pswpin"), pswpin);
	touch_some(p, 256);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(vmstat("pswpin") - pswpin, 1);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

/* T-KHP-10: the pages that have just come in are in an LRU batch, which holds a reference to each. */
TEST(the_batch_is_drained_after_a_swap_in)
{
	need_force();
	char *p = partly_swapped(8);
	stay_here();
	EXPECT_EQ(control("fail", "collapse_drain"), 0);
	EXPECT_STR(scan(p), "not_suitable_page_count");
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_EQ(pages_swapped(p, HUGE), 0);		/* they stay */
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	ASSERT_EQ(page_out(p, 8 * PAGE), 8);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

/* KHP-10.5: what may be thrown away is not worth a copy, unless the program says so. */
TEST(lazily_freeable_pages)
{
	need_force();
	char *p = small_range(HUGE);
	OK(madvise(p + 10 * PAGE, PAGE, MADV_FREE));
	EXPECT_STR(scan(p), "page_lazyfree");
	p[10 * PAGE + 100] = 1;				/* written again: ordinary */
	EXPECT_STR(scan_at_last(p), "succeeded");
	p = small_range(HUGE);
	OK(madvise(p + 10 * PAGE, PAGE, MADV_FREE));
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_TRUE(p[10 * PAGE] == byte_of(10) || p[10 * PAGE] == 0);
}

/* ---- Refusals, and what they leave behind ---- */

/* T-KHP-11 */
TEST(a_pinned_page_stays)
{
	need_collapse();
	char *p = small_range(HUGE), pinned[PAGE];
	uint64_t *frames = frames_of(p, HUGE);
	int fd = gup_open();
	ASSERT_EQ(gup_pin(fd, p + 77 * PAGE, PAGE, PIN_WRITE), 0);
	EXPECT_EQ(collapse(p, HUGE), EAGAIN);
	if (have_control("force"))
		EXPECT_STR(scan(p), "not_suitable_page_count");
	EXPECT_EQ(frames_changed(p, HUGE, frames), 0);
	p[77 * PAGE + 5] = 42;
	gup_read(fd, pinned);
	EXPECT_EQ(pinned[5], 42);
	p[77 * PAGE + 5] = byte_of(77);
	gup_unpin(fd);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

/* T-KHP-13, the half of MADV_COLLAPSE */
TEST(no_memory_for_a_huge_page)
{
	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	char *p = small_range(HUGE);
	uint64_t *frames = frames_of(p, HUGE);
	long failed = vmstat("thp_collapse_alloc_failed"), alloc = vmstat("thp_collapse_alloc");
	EXPECT_EQ(control("fail", "alloc_pages order=9 pid=%d", (int)getpid()), 0);
	EXPECT_EQ(collapse(p, HUGE), ENOMEM);
	EXPECT_STR(scan(p), "alloc_huge_page_failed");
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_EQ(vmstat("thp_collapse_alloc_failed") - failed, 2);
	EXPECT_EQ(vmstat("thp_collapse_alloc"), alloc);
	EXPECT_EQ(frames_changed(p, HUGE, frames), 0);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
}

/* Each size's own word is "never"; or again what it was. */
static void never_any_size(bool never)
{
	static char old[HUGE_ORDER + 1][32];
	for (int order = 2; order <= HUGE_ORDER; order++) {
		char path[100];
		snprintf(path, sizeof(path), THP_DIR "hugepages-%dkB/enabled", 4 << order);
		if (never)
			choose(path, "never", old[order]);
		else if (old[order][0])
			EXPECT_EQ(ktap_write(path, old[order]), 0);
	}
}
/* T-KHP-14 */
TEST(return_codes)
{
	need_collapse();
	char *p = small_range(HUGE), old[32];
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	EXPECT_EQ(collapse(p, HUGE), EINVAL);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	ASSERT_TRUE(choose(THP_DIR "enabled", "never", old));
	never_any_size(true);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);	/* KHP-30 */
	never_any_size(false);
	ktap_write(THP_DIR "enabled", old);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(collapse(p, HUGE), 0);
	EXPECT_EQ(collapse(reserve(HUGE), HUGE), EINVAL);	/* never touched */
	EXPECT_EQ(collapse(p + 1, HUGE), EINVAL);
	EXPECT_EQ(collapse(p, 0), 0);
	char *q = small_range(2 * HUGE);
	OK(madvise(q, HUGE, MADV_DONTNEED));		/* its table may stay, empty: that is enough */
	int error = collapse_at_last(q, 2 * HUGE);
	EXPECT_TRUE(error == 0 || error == EINVAL);
	EXPECT_EQ(wrong_pages(q + HUGE, HUGE, 512), 0);
	EXPECT_GE(huge_mapped(q), 2048);
}

/* KHP-27: what is not a whole 2 MiB is left out. */
TEST(parts_of_a_block)
{
	need_collapse();
	char *p = small_range(2 * HUGE);
	EXPECT_EQ(collapse(p + PAGE, PAGE), EINVAL);		/* strictly inside */
	EXPECT_EQ(collapse(p, PAGE), 0);
	EXPECT_EQ(collapse(p + PAGE, HUGE - PAGE), 0);
	EXPECT_EQ(collapse(p + PAGE, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_EQ(collapse_at_last(p + PAGE, 2 * HUGE - PAGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_TRUE(!in_blocks(p, HUGE, HUGE_ORDER));
	EXPECT_TRUE(in_blocks(p + HUGE, HUGE, HUGE_ORDER));
	char *small = large_area(HUGE, 0);			/* a mapping without a whole block */
	munmap(small + HUGE - PAGE, PAGE);
	EXPECT_EQ(collapse(small, HUGE - PAGE), EINVAL);
}

/* KHP-27: VMA by VMA; a gap is told after all the rest was done. */
TEST(a_gap_in_the_range)
{
	need_collapse();
	char *p = small_range(BLOCKS * HUGE);
	OK(munmap(p + HUGE, HUGE));
	int error = ENOMEM;
	for (int i = 0; i < 20 && error == ENOMEM && !(is_huge(p) && is_huge(p + 2 * HUGE)); i++)
		error = collapse(p, BLOCKS * HUGE);
	EXPECT_EQ(error, ENOMEM);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(huge_mapped(p + 2 * HUGE), 2048);
}

/* KHP-29: a block that is just in use does not keep the next ones from being done. */
TEST(goes_on_after_a_block_in_use)
{
	need_collapse();
	char *p = small_range(BLOCKS * HUGE);
	int fd = gup_open();
	ASSERT_EQ(gup_pin(fd, p + HUGE, PAGE, PIN_WRITE), 0);
	for (int i = 0; i < 20 && huge_mapped(p) < 2 * 2048; i++)
		EXPECT_EQ(collapse(p, BLOCKS * HUGE), EAGAIN);
	EXPECT_EQ(huge_mapped(p), 2 * 2048);
	EXPECT_TRUE(!in_blocks(p + HUGE, HUGE, HUGE_ORDER));
	gup_unpin(fd);
	EXPECT_EQ(collapse_at_last(p, BLOCKS * HUGE), 0);
	EXPECT_EQ(huge_mapped(p), BLOCKS * 2048);
	EXPECT_EQ(wrong_pages(p, BLOCKS * HUGE, 0), 0);
}

/* Whoever watches single pages (on Linux: by userfaultfd) does not lose sight of them: a hole is EBUSY (KHP-28). */
TEST(watched_pages)
{
	need_force();
	char *p = small_range(HUGE);
	ASSERT_EQ(control("force", "track 0 0x%lx 0x%lx", (unsigned long)p, (unsigned long)p + HUGE), 0);
	EXPECT_EQ(collapse(p, HUGE), EINVAL);
	EXPECT_STR(scan(p), "pte_uffd_wp");
	OK(madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_EQ(collapse(p, HUGE), EBUSY);
	EXPECT_STR(scan(p), "exceed_none_pte");
	EXPECT_EQ(wrong_pages(p + PAGE, HUGE - PAGE, 1), 0);
}

/* Refused at once where it cannot work: files, shared memory, a stranger's page. */
TEST(other_kinds_of_memory)
{
	need_collapse();
	char *p = OK(mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill_pages(p, 2 * HUGE);
	int error = collapse(p, 2 * HUGE);
	EXPECT_TRUE(error == EINVAL || error == 0);	/* Linux can make shared memory huge */
	EXPECT_EQ(wrong_pages(p, 2 * HUGE, 0), 0);
}

/* ABI-23: off for the process is off; "except advised" is not, as the call is advice. */
TEST(disabled_for_the_process)
{
	need_collapse();
	char *p = small_range(HUGE);
	OK(prctl(SET_THP_DISABLE, 1, 0, 0, 0));
	EXPECT_EQ(collapse(p, HUGE), EINVAL);
	if (have_control("force"))
		EXPECT_STR(scan(p), "no_process_for_page");
	EXPECT_EQ(huge_mapped(p), 0);
	OK(prctl(SET_THP_DISABLE, 0, 0, 0, 0));
	if (prctl(SET_THP_DISABLE, 1, 2, 0, 0))
		SKIP("no PR_THP_DISABLE_EXCEPT_ADVISED");
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
}

/* Another process's memory, through process_madvise. */
TEST(another_process)
{
	need_collapse();
	struct turns t;
	char *p = small_range(2 * HUGE);
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		fill_pages(p, 2 * HUGE);		/* its own copies */
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(huge_mapped(p), 2 * 2048);
		EXPECT_EQ(wrong_pages(p, 2 * HUGE, 0), 0);
		ktap_exit();
	}
	parent_waits(&t);
	int fd = (int)OK(syscall(SYS_pidfd_open, pid, 0));
	struct iovec v = { p, 2 * HUGE };
	long done = -1;
	for (int i = 0; i < 100 && done < 0; i++)
		done = syscall(SYS_process_madvise, fd, &v, 1, ADVISE_COLLAPSE, 0);
	EXPECT_EQ(done, 2 * HUGE);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(huge_mapped(p), 0);
}

/* ---- Who else has the pages ---- */

/*
 * T-COW-16: P and a child share all of it, or the lower or the upper half. P collapses, before or after the fork, and
 * writes everywhere; the child reads what was there. Then P's folio is its own alone.
 */
static void collapse_of_shared(const struct kind *k, size_t keep, size_t n, bool before)
{
	char *p = large_area(HUGE, k->order);
	struct turns t;
	if (k->split)
		split_pmds(p, HUGE);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	if (before)
		ASSERT_EQ(collapse_at_last(p, HUGE), 0);
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		if (keep)
			OK(munmap(p, keep));
		if (keep + n < HUGE)
			OK(munmap(p + keep + n, HUGE - keep - n));
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p + keep, n, keep / PAGE), 0);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	memset(p, 0, HUGE);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	munmap(p, HUGE);
}
static void collapse_of_shared_all(const struct kind *k)
{
	need_collapse();
	need_no_writable_page();
	for (int before = 0; before < 2; before++) {
		collapse_of_shared(k, 0, HUGE, before);
		collapse_of_shared(k, 0, HUGE / 2, before);
		collapse_of_shared(k, HUGE / 2, HUGE / 2, before);
	}
}
TEST(collapse_and_fork_4k) { collapse_of_shared_all(SMALL); }
TEST(collapse_and_fork_64k) { collapse_of_shared_all(BY_64K); }
TEST(collapse_and_fork_2m_ptes) { collapse_of_shared_all(BY_PTES); }
TEST(collapse_and_fork_2m_pmd) { collapse_of_shared_all(BY_PMD); }

/* What is in the swap cache, too, leaves it with the collapse: nobody will read the slots again. */
TEST(swap_cache_copies_go)
{
	need_collapse();
	char *p = small_range(HUGE);
	swap_on(0);
	long used = meminfo_kb("SwapFree");
	ASSERT_EQ(page_out(p, 128 * PAGE), 128);
	for (int i = 0; i < 128; i++)
		(void)*(volatile char *)(p + i * PAGE);
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(meminfo_kb("SwapFree"), used);
	swap_off(swap_disk());
}

/* T-KHP-8, second half: on a disk that takes its time each attempt gets as far as the first page that has to be read. */
TEST(a_slow_disk_takes_several_attempts)
{
	need_collapse();
	char *p = small_range(HUGE);
	if (!getenv("SWAP_DISK"))
		setenv("SWAP_DISK", "/dev/vda", 1);
	if (!swap_disk() || swap_is_sync(swap_disk()))
		SKIP("needs a disk that takes its time");
	swap_on(0);
	const size_t at[] = { 5, 200, 400 };
	int attempts = 0, error;
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(page_out(p + at[i] * PAGE, PAGE), 1);
	while ((error = collapse(p, HUGE)) == EAGAIN && ++attempts < 10)
		ktap_sleep_ms(5);
	EXPECT_EQ(error, 0);
	/* In Linux somebody else may just hold a page. collapse_race:each_attempt_brings_one_page_in looks closer. */
	EXPECT_LE(attempts, ktap_is_quire() ? 3 : 4);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(swap_disk());
}

TEST_KHUGEPAGED_WAKES
