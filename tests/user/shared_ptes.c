/*
 * tests/user/shared_ptes.c - how khugepaged counts PTEs of folios that others may map: max_ptes_shared (KHP-10 to 12,
 * T-SHR-1 to 9).
 *
 * P is this process, C a child, F a folio of 2 MiB. What counts is the folio: may several mms map it, as far as the owner
 * slots can tell? Then each PTE of it counts, also those that only one maps.
 */
#include "tests/user/collapse.h"

TEST_KHUGEPAGED_SLEEPS

static void unmap_pages(char *p, size_t from, size_t to)
{
	if (from < to)
		OK(madvise(p + from * PAGE, (to - from) * PAGE, MADV_DONTNEED));
}
static char *by_pmd(void)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	return p;
}
static char *by_ptes(void)
{
	char *p = large_area(HUGE, HUGE_ORDER);
	split_pmds(p, HUGE);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	return p;
}
static long exceeded(void) { return vmstat("thp_scan_exceed_share_pte"); }
/* Make the first N pages of P ours, as they are. */
static void write_pages(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = byte_of(i);
}

/* T-SHR-1, T-SHR-9: the child writes 255 pages, 257 still point into the parent's folio; one more is enough. */
TEST(a_child_writes_half)
{
	need_force();
	char *p = by_pmd();
	uint64_t pfn = pfn_of(p);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		long before = exceeded();
		stay_here();
		write_pages(p, 255);
		EXPECT_STR(scan(p), "exceed_shared_pte");
		EXPECT_EQ(exceeded() - before, 1);
		p[255 * PAGE] = byte_of(255);
		EXPECT_STR(scan_at_last(p), "succeeded");
		EXPECT_EQ(exceeded() - before, 1);
		EXPECT_EQ(huge_mapped(p), 2048);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		EXPECT_NE(pfn_of(p), pfn);
		memset(p, 0, HUGE);
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	long split = vmstat("thp_split_pmd");
	p[5] = byte_of(0);				/* P's alone again: taken over whole */
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(vmstat("thp_split_pmd"), split);
	child_go(&t);
	EXPECT_CHILD(pid);
}

/*
 * T-SHR-2, 3: P maps SHARED pages of F, each of which C maps, too; FIRST: F's first page is among them, else nobody maps it
 * any more. One PTE of P maps a page of P's own. With fewer than 257 in all F's mapcount says nothing: 512, as if P mapped it
 * whole; a guess from it (and from the first page's) was "exclusive". Owner slots know better.
 */
static void extreme_case(size_t shared, bool first)
{
	char *p = by_ptes();
	size_t from = first ? 0 : 1, to = from + shared;
	struct turns t;
	unmap_pages(p, 0, from);
	unmap_pages(p, to, 512);
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p + from * PAGE, shared * PAGE, from), 0);
		ktap_exit();
	}
	parent_waits(&t);
	stay_here();
	/* An order-0 page of P's own, not the whole block again. */
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	p[511 * PAGE] = byte_of(511);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	EXPECT_STATE(p + to * PAGE - PAGE, 2 * (long)shared, 2 * (long)shared, (long)shared, (long)shared, 1);
	for (long limit = 0; limit < (long)shared && limit < 512; limit += limit == 0 ? (long)shared - 1 : 1) {
		set_limit("max_ptes_shared", limit);
		EXPECT_STR(scan(p), "exceed_shared_pte");
	}
	set_limit("max_ptes_shared", (long)shared);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(wrong_pages(p + from * PAGE, shared * PAGE, from), 0);
	memset(p, 0, HUGE);
	child_go(&t);
	EXPECT_CHILD(pid);
	munmap(p, HUGE);
	default_limits();
}
TEST(half_shared_and_no_first_page) { need_force(); extreme_case(256, false); }
TEST(more_than_half_shared) { need_force(); extreme_case(257, false); }
TEST(half_shared_with_the_first_page) { need_force(); extreme_case(256, true); }

/* T-SHR-4: C has one page of F left; all 512 PTEs of P count, until C is gone. */
TEST(one_page_makes_all_count)
{
	need_force();
	char *p = by_ptes();
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		unmap_pages(p, 1, 512);
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[1], byte_of(0));
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_STATE(p, 513, 513, 512, 1, 1);
	EXPECT_STR(scan(p), "exceed_shared_pte");
	set_limit("max_ptes_shared", 511);
	EXPECT_STR(scan(p), "exceed_shared_pte");	/* there is no limit that says 512 */
	default_limits();
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

