/*
 * tests/user/mmid_file.c - owner tracking of one file folio of 16 pages that several processes map and unmap
 * (T-MMID-3..7, 10, 13), and of an anonymous one that is migrated (T-MMID-6).
 *
 * The folio is that of /sys/kernel/debug/quire/map_folio; each app is a child that maps and unmaps pages on command. The
 * page cache's own 16 references are part of every state.
 */
#include "tests/user/large.h"

#define PAGES 16
#define CACHE 16

struct app { pid_t pid; int to, from; long id; };
struct command { char what; int first, pages; };	/* 'm'ap, 'u'nmap, 'w'rite, e'x'it */

static uint64_t folio_pfn;

/* ---- Apps ---- */

static void app_obey(char *p, int from, int to)
{
	struct command c;
	while (read(from, &c, sizeof(c)) == sizeof(c) && c.what != 'x') {
		for (int i = c.first; i < c.first + c.pages && c.what != 'u'; i++)
			if (c.what == 'w')
				p[i * PAGE] = 1;
			else
				(void)*(volatile char *)(p + i * PAGE);
		if (c.what == 'u')
			OK(madvise(p + c.first * PAGE, c.pages * PAGE, MADV_DONTNEED));
		if (write(to, "x", 1) != 1)
			break;
	}
	_exit(0);
}

/* Owner id of a process. */
static long mm_id_of(pid_t pid)
{
	ASSERT_EQ(control("force", "mm_id_limit %d 0 0 0", (int)pid), 0);
	char *id = strstr(ktap_read(QUIRE_DIR "force"), "\nid=");
	ASSERT_TRUE(id != NULL);
	return strtol(id + 4, NULL, 10);
}

