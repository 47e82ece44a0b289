/*
 * tests/user/compact.c - compaction: what it makes of fragmented memory, when it is tried and when not, who waits for it
 * and who is woken instead (rules MIG-8 to MIG-19, MTHP-13; scenarios T-MIG-9 to T-MIG-12). Pageblocks: pageblock.c.
 *
 * Memory is fragmented by a program that owns nearly all of it in small pages and then keeps one page of each 2 MiB block.
 * On Quire all but about a hundred MiB is first taken away by the `alloc` control, so that this is quick.
 */
#include "tests/user/swaparea.h"
#include "tests/user/trace.h"
#include "tests/user/zones.h"
#include <pthread.h>

#define BLOCKS		40			/* that are fragmented, on Quire */
#define DEFRAG		THP_DIR "defrag"

/* ---- Helpers ---- */

/* One attempt, and what came of it. */
static const char *compact_for_order(int order, const char *how)
{
	static char word[32];
	EXPECT_EQ(control("force", "compact 0 0 %d %s", order, how), 0);
	char *text = ktap_read(QUIRE_DIR "force"), *at = text ? strstr(text, "\ncompact=") : NULL;
	return at && sscanf(at, "\ncompact=%31s", word) == 1 ? word : "?";
}

/* In Linux the figures of the CPUs are added up about once a second; here they are right at once. */
static void expect_nothing_isolated(void)
{
	if (!ktap_is_quire())
		(void)ktap_until(vmstat("nr_isolated_anon") + vmstat("nr_isolated_file") == 0);
	EXPECT_EQ(vmstat("nr_isolated_anon"), 0);
	EXPECT_EQ(vmstat("nr_isolated_file"), 0);
}

/* ---- Fragmented memory ---- */

/* N pages of memory, in N different 2 MiB blocks, each with the number of its place. */
struct rest { char *p; size_t n; };

static void mark_page(char *p, size_t i)
{
	for (size_t at = 0; at < PAGE; at += 1000)
		memcpy(p + at, &i, sizeof(i));
}
static size_t wrong_marks(const struct rest *r)
{
	size_t wrong = 0, number;
	for (size_t i = 0; i < r->n; i++)
		for (size_t at = 0; at < PAGE; at += 1000) {
			memcpy(&number, r->p + i * PAGE + at, sizeof(number));
			if (number != i) {
				wrong++;
				break;
			}
		}
	return wrong;
}

