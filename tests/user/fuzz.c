/*
 * tests/user/fuzz.c - random system calls by ordinary users, and greed for each resource: when they are gone, everything
 * they had is back.
 *
 *	root parent, a subreaper ── watches levels (free memory, slab, stacks, page tables, number of processes)
 *	  └─ jail: user 65534, a session of its own, small limits, a directory of its own
 *	       └─ calls of all numbers, arguments from a pool of good, bad and nasty values; fork and kill among them
 *
 * badptr.c asks of each call alone what it does with bad arguments; here they work on each other. SEED repeats a run.
 * Levels are compared after a first round, which fills what is kept on purpose (stacks, empty slabs, per-CPU lists).
 */
#include "tests/user/pages.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define JAIL "/tmp/fuzz"
#define NOBODY 65534

/* ---- Levels ---- */

struct levels { long free_kb, slab_kb, stack_kb, tables_kb, anon_kb, processes; };

/* Kernel threads come and go on Linux: they have parent 2 there, and 0 here. */
static long count_processes(void)
{
	DIR *d = opendir("/proc");
	long n = 0;
	for (struct dirent *e; (e = readdir(d));) {
		char path[300];
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		char *text = ktap_read(path), *end = text ? strrchr(text, ')') : NULL;
		int parent = end && end[1] ? atoi(end + 4) : 0;
		n += parent != 0 && parent != 2;
	}
	closedir(d);
	return n;
}

static struct levels levels_now(void)
{
	const char *m = "/proc/meminfo";
	return (struct levels){ ktap_number(m, "MemFree"), ktap_number(m, "Slab"), ktap_number(m, "KernelStack"),
				ktap_number(m, "PageTables"), ktap_number(m, "AnonPages"), count_processes() };
}

/*
 * Back at the level of BEFORE? What may stay away: empty slabs and the pages of per-CPU lists, SLACK_KB in all. Linux keeps
 * far more in its caches, and frees later: there only processes, stacks and page tables are compared.
 */
static bool back(const struct levels *before, struct levels *now, long slack_kb)
{
	*now = levels_now();
	if (now->processes != before->processes || now->stack_kb > before->stack_kb + 256 ||
	    now->tables_kb > before->tables_kb + 64 || now->anon_kb > before->anon_kb + 256)
		return false;
	return !ktap_is_quire() || (now->free_kb >= before->free_kb - slack_kb && now->slab_kb <= before->slab_kb + slack_kb);
}

static void expect_back(const struct levels *before, long slack_kb)
{
	struct levels now;
	if (ktap_until(back(before, &now, slack_kb)))
		return;
	KTAP_FAIL("# before: free %ld slab %ld stacks %ld tables %ld anon %ld kB, %ld processes", before->free_kb, before->slab_kb,
		  before->stack_kb, before->tables_kb, before->anon_kb, before->processes);
	KTAP_FAIL("# after:  free %ld slab %ld stacks %ld tables %ld anon %ld kB, %ld processes", now.free_kb, now.slab_kb,
		  now.stack_kb, now.tables_kb, now.anon_kb, now.processes);
}

/* The kernel has complained about nothing. */
static void expect_no_complaint(void)
{
	char *text = ktap_read("/sys/kernel/debug/quire/warnings");
	if (text)
		EXPECT_EQ(atol(text), 0);
	text = ktap_read("/sys/kernel/debug/quire/lockdep");
	if (text)
		EXPECT_TRUE(strstr(text, "# reports\n# last demonstration\n") != NULL);
}

/* RUN in a child, twice to fill what is kept, then ROUNDS times: then all is as it was. */
static void leaves_nothing(void (*run)(void), long rounds, long slack_kb)
{
	struct levels before;
	for (long i = -2; i < rounds; i++) {
		if (i == 0)
			before = levels_now();
		pid_t pid = ktap_fork();
		if (!pid) {
			run();
			ktap_exit();
		}
		EXPECT_CHILD(pid);
	}
	expect_back(&before, slack_kb);
	expect_no_complaint();
}

/* ---- Greed ---- */

static void limit(int what, rlim_t n)
{
	struct rlimit r = { n, n };
	OK(setrlimit(what, &r));
}

