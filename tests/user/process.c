/* tests/user/process.c - fork, vfork, clone, exit, wait4, waitid, rusage, orphans, process groups, pidfd. */
#include "ktap.h"
#include <sys/prctl.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

TEST(fork_gives_pids_on_both_sides)
{
	pid_t me = getpid();
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(getppid(), me);
		EXPECT_NE(getpid(), me);
		EXPECT_EQ(gettid(), getpid());
		ktap_exit();
	}
	EXPECT_GT(pid, 0);
	EXPECT_CHILD(pid);
}

TEST(exit_codes_keep_eight_bits)
{
	static const int codes[] = { 0, 1, 127, 255, 256, 257, -1 };
	for (unsigned int i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		pid_t pid = ktap_fork();
		if (!pid)
			_exit(codes[i]);
		EXPECT_STATUS(pid, EXITED(codes[i] & 255));
	}
}

TEST(death_by_signal_is_in_the_status)
{
	const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE, SIGHUP, SIGRTMIN };
	for (unsigned int i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			kill(getpid(), sigs[i]);
			_exit(0);
		}
		EXPECT_STATUS(pid, KILLED_BY(sigs[i]));
	}
}

TEST(wait_without_children_is_echild)
{
	int status;
	EXPECT_ERR(wait(&status), ECHILD);
	EXPECT_ERR(waitpid(1, &status, 0), ECHILD);
	EXPECT_ERR(waitpid(-1, &status, WNOHANG), ECHILD);
	EXPECT_ERR(waitpid(-1, &status, 0x40), EINVAL);
}

TEST(wnohang_returns_zero_while_it_runs)
{
	int status, fds[2];
	char c;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		close(fds[1]);
		read(fds[0], &c, 1);
		_exit(3);
	}
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	close(fds[1]);
	EXPECT_STATUS(pid, EXITED(3));
	EXPECT_ERR(waitpid(pid, &status, 0), ECHILD);
}

TEST(zombie_answers_kill_until_it_is_reaped)
{
	siginfo_t info;
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(0);
	OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(kill(pid, 0), 0);
	EXPECT_CHILD(pid);
	EXPECT_ERR(kill(pid, 0), ESRCH);
}

TEST(waitid_fills_siginfo)
{
	siginfo_t info;
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(42);
	memset(&info, 0xff, sizeof(info));
	OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(info.si_signo, SIGCHLD);
	EXPECT_EQ(info.si_code, CLD_EXITED);
	EXPECT_EQ(info.si_pid, pid);
	EXPECT_EQ(info.si_uid, getuid());
	EXPECT_EQ(info.si_status, 42);
	/* WNOWAIT left it there. */
	OK(waitid(P_ALL, 0, &info, WEXITED));
	EXPECT_EQ(info.si_pid, pid);
	EXPECT_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
	EXPECT_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
}

TEST(waitid_tells_killed_and_stopped)
{
	siginfo_t info;
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	OK(kill(pid, SIGSTOP));
	OK(waitid(P_PID, pid, &info, WSTOPPED));
	EXPECT_EQ(info.si_code, CLD_STOPPED);
	EXPECT_EQ(info.si_status, SIGSTOP);
	OK(kill(pid, SIGCONT));
	OK(waitid(P_PID, pid, &info, WCONTINUED));
	EXPECT_EQ(info.si_code, CLD_CONTINUED);
	EXPECT_EQ(info.si_status, SIGCONT);
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PID, pid, &info, WEXITED));
	EXPECT_EQ(info.si_code, CLD_KILLED);
	EXPECT_EQ(info.si_status, SIGKILL);
}

TEST(wait4_stop_and_continue_statuses)
{
	int status;
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	OK(kill(pid, SIGTSTP));
	/* This group is not orphaned: its leader's parent is in another group of the session. */
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	EXPECT_EQ(status, 0x7f | SIGTSTP << 8);
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	EXPECT_EQ(waitpid(pid, &status, WCONTINUED), pid);
	EXPECT_EQ(status, 0xffff);
	OK(kill(pid, SIGKILL));
	EXPECT_STATUS(pid, SIGKILL);
}

TEST(wait_by_process_group)
{
	int status;
	pid_t a = ktap_fork();
	if (!a)
		_exit(1);
	pid_t b = ktap_fork();
	if (!b)
		for (;;)
			pause();
	/* A's group is ours; B gets one of its own. */
	OK(setpgid(b, b));
	EXPECT_EQ(getpgid(b), b);
	OK(kill(-b, SIGKILL));
	EXPECT_EQ(waitpid(-b, &status, 0), b);
	EXPECT_EQ(waitpid(0, &status, 0), a);
	EXPECT_ERR(waitpid(-b, &status, 0), ECHILD);
}

