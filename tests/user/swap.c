/*
 * tests/user/swap.c - memory that goes to a disk and comes back (SWAP-*): folios of all sizes, markers, counters, the
 * swap cache, what fork, madvise, mremap and munmap make of entries. The areas themselves: swapon.c; races, faulty disks
 * and load: swap_stress.c.
 *
 * Needs a scratch disk: /dev/ram0, else /dev/vda.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"

static void only_size(int kb)
{
	char path[120];
	for (int k = 16; k <= 2048; k *= 2) {
		snprintf(path, sizeof(path), THP_DIR "hugepages-%dkB/enabled", k);
		ktap_write(path, k == kb ? "always" : "never");
	}
}
static void default_sizes(void)
{
	only_size(0);
	ktap_write(THP_DIR "hugepages-2048kB/enabled", "inherit");
}

/* ---- Out and in ---- */

TEST(a_page_goes_out_and_comes_back)
{
	const char *disk = swap_on(0);
	char *p = anon(PAGE);
	long out, in, major;

	fill_pages(p, PAGE);
	out = vmstat("pswpout");
	ASSERT_EQ(page_out(p, PAGE), 1);
	EXPECT_EQ(vmstat("pswpout"), out + 1);
	EXPECT_EQ(status_kb("VmSwap"), 4);
	in = vmstat("pswpin");
	major = vmstat("pgmajfault");
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	if (swap_is_sync(disk)) {
		EXPECT_EQ(vmstat("pswpin"), in + 1);
		EXPECT_EQ(vmstat("pgmajfault"), major + 1);
	}
	EXPECT_EQ(status_kb("VmSwap"), 0);
	swap_off(disk);
}

/* What each kind of mapping holds survives, twice: the second time it was not written to. */
TEST_KINDS(contents_survive)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
		EXPECT_EQ(smaps_kb(p, "Swap"), (long)(k->size / 1024));
		EXPECT_EQ(smaps_kb(p, "Rss"), 0);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		EXPECT_EQ(smaps_kb(p, "Swap"), 0);
	}
	/* And what is written after the way back is what goes out next. */
	p[0] = 'Z';
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(p[0], 'Z');
	swap_off(disk);
}

/* A folio is written in one piece, and its entries are slots in a row from a multiple of its size on. */
TEST(a_64k_folio_goes_out_in_one_piece)
{
	const char *disk = swap_on(0);
	char *p = large_area(16 * PAGE, ORDER_64K);
	long pieces = size_stat(4, "swpout"), split = size_stat(4, "split");

	ASSERT_EQ(page_out(p, 16 * PAGE), 16);
	EXPECT_EQ(size_stat(4, "swpout"), pieces + 1);
	EXPECT_EQ(size_stat(4, "split"), split);
	EXPECT_EQ(PM_SWAP_OFFSET(pagemap(p)) % 16, 0);
	for (int i = 1; i < 16; i++)
		EXPECT_EQ(PM_SWAP_OFFSET(pagemap(p + i * PAGE)), PM_SWAP_OFFSET(pagemap(p)) + i);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	swap_off(disk);
}

