/*
 * tests/user/khp_daemon.c - the daemon: whom it visits, in which order, how much at a time, and how it ends (KHP-1..8, ABI-8,
 * ABI-9). What it says of one range is tested in collapse.c.
 *
 * Which mms are registered cannot be read anywhere: a range that a pass makes huge belongs to one that is.
 */
#include "tests/user/khugepaged.h"
#include "tests/user/swaparea.h"
#include "tests/user/trace.h"

/* ---- Registration (KHP-1) ---- */

TEST(a_huge_fault_registers)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	one_pass();
	EXPECT_TRUE(!is_huge(p));
	get_registered();
	one_pass();
	EXPECT_TRUE(became_huge(p));
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

TEST(advice_registers_what_was_touched)
{
	khugepaged_rests();
	char *touched = unregistered_range(HUGE), *untouched = reserve(HUGE);
	OK(madvise(untouched, HUGE, MADV_HUGEPAGE));
	one_pass();
	EXPECT_TRUE(!is_huge(touched));
	OK(madvise(touched, HUGE, MADV_HUGEPAGE));
	one_pass();
	EXPECT_TRUE(became_huge(touched));
}

TEST(advice_on_a_small_mapping_does_not_register)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	char *small = OK(mmap(NULL, HUGE - PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	*small = 1;
	OK(madvise(small, HUGE - PAGE, MADV_HUGEPAGE));
	one_pass();
	EXPECT_TRUE(!is_huge(p));
}

TEST(a_merge_registers)
{
	khugepaged_rests();
	char *p = reserve(HUGE), *half = p + HUGE / 2;
	munmap(half, HUGE / 2);
	fill_pages(p, HUGE / 2);		/* too small for a huge page */
	one_pass();
	EXPECT_TRUE(!is_huge(p));
	OK(mmap(half, HUGE / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(count_maps(p, HUGE), 1);
	one_pass();
	EXPECT_TRUE(became_huge(p));
	EXPECT_EQ(wrong_pages(p, HUGE / 2, 0), 0);
}

/* mprotect makes two mappings one again. */
TEST(a_merge_of_what_was_split_registers)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	OK(mprotect(p + HUGE / 2, HUGE / 2, PROT_READ));
	EXPECT_EQ(count_maps(p, HUGE), 2);
	one_pass();
	EXPECT_TRUE(!is_huge(p));
	OK(mprotect(p + HUGE / 2, HUGE / 2, PROT_READ | PROT_WRITE));
	EXPECT_EQ(count_maps(p, HUGE), 1);
	one_pass();
	EXPECT_TRUE(became_huge(p));
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}

#define MANY 8

/* A process with MANY small ranges, registered. It ends when it gets a byte through the pipe GO. */
struct member { pid_t pid; char *p; int go; };
static struct member new_member(void)
{
	struct member m;
	int ready[2], go[2];
	OK(pipe(ready));
	OK(pipe(go));
	char *p = reserve(MANY * HUGE);
	m.pid = ktap_fork();
	if (!m.pid) {
		char c = 0;
		close(go[1]);
		policy("never");
		fill_pages(p, MANY * HUGE);
		policy("always");
		get_registered();
		OK(write(ready[1], &c, 1));
		if (read(go[0], &c, 1)) {}
		EXPECT_EQ(wrong_pages(p, MANY * HUGE, 0), 0);
		ktap_exit();
	}
	char c;
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	m.go = go[1];
	m.p = p;
	return m;
}
static void end_member(struct member *m)
{
	char c = 0;
	OK(write(m->go, &c, 1));
	close(m->go);
	EXPECT_CHILD(m->pid);
}
/*
 * Linux does not rest while nobody is registered: the first one to be is visited at once. Cases that register when the daemon
 * is asleep, and have more to prepare, do it beside this one.
 */
static struct member not_the_first(void)
{
	struct member m = new_member();
	one_pass();
	return m;
}

/* The child has some of the parent's small pages: not more than max_ptes_shared. */
TEST(a_child_of_a_registered_process_is_registered)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	struct member first = not_the_first();
	OK(madvise(p + 100 * PAGE, HUGE - 100 * PAGE, MADV_DONTNEED));
	for (int registered = 0; registered < 2; registered++) {
		if (registered)
			get_registered();
		int ready[2], go[2];
		OK(pipe(ready));
		OK(pipe(go));
		pid_t pid = ktap_fork();
		if (!pid) {
			char c = 0;
			EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);	/* and they are referenced */
			p[0] = (char)byte_of(0);	/* older kernels want one that is writable */
			OK(write(ready[1], &c, 1));
			OK(read(go[0], &c, 1));
			EXPECT_EQ(is_huge(p), registered);
			EXPECT_EQ(wrong_pages(p, 100 * PAGE, 0), 0);
			ktap_exit();
		}
		char c;
		OK(read(ready[0], &c, 1));
		one_pass();
		OK(write(go[1], &c, 1));
		EXPECT_CHILD(pid);
	}
	end_member(&first);
}

