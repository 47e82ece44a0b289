/*
 * tests/user/swapon.c - swap areas: what swapon and swapoff take and refuse, priorities, and that swapoff brings back
 * everything or fails and has lost nothing (SWAP-19).
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"
#include <pthread.h>

/* ---- Errors ---- */

static void header_is_refused(const char *disk, uint32_t version, uint32_t last, uint32_t bad, int error)
{
	uint32_t words[3] = { version, last, bad };
	int fd;
	make_swap(disk, disk_pages(disk));
	fd = OK(open(disk, O_RDWR | O_CLOEXEC));
	ASSERT_EQ(pwrite(fd, words, sizeof(words), SWAP_HEADER), sizeof(words));
	fsync(fd);
	close(fd);
	EXPECT_ERR(swapon(disk, 0), error);
}

TEST(bad_headers_are_refused)
{
	const char *disk = swap_on(0);
	uint32_t pages = (uint32_t)disk_pages(disk);
	char zero[16] = { 0 };
	int fd;

	swap_off(disk);
	header_is_refused(disk, 2, pages - 1, 0, EINVAL);
	header_is_refused(disk, 1, 0, 0, EINVAL);
	header_is_refused(disk, 1, pages, 0, EINVAL);
	header_is_refused(disk, 1, pages - 1, 638, EINVAL);
	make_swap(disk, pages);
	fd = OK(open(disk, O_RDWR | O_CLOEXEC));
	ASSERT_EQ(pwrite(fd, zero, 10, SWAP_MAGIC), 10);
	fsync(fd);
	close(fd);
	EXPECT_ERR(swapon(disk, 0), EINVAL);
	make_swap(disk, pages);
	OK(swapon(disk, 0));
	swap_off(disk);
}

TEST(bad_blocks_are_not_used)
{
	const char *disk = swap_on(0);
	uint32_t words[3] = { 1, 64, 2 }, bad[2] = { 1, 64 };
	long total;
	char *p;
	int fd;

	swap_off(disk);
	make_swap(disk, 65);
	fd = OK(open(disk, O_RDWR | O_CLOEXEC));
	ASSERT_EQ(pwrite(fd, words, sizeof(words), SWAP_HEADER), sizeof(words));
	ASSERT_EQ(pwrite(fd, bad, sizeof(bad), 1536), sizeof(bad));
	fsync(fd);
	close(fd);
	OK(swapon(disk, 0));
	total = meminfo_kb("SwapTotal");
	EXPECT_EQ(total, 62 * 4);
	p = anon(62 * PAGE);
	fill_pages(p, 62 * PAGE);
	EXPECT_EQ(page_out(p, 62 * PAGE), 62);
	for (int i = 0; i < 62; i++) {
		EXPECT_GT(PM_SWAP_OFFSET(pagemap(p + i * PAGE)), 1);
		EXPECT_LT(PM_SWAP_OFFSET(pagemap(p + i * PAGE)), 64);
	}
	EXPECT_EQ(wrong_pages(p, 62 * PAGE, 0), 0);
	swap_off(disk);
}