TEST(setpgid_errors)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setsid());
		EXPECT_EQ(getsid(0), getpid());
		EXPECT_EQ(getpgrp(), getpid());
		EXPECT_ERR(setpgid(0, 0), EPERM);
		EXPECT_ERR(setsid(), EPERM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_ERR(setpgid(0, 999999), EPERM);
	EXPECT_ERR(setpgid(999999, 0), ESRCH);
	EXPECT_ERR(setpgid(0, -1), EINVAL);
	EXPECT_ERR(getpgid(999999), ESRCH);
	EXPECT_ERR(getsid(999999), ESRCH);
}

HELPER(sleep_forever)
{
	sleep(1000);
	return 0;
}

TEST(setpgid_of_a_child_after_exec_is_eacces)
{
	int fds[2];
	char c;
	OK(pipe2(fds, O_CLOEXEC));
	pid_t pid = ktap_fork();
	if (!pid) {
		execv("/proc/self/exe", ktap_self("sleep_forever"));
		_exit(1);
	}
	close(fds[1]);
	EXPECT_EQ(read(fds[0], &c, 1), 0);	/* closed by exec */
	EXPECT_ERR(setpgid(pid, pid), EACCES);
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, SIGKILL);
}

TEST(orphan_gets_init_as_parent)
{
	int fds[2], ppid = 0;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		pid_t parent = getpid();
		if (fork() == 0) {
			ktap_until(getppid() != parent);
			ppid = getppid();
			write(fds[1], &ppid, sizeof(ppid));
			_exit(0);
		}
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(read(fds[0], &ppid, sizeof(ppid)), sizeof(ppid));
	EXPECT_EQ(ppid, 1);
}

TEST(sigchld_arrives_with_the_code)
{
	sigset_t set;
	siginfo_t info;
	struct timespec limit = { 5, 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(9);
	EXPECT_EQ(sigtimedwait(&set, &info, &limit), SIGCHLD);
	EXPECT_EQ(info.si_pid, pid);
	EXPECT_EQ(info.si_code, CLD_EXITED);
	EXPECT_EQ(info.si_status, 9);
	EXPECT_STATUS(pid, EXITED(9));
}

TEST(ignored_sigchld_leaves_no_zombie)
{
	int status;
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(9);
	/* wait sleeps until all are gone, then finds none. */
	EXPECT_ERR(waitpid(-1, &status, 0), ECHILD);
	EXPECT_TRUE(ktap_until(kill(pid, 0) == -1 && errno == ESRCH));
}

TEST(vfork_parent_waits_for_exit)
{
	volatile int shared = 1;
	pid_t pid = vfork();
	if (!pid) {
		shared = 2;
		_exit(5);
	}
	ASSERT_GE(pid, 1);
	EXPECT_EQ(shared, 2);		/* one address space, and the child was first */
	EXPECT_STATUS(pid, EXITED(5));
}

HELPER(exit_six) { return 6; }

TEST(vfork_parent_waits_for_exec)
{
	char *const *argv = ktap_self("exit_six");
	pid_t pid = vfork();
	if (!pid) {
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	EXPECT_STATUS(pid, EXITED(6));
}

TEST(clone_without_sigchld_needs_wclone)
{
	int status;
	pid_t pid = OK(syscall(SYS_clone, 0, NULL, NULL, NULL, 0));
	if (!pid)
		_exit(8);
	EXPECT_ERR(waitpid(pid, &status, 0), ECHILD);
	EXPECT_EQ(waitpid(pid, &status, __WCLONE), pid);
	EXPECT_EQ(status, EXITED(8));
}

TEST(clone_refuses_impossible_flags)
{
	/* THREAD needs SIGHAND, SIGHAND needs VM. */
	EXPECT_ERR(syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL, 0), EINVAL);
}

TEST(clone_with_a_bad_pidfd_pointer_leaves_no_child)
{
	int next = OK(dup(0));
	close(next);
	EXPECT_ERR(syscall(SYS_clone, 0x1000 /* PIDFD */ | SIGCHLD, NULL, (void *)8, NULL, 0), EFAULT);
	EXPECT_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
	EXPECT_EQ(dup(0), next);
	int fd = -1;
	pid_t pid = OK(syscall(SYS_clone, 0x1000 | SIGCHLD, NULL, &fd, NULL, 0));
	if (!pid)
		_exit(7);
	EXPECT_EQ(fd, next + 1);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_STATUS(pid, EXITED(7));
}

TEST(clone_settid_and_cleartid)
{
	pid_t tid = 0;
	pid_t *shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid = OK(syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
			       &tid, shared, 0));
	if (!pid) {
		shared[1] = *shared;
		_exit(0);
	}
	EXPECT_EQ(tid, pid);
	EXPECT_CHILD(pid);
	EXPECT_EQ(shared[1], pid);
	EXPECT_EQ(shared[0], pid);	/* cleared only if others share the address space; here nobody does */
}

