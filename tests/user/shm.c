/* tests/user/shm.c - memory that processes share: anonymous, files, memfd; what goes over fork and exec, and truncation. */
#include "tests/user/pages.h"

#define RW (PROT_READ | PROT_WRITE)
static char *shared(size_t n) { return OK(mmap(NULL, n, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0)); }

TEST(writes_cross_fork_both_ways)
{
	volatile char *p = shared(4 * PAGE);
	struct turns t;
	turns_init(&t);
	p[0] = 'a';
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(p[0], 'a');
		p[0] = 'b';
		p[3 * PAGE] = 'c';		/* a page that nobody had touched */
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[1], 'd');
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(p[0], 'b');
	EXPECT_EQ(p[3 * PAGE], 'c');
	p[1] = 'd';
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(both_processes_map_the_same_frame)
{
	volatile char *p = shared(PAGE);
	p[0] = 1;
	uint64_t pfn = pfn_of(p);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_TRUE(!is_present(p));	/* not copied by fork: COW-25 */
		p[0] = 2;
		EXPECT_EQ(pfn_of(p), pfn);
		EXPECT_EQ(kpagecount(pfn), 2);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(!!(pagemap(p) & PM_FILE), 1);
}

TEST(counts_as_shmem_not_anon)
{
	long shmem = status_kb("RssShmem"), anon_kb = status_kb("RssAnon"), total = ktap_number("/proc/meminfo", "Shmem");
	char *p = shared(1 << 20);
	memset(p, 1, 1 << 20);
	EXPECT_GE(status_kb("RssShmem"), shmem + 1024 - 260);	/* Linux sums up in batches */
	EXPECT_LE(status_kb("RssAnon"), anon_kb + 64);
	EXPECT_GE(ktap_number("/proc/meminfo", "Shmem"), total + 900);
	OK(munmap(p, 1 << 20));
	EXPECT_LE(ktap_number("/proc/meminfo", "Shmem"), total + 100);
}

TEST(file_mapping_and_read_write_agree)
{
	int fd = OK(open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
	char text[10] = "";
	OK(ftruncate(fd, 2 * PAGE));
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	strcpy(p + PAGE - 3, "across");
	OK(pread(fd, text, 6, PAGE - 3));
	EXPECT_STR(text, "across");
	OK(pwrite(fd, "KERNEL", 6, PAGE - 3));
	EXPECT_STR(p + PAGE - 3, "KERNEL");
	close(fd);
	p[0] = 1;
}

TEST(two_mappings_of_one_file)
{
	int fd = OK(syscall(SYS_memfd_create, "two", 0));
	OK(ftruncate(fd, 2 * PAGE));
	char *a = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0)), *b = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE));
	a[PAGE + 5] = 'x';
	EXPECT_EQ(b[5], 'x');
	EXPECT_EQ(pfn_of(a + PAGE), pfn_of(b));
	EXPECT_EQ(kpagecount(pfn_of(b)), 2);
}

TEST(private_and_shared_of_one_file)
{
	int fd = OK(syscall(SYS_memfd_create, "ps", 0));
	OK(ftruncate(fd, PAGE));
	char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)), *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	s[0] = 'a';
	EXPECT_EQ(p[0], 'a');
	EXPECT_EQ(pfn_of(p), pfn_of(s));
	p[1] = 'p';
	EXPECT_NE(pfn_of(p), pfn_of(s));
	s[0] = 'b';
	EXPECT_EQ(p[0], 'a');
	EXPECT_EQ(s[1], 0);
}

HELPER(open_and_write)
{
	int fd = OK(open(argv[2], O_RDWR));
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	p[7] = 'e';
	return ktap_failed;
}