TEST(what_is_no_disk_is_refused)
{
	const char *disk = swap_on(0);
	pid_t pid;
	int fd;

	EXPECT_ERR(swapon(disk, 0), EBUSY);
	EXPECT_ERR(swapon("/dev/null", 0), EINVAL);
	EXPECT_ERR(swapon("/no/such/file", 0), ENOENT);
	EXPECT_ERR(swapon((char *)8, 0), EFAULT);
	EXPECT_ERR(swapon("/tmp", 0), EISDIR);
	EXPECT_ERR(swapon(disk, 0x100000), EINVAL);
	EXPECT_ERR(swapoff("/dev/null"), EINVAL);
	EXPECT_ERR(swapoff("/no/such/file"), ENOENT);
	fd = OK(open("/tmp/swapfile", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	OK(ftruncate(fd, 1 << 20));
	close(fd);
	/* Where /tmp is memory; elsewhere there is no header. */
	EXPECT_ERR(swapon("/tmp/swapfile", 0), EINVAL);
	unlink("/tmp/swapfile");
	pid = ktap_fork();
	if (!pid) {
		OK(setuid(1000));
		EXPECT_ERR(swapon(disk, 0), EPERM);
		EXPECT_ERR(swapoff(disk), EPERM);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	swap_off(disk);
	EXPECT_ERR(swapoff(disk), EINVAL);
}

/* The higher priority first; of equals each gets its share. */
TEST(priorities_say_which_area_is_used)
{
	const char *disks[2] = { "/dev/ram0", "/dev/vda" };
	long used[2][32] = { { 0 } };
	char *p = anon(64 * PAGE);

	for (int i = 0; i < 2; i++)
		if (access(disks[i], R_OK | W_OK))
			SKIP("needs two disks");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++) {
			swapoff(disks[i]);
			make_swap(disks[i], disk_pages(disks[i]));
			OK(swapon(disks[i], round ? SWAP_FLAG_PREFER | (5 + i) : SWAP_FLAG_PREFER | 5));
		}
		fill_pages(p, 64 * PAGE);
		EXPECT_EQ(page_out(p, 64 * PAGE), 64);
		for (int i = 0; i < 64; i++)
			used[round][PM_SWAP_TYPE(pagemap(p + i * PAGE))]++;
		EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
		for (int i = 0; i < 2; i++)
			swap_off(disks[i]);
	}
	EXPECT_GT(used[0][0], 0);
	EXPECT_GT(used[0][1], 0);
	EXPECT_EQ(used[0][0] + used[0][1], 64);
	EXPECT_EQ(used[1][1], 64);
}

/* ---- swapoff ---- */

TEST_KINDS(swapoff_brings_back_everything)
{
	const char *disk = swap_on(0);
	char *p = area_of(k);
	char *shared = OK(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	struct turns t;
	pid_t pid;

	turns_init(&t);
	fill_pages(shared, 16 * PAGE);
	ASSERT_EQ(page_out(p, k->size), k->size / PAGE);
	madvise(shared, 16 * PAGE, MADV_PAGEOUT);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(pages_swapped(p, k->size), 0);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		EXPECT_EQ(wrong_pages(shared, 16 * PAGE, 0), 0);
		ktap_exit();
	}
	swap_off(disk);
	EXPECT_EQ(meminfo_kb("SwapTotal"), 0);
	EXPECT_EQ(pages_swapped(p, k->size), 0);
	EXPECT_EQ(status_kb("VmSwap"), 0);
	child_go(&t);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	EXPECT_EQ(wrong_pages(shared, 16 * PAGE, 0), 0);
	EXPECT_CHILD(pid);
	p[0] = 'W';
}

/* What was exclusive is so again: the first write asks nobody for a copy. */
TEST(swapoff_keeps_exclusiveness)
{
	const char *disk = swap_on(0);
	char *p = anon(4 * PAGE);
	uint64_t pfn;

	fill_pages(p, 4 * PAGE);
	ASSERT_EQ(page_out(p, 4 * PAGE), 4);
	swap_off(disk);
	pfn = pfn_of(p);
	EXPECT_NE(pfn, 0);
	p[0] = 'W';
	EXPECT_EQ(pfn_of(p), pfn);
}
/* And gives it to nobody: what fork shared is copied afterwards. */
TEST(swapoff_makes_nothing_exclusive)
{
	const char *disk = swap_on(0);
	char *p = anon(4 * PAGE);
	struct turns t;
	pid_t pid;

	turns_init(&t);
	fill_pages(p, 4 * PAGE);
	ASSERT_EQ(page_out(p, 4 * PAGE), 4);
	pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0), 0);
		ktap_exit();
	}
	swap_off(disk);
	memset(p, 'W', 4 * PAGE);
	child_go(&t);
	EXPECT_CHILD(pid);
}

static void nothing(int sig) { }

/* A signal ends it early; nothing is lost, and the area works on. */
TEST(swapoff_is_interrupted)
{
	const char *disk = swap_on(0);
	char *p = anon(64 * PAGE);
	struct turns t;
	pid_t pid;

	if (!have_control("pause"))
		SKIP("needs Quire's controls");
	turns_init(&t);
	fill_pages(p, 64 * PAGE);
	ASSERT_EQ(page_out(p, 64 * PAGE), 64);
	pid = ktap_fork();
	if (!pid) {
		struct sigaction sa = { .sa_handler = nothing };
		sigaction(SIGUSR1, &sa, NULL);
		child_waits(&t);
		EXPECT_ERR(swapoff(disk), EINTR);
		ktap_exit();
	}
	ASSERT_EQ(control("pause", "arm swapoff_entry %d", (int)pid), 0);
	child_go(&t);
	EXPECT_TRUE(ktap_until(parked_at("swapoff_entry") == 1));
	OK(kill(pid, SIGUSR1));
	EXPECT_EQ(control("pause", "disarm swapoff_entry"), 0);
	EXPECT_EQ(control("pause", "release swapoff_entry"), 0);
	EXPECT_CHILD(pid);
	EXPECT_GT(meminfo_kb("SwapTotal"), 0);
	EXPECT_EQ(page_out(p, 64 * PAGE), 64);
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
	swap_off(disk);
}