/* In how many 2 MiB blocks the pages lie. */
static size_t blocks_in_use(const struct rest *r)
{
	uint64_t *pfn = frames_of(r->p, r->n * PAGE), last = 0;
	size_t blocks = 0;
	for (size_t i = 0; i < r->n; i++)
		last = pfn[i] > last ? pfn[i] : last;
	char *seen = calloc(last / BLOCK + 1, 1);
	for (size_t i = 0; i < r->n; i++)
		blocks += !seen[pfn[i] / BLOCK]++;
	free(seen);
	free(pfn);
	return blocks;
}
/* Own PAGES small pages; keep one of each block. */
static struct rest keep_one_of_each_block(size_t pages)
{
	char *p = anon(pages * PAGE);
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	uint64_t *pfn = frames_of(p, pages * PAGE), last = 0;
	for (size_t i = 0; i < pages; i++)
		last = pfn[i] > last ? pfn[i] : last;
	char *seen = calloc(last / BLOCK + 1, 1);
	struct rest r = { OK(mmap(NULL, pages * PAGE / 64 + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), 0 };
	for (size_t i = 0; i < pages && r.n < pages / 64; i++) {
		if (!pfn[i] || seen[pfn[i] / BLOCK]++)
			continue;
		mark_page(p + i * PAGE, r.n);
		OK(mremap(p + i * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r.p + r.n * PAGE));
		r.n++;
	}
	munmap(p, pages * PAGE);
	free(pfn);
	free(seen);
	return r;
}
static struct rest fragment(void)
{
	long high = high_pages(), want;
	if (have_control("alloc")) {
		EXPECT_EQ(ktap_write("/proc/sys/vm/drop_caches", "3"), 0);
		EXPECT_EQ(control("alloc", "fill %ld", high + BLOCKS * BLOCK + 1024), 0);
		want = BLOCKS * BLOCK;
	} else {
		want = free_pages() - high - free_pages() / 16;
	}
	ASSERT_GE(want, 8 * BLOCK);
	return keep_one_of_each_block((size_t)want);
}
/* The blocks that a case took. What was taken away before, so that memory is small, stays so for the next case. */
static void give_back(void)
{
	if (have_control("alloc"))
		EXPECT_EQ(control("alloc", "free 9 movable"), 0);
}

/* ---- Everything (T-MIG-9) ---- */

TEST(one_movable_page_in_each_block_does_not_keep_it)
{
	need_compaction();
	struct rest r = fragment();
	uint64_t *before = frames_of(r.p, r.n * PAGE);
	long ok = vmstat("pgmigrate_success"), scanned = vmstat("compact_migrate_scanned"), isolated = vmstat("compact_isolated");
	long free = free_pages(), blocks = huge_blocks();
	compact_all();
	EXPECT_LE(blocks_in_use(&r), r.n / 8 + 8);
	/* Linux leaves what was freed on the lists of the CPUs when nobody has asked for a certain order. */
	if (have_control("alloc")) {
		EXPECT_GE(huge_blocks(), (free - high_pages()) / BLOCK - 8);
		EXPECT_GE(huge_blocks(), blocks + BLOCKS / 2);
		EXPECT_LE(labs(free_pages() - free), 64);
	}
	EXPECT_EQ(wrong_marks(&r), 0);
	EXPECT_GE(frames_changed(r.p, r.n * PAGE, before), (long)r.n / 2);
	EXPECT_GE(vmstat("pgmigrate_success"), ok + (long)r.n / 2);
	/* As many as that only where every block is looked at whole. */
	EXPECT_GE(vmstat("compact_migrate_scanned"), scanned + (long)r.n / 2 * (have_control("alloc") ? BLOCK / 2 : 1));
	EXPECT_GE(vmstat("compact_isolated"), isolated + (long)r.n);
	expect_nothing_isolated();
	give_back();
}

TEST(a_pinned_page_in_each_block_keeps_it)
{
	need_compaction();
	int fd = gup_open();
	struct rest r = fragment();
	EXPECT_EQ(gup_pin(fd, r.p, r.n * PAGE, PIN_WRITE), 0);
	uint64_t *before = frames_of(r.p, r.n * PAGE);
	compact_all();
	long blocks = huge_blocks(), free = free_pages();
	compact_all();
	EXPECT_LE(huge_blocks(), blocks + 1);
	EXPECT_LE(labs(free_pages() - free), 64);
	EXPECT_EQ(frames_changed(r.p, r.n * PAGE, before), 0);
	char *seen = malloc(r.n * PAGE);
	for (size_t i = 0; i < r.n; i++)
		r.p[i * PAGE + 77] = (char)i;
	gup_read(fd, seen);
	EXPECT_EQ(memcmp(seen, r.p, r.n * PAGE), 0);
	gup_unpin(fd);
	compact_all();
	EXPECT_LE(blocks_in_use(&r), r.n / 8 + 8);
	if (have_control("alloc"))
		EXPECT_GE(huge_blocks(), blocks + BLOCKS / 2);
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

TEST(locked_memory_moves_if_it_may)
{
	need_compaction();
	if (access("/proc/sys/vm/compact_unevictable_allowed", W_OK))
		SKIP("not to be set here");
	struct rest r = fragment();
	OK(mlock(r.p, r.n * PAGE));
	uint64_t *before = frames_of(r.p, r.n * PAGE);
	EXPECT_EQ(ktap_write("/proc/sys/vm/compact_unevictable_allowed", "0"), 0);
	compact_all();
	EXPECT_EQ(frames_changed(r.p, r.n * PAGE, before), 0);
	EXPECT_EQ(ktap_write("/proc/sys/vm/compact_unevictable_allowed", "1"), 0);
	compact_all();
	EXPECT_GE(frames_changed(r.p, r.n * PAGE, before), (long)r.n / 2);
	EXPECT_EQ(status_kb("VmLck"), (long)r.n * 4);
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

/* Folios of 64 KiB move, in pieces if there is no such room; 2 MiB ones stay where they are. */
TEST(large_folios_move_too)
{
	need_controls();
	EXPECT_EQ(control("alloc", "fill %ld", high_pages() + BLOCKS * BLOCK), 0);
	size_t n = 64, size = 16 * PAGE;
	char *small = large_area(n * size, ORDER_64K), *huge = large_area(HUGE, HUGE_ORDER);
	uint64_t *there = frames_of(huge, HUGE), *before;
	/* Every other one stays, so that there is something to be won. */
	for (size_t i = 0; i < n; i += 2)
		OK(madvise(small + i * size, size, MADV_DONTNEED));
	before = frames_of(small, n * size);
	compact_all();
	EXPECT_GE(frames_changed(small, n * size, before), 1);
	EXPECT_EQ(frames_changed(huge, HUGE, there), 0);
	for (size_t i = 1; i < n; i += 2)
		EXPECT_EQ(wrong_pages(small + i * size, size, i * 16), 0);
	EXPECT_EQ(wrong_pages(huge, HUGE, 0), 0);
	free(before);
	give_back();
}

/* ---- The files ---- */

TEST(sysctls)
{
	need_compaction();
	if (ktap_write(COMPACT_MEMORY, "0")) {		/* older kernels take anything */
		EXPECT_EQ(ktap_write(COMPACT_MEMORY, "0"), EINVAL);
		EXPECT_EQ(ktap_write(COMPACT_MEMORY, "2"), EINVAL);
		EXPECT_EQ(ktap_write(COMPACT_MEMORY, "x"), EINVAL);
	}
	EXPECT_TRUE(open(COMPACT_MEMORY, O_RDONLY) < 0 || geteuid() == 0);
	EXPECT_EQ(ktap_write("/proc/sys/vm/extfrag_threshold", "1001"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/extfrag_threshold", "-1"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/extfrag_threshold", "500"), 0);
	EXPECT_EQ(ktap_write("/proc/sys/vm/compact_unevictable_allowed", "2"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/sys/vm/compaction_proactiveness", "101"), EINVAL);
	if (ktap_is_quire()) {
		EXPECT_STR(ktap_read("/proc/sys/vm/compaction_proactiveness"), "0\n");
		EXPECT_EQ(ktap_write("/proc/sys/vm/compaction_proactiveness", "20"), EINVAL);
	}
}

/* The index of ORDER in the only or last zone's line, in thousandths. */
static int extfrag(const char *file, int order)
{
	char path[80], sign = 0;
	int whole = 0, thousandths = 0;
	snprintf(path, sizeof(path), "/sys/kernel/debug/extfrag/%s", file);
	char *at = ktap_read(path), *next;
	while (at && (next = strstr(at, "zone ")))
		at = next + 5;
	if (!at)
		SKIP("no index of fragmentation");
	at += strspn(at, " ");
	at += strcspn(at, " ");
	for (; order >= 0; order--) {
		at += strspn(at, " ");
		sign = *at;
		if (sscanf(at, "%d.%d", &whole, &thousandths) != 2)
			return -1;
		at += strcspn(at, " ");
	}
	return sign == '-' ? -1000 : whole * 1000 + thousandths;
}

TEST(fragmentation_has_an_index)
{
	need_controls();
	struct rest r = fragment();
	EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);		/* only pieces are left */
	EXPECT_EQ(extfrag("extfrag_index", 0), -1000);			/* a page is always to be had */
	EXPECT_EQ(extfrag("unusable_index", 0), 0);
	EXPECT_GE(extfrag("extfrag_index", 9), 501);
	EXPECT_GE(extfrag("unusable_index", 9), 900);
	EXPECT_EQ(control("alloc", "free 9 movable"), 0);
	compact_all();
	EXPECT_EQ(extfrag("extfrag_index", 9), -1000);
	EXPECT_LE(extfrag("unusable_index", 9), 700);
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

/* ---- Attempts for an allocation (T-MIG-10) ---- */

/* Memory in pieces, no block of order 9, and the back-off cleared by a success. */
static struct rest only_pieces(void)
{
	struct rest r = fragment();
	long before = vmstat("compact_success");
	for (int i = 0; i < 300 && vmstat("compact_success") == before; i++) {
		EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);
		EXPECT_EQ(control("alloc", "take 9 movable 1 retry"), 0);
	}
	EXPECT_GE(vmstat("compact_success"), before + 1);
	EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);
	return r;
}

TEST(runs_in_vain_are_made_less_and_less_often)
{
	need_controls();
	struct rest r = only_pieces();
	EXPECT_EQ(control("fail", "migrate_folio"), 0);
	for (int k = 1; k <= 7; k++) {
		long expected = (1l << (k < 6 ? k : 6)) - 1, deferred = 0, scanned;
		const char *said = compact_for_order(9, "sync-light");
		if (strcmp(said, "partial_skipped"))
			EXPECT_STR(said, "complete");
		scanned = vmstat("compact_migrate_scanned");
		while (deferred < expected && !strcmp(compact_for_order(9, "sync-light"), "deferred"))
			deferred++;
		EXPECT_EQ(deferred, expected);
		EXPECT_EQ(vmstat("compact_migrate_scanned"), scanned);
	}
	/* Not for lower orders, and not for who tries hardest. */
	EXPECT_TRUE(strcmp(compact_for_order(9, "full"), "deferred"));
	EXPECT_EQ(control("fail", "off migrate_folio"), 0);
	long ok = vmstat("compact_success");
	EXPECT_EQ(control("alloc", "take 9 movable 1 retry"), 0);
	for (int i = 0; i < 100 && vmstat("compact_success") == ok; i++)
		EXPECT_EQ(control("alloc", "take 9 movable 1 retry"), 0);
	EXPECT_EQ(vmstat("compact_success"), ok + 1);
	EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);
	EXPECT_TRUE(strcmp(compact_for_order(9, "sync-light"), "deferred"));
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

TEST(compaction_needs_room_and_a_reason)
{
	need_controls();
	struct rest r = only_pieces();
	int fd = OK(open(QUIRE_DIR "alloc", O_RDWR | O_CLOEXEC));
	long enough = low_pages() + 1024, stall, slack = 48;
	say(fd, "fill %ld", enough - slack);
	stall = vmstat("compact_stall");
	say(fd, "take 9 movable 1 noretry");
	EXPECT_EQ(vmstat("compact_stall"), stall);
	say(fd, "fill %ld", enough + slack);
	say(fd, "take 9 movable 1 noretry");
	EXPECT_GE(vmstat("compact_stall"), stall + 1);
	EXPECT_EQ(vmstat("compact_stall"), vmstat("compact_success") + vmstat("compact_fail"));
	say(fd, "take 9 movable 1000");
	say(fd, "fill %ld", enough + slack);
	EXPECT_EQ(ktap_write("/proc/sys/vm/extfrag_threshold", "1000"), 0);
	stall = vmstat("compact_stall");
	say(fd, "take 9 movable 1 noretry");
	EXPECT_EQ(vmstat("compact_stall"), stall);
	EXPECT_EQ(ktap_write("/proc/sys/vm/extfrag_threshold", "500"), 0);
	/* Who may not start I/O does not compact. */
	say(fd, "take 9 movable 1 noio");
	EXPECT_EQ(vmstat("compact_stall"), stall);
	close(fd);
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

/* ---- Huge page faults (MTHP-13, T-MIG-11) ---- */

/* A fault for a huge page, while there are only pieces. */
static void fault_in_pieces(bool advised)
{
	char *p = reserve(HUGE);
	EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);
	if (advised)
		OK(madvise(p, HUGE, MADV_HUGEPAGE));
	*p = 1;
	munmap(p, HUGE);
}

struct deal { bool waits, wakes; };

/*
 * What comes of faults under POLICY. The daemon may still be at work for somebody who asked before, and a block that it has
 * just made serves a fault that would have waited: such a fault says nothing, and there is another one.
 */
static void expect_deal(const char *policy, bool advised, struct deal d)
{
	long first = vmstat("compact_stall"), wake = 0, stall, fallback;
	bool as_expected = false;
	EXPECT_EQ(ktap_write(DEFRAG, policy), 0);
	for (double end = ktap_now() + 60; !as_expected && ktap_now() < end;) {
		stall = vmstat("compact_stall");
		wake = vmstat("compact_daemon_wake");
		fallback = vmstat("thp_fault_fallback");
		fault_in_pieces(advised);
		/* kswapd comes first; the daemon's turn is when that has nothing to do, or nothing that it could do. */
		if (d.wakes)
			as_expected = vmstat("compact_daemon_wake") > wake;
		else
			as_expected = vmstat("compact_daemon_wake") == wake &&
				(d.waits ? vmstat("compact_stall") > stall : vmstat("thp_fault_fallback") > fallback);
	}
	if (!as_expected || (!d.waits && vmstat("compact_stall") > first))
		KTAP_FAIL("# %s%s: %ld waits, daemon woken %ld times at the last fault; %ld pages free", policy,
			  advised ? " (advised)" : "", vmstat("compact_stall") - first, vmstat("compact_daemon_wake") - wake,
			  free_pages());
}

TEST(who_waits_for_a_huge_page_and_who_wakes_the_daemon)
{
	static const struct { const char *policy; struct deal plain, advised; } table[] = {
		{ "always", { .waits = true }, { .waits = true } },
		{ "madvise", { 0 }, { .waits = true } },
		{ "never", { 0 }, { 0 } },
		{ "defer+madvise", { .wakes = true }, { .waits = true } },
		{ "defer", { .wakes = true }, { .wakes = true } },
	};
	char defrag[32], enabled[32];
	need_controls();
	if (!choose(DEFRAG, "never", defrag) || !choose(THP_DIR "enabled", "always", enabled))
		SKIP("no huge pages");
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		/* Each block that was made and taken leaves less to make one of: everybody starts with all of it. */
		struct rest r = only_pieces();
		expect_deal(table[i].policy, false, table[i].plain);
		expect_deal(table[i].policy, true, table[i].advised);
		EXPECT_EQ(wrong_marks(&r), 0);
		munmap(r.p, r.n * PAGE);
		give_back();
	}
	EXPECT_EQ(ktap_write(DEFRAG, defrag), 0);
	EXPECT_EQ(ktap_write(THP_DIR "enabled", enabled), 0);
}

/* A program that takes the time it takes: how many huge pages it gets of those that there is room for, and at what cost. */
TEST(huge_pages_from_fragmented_memory)
{
	char defrag[32], enabled[32];
	need_compaction();
	if (!choose(DEFRAG, "madvise", defrag) || !choose(THP_DIR "enabled", "madvise", enabled))
		SKIP("no huge pages");
	struct rest r = have_control("force") ? only_pieces() : fragment();	/* without a back-off from before */
	long room = (free_pages() - high_pages()) / BLOCK - 8, got, moved = vmstat("pgmigrate_success");
	long scanned = vmstat("compact_migrate_scanned") + vmstat("compact_free_scanned");
	char *p = reserve((size_t)room * HUGE);
	OK(madvise(p, (size_t)room * HUGE, MADV_HUGEPAGE));
	double start = ktap_now();
	for (long i = 0; i < room; i++)
		p[(size_t)i * HUGE] = 1;
	double took = ktap_now() - start;
	got = huge_mapped(p) / 2048;
	printf("# %ld of %ld huge pages, %.0f us for each; %ld pages moved, %ld looked at\n", got, room, took * 1e6 / (double)room,
	       vmstat("pgmigrate_success") - moved,
	       vmstat("compact_migrate_scanned") + vmstat("compact_free_scanned") - scanned);
	fflush(stdout);
	EXPECT_GE(got, room / 2);
	EXPECT_EQ(wrong_marks(&r), 0);
	EXPECT_EQ(ktap_write(DEFRAG, defrag), 0);
	EXPECT_EQ(ktap_write(THP_DIR "enabled", enabled), 0);
	give_back();
}

/* Who wonders is told what stood in the way. */
TEST(why_not_huge)
{
	char defrag[32], enabled[32];
	need_controls();
	int pins = gup_open();
	if (!have_control("why_not_huge") || !choose(DEFRAG, "madvise", defrag) || !choose(THP_DIR "enabled", "madvise", enabled))
		SKIP("nobody tells");
	struct rest r = only_pieces();
	EXPECT_EQ(gup_pin(pins, r.p, r.n * PAGE, PIN_WRITE), 0);
	char *p = reserve(HUGE), *said = "-";
	for (int i = 0; i < 20 && *said == '-'; i++) {
		EXPECT_EQ(control("alloc", "take 9 movable 1000"), 0);
		OK(madvise(p, HUGE, MADV_HUGEPAGE));
		*p = 1;
		EXPECT_EQ(control("why_not_huge", "%d 0x%lx", (int)getpid(), (unsigned long)p), 0);
		said = strstr(ktap_read(QUIRE_DIR "why_not_huge"), "compaction=");
		ASSERT_TRUE(said);
		said += strlen("compaction=");
		OK(madvise(p, HUGE, MADV_DONTNEED));
		OK(munmap(p, HUGE));
		ASSERT_TRUE(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	}
	EXPECT_TRUE(*said != '-');
	gup_unpin(pins);
	EXPECT_EQ(ktap_write(DEFRAG, defrag), 0);
	EXPECT_EQ(ktap_write(THP_DIR "enabled", enabled), 0);
	give_back();
}

TEST(runs_leave_a_trace)
{
	need_compaction();
	start_events("compaction:mm_compaction_begin compaction:mm_compaction_end migrate:mm_migrate_pages");
	limit_events_to(getpid());
	struct rest r = fragment();
	long moved = vmstat("pgmigrate_success"), told = 0;
	compact_all();
	moved = vmstat("pgmigrate_success") - moved;
	read_events();
	stop_events();
	EXPECT_GE(event_count("mm_compaction_begin"), 1);
	EXPECT_EQ(event_count("mm_compaction_begin"), event_count("mm_compaction_end"));
	EXPECT_GE(event_count("mm_migrate_pages"), 1);
	for (int i = 0; i < event_count("mm_migrate_pages"); i++)
		told += event_number(event_line("mm_migrate_pages", i), "nr_succeeded");
	if (ktap_is_quire())
		EXPECT_LE(labs(told - moved), 32);
	EXPECT_TRUE(strstr(event_line("mm_compaction_end", 0), "status=complete"));
	EXPECT_EQ(wrong_marks(&r), 0);
	give_back();
}

/* ---- Everything at once (T-MIG-12) ---- */

#define WORKERS	4
#define NPAGES	1024			/* of each */
#define STRESS_TIME	6		/* seconds */

struct stress { int stop; long rounds[WORKERS]; };

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
	return *s;
}
static void stamp(char *p, uint64_t value)
{
	for (size_t w = 0; w < PAGE / 8; w += 73)
		((volatile uint64_t *)p)[w] = value ? value + w : 0;
}
static bool stamped(const char *p, uint64_t value)
{
	bool right = true;
	for (size_t w = 0; w < PAGE / 8; w += 73)
		right &= ((const volatile uint64_t *)p)[w] == (value ? value + w : 0);
	return right;
}
static void check_stamps(const char *p, const uint64_t *want, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (!stamped(p + i * PAGE, want[i])) {
			KTAP_FAIL("# page %zu at %p: %llx, expected %llx", i, (void *)(p + i * PAGE),
				  (unsigned long long)*(volatile uint64_t *)(p + i * PAGE), (unsigned long long)want[i]);
			ktap_exit();
		}
}
/* A child sees what the parent had when it forked, and writes are its own. */
static void fork_and_look(char *p, uint64_t *want, size_t first, size_t n)
{
	pid_t pid = fork();
	if (pid < 0)
		return;
	if (!pid) {
		check_stamps(p, want, first, n);
		stamp(p + first * PAGE, 0x1234567);
		ktap_exit();
	}
	for (size_t i = first; i < first + n; i += 3)
		stamp(p + i * PAGE, want[i] += 1000);
	EXPECT_CHILD(pid);
}
static void hold_and_look(char *p, const uint64_t *want, size_t i)
{
	static char page[PAGE];
	int fds[2];
	if (pipe(fds))
		return;
	struct iovec iov = { p + i * PAGE, PAGE };
	if (vmsplice(fds[1], &iov, 1, 0) == (long)PAGE && read(fds[0], page, PAGE) == (long)PAGE && !stamped(page, want[i]))
		KTAP_FAIL("# page %zu is not what the pipe has", i);
	close(fds[0]);
	close(fds[1]);
}

static void one_round(char *p, uint64_t *want, uint64_t *seed)
{
	size_t first = rnd(seed) % NPAGES, n = 1 + rnd(seed) % 64;
	char text[80];
	if (first + n > NPAGES)
		n = NPAGES - first;
	char *at = p + first * PAGE;
	switch (rnd(seed) % 10) {
	case 0:
		OK(madvise(at, n * PAGE, MADV_DONTNEED));
		memset(want + first, 0, n * 8);
		break;
	case 1:
		madvise(at, n * PAGE, 21 /* MADV_PAGEOUT */);
		break;
	case 2:
		fork_and_look(p, want, first, n);
		break;
	case 3:
		snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", (int)getpid(), (unsigned long)at, (unsigned long)(at + n * PAGE));
		ktap_write("/sys/kernel/debug/split_huge_pages", text);
		break;
	case 4:
		hold_and_look(p, want, first);
		break;
	case 5:
		OK(mprotect(at, n * PAGE, PROT_READ));
		check_stamps(p, want, first, n);
		OK(mprotect(at, n * PAGE, PROT_READ | PROT_WRITE));
		break;
	case 6:
		if (munmap(at, n * PAGE))
			break;
		ASSERT_TRUE(mmap(at, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
		madvise(at, n * PAGE, MADV_HUGEPAGE);
		memset(want + first, 0, n * 8);
		break;
	default:
		for (size_t i = first; i < first + n; i++)
			stamp(p + i * PAGE, want[i] = rnd(seed));
	}
	check_stamps(p, want, first, n);
}
static void stress_worker(struct stress *s, int who)
{
	uint64_t *want = calloc(NPAGES, 8), seed = ktap_random() * (uint64_t)(who + 1) | 1;
	char *p = reserve(NPAGES * PAGE);
	madvise(p, NPAGES * PAGE, MADV_HUGEPAGE);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		one_round(p, want, &seed);
		__atomic_add_fetch(&s->rounds[who], 1, __ATOMIC_RELAXED);
	}
	check_stamps(p, want, 0, NPAGES);
	ktap_exit();
}

/* For SECONDS; every worker gets at least one round in. */
static void stress(int seconds)
{
	struct stress *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		pid[i] = ktap_fork();
		if (!pid[i])
			stress_worker(s, i);
	}
	double end = ktap_now() + seconds;
	long moved = vmstat("pgmigrate_success");
	do
		compact_all();
	while (ktap_now() < end || !s->rounds[0] || !s->rounds[1] || !s->rounds[2] || !s->rounds[3]);
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < WORKERS; i++)
		EXPECT_CHILD(pid[i]);
	EXPECT_GE(vmstat("pgmigrate_success"), moved);
	expect_nothing_isolated();
}

static void stress_with_large_folios(int seconds)
{
	char all_old[32], old[32], enabled[100] = THP_DIR "hugepages-64kB/enabled";
	bool all = choose(THP_DIR "enabled", "madvise", all_old), size = choose(enabled, "always", old);
	stress(seconds);
	if (size)
		ktap_write(enabled, old);
	if (all)
		ktap_write(THP_DIR "enabled", all_old);
}

TEST(stress_against_everything)
{
	need_compaction();
	give_all_back();
	stress_with_large_folios((int)ktap_scale(5 * STRESS_TIME));
}

TEST_SLOW(long_stress_in_little_memory)
{
	need_compaction();
	const char *disk = swap_disk() ? swap_on(0) : NULL;
	if (have_control("alloc"))
		EXPECT_EQ(control("alloc", "fill %ld", high_pages() + 20 * BLOCK), 0);
	stress_with_large_folios((int)ktap_scale(60));
	give_all_back();
	if (disk)
		swap_off(disk);
}
