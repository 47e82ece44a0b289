/* tests/user/madvise.c - madvise and mincore: what each advice does, and its errors. */
#include "tests/user/pages.h"

#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS)
#define POPULATE_READ 22
#define POPULATE_WRITE 23
#define WIPEONFORK 18
#define KEEPONFORK 19

TEST(dontneed_frees_and_zeroes)
{
	char *p = anon(1000 * PAGE);
	memset(p, 'x', 1000 * PAGE);
	long rss = status_kb("RssAnon");
	OK(madvise(p + 8 * PAGE, 992 * PAGE, MADV_DONTNEED));
	EXPECT_LE(status_kb("RssAnon"), rss - 3600);	/* Linux sums up in batches */
	OK(madvise(p + 2 * PAGE, 4 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(!is_present(p + 2 * PAGE));
	EXPECT_EQ(p[2 * PAGE], 0);
	EXPECT_EQ(p[PAGE], 'x');
	EXPECT_EQ(p[6 * PAGE], 'x');
}

TEST(dontneed_on_a_private_file_brings_the_file_back)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(write(fd, "file", 4));
	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	p[0] = 'X';
	OK(madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_EQ(p[0], 'f');
}

TEST(dontneed_keeps_shared_contents)
{
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	p[0] = 'x';
	OK(madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(!is_present(p));
	EXPECT_EQ(p[0], 'x');
}

TEST(errors)
{
	char *p = anon(4 * PAGE);
	EXPECT_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	EXPECT_ERR(madvise(p, PAGE, 999), EINVAL);
	EXPECT_EQ(madvise(p, 0, MADV_DONTNEED), 0);
	EXPECT_ERR(madvise(p, 0, 999), EINVAL);
	/* A hole: ENOMEM, but the mapped parts are done. */
	memset(p, 'x', 4 * PAGE);
	OK(munmap(p + PAGE, PAGE));
	EXPECT_ERR(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[3 * PAGE], 0);
}

TEST(harmless_hints)
{
	char *p = anon(4 * PAGE);
	memset(p, 'x', 4 * PAGE);
	static const int hints[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, 16 /* DONTDUMP */, 17 };
	for (unsigned int i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		EXPECT_EQ(madvise(p, 4 * PAGE, hints[i]), 0);
	EXPECT_EQ(p[2 * PAGE], 'x');
}

TEST(populate_read_and_write)
{
	char *p = anon(8 * PAGE);
	if (madvise(p, PAGE, POPULATE_READ) && errno == EINVAL)
		SKIP("no MADV_POPULATE");
	OK(madvise(p, 4 * PAGE, POPULATE_READ));
	EXPECT_TRUE(is_present(p + 3 * PAGE));
	EXPECT_TRUE(!is_present(p + 4 * PAGE));
	OK(madvise(p, 8 * PAGE, POPULATE_WRITE));
	EXPECT_NE(pfn_of(p), pfn_of(p + PAGE));
	struct rusage a, b;
	getrusage(RUSAGE_SELF, &a);
	memset(p, 'x', 8 * PAGE);
	getrusage(RUSAGE_SELF, &b);
	EXPECT_LE(b.ru_minflt - a.ru_minflt, 2);
	OK(mprotect(p, PAGE, PROT_READ));
	EXPECT_ERR(madvise(p, PAGE, POPULATE_WRITE), EINVAL);
	OK(mprotect(p, PAGE, PROT_NONE));
	EXPECT_ERR(madvise(p, PAGE, POPULATE_READ), EINVAL);
	OK(munmap(p + PAGE, PAGE));
	EXPECT_ERR(madvise(p + PAGE, 3 * PAGE, POPULATE_READ), ENOMEM);
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	char *f = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	EXPECT_ERR(madvise(f, PAGE, POPULATE_READ), EFAULT);
}

TEST(dontfork_leaves_it_out)
{
	char *p = anon(3 * PAGE);
	memset(p, 'x', 3 * PAGE);
	OK(madvise(p + PAGE, PAGE, MADV_DONTFORK));
	EXPECT_EQ(count_maps(p, 3 * PAGE), 3);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(count_maps(p, 3 * PAGE), 2);
		EXPECT_EQ(p[0], 'x');
		EXPECT_EQ(touch_signal(p + PAGE, false), SIGSEGV);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	OK(madvise(p + PAGE, PAGE, MADV_DOFORK));
	EXPECT_EQ(count_maps(p, 3 * PAGE), 1);
	EXPECT_EQ(p[PAGE], 'x');
}

TEST(wipeonfork)
{
	char *p = anon(2 * PAGE);
	memset(p, 'x', 2 * PAGE);
	if (madvise(p, PAGE, WIPEONFORK) && errno == EINVAL)
		SKIP("no MADV_WIPEONFORK");
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(p[0], 0);
		EXPECT_EQ(p[PAGE], 'x');
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[0], 'x');
	OK(madvise(p, PAGE, KEEPONFORK));
	pid = ktap_fork();
	if (!pid)
		_exit(p[0] != 'x');
	EXPECT_CHILD(pid);
	char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	EXPECT_ERR(madvise(s, PAGE, WIPEONFORK), EINVAL);
}

TEST(mincore_tells_what_is_there)
{
	char *p = anon(4 * PAGE);
	unsigned char v[4];
	memset(v, 0xff, 4);
	p[0] = p[2 * PAGE] = 1;
	OK(mincore(p, 4 * PAGE, v));
	EXPECT_EQ(v[0] & 1, 1);
	EXPECT_EQ(v[1] & 1, 0);
	EXPECT_EQ(v[2] & 1, 1);
	EXPECT_EQ(v[3] & 1, 0);
	OK(madvise(p, PAGE, MADV_DONTNEED));
	OK(mincore(p, PAGE, v));
	EXPECT_EQ(v[0] & 1, 0);
}

TEST(mincore_of_a_file_asks_the_cache)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	unsigned char v[2];
	OK(ftruncate(fd, 2 * PAGE));
	OK(pwrite(fd, "x", 1, PAGE));
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	OK(mincore(p, 2 * PAGE, v));
	EXPECT_EQ(v[0] & 1, 0);
	EXPECT_EQ(v[1] & 1, 1);
}

TEST(mincore_errors)
{
	char *p = anon(2 * PAGE);
	unsigned char v[4];
	EXPECT_ERR(mincore(p + 1, PAGE, v), EINVAL);
	EXPECT_ERR(mincore(p, 2 * PAGE, (void *)8), EFAULT);
	OK(munmap(p + PAGE, PAGE));
	EXPECT_ERR(mincore(p, 2 * PAGE, v), ENOMEM);
	EXPECT_EQ(mincore(p, PAGE, v), 0);
}

TEST(mlock_keeps_and_counts)
{
	char *p = anon(4 * PAGE);
	if (mlock(p, PAGE) && errno == ENOSYS)
		SKIP("no mlock");
	OK(mlock(p, 4 * PAGE));
	EXPECT_TRUE(is_present(p + 3 * PAGE));
	EXPECT_EQ(status_kb("VmLck"), 16);
	EXPECT_ERR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
	OK(munlock(p, 4 * PAGE));
	EXPECT_EQ(status_kb("VmLck"), 0);
	EXPECT_ERR(mlock(p + 4 * PAGE, PAGE), ENOMEM);
}