TEST(swapoff_without_memory_loses_nothing)
{
	const char *disk = swap_on(0);
	char *p = anon(64 * PAGE);

	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	fill_pages(p, 64 * PAGE);
	ASSERT_EQ(page_out(p, 64 * PAGE), 64);
	ASSERT_EQ(control("force", "swapcache %d 0x%lx 0x%lx drop", (int)getpid(), (unsigned long)p,
			  (unsigned long)p + 64 * PAGE), 0);
	ASSERT_EQ(control("fail", "swap_in nth=20"), 0);
	EXPECT_ERR(swapoff(disk), ENOMEM);
	EXPECT_EQ(control("fail", "off swap_in"), 0);
	EXPECT_GT(meminfo_kb("SwapTotal"), 0);
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
	EXPECT_EQ(page_out(p, 64 * PAGE), 64);
	swap_off(disk);
	EXPECT_EQ(wrong_pages(p, 64 * PAGE, 0), 0);
}

/* What the disk does not give back is SIGBUS for whoever wants it, and no reason to keep the area. */
TEST(swapoff_leaves_poison_where_it_cannot_read)
{
	const char *disk = swap_on(0);
	char *p = anon(4 * PAGE);

	if (!have_control("fail"))
		SKIP("needs Quire's controls");
	fill_pages(p, 4 * PAGE);
	ASSERT_EQ(page_out(p, 4 * PAGE), 4);
	ASSERT_EQ(control("force", "swapcache %d 0x%lx 0x%lx drop", (int)getpid(), (unsigned long)p,
			  (unsigned long)p + 4 * PAGE), 0);
	ASSERT_EQ(control("fail", "disk_read nth=2"), 0);
	swap_off(disk);
	EXPECT_EQ(control("fail", "off disk_read"), 0);
	EXPECT_EQ(status_kb("VmSwap"), 0);
	EXPECT_EQ(touch_signal(p + PAGE, false), SIGBUS);
	EXPECT_EQ(p[0], byte_of(0));
	EXPECT_EQ(p[2 * PAGE], byte_of(2));
	EXPECT_EQ(p[3 * PAGE], byte_of(3));
	OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(p[PAGE], 0);
}

/* While processes fault, write, fork and page out. */
struct load { char *p; size_t n; volatile int stop; int bad; };
static void *busy(void *arg)
{
	struct load *l = arg;
	while (!l->stop) {
		madvise(l->p, l->n, MADV_PAGEOUT);
		l->bad += wrong_pages(l->p, l->n, 0);
		fill_pages(l->p, l->n);
	}
	return NULL;
}
TEST(swapoff_under_load)
{
	const char *disk = swap_on(0);
	long rounds = ktap_scale(10);
	struct load l[2] = { { .n = 256 * PAGE }, { .n = 256 * PAGE } };
	pthread_t thread[2];
	pid_t child;

	l[0].p = anon(l[0].n);
	l[1].p = reserve(HUGE);
	fill_pages(l[0].p, l[0].n);
	fill_pages(l[1].p, l[1].n);
	child = ktap_fork();
	if (!child) {
		for (;;) {
			pid_t pid = fork();
			if (!pid)
				_exit(wrong_pages(l[0].p, l[0].n, 0) != 0);
			if (pid < 0 || ktap_wait(pid))
				_exit(1);
			madvise(l[0].p, l[0].n, MADV_PAGEOUT);
		}
	}
	for (int i = 0; i < 2; i++)
		OK(-pthread_create(&thread[i], NULL, busy, &l[i]));
	for (long i = 0; i < rounds; i++) {
		swap_off(disk);
		OK(swapon(disk, 0));
		for (int j = 0; j < 20; j++)
			sched_yield();
	}
	for (int i = 0; i < 2; i++) {
		l[i].stop = 1;
		pthread_join(thread[i], NULL);
		EXPECT_EQ(l[i].bad, 0);
	}
	EXPECT_EQ(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	EXPECT_STATUS(child, KILLED_BY(SIGKILL));
	swap_off(disk);
}
