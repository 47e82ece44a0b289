/*
 * tests/user/oom.c - out of memory: who dies, that others and the kernel live, and that the memory comes back (T-RCL-10 to
 * 12).
 *
 *	test, hog: oom_score_adj -1000	         victims: children with memory, pinned at what a case wants of them
 *	hog fills the memory until oom_kill moves, and no further
 *
 * Without swap: with it nobody would have to die.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"
#include <sys/klog.h>

static void set_score(int score)
{
	char text[20];
	snprintf(text, sizeof(text), "%d", score);
	ktap_write("/proc/self/oom_score_adj", text);
}
/* Every page is written to. One byte each: an instruction that fills them takes its time in an emulator. */
static void use_pages(char *p, size_t n, char byte)
{
	for (size_t i = 0; i < n; i += PAGE)
		p[i] = byte;
}
/* Take memory until the end comes. */
static void hog(int flags)
{
	set_score(1000);
	for (;;) {
		char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(50);
		use_pages(p, 4 << 20, 1);
	}
}
static long free_mb(void) { return ktap_number("/proc/meminfo", "MemAvailable") / 1024; }
/* A case fills the memory. Most of it is taken at once where that can be; the program gives it back when it ends. */
static void need_little_memory(void)
{
	if (have_control("alloc"))
		EXPECT_EQ(control("alloc", "fill %d", 400 * 256), 0);
	else if (ktap_number("/proc/meminfo", "MemTotal") > 1500000)
		SKIP("too much memory to fill");
}
static long kills(void) { return vmstat("oom_kill"); }
static long mem_free_kb(void) { return ktap_number("/proc/meminfo", "MemFree"); }
#define MB	(1ul << 20)
/* What the hog leaves free before it goes on in small steps: nobody gets below the watermarks. */
static long spare_kb(void) { return 12288 + 2 * atol(ktap_read("/proc/sys/vm/min_free_kbytes")); }