TEST(a_program_started_by_exec_sees_the_file)
{
	char path[] = "/dev/shm/quire.XXXXXX";
	int fd = OK(mkstemp(path));
	OK(ftruncate(fd, PAGE));
	volatile char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	pid_t pid = ktap_fork();
	if (!pid) {
		execv("/proc/self/exe", ktap_self("open_and_write", path));
		_exit(9);
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[7], 'e');
	OK(unlink(path));
	EXPECT_EQ(p[7], 'e');
}

TEST(truncation_in_one_process_hits_the_other)
{
	int fd = OK(syscall(SYS_memfd_create, "t", 0));
	struct turns t;
	turns_init(&t);
	OK(ftruncate(fd, 4 * PAGE));
	volatile char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	p[3 * PAGE] = 1;
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(p[3 * PAGE], 1);
		child_done(&t);
		child_waits(&t);
		(void)p[3 * PAGE];
		_exit(0);
	}
	parent_waits(&t);
	OK(ftruncate(fd, PAGE));
	child_go(&t);
	EXPECT_STATUS(pid, SIGBUS);
}

TEST(madv_remove_punches)
{
	char *p = shared(4 * PAGE);
	memset(p, 'x', 4 * PAGE);
	OK(madvise(p + PAGE, PAGE, 9 /* MADV_REMOVE */));
	EXPECT_EQ(p[PAGE], 0);
	EXPECT_EQ(p[0], 'x');
	EXPECT_EQ(p[2 * PAGE], 'x');
	char *q = anon(PAGE);
	EXPECT_ERR(madvise(q, PAGE, 9), EINVAL);
}

TEST(msync)
{
	char *p = shared(2 * PAGE);
	OK(msync(p, 2 * PAGE, MS_SYNC));
	OK(msync(p, 2 * PAGE, MS_ASYNC | MS_INVALIDATE));
	EXPECT_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	EXPECT_ERR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	OK(munmap(p, 2 * PAGE));
	EXPECT_ERR(msync(p, PAGE, MS_SYNC), ENOMEM);
}

TEST(seals)
{
	int fd = OK(syscall(SYS_memfd_create, "s", 2 /* ALLOW_SEALING */));
	OK(ftruncate(fd, PAGE));
	EXPECT_EQ(fcntl(fd, 1034 /* F_GET_SEALS */), 0);
	OK(fcntl(fd, 1033, 2 /* SHRINK */ | 4 /* GROW */));
	EXPECT_ERR(ftruncate(fd, 0), EPERM);
	EXPECT_ERR(ftruncate(fd, 2 * PAGE), EPERM);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	EXPECT_ERR(fcntl(fd, 1033, 8 /* WRITE */), EBUSY);
	OK(munmap(p, PAGE));
	OK(fcntl(fd, 1033, 8 | 1 /* SEAL */));
	EXPECT_ERR(write(fd, "x", 1), EPERM);
	EXPECT_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	EXPECT_ERR(fcntl(fd, 1033, 2), EPERM);
	int plain = OK(syscall(SYS_memfd_create, "p", 0));
	EXPECT_EQ(fcntl(plain, 1034), 1);
}

TEST(many_processes_count_in_one_word)
{
	long *p = (long *)shared(PAGE);
	for (int i = 0; i < 6; i++)
		if (ktap_fork() == 0) {
			for (int n = 0; n < 20000; n++)
				__atomic_add_fetch(p, 1, __ATOMIC_RELAXED);
			_exit(0);
		}
	for (int i = 0; i < 6; i++)
		EXPECT_CHILD(-1);
	EXPECT_EQ(*p, 120000);
}

TEST(freed_when_the_last_mapping_goes)
{
	long before = ktap_number("/proc/meminfo", "MemFree");
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = shared(32 << 20);
		memset(p, 1, 32 << 20);
		pid_t child = fork();
		if (!child)
			_exit(p[5] != 1);
		_exit(ktap_wait(child) != 0);
	}
	EXPECT_CHILD(pid);
	EXPECT_TRUE(ktap_until(ktap_number("/proc/meminfo", "MemFree") > before - 4096));
}
