/*
 * tests/user/collapse.c - one range of 2 MiB becomes huge: what is accepted, what is refused and by which word, and what is
 * there afterwards (KHP-9..30).
 */
#include "tests/user/collapse.h"
#include "tests/user/swaparea.h"

/* 512 small pages become one folio, with all that belongs to it (KHP-21). */
TEST(small_pages_become_one_folio)
{
	need_collapse();
	char *p = small_range(HUGE);
	long alloc = vmstat("thp_collapse_alloc"), fault = vmstat("thp_fault_alloc");
	long anon_fault = size_stat(HUGE_ORDER, "anon_fault_alloc"), nr_anon = size_stat(HUGE_ORDER, "nr_anon");
	EXPECT_EQ(collapse(p, HUGE), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_TRUE(in_blocks(p, HUGE, HUGE_ORDER));
	EXPECT_EQ(smaps_kb(p, "Rss"), 2048);
	EXPECT_EQ(vmstat("thp_collapse_alloc") - alloc, 1);
	EXPECT_EQ(vmstat("thp_fault_alloc"), fault);
	EXPECT_EQ(size_stat(HUGE_ORDER, "anon_fault_alloc"), anon_fault);
	EXPECT_EQ(size_stat(HUGE_ORDER, "nr_anon") - nr_anon, 1);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	EXPECT_EQ(faults_of_writing(p, HUGE), 0);
	EXPECT_EQ(collapse(p, HUGE), 0);		/* a second time: nothing to do */
}

TEST(khugepaged_collapses_the_same)
{
	need_force();
	char *p = small_range(HUGE);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_STR(scan(p), "page_pmd_mapped");
}
