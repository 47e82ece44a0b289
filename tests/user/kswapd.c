/*
 * tests/user/kswapd.c - how much memory is kept free, kswapd that keeps it so, the reserves, and reclaim that cannot go on:
 * no page for itself, a disk that does not answer (rules RCL-8, RCL-9, RCL-27; scenarios T-RCL-6, T-RCL-8, T-RCL-9).
 */
#include "tests/user/reclaim.h"

static int zone_count(void)
{
	int n = 0;
	for (char *at = ktap_read("/proc/zoneinfo"); at && (at = strstr(at, "  pages free")); at++)
		n++;
	return n;
}
static long free_pages(void) { return zone_sum("pages free "); }

/* The process called NAME. */
static pid_t find_task(const char *name)
{
	char path[40], *text;
	for (pid_t pid = 1; pid < 300; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		text = ktap_read(path);
		if (text && !strncmp(text, name, strlen(name)) && text[strlen(name)] == '\n')
			return pid;
	}
	return 0;
}

/* ---- Watermarks, kswapd (T-RCL-6) ---- */

static long isqrt(long x)
{
	long r = 0;
	while ((r + 1) * (r + 1) <= x)
		r++;
	return r;
}
static void expect_watermarks(long min_kb)
{
	long kb = strtol(ktap_read("/proc/sys/vm/min_free_kbytes"), NULL, 10);
	EXPECT_EQ(kb, min_kb);
	long managed = zone_sum("managed "), min = zone_sum("min "), low = zone_sum("low "), high = zone_sum("high ");
	long slack = zone_count();	/* each zone rounds down */
	long step = min / 4 > managed / 1000 ? min / 4 : managed / 1000;
	EXPECT_GE(min, kb / 4 - slack);
	EXPECT_LE(min, kb / 4);
	EXPECT_GE(low, min + step - slack);
	EXPECT_LE(low, min + step + slack);
	EXPECT_EQ(high - low, low - min);
}

TEST(watermarks_follow_the_size_of_memory)
{
	if (!ktap_is_quire())
		SKIP("Linux counts its DMA zone, too");
	char old[32];
	long managed = zone_sum("managed "), plain = isqrt(16 * managed * 4), huge;
	plain = plain < 128 ? 128 : plain > 262144 ? 262144 : plain;
	huge = 22528 * zone_count() < managed / 20 * 4 ? 22528 * zone_count() : managed / 20 * 4;
	ASSERT_TRUE(choose(THP_DIR "enabled", "never", old));
	expect_watermarks(plain);
	ktap_write(THP_DIR "enabled", "always");
	expect_watermarks(huge > plain ? huge : plain);
	EXPECT_EQ(ktap_write("/proc/sys/vm/min_free_kbytes", "4096"), 0);
	expect_watermarks(4096);
	ktap_write(THP_DIR "enabled", "never");
	ktap_write(THP_DIR "enabled", old);
}

TEST(kswapd_brings_memory_back_to_high)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	swap_begin();
	size_t n = 24 * MIB;
	char *cold = anon(n), *p = anon(8 * MIB);
	fill_pages(cold, n);
	drop_caches();
	/* It may have given up in an earlier case: direct reclaim that gets something, with much free, wakes its hopes. */
	EXPECT_EQ(control("force", "reclaim 0 0 64"), 0);
	long low = zone_sum("low "), high = zone_sum("high "), runs = vmstat("pageoutrun");
	EXPECT_EQ(control("alloc", "fill %ld", low + 200), 0);
	for (size_t i = 0; i < 8 * MIB && vmstat("pageoutrun") == runs; i += PAGE)
		p[i] = 1;
	EXPECT_GT(vmstat("pageoutrun"), runs);
	pid_t kswapd = find_task("kswapd0");
	EXPECT_TRUE(ktap_until(free_pages() >= high && ktap_state(kswapd) == 'S'));
	EXPECT_GT(vmstat("pgsteal_kswapd"), 0);
	release_all();
	EXPECT_EQ(wrong_pages(cold, n, 0), 0);
	swap_end();
}

/* Each page is an allocation, below low. */
static void use_and_drop(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	OK(madvise(p, pages * PAGE, MADV_DONTNEED));
}
/* The CPU time of a task, in ticks of the clock that /proc counts by. */
static long ticks_of(pid_t pid)
{
	char path[40];
	long user = -1, system = -1;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	char *text = ktap_read(path), *at = text ? strrchr(text, ')') : NULL;
	if (at)
		sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
	EXPECT_GE(system, 0);
	return user + system;
}
TEST(kswapd_gives_up_where_nothing_can_be_done)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	drop_caches();
	long low = zone_sum("low "), min = zone_sum("min "), runs = vmstat("pageoutrun");
	pid_t kswapd = find_task("kswapd0");
	EXPECT_EQ(control("alloc", "fill %ld", (min + low) / 2), 0);
	char *p = anon(64 * PAGE);
	/* It gives up after 16 runs in a row that were in vain. One that got something may have been in between. */
	EXPECT_TRUE(ktap_until((use_and_drop(p, 64), vmstat("pageoutrun") - runs >= 16 && ktap_state(kswapd) == 'S')));
	EXPECT_LE(vmstat("pageoutrun") - runs, 2 * 16);
	/* From then on nobody wakes it: its time stands still while others want memory. */
	long after = vmstat("pageoutrun"), ticks = ticks_of(kswapd);
	for (int round = 0; round < 20; round++)
		use_and_drop(p, 64);
	EXPECT_EQ(vmstat("pageoutrun"), after);
	EXPECT_EQ(ticks_of(kswapd), ticks);
	release_all();
}