static void many_areas(void)
{
	char *p = OK(mmap(NULL, 40000 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	for (long i = 0; i < ktap_scale(20000); i++) {
		if (mprotect(p + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE))
			break;
		if (i % 16 == 0)
			p[2 * i * PAGE] = 1;
	}
}
TEST_SLOW(areas_without_bound_come_back) { leaves_nothing(many_areas, 3, 2048); }

static void memory_without_bound(void)
{
	limit(RLIMIT_AS, 48 << 20);
	for (size_t n = 4 << 20; n >= PAGE; n /= 2)
		for (char *p; (p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED;)
			memset(p, 1, n);
}
TEST(memory_without_bound_comes_back) { leaves_nothing(memory_without_bound, 4, 1024); }

static void descriptors_without_bound(void)
{
	static char block[4096];
	int fds[2];
	limit(RLIMIT_NOFILE, 1024);
	while (pipe2(fds, O_NONBLOCK) == 0)
		for (int i = 0; i < 4; i++)
			if (write(fds[1], block, sizeof(block)) < 0)
				break;
	EXPECT_EQ(errno, EMFILE);
}
TEST(descriptors_without_bound_come_back) { leaves_nothing(descriptors_without_bound, 4, 1024); }

static void files_without_bound(void)
{
	char name[60];
	limit(RLIMIT_NOFILE, 400);
	for (int i = 0;; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		int fd = syscall(SYS_memfd_create, name, 0);
		if (fd < 0)
			break;
		if (ftruncate(fd, 1 << 20) || pwrite(fd, name, 20, i * 500) < 0)
			break;
		char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED)
			p[7] = 7;
	}
	EXPECT_EQ(errno, EMFILE);
}
TEST(files_without_bound_come_back) { leaves_nothing(files_without_bound, 4, 1024); }

static void processes_without_bound(void)
{
	int fds[2], made = 0;
	char c;
	OK(pipe(fds));
	OK(setgid(NOBODY));
	OK(setuid(NOBODY));
	limit(RLIMIT_NPROC, 200);
	for (; made < 10000; made++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (!pid) {
			close(fds[1]);
			if (read(fds[0], &c, 1) < 0)
				_exit(1);
			_exit(0);
		}
	}
	EXPECT_EQ(errno, EAGAIN);
	close(fds[1]);
	while (wait(NULL) > 0)
		;
}
TEST(processes_without_bound_come_back) { leaves_nothing(processes_without_bound, 3, 2048); }

/* Signals queue up, timers run, locks split: what a process makes the kernel remember. */
static void kernel_objects(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	limit(RLIMIT_SIGPENDING, 2000);
	union sigval v = { 0 };
	while (sigqueue(getpid(), SIGRTMIN + 3, v) == 0)
		;
	timer_t timer;
	struct itimerspec soon = { { 0, 1000000 }, { 0, 1000000 } };
	for (int i = 0; i < 100 && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0; i++)
		timer_settime(timer, 0, &soon, NULL);
	int fd = OK(syscall(SYS_memfd_create, "locks", 0));
	for (int i = 0; i < 2000; i++) {
		struct flock l = { .l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1 };
		if (fcntl(fd, F_SETLK, &l))
			break;
	}
	for (int i = 0; i < 50; i++)
		syscall(SYS_eventfd2, 0, 0);
}
TEST(kernel_objects_without_bound_come_back) { leaves_nothing(kernel_objects, 4, 1024); }

/* ---- Random calls ---- */

/*
 * Left out: what would wait for ever by design; and objects that outlive their process on Linux (System V, POSIX queues,
 * keys), which no level could be compared after.
 */
static const int left_out[] = {
	SYS_pause, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_exit, SYS_exit_group, SYS_shmget, SYS_semget, SYS_msgget,
	SYS_mq_open, SYS_add_key, SYS_request_key, SYS_keyctl,
};

static bool is_left_out(int nr)
{
	for (unsigned int i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (left_out[i] == nr)
			return true;
	return false;
}

static char *arena;		/* 16 pages of structures, strings and garbage; a hole behind */
#define ARENA_PAGES 16

static void fill_arena(void)
{
	static const char *const paths[] = { "a", "b", "dir", "dir/c", "/", "..", "/proc/self/maps", "/proc/self/mem", "/dev/null",
		"/dev/zero", "/proc/self/fd/3", "/tests/fuzz", "/bin/busybox", "link", "/proc", "" };
	for (unsigned int i = 0; i < ARENA_PAGES * PAGE / 8; i++)
		((uint64_t *)arena)[i] = ktap_random() % 4 ? ktap_random() % 64 : ktap_random();
	for (unsigned int i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		strcpy(arena + i * 64, paths[i]);
	/* Vectors of pointers and lengths. */
	for (int i = 0; i < 64; i++) {
		((uint64_t *)(arena + PAGE))[2 * i] = (uint64_t)arena + ktap_random() % (ARENA_PAGES * PAGE);
		((uint64_t *)(arena + PAGE))[2 * i + 1] = ktap_random() % 5000;
	}
}

static unsigned long argument(void)
{
	static const unsigned long nasty[] = { 0, 1, -1, PAGE - 1, 0x7fffffffeff8, 0x800000000000, 0xffff888000100000,
		0xffffffff80100000, -4096, -4095, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff };
	switch (ktap_random() % 8) {
	case 0: return nasty[ktap_random() % (sizeof(nasty) / sizeof(*nasty))];
	case 1: return ktap_random() % 24;				/* descriptors, small numbers */
	case 2: return 1ul << ktap_random() % 40;			/* flags */
	case 3: return (unsigned long)arena + ktap_random() % 16 * 64;	/* paths */
	case 4: return (unsigned long)arena + PAGE + ktap_random() % 32 * 16;
	case 5: return (unsigned long)arena + (1 + ktap_random() % ARENA_PAGES) * PAGE - ktap_random() % 64;
	case 6: return ktap_random() % (64 * PAGE) & (ktap_random() % 2 ? ~(PAGE - 1) : ~0ul);
	default: return (unsigned long)arena + ktap_random() % ARENA_PAGES * PAGE;
	}
}

static void enter_jail(void)
{
	setsid();
	OK(chdir(JAIL));
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_AS, 64 << 20);
	limit(RLIMIT_NPROC, 30);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_CPU, 2);
	int null = OK(open("/dev/null", O_RDWR)), fds[2];
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	OK(pipe(fds));
	OK(pipe2(fds, O_NONBLOCK));
	OK(syscall(SYS_memfd_create, "fuzz", 2));
	OK(open(".", O_RDONLY));
	OK(open("a", O_RDWR | O_CREAT, 0666));
	OK(open("/proc/self/status", O_RDONLY));
	OK(syscall(SYS_eventfd2, 0, O_NONBLOCK));
	arena = OK(mmap(NULL, (ARENA_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	munmap(arena + ARENA_PAGES * PAGE, PAGE);
	OK(setgid(NOBODY));
	OK(setuid(NOBODY));
}

static void random_calls(long n)
{
	fill_arena();
	alarm(2);
	while (n--) {
		int nr = ktap_random() % 470;
		if (!is_left_out(nr))
			syscall(nr, argument(), argument(), argument(), argument(), argument(), argument());
	}
}

/* All processes of the jail end, whatever they did to their signals, sessions and parents. */
static void empty_jail(void)
{
	ktap_until(({
		pid_t pid = fork();
		if (!pid) {
			if (setgid(NOBODY) || setuid(NOBODY))
				_exit(1);
			signal(SIGKILL, SIG_DFL);
			kill(-1, SIGKILL);
			_exit(0);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
	}));
}

/* One round of the random calls, in a mount of its own that takes all files with it. */
static void jail_round(long children, long calls)
{
	OK(mount("none", JAIL, "tmpfs", 0, "size=8m,mode=1777"));
	for (long i = 0; i < children; i++) {
		ktap_random();
		pid_t pid = ktap_fork();
		if (!pid) {
			ktap_seed_state += getpid() % 7 + i * 0x9e3779b97f4a7c15ull;
			enter_jail();
			random_calls(calls);
			_exit(0);
		}
		/* A few at a time: they meet in the jail. */
		if (i % 3 == 2) {
			ktap_until(waitpid(pid, NULL, WNOHANG) != 0 || ktap_state(pid) != 'R');
			empty_jail();
		}
	}
	empty_jail();
	ASSERT_EQ(ktap_until(umount2(JAIL, 0) == 0), true);
}

TEST_LIMIT(random_calls_of_users_leave_nothing_behind, 900)
{
	struct levels before;
	if (geteuid())
		SKIP("not root");
	mkdir(JAIL, 0755);
	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	jail_round(9, 300);
	before = levels_now();
	for (long round = 0; round < ktap_scale(2); round++)
		jail_round(9, 300);
	expect_back(&before, 2048);
	expect_no_complaint();
}
