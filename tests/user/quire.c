/* tests/user/quire.c - what only Quire has: the files of /sys/kernel/debug/quire. Skipped elsewhere. */
#include "tests/user/ktap.h"
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

TEST(several_cpus_were_in_the_fault_handler_at_once)
{
	/* Counters of the greatest number of CPUs inside at the same time; there is no big lock. */
	NEEDS("concurrency");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 2)
		SKIP("one CPU");
	char *const p = OK(mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2; i++)
			if (ktap_fork() == 0) {
				for (int at = i * 4096; at < 32 << 20; at += 8192)
					p[at] = 1;
				_exit(0);
			}
		EXPECT_CHILD(-1);
		EXPECT_CHILD(-1);
		madvise(p, 32 << 20, 9);
	}
	EXPECT_GE(ktap_number(DIR_ "concurrency", "page_fault"), 2);
}
