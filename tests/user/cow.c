/*
 * tests/user/cow.c - copy-on-write of 4 KiB anonymous pages, by frame number and counter (rules COW-1 to COW-26).
 */
#include "tests/user/pages.h"
#include <pthread.h>
#include <sys/uio.h>

/* A page is filled with its own number, so that a mix-up is seen. */
static void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i += PAGE)
		memset(p + i, 'a' + i / PAGE % 26, PAGE);
}
static int wrong_pages(const char *p, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i += PAGE)
		for (size_t j = 0; j < PAGE; j += 512)
			bad += p[i + j] != (char)('a' + i / PAGE % 26);
	return bad;
}

TEST(read_of_fresh_memory_maps_the_zero_page)
{
	volatile char *p = anon(4 * PAGE);
	long rss = status_kb("RssAnon");
	EXPECT_EQ(p[0] + p[PAGE], 0);
	EXPECT_TRUE(is_present(p));
	EXPECT_EQ(pfn_of(p), pfn_of(p + PAGE));
	EXPECT_TRUE(has_flag(p, KPF_ZERO_PAGE));
	EXPECT_EQ(kpagecount(pfn_of(p)), 0);		/* never counted: COW-16 */
	EXPECT_LE(status_kb("RssAnon"), rss + 16);
}

TEST(write_after_zero_page_read_gets_a_page_of_its_own)
{
	volatile char *p = anon(2 * PAGE);
	EXPECT_EQ(p[0] + p[PAGE], 0);
	uint64_t zero = pfn_of(p);
	p[5] = 7;
	EXPECT_NE(pfn_of(p), zero);
	EXPECT_EQ(pfn_of(p + PAGE), zero);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[5], 7);
	EXPECT_TRUE(has_flag(p, KPF_ANON));
}

TEST(fork_shares_pages)
{
	char *p = anon(8 * PAGE);
	fill(p, 8 * PAGE);
	uint64_t pfn[8];
	for (int i = 0; i < 8; i++)
		pfn[i] = pfn_of(p + i * PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		for (int i = 0; i < 8; i++) {
			EXPECT_EQ(pfn_of(p + i * PAGE), pfn[i]);
			EXPECT_EQ(kpagecount(pfn[i]), 2);
			EXPECT_EQ(pagemap(p + i * PAGE) & PM_EXCLUSIVE, 0);
		}
		EXPECT_EQ(wrong_pages(p, 8 * PAGE), 0);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(kpagecount(pfn[0]), 1);
}

TEST(child_write_copies_parent_keeps)
{
	char *p = anon(PAGE);
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		p[9] = '!';
		EXPECT_NE(pfn_of(p), pfn);
		EXPECT_EQ(p[10], 'a');		/* the rest was copied */
		child_done(&t);
		child_waits(&t);
		ktap_exit();
	}
	parent_waits(&t);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(kpagecount(pfn), 1);
	EXPECT_EQ(p[9], 'a');
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(parent_write_copies_child_keeps)
{
	char *p = anon(PAGE);
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(p[9], 'a');
		EXPECT_EQ(pfn_of(p), pfn);
		ktap_exit();
	}
	p[9] = '!';
	EXPECT_NE(pfn_of(p), pfn);
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(p[9], '!');
}

TEST(sole_owner_reuses_the_page)
{
	char *p = anon(4 * PAGE);
	stay_here();
	fill(p, 4 * PAGE);
	uint64_t pfn[4];
	for (int i = 0; i < 4; i++)
		pfn[i] = pfn_of(p + i * PAGE);
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(0);
	EXPECT_CHILD(pid);
	long reuse = vmstat("pgreuse");
	for (int i = 0; i < 4; i++) {
		p[i * PAGE] = 'z';
		EXPECT_EQ(pfn_of(p + i * PAGE), pfn[i]);
	}
	EXPECT_GE(vmstat("pgreuse"), reuse + 4);
}

TEST(child_owns_what_the_parent_unmapped)
{
	char *p = anon(PAGE);
	stay_here();
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		p[0] = 'z';
		EXPECT_EQ(pfn_of(p), pfn);
		EXPECT_EQ(p[1], 'a');
		ktap_exit();
	}
	OK(munmap(p, PAGE));
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(second_writer_reuses_after_the_first_copied)
{
	char *p = anon(PAGE);
	stay_here();
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		p[0] = 'c';
		EXPECT_NE(pfn_of(p), pfn);
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[0], 'c');
		ktap_exit();
	}
	parent_waits(&t);
	p[0] = 'p';
	EXPECT_EQ(pfn_of(p), pfn);
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(exclusive_page_needs_no_second_fault)
{
	char *p = anon(16 * PAGE);
	struct rusage a, b;
	fill(p, 16 * PAGE);
	getrusage(RUSAGE_SELF, &a);
	fill(p, 16 * PAGE);
	getrusage(RUSAGE_SELF, &b);
	EXPECT_LE(b.ru_minflt - a.ru_minflt, 2);
}

