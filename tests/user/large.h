/*
 * tests/user/large.h - what the tests of large folios share: memory of a wanted folio size, what
 * /sys/kernel/debug/quire/folio says of a page, pins through /sys/kernel/debug/gup_test.
 */
#ifndef TESTS_USER_LARGE_H
#define TESTS_USER_LARGE_H

#include "tests/user/control.h"
#include "tests/user/pages.h"
#include <sys/ioctl.h>
#include <sys/uio.h>

#define HUGE		(2UL << 20)
#define HUGE_ORDER	9
#define ORDER_64K	4
#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* ---- Memory ---- */

/* Page I of a filled range holds this byte in its first half, and its number in its last bytes. */
static inline char byte_of(size_t i) { return (char)('a' + i % 26); }
static inline void fill_pages(char *p, size_t n)
{
	for (size_t i = 0; i < n / PAGE; i++) {
		memset(p + i * PAGE, byte_of(i), PAGE / 2);
		memcpy(p + i * PAGE + PAGE - sizeof(i), &i, sizeof(i));
	}
}
/* How many of the pages are not as fill_pages left them; FIRST is the number of the first one. */
static inline int wrong_pages(const char *p, size_t n, size_t first)
{
	int bad = 0;
	for (size_t i = 0; i < n / PAGE; i++) {
		size_t number;
		memcpy(&number, p + i * PAGE + PAGE - sizeof(number), sizeof(number));
		bad += number != first + i || p[i * PAGE] != byte_of(first + i);
	}
	return bad;
}

/* The word in brackets of the control PATH is WORD from now on; what it was goes to OLD. False: no such control. */
static inline bool choose(const char *path, const char *word, char old[32])
{
	char *text = ktap_read(path), *mark = text ? strchr(text, '[') : NULL;
	if (!mark || sscanf(mark, "[%31[^]]", old) != 1)
		return false;
	return !strcmp(old, word) || !ktap_write(path, word);
}

