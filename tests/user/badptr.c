/*
 * tests/user/badptr.c - every system call with nasty arguments, in children that may die of it: the kernel must not.
 *
 * Calls that would end or stop the whole machine or the test itself are left out (the table below).
 */
#include "tests/user/pages.h"
#include <sys/prctl.h>

static const int left_out[] = {
	SYS_reboot, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_fork, SYS_vfork,
	SYS_clone, 435 /* clone3 */, SYS_exit, SYS_exit_group, SYS_pause, SYS_umount2, SYS_mount, SYS_chroot, SYS_pivot_root,
	SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_vhangup,
	SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_rename, SYS_renameat, SYS_renameat2, SYS_truncate, SYS_chmod, SYS_fchmodat,
	SYS_chown, SYS_lchown, SYS_fchownat, SYS_swapon, SYS_swapoff, SYS_init_module, SYS_delete_module, SYS_kexec_load,
	SYS_iopl, SYS_ioperm, SYS_ptrace, 424 /* pidfd_send_signal */, SYS_setpriority, SYS_sched_setscheduler,
	SYS_sched_setparam, SYS_sched_setattr, 429, 430, 431, 432, 442 /* mounts */, SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
};

static bool is_left_out(int nr)
{
	for (unsigned int i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (left_out[i] == nr)
			return true;
	return false;
}

/* Values that have broken kernels: borders of user space, kernel addresses, holes, read-only pages, huge lengths. */
static unsigned long nasty(char *page)
{
	const unsigned long values[] = {
		0, 1, 8, PAGE - 1, PAGE, (unsigned long)page, (unsigned long)page + PAGE - 1, (unsigned long)page + PAGE - 4,
		(unsigned long)page + PAGE, 0x7ffffffff000, 0x7fffffffeff8, 0x7ffffffffff8, 0x800000000000, 0x8000000000000000,
		0xffff800000000000, 0xffff888000100000, 0xffffffff80100000, -1, -8, -4096, -4095, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, (unsigned long)main, 3, 4, 64, 4096, 100000,
	};
	return values[ktap_random() % (sizeof(values) / sizeof(*values))];
}

/* A jail: nothing of value is reachable. */
static void jail(void)
{
	static const int quiet[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE };
	for (unsigned int i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
		signal(quiet[i], SIG_DFL);
	setsid();
	mkdir("/tmp/badptr", 0755);
	chdir("/tmp/badptr");
	struct rlimit r = { 64 << 20, 64 << 20 }, cpu = { 2, 2 };
	setrlimit(RLIMIT_FSIZE, &r);
	setrlimit(RLIMIT_AS, &(struct rlimit){ 512 << 20, 512 << 20 });
	setrlimit(RLIMIT_CPU, &cpu);
	close(0);
	dup2(open("/dev/null", O_RDWR), 0);
	int null = open("/dev/null", O_RDWR), fds[2];
	dup2(null, 1);
	dup2(null, 2);
	if (pipe(fds))
		_exit(1);
	syscall(SYS_memfd_create, "bad", 0);
	open("/proc/self/maps", O_RDONLY);
	setgid(65534);
	setuid(65534);
}

static void call_once(int nr, char *page)
{
	syscall(nr, nasty(page), nasty(page), nasty(page), nasty(page), nasty(page), nasty(page));
}

/*
 * Wait for a child that may have blocked all its signals or sleep for ever: after a while it is killed. How it ends is
 * its own affair; that it ends is ours.
 */
static void wait_a_while(pid_t pid)
{
	int status;
	double end = ktap_now() + 0.3;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (ktap_now() > end) {
			kill(pid, SIGCONT);
			kill(pid, SIGKILL);
			ASSERT_EQ(ktap_wait(pid) >= 0, 1);
			return;
		}
		ktap_sleep_ms(2);
	}
}

static char *half_page(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0x41, PAGE);
	munmap(p + PAGE, PAGE);
	return p;
}