/* T-SWAP-1 */
TEST(a_huge_folio_goes_out_whole)
{
	const char *disk = swap_on(0);
	char *p = large_area(HUGE, HUGE_ORDER);
	long split = vmstat("thp_split_pmd"), huge = vmstat("thp_swpout"), whole = size_stat(9, "swpout");
	long out = vmstat("pswpout"), in = vmstat("pswpin"), folio_split = vmstat("thp_split_page"), large, major;

	ASSERT_EQ(page_out(p, HUGE), 512);
	EXPECT_EQ(vmstat("thp_split_pmd"), split + 1);
	EXPECT_EQ(vmstat("thp_swpout"), huge + 1);
	EXPECT_EQ(size_stat(9, "swpout"), whole + 1);
	EXPECT_EQ(vmstat("thp_split_page"), folio_split);
	EXPECT_EQ(vmstat("pswpout"), out + 512);
	EXPECT_EQ(vmstat("pswpin"), in);
	if (!swap_is_sync(disk)) {
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		swap_off(disk);
		return;
	}
	only_size(1024);
	large = size_stat(8, "swpin");
	major = vmstat("pgmajfault");
	(void)*(volatile char *)(p + HUGE / 2 + 5 * PAGE);
	EXPECT_EQ(size_stat(8, "swpin"), large + 1);
	EXPECT_EQ(vmstat("pswpin"), in + 256);
	EXPECT_EQ(vmstat("pgmajfault"), major + 1);
	EXPECT_EQ(pages_swapped(p, HUGE / 2), 256);
	EXPECT_EQ(pages_swapped(p + HUGE / 2, HUGE / 2), 0);
	only_size(0);
	(void)*(volatile char *)p;
	EXPECT_EQ(vmstat("pswpin"), in + 257);
	EXPECT_EQ(pages_swapped(p, HUGE / 2), 255);
	default_sizes();
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	swap_off(disk);
}

/* T-SWAP-2: room, but no run of 512 slots. */
TEST(a_fragmented_area_takes_pieces)
{
	const char *disk = swap_on(1025);
	char *huge = large_area(HUGE, HUGE_ORDER), *p = anon(1000 * PAGE);
	long back = vmstat("thp_swpout_fallback"), size_back = size_stat(9, "swpout_fallback");
	long split, out;

	fill_pages(p, 1000 * PAGE);
	EXPECT_EQ(page_out(p, 1000 * PAGE), 1000);
	/* Give back all but one page in eight. */
	for (int i = 0; i < 1000; i++)
		if (i % 8)
			OK(madvise(p + i * PAGE, PAGE, MADV_DONTNEED));
	split = vmstat("thp_split_page");
	out = vmstat("pswpout");
	EXPECT_EQ(page_out(huge, HUGE), 512);
	EXPECT_EQ(vmstat("thp_swpout_fallback"), back + 1);
	EXPECT_EQ(size_stat(9, "swpout_fallback"), size_back + 1);
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_EQ(vmstat("pswpout"), out + 512);
	EXPECT_EQ(wrong_pages(huge, HUGE, 0), 0);
	for (int i = 0; i < 1000; i += 8)
		EXPECT_EQ(p[i * PAGE], byte_of(i));
	swap_off(disk);
}

