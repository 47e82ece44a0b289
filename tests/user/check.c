/*
 * tests/user/check.c - /sys/kernel/debug/quire/check notices each thing that can be wrong, and calls it by its rule.
 *
 * A child (or a family of two) makes a folio and sleeps; the parent breaks one field of it through `corrupt`, reads
 * `check`, undoes it and reads again. One broken field must be one rule, however much depends on it.
 */
#include "tests/user/large.h"

struct victim { pid_t pid, second; char *p; uint64_t pfn; };

static void need_check(void)
{
	if (access(QUIRE_DIR "check", R_OK) || !have_control("corrupt"))
		SKIP("this kernel does not check itself");
}

static void expect_ok(void)
{
	char *text = ktap_read(QUIRE_DIR "check");
	ASSERT_TRUE(text != NULL);
	if (strncmp(text, "ok ", 3))
		KTAP_FAIL("# check says: %s", text);
}

/* A child with a folio of 2^ORDER pages; SHARED: it has a child of its own. Both sleep until they are killed. */
static struct victim make_victim(int order, bool shared)
{
	struct victim v;
	int fd[2];
	OK(pipe(fd));
	v.pid = ktap_fork();
	if (!v.pid) {
		size_t n = order == HUGE_ORDER ? HUGE : order ? PAGE << order : 4 * PAGE;
		v.p = large_area(n, order);
		v.pfn = pfn_of(v.p);
		v.pid = getpid();
		v.second = shared ? OK(fork()) : 0;
		if (v.second || !shared)
			if (write(fd[1], &v, sizeof(v)) != sizeof(v))
				_exit(1);
		for (;;)
			pause();
	}
	close(fd[1]);
	if (read(fd[0], &v, sizeof(v)) != sizeof(v))
		SKIP("no such folio");
	close(fd[0]);
	return v;
}

static void drop_victim(struct victim *v)
{
	if (v->second)
		kill(v->second, SIGKILL);
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
}

/* The lines of `check` all name RULE, and there is one at least. */
static void expect_rule(const char *rule, const char *field)
{
	char *text = ktap_read(QUIRE_DIR "check");
	size_t length = strlen(rule);
	int lines = 0;
	/* The last line begins with a number. */
	for (char *line = text; line && *line >= 'A' && *line <= 'Z'; line = strchr(line, '\n') + 1) {
		lines++;
		if (strncmp(line, rule, length) || line[length] != ' ')
			KTAP_FAIL("# %s broken, expected %s: %.*s", field, rule, (int)strcspn(line, "\n"), line);
	}
	if (!lines)
		KTAP_FAIL("# %s broken, expected %s: %s", field, rule, text);
}

static void break_it(const char *rule, const char *field, long long target, const char *delta)
{
	int error = control("corrupt", "%s %lld %s", field, target, delta);
	if (error) {
		KTAP_FAIL("# corrupt %s %lld %s: %s", field, target, delta, strerror(error));
		return;
	}
	expect_rule(rule, field);
	EXPECT_EQ(control("corrupt", "undo"), 0);
	expect_ok();
}

struct break_case { const char *rule, *field, *delta; };
#define BREAK_ALL(cases, target) do { \
	for (unsigned int ktap_i = 0; ktap_i < sizeof(cases) / sizeof(*cases); ktap_i++) \
		break_it((cases)[ktap_i].rule, (cases)[ktap_i].field, target, (cases)[ktap_i].delta); \
	} while (0)

TEST(at_rest_memory_is_ok_and_nothing_is_skipped)
{
	need_check();
	EXPECT_TRUE(ktap_until(strstr(ktap_read(QUIRE_DIR "check"), " 0 skipped") != NULL));
	expect_ok();
}

