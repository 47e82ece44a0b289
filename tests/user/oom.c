/* tests/user/oom.c - out of memory: a hog dies, others and the kernel live, and the memory comes back. */
#include "tests/user/pages.h"

static void set_score(int score)
{
	char text[20];
	snprintf(text, sizeof(text), "%d", score);
	ktap_write("/proc/self/oom_score_adj", text);
}
/* Take memory until the end comes. */
static void hog(int flags)
{
	set_score(1000);
	for (;;) {
		char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(50);
		memset(p, 1, 4 << 20);
	}
}
static long free_mb(void) { return ktap_number("/proc/meminfo", "MemAvailable") / 1024; }
static bool too_big(void) { return ktap_number("/proc/meminfo", "MemTotal") > 1500000; }

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
	if (too_big())
		SKIP("too much memory to fill");
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
	if (too_big())
		SKIP("too much memory to fill");
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
	if (too_big())
		SKIP("too much memory to fill");
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
	if (too_big())
		SKIP("too much memory to fill");
	long total = free_mb() * 7 / 10;
	set_score(-1000);
	pid_t pid = ktap_fork();
	if (!pid) {
		set_score(500);
		char *p = mmap(NULL, total << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		memset(p, 1, total << 20);
		pid_t child = fork();
		if (!child) {
			set_score(1000);
			memset(p, 2, total << 20);
			_exit(0);
		}
		int status = ktap_wait(child);
		_exit(status == SIGKILL && p[0] == 1 && p[(total << 20) - 1] == 1 ? 0 : 1);
	}
	EXPECT_CHILD(pid);
}

TEST_SLOW(tmpfs_filled_to_its_limit)
{
	char path[] = "/tmp/oom.XXXXXX";
	static char block[1 << 20];
	int fd = OK(mkstemp(path));
	OK(unlink(path));
	ssize_t n;
	while ((n = write(fd, block, sizeof(block))) == sizeof(block))
		;
	/* Half of the memory by default: that is the file system's own end, nobody dies. */
	EXPECT_TRUE(n >= 0 || errno == ENOSPC);
	EXPECT_ERR(write(fd, block, sizeof(block)), ENOSPC);
}