/* ---- What it leaves (KHP-26, MLK-9) ---- */

/* The daemon works in locked memory, too. The new folio is mlocked as the old pages were. */
TEST(locked_memory_becomes_huge_and_stays_locked)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	long before = meminfo_kb("Mlocked"), noise = ktap_is_quire() ? 0 : 256;		/* Linux: batches */
	if (mlock(p, HUGE))
		SKIP("may not lock 2 MiB");
	get_registered();
	one_pass();
	EXPECT_TRUE(became_huge(p));
	EXPECT_LE(labs(meminfo_kb("Mlocked") - before - 2048), noise);
	EXPECT_TRUE(has_flag(p, KPF_UNEVICTABLE) && has_flag(p, KPF_MLOCKED));
	EXPECT_EQ(smaps_kb(p, "Locked"), 2048);
	EXPECT_EQ(status_kb("VmLck"), 2048);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	OK(munlock(p, HUGE));
	EXPECT_LE(labs(meminfo_kb("Mlocked") - before), noise);
}

TEST(only_its_own_collapses_are_counted)
{
	khugepaged_rests();
	char *p = unregistered_range(2 * HUGE);
	long before = khugepaged_number("pages_collapsed");
	if (collapse_at_last(p, HUGE) == EINVAL)
		SKIP("no MADV_COLLAPSE");
	EXPECT_TRUE(is_huge(p));
	EXPECT_EQ(khugepaged_number("pages_collapsed"), before);
	get_registered();
	one_pass();
	EXPECT_EQ(huge_mapped(p), 2 * 2048);
	if (ktap_is_quire())
		EXPECT_EQ(khugepaged_number("pages_collapsed"), before + 1);
	else
		EXPECT_GE(khugepaged_number("pages_collapsed"), before + 1);	/* others have memory, too */
}

/* ---- Order and pace (KHP-2, KHP-3, KHP-5, KHP-6) ---- */

/* How many ranges of M's are huge. */
static int huge_ranges(const struct member *m)
{
	char path[60];
	long start = 0, end = 0, kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps", m->pid);
	for (char *line = ktap_read(path); line && *line; line = strchr(line, '\n') + 1) {
		unsigned long a, b;
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			start = a;
			end = b;
		} else if (start <= (long)m->p && end > (long)m->p && sscanf(line, "AnonHugePages: %ld", &kb) == 1) {
			return (int)(kb / 2048);
		}
	}
	return -1;
}

/* Who registered first is done first; each pass goes on where the last one ended. */
TEST(mms_are_visited_in_turn)
{
	khugepaged_rests();
	knob("pages_to_scan", "1");
	struct member first = not_the_first(), a = new_member(), b = new_member();
	ASSERT_TRUE(khugepaged_asleep());
	int passes = 0;
	for (; passes < 2000 && huge_ranges(&b) < MANY; passes++) {
		int done_a = huge_ranges(&a), done_b = huge_ranges(&b);
		one_pass();
		EXPECT_LE(huge_ranges(&a) - done_a + huge_ranges(&b) - done_b, 1);
		if (huge_ranges(&b))
			EXPECT_EQ(huge_ranges(&a), MANY);
	}
	EXPECT_EQ(huge_ranges(&b), MANY);
	end_member(&a);
	end_member(&b);
	end_member(&first);
}

