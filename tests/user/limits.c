/* tests/user/limits.c - rlimits, exhaustion of descriptors, processes and pipes; everything comes back afterwards. */
#include "tests/user/pages.h"
#include <pthread.h>

static void limit(int which, rlim_t n)
{
	struct rlimit r = { n, n };
	OK(setrlimit(which, &r));
}

TEST(getrlimit_and_prlimit)
{
	struct rlimit r, old;
	static const struct { int which; rlim_t soft, hard; } defaults[] = {
		{ RLIMIT_STACK, 8 << 20, RLIM_INFINITY }, { RLIMIT_NOFILE, 1024, 4096 }, { RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY },
		{ RLIMIT_MEMLOCK, 8 << 20, 8 << 20 }, { RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY },
	};
	for (unsigned int i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
		OK(getrlimit(defaults[i].which, &r));
		EXPECT_EQ(r.rlim_cur, defaults[i].soft);
		EXPECT_EQ(r.rlim_max, defaults[i].hard);
	}
	EXPECT_ERR(syscall(SYS_getrlimit, 16, &r), EINVAL);
	r = (struct rlimit){ 20, 10 };
	EXPECT_ERR(setrlimit(RLIMIT_NOFILE, &r), EINVAL);
	r = (struct rlimit){ 500, 600 };
	OK(prlimit(getpid(), RLIMIT_NOFILE, &r, &old));
	EXPECT_EQ(old.rlim_cur, 1024);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(getrlimit(RLIMIT_NOFILE, &r));
		EXPECT_EQ(r.rlim_cur, 500);
		OK(setgid(65534));
		OK(setuid(65534));
		r = (struct rlimit){ 500, 700 };
		EXPECT_ERR(setrlimit(RLIMIT_NOFILE, &r), EPERM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(descriptors_run_out)
{
	limit(RLIMIT_NOFILE, 50);
	int fd, last = 0, fds[2];
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	EXPECT_EQ(errno, EMFILE);
	EXPECT_EQ(last, 49);
	EXPECT_ERR(pipe(fds), EMFILE);
	EXPECT_ERR(dup(0), EMFILE);
	EXPECT_ERR(dup2(0, 50), EBADF);
	EXPECT_ERR(fcntl(0, F_DUPFD, 50), EINVAL);
	close(20);
	EXPECT_EQ(dup(0), 20);
}

TEST(four_thousand_descriptors)
{
	limit(RLIMIT_NOFILE, 4096);
	int n = 0;
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	EXPECT_GE(n, 4080);
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(fcntl(4000, F_GETFD) != 0);
	EXPECT_CHILD(pid);
}

TEST(fork_bomb_is_bounded)
{
	int fds[2];
	char c;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		/* RLIMIT_NPROC does not bind root. */
		OK(setgid(65534));
		OK(setuid(65534));
		limit(RLIMIT_NPROC, 30);
		int made = 0;
		for (;;) {
			pid_t child = fork();
			if (child < 0)
				break;
			if (!child) {
				close(fds[1]);
				read(fds[0], &c, 1);
				_exit(0);
			}
			made++;
		}
		EXPECT_EQ(errno, EAGAIN);
		EXPECT_GE(made, 20);
		EXPECT_LE(made, 30);
		close(fds[1]);
		while (made--)
			EXPECT_CHILD(-1);
		ktap_exit();
	}
	close(fds[1]);
	EXPECT_CHILD(pid);
}

static void *sleeper(void *arg) { pause(); return NULL; }

TEST(threads_count_as_processes)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setgid(65534));
		OK(setuid(65534));
		limit(RLIMIT_NPROC, 10);
		pthread_t t;
		int made = 0;
		while (made < 100 && pthread_create(&t, NULL, sleeper, NULL) == 0)
			made++;
		EXPECT_LE(made, 10);
		EXPECT_GE(made, 5);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(file_size_limit)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
		limit(RLIMIT_FSIZE, 6000);
		char block[5000] = "";
		EXPECT_EQ(write(fd, block, 5000), 5000);
		EXPECT_EQ(write(fd, block, 5000), 1000);
		signal(SIGXFSZ, SIG_IGN);
		EXPECT_ERR(write(fd, block, 1), EFBIG);
		EXPECT_ERR(fallocate(fd, 0, 0, 7000), EFBIG);
		EXPECT_ERR(ftruncate(fd, 6001), EFBIG);
		OK(ftruncate(fd, 5999));
		signal(SIGXFSZ, SIG_DFL);
		if (ktap_failed)
			ktap_exit();
		write(fd, block, 1);
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGXFSZ);
}