TEST(three_generations_count_three)
{
	char *p = anon(PAGE);
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	pid_t pid = ktap_fork();
	if (!pid) {
		pid_t grandchild = ktap_fork();
		if (!grandchild) {
			EXPECT_EQ(kpagecount(pfn), 3);
			p[0] = 'g';
			EXPECT_EQ(kpagecount(pfn), 2);
			ktap_exit();
		}
		EXPECT_CHILD(grandchild);
		EXPECT_EQ(kpagecount(pfn), 2);
		EXPECT_EQ(p[0], 'a');
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(kpagecount(pfn), 1);
	EXPECT_EQ(p[0], 'a');
}

TEST(fork_of_64_mib_takes_only_page_tables)
{
	size_t n = 64 << 20;
	if (ktap_number("/proc/meminfo", "MemAvailable") < 100000)
		SKIP("too little memory");
	char *p = anon(n);
	memset(p, 1, n);
	struct turns t;
	turns_init(&t);
	long free_kb = ktap_number("/proc/meminfo", "MemFree");
	pid_t pid = ktap_fork();
	if (!pid) {
		child_done(&t);
		child_waits(&t);
		_exit(0);
	}
	parent_waits(&t);
	EXPECT_LE(free_kb - ktap_number("/proc/meminfo", "MemFree"), 3000);
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(untouched_memory_is_not_copied_by_fork)
{
	/* Only VMAs with anonymous pages have their tables copied (COW-25): zero pages are faulted again by the child. */
	volatile char *p = anon(PAGE);
	EXPECT_EQ(*p, 0);
	EXPECT_TRUE(is_present(p));
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_TRUE(!is_present(p));
		EXPECT_EQ(*p, 0);
		EXPECT_TRUE(is_present(p));
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(private_file_page_is_copied_on_write)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	char text[4] = "";
	OK(write(fd, "file", 4));
	char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(p[0], 'f');
	uint64_t pfn = pfn_of(p);
	EXPECT_EQ(!!(pagemap(p) & PM_FILE), 1);
	p[0] = 'X';
	EXPECT_NE(pfn_of(p), pfn);
	EXPECT_EQ(pagemap(p) & PM_FILE, 0);
	EXPECT_TRUE(has_flag(p, KPF_ANON));
	OK(pread(fd, text, 4, 0));
	EXPECT_EQ(text[0], 'f');
	EXPECT_EQ(p[1], 'i');
}

TEST(first_write_to_private_file_page_copies_at_once)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(write(fd, "file", 4));
	char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	struct rusage a, b;
	getrusage(RUSAGE_SELF, &a);
	p[0] = 'X';
	getrusage(RUSAGE_SELF, &b);
	EXPECT_LE(b.ru_minflt - a.ru_minflt, 2);
	EXPECT_TRUE(has_flag(p, KPF_ANON));
	EXPECT_EQ(p[3], 'e');
}

TEST(file_change_is_seen_until_the_copy)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(ftruncate(fd, 2 * PAGE));
	volatile char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(p[0] + p[PAGE], 0);
	p[PAGE] = 'x';
	OK(pwrite(fd, "A", 1, 0));
	OK(pwrite(fd, "B", 1, PAGE));
	EXPECT_EQ(p[0], 'A');
	EXPECT_EQ(p[PAGE], 'x');
}

TEST(mprotect_back_and_forth_keeps_exclusive)
{
	char *p = anon(8 * PAGE);
	struct rusage a, b;
	fill(p, 8 * PAGE);
	uint64_t pfn = pfn_of(p);
	OK(mprotect(p, 8 * PAGE, PROT_READ));
	OK(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE));
	getrusage(RUSAGE_SELF, &a);
	fill(p, 8 * PAGE);
	getrusage(RUSAGE_SELF, &b);
	/* COW-26: exclusive pages may become writable at once; the frames stay in any case. */
	EXPECT_LE(b.ru_minflt - a.ru_minflt, 2);
	EXPECT_EQ(pfn_of(p), pfn);
}

TEST(mprotect_after_fork_does_not_leak_writes)
{
	char *p = anon(4 * PAGE);
	fill(p, 4 * PAGE);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, 4 * PAGE), 0);
		ktap_exit();
	}
	OK(mprotect(p, 4 * PAGE, PROT_READ));
	OK(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
	memset(p, '!', 4 * PAGE);
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(kernel_writes_break_cow_too)
{
	char *p = anon(PAGE);
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	int fds[2];
	struct turns t;
	turns_init(&t);
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(p[0], 'a');
		ktap_exit();
	}
	OK(write(fds[1], "KERNEL", 6));
	EXPECT_EQ(read(fds[0], p, 6), 6);
	EXPECT_NE(pfn_of(p), pfn);
	EXPECT_EQ(memcmp(p, "KERNELaa", 8), 0);
	child_go(&t);
	EXPECT_CHILD(pid);
}