/* A visit is 1, a range of present pages 512: LIMIT units are NR ranges, but at the beginning and at the end. */
static void pace(const char *limit, int nr)
{
	khugepaged_rests();
	struct member m = new_member();
	knob("pages_to_scan", limit);
	int last = 0, steps = 0;
	while (steps++ < 1000 && last < MANY) {
		one_pass();
		int now = huge_ranges(&m);
		if (last && now < MANY)
			EXPECT_EQ(now - last, nr);
		last = now;
	}
	EXPECT_EQ(last, MANY);
	end_member(&m);
}
TEST(one_range_takes_513_units)	{ pace("513", 1); }
TEST(two_ranges_take_1026_units) { pace("1026", 2); }
TEST(a_unit_more_begins_another) { pace("1027", 3); }

/* A refusal at the first PTE is one unit: all these ranges are passed over at once (KHP-3). */
TEST(a_refused_pte_is_one_unit)
{
	if (!ktap_is_quire())
		SKIP("512 units in older kernels");
	khugepaged_rests();
	char *p = unregistered_range((MANY + 1) * HUGE);
	for (int i = 0; i < MANY; i++)
		OK(madvise(p + i * HUGE, PAGE, MADV_DONTNEED));
	get_registered();
	knob("max_ptes_none", "0");
	knob("pages_to_scan", "600");
	one_pass();
	one_pass();
	EXPECT_EQ(huge_mapped(p), 2048);
	EXPECT_TRUE(in_blocks(p + MANY * HUGE, HUGE, HUGE_ORDER));
}

TEST(full_scans_counts_rounds)
{
	khugepaged_rests();
	struct member m = new_member();
	one_pass();
	long before = khugepaged_number("full_scans");
	one_pass();
	EXPECT_EQ(khugepaged_number("full_scans") - before, 1);
	end_member(&m);

	/* From the middle: the rest, then once around, and no further although there are units left (KHP-6). */
	struct member first = not_the_first();
	m = new_member();
	knob("pages_to_scan", "513");
	while (huge_ranges(&m) < 2)
		one_pass();
	before = khugepaged_number("full_scans");
	knob("pages_to_scan", NO_LIMIT);
	one_pass();
	EXPECT_EQ(khugepaged_number("full_scans") - before, 2);
	EXPECT_EQ(huge_ranges(&m), MANY);
	end_member(&m);
	end_member(&first);
}

/* Advised and touched many times it is on the list once: one visit in each round, which the trace shows (ABI-19). */
TEST(an_mm_is_registered_once)
{
	khugepaged_rests();
	char *p = unregistered_range(2 * HUGE);
	for (int i = 0; i < 3; i++) {
		OK(madvise(p, HUGE, i % 2 ? MADV_NOHUGEPAGE : MADV_HUGEPAGE));
		get_registered();
	}
	one_pass();
	EXPECT_EQ(huge_mapped(p + HUGE), 2048);
	start_events("huge_memory:mm_khugepaged_scan");
	one_pass();
	read_events();
	char *line = event_line("mm_khugepaged_scan", 0);
	ASSERT_TRUE(line);
	EXPECT_EQ(event_number(line, "full_scan_finished"), 1);
	EXPECT_GE(event_number(line, "progress"), 1 + 2 + 3);	/* the visit; ranges of p and others; other mappings */
	EXPECT_LE(event_number(line, "progress"), 100);
	EXPECT_TRUE(!event_line("mm_khugepaged_scan", 1) || !ktap_is_quire());
	stop_events();
}