TEST(clone_files_shares_descriptors)
{
	pid_t pid = OK(syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0));
	if (!pid) {
		dup2(1, 77);
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(fcntl(77, F_GETFD), 0);
}

TEST(clone_fs_shares_the_directory)
{
	char path[100];
	OK(chdir("/"));
	pid_t pid = OK(syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, 0));
	if (!pid)
		_exit(chdir("/tmp") != 0);
	EXPECT_CHILD(pid);
	EXPECT_STR(getcwd(path, sizeof(path)), "/tmp");
	pid = ktap_fork();
	if (!pid)
		_exit(chdir("/proc") != 0);
	EXPECT_CHILD(pid);
	EXPECT_STR(getcwd(path, sizeof(path)), "/tmp");
}

TEST(descriptors_share_the_offset_over_fork)
{
	char text[10] = "";
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(write(fd, "abcdef", 6));
	OK(lseek(fd, 0, SEEK_SET));
	pid_t pid = ktap_fork();
	if (!pid) {
		read(fd, text, 3);
		_exit(0);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(read(fd, text, 3), 3);
	EXPECT_STR(text, "def");
}

TEST(rusage_of_children_moves_at_wait)
{
	struct rusage r, before, after;
	int status;
	getrusage(RUSAGE_CHILDREN, &before);
	pid_t pid = ktap_fork();
	if (!pid) {
		double end = ktap_now() + 0.15;
		while (ktap_now() < end)
			;
		char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; i < 4 << 20; i += PAGE)
			p[i] = 1;
		_exit(0);
	}
	EXPECT_EQ(wait4(pid, &status, 0, &r), pid);
	long us = (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
	EXPECT_GE(us, 20000);
	EXPECT_GE(r.ru_minflt, 2);		/* one for each huge page at least */
	EXPECT_GE(r.ru_maxrss, 4096);
	getrusage(RUSAGE_CHILDREN, &after);
	EXPECT_GE(after.ru_minflt, before.ru_minflt + r.ru_minflt);
	EXPECT_ERR(getrusage(5, &r), EINVAL);
}

TEST(pidfd_polls_readable_at_exit)
{
	int fds[2];
	siginfo_t info;
	char c;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		close(fds[1]);
		read(fds[0], &c, 1);
		_exit(11);
	}
	int fd = OK(syscall(SYS_pidfd_open, pid, 0));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd p = { fd, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 20), 0);
	close(fds[1]);
	EXPECT_EQ(poll(&p, 1, 5000), 1);
	EXPECT_EQ(p.revents & POLLIN, POLLIN);
	OK(waitid(P_PIDFD, fd, &info, WEXITED));
	EXPECT_EQ(info.si_status, 11);
	EXPECT_ERR(syscall(SYS_pidfd_open, pid, 0), ESRCH);
	EXPECT_ERR(syscall(SYS_pidfd_open, 0, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_pidfd_open, getpid(), 1), EINVAL);
}

TEST(waitid_by_nonblocking_pidfd_gives_eagain)
{
	siginfo_t info;
	pid_t pid = ktap_fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	int fd = OK(syscall(SYS_pidfd_open, pid, O_NONBLOCK));
	EXPECT_ERR(waitid(P_PIDFD, fd, &info, WEXITED), EAGAIN);
	EXPECT_EQ(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG), 0);
	OK(kill(pid, SIGKILL));
	struct pollfd p = { fd, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 5000), 1);
	EXPECT_EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
	EXPECT_EQ(info.si_status, SIGKILL);
}

