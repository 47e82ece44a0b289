/* tests/user/quire.c - what only Quire has: the files of /sys/kernel/debug/quire. Skipped elsewhere. */
#include "tests/user/ktap.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#define DIR_ "/sys/kernel/debug/quire/"
#define ONLY_QUIRE do { if (!ktap_is_quire()) SKIP("this is not Quire"); } while (0)
/* A file that RELEASE builds do not have. */
#define NEEDS(file) do { ONLY_QUIRE; if (access(DIR_ file, F_OK)) SKIP("not in this build"); } while (0)

TEST(uname_is_linux_7_1_quire)
{
	struct utsname u;
	ONLY_QUIRE;
	OK(uname(&u));
	EXPECT_STR(u.sysname, "Linux");
	EXPECT_STR(u.release, "7.1.0-quire");
	EXPECT_STR(u.machine, "x86_64");
	EXPECT_STR(ktap_read("/proc/sys/kernel/randomize_va_space"), "0\n");
}

TEST(exit_takes_only_0_and_1)
{
	ONLY_QUIRE;
	EXPECT_EQ(ktap_write(DIR_ "exit", "2"), EINVAL);
	EXPECT_EQ(ktap_write(DIR_ "exit", "yes"), EINVAL);
	EXPECT_EQ(ktap_write(DIR_ "exit", "0 1"), EINVAL);
	EXPECT_TRUE(ktap_read(DIR_ "exit")[0] != 0);	/* reading shows the syntax */
}

TEST(exit_is_for_root)
{
	ONLY_QUIRE;
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setgid(65534));
		OK(setuid(65534));
		EXPECT_ERR(open(DIR_ "exit", O_WRONLY), EACCES);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(lockdep_knows_classes_and_has_nothing_to_report)
{
	NEEDS("lockdep");
	char *text = ktap_read(DIR_ "lockdep");
	EXPECT_TRUE(strstr(text, "mmap_lock") != NULL);
	EXPECT_TRUE(strstr(text, "->") != NULL);
	EXPECT_TRUE(strstr(text, "inconsistent") == NULL);
}

TEST(kernel_is_not_tainted)
{
	EXPECT_STR(ktap_read("/proc/sys/kernel/tainted"), "0\n");
}

TEST(controls_reject_nonsense)
{
	static const char *const names[] = { "check", "folio", "pause", "fail", "force", "alloc", "lockdep", "exit" };
	ONLY_QUIRE;
	int found = 0;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[100];
		struct stat st;
		snprintf(path, sizeof(path), DIR_ "%s", names[i]);
		if (stat(path, &st))
			continue;
		found++;
		if (st.st_mode & 0222)
			EXPECT_EQ(ktap_write(path, "this is nonsense"), EINVAL);
	}
	EXPECT_GE(found, 1);
}

/*
 * Three proofs that there is no big lock. The kernel counts how many CPUs are inside at the same moment; both sides go
 * on until it has seen two. The parent sleeps meanwhile, so that the two have the CPUs.
 */
static long most_at_once(const char *section) { return ktap_number(DIR_ "concurrency", section); }

static void reset_concurrency(void)
{
	NEEDS("concurrency");
	if (ktap_cpus < 2)
		SKIP("one CPU");
	OK(ktap_write(DIR_ "concurrency", "reset"));
}

static volatile int proof_done;

static void *fault_for_ever(void *arg)
{
	while (!proof_done) {
		for (int at = 0; at < 1 << 20; at += 4096)
			((volatile char *)arg)[at] = 1;
		madvise(arg, 1 << 20, MADV_DONTNEED);
	}
	return NULL;
}

TEST(two_cpus_fault_in_one_process_at_once)
{
	pthread_t t[2];
	reset_concurrency();
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, fault_for_ever,
			       mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EXPECT_TRUE(ktap_until(most_at_once("page_fault") >= 2));
	proof_done = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

/* Two children that call DO_IT until they are killed, and a parent that waits for the counter. */
static void two_processes(void (*do_it)(void), const char *section)
{
	pid_t pid[2];
	for (int i = 0; i < 2; i++) {
		pid[i] = ktap_fork();
		if (!pid[i])
			for (;;)
				do_it();
	}
	EXPECT_TRUE(ktap_until(most_at_once(section) >= 2));
	for (int i = 0; i < 2; i++) {
		OK(kill(pid[i], SIGKILL));
		OK(waitpid(pid[i], NULL, 0));
	}
}

static void fork_once(void)
{
	pid_t pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

TEST(two_cpus_fork_in_two_processes_at_once)
{
	reset_concurrency();
	two_processes(fork_once, "fork");
}

static void pipe_once(void)
{
	static int fd[2];
	char buf[4096];
	if (!fd[1])
		OK(pipe(fd));
	EXPECT_EQ(write(fd[1], buf, sizeof(buf)), sizeof(buf));
	EXPECT_EQ(read(fd[0], buf, sizeof(buf)), sizeof(buf));
}

TEST(two_cpus_write_to_two_pipes_at_once)
{
	reset_concurrency();
	two_processes(pipe_once, "pipe_write");
}