/* KHP-5: only whole aligned ranges inside the mapping. */
TEST(only_whole_ranges_are_taken)
{
	khugepaged_rests();
	char *p = reserve(4 * HUGE);
	munmap(p, PAGE);
	munmap(p + 4 * HUGE - PAGE, PAGE);
	policy("never");
	fill_pages(p + PAGE, 4 * HUGE - 2 * PAGE);
	policy("always");
	get_registered();
	one_pass();
	EXPECT_TRUE(became_huge(p + HUGE) && became_huge(p + 2 * HUGE));
	EXPECT_EQ(huge_mapped(p + PAGE), 4096);
	EXPECT_TRUE(in_blocks(p + HUGE, 2 * HUGE, HUGE_ORDER));
	EXPECT_EQ(wrong_pages(p + PAGE, 4 * HUGE - 2 * PAGE, 0), 0);
}

TEST(who_said_no_is_passed_over)
{
	khugepaged_rests();
	char *p = unregistered_range(2 * HUGE);
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	get_registered();
	one_pass();
	EXPECT_TRUE(!is_huge(p));
	EXPECT_TRUE(became_huge(p + HUGE));
}

/* ---- Who is busy is left alone (KHP-4) ---- */

/* The first process holds its mmap lock for writing, in the middle of MADV_COLLAPSE; the second is served all the same. */
TEST(a_locked_mm_is_skipped)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = unregistered_range(HUGE);
		get_registered();
		EXPECT_EQ(control("pause", "arm collapse_isolated %d once", getpid()), 0);
		EXPECT_EQ(collapse(p, HUGE), 0);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("collapse_isolated") == 1));
	struct member m = new_member();
	long rounds = khugepaged_number("full_scans");
	one_pass();
	EXPECT_EQ(parked_at("collapse_isolated"), 1);
	EXPECT_GE(khugepaged_number("full_scans") - rounds, 1);
	EXPECT_EQ(huge_ranges(&m), MANY);
	EXPECT_EQ(control("pause", "release collapse_isolated"), 0);
	EXPECT_CHILD(pid);
	end_member(&m);
}

/* ---- No memory (KHP-7, T-KHP-13) ---- */

TEST(no_memory_once_is_a_sleep_twice_the_end_of_the_pass)
{
	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	knob("alloc_sleep_millisecs", FOR_WEEKS);
	char *p = unregistered_range(3 * HUGE);
	get_registered();
	EXPECT_EQ(control("fail", "alloc_pages order=9"), 0);
	long failed = vmstat("thp_collapse_alloc_failed");
	one_pass();				/* it sleeps after the first one */
	EXPECT_EQ(vmstat("thp_collapse_alloc_failed") - failed, 1);
	knob("alloc_sleep_millisecs", "0");	/* no longer: the second one ends the pass */
	ASSERT_TRUE(khugepaged_asleep());
	EXPECT_EQ(vmstat("thp_collapse_alloc_failed") - failed, 2);
	one_pass();
	EXPECT_EQ(vmstat("thp_collapse_alloc_failed") - failed, 4);
	EXPECT_EQ(collapse(p, HUGE), ENOMEM);
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_TRUE(!is_huge(p));
	one_pass();
	one_pass();
	EXPECT_EQ(huge_mapped(p), 3 * 2048);
	EXPECT_EQ(wrong_pages(p, 3 * HUGE, 0), 0);
}

/* ---- Exit (KHP-8, T-KHP-12) ---- */