TEST(comm_is_set_and_inherited)
{
	char name[16] = "";
	OK(prctl(PR_SET_NAME, "a name that is far too long"));
	OK(prctl(PR_GET_NAME, name));
	EXPECT_STR(name, "a name that is ");
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(prctl(PR_GET_NAME, name));
		EXPECT_STR(name, "a name that is ");
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_STR(ktap_read("/proc/self/comm"), "a name that is \n");
}

TEST(environment_is_for_those_who_may_look)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/%d/environ", getpid());
	int fd = OK(open(path, O_RDONLY));
	char c;
	EXPECT_EQ(pread(fd, &c, 1, 0), 1);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setgid(65534));
		OK(setuid(65534));
		EXPECT_ERR(open(path, O_RDONLY), EACCES);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(parent_death_signal)
{
	int fds[2];
	char c;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		pid_t child = fork();
		if (!child) {
			close(fds[0]);
			if (prctl(PR_SET_PDEATHSIG, SIGKILL))
				_exit(0);
			write(fds[1], "x", 1);
			for (;;)
				pause();
		}
		close(fds[1]);
		read(fds[0], &c, 1);
		_exit(0);
	}
	close(fds[1]);
	EXPECT_CHILD(pid);
	EXPECT_EQ(read(fds[0], &c, 1), 0);	/* its last writer was killed */
}

TEST(no_leak_over_many_forks)
{
	long n = ktap_scale(1000);
	for (long i = 0; i < n; i++) {
		pid_t pid = OK(fork());
		if (!pid)
			_exit(0);
		ASSERT_EQ(ktap_wait(pid), 0);
	}
}

/* Free memory after 10,000 forks is what it was after the first 100: not a byte of 50 is lost in each. */
TEST_SLOW(ten_thousand_forks_keep_memory)
{
	long n = ktap_scale(10000), before = 0, after, slack_kb = ktap_is_quire() ? 512 : 16384;
	for (long i = 0; i < n; i++) {
		pid_t pid = OK(fork());
		if (!pid)
			_exit(0);
		ASSERT_EQ(ktap_wait(pid), 0);
		if (i == n / 100)
			before = ktap_number("/proc/meminfo", "MemFree");
	}
	if (!ktap_until((after = ktap_number("/proc/meminfo", "MemFree")) > before - slack_kb))
		KTAP_FAIL("# %ld kB free, %ld kB before", after, before);
}

/* Each takes its page tables, its stacks and the few pages it writes: 4,000 fit into 1 GiB. */
TEST_SLOW(four_thousand_processes_at_once)
{
	long n = ktap_scale(4000), fit = ktap_number("/proc/meminfo", "MemAvailable") / 200;
	int fds[2];
	char c;
	if (n > fit)
		n = fit;
	OK(pipe(fds));
	for (long i = 0; i < n; i++) {
		pid_t pid = OK(fork());
		if (!pid) {
			close(fds[1]);
			read(fds[0], &c, 1);
			_exit(i & 127);
		}
	}
	close(fds[1]);
	long sum = 0, expected = 0;
	for (long i = 0; i < n; i++) {
		expected += i & 127;
		sum += WEXITSTATUS(ktap_wait(-1));
	}
	EXPECT_EQ(sum, expected);
}

/* The CPU time of a process, from its own clock. */
static double cpu_time_of(pid_t pid)
{
	struct timespec t = { 0, 0 };
	clockid_t clock;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Three that only compute, on two CPUs: nobody gets one CPU for himself while the others share one. */
TEST(three_busy_processes_share_two_cpus)
{
	cpu_set_t all, two;
	pid_t pid[3];
	OK(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&two);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&two) < 2; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &two);
	if (CPU_COUNT(&two) < 2)
		SKIP("one CPU only");
	for (int i = 0; i < 3; i++) {
		pid[i] = ktap_fork();
		if (!pid[i]) {
			OK(sched_setaffinity(0, sizeof(two), &two));
			for (;;)
				;
		}
	}
	/* Without balancing the ratio stays at a half. */
	double least, most;
	EXPECT_TRUE(ktap_until(({
		least = 1e9, most = 0;
		for (int i = 0; i < 3; i++) {
			double t = cpu_time_of(pid[i]);
			least = t < least ? t : least;
			most = t > most ? t : most;
		}
		least > 0.5 && least > most * 0.7;
	})));
	for (int i = 0; i < 3; i++) {
		OK(kill(pid[i], SIGKILL));
		EXPECT_STATUS(pid[i], SIGKILL);
	}
}
