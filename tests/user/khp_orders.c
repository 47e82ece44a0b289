/*
 * tests/user/khp_orders.c - khugepaged makes smaller folios where 2 MiB are not to be had (KHP-31..34). A switch of Quire's, off
 * by default; on Linux, which has it from 7.2 on, these cases are skipped.
 *
 * In each case the policy allows 64 KiB and 2 MiB, and holes are not filled: so a range with a hole does not become huge.
 */
#include "tests/user/khugepaged.h"
#include "tests/user/swaparea.h"

#define PER_64K	16

static void size_policy(int kb, const char *word)
{
	char path[120];
	snprintf(path, sizeof(path), THP_DIR "hugepages-%dkB/enabled", kb);
	EXPECT_EQ(ktap_write(path, word), 0);
}
static void orders(const char *on)
{
	if (!have_control("collapse_orders"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	size_policy(64, "madvise");
	policy("madvise");
	size_policy(64, "madvise");
	knob("max_ptes_none", "0");
	EXPECT_EQ(control("collapse_orders", "%s", on), 0);
}
static void done(void)
{
	EXPECT_EQ(control("collapse_orders", "0"), 0);
	khugepaged_defaults();
	one_pass();
}
/* The pages [FROM, TO) of an otherwise empty range of 2 MiB, small ones. */
static char *pages_of_range(size_t from, size_t to)
{
	char *p = small_range(HUGE);
	OK(madvise(p, from * PAGE, MADV_DONTNEED));
	OK(madvise(p + to * PAGE, HUGE - to * PAGE, MADV_DONTNEED));
	return p;
}
static void drop_page(char *p, size_t i) { OK(madvise(p + i * PAGE, PAGE, MADV_DONTNEED)); }
/* The 64 KiB at page FROM are one folio. */
static bool is_64k(char *p, size_t from) { return in_blocks(p + from * PAGE, PER_64K * PAGE, ORDER_64K) &&
						   folio_number(0, p + from * PAGE, "order") == ORDER_64K; }

TEST(off_means_2_mib_only)
{
	orders("0");
	char *p = pages_of_range(0, 48);
	EXPECT_STR(scan(p), "exceed_none_pte");
	EXPECT_EQ(folio_number(0, p, "order"), 0);
	done();
}

/* KHP-32: each full block; not the one with a hole. Nothing else changes. */
TEST(full_blocks_become_folios)
{
	orders("1");
	char *p = pages_of_range(0, 48);
	drop_page(p, 20);
	long rss = smaps_kb(p, "Rss");
	uint64_t frame = pfn_of(p + 16 * PAGE);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_TRUE(is_64k(p, 0));
	EXPECT_TRUE(is_64k(p, 32));
	EXPECT_EQ(pfn_of(p + 16 * PAGE), frame);
	EXPECT_EQ(pfn_of(p + 20 * PAGE), 0);
	EXPECT_EQ(smaps_kb(p, "Rss"), rss);
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_STATE(p, 16, 16, 16, 0, 0);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	EXPECT_EQ(wrong_pages(p + 32 * PAGE, 16 * PAGE, 32), 0);
	EXPECT_EQ(faults_of_writing(p, 16 * PAGE), 0);
	done();
}

/* KHP-33: a folio of that order is left alone. */
TEST(what_is_large_stays)
{
	orders("1");
	char *p = pages_of_range(0, 32);
	EXPECT_STR(scan(p), "succeeded");
	uint64_t *before = frames_of(p, 32 * PAGE);
	EXPECT_STR(scan(p), "pte_mapped_hugepage");
	EXPECT_EQ(frames_changed(p, 32 * PAGE, before), 0);
	done();
}

/* A range without holes becomes one huge page, also of 64 KiB folios. */
TEST(the_largest_comes_first)
{
	orders("1");
	char *p = pages_of_range(0, 510);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_TRUE(is_64k(p, 480));
	EXPECT_EQ(folio_number(0, p + 500 * PAGE, "order"), 0);
	size_policy(64, "never");
	p[510 * PAGE] = p[511 * PAGE] = 1;
	size_policy(64, "madvise");
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p, 510 * PAGE, 0), 0);
	done();
}