/* System calls FROM..TO, each in a child of its own. */
static void try_range(int from, int to, int times)
{
	for (int nr = from; nr < to; nr++) {
		if (is_left_out(nr))
			continue;
		pid_t pid = OK(fork());
		if (!pid) {
			char *page = half_page();
			ktap_random();
			ktap_seed_state += nr * 0x9e3779b97f4a7c15ull;
			jail();
			for (int i = 0; i < times; i++)
				call_once(nr, page);
			_exit(0);
		}
		wait_a_while(pid);
	}
}

TEST_LIMIT(calls_0_to_99, 400) { try_range(0, 100, ktap_scale(30)); }
TEST_LIMIT(calls_100_to_199, 400) { try_range(100, 200, ktap_scale(30)); }
TEST_LIMIT(calls_200_to_299, 400) { try_range(200, 300, ktap_scale(30)); }
TEST_LIMIT(calls_300_to_470, 400) { try_range(300, 470, ktap_scale(30)); }

TEST(numbers_beyond_the_table_are_enosys)
{
	static const long numbers[] = { 600, 1000, 4096, 0x40000000, -1, LONG_MAX, 0x100000000 + 600 };	/* 32 bits count */
	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		EXPECT_ERR(syscall(numbers[i]), ENOSYS);
}

TEST(efault_for_each_pointer_of_common_calls)
{
	void *const bad[] = { (void *)8, (void *)0x7ffffffff000, (void *)0x800000000000, (void *)0xffffffff80100000, (void *)-8 };
	int fds[2];
	OK(pipe(fds));
	OK(write(fds[1], "x", 1));
	for (int i = 0; i < 5; i++) {
		void *p = bad[i];
		EXPECT_ERR(read(fds[0], p, 1), EFAULT);
		EXPECT_ERR(write(fds[1], p, 1), EFAULT);
		EXPECT_ERR(syscall(SYS_open, p, O_RDONLY), EFAULT);
		EXPECT_ERR(syscall(SYS_stat, "/", p), EFAULT);
		EXPECT_ERR(syscall(SYS_fstat, 0, p), EFAULT);
		EXPECT_ERR(syscall(SYS_uname, p), EFAULT);
		EXPECT_ERR(syscall(SYS_nanosleep, p, NULL), EFAULT);
		EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p), EFAULT);
		EXPECT_ERR(syscall(SYS_getrlimit, RLIMIT_STACK, p), EFAULT);
		EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8), EFAULT);
		EXPECT_ERR(syscall(SYS_pipe2, p, 0), EFAULT);
		EXPECT_ERR(syscall(SYS_getcwd, p, 100), EFAULT);
		EXPECT_ERR(syscall(SYS_readlink, "/proc/self/exe", p, 100), EFAULT);
		EXPECT_ERR(syscall(SYS_writev, 1, p, 1), EFAULT);
		EXPECT_ERR(syscall(SYS_poll, p, 1, 0), EFAULT);
		EXPECT_ERR(syscall(SYS_sysinfo, p), EFAULT);
		EXPECT_ERR(syscall(SYS_times, p), EFAULT);
		EXPECT_ERR(syscall(SYS_getrandom, p, 8, 0), EFAULT);
		EXPECT_ERR(syscall(SYS_prctl, PR_SET_NAME, p), EFAULT);
	}
}

TEST(strings_that_run_into_a_hole)
{
	char *p = half_page();
	EXPECT_ERR(open(p + PAGE - 10, O_RDONLY), EFAULT);
	p[PAGE - 1] = 0;
	EXPECT_ERR(open(p + PAGE - 10, O_RDONLY), ENOENT);
	EXPECT_ERR(execv(p + PAGE - 10, (char **)(p + PAGE - 8)), EFAULT);
}

/* Random numbers with random arguments, many in one process: states pile up that one call alone never makes. */
TEST_LIMIT(random_calls_pile_up, 200)
{
	for (long child = 0; child < ktap_scale(40); child++) {
		pid_t pid = OK(fork());
		if (!pid) {
			char *page = half_page();
			ktap_random();
			ktap_seed_state += child * 0x123456789abcdef;
			jail();
			for (int i = 0; i < 400; i++) {
				int nr = ktap_random() % 335;
				if (!is_left_out(nr))
					call_once(nr, page);
			}
			_exit(0);
		}
		wait_a_while(pid);
	}
}
