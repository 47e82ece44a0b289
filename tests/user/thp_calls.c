/*
 * tests/user/thp_calls.c - the memory calls on large folios: a 2 MiB folio mapped by a PMD, the same folio mapped by
 * PTEs, and 64 KiB folios. Whatever the call, contents stay right, figures are exact, and nothing is split that need
 * not be.
 */
#include "tests/user/pages.h"

#define HUGE		(2ul << 20)
#define RW		(PROT_READ | PROT_WRITE)
#define PA		(MAP_PRIVATE | MAP_ANONYMOUS)
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define K64		THP "hugepages-64kB/"
#define KPF_HEAD	15
#define KPF_TAIL	16
#define HUGEPAGE	14
#define COLD		20
#define PAGEOUT		21
#define POPULATE_WRITE	23

enum kind { PMD, PTES, SIZE64 };

/* A block of memory in large folios, with room on both sides that nothing else maps. */
struct block {
	enum kind kind;
	char *at;
	size_t pages, folio_pages;
	uint64_t pfn[512];
};

/* TEST(name_pmd), TEST(name_ptes), TEST(name_64k): the function that follows with each kind of block. */
#define EACH_KIND(name) \
	static void name(struct block *b); \
	static void name##_of(enum kind kind) { static struct block b; make_block(&b, kind); name(&b); } \
	TEST(name##_pmd) { name##_of(PMD); } \
	TEST(name##_ptes) { name##_of(PTES); } \
	TEST(name##_64k) { name##_of(SIZE64); } \
	static void name(struct block *b)

/* ---- Blocks ---- */

/* The word in brackets of a policy file. */
static char *policy(const char *path)
{
	static char word[40];
	char *text = ktap_read(path), *open_ = text ? strchr(text, '[') : NULL;
	word[0] = 0;
	if (open_)
		sscanf(open_ + 1, "%39[^]]", word);
	return word;
}

/* A place of N bytes, aligned to 2 MiB, that nothing is mapped at for 2 MiB around. */
static char *free_place(size_t n)
{
	char *p = OK(mmap(NULL, n + 3 * HUGE, PROT_NONE, PA | MAP_NORESERVE, -1, 0));
	OK(munmap(p, n + 3 * HUGE));
	return (char *)(((uintptr_t)p + 2 * HUGE - 1) & ~(HUGE - 1));
}

static char *map_at(char *at, size_t n)
{
	char *p = OK(mmap(at, n, RW, PA | MAP_FIXED_NOREPLACE, -1, 0));
	OK(madvise(p, n, HUGEPAGE));
	return p;
}

static uint64_t stamp(size_t i) { return 0xabcd0000 + i; }
static void write_page(char *at, size_t i, uint64_t v)
{
	volatile uint64_t *p = (void *)(at + i * PAGE);
	p[0] = p[300] = p[511] = v;
}
static bool page_holds(char *at, size_t i, uint64_t v)
{
	volatile uint64_t *p = (void *)(at + i * PAGE);
	return p[0] == v && p[300] == v && p[511] == v;
}
/* Pages [FIRST, FIRST + N) of B, now at AT, hold what was written first. */
static void expect_stamps_at(char *at, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!page_holds(at, i, stamp(first + i))) {
			KTAP_FAIL("# page %zu at %p holds %llx", first + i, at + i * PAGE,
				  (unsigned long long)*(uint64_t *)(at + i * PAGE));
			return;
		}
}
static void expect_stamps(struct block *b) { expect_stamps_at(b->at, 0, b->pages); }
static void expect_zeroes(char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		EXPECT_TRUE(page_holds(at, i, 0));
}

/* Entries of /proc/self/pagemap, in one read. */
static void pagemap_of(char *at, size_t n, uint64_t *entry)
{
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(pread(fd, entry, n * 8, (uintptr_t)at / PAGE * 8), n * 8);
	close(fd);
}
static size_t present(char *at, size_t n)
{
	uint64_t entry[512];
	size_t count = 0;
	pagemap_of(at, n, entry);
	for (size_t i = 0; i < n; i++)
		count += entry[i] >> 63;
	return count;
}
static size_t count_exclusive(char *at, size_t n)
{
	uint64_t entry[512];
	size_t count = 0;
	pagemap_of(at, n, entry);
	for (size_t i = 0; i < n; i++)
		count += !!(entry[i] & PM_EXCLUSIVE);
	return count;
}
/* Pages [FIRST, FIRST + N) of B lie at AT in the frames they always had. */
static void expect_frames_at(struct block *b, char *at, size_t first, size_t n)
{
	uint64_t entry[512];
	pagemap_of(at, n, entry);
	for (size_t i = 0; i < n; i++)
		if (!(entry[i] & PM_PRESENT) || PM_PFN(entry[i]) != b->pfn[first + i]) {
			KTAP_FAIL("# page %zu at %p: %llx, its frame was %llx", first + i, at + i * PAGE,
				  (unsigned long long)entry[i], (unsigned long long)b->pfn[first + i]);
			return;
		}
}
static void expect_frames(struct block *b) { expect_frames_at(b, b->at, 0, b->pages); }
/* The folios are whole, as they were made. */
static bool is_large(const volatile char *p) { return has_flag(p, KPF_THP); }
static long huge_kb(const volatile char *p) { return smaps_kb(p, "AnonHugePages"); }
static long faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}

static void make_64k(struct block *b)
{
	if (access(K64 "enabled", W_OK))
		SKIP("no 64 KiB folios");
	char was[40];
	strcpy(was, policy(K64 "enabled"));
	/* No aligned 2 MiB fit here. */
	b->at = map_at(free_place(2 * HUGE) + HUGE / 2 + HUGE / 4, HUGE / 2);
	b->pages = 256;
	b->folio_pages = 16;
	ktap_write(K64 "enabled", "always");
	for (size_t i = 0; i < b->pages; i++)
		write_page(b->at, i, stamp(i));
	ktap_write(K64 "enabled", was);
}

static void make_huge(struct block *b)
{
	if (!strcmp(policy(THP "enabled"), "never") && ktap_write(THP "enabled", "madvise"))
		SKIP("no huge pages");
	b->at = map_at(free_place(HUGE), HUGE);
	b->pages = b->folio_pages = 512;
	for (size_t i = 0; i < b->pages; i++)
		write_page(b->at, i, stamp(i));
	if (huge_kb(b->at) != 2048)
		SKIP("no huge page to be had");
}

static void make_block(struct block *b, enum kind kind)
{
	uint64_t entry[512];
	stay_here();
	/* The program's own pages that the figures would otherwise count: what these functions and the stack need. */
	huge_kb(__builtin_frame_address(0));
	vmstat("pgfault");
	for (volatile char *stack = (char *)entry; stack > (char *)entry - 16 * PAGE; stack -= PAGE)
		*stack = 0;
	b->kind = kind;
	if (kind == SIZE64)
		make_64k(b);
	else
		make_huge(b);
	if (kind == PTES) {
		/* For a moment a border inside: the PMD becomes a table, and all PTEs are writable afterwards. */
		OK(mprotect(b->at + PAGE, PAGE, PROT_READ));
		OK(mprotect(b->at + PAGE, PAGE, RW));
		EXPECT_EQ(huge_kb(b->at), 0);
	}
	pagemap_of(b->at, b->pages, entry);
	for (size_t i = 0; i < b->pages; i++)
		b->pfn[i] = PM_PFN(entry[i]);
	ASSERT_TRUE(is_large(b->at));
	for (size_t i = 1; i < b->folio_pages; i++)
		ASSERT_EQ(b->pfn[i], b->pfn[0] + i);
}

static long block_huge_kb(struct block *b) { return b->kind == PMD ? 2048 : 0; }
static void expect_rss_kb(long was, long change)
{
	/* Linux sums up in batches. */
	if (ktap_is_quire())
		EXPECT_EQ(status_kb("RssAnon"), was + change);
}

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

#define CONTROL "/sys/kernel/debug/quire/"

static int parked(const char *point)
{
	char name[60], *text = ktap_read(CONTROL "pause"), *line, *field;
	snprintf(name, sizeof(name), "\n%s ", point);
	line = text ? strstr(text, name) : NULL;
	field = line ? strstr(line, "parked=") : NULL;
	return field ? atoi(field + 7) : -1;
}

/* Run CALL while the first folio of B is unmapped by a migration, then let that go on. */
static void while_unmapped(struct block *b, void (*call)(struct block *))
{
	char text[120];
	if (access(CONTROL "force", W_OK) || parked("migrate_unmapped") < 0)
		SKIP("needs Quire's controls");
	snprintf(text, sizeof(text), "migrate %d 0x%lx 0x%lx sync", getpid(), (long)b->at,
		 (long)b->at + b->folio_pages * PAGE);
	pid_t mover = ktap_fork();
	if (!mover) {
		char arm[60];
		snprintf(arm, sizeof(arm), "arm migrate_unmapped %d", getpid());
		ktap_write(CONTROL "pause", arm);
		ktap_write(CONTROL "force", text);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked("migrate_unmapped") == 1));
	call(b);
	EXPECT_EQ(ktap_write(CONTROL "pause", "disarm migrate_unmapped"), 0);
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
