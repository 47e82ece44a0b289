/* tests/user/fault.c - the fault path: stack growth and its limits, rights, NX, ends of files, many CPUs at once. */
#include "tests/user/pages.h"
#include <pthread.h>

#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS)

static __attribute__((noinline)) int use_stack(size_t n)
{
	volatile char *p = __builtin_alloca(n);
	for (size_t i = 0; i < n; i += PAGE)
		p[n - 1 - i] = 1;
	return p[n - 1];
}

TEST(stack_grows)
{
	struct map_line before, after;
	int local;
	find_map(&local, &before);
	EXPECT_EQ(use_stack(4 << 20), 1);
	find_map(&local, &after);
	EXPECT_LE(after.start, before.start - (3 << 20));
	EXPECT_EQ(after.end, before.end);
	EXPECT_GE(status_kb("VmStk"), 4096);
}

TEST(stack_jump_over_many_pages_is_allowed)
{
	/* No probing page by page: a single access far below. */
	volatile char *p = (char *)__builtin_frame_address(0) - (2 << 20);
	*p = 1;
	EXPECT_EQ(*p, 1);
}

TEST(stack_limit_holds)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		struct rlimit r = { 1 << 20, 1 << 20 };
		setrlimit(RLIMIT_STACK, &r);
		_exit(use_stack(4 << 20));
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

TEST(guard_gap_below_the_stack)
{
	struct map_line m;
	int local;
	find_map(&local, &m);
	/* A mapping 300 pages below the stack: it can grow a little, but stays 256 pages away. */
	char *wall = (char *)m.start - 300 * PAGE;
	OK(mmap(wall, PAGE, RW, PA | MAP_FIXED, -1, 0));
	EXPECT_EQ(touch_signal((char *)m.start - 10 * PAGE, true), 0);
	EXPECT_EQ(touch_signal((char *)m.start - 100 * PAGE, true), SIGSEGV);
}

TEST(growsdown_mapping_grows)
{
	char *p = OK(mmap(NULL, 600 * PAGE, PROT_NONE, PA, -1, 0));
	OK(munmap(p, 600 * PAGE));
	char *q = OK(mmap(p + 590 * PAGE, PAGE, RW, PA | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	q[-1] = 1;
	q[-5 * (long)PAGE] = 1;
	struct map_line m;
	find_map(q, &m);
	EXPECT_LE(m.start, (uintptr_t)q - 5 * PAGE);
}

TEST(rights_are_checked)
{
	char *p = anon(PAGE);
	p[0] = 1;
	OK(mprotect(p, PAGE, PROT_NONE));
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
	OK(mprotect(p, PAGE, PROT_READ));
	EXPECT_EQ(touch_signal(p, false), 0);
	EXPECT_EQ(touch_signal(p, true), SIGSEGV);
	EXPECT_EQ(p[0], 1);
	OK(mprotect(p, PAGE, RW));
	p[0] = 2;
}

TEST(execution_needs_the_right)
{
	char *p = anon(PAGE);
	p[0] = 0xc3;	/* ret */
	pid_t pid = ktap_fork();
	if (!pid) {
		((void (*)(void))p)();
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGSEGV);
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	((void (*)(void))p)();
}

TEST(exec_only_text_cannot_be_written)
{
	EXPECT_EQ(touch_signal((char *)(uintptr_t)main, true), SIGSEGV);
	EXPECT_EQ(touch_signal((char *)(uintptr_t)main, false), 0);
}

TEST(beyond_the_end_of_a_file)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(ftruncate(fd, PAGE + 10));
	char *s = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(touch_signal(s + PAGE + 4000, true), 0);
	EXPECT_EQ(touch_signal(s + 2 * PAGE, false), SIGBUS);
	EXPECT_EQ(touch_signal(p + 2 * PAGE, true), SIGBUS);
	/* Shrinking takes pages away that were mapped; private copies, too. */
	s[PAGE] = p[PAGE] = 'x';
	OK(ftruncate(fd, PAGE));
	EXPECT_EQ(touch_signal(s + PAGE, false), SIGBUS);
	EXPECT_EQ(touch_signal(p + PAGE, false), SIGBUS);
	OK(ftruncate(fd, 2 * PAGE));
	EXPECT_EQ(s[PAGE], 0);
}

TEST(minor_faults_are_counted)
{
	struct rusage a, b;
	char *p = anon(64 * PAGE);
	getrusage(RUSAGE_SELF, &a);
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 1;
	getrusage(RUSAGE_SELF, &b);
	EXPECT_GE(b.ru_minflt - a.ru_minflt, 64);
	EXPECT_LE(b.ru_minflt - a.ru_minflt, 70);
	EXPECT_EQ(b.ru_majflt, a.ru_majflt);
}

TEST(system_calls_fault_too)
{
	char *p = anon(4 * PAGE);
	int fd = OK(open("/dev/zero", O_RDONLY));
	EXPECT_EQ(read(fd, p, 4 * PAGE), 4 * PAGE);
	EXPECT_TRUE(is_present(p + 3 * PAGE));
	OK(munmap(p + 2 * PAGE, PAGE));
	/* Partial success up to the hole. */
	int in = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	EXPECT_EQ(write(in, p, 4 * PAGE), 2 * PAGE);
	EXPECT_ERR(write(in, p + 2 * PAGE, PAGE), EFAULT);
}

TEST(kernel_addresses_are_out_of_reach)
{
	static char *const places[] = {
		(char *)0xffffffff80100000, (char *)0xffff888000001000, (char *)0xffffea0000000000, (char *)0xffffffffff600000,
		(char *)0x800000000000, (char *)0x7ffffffff000, (char *)-1,
	};
	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++) {
		EXPECT_EQ(touch_signal(places[i], false), SIGSEGV);
		EXPECT_EQ(touch_signal(places[i], true), SIGSEGV);
	}
}

