/*
 * tests/user/thp_fork.c - large folios of a process that forks or execs, what /proc says of them, and calls that meet pages
 * which are just being moved.
 */
#include "tests/user/thp_calls.h"

/* ---- fork, exec ---- */

EACH_KIND(fork_shares_and_exit_gives_back)
{
	struct turns t;
	long anon_kb = status_kb("RssAnon");
	turns_init(&t);
	EXPECT_EQ(count_exclusive(b->at, b->pages), b->pages);
	pid_t pid = ktap_fork();
	if (!pid) {
		expect_frames(b);
		EXPECT_EQ(count_exclusive(b->at, b->pages), 0);
		EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
		EXPECT_EQ(smaps_kb(b->at, "Rss"), 4 * b->pages);
		EXPECT_EQ(smaps_kb(b->at, "Pss"), 2 * b->pages);
		EXPECT_EQ(smaps_kb(b->at, "Shared_Dirty"), 4 * b->pages);
		EXPECT_EQ(smaps_kb(b->at, "Referenced"), 0);
		child_done(&t);
		child_waits(&t);
		expect_stamps(b);
		for (size_t i = 0; i < b->pages; i += 2)
			write_page(b->at, i, 5);
		for (size_t i = 0; i < b->pages; i++)
			EXPECT_TRUE(page_holds(b->at, i, i % 2 ? stamp(i) : 5));
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(kpagecount(b->pfn[0]), 2);
	EXPECT_EQ(kpagecount(b->pfn[77]), 2);
	EXPECT_EQ(count_exclusive(b->at, b->pages), 0);
	expect_rss_kb(anon_kb, 0);
	child_go(&t);
	EXPECT_CHILD(pid);
	expect_stamps(b);
	expect_frames(b);
	EXPECT_EQ(kpagecount(b->pfn[77]), 1);
	EXPECT_EQ(count_exclusive(b->at, b->pages), b->pages);
	EXPECT_EQ(smaps_kb(b->at, "Pss"), 4 * b->pages);
	EXPECT_EQ(huge_kb(b->at), block_huge_kb(b));
}

/* Each side writes another third; each sees its own. */
EACH_KIND(writes_after_fork_stay_apart)
{
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		for (size_t i = 0; i < b->pages; i += 3)
			write_page(b->at, i, 1000 + i);
		child_done(&t);
		child_waits(&t);
		for (size_t i = 0; i < b->pages; i++)
			EXPECT_TRUE(page_holds(b->at, i, i % 3 ? stamp(i) : 1000 + i));
		ktap_exit();
	}
	for (size_t i = 1; i < b->pages; i += 3)
		write_page(b->at, i, 2000 + i);
	child_go(&t);
	parent_waits(&t);
	for (size_t i = 0; i < b->pages; i++)
		EXPECT_TRUE(page_holds(b->at, i, i % 3 == 1 ? 2000 + i : stamp(i)));
	child_go(&t);
	EXPECT_CHILD(pid);
	OK(munmap(b->at, b->pages * PAGE));
}

/* Generations: each child drops a page, forks the next one and waits. */
static void next_generation(struct block *b, int left)
{
	expect_stamps(b);
	if (!left)
		return;
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = b->at + (100 + left) * PAGE;
		OK(munmap(p, PAGE));
		OK(mmap(p, PAGE, RW, PA | MAP_FIXED, -1, 0));
		write_page(b->at, 100 + left, stamp(100 + left));
		next_generation(b, left - 1);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	expect_stamps(b);
}
EACH_KIND(a_line_of_children) { next_generation(b, 12); }

HELPER(nothing) { return 0; }
EACH_KIND(exec_in_a_child_leaves_the_parent_alone)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		execv("/proc/self/exe", ktap_self("nothing"));
		_exit(9);
	}
	EXPECT_CHILD(pid);
	expect_stamps(b);
	expect_frames(b);
	EXPECT_EQ(count_exclusive(b->at, b->pages), b->pages);
}