/* Slots that hold copies of what is in memory are given to others when there are no more. */
TEST(cached_copies_make_room)
{
	const char *disk = swap_on(257);
	char *p = anon(256 * PAGE), *q = anon(256 * PAGE);

	fill_pages(p, 256 * PAGE);
	fill_pages(q, 256 * PAGE);
	EXPECT_EQ(page_out(p, 256 * PAGE), 256);
	EXPECT_EQ(wrong_pages(p, 256 * PAGE, 0), 0);
	EXPECT_EQ(page_out(q, 256 * PAGE), 256);
	OK(madvise(q, 256 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(page_out(p, 256 * PAGE), 256);
	EXPECT_EQ(wrong_pages(p, 256 * PAGE, 0), 0);
	swap_off(disk);
}

TEST(a_full_area_keeps_the_rest_in_memory)
{
	const char *disk = swap_on(65);
	stay_here();
	char *p = anon(128 * PAGE);
	fill_pages(p, 128 * PAGE);
	madvise(p, 128 * PAGE, MADV_PAGEOUT);
	EXPECT_TRUE(ktap_until((madvise(p, 128 * PAGE, MADV_PAGEOUT), pages_swapped(p, 128 * PAGE) == 64)));
	EXPECT_EQ(meminfo_kb("SwapFree"), 0);
	EXPECT_EQ(wrong_pages(p, 128 * PAGE, 0), 0);
	swap_off(disk);
}

/* T-SWAP-4 */
TEST(unmapped_pages_of_a_folio_are_not_written)
{
	const char *disk = swap_on(0);
	char *p = large_area(HUGE, HUGE_ORDER);
	long out, split;

	OK(madvise(p + 100 * PAGE, 50 * PAGE, MADV_DONTNEED));
	out = vmstat("pswpout");
	split = vmstat("thp_split_page");
	EXPECT_EQ(page_out(p, 100 * PAGE), 100);
	EXPECT_EQ(page_out(p + 150 * PAGE, HUGE - 150 * PAGE), 512 - 150);
	EXPECT_EQ(vmstat("pswpout"), out + 462);
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
	EXPECT_EQ(wrong_pages(p + 150 * PAGE, HUGE - 150 * PAGE, 150), 0);
	swap_off(disk);
}

/* How many of N frames are free: nothing is said of them, or that the allocator has them. */
static size_t frames_free(const uint64_t *pfn, size_t n)
{
	size_t free = 0;
	for (size_t i = 0; i < n; i++)
		free += !(kpageflags(pfn[i]) & ~(1ull << KPF_BUDDY));
	return free;
}

/* T-SWAP-4, the frames: those of the pages that nobody maps come back at once. A few may have a new owner by then. */
TEST(unmapped_pages_of_a_folio_are_freed)
{
	const char *disk = swap_on(0);
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *pfn = pfns(p + HUGE / 2, HUGE / 2);
	long free_kb, split = vmstat("thp_split_page");

	OK(madvise(p + HUGE / 2, HUGE / 2, MADV_DONTNEED));
	EXPECT_EQ(frames_free(pfn, 256), 0);
	free_kb = meminfo_kb("MemFree");
	EXPECT_EQ(page_out(p, HUGE / 2), 256);
	EXPECT_EQ(vmstat("thp_split_page"), split + 1);
	EXPECT_GE(frames_free(pfn, 256), 256 - 64);
	/* Quire's RAM disk has its memory from the start: all 512 are free. */
	if (swap_is_sync(disk) && ktap_is_quire())
		EXPECT_GE(meminfo_kb("MemFree"), free_kb + 4 * (512 - 128));
	EXPECT_EQ(wrong_pages(p, HUGE / 2, 0), 0);
	swap_off(disk);
}

/* ABI-24: what a child may map, too, is left alone, whole or in part; it is taken again when the child is gone. */
TEST_KINDS(pageout_leaves_what_a_child_maps)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	long out, split_pmd, split;
	uint64_t *pfn;
	struct turns t;
	pid_t pid;

	turns_init(&t);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(pages_swapped(p, k->size), 0);
		ktap_exit();
	}
	pfn = pfns(p, k->size);
	out = vmstat("pswpout");
	split_pmd = vmstat("thp_split_pmd");
	split = vmstat("thp_split_page");
	OK(madvise(p, k->size, MADV_PAGEOUT));
	OK(madvise(p, k->size / 2, MADV_PAGEOUT));
	OK(madvise(p + k->size / 2, k->size / 4, MADV_PAGEOUT));
	EXPECT_EQ(pages_swapped(p, k->size), 0);
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(vmstat("thp_split_pmd"), split_pmd);
	EXPECT_EQ(vmstat("thp_split_page"), split);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	swap_off(disk);
}

/* T-SWAP-5 */
TEST_KINDS(a_pinned_folio_stays)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	uint64_t *pfn = pfns(p, k->size);
	long huge = vmstat("thp_swpout");
	int fd = gup_open();

	ASSERT_EQ(gup_pin(fd, p + PAGE, PAGE, PIN_WRITE), 0);
	for (int i = 0; i < 3; i++)
		OK(madvise(p, k->size, MADV_PAGEOUT));
	if (k->order) {
		EXPECT_EQ(pages_swapped(p, k->size), 0);
		EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	}
	EXPECT_EQ(pfn_of(p + PAGE), pfn[1]);
	EXPECT_EQ(vmstat("thp_swpout"), huge);
	p[PAGE] = 'P';
	gup_unpin(fd);
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(p[PAGE], 'P');
	swap_off(disk);
}