TEST(jumping_anywhere_kills_only_the_jumper)
{
	for (long i = 0; i < ktap_scale(100); i++) {
		unsigned long where = ktap_random() >> (ktap_random() % 40);
		pid_t pid = ktap_fork();
		if (!pid) {
			alarm(2);
			if (i % 2)
				((void (*)(void))where)();
			else
				*(volatile long *)where = where;
			_exit(0);
		}
		ktap_wait(pid);
	}
}

struct part { char *p; size_t n; int id; pthread_barrier_t *start; };
static void *touch_part(void *arg)
{
	struct part *w = arg;
	pthread_barrier_wait(w->start);
	for (size_t i = 0; i < w->n; i += PAGE)
		__atomic_add_fetch((int *)(w->p + i), 1 << w->id * 4, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(threads_fault_on_the_same_pages_at_once)
{
	enum { PAGES = 256, THREADS = 4 };
	for (long round = 0; round < ktap_scale(20); round++) {
		char *p = anon(PAGES * PAGE);
		pthread_barrier_t start;
		pthread_t t[THREADS];
		struct part w[THREADS];
		pthread_barrier_init(&start, NULL, THREADS);
		for (int i = 0; i < THREADS; i++) {
			w[i] = (struct part){ p, PAGES * PAGE, i, &start };
			ASSERT_EQ(pthread_create(&t[i], NULL, touch_part, &w[i]), 0);
		}
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		for (int i = 0; i < PAGES; i++)
			ASSERT_EQ(*(int *)(p + i * PAGE), 0x1111);
		munmap(p, PAGES * PAGE);
	}
}

static volatile int stop;
static void *unmapper(void *arg)
{
	while (!stop) {
		madvise(arg, 64 * PAGE, MADV_DONTNEED);
		mprotect(arg, 32 * PAGE, PROT_READ);
		mprotect(arg, 32 * PAGE, RW);
	}
	return NULL;
}

TEST(faults_against_dontneed_and_mprotect)
{
	char *p = anon(64 * PAGE);
	pthread_t t;
	ASSERT_EQ(pthread_create(&t, NULL, unmapper, p), 0);
	int fd = OK(open("/dev/zero", O_RDONLY));
	for (long i = 0; i < ktap_scale(3000); i++) {
		int page = ktap_random() % 64;
		if (page >= 32) {
			p[page * PAGE] = 7;
			char got = p[page * PAGE];
			ASSERT_EQ(got == 0 || got == 7, 1);
		} else {
			/*
			 * The kernel's writes may find it read-only for a moment, at the start or on the way: an error
			 * or a part, never a fault.
			 */
			ssize_t n = read(fd, p + page * PAGE, 100);
			ASSERT_EQ((n > 0 && n <= 100) || (n < 0 && errno == EFAULT), 1);
		}
	}
	stop = 1;
	pthread_join(t, NULL);
}