/* N bytes of address space for private memory, aligned to 2 MiB, a page without a mapping on either side. */
static inline char *reserve(size_t n)
{
	char *p = OK(mmap(NULL, n + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *at = (char *)(((uintptr_t)p + PAGE + HUGE - 1) & ~(HUGE - 1));
	munmap(p, (size_t)(at - p));
	munmap(at + n, (size_t)(p + n + 2 * HUGE - (at + n)));
	OK(mprotect(at, n, PROT_READ | PROT_WRITE));
	return at;
}

/* Do the pages of [P, P + N) lie in aligned, contiguous blocks of 2^ORDER? */
static inline bool in_blocks(const char *p, size_t n, int order)
{
	uint64_t *entry = malloc(n / PAGE * 8), per = 1ul << order;
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	bool ok = pread(fd, entry, n / PAGE * 8, (uintptr_t)p / PAGE * 8) == (ssize_t)(n / PAGE * 8);
	close(fd);
	for (size_t i = 0; ok && i < n / PAGE; i++)
		ok = (entry[i] & PM_PRESENT) && PM_PFN(entry[i]) == PM_PFN(entry[i - i % per]) + i % per &&
		     PM_PFN(entry[i]) % per == i % per;
	free(entry);
	return ok;
}
/* kB of [P, ...)'s mapping that PMDs map. */
#define huge_mapped(p) smaps_kb(p, "AnonHugePages")

/*
 * N bytes (whole folios) of private memory in folios of 2^ORDER pages, filled. ORDER 9: each mapped by a PMD. Ends the
 * case where such folios do not exist. The system's settings are as before when it returns.
 */
static inline char *large_area(size_t n, int order)
{
	char huge_old[32], old[32], path[100], all_old[32];
	char *p = reserve(n);
	bool pmd = order == HUGE_ORDER, set;

	if (!order) {
		madvise(p, n, MADV_NOHUGEPAGE);
		fill_pages(p, n);
		return p;
	}
	snprintf(path, sizeof(path), THP_DIR "hugepages-%lukB/enabled", 4ul << order);
	if (!choose(THP_DIR "enabled", "madvise", all_old))
		SKIP("no huge pages");
	set = choose(path, pmd ? "inherit" : "always", old);
	if (!pmd && set)
		set = choose(THP_DIR "hugepages-2048kB/enabled", "never", huge_old);
	OK(madvise(p, n, MADV_HUGEPAGE));
	fill_pages(p, n);
	if (!pmd && set)
		ktap_write(THP_DIR "hugepages-2048kB/enabled", huge_old);
	if (set)
		ktap_write(path, old);
	ktap_write(THP_DIR "enabled", all_old);
	if (!set && !pmd)
		SKIP("no large folios of this size");
	if (!in_blocks(p, n, order))
		SKIP("no memory for large folios");
	if (pmd)
		ASSERT_EQ(huge_mapped(p), (long)(n / 1024));
	return p;
}

/* The huge PMDs of [P, P + N) become tables; the folios stay whole, and nothing makes them PMDs again. */
static inline void split_pmds(char *p, size_t n)
{
	for (size_t at = 0; at < n; at += HUGE) {
		OK(mprotect(p + at, PAGE, PROT_READ));
		OK(mprotect(p + at, PAGE, PROT_READ | PROT_WRITE));
	}
	OK(madvise(p, n, MADV_NOHUGEPAGE));
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_TRUE(in_blocks(p, n, HUGE_ORDER));
}

/* The ways in which memory can be mapped, as cases of one test. */
struct kind { const char *name; int order; bool split; size_t size; };
static const struct kind kinds[] = {
	{ "4 KiB", 0, false, 16 * PAGE },
	{ "64 KiB", ORDER_64K, false, 16 * PAGE },
	{ "2 MiB by PTEs", HUGE_ORDER, true, HUGE },
	{ "2 MiB by PMD", HUGE_ORDER, false, HUGE },
};
#define SMALL	  (&kinds[0])
#define BY_64K	  (&kinds[1])
#define BY_PTES	  (&kinds[2])
#define BY_PMD	  (&kinds[3])
static inline char *area_of(const struct kind *k)
{
	char *p = large_area(k->size, k->order);
	if (k->split)
		split_pmds(p, k->size);
	return p;
}
/* TEST(NAME_4k), TEST(NAME_64k), ...: each calls NAME(kind). */
#define TEST_KINDS(n) \
	static void n(const struct kind *k); \
	TEST(n##_4k) { n(SMALL); } \
	TEST(n##_64k) { n(BY_64K); } \
	TEST(n##_2m_ptes) { n(BY_PTES); } \
	TEST(n##_2m_pmd) { n(BY_PMD); } \
	static void n(const struct kind *k)
#define TEST_LARGE_KINDS(n) \
	static void n(const struct kind *k); \
	TEST(n##_64k) { n(BY_64K); } \
	TEST(n##_2m_ptes) { n(BY_PTES); } \
	static void n(const struct kind *k)

/* A write to a page of a large folio that is not shared any more takes it over: Linux from 6.15 on. */
static inline bool large_folios_are_reused(void)
{
	return access(THP_DIR "hugepages-64kB/stats/nr_anon_partially_mapped", F_OK) == 0;
}

static inline uint64_t *pfns(const char *p, size_t n)
{
	uint64_t *pfn = malloc(n / PAGE * sizeof(*pfn));
	for (size_t i = 0; i < n / PAGE; i++)
		pfn[i] = pfn_of(p + i * PAGE);
	return pfn;
}
/* How many pages of [P, P + N) are not in the frame that PFN[] says, or nowhere. */
static inline size_t moved_pages(const char *p, size_t n, const uint64_t *pfn)
{
	size_t moved = 0;
	for (size_t i = 0; i < n / PAGE; i++)
		moved += pfn_of(p + i * PAGE) != pfn[i];
	return moved;
}
/* The frames of N pages, 0 for one that is not present; and how many are not the same any more. */
static inline uint64_t *frames_of(const char *p, size_t n)
{
	uint64_t *e = malloc(n / PAGE * 8);
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(pread(fd, e, n / PAGE * 8, (uintptr_t)p / PAGE * 8), (long)(n / PAGE * 8));
	close(fd);
	for (size_t i = 0; i < n / PAGE; i++)
		e[i] = e[i] & PM_PRESENT ? PM_PFN(e[i]) : 0;
	return e;
}
static inline int frames_changed(const char *p, size_t n, const uint64_t *before)
{
	uint64_t *now = frames_of(p, n);
	int changed = 0;
	for (size_t i = 0; i < n / PAGE; i++)
		changed += now[i] != before[i];
	free(now);
	return changed;
}
/* Minor faults so far, and those that writing to each page takes. */
static inline long minor_faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}
static inline long faults_of_writing(volatile char *p, size_t n)
{
	long before = minor_faults();
	for (size_t at = 0; at < n; at += PAGE)
		p[at + 1] = byte_of(at / PAGE);
	return minor_faults() - before;
}
/* A counter of the folios of ORDER; 0: not counted here. */
static inline long size_stat(int order, const char *name)
{
	char path[120];
	snprintf(path, sizeof(path), THP_DIR "hugepages-%dkB/stats/%s", 4 << order, name);
	char *text = ktap_read(path);
	return text ? atol(text) : 0;
}
/* A child that was born and is gone: the memory is ours alone again, but not marked so. */
static inline void fork_and_exit(void)
{
	pid_t pid = ktap_fork();
	if (!pid)
		ktap_exit();
	EXPECT_CHILD(pid);
}

/* ---- State of a folio ---- */

/* As /sys/kernel/debug/quire/folio writes it: {total mapcount, references, slot 0, slot 1, SHARED}. valid: the kernel tells it. */
struct folio_state { bool valid; long total, refs, count[2]; int shared; };

static inline char *folio_text(pid_t pid, const volatile void *p)
{
	char query[60];
	snprintf(query, sizeof(query), "%d:0x%lx", (int)pid, (unsigned long)p);
	int fd = open(QUIRE_DIR "folio", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	static char text[64 * 1024];
	ssize_t n = write(fd, query, strlen(query)) < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	close(fd);
	if (n < 0)
		return NULL;
	text[n] = 0;
	return text;
}
/* The text behind KEY= at the start of a line; NULL if there is none. */
static inline const char *folio_value(const char *text, const char *key)
{
	size_t length = strlen(key);
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, key, length) && line[length] == '=')
			return line + length + 1;
	return NULL;
}
static inline long folio_number(pid_t pid, const volatile void *p, const char *key)
{
	const char *v = folio_value(folio_text(pid, p), key);
	return v ? strtol(v, NULL, 0) : -1;
}
/* A slot is "-" or "ID:COUNT". */
static inline long slot_count(const char *slot)
{
	const char *colon = strchr(slot, ':');
	return colon ? strtol(colon + 1, NULL, 10) : 0;
}
static inline struct folio_state folio_state(pid_t pid, const volatile void *p)
{
	struct folio_state s = { false, 0, 0, { 0, 0 }, 0 };
	const char *v = folio_value(folio_text(pid, p), "state");
	char slot[2][40];
	if (v && sscanf(v, "{%ld,%ld,%39[^,],%39[^,],%d}", &s.total, &s.refs, slot[0], slot[1], &s.shared) == 5) {
		s.valid = true;
		s.count[0] = slot_count(slot[0]);
		s.count[1] = slot_count(slot[1]);
	}
	return s;
}
#define EXPECT_STATE_OF(pid, p, total_, refs_, slot0, slot1, shared_) do { \
	struct folio_state ktap_f = folio_state(pid, p); \
	if (ktap_f.valid) { \
		EXPECT_EQ(ktap_f.total, total_); EXPECT_EQ(ktap_f.refs, refs_); EXPECT_EQ(ktap_f.count[0], slot0); \
		EXPECT_EQ(ktap_f.count[1], slot1); EXPECT_EQ(ktap_f.shared, shared_); \
	} } while (0)
#define EXPECT_STATE(p, ...) EXPECT_STATE_OF(getpid(), p, __VA_ARGS__)

/* ---- gup_test ---- */

struct gup_test {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};
struct pin_longterm_test { uint64_t addr, size; uint32_t flags; };
#define GUP_FAST_BENCHMARK	_IOWR('g', 1, struct gup_test)
#define PIN_FAST_BENCHMARK	_IOWR('g', 2, struct gup_test)
#define PIN_LONGTERM_BENCHMARK	_IOWR('g', 3, struct gup_test)
#define GUP_BASIC_TEST		_IOWR('g', 4, struct gup_test)
#define PIN_BASIC_TEST		_IOWR('g', 5, struct gup_test)
#define DUMP_USER_PAGES_TEST	_IOWR('g', 6, struct gup_test)
#define PIN_LONGTERM_TEST_START	_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP	_IO('g', 8)
#define PIN_LONGTERM_TEST_READ	_IOW('g', 9, uint64_t)
#define PIN_WRITE		1u
#define PIN_FAST		2u

static inline int gup_open(void)
{
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP("no gup_test");
	return fd;
}
/* Pin the N bytes at P until gup_unpin or close. 0 or the errno. */
static inline int gup_pin(int fd, const volatile void *p, size_t n, unsigned int flags)
{
	struct pin_longterm_test t = { (uintptr_t)p, n, flags };
	return ioctl(fd, PIN_LONGTERM_TEST_START, &t) ? errno : 0;
}
static inline void gup_unpin(int fd) { OK(ioctl(fd, PIN_LONGTERM_TEST_STOP)); }
/* What the pinned pages hold now, page after page. */
static inline void gup_read(int fd, void *to)
{
	uint64_t at = (uintptr_t)to;
	OK(ioctl(fd, PIN_LONGTERM_TEST_READ, &at));
}
/* A pipe with a plain reference to each page of the N bytes at P; read end in FDS[0]. */
static inline void hold_plainly(int fds[2], void *p, size_t n)
{
	OK(pipe(fds));
	struct iovec iov = { p, n };
	ASSERT_EQ(vmsplice(fds[1], &iov, 1, 0), (long)n);
}

#endif