TEST(small_folio)
{
	static const struct break_case cases[] = {
		{ "FOL-6", "mapcount", "1" }, { "FOL-7", "refs", "1" }, { "FOL-2", "refs", "-1" }, { "COW-1", "exclusive", "" },
		{ "RCL-2", "lru", "" }, { "RCL-1", "active", "" }, { "MLK-7", "mlock_count", "1" },
		{ "RMAP-1", "index", "1" }, { "RMAP-1", "anon_vma", "" },
		{ "MMID-12", "private", "1" },
	};
	need_check();
	struct victim v = make_victim(0, false);
	expect_ok();
	BREAK_ALL(cases, v.pfn);
	drop_victim(&v);
}

TEST(counters_of_a_process)
{
	static const struct break_case cases[] = {
		{ "RSS", "rss_anon", "1" }, { "RSS", "rss_anon", "-1" }, { "RSS", "rss_file", "1" }, { "RSS", "rss_shmem", "5" },
		{ "PGTABLES", "pgtables", "4096" },
	};
	need_check();
	struct victim v = make_victim(0, false);
	BREAK_ALL(cases, v.pid);
	drop_victim(&v);
}

TEST(lists_and_gauges)
{
	static const struct break_case cases[] = {
		{ "RCL-1", "lru_size", "" }, { "ABI-1", "nr_anon_pages", "" }, { "ABI-1", "nr_mapped", "" },
		{ "MIG-8", "nr_free", "" }, { "RCL-8", "free_pages", "" },
	};
	need_check();
	BREAK_ALL(cases, 1LL);
}

TEST(large_folio_of_one_process)
{
	static const struct break_case cases[] = {
		{ "FOL-6", "total", "1" }, { "FOL-6", "total", "-1" }, { "FOL-4", "entire", "1" }, { "FOL-7", "refs", "1" },
		{ "FOL-8", "refs", "-1" }, { "PIN-2", "pincount", "1" }, { "MMID-9", "slot0", "1" }, { "MMID-9", "slot0", "-1" },
		{ "MMID-9", "id0", "1" }, { "MMID-12", "slot1", "1" }, { "MMID-9", "id1", "77" }, { "MMID-6", "shared", "" },
		{ "COW-1", "exclusive", "" }, { "RCL-2", "lru", "" }, { "SPLIT-9", "partially_mapped", "" },
		{ "FOL-2", "tail_refs", "1" }, { "RMAP-1", "index", "1" }, { "RMAP-1", "anon_vma", "" },
	};
	need_check();
	struct victim v = make_victim(ORDER_64K, false);
	expect_ok();
	BREAK_ALL(cases, v.pfn);
	if (folio_value(folio_text(v.pid, v.p), "page_mapcounts")) {	/* kept in this build */
		break_it("RMAP-5", "mapcount", v.pfn, "1");
		break_it("RMAP-5", "mapcount", v.pfn + 3, "-1");
		break_it("FOL-11", "nr_pages_mapped", v.pfn, "1");
	}
	drop_victim(&v);
}

TEST(large_folio_of_two_processes)
{
	static const struct break_case cases[] = {
		{ "FOL-6", "total", "1" }, { "FOL-7", "refs", "1" }, { "FOL-8", "refs", "-1" }, { "MMID-9", "slot0", "1" },
		{ "MMID-9", "slot1", "1" }, { "MMID-9", "slot0", "-1" }, { "MMID-9", "slot1", "-1" }, { "MMID-9", "id1", "1000" },
		{ "MMID-8", "shared", "" }, { "COW-1", "exclusive", "" },
	};
	need_check();
	struct victim v = make_victim(ORDER_64K, true);
	expect_ok();
	EXPECT_STATE_OF(v.pid, v.p, 32, 32, 16, 16, 1);
	BREAK_ALL(cases, v.pfn);
	break_it("COW-1", "exclusive", v.pfn + 5, "");
	drop_victim(&v);
}