/* The daemon stands in the mm: the last exit waits for it. */
TEST(exit_waits_for_the_daemon)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	struct member m = new_member();
	EXPECT_EQ(control("pause", "arm khugepaged_scan %d once", khugepaged_pid()), 0);
	knob("scan_sleep_millisecs", FOR_WEEKS);
	ASSERT_TRUE(ktap_until(parked_at("khugepaged_scan") == 1));
	/*
	 * Nobody may look into /proc/PID before the process is seen to be the last user of its mm: who looks is a user, too,
	 * and could be the one that waits.
	 */
	EXPECT_EQ(control("pause", "arm khugepaged_exit %d once", (int)m.pid), 0);
	OK(kill(m.pid, SIGKILL));
	ASSERT_TRUE(ktap_until(parked_at("khugepaged_exit") == 1));
	EXPECT_EQ(control("pause", "release khugepaged_exit"), 0);
	EXPECT_TRUE(ktap_until(parked_at("khugepaged_exit") == 0 && ktap_state(m.pid) == 'D'));
	EXPECT_EQ(waitpid(m.pid, NULL, WNOHANG), 0);
	EXPECT_EQ(control("pause", "release khugepaged_scan"), 0);
	EXPECT_STATUS(m.pid, KILLED_BY(SIGKILL));
	EXPECT_TRUE(khugepaged_asleep());
	close(m.go);
}

/* The last user goes while the cursor is on the mm, but the daemon is not in it: the daemon takes it off the list. */
TEST(exit_of_the_cursors_mm)
{
	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	struct member m = new_member(), next = new_member();
	EXPECT_EQ(control("pause", "arm collapse_alloc %d once", khugepaged_pid()), 0);
	knob("scan_sleep_millisecs", FOR_WEEKS);
	ASSERT_TRUE(ktap_until(parked_at("collapse_alloc") == 1));
	OK(kill(m.pid, SIGKILL));
	EXPECT_STATUS(m.pid, KILLED_BY(SIGKILL));
	EXPECT_EQ(parked_at("collapse_alloc"), 1);
	EXPECT_EQ(control("pause", "release collapse_alloc"), 0);
	EXPECT_TRUE(khugepaged_asleep());
	EXPECT_EQ(huge_ranges(&next), MANY);
	close(m.go);
	end_member(&next);
}

/* Registered, being collapsed, gone: many times, with the daemon at full speed. */
TEST(exits_race_with_the_daemon)
{
	khugepaged_rests();
	long rounds = ktap_scale(1000), collapsed = khugepaged_number("pages_collapsed");
	policy("madvise");
	knob("scan_sleep_millisecs", "1");
	for (long i = 0; i < rounds; i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			char *p = reserve(HUGE);
			fill_pages(p, HUGE);
			OK(madvise(p, HUGE, MADV_HUGEPAGE));
			if (i % 8 == 0)
				EXPECT_TRUE(ktap_until(is_huge(p)));
			for (long n = i % 8 * 3; n; n--)
				sched_yield();
			EXPECT_EQ(p[100 * PAGE], byte_of(100));
			ktap_exit();
		}
		EXPECT_CHILD(pid);
	}
	ktap_line("# %ld exits, %ld ranges collapsed", rounds, khugepaged_number("pages_collapsed") - collapsed);
	one_pass();
}

/* ---- The scenario of the 2016 series (T-KHP-4) ---- */

/* Kilobytes of huge pages in the mapping of [P, P + N), when the daemon gets no further. */
static long all_that_becomes_huge(char *p, long wanted)
{
	long now = 0, seen = -1;
	for (int idle = 0; idle < 20 && now < wanted; idle++) {
		long rounds = khugepaged_number("full_scans");
		ktap_until(khugepaged_number("full_scans") >= rounds + 2);
		now = huge_mapped(p);
		if (now != seen)
			idle = 0;
		seen = now;
	}
	return now;
}

/*
 * SIZE bytes are written, forced out to DISK, and all but one page in each 20 written again: 26 or fewer of 512 are out
 * in each range. The daemon brings them in, one or all in an attempt (KHP-18), and makes every range huge.
 */