/* A child with the folio of FD mapped (P: it has the memory at P already), no page present yet. */
static struct app app_start(int fd, char *p)
{
	int to[2], from[2];
	struct app a;
	OK(pipe2(to, O_CLOEXEC));
	OK(pipe2(from, O_CLOEXEC));
	a.pid = ktap_fork();
	if (!a.pid) {
		close(to[1]);
		if (!p)
			p = OK(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
		app_obey(p, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	a.to = to[1];
	a.from = from[0];
	a.id = mm_id_of(a.pid);
	return a;
}

static void app_tell(struct app *a, char what, int first, int pages)
{
	struct command c = { what, first, pages };
	char x;
	ASSERT_EQ(write(a->to, &c, sizeof(c)), sizeof(c));
	ASSERT_EQ(read(a->from, &x, 1), 1);
}
#define app_map(a, first, pages)   app_tell(a, 'm', first, pages)
#define app_unmap(a, first, pages) app_tell(a, 'u', first, pages)

static void app_end(struct app *a)
{
	struct command c = { .what = 'x' };
	EXPECT_EQ(write(a->to, &c, sizeof(c)), sizeof(c));
	close(a->to);
	close(a->from);
	EXPECT_CHILD(a->pid);
}

/* ---- The folio's state ---- */

static char *query(uint64_t pfn)
{
	ASSERT_EQ(control("folio", "0x%lx", (unsigned long)pfn), 0);
	return ktap_read(QUIRE_DIR "folio");
}

/* "ID:N", or "-" for nobody. */
static void slot_text(char *to, size_t size, const struct app *a, long n)
{
	if (a)
		snprintf(to, size, "%ld:%ld", a->id, n);
	else
		snprintf(to, size, "-");
}

/* {TOTAL, TOTAL + references of others, slot 0, slot 1, SHARED}, and memory is consistent. */
static void expect_state(int line, uint64_t pfn, long others, long total, const struct app *a, long na, const struct app *b,
			 long nb, int shared)
{
	char want[100], slot[2][40], have[100] = "";
	slot_text(slot[0], sizeof(slot[0]), a, na);
	slot_text(slot[1], sizeof(slot[1]), b, nb);
	snprintf(want, sizeof(want), "{%ld,%ld,%s,%s,%d}", total, total + others, slot[0], slot[1], shared);
	const char *state = folio_value(query(pfn), "state");
	if (state)
		snprintf(have, sizeof(have), "%.*s", (int)strcspn(state, "\n"), state);
	if (strcmp(want, have))
		KTAP_FAIL("# %s:%d: state is %s, expected %s", __FILE__, line, have, want);
	char *text = ktap_read(QUIRE_DIR "check");
	if (text && strncmp(text, "ok ", 3))
		KTAP_FAIL("# %s:%d: check says: %s", __FILE__, line, text);
}
#define STATE(...) expect_state(__LINE__, folio_pfn, CACHE, __VA_ARGS__)
#define NOBODY NULL, 0

/* The answer to "may it be mapped by several?" (MMID-10). */
static bool query_shared(void) { return strtol(folio_value(query(folio_pfn), "maybe_mapped_shared"), NULL, 10); }

/* A fresh folio; the file to map it by. */
static int make_folio(void)
{
	if (!have_control("map_folio"))
		SKIP("this kernel has no such folio");
	int fd = OK(open(QUIRE_DIR "map_folio", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(write(fd, "4", 1), 1);
	char text[200] = "";
	ASSERT_TRUE(pread(fd, text, sizeof(text) - 1, 0) > 0);
	char *pfn = strstr(text, "pfn=");
	ASSERT_TRUE(strstr(text, "order=4 ") != NULL && pfn != NULL);
	folio_pfn = strtoul(pfn + 4, NULL, 0);
	return fd;
}

/* ---- The file itself ---- */

TEST(map_folio_maps_one_folio_for_everybody)
{
	int fd = make_folio();
	char *p = OK(mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	for (int i = 0; i < PAGES; i++) {
		EXPECT_EQ(p[i * PAGE], 0);
		p[i * PAGE] = (char)i;
		EXPECT_EQ(pfn_of(p + i * PAGE), folio_pfn + i);
	}
	/* Behind the end: SIGBUS. */
	EXPECT_EQ(touch_signal(p + PAGES * PAGE, false), SIGBUS);
	/* Through /proc/PID/fd and by opening the file: the same. Private mappings: not made for that. */
	char path[60];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = OK(open(path, O_RDWR));
	char *q = OK(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, again, 0));
	EXPECT_EQ(q[5 * PAGE], 5);
	EXPECT_EQ(pfn_of(q + 5 * PAGE), folio_pfn + 5);
	EXPECT_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	/* Unmapping and touching again. */
	OK(madvise(p, 8 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(pfn_of(p), 0);
	EXPECT_EQ(p[7 * PAGE], 7);
	/* A new folio is for new mappings. */
	uint64_t old = folio_pfn;
	ASSERT_EQ(write(fd, "2", 1), 1);
	char *r = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_EQ(r[PAGE], 0);
	EXPECT_NE(pfn_of(r + PAGE), old + 1);
	EXPECT_EQ(p[5 * PAGE], 5);
	EXPECT_EQ(pfn_of(p + 5 * PAGE), old + 5);
	EXPECT_ERR(write(fd, "1", 1), EINVAL);
	EXPECT_ERR(write(fd, "10", 2), EINVAL);
	EXPECT_ERR(write(fd, "x", 1), EINVAL);
}

/* ---- T-MMID-3, 4, 5 ---- */

TEST(first_mapper_is_exclusive)	/* T-MMID-3 */
{
	int fd = make_folio();
	STATE(0, NOBODY, NOBODY, 0);
	struct app a = app_start(fd, NULL);
	app_map(&a, 0, 16);
	STATE(16, &a, 16, NOBODY, 0);
	EXPECT_TRUE(!query_shared());
	app_end(&a);
	STATE(0, NOBODY, NOBODY, 0);
}

TEST(three_apps_the_first_two_leave)	/* T-MMID-4 */
{
	int fd = make_folio();
	struct app a1 = app_start(fd, NULL), a2 = app_start(fd, NULL), a3 = app_start(fd, NULL);
	app_map(&a1, 0, 16);
	STATE(16, &a1, 16, NOBODY, 0);
	app_map(&a2, 0, 16);
	STATE(32, &a1, 16, &a2, 16, 1);
	app_map(&a3, 0, 16);
	STATE(48, &a1, 16, &a2, 16, 1);		/* the third is not tracked */
	app_end(&a1);
	STATE(32, NOBODY, &a2, 16, 1);
	app_end(&a2);
	STATE(16, NOBODY, NOBODY, 1);
	EXPECT_TRUE(query_shared());		/* though only one maps it */
	app_unmap(&a3, 0, 8);
	STATE(8, NOBODY, NOBODY, 1);
	app_unmap(&a3, 8, 7);
	STATE(1, NOBODY, NOBODY, 1);
	EXPECT_TRUE(!query_shared());		/* T-SHR-7: one mapping cannot be shared */
	app_unmap(&a3, 15, 1);
	STATE(0, NOBODY, NOBODY, 0);
	app_map(&a3, 0, 16);
	STATE(16, &a3, 16, NOBODY, 0);
	app_end(&a3);
}

TEST(three_apps_the_last_two_leave)	/* T-MMID-5 */
{
	int fd = make_folio();
	struct app a1 = app_start(fd, NULL), a2 = app_start(fd, NULL), a3 = app_start(fd, NULL);
	app_map(&a1, 0, 16);
	app_map(&a2, 0, 16);
	app_map(&a3, 0, 16);
	STATE(48, &a1, 16, &a2, 16, 1);
	app_end(&a3);
	STATE(32, &a1, 16, &a2, 16, 1);
	app_end(&a2);
	STATE(16, &a1, 16, NOBODY, 0);
	EXPECT_TRUE(!query_shared());
	app_end(&a1);
}

/* ---- T-MMID-6: anonymous, P and two children ---- */

TEST(short_lived_children_leave_the_parent_exclusive)
{
	if (!have_control("force"))
		SKIP("not this kernel");
	char *p = large_area(PAGES * PAGE, ORDER_64K);
	struct app self = { .pid = getpid(), .id = mm_id_of(getpid()) };
	uint64_t pfn = pfn_of(p);
	struct app c1 = app_start(-1, p);
	struct app c2 = app_start(-1, p);
	expect_state(__LINE__, pfn, 0, 48, &self, 16, &c1, 16, 1);
	app_end(&c1);
	expect_state(__LINE__, pfn, 0, 32, &self, 16, NOBODY, 1);
	app_end(&c2);
	expect_state(__LINE__, pfn, 0, 16, &self, 16, NOBODY, 0);
	long reuse = vmstat("pgreuse");
	p[3 * PAGE] = 9;
	EXPECT_EQ(pfn_of(p + 3 * PAGE), pfn + 3);
	EXPECT_GE(vmstat("pgreuse"), reuse + 1);
}

TEST(migration_can_cost_the_parent_its_slot)
{
	if (!have_control("force") || !strstr(ktap_read(QUIRE_DIR "force"), "#\tmigrate "))
		SKIP("no forced migration");
	/* The folio is followed by a page of the same mapping: unmapping that one puts the parent behind its children. */
	char *area = large_area(2 * PAGES * PAGE, ORDER_64K), *p = area;
	struct app self = { .pid = getpid(), .id = mm_id_of(getpid()) };
	struct app c1 = app_start(-1, p);
	struct app c2 = app_start(-1, p);
	OK(munmap(area + PAGES * PAGE, PAGES * PAGE));
	expect_state(__LINE__, pfn_of(p), 0, 48, &self, 16, &c1, 16, 1);
	EXPECT_EQ(control("force", "migrate %d 0x%lx 0x%lx sync", (int)getpid(), (unsigned long)p,
			  (unsigned long)(p + PAGES * PAGE)), 0);
	uint64_t pfn = pfn_of(p);
	expect_state(__LINE__, pfn, 0, 48, &c1, 16, &c2, 16, 1);
	app_end(&c1);
	app_end(&c2);
	expect_state(__LINE__, pfn, 0, 16, NOBODY, NOBODY, 1);
	p[3 * PAGE] = 9;			/* shared, as far as one knows: a copy */
	EXPECT_NE(pfn_of(p + 3 * PAGE), pfn + 3);
	EXPECT_EQ(wrong_pages(p + 4 * PAGE, 12 * PAGE, 4), 0);
	(void)self;
}

/* ---- T-MMID-7 ---- */

TEST(a_slot_is_clamped_when_it_would_go_below_zero)
{
	int fd = make_folio();
	struct app a = app_start(fd, NULL), b = app_start(fd, NULL), c = app_start(fd, NULL);
	app_map(&a, 0, 4);
	app_map(&b, 0, 4);
	app_map(&c, 0, 3);
	STATE(11, &a, 4, &b, 4, 1);
	app_unmap(&a, 0, 4);
	app_map(&c, 3, 2);
	STATE(9, &c, 2, &b, 4, 1);
	app_unmap(&c, 0, 3);
	STATE(6, NOBODY, &b, 4, 1);
	app_unmap(&b, 0, 4);
	STATE(2, NOBODY, NOBODY, 1);
	app_unmap(&c, 3, 2);
	STATE(0, NOBODY, NOBODY, 0);
	app_end(&a);
	app_end(&b);
	app_end(&c);
}

/* ---- T-MMID-10 ---- */

static void random_mapper(char *p, long rounds)
{
	while (rounds--) {
		int first = (int)(ktap_random() % PAGES), pages = (int)(1 + ktap_random() % (PAGES - first));
		if (ktap_random() % 3)
			for (int i = 0; i < pages; i++)
				(void)*(volatile char *)(p + (first + i) * PAGE);
		else
			OK(madvise(p + first * PAGE, pages * PAGE, MADV_DONTNEED));
	}
}

static void stress(int apps)
{
	int fd = make_folio(), done[2], n = 0;
	pid_t pid[8];
	char x;
	OK(pipe(done));
	for (int i = 0; i < apps; i++) {
		pid[i] = ktap_fork();
		if (!pid[i]) {
			char *p = OK(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0));
			for (int skip = 0; skip < i * 1000; skip++)
				ktap_random();
			random_mapper(p, ktap_scale(3000));
			if (write(done[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
	}
	while (n < apps && read(done[0], &x, 1) == 1)
		n++;
	/* All at rest now: the word fits the page tables. */
	EXPECT_TRUE(!strncmp(ktap_read(QUIRE_DIR "check"), "ok ", 3));
	for (int i = 0; i < apps; i++) {
		kill(pid[i], SIGKILL);
		EXPECT_STATUS(pid[i], KILLED_BY(SIGKILL));
		char *text = ktap_read(QUIRE_DIR "check");
		if (strncmp(text, "ok ", 3))
			KTAP_FAIL("# check says: %s", text);
	}
	STATE(0, NOBODY, NOBODY, 0);
}
TEST(stress_of_two) { stress(2); }
TEST(stress_of_five) { stress(5); }

/* ---- T-MMID-13 ---- */

TEST(version_1_takes_the_first_mapper_for_several)
{
	int fd = make_folio();
	ASSERT_EQ(control("variant", "v1_owners"), 0);
	struct app a = app_start(fd, NULL);
	app_map(&a, 0, 16);
	EXPECT_TRUE(query_shared());		/* MMID-21 */
	app_end(&a);
	EXPECT_EQ(control("variant", "none"), 0);
	STATE(0, NOBODY, NOBODY, 0);
}