EACH_KIND(shared_memory_beside_it)
{
	size_t n = b->pages * PAGE;
	char *s = OK(mmap(b->at + n, 64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	for (size_t i = 0; i < 64; i++)
		write_page(s, i, 1);
	pid_t pid = ktap_fork();
	if (!pid) {
		expect_stamps(b);
		for (size_t i = 0; i < 64; i++)
			write_page(s, i, 2);
		write_page(b->at, b->pages - 1, 2);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	expect_stamps(b);
	for (size_t i = 0; i < 64; i++)
		EXPECT_TRUE(page_holds(s, i, 2));
	/* One call over both. */
	OK(mprotect(b->at, n + 64 * PAGE, PROT_READ));
	expect_stamps(b);
	OK(munmap(b->at + n / 2, n / 2 + 32 * PAGE));
	expect_stamps_at(b->at, 0, b->pages / 2);
	EXPECT_TRUE(page_holds(s, 40, 2));
}

TEST(wipeonfork_of_huge)
{
	static struct block b;
	make_block(&b, PMD);
	if (madvise(b.at, HUGE, 18 /* WIPEONFORK */) && errno == EINVAL)
		SKIP("no MADV_WIPEONFORK");
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(present(b.at, 512), 0);
		expect_zeroes(b.at, 512);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	expect_stamps(&b);
	EXPECT_EQ(huge_kb(b.at), 2048);
}

/* ---- Figures ---- */

EACH_KIND(figures)
{
	size_t kb = 4 * b->pages;
	for (size_t i = 0; i < b->pages; i += 5) {
		uint64_t flags = kpageflags(b->pfn[i]);
		EXPECT_EQ(flags >> KPF_HEAD & 1, i % b->folio_pages == 0);
		EXPECT_EQ(flags >> KPF_TAIL & 1, i % b->folio_pages != 0);
		EXPECT_EQ(flags >> KPF_THP & 1, 1);
		EXPECT_EQ(flags >> KPF_ZERO_PAGE & 1, 0);
		if (ktap_is_quire()) {
			EXPECT_EQ(flags >> KPF_ANON & 1, 1);
			EXPECT_EQ(flags >> KPF_MMAP & 1, 1);
		}
		EXPECT_EQ(kpagecount(b->pfn[i]), 1);
		uint64_t entry = pagemap(b->at + i * PAGE);
		EXPECT_EQ(PM_PFN(entry), b->pfn[i]);
		EXPECT_TRUE((entry & PM_PRESENT) && (entry & PM_EXCLUSIVE) && !(entry & (PM_FILE | PM_SWAPPED)));
	}
	EXPECT_EQ(smaps_kb(b->at, "Rss"), kb);
	EXPECT_EQ(smaps_kb(b->at, "Pss"), kb);
	EXPECT_EQ(smaps_kb(b->at, "Anonymous"), kb);
	EXPECT_EQ(smaps_kb(b->at, "Private_Dirty"), kb);
	EXPECT_EQ(smaps_kb(b->at, "Private_Clean"), 0);
	EXPECT_EQ(smaps_kb(b->at, "Shared_Dirty"), 0);
	EXPECT_EQ(smaps_kb(b->at, "Referenced"), kb);
	EXPECT_EQ(smaps_kb(b->at, "LazyFree"), 0);
	EXPECT_EQ(smaps_kb(b->at, "AnonHugePages"), block_huge_kb(b));
	EXPECT_EQ(smaps_kb(b->at, "KernelPageSize"), 4);
	if (b->kind != SIZE64)
		EXPECT_EQ(smaps_kb(b->at, "THPeligible"), 1);
}

EACH_KIND(clear_refs_makes_it_old)
{
	OK(ktap_write("/proc/self/clear_refs", "1") ? -1 : 0);
	EXPECT_EQ(smaps_kb(b->at, "Referenced"), 0);
	expect_stamps(b);
	if (ktap_is_quire())	/* which flushes the TLB, so that the touch is seen */
		EXPECT_EQ(smaps_kb(b->at, "Referenced"), 4 * b->pages);
}

TEST(huge_zero_page)
{
	char *text = ktap_read(THP "use_zero_page");
	if (!text || atoi(text) != 1)
		SKIP("no huge zero page");
	char *p = map_at(free_place(HUGE), HUGE), *to = free_place(HUGE);
	stay_here();
	expect_zeroes(p, 512);
	uint64_t entry = pagemap(p + 100 * PAGE);
	if (!(entry & PM_PRESENT) || !(kpageflags(PM_PFN(entry)) >> KPF_THP & 1))
		SKIP("no huge zero page");
	EXPECT_TRUE(kpageflags(PM_PFN(entry)) >> KPF_ZERO_PAGE & 1);
	EXPECT_TRUE(entry & PM_FILE);
	EXPECT_EQ(smaps_kb(p, "Rss"), 0);
	EXPECT_EQ(huge_kb(p), 0);
	unsigned char v[512];
	OK(mincore(p, HUGE, v));
	EXPECT_EQ(v[300] & 1, 1);
	/* It moves, changes rights, splits, is forked and goes like any other. */
	OK(mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(pfn_of(to + 100 * PAGE), PM_PFN(entry));
	OK(mprotect(to, HUGE, PROT_READ));
	OK(mprotect(to, HUGE, RW));
	EXPECT_EQ(pfn_of(to + 100 * PAGE), PM_PFN(entry));
	long pmd = vmstat("thp_split_pmd");
	OK(madvise(to + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(vmstat("thp_split_pmd"), pmd + 1);
	EXPECT_EQ(present(to, 512), 508);
	EXPECT_EQ(smaps_kb(to, "Rss"), 0);
	expect_zeroes(to, 512);
	write_page(to, 50, 1);
	EXPECT_EQ(smaps_kb(to, "Rss"), 4);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_TRUE(page_holds(to, 50, 1));
		expect_zeroes(to + 51 * PAGE, 400);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	OK(munmap(to, HUGE));
}

/* ---- While the pages are being moved (T-MIG-3): their entries are migration entries ---- */

/* Run CALL while the first folio of B is unmapped by a migration, then let that go on. */
static void while_unmapped(struct block *b, void (*call)(struct block *))
{
	pid_t owner = getpid();
	if (!have_control("force") || parked_at("migrate_unmapped") < 0)
		SKIP("needs Quire's controls");
	pid_t mover = ktap_fork();
	if (!mover) {
		EXPECT_EQ(control("pause", "arm migrate_unmapped %d", (int)getpid()), 0);
		EXPECT_EQ(control("force", "migrate %d 0x%lx 0x%lx sync", (int)owner, (long)b->at,
				  (long)b->at + b->folio_pages * PAGE), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("migrate_unmapped") == 1));
	call(b);
	EXPECT_EQ(control("pause", "disarm migrate_unmapped"), 0);
	EXPECT_CHILD(mover);
}

static void protect_all(struct block *b) { OK(mprotect(b->at, b->pages * PAGE, PROT_READ)); }
EACH_KIND(mprotect_of_migration_entries)
{
	while_unmapped(b, protect_all);
	expect_stamps(b);
	EXPECT_EQ(touch_signal(b->at, true), SIGSEGV);
	EXPECT_EQ(touch_signal(b->at + 13 * PAGE, true), SIGSEGV);
	OK(mprotect(b->at, b->pages * PAGE, RW));
	for (size_t i = 0; i < b->pages; i++)
		write_page(b->at, i, stamp(i));
	expect_stamps(b);
}

static char *moved_to;
static void move_all(struct block *b)
{
	moved_to = free_place(2 * HUGE) + 3 * PAGE;
	OK(mremap(b->at, b->pages * PAGE, b->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved_to));
}
EACH_KIND(mremap_of_migration_entries)
{
	long rss = status_kb("RssAnon");
	while_unmapped(b, move_all);
	expect_stamps_at(moved_to, 0, b->pages);
	EXPECT_EQ(present(moved_to, b->pages), b->pages);
	expect_rss_kb(rss, 0);
}

static pid_t copier;
static struct turns turns;
static void fork_once(struct block *b)
{
	turns_init(&turns);
	copier = ktap_fork();
	if (copier)
		return;
	child_waits(&turns);
	expect_stamps(b);
	for (size_t i = 0; i < b->pages; i += 2)
		write_page(b->at, i, 1);
	child_done(&turns);
	child_waits(&turns);
	for (size_t i = 0; i < b->pages; i++)
		EXPECT_TRUE(page_holds(b->at, i, i % 2 ? stamp(i) : 1));
	ktap_exit();
}
EACH_KIND(fork_with_migration_entries)
{
	while_unmapped(b, fork_once);
	child_go(&turns);
	parent_waits(&turns);
	expect_stamps(b);
	for (size_t i = 1; i < b->pages; i += 2)
		write_page(b->at, i, 2);
	child_go(&turns);
	EXPECT_CHILD(copier);
	for (size_t i = 0; i < b->pages; i++)
		EXPECT_TRUE(page_holds(b->at, i, i % 2 ? 2 : stamp(i)));
}

static void drop_three(struct block *b)
{
	long rss = status_kb("RssAnon");
	OK(madvise(b->at + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));
	expect_rss_kb(rss, -12);
}
EACH_KIND(dontneed_of_migration_entries)
{
	while_unmapped(b, drop_three);
	expect_zeroes(b->at + 5 * PAGE, 3);
	expect_stamps_at(b->at, 0, 5);
	expect_stamps_at(b->at + 8 * PAGE, 8, b->pages - 8);
}

static void unmap_all(struct block *b) { OK(munmap(b->at, b->pages * PAGE)); }
EACH_KIND(munmap_of_migration_entries)
{
	long rss = status_kb("RssAnon");
	while_unmapped(b, unmap_all);
	expect_rss_kb(rss, -4 * (long)b->pages);
	EXPECT_EQ(kpagecount(b->pfn[0]), 0);
}

static void look(struct block *b)
{
	unsigned char v[512];
	uint64_t e = pagemap(b->at + 9 * PAGE);
	EXPECT_TRUE((e & PM_SWAPPED) && !(e & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)));
	EXPECT_EQ(e >> 5 & ((1ull << 50) - 1), b->pfn[9]);
	EXPECT_EQ(smaps_kb(b->at, "Rss"), 4 * b->pages);
	EXPECT_EQ(smaps_kb(b->at, "Anonymous"), 4 * b->pages);
	OK(mincore(b->at, b->pages * PAGE, v));
	EXPECT_EQ(v[9] & 1, 1);
	/* Advice passes over them. */
	OK(madvise(b->at, b->pages * PAGE, COLD));
	OK(madvise(b->at + 8 * PAGE, 4 * PAGE, MADV_FREE));
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
}
EACH_KIND(views_of_migration_entries)
{
	while_unmapped(b, look);
	expect_stamps(b);
	EXPECT_EQ(present(b->at, b->pages), b->pages);
}

/* Nothing is left behind by any of this: page tables too. */
EACH_KIND(page_tables_are_given_back)
{
	size_t n = b->pages * PAGE;
	long tables = status_kb("VmPTE");
	char *to = free_place(2 * HUGE) + 3 * PAGE;
	OK(mprotect(b->at + 9 * PAGE, PAGE, PROT_READ));
	OK(mprotect(b->at, n, RW));
	OK(mremap(b->at, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	OK(mremap(to, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, b->at));
	EXPECT_GE(tables + 12, status_kb("VmPTE"));
	pid_t pid = ktap_fork();
	if (!pid) {
		long mine = status_kb("VmPTE");
		OK(munmap(b->at, n));
		EXPECT_GE(mine, status_kb("VmPTE") + 4);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	OK(munmap(b->at, n));
	EXPECT_GE(tables - 4, status_kb("VmPTE"));
}