static void written_again(const char *disk, size_t size)
{
	khugepaged_rests();
	setenv("SWAP_DISK", disk, 1);
	if (access(disk, W_OK))
		SKIP("no such disk");
	if (size / PAGE > (size_t)disk_pages(disk) * 9 / 10)
		size = (size_t)disk_pages(disk) * 9 / 10 * PAGE;
	size = size / HUGE * HUGE;
	disk = swap_on(0);
	char *p = unregistered_range(size);
	long collapsed = khugepaged_number("pages_collapsed"), in = vmstat("pswpin");
	EXPECT_EQ(page_out(p, size), size / PAGE);
	for (size_t i = 0; i < size / PAGE; i++)
		if (i % 20)
			memset(p + i * PAGE, byte_of(i), PAGE / 2);
	double begin = ktap_now();
	get_registered();
	knob("pages_to_scan", "4096");
	knob("scan_sleep_millisecs", "1");
	long huge = all_that_becomes_huge(p, (long)(size / 1024));
	one_pass();
	EXPECT_EQ(huge, (long)(size / 1024));
	EXPECT_GE(khugepaged_number("pages_collapsed") - collapsed, (long)(size / HUGE));
	EXPECT_EQ(wrong_pages(p, size, 0), 0);
	ktap_line("# %s: %zu MiB, %ld ranges huge in %.1f s, %ld pages swapped in", disk, size >> 20, huge / 2048,
		  ktap_now() - begin, vmstat("pswpin") - in);
	munmap(p, size);
	swap_off(disk);
}
TEST(written_again_from_a_ram_disk)	{ written_again("/dev/ram0", (size_t)ktap_scale(800) << 20); }
TEST(written_again_from_a_disk)		{ written_again("/dev/vda", (size_t)ktap_scale(200) << 20); }

/* ---- The daemon itself (ABI-8, ABI-9) ---- */

TEST(it_runs_if_2_mib_are_possible)
{
	static const struct { const char *global, *size; bool runs; } rows[] = {
		{ "always", "inherit", true }, { "never", "inherit", false }, { "madvise", "inherit", true },
		{ "never", "always", true }, { "always", "never", false }, { "never", "madvise", true },
		{ "never", "never", false }, { "always", "inherit", true },
	};
	khugepaged_rests();
	if (access(THP_DIR "hugepages-2048kB/enabled", W_OK))
		SKIP("no policy of its own for 2 MiB");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EXPECT_EQ(ktap_write(THP_DIR "enabled", rows[i].global), 0);
		EXPECT_EQ(ktap_write(THP_DIR "hugepages-2048kB/enabled", rows[i].size), 0);
		if (rows[i].runs)
			EXPECT_TRUE(khugepaged_pid());
		else if (ktap_is_quire())	/* in Linux shared memory may need it, too */
			EXPECT_TRUE(ktap_until(!khugepaged_pid()));
	}
}

/* Stopped in the middle of its list, it begins at the head again; whom it left is still registered. */
TEST(stopped_and_started_it_goes_on)
{
	khugepaged_rests();
	struct member m = new_member();
	knob("pages_to_scan", "513");
	while (huge_ranges(&m) < 2)
		one_pass();
	policy("never");
	policy("always");
	knob("pages_to_scan", NO_LIMIT);
	one_pass();
	EXPECT_EQ(huge_ranges(&m), MANY);
	end_member(&m);
}

TEST(nobody_kills_it)
{
	khugepaged_rests();
	char *p = unregistered_range(HUGE);
	ASSERT_TRUE(khugepaged_asleep());
	pid_t pid = khugepaged_pid();
	kill(pid, SIGKILL);
	kill(pid, SIGSTOP);
	get_registered();
	one_pass();
	EXPECT_EQ(khugepaged_pid(), pid);
	EXPECT_TRUE(became_huge(p));
}

/* Sleeping for weeks, it wakes up because the time changes (ABI-8). The setting is for the next sleep, too. */
TEST(a_new_sleep_time_wakes_it)
{
	khugepaged_rests();
	struct member first = not_the_first();
	char *p = unregistered_range(HUGE), *q = unregistered_range(HUGE);
	policy("madvise");
	ASSERT_TRUE(khugepaged_asleep());
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	ASSERT_TRUE(khugepaged_asleep());
	EXPECT_TRUE(!is_huge(p));
	knob("scan_sleep_millisecs", "1");
	EXPECT_TRUE(ktap_until(is_huge(p)));
	EXPECT_TRUE(!is_huge(q));
	OK(madvise(q, HUGE, MADV_HUGEPAGE));
	EXPECT_TRUE(ktap_until(is_huge(q)));
	one_pass();
	end_member(&first);
}