/* T-COW-9: what was put into the pipe stays what it was, whoever writes afterwards. */
TEST(vmsplice_does_not_leak_later_writes)
{
	char *p = anon(PAGE), got[4] = "";
	fill(p, PAGE);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		int fds[2];
		struct iovec iov = { p, PAGE };
		OK(pipe(fds));
		EXPECT_EQ(vmsplice(fds[1], &iov, 1, 0), PAGE);
		OK(munmap(p, PAGE));
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(read(fds[0], got, 4), 4);
		EXPECT_EQ(memcmp(got, "aaaa", 4), 0);
		ktap_exit();
	}
	parent_waits(&t);
	memcpy(p, "SECRET", 6);
	child_go(&t);
	EXPECT_CHILD(pid);
}

/* T-COW-10: a plain reference does not force a copy of an exclusive page. */
TEST(reference_does_not_force_a_copy)
{
	char *p = anon(PAGE);
	int fds[2];
	fill(p, PAGE);
	uint64_t pfn = pfn_of(p);
	struct iovec iov = { p, PAGE };
	OK(pipe(fds));
	EXPECT_EQ(vmsplice(fds[1], &iov, 1, 0), PAGE);
	p[0] = '!';
	EXPECT_EQ(pfn_of(p), pfn);
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(p[1], 'a');
}

TEST(dontneed_then_write_is_zero_filled)
{
	char *p = anon(2 * PAGE);
	fill(p, 2 * PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(madvise(p, PAGE, MADV_DONTNEED));
		EXPECT_EQ(p[5], 0);
		EXPECT_EQ(p[PAGE], 'b');
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p, 2 * PAGE), 0);
}

struct race { char *page; pthread_barrier_t start; };
static void *race_write(void *arg)
{
	struct race *r = arg;
	pthread_barrier_wait(&r->start);
	__atomic_add_fetch((int *)r->page, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* T-COW-14: threads that fault on one shared page at once leave one copy and lose no write. */
TEST(threads_racing_for_one_page_lose_nothing)
{
	char *p = anon(PAGE);
	for (long round = 0; round < ktap_scale(200); round++) {
		struct race r = { .page = p };
		pthread_t threads[4];
		struct turns t;
		*(int *)p = 100;
		turns_init(&t);
		pid_t pid = ktap_fork();
		if (!pid) {
			child_waits(&t);
			_exit(*(int *)p != 100);
		}
		pthread_barrier_init(&r.start, NULL, 4);
		for (int i = 0; i < 4; i++)
			ASSERT_EQ(pthread_create(&threads[i], NULL, race_write, &r), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		ASSERT_EQ(*(int *)p, 104);
		child_go(&t);
		EXPECT_CHILD(pid);
		for (int i = 0; i < 2; i++) {
			close(t.to_child[i]);
			close(t.to_parent[i]);
		}
	}
}

static volatile int counter_stop;
static void *count_up(void *p)
{
	while (!counter_stop)
		++*(volatile unsigned long *)p;
	return NULL;
}

/* T-COW-17: after fork no CPU may go on writing through an old TLB entry. */
TEST(fork_while_a_thread_writes_gives_a_still_picture)
{
	unsigned long *p = (unsigned long *)anon(PAGE);
	pthread_t thread;
	*p = 1;
	ASSERT_EQ(pthread_create(&thread, NULL, count_up, p), 0);
	for (long i = 0; i < ktap_scale(100); i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			unsigned long first = *(volatile unsigned long *)p;
			ktap_sleep_ms(2);
			_exit(*(volatile unsigned long *)p != first);
		}
		EXPECT_CHILD(pid);
	}
	counter_stop = 1;
	pthread_join(thread, NULL);
}

/* Random writes by a tree of processes against a model kept in each one's own stack. */
TEST_SLOW(random_tree_of_processes_keeps_its_contents)
{
	enum { PAGES = 32 };
	char *p = anon(PAGES * PAGE), model[PAGES];
	memset(model, 0, sizeof(model));
	ktap_random();
	for (int depth = 0; depth < 5; depth++) {
		for (int i = 0; i < ktap_scale(200); i++) {
			int page = ktap_random() % PAGES;
			model[page] = ktap_random();
			p[page * PAGE + ktap_random() % PAGE / 64 * 64] = model[page];
			p[page * PAGE] = model[page];
		}
		for (int i = 0; i < PAGES; i++)
			ASSERT_EQ(p[i * PAGE], model[i]);
		for (int twin = 0; twin < 2; twin++) {
			pid_t pid = ktap_fork();
			if (!pid) {
				ktap_seed_state += depth * 2 + twin + 1;
				goto next;
			}
			EXPECT_CHILD(pid);
			for (int i = 0; i < PAGES; i++)
				ASSERT_EQ(p[i * PAGE], model[i]);
		}
		ktap_exit();
next:		;
	}
	ktap_exit();
}