/* Locks are memory of the kernel that is in no address space: no user has them without end. */
TEST_SLOW(record_locks_run_out)
{
	if (!ktap_is_quire())
		SKIP("bounded by cgroups there");
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	struct flock l = { .l_type = F_WRLCK, .l_len = 1 };
	long made = 0;
	while (made < 100000 && (l.l_start = 2 * made, fcntl(fd, F_SETLK, &l) == 0))
		made++;
	EXPECT_EQ(errno, ENOLCK);
	EXPECT_GT(made, 4000);
	EXPECT_LE(made, 8192);
	close(fd);
	fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(fcntl(fd, F_SETLK, &l));
}

TEST(cpu_time_limit)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		struct rlimit r = { 1, 5 };
		OK(setrlimit(RLIMIT_CPU, &r));
		for (;;)
			;
	}
	EXPECT_STATUS(pid, SIGXCPU);
}

TEST(memlock_limit_of_ordinary_users)
{
	char *p = anon(64 * PAGE);
	if (mlock(p, PAGE) && errno == ENOSYS)
		SKIP("no mlock");
	pid_t pid = ktap_fork();
	if (!pid) {
		limit(RLIMIT_MEMLOCK, 16 * PAGE);
		OK(setgid(65534));
		OK(setuid(65534));
		EXPECT_EQ(mlock(p, 10 * PAGE), 0);
		EXPECT_ERR(mlock(p + 20 * PAGE, 20 * PAGE), ENOMEM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(capset_gives_capabilities_up)
{
	struct { uint32_t version; int pid; } h = { 0x20080522, 0 };
	struct { uint32_t effective, permitted, inheritable; } d[2];
	const uint32_t ipc_lock = 1u << 14;
	OK(syscall(SYS_capget, &h, d));
	if (!(d[0].permitted & ipc_lock))
		SKIP("not root");
	char *p = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	limit(RLIMIT_MEMLOCK, 0);
	OK(mlock(p, 4096));
	d[0].effective &= ~ipc_lock;
	OK(syscall(SYS_capset, &h, d));
	EXPECT_ERR(mlock(p, 4096), EPERM);
	d[0].effective |= ipc_lock;
	OK(syscall(SYS_capset, &h, d));
	OK(mlock(p, 4096));
	d[0].effective &= ~ipc_lock;
	d[0].permitted &= ~ipc_lock;
	OK(syscall(SYS_capset, &h, d));
	d[0].permitted |= ipc_lock;
	EXPECT_ERR(syscall(SYS_capset, &h, d), EPERM);
	EXPECT_ERR(mlock(p, 4096), EPERM);
}

/* Everything that a process held is back when it was killed in the middle of it. */
TEST_SLOW(killed_processes_leave_nothing_behind)
{
	/* Linux keeps many empty slabs. */
	long before = 0, after, slack_kb = ktap_is_quire() ? 4096 : 65536;
	for (int round = 0; round < 20; round++) {
		if (round == 3)
			before = ktap_number("/proc/meminfo", "MemFree");
		pid_t pid = ktap_fork();
		if (!pid) {
			int fds[2];
			setpgid(0, 0);		/* all of them are killed together */
			limit(RLIMIT_NOFILE, 1000);
			for (int i = 0; i < 5; i++)
				fork();
			while (pipe(fds) == 0)
				write(fds[1], "x", 1);
			for (;;) {
				char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
				memset(p, 1, 1 << 20);
				mprotect(p, 1 << 19, PROT_READ);
				munmap(p, 1 << 20);
			}
		}
		EXPECT_TRUE(ktap_until(getpgid(pid) == pid));
		ktap_sleep_ms(ktap_random() % 200);
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		EXPECT_STATUS(pid, SIGKILL);
	}
	EXPECT_TRUE(ktap_until((after = ktap_number("/proc/meminfo", "MemFree")) > before - slack_kb));
}