/* RCL-9, RCL-27: how far down each kind of request may go. */
TEST(reserves_are_for_those_who_need_them)
{
	need("alloc");
	if (zone_count() != 1)
		SKIP("more than one zone");
	drop_caches();
	long min = zone_sum("min "), kills = vmstat("oom_kill");
	/* In one go: below min, a system call that needs a page of its own would have somebody killed for it. */
	EXPECT_EQ(control("alloc", "fill %ld; take 2 unmovable 1 nowait; take 2 unmovable 1 noretry; take 2 unmovable 1 retry;"
			  "take 2 unmovable 1 atomic; take 2 movable 1 kernel; free", min - min / 8), 0);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "alloc"), "\ngot 0 0 0 1 0\n"));
	EXPECT_EQ(vmstat("oom_kill"), kills);
	release_all();
}

/* ---- Swapping needs no memory (T-RCL-8), and waits for the disk (T-RCL-9) ---- */

TEST(memory_goes_out_while_no_page_can_be_had)
{
	need("fail");
	size_t n = 32 * MIB;
	swap_begin_slow();
	char *p = anon(n);
	fill_pages(p, n);
	EXPECT_EQ(control("fail", "alloc_pages order=0 pid=%d", (int)getpid()), 0);
	int error = madvise(p, n, MADV_PAGEOUT) ? errno : 0;
	EXPECT_EQ(control("fail", "off"), 0);
	EXPECT_EQ(error, 0);
	EXPECT_TRUE(ktap_until(pages_swapped(p, n) == n / PAGE));
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	swap_end();
}

/*
 * T-RCL-9. The task that looks on and lets the disk go on in the end must not need memory: it is resident, has copied what
 * it shared with its children, and every file that it reads is open and has been read before.
 */
struct looks { int vmstat, stat[4]; };

static long number_in(int fd, const char *name)
{
	static char text[16384];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	for (char *at = text; (at = strstr(at, name)); at++)
		if (at > text && at[-1] == '\n' && at[strlen(name)] == ' ')
			return atol(at + strlen(name));
	return -1;
}
static long scanned(const struct looks *l)
{
	return number_in(l->vmstat, "pgscan_kswapd") + number_in(l->vmstat, "pgscan_direct");
}
/* All four of them wait for something. */
static bool all_wait(const struct looks *l)
{
	for (int i = 0; i < 4; i++) {
		char text[200], *at;
		ssize_t n = pread(l->stat[i], text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		at = strrchr(text, ')');
		if (!at || !strchr("DS", at[2]))
			return false;
	}
	return true;
}
/* They end together: one after the other they would need little memory. */
static void fill_when_told(struct turns *start, struct turns *end, size_t n)
{
	child_done(start);
	child_waits(start);
	char *p = anon(n);
	fill_pages(p, n);
	child_done(end);
	child_waits(end);
	EXPECT_EQ(wrong_pages(p, n, 0), 0);
	ktap_exit();
}
/* Work in memory that is there, and nothing else. */
static void run_on(volatile char *p, size_t n, int rounds)
{
	while (rounds--)
		for (size_t i = 0; i < n; i += PAGE)
			p[i]++;
}

TEST_SLOW(nobody_is_killed_while_the_disk_does_not_answer)
{
	need("alloc");
	size_t n = 12 * MIB;
	pid_t child[4];
	struct turns start, end;
	struct looks l = { .vmstat = OK(open("/proc/vmstat", O_RDONLY | O_CLOEXEC)) };
	swap_begin_slow();
	if (swap_is_sync(area))
		SKIP("no disk that answers later");
	char *resident = anon(4 * MIB);
	fill_pages(resident, 4 * MIB);
	OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	int release = OK(open(QUIRE_DIR "pause", O_WRONLY | O_CLOEXEC));
	turns_init(&start);
	turns_init(&end);
	for (int i = 0; i < 4; i++) {
		char path[40];
		child[i] = ktap_fork();
		if (!child[i])
			fill_when_told(&start, &end, n);
		parent_waits(&start);
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)child[i]);
		l.stat[i] = OK(open(path, O_RDONLY | O_CLOEXEC));
	}
	EXPECT_TRUE(ktap_until(all_wait(&l)));
	run_on(resident, 4 * MIB, 1);
	long kills = number_in(l.vmstat, "oom_kill"), out = number_in(l.vmstat, "pswpout");
	leave_only(n);
	EXPECT_EQ(control("pause", "arm disk_write_done"), 0);
	EXPECT_EQ(write(start.to_child[1], "xxxx", 4), 4);
	/* From the moment that none of them can go on, until this task has done its work: nobody tries again and again. */
	EXPECT_TRUE(ktap_until(number_in(l.vmstat, "nr_writeback") > 0 && all_wait(&l)));
	long runs = number_in(l.vmstat, "pageoutrun"), scans = scanned(&l);
	run_on(resident, 4 * MIB, 3000);
	runs = number_in(l.vmstat, "pageoutrun") - runs;
	scans = scanned(&l) - scans;
	EXPECT_EQ(write(release, "disarm", 6), 6);
	ktap_line("# meanwhile kswapd ran %ld times, and reclaim looked at %ld pages", runs, scans);
	for (int i = 0; i < 4; i++)
		parent_waits(&end);
	EXPECT_EQ(write(end.to_child[1], "xxxx", 4), 4);
	for (int i = 0; i < 4; i++)
		EXPECT_CHILD(child[i]);
	EXPECT_LE(runs, 16);
	EXPECT_LE(scans, 4 * (long)(n / PAGE));
	EXPECT_GE(vmstat("pswpout") - out, 4 * (long)(n / PAGE) / 2);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	release_all();
	swap_end();
}