static char *touched(size_t n)
{
	char *p = OK(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	madvise(p, n, MADV_NOHUGEPAGE);
	use_pages(p, n, 'x');
	return p;
}
/* A child that has N bytes and sleeps until it is killed. */
static pid_t victim_of(size_t n, int score)
{
	int fd[2];
	char c;
	OK(pipe(fd));
	pid_t pid = ktap_fork();
	if (!pid) {
		set_score(score);
		touched(n);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fd[1]);
	ASSERT_EQ(read(fd[0], &c, 1), 1);
	close(fd[0]);
	return pid;
}
/*
 * A child fills the memory until oom_kill has moved by N, then takes MORE bytes, says so, and lives until it is
 * killed. Returns when it said so. It allocates nothing but what it touches on purpose.
 */
static pid_t hog_until(long n, size_t more)
{
	long until = kills() + n;
	int fd[2];
	char c;
	OK(pipe(fd));
	pid_t pid = ktap_fork();
	if (!pid) {
		set_score(-1000);
		touched((size_t)(mem_free_kb() - spare_kb()) * 1024);
		while (kills() < until)
			touched(64 * 1024);
		if (more)
			touched(more);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fd[1]);
	ASSERT_EQ(read(fd[0], &c, 1), 1);
	close(fd[0]);
	return pid;
}
static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, SIGKILL);
}
static bool is_alive(pid_t pid) { return waitpid(pid, NULL, WNOHANG) == 0; }
/* The case is about no swap, too. From here on this process is not chosen. */
static void prepare(void)
{
	need_little_memory();
	if (swap_disk())
		swapoff(swap_disk());
	if (ktap_number("/proc/meminfo", "SwapTotal") > 0)
		SKIP("there is swap");
	if (ktap_write("/proc/self/oom_score_adj", "-1000"))
		SKIP("not root");
}
/* Where WORDS stand in what was logged lately; NULL: nowhere. */
static char *logged(const char *words)
{
	static char text[256 * 1024];
	int n = klogctl(3 /* the last messages */, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	return strstr(text, words);
}
static char *logged_of(const char *before, pid_t pid, const char *after)
{
	char words[100];
	snprintf(words, sizeof(words), "%s%d%s", before, (int)pid, after);
	return logged(words);
}
/* The time in ms that the line itself tells; -1: there is none. */
static long logged_ms(const char *before, pid_t pid)
{
	char *at = logged_of(before, pid, " ");
	while (at && *at != '[')
		at--;
	return at ? (long)(strtod(at + 1, NULL) * 1000) : -1;
}
/* From the kill to what the reaper said. */
static long reaper_took_ms(const char *said, pid_t pid)
{
	long killed = logged_ms("Out of memory: Killed process ", pid);
	EXPECT_GE(killed, 0);
	return logged_ms(said, pid) - killed;
}

TEST(score_adj_is_checked)
{
	EXPECT_EQ(ktap_write("/proc/self/oom_score_adj", "1001"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/self/oom_score_adj", "-500"), 0);
	EXPECT_STR(ktap_read("/proc/self/oom_score_adj"), "-500\n");
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_STR(ktap_read("/proc/self/oom_score_adj"), "-500\n");
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST_SLOW(anonymous_hog_is_killed)
{
	need_little_memory();
	long before = free_mb();
	set_score(-1000);
	pid_t pid = ktap_fork();
	if (!pid)
		hog(MAP_PRIVATE);
	EXPECT_STATUS(pid, SIGKILL);
	EXPECT_TRUE(ktap_until(free_mb() >= before - 30));
}

TEST_SLOW(shared_memory_hog_is_killed)
{
	need_little_memory();
	long before = free_mb();
	set_score(-1000);
	pid_t pid = ktap_fork();
	if (!pid)
		hog(MAP_SHARED);
	EXPECT_STATUS(pid, SIGKILL);
	EXPECT_TRUE(ktap_until(free_mb() >= before - 30));
}

TEST_SLOW(hogs_side_by_side)
{
	need_little_memory();
	long before = free_mb();
	set_score(-1000);
	for (int i = 0; i < 4; i++)
		if (ktap_fork() == 0)
			hog(MAP_PRIVATE);
	for (int i = 0; i < 4; i++)
		EXPECT_STATUS(-1, SIGKILL);
	EXPECT_TRUE(ktap_until(free_mb() >= before - 30));
}

/* COW of a large area without the memory for the copies. */
TEST_SLOW(copies_that_do_not_fit)
{
	need_little_memory();
	long total = free_mb() * 7 / 10;
	set_score(-1000);
	pid_t pid = ktap_fork();
	if (!pid) {
		set_score(500);
		char *p = mmap(NULL, total << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		use_pages(p, total << 20, 1);
		pid_t child = fork();
		if (!child) {
			set_score(1000);
			use_pages(p, total << 20, 2);
			_exit(0);
		}
		int status = ktap_wait(child);
		_exit(status == SIGKILL && p[0] == 1 && p[(total << 20) - PAGE] == 1 ? 0 : 1);
	}
	EXPECT_CHILD(pid);
}

TEST_SLOW(tmpfs_filled_to_its_limit)
{
	char path[] = "/tmp/oom.XXXXXX";
	static char block[1 << 20];
	if (have_control("alloc"))
		EXPECT_EQ(control("alloc", "free"), 0);
	int fd = OK(mkstemp(path));
	OK(unlink(path));
	ssize_t n;
	while ((n = write(fd, block, sizeof(block))) == sizeof(block))
		;
	/* Half of the memory by default: that is the file system's own end, nobody dies. */
	EXPECT_TRUE(n >= 0 || errno == ENOSPC);
	EXPECT_ERR(write(fd, block, sizeof(block)), ENOSPC);
}

/* ---- Who is chosen, T-RCL-10 ---- */

/* RCL-30, from what /proc shows. */
static long score_of(pid_t pid, int adj)
{
	char path[60];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	long kb = ktap_number(path, "VmRSS") + ktap_number(path, "VmPTE");
	long total = (ktap_number("/proc/meminfo", "MemTotal") + ktap_number("/proc/meminfo", "SwapTotal")) / 4;
	long points = kb / 4 + adj * (total / 1000);
	return (1000 + points * 1000 / total) * 2 / 3;
}
static long shown_score(pid_t pid)
{
	char path[60];
	snprintf(path, sizeof(path), "/proc/%d/oom_score", (int)pid);
	char *text = ktap_read(path);
	return text ? atol(text) : -1;
}

/* Children of 20, 30 and 40 MiB with these values: the one with number DIES does. */
static void choose_one_of(const int *adj, int dies)
{
	pid_t pid[3];
	for (int i = 0; i < 3; i++)
		pid[i] = victim_of((20 + 10 * (size_t)i) * MB, adj[i]);
	for (int i = 0; i < 3; i++) {
		long score = adj[i] == -1000 ? 0 : score_of(pid[i], adj[i]);
		EXPECT_LE(labs(shown_score(pid[i]) - score), 2);
	}
	long before = kills();
	pid_t hog = hog_until(1, 0);
	EXPECT_STATUS(pid[dies], SIGKILL);
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(i == dies || is_alive(pid[i]));
	/* On Linux the hog may go on for a moment, and somebody else be found who is none of these. */
	if (ktap_is_quire())
		EXPECT_EQ(kills(), before + 1);
	end(hog);
	for (int i = 0; i < 3; i++)
		if (i != dies)
			end(pid[i]);
}

TEST_SLOW(the_largest_is_chosen)
{
	prepare();
	choose_one_of((int[]){ 0, 0, 0 }, 2);
}

TEST_SLOW(the_score_counts_for_more_than_the_size)
{
	prepare();
	choose_one_of((int[]){ 500, 0, 0 }, 0);
}

TEST_SLOW(who_must_not_be_chosen_is_not)
{
	prepare();
	choose_one_of((int[]){ 0, 0, -1000 }, 1);
}

/* ---- Large folios are not worth a life ---- */

TEST_SLOW(nobody_dies_for_a_huge_page)
{
	prepare();
	pid_t hog = hog_until(0, 0);
	long before = kills();
	char *p = reserve(4 * HUGE);
	madvise(p, 4 * HUGE, MADV_HUGEPAGE);
	for (int i = 0; i < 4; i++)
		p[i * HUGE] = 'x';
	EXPECT_EQ(kills(), before);
	EXPECT_EQ(p[3 * HUGE], 'x');
	end(hog);
}

/*
 * How many of the COUNT blocks "alloc" got; they are given back before anybody else wants memory: even opening a file
 * might need some.
 */
static long try_to_take(int order, const char *type, long count, const char *kind)
{
	char take[80], free[40];
	int fd = OK(open(QUIRE_DIR "alloc", O_WRONLY | O_CLOEXEC));
	snprintf(take, sizeof(take), "take %d %s %ld %s", order, type, count, kind);
	snprintf(free, sizeof(free), "free %d %s", order, type);
	EXPECT_EQ(write(fd, free, strlen(free)), (ssize_t)strlen(free));
	EXPECT_EQ(write(fd, take, strlen(take)), (ssize_t)strlen(take));
	EXPECT_EQ(write(fd, free, strlen(free)), (ssize_t)strlen(free));
	close(fd);
	return ktap_number(QUIRE_DIR "alloc", "got");
}

/* T-RCL-10: what may fail fails. Taken as movable, type by type: what "fill" took is unmovable. */
TEST_SLOW(nobody_dies_for_what_may_fail)
{
	if (!have_control("alloc"))
		SKIP("needs Quire's controls");
	prepare();
	pid_t bait = victim_of(20 * MB, 500);
	EXPECT_EQ(control("alloc", "fill %ld", atol(ktap_read("/proc/sys/vm/min_free_kbytes")) / 4 + 1000), 0);
	long before = kills();
	for (int order = 2; order <= 9; order++)
		EXPECT_LT(try_to_take(order, "movable", 2000, "kernel"), 2000);
	EXPECT_LT(try_to_take(4, "reclaimable", 2000, "kernel"), 2000);
	EXPECT_LT(try_to_take(0, "movable", 2000, "noretry"), 2000);
	EXPECT_LT(try_to_take(0, "movable", 2000, "retry"), 2000);
	EXPECT_EQ(kills(), before);
	EXPECT_EQ(control("alloc", "free"), 0);
	EXPECT_TRUE(is_alive(bait));
	end(bait);
}

/* ---- The reaper, T-RCL-11 ---- */

static void need_pause(const char *point)
{
	if (parked_at(point) < 0)
		SKIP("needs Quire's controls");
}

TEST_SLOW(a_victim_that_does_not_come_to_its_end_is_reaped)
{
	need_pause("exit_mmap");
	prepare();
	pid_t victim = victim_of(40 * MB, 500);
	EXPECT_EQ(control("pause", "arm exit_mmap %d once", (int)victim), 0);
	long before = kills();
	/* More than the victim left free before it was reaped. */
	pid_t hog = hog_until(1, 30 * MB);
	EXPECT_EQ(kills(), before + 1);
	EXPECT_EQ(parked_at("exit_mmap"), 1);
	EXPECT_TRUE(is_alive(victim));
	EXPECT_TRUE(ktap_until(logged_of("oom_reaper: reaped process ", victim, " ")));
	EXPECT_GE(reaper_took_ms("oom_reaper: reaped process ", victim), 2000);	/* it had its time */
	/* Nothing is freed twice. */
	EXPECT_EQ(control("pause", "release exit_mmap"), 0);
	EXPECT_STATUS(victim, SIGKILL);
	end(hog);
}

TEST_SLOW(a_victim_that_cannot_be_reaped_is_given_up)
{
	need_pause("zap_batch");
	prepare();
	pid_t victim = victim_of(40 * MB, 500), second = victim_of(40 * MB, 200);
	/* In exit, with the mmap lock held for writing. */
	EXPECT_EQ(control("pause", "arm zap_batch %d once", (int)victim), 0);
	long before = kills();
	pid_t hog = hog_until(2, 0);
	EXPECT_EQ(kills(), before + 2);
	EXPECT_EQ(parked_at("zap_batch"), 1);
	EXPECT_TRUE(ktap_until(logged_of("oom_reaper: unable to reap pid:", victim, " ")));
	EXPECT_GE(reaper_took_ms("oom_reaper: unable to reap pid:", victim), 2900);	/* that time, and ten tries */
	EXPECT_STATUS(second, SIGKILL);
	EXPECT_EQ(control("pause", "release zap_batch"), 0);
	EXPECT_STATUS(victim, SIGKILL);
	end(hog);
}

/* The kernel still works for a victim that was reaped: what it had written is gone, but it never reads as zeroes. */
TEST_SLOW(reaped_memory_is_not_seen_as_zeroes)
{
	need_pause("shmem_write");
	if (ktap_cpus < 2)
		SKIP("needs two CPUs");
	prepare();
	char path[] = "/tmp/oom.XXXXXX", text[4096];
	int fd = OK(mkstemp(path));
	struct turns t;
	OK(unlink(path));
	turns_init(&t);
	pid_t victim = ktap_fork();
	if (!victim) {
		set_score(500);
		char *p = touched(40 * MB), *huge = large_area(HUGE, HUGE_ORDER);
		memset(p + MB, 'x', 64 * 1024);
		memset(huge, 'x', 64 * 1024);
		child_done(&t);
		child_waits(&t);
		struct iovec v[2] = { { p + MB, 64 * 1024 }, { huge, 64 * 1024 } };
		(void)!writev(fd, v, 2);
		for (;;)
			pause();
	}
	parent_waits(&t);
	EXPECT_EQ(control("pause", "arm shmem_write %d once", (int)victim), 0);
	child_go(&t);
	EXPECT_TRUE(ktap_until(parked_at("shmem_write") == 1));
	pid_t hog = hog_until(1, 30 * MB);
	EXPECT_TRUE(ktap_until(logged_of("oom_reaper: reaped process ", victim, " ")));
	EXPECT_EQ(control("pause", "release shmem_write"), 0);
	EXPECT_STATUS(victim, SIGKILL);
	long n, wrong = 0;
	OK(lseek(fd, 0, SEEK_SET));
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (long i = 0; i < n; i++)
			wrong += text[i] != 'x';
	EXPECT_EQ(wrong, 0);
	end(hog);
}

/* ---- T-RCL-12 ---- */

TEST_SLOW(one_victim_is_enough_for_eight)
{
	prepare();
	pid_t victim = victim_of(160 * MB, 500), pid[8];
	/* The victim has what they want beyond the reserves, whatever else they need; nobody may die after it. */
	size_t each = ((size_t)mem_free_kb() * 1024 + 32 * MB) / 8;
	long before = kills();
	int fd[2];
	char c;
	OK(pipe(fd));
	for (int i = 0; i < 8; i++) {
		pid[i] = ktap_fork();
		if (pid[i])
			continue;
		touched(each);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(read(fd[0], &c, 1), 1);
	EXPECT_EQ(kills(), before + 1);
	EXPECT_STATUS(victim, SIGKILL);
	for (int i = 0; i < 8; i++)
		end(pid[i]);
}

static long id_of_a_new_process(void)
{
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	EXPECT_EQ(control("force", "mm_id_limit %d 0 0 0", (int)pid), 0);
	char *text = ktap_read(QUIRE_DIR "force"), *id = text ? strstr(text, "\nid=") : NULL;
	long value = id ? atol(id + 4) : -1;
	end(pid);
	return value;
}

/* With a little swap, which is full before anybody dies: each victim leaves its slots and its MM ID. */
KTAP_CASE(kills_leave_slots_and_ids_as_they_were, 1, 600)
{
	enum { SLOTS = 512 };
	if (!have_control("alloc"))
		SKIP("needs Quire's controls");
	prepare();
	const char *disk = swap_on(SLOTS + 1);
	klogctl(8, NULL, 1);			/* not each on the console */
	long high = atol(ktap_read("/proc/sys/vm/min_free_kbytes")) * 3 / 8;
	long before = kills(), rounds = ktap_scale(200), id = id_of_a_new_process();
	long swapped = vmstat("pswpout");
	EXPECT_GT(id, 0);
	for (long i = 0; i < rounds; i++) {
		if (i % 100 == 0)
			EXPECT_EQ(control("alloc", "free; fill %ld", high + 512), 0);
		pid_t pid = ktap_fork();
		if (!pid)
			hog(MAP_PRIVATE);
		ASSERT_EQ(ktap_wait(pid), SIGKILL);
	}
	EXPECT_EQ(kills(), before + rounds);
	EXPECT_GT(vmstat("pswpout"), swapped + SLOTS / 2);
	EXPECT_EQ(control("alloc", "free"), 0);
	/* Each slot in use has an owner who lives; swapoff ends only when there are none. */
	EXPECT_TRUE(ktap_until(!strncmp(ktap_read(QUIRE_DIR "check"), "ok ", 3)));
	/* An idle CPU keeps the tables of the last process that ran on it, dead or not, and with them its ID. */
	EXPECT_TRUE(ktap_until(id_of_a_new_process() <= id + ktap_cpus));
	klogctl(8, NULL, 4);
	swap_off(disk);
}

/* Memory is nearly full, so that each of many kills is cheap. None of them keeps anything, and each leaves its table. */
KTAP_CASE(ten_thousand_kills_leave_nothing_behind, 1, 900)
{
	if (!have_control("alloc"))
		SKIP("needs Quire's controls");
	prepare();
	klogctl(8, NULL, 1);			/* not each on the console */
	EXPECT_EQ(control("alloc", "fill %ld", atol(ktap_read("/proc/sys/vm/min_free_kbytes")) / 4 + 512), 0);
	long before = kills(), start = 0, rounds = ktap_scale(ktap_scale(10000));
	pid_t pid = 0;
	for (long i = 0; i < rounds; i++) {
		pid = ktap_fork();
		if (!pid)
			hog(MAP_PRIVATE);
		ASSERT_EQ(ktap_wait(pid), SIGKILL);
		if (i == rounds / 10)
			start = mem_free_kb();
	}
	EXPECT_EQ(kills(), before + rounds);
	EXPECT_TRUE(ktap_until(mem_free_kb() >= start - 256));
	EXPECT_TRUE(ktap_until(logged_of("Out of memory: Killed process ", pid, " ")));
	EXPECT_TRUE(logged("oom_score_adj name"));
	EXPECT_EQ(control("alloc", "free"), 0);
	klogctl(8, NULL, 4);
}