/* ---- The exclusive marker, fork and copy-on-write ---- */

/* T-SWAP-3: the page comes back writable to the one it belonged to alone. */
TEST_KINDS(the_marker_spares_the_write_fault)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	long reuse;
	uint64_t pfn;

	ASSERT_EQ(page_out(p, k->size), k->size / PAGE);
	(void)*(volatile char *)(p + PAGE);
	pfn = pfn_of(p + PAGE);
	reuse = vmstat("pgreuse");
	p[PAGE] = 'W';
	EXPECT_EQ(pfn_of(p + PAGE), pfn);
	EXPECT_EQ(vmstat("pgreuse"), reuse);
	swap_off(disk);
}

/* T-SWAP-3, COW-24: fork takes the marker from both. */
TEST_KINDS(fork_takes_the_marker_away)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	struct turns t;
	pid_t pid;

	turns_init(&t);
	ASSERT_EQ(page_out(p, k->size), k->size / PAGE);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		memset(p + 2 * PAGE, 'C', PAGE);
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[3 * PAGE], byte_of(3));
		ktap_exit();
	}
	EXPECT_EQ(pages_swapped(p, k->size), k->size / PAGE);
	EXPECT_EQ(smaps_kb(p, "SwapPss"), (long)(k->size / 2048));
	child_go(&t);
	parent_waits(&t);
	EXPECT_EQ(p[2 * PAGE], byte_of(2));
	memset(p + 3 * PAGE, 'P', PAGE);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[3 * PAGE], 'P');
	EXPECT_EQ(wrong_pages(p, 3 * PAGE, 0), 0);
	EXPECT_EQ(wrong_pages(p + 4 * PAGE, k->size - 4 * PAGE, 4), 0);
	swap_off(disk);
}

/* COW-8: the copy in the swap cache is no owner; who is left alone takes the page over. */
TEST(the_last_owner_of_a_swapped_page_keeps_it)
{
	const char *disk = swap_on(0);
	char *p = anon(PAGE);
	struct turns t;
	uint64_t pfn;
	pid_t pid;

	stay_here();
	turns_init(&t);
	fill_pages(p, PAGE);
	ASSERT_EQ(page_out(p, PAGE), 1);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		ktap_exit();
	}
	EXPECT_EQ(p[0], byte_of(0));
	pfn = pfn_of(p);
	/* While the child's entry names the slot, a write must copy. */
	p[0] = '1';
	EXPECT_NE(pfn_of(p), pfn);
	ASSERT_EQ(page_out(p, PAGE), 1);
	child_go(&t);
	EXPECT_CHILD(pid);
	(void)*(volatile char *)p;
	pfn = pfn_of(p);
	p[0] = '2';
	EXPECT_EQ(pfn_of(p), pfn);
	swap_off(disk);
}

/* The child's write comes first: a fault for writing on a shared entry reads and copies at once. */
TEST(a_write_fault_on_a_shared_entry_copies)
{
	const char *disk = swap_on(0);
	char *p = anon(8 * PAGE);
	pid_t pid;

	fill_pages(p, 8 * PAGE);
	ASSERT_EQ(page_out(p, 8 * PAGE), 8);
	pid = ktap_fork();
	if (!pid) {
		for (int i = 0; i < 8; i++)
			p[i * PAGE] = 'C';
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);
	swap_off(disk);
}

/* ---- T-COW-12 ---- */

static int swapcache(pid_t pid, char *p, size_t n, const char *what)
{
	return control("force", "swapcache %d 0x%lx 0x%lx %s", (int)pid, (unsigned long)p, (unsigned long)(p + n), what);
}

