/*
 * tests/user/thp_calls.h - a block of memory in large folios of each kind: a 2 MiB folio mapped by a PMD, the same folio
 * mapped by PTEs, and 64 KiB folios; with what was written to it, and the frames that it had.
 */
#ifndef TESTS_USER_THP_CALLS_H
#define TESTS_USER_THP_CALLS_H

#include "tests/user/control.h"
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
static inline char *policy(const char *path)
{
	static char word[40];
	char *text = ktap_read(path), *open_ = text ? strchr(text, '[') : NULL;
	word[0] = 0;
	if (open_)
		sscanf(open_ + 1, "%39[^]]", word);
	return word;
}

/* A place of N bytes, aligned to 2 MiB, that nothing is mapped at for 2 MiB around. */
static inline char *free_place(size_t n)
{
	char *p = OK(mmap(NULL, n + 3 * HUGE, PROT_NONE, PA | MAP_NORESERVE, -1, 0));
	OK(munmap(p, n + 3 * HUGE));
	return (char *)(((uintptr_t)p + 2 * HUGE - 1) & ~(HUGE - 1));
}

static inline char *map_at(char *at, size_t n)
{
	char *p = OK(mmap(at, n, RW, PA | MAP_FIXED_NOREPLACE, -1, 0));
	OK(madvise(p, n, HUGEPAGE));
	return p;
}

static inline uint64_t stamp(size_t i) { return 0xabcd0000 + i; }
static inline void write_page(char *at, size_t i, uint64_t v)
{
	volatile uint64_t *p = (void *)(at + i * PAGE);
	p[0] = p[300] = p[511] = v;
}
static inline bool page_holds(char *at, size_t i, uint64_t v)
{
	volatile uint64_t *p = (void *)(at + i * PAGE);
	return p[0] == v && p[300] == v && p[511] == v;
}
/* Pages [FIRST, FIRST + N) of B, now at AT, hold what was written first. */
static inline void expect_stamps_at(char *at, size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!page_holds(at, i, stamp(first + i))) {
			KTAP_FAIL("# page %zu at %p holds %llx", first + i, at + i * PAGE,
				  (unsigned long long)*(uint64_t *)(at + i * PAGE));
			return;
		}
}
static inline void expect_stamps(struct block *b) { expect_stamps_at(b->at, 0, b->pages); }
static inline void expect_zeroes(char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		EXPECT_TRUE(page_holds(at, i, 0));
}

/* Entries of /proc/self/pagemap, in one read. */
static inline void pagemap_of(char *at, size_t n, uint64_t *entry)
{
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(pread(fd, entry, n * 8, (uintptr_t)at / PAGE * 8), n * 8);
	close(fd);
}
static inline size_t present(char *at, size_t n)
{
	uint64_t entry[512];
	size_t count = 0;
	pagemap_of(at, n, entry);
	for (size_t i = 0; i < n; i++)
		count += entry[i] >> 63;
	return count;
}
static inline size_t count_exclusive(char *at, size_t n)
{
	uint64_t entry[512];
	size_t count = 0;
	pagemap_of(at, n, entry);
	for (size_t i = 0; i < n; i++)
		count += !!(entry[i] & PM_EXCLUSIVE);
	return count;
}
/* Pages [FIRST, FIRST + N) of B lie at AT in the frames they always had. */
static inline void expect_frames_at(struct block *b, char *at, size_t first, size_t n)
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
static inline void expect_frames(struct block *b) { expect_frames_at(b, b->at, 0, b->pages); }
/* The folios are whole, as they were made. */
static inline bool is_large(const volatile char *p) { return has_flag(p, KPF_THP); }
static inline long huge_kb(const volatile char *p) { return smaps_kb(p, "AnonHugePages"); }
static inline long faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}

static inline void make_64k(struct block *b)
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

static inline void make_huge(struct block *b)
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

static inline void make_block(struct block *b, enum kind kind)
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

static inline long block_huge_kb(struct block *b) { return b->kind == PMD ? 2048 : 0; }
static inline void expect_rss_kb(long was, long change)
{
	/* Linux sums up in batches. */
	if (ktap_is_quire())
		EXPECT_EQ(status_kb("RssAnon"), was + change);
}

#endif