/*
 * P and its first child have the slots of the folio at P; the second child, which finds none, maps KEEP pages of it, and
 * runs BODY when the two others have gone.
 */
static void left_by_the_tracked(char *p, int keep, void (*body)(char *p))
{
	struct turns t[2];
	pid_t pid[2];
	for (int i = 0; i < 2; i++)
		turns_init(&t[i]);
	for (int i = 0; i < 2; i++) {
		pid[i] = ktap_fork();
		if (pid[i])
			continue;
		if (i && keep < 512)
			unmap_pages(p, keep, 512);
		child_done(&t[i]);
		child_waits(&t[i]);
		if (i)
			body(p);
		ktap_exit();
	}
	parent_waits(&t[0]);
	parent_waits(&t[1]);
	child_go(&t[0]);
	EXPECT_CHILD(pid[0]);
	OK(munmap(p, HUGE));
	child_go(&t[1]);
	EXPECT_CHILD(pid[1]);
}

/* T-SHR-5: a third mm found no slot and outlives the other two: SHARED for ever. MADV_COLLAPSE yields a clean folio. */
static void refused_and_collapsed(char *p)
{
	EXPECT_STATE(p, 512, 512, 0, 0, 1);
	EXPECT_STR(scan(p), "exceed_shared_pte");
	EXPECT_EQ(collapse_at_last(p, HUGE), 0);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}
TEST(falsely_shared)
{
	need_force();
	left_by_the_tracked(by_ptes(), 512, refused_and_collapsed);
}

/* T-SHR-6: a small page counts if it is mapped twice; a zero page never does. */
TEST(small_pages)
{
	need_force();
	char *p = small_range(HUGE);
	unmap_pages(p, 100, 200);
	for (int i = 100; i < 200; i++)
		(void)((volatile char *)p)[i * PAGE];
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_done(&t);
		child_waits(&t);
		write_pages(p, 99);			/* copies: these are not shared any more */
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	long alloc = vmstat("thp_collapse_alloc");
	EXPECT_STR(scan(p), "exceed_shared_pte");	/* 412 */
	set_limit("max_ptes_shared", 411);
	EXPECT_STR(scan(p), "exceed_shared_pte");
	EXPECT_EQ(vmstat("thp_collapse_alloc"), alloc);	/* seen by the scan, not by the collapse */
	child_go(&t);
	parent_waits(&t);
	set_limit("max_ptes_shared", 312);		/* 412 - 99 = 313 */
	EXPECT_STR(scan(p), "exceed_shared_pte");
	set_limit("max_ptes_shared", 313);
	EXPECT_STR(scan_at_last(p), "succeeded");
	default_limits();
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
}

/* T-SHR-7: of a falsely shared folio one mapping is left: exclusive after all, whatever SHARED says (MMID-10). */
static void exclusive_with_the_last(char *p)
{
	set_limit("max_ptes_shared", 0);
	EXPECT_STR(scan(p), "exceed_shared_pte");
	unmap_pages(p, 1, 2);
	EXPECT_STATE(p, 1, 1, 0, 0, 1);
	(void)*(volatile char *)p;	/* PIT-33: fork left it old */
	EXPECT_STR(scan_at_last(p), "succeeded");
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	default_limits();
}
TEST(one_mapping_left)
{
	need_force();
	left_by_the_tracked(by_ptes(), 2, exclusive_with_the_last);
}

/* T-SHR-8 */
TEST(values_of_max_ptes_shared)
{
	const char *path = KHUGEPAGED "max_ptes_shared";
	static const char *const good[] = { "0", "511", "0\n", "511\n" }, *const bad[] = { "512", "-1", "abc", "\n", "" };
	if (access(path, W_OK))
		SKIP("no max_ptes_shared");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		EXPECT_EQ(ktap_write(path, good[i]), 0);
		EXPECT_EQ(atol(ktap_read(path)), atol(good[i]));
	}
	int fd = OK(open(path, O_WRONLY));
	EXPECT_EQ(write(fd, "7", 2), 2);		/* with its NUL */
	EXPECT_EQ(atol(ktap_read(path)), 7);
	close(fd);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(ktap_write(path, bad[i]), *bad[i] ? EINVAL : 0);
		EXPECT_EQ(atol(ktap_read(path)), 7);
	}
	default_limits();
}

TEST_KHUGEPAGED_WAKES