/* KHP-32: no creep. Blocks of 16 KiB are full; the 32 and 64 KiB around them are not, and do not become so. */
static void creep(const char *max_ptes_none)
{
	orders("1");
	size_policy(16, "madvise");
	size_policy(32, "madvise");
	knob("max_ptes_none", max_ptes_none);
	char *p = pages_of_range(0, 4);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(folio_number(0, p, "order"), 2);
	for (int i = 0; i < 3; i++) {
		EXPECT_STR(scan(p), "pte_mapped_hugepage");
		EXPECT_EQ(folio_number(0, p, "order"), 2);
	}
	EXPECT_EQ(smaps_kb(p, "Rss"), 16);
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
	size_policy(16, "never");
	size_policy(32, "never");
	done();
}
TEST(no_creep)			{ creep("0"); }
TEST(between_0_and_511_is_0)	{ creep("256"); }

/* With 511 holes are filled; 2 MiB come first, then what there is memory for. */
TEST(holes_are_filled_with_511)
{
	orders("1");
	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	knob("max_ptes_none", "511");
	char *p = pages_of_range(100, 101);
	EXPECT_EQ(control("fail", "alloc_pages order=9"), 0);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_TRUE(is_64k(p, 96));
	EXPECT_EQ(smaps_kb(p, "Rss"), 64);
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_EQ(wrong_pages(p + 100 * PAGE, PAGE, 100), 0);
	for (size_t i = 96; i < 112; i++)
		EXPECT_EQ(p[i * PAGE], i == 100 ? byte_of(100) : 0);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(wrong_pages(p + 100 * PAGE, PAGE, 100), 0);
	done();
}

/* KHP-33: one page of the block that a relative maps, too; the next block is ours alone. */
TEST(a_shared_page_refuses_its_block)
{
	orders("1");
	char *p = pages_of_range(0, 32);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		ktap_exit();
	}
	size_policy(64, "never");
	for (size_t i = 1; i < 32; i++)
		p[i * PAGE] = byte_of(i);
	EXPECT_EQ(p[0], byte_of(0));
	size_policy(64, "madvise");
	uint64_t frame = pfn_of(p);
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_EQ(pfn_of(p), frame);
	EXPECT_EQ(folio_number(0, p, "order"), 0);
	EXPECT_TRUE(is_64k(p, 16));
	EXPECT_EQ(wrong_pages(p, 32 * PAGE, 0), 0);
	child_go(&t);
	EXPECT_CHILD(pid);
	done();
}

TEST(a_swapped_page_refuses_its_block)
{
	orders("1");
	const char *disk = swap_on(0);
	char *p = pages_of_range(0, 320);
	EXPECT_EQ(page_out(p + 5 * PAGE, PAGE), 1);
	for (size_t i = 16; i < 320; i++)
		EXPECT_EQ(p[i * PAGE], byte_of(i));		/* young: more than half of 512 */
	EXPECT_STR(scan(p), "succeeded");
	EXPECT_TRUE(is_swapped(p + 5 * PAGE));
	EXPECT_EQ(folio_number(0, p, "order"), 0);
	EXPECT_TRUE(is_64k(p, 16));
	EXPECT_TRUE(is_64k(p, 304));
	EXPECT_EQ(wrong_pages(p, 320 * PAGE, 0), 0);
	munmap(p, HUGE);
	swap_off(disk);
	done();
}

/* KHP-34: the mapping is another one when the lock is taken again. */
TEST(the_mapping_is_looked_up_again)
{
	orders("1");
	char *p = pages_of_range(0, 32);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(control("pause", "arm collapse_block_alloc %d once", getpid()), 0);
		EXPECT_STR(scan_of(getppid(), p), "not_suitable_address_range");
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("collapse_block_alloc") == 1));
	OK(munmap(p + HUGE / 2, HUGE / 2));
	EXPECT_EQ(control("pause", "release collapse_block_alloc"), 0);
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p, 32 * PAGE, 0), 0);
	munmap(p, HUGE / 2);
	done();
}

/* The daemon itself. */
TEST(a_pass_makes_them)
{
	orders("1");
	knob("pages_to_scan", NO_LIMIT);
	char *p = pages_of_range(16, 64);
	one_pass();
	one_pass();
	EXPECT_TRUE(is_64k(p, 16));
	EXPECT_TRUE(is_64k(p, 32));
	EXPECT_TRUE(is_64k(p, 48));
	EXPECT_EQ(wrong_pages(p + 16 * PAGE, 48 * PAGE, 16), 0);
	done();
}