static void cached_and_shared(bool child_first)
{
	const char *disk = swap_on(0);
	char *p = large_area(HUGE, HUGE_ORDER);
	struct turns t;
	uint64_t pfn;
	pid_t pid;

	if (!have_control("force"))
		SKIP("needs Quire's controls");
	turns_init(&t);
	ASSERT_EQ(swapcache(getpid(), p, HUGE, "keep"), 0);
	EXPECT_EQ(pages_swapped(p, HUGE), 512);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	ASSERT_EQ(swapcache(getpid(), p, HUGE, "release"), 0);
	(void)*(volatile char *)p;
	EXPECT_EQ(pages_swapped(p, HUGE), 0);
	EXPECT_STATE(p, 512, 1024, 512, 0, 0);
	pfn = pfn_of(p + 7 * PAGE);
	if (child_first) {
		child_go(&t);
		EXPECT_CHILD(pid);
	}
	p[7 * PAGE] = 'P';
	if (child_first) {
		EXPECT_EQ(pfn_of(p + 7 * PAGE), pfn);
		EXPECT_STATE(p, 512, 512, 512, 0, 0);
	} else {
		EXPECT_NE(pfn_of(p + 7 * PAGE), pfn);
		child_go(&t);
		EXPECT_CHILD(pid);
	}
	swap_off(disk);
}
TEST(a_cached_folio_whose_slots_are_named_is_copied) { cached_and_shared(false); }
TEST(a_cached_folio_whose_slots_nobody_names_is_reused) { cached_and_shared(true); }

/* T-MTHP-5: a swap entry in the block is a neighbour like any other. */
TEST(a_swapped_neighbour_limits_the_folio)
{
	const char *disk = swap_on(0);
	char *p = reserve(HUGE);

	if (access(THP_DIR "hugepages-64kB/stats/swpout", F_OK))
		SKIP("no large folios of other sizes");
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	p[5 * PAGE] = 'S';
	ASSERT_EQ(page_out(p + 5 * PAGE, PAGE), 1);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	only_size(64);
	ktap_write(THP_DIR "hugepages-16kB/enabled", "always");
	ktap_write(THP_DIR "hugepages-32kB/enabled", "always");
	p[0] = 1;
	p[8 * PAGE] = 1;
	p[6 * PAGE] = 1;
	default_sizes();
	EXPECT_TRUE(in_blocks(p, 4 * PAGE, 2));
	EXPECT_EQ(pfn_of(p + 4 * PAGE), 0);
	EXPECT_TRUE(in_blocks(p + 8 * PAGE, 8 * PAGE, 3));
	EXPECT_EQ(pfn_of(p + 7 * PAGE), 0);
	EXPECT_TRUE(is_swapped(p + 5 * PAGE));
	EXPECT_EQ(p[5 * PAGE], 'S');
	swap_off(disk);
}

/* ---- What becomes of entries ---- */

TEST_KINDS(zapped_entries_give_their_slots_back)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	long free_kb = meminfo_kb("SwapFree");

	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_LT(meminfo_kb("SwapFree"), free_kb);
	OK(madvise(p, k->size / 2, MADV_DONTNEED));
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(wrong_pages(p + k->size / 2, k->size / 2, k->size / PAGE / 2), 0);
	page_out(p, k->size);
	OK(munmap(p, k->size));
	/* A copy that was just under way to the disk stays cached until somebody needs the slot. */
	if (swap_is_sync(disk))
		EXPECT_EQ(meminfo_kb("SwapFree"), free_kb);
	EXPECT_EQ(status_kb("VmSwap"), 0);
	swap_off(disk);
}

TEST(madv_free_gives_slots_back)
{
	const char *disk = swap_on(0);
	char *p = anon(16 * PAGE);
	fill_pages(p, 16 * PAGE);
	ASSERT_EQ(page_out(p, 16 * PAGE), 16);
	OK(madvise(p, 16 * PAGE, MADV_FREE));
	EXPECT_EQ(pages_swapped(p, 16 * PAGE), 0);
	EXPECT_EQ(status_kb("VmSwap"), 0);
	EXPECT_EQ(p[3 * PAGE], 0);
	swap_off(disk);
}