/* ---- Why not huge? ---- */

/* What the kernel says of the 2 MiB at P: the word behind NAME=, "-" if there was no refusal. */
static const char *why_not(const char *p, const char *name)
{
	static char word[60];
	char want[20], *text, *at;
	EXPECT_EQ(control("why_not_huge", "0 0x%lx", (unsigned long)p), 0);
	text = ktap_read(QUIRE_DIR "why_not_huge");
	snprintf(want, sizeof(want), " %s=", name);
	at = text ? strstr(text, "\n0x") : NULL;
	at = at ? strstr(at, want) : NULL;
	return at && sscanf(at + strlen(want), "%59s", word) == 1 ? word : "?";
}
static void expect_why(const char *p, const char *fault, const char *scan_word)
{
	EXPECT_STR(why_not(p, "fault"), fault);
	EXPECT_STR(why_not(p, "scan"), scan_word);
}
TEST(why_not_huge)
{
	if (!have_control("why_not_huge"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	char *p = reserve(HUGE);
	policy("never");
	*p = 1;
	expect_why(p, "never", "-");
	policy("madvise");
	OK(madvise(p, HUGE, MADV_DONTNEED));
	munmap(p, HUGE);
	p = reserve(HUGE);
	*p = 1;
	expect_why(p, "not_advised", "-");
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	knob("max_ptes_none", "3");
	EXPECT_STR(scan(p), "exceed_none_pte");
	expect_why(p, "not_advised", "exceed_none_pte");
	/* And where: the fifth page, the fourth that is none. */
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "why_not_huge"), "exceed_none_pte at 0x") != NULL);
	char *said = strstr(ktap_read(QUIRE_DIR "why_not_huge"), "exceed_none_pte at 0x");
	EXPECT_EQ(said ? strtoul(said + strlen("exceed_none_pte at "), NULL, 16) : 0, (unsigned long)p + 4 * PAGE);
	knob("max_ptes_none", "511");
	EXPECT_EQ(collapse(p, HUGE), 0);
	expect_why(p, "-", "-");
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "why_not_huge"), " huge ") != NULL);
	munmap(p, HUGE);

	p = reserve(HUGE);
	OK(madvise(p, HUGE, MADV_NOHUGEPAGE));
	*p = 1;
	expect_why(p, "nohugepage", "-");
	p = reserve(HUGE);
	policy("always");
	EXPECT_EQ(control("fail", "alloc_pages order=9"), 0);
	*p = 1;
	EXPECT_EQ(collapse(p, HUGE), ENOMEM);
	EXPECT_EQ(control("fail", "off"), 0);
	expect_why(p, "no_memory", "alloc_huge_page_failed");
	p = OK(mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + PAGE;
	munmap(p - PAGE, PAGE);
	*p = 1;
	expect_why(p, "edge_of_mapping", "-");
	EXPECT_EQ(control("why_not_huge", "0"), EINVAL);
	EXPECT_EQ(control("why_not_huge", "x 0x1000"), EINVAL);
	EXPECT_EQ(control("why_not_huge", "0 0x200000 0x100000"), EINVAL);
}

/* It sleeps for weeks, and all whom it slept between have gone: the next one that comes finds the new time. */
TEST(a_new_sleep_time_holds_for_those_who_come)
{
	khugepaged_rests();
	struct member m = new_member();
	one_pass();
	end_member(&m);
	knob("scan_sleep_millisecs", "1");
	m = new_member();
	EXPECT_TRUE(ktap_until(huge_ranges(&m) == MANY));
	knob("scan_sleep_millisecs", FOR_WEEKS);
	end_member(&m);
}

TEST(defaults_are_back)
{
	if (access(KHUGEPAGED "scan_sleep_millisecs", W_OK))
		SKIP("no khugepaged");
	khugepaged_defaults();
}