TEST(huge_pmd)
{
	static const struct break_case cases[] = {
		{ "FOL-6", "total", "1" }, { "FOL-4", "entire", "1" }, { "MMID-9", "slot0", "1" }, { "FOL-7", "refs", "1" },
		{ "COW-1", "exclusive", "" },
	};
	char address[40];
	need_check();
	struct victim v = make_victim(HUGE_ORDER, false);
	expect_ok();
	BREAK_ALL(cases, v.pfn);
	snprintf(address, sizeof(address), "0x%lx", (unsigned long)v.p);
	break_it("SPLIT-2", "deposit", v.pid, address);
	drop_victim(&v);
}

TEST(huge_pmd_of_two_processes)
{
	static const struct break_case cases[] = {
		{ "MMID-8", "shared", "" }, { "COW-1", "exclusive", "" }, { "FOL-4", "entire", "-1" },
	};
	need_check();
	struct victim v = make_victim(HUGE_ORDER, true);
	EXPECT_STATE_OF(v.pid, v.p, 2, 2, 1, 1, 1);
	BREAK_ALL(cases, v.pfn);
	drop_victim(&v);
}

/* References that have an owner are none too many: those of a pipe. And a pin is a pin. */
TEST(a_pipe_and_a_pin_explain_their_references)
{
	int pipe_fd[2], skipped;
	need_check();
	char *p = large_area(PAGE << ORDER_64K, ORDER_64K);
	hold_plainly(pipe_fd, p, 3 * PAGE);
	expect_ok();
	char *q = large_area(4 * PAGE, 0);
	int gup = gup_open();
	EXPECT_EQ(gup_pin(gup, p + 5 * PAGE, 2 * PAGE, PIN_WRITE), 0);
	expect_ok();
	gup_unpin(gup);
	EXPECT_EQ(gup_pin(gup, q, PAGE, PIN_WRITE), 0);
	expect_ok();
	OK(munmap(q, 4 * PAGE));
	expect_ok();
	EXPECT_EQ(sscanf(ktap_read(QUIRE_DIR "check"), "ok %*d folios, %d skipped", &skipped), 1);
	EXPECT_EQ(skipped, 0);
	gup_unpin(gup);
	close(gup);
	expect_ok();
}

/* It may be read at any time: while others fork, write, unmap and exit it finds nothing wrong either. */
TEST(while_others_work_nothing_is_wrong)
{
	pid_t pid[3];
	need_check();
	for (int i = 0; i < 3; i++) {
		pid[i] = ktap_fork();
		for (; !pid[i];) {
			char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memset(p, i, 4 << 20);
			pid_t child = fork();
			for (size_t at = 0; at < 4 << 20; at += (size_t)(3 + i) * PAGE)
				p[at] = 1;
			if (!child)
				_exit(0);
			madvise(p + 3 * PAGE, 1 << 20, MADV_DONTNEED);
			munmap(p, 4 << 20);
			waitpid(child, NULL, 0);
		}
	}
	for (int i = (int)ktap_scale(10); i > 0; i--)
		expect_ok();
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		EXPECT_STATUS(pid[i], KILLED_BY(SIGKILL));
	}
}

TEST(corrupt_takes_only_its_words)
{
	need_check();
	EXPECT_EQ(control("corrupt", "nonsense 5"), EINVAL);
	EXPECT_EQ(control("corrupt", "total"), EINVAL);
	EXPECT_EQ(control("corrupt", "total 0"), EINVAL);
	EXPECT_EQ(control("corrupt", "rss_anon 999999"), ESRCH);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "corrupt"), "undo") != NULL);
	EXPECT_EQ(control("corrupt", "undo"), 0);
}

/*
 * For tests/session/panics.py: break FIELD of a large folio of this process (by DELTA, else 1), then let the folio go.
 * A debug build does not survive it.
 */
HELPER(free_with_a_count)
{
	char *p = large_area(PAGE << ORDER_64K, ORDER_64K);
	if (argc < 3 || control("corrupt", "%s %llu %s", argv[2], (unsigned long long)pfn_of(p), argc > 3 ? argv[3] : "1"))
		return 1;
	return munmap(p, PAGE << ORDER_64K);
}