/* SWAP-21: lazily freeable memory is dropped without a write, unless somebody writes to it again. */
TEST_KINDS(lazily_freeable_memory_needs_no_slot)
{
	const char *disk = swap_on(0);
	stay_here();
	char *p = area_of(k);
	long out = vmstat("pswpout"), freed = vmstat("pglazyfreed");

	OK(madvise(p, k->size, MADV_FREE));
	EXPECT_TRUE(ktap_until((madvise(p, k->size, MADV_PAGEOUT), pfn_of(p) == 0)));
	EXPECT_EQ(vmstat("pswpout"), out);
	EXPECT_EQ(vmstat("pglazyfreed"), freed + (long)(k->size / PAGE));
	EXPECT_EQ(pages_swapped(p, k->size), 0);
	EXPECT_EQ(p[0], 0);
	fill_pages(p, k->size);
	OK(madvise(p, k->size, MADV_FREE));
	fill_pages(p, k->size);
	EXPECT_EQ(page_out(p, k->size), k->size / PAGE);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	swap_off(disk);
}

TEST_KINDS(entries_move_and_change_rights)
{
	const char *disk = swap_on(0);
	char *p = area_of(k), *q = reserve(k->size);

	ASSERT_EQ(page_out(p, k->size), k->size / PAGE);
	ASSERT_TRUE(mremap(p, k->size, k->size, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	EXPECT_EQ(pages_swapped(q, k->size), k->size / PAGE);
	OK(mprotect(q, k->size, PROT_READ));
	EXPECT_EQ(wrong_pages(q, k->size, 0), 0);
	EXPECT_EQ(touch_signal(q, true), SIGSEGV);
	EXPECT_EQ(page_out(q, k->size), k->size / PAGE);
	OK(mprotect(q, k->size, PROT_READ | PROT_WRITE));
	q[PAGE] = 'W';
	q[PAGE] = byte_of(1);
	EXPECT_EQ(wrong_pages(q, k->size, 0), 0);
	swap_off(disk);
}

TEST(willneed_reads_in)
{
	const char *disk = swap_on(0);
	char *p = anon(64 * PAGE);
	unsigned char core[64];
	long in, major;

	fill_pages(p, 64 * PAGE);
	ASSERT_EQ(page_out(p, 64 * PAGE), 64);
	in = vmstat("pswpin");
	OK(madvise(p, 64 * PAGE, MADV_WILLNEED));
	EXPECT_TRUE(ktap_until((OK(mincore(p, 64 * PAGE, core)), memchr(core, 0, 64) == NULL)));
	EXPECT_LE(vmstat("pswpin"), in + 64);
	EXPECT_EQ(pages_swapped(p, 64 * PAGE), 64);
	major = vmstat("pgmajfault");
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
	EXPECT_EQ(vmstat("pgmajfault"), major);
	swap_off(disk);
}

TEST(the_figures_agree)
{
	const char *disk = swap_on(0);
	long total = meminfo_kb("SwapTotal"), free_kb = meminfo_kb("SwapFree");
	char *p = anon(32 * PAGE), line[100], *text;
	unsigned char core[32];

	EXPECT_EQ(total, (disk_pages(disk) - 1) * 4);
	EXPECT_EQ(free_kb, total);
	fill_pages(p, 32 * PAGE);
	ASSERT_EQ(page_out(p, 32 * PAGE), 32);
	EXPECT_EQ(meminfo_kb("SwapFree"), total - 128);
	EXPECT_EQ(smaps_kb(p, "Swap"), 128);
	EXPECT_EQ(smaps_kb(p, "SwapPss"), 128);
	text = ktap_read("/proc/swaps");
	snprintf(line, sizeof(line), "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s", disk);
	EXPECT_TRUE(text && !strncmp(text, line, strlen(line)));
	text = strchr(text, '\n') + 1;
	EXPECT_EQ(strstr(text, "partition") - text, 40);
	EXPECT_EQ(strtol(strstr(text, "partition") + 9, &text, 10), total);
	EXPECT_EQ(strtol(text, &text, 10), 128);
	OK(mincore(p, 32 * PAGE, core));
	if (swap_is_sync(disk))
		EXPECT_TRUE(memchr(core, 1, 32) == NULL);
	swap_off(disk);
	EXPECT_EQ(meminfo_kb("SwapTotal"), 0);
	EXPECT_EQ(wrong_pages(p, 32 * PAGE, 0), 0);
}

/* ---- Readahead (SWAP-18): asynchronous disks only ---- */

TEST(faults_in_a_row_read_ahead)
{
	const char *disk = (prefer_async_disk(), swap_disk());
	char *p = anon(256 * PAGE);
	long major, ahead, hits;

	if (!disk || swap_is_sync(disk))
		SKIP("needs an asynchronous disk");
	/* What is still in the cache would be no reading; a RELEASE build cannot drop it. */
	if (ktap_is_quire() && !have_control("force"))
		SKIP("needs Quire's controls");
	ktap_write("/sys/block/vda/queue/rotational", "0");
	disk = swap_on(0);
	fill_pages(p, 256 * PAGE);
	ASSERT_EQ(page_out(p, 256 * PAGE), 256);
	if (have_control("force"))
		swapcache(getpid(), p, 256 * PAGE, "drop");
	major = vmstat("pgmajfault");
	ahead = vmstat("swap_ra");
	hits = vmstat("swap_ra_hit");
	EXPECT_EQ(wrong_pages(p, 256 * PAGE, 0), 0);
	EXPECT_GT(vmstat("swap_ra"), ahead);
	EXPECT_GT(vmstat("swap_ra_hit"), hits);
	EXPECT_LT(vmstat("pgmajfault") - major, 256 / 2);
	swap_off(disk);
}

/* ---- Shared memory (RCL-18) ---- */

TEST(shared_memory_goes_out_and_comes_back)
{
	const char *disk = swap_on(0);
	stay_here();
	char *p = OK(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	long out = vmstat("pswpout");
	pid_t pid;

	fill_pages(p, 64 * PAGE);
	EXPECT_TRUE(ktap_until((madvise(p, 64 * PAGE, MADV_PAGEOUT), vmstat("pswpout") >= out + 64)));
	EXPECT_TRUE(ktap_until((madvise(p, 64 * PAGE, MADV_PAGEOUT), smaps_kb(p, "Swap") == 256)));
	pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
		p[5] = 'C';
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[5], 'C');
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
	swap_off(disk);
}

TEST(a_file_in_memory_is_read_written_and_cut_while_it_is_out)
{
	const char *disk = swap_on(0);
	stay_here();
	int fd = OK((int)syscall(SYS_memfd_create, "swapped", 0));
	char *p, page[PAGE];
	long free_kb = meminfo_kb("SwapFree");

	OK(ftruncate(fd, 32 * PAGE));
	p = OK(mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	fill_pages(p, 32 * PAGE);
	EXPECT_TRUE(ktap_until((madvise(p, 32 * PAGE, MADV_PAGEOUT), meminfo_kb("SwapFree") <= free_kb - 128)));
	ASSERT_EQ(pread(fd, page, PAGE, 3 * PAGE), PAGE);
	EXPECT_EQ(page[0], byte_of(3));
	ASSERT_EQ(pwrite(fd, "W", 1, 4 * PAGE), 1);
	EXPECT_EQ(p[4 * PAGE], 'W');
	EXPECT_EQ(p[4 * PAGE + 1], byte_of(4));
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 32 * PAGE);
	OK(ftruncate(fd, 16 * PAGE));
	OK(ftruncate(fd, 32 * PAGE));
	EXPECT_EQ(p[20 * PAGE], 0);
	EXPECT_EQ(wrong_pages(p + 5 * PAGE, 11 * PAGE, 5), 0);
	madvise(p, 32 * PAGE, MADV_PAGEOUT);
	OK(munmap(p, 32 * PAGE));
	close(fd);
	if (swap_is_sync(disk))
		EXPECT_EQ(meminfo_kb("SwapFree"), free_kb);
	swap_off(disk);
}
