/*
 * tests/user/thp_stress.c - many processes and threads do everything at once to large folios, their own and one another's.
 *
 * Each worker process has an arena of huge-page-aligned memory and two threads, each with a half of it. A thread knows
 * what each of its pages must hold: a stamp, or zeroes. It writes, drops, protects, moves, remaps, forks (children
 * check their copy, write to it, fork again), pins, and asks the kernel to split and to move folios, of any worker.
 * A page that does not hold what it should is a lost or leaked write.
 */
#include "tests/user/pages.h"
#include <pthread.h>
#include <stdarg.h>

#define HUGE		(2ul << 20)
#define ARENA		(2 * HUGE)		/* of one thread */
#define NPAGES		(ARENA / PAGE)
#define WORKERS		4
#define THREADS		2

struct shared {
	struct { int pid; unsigned long arena; } worker[WORKERS];
	long operations, wrong;
};

struct arena {
	char *at;
	uint64_t want[NPAGES];		/* 0: zeroes */
	uint64_t seed, next_stamp;
	struct shared *shared;
	int rounds;
};

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
	return *s;
}
static void range(struct arena *a, size_t *first, size_t *n)
{
	static const int most[] = { 1, 4, 16, 64, 512, 700 };
	*first = rnd(&a->seed) % NPAGES;
	*n = 1 + rnd(&a->seed) % most[rnd(&a->seed) % 6];
	if (rnd(&a->seed) % 4 == 0)
		*first &= ~15ul;
	if (*first + *n > NPAGES)
		*n = NPAGES - *first;
}

static void check_page(struct arena *a, size_t i)
{
	const volatile uint64_t *p = (void *)(a->at + i * PAGE);
	uint64_t want = a->want[i];
	for (int w = 0; w < 512; w += 73)
		if (p[w] != (want ? want + w : 0)) {
			KTAP_FAIL("# page %zu at %p word %d: %llx, expected %llx", i, (void *)p, w, (unsigned long long)p[w],
				  (unsigned long long)(want ? want + w : 0));
			__atomic_add_fetch(&a->shared->wrong, 1, __ATOMIC_RELAXED);
			return;
		}
}
static void write_page(struct arena *a, size_t i)
{
	volatile uint64_t *p = (void *)(a->at + i * PAGE);
	a->want[i] = a->next_stamp += 1024;
	for (int w = 0; w < 512; w += 73)
		p[w] = a->want[i] + w;
}

static void put(const char *file, const char *format, ...)
{
	char text[120];
	va_list ap;
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (write(fd, text, n) < 0) { /* no such process any more, nothing to split: all right */ }
	close(fd);
}

static void op_write(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	for (size_t i = first; i < first + n; i++)
		write_page(a, i);
}
static void op_check(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	for (size_t i = first; i < first + n; i++)
		check_page(a, i);
}
static void op_drop(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	OK(madvise(a->at + first * PAGE, n * PAGE, MADV_DONTNEED));
	memset(a->want + first, 0, n * sizeof(*a->want));
}
static void op_remap(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	OK(mmap(a->at + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(a->want + first, 0, n * sizeof(*a->want));
}
static void op_protect(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	OK(mprotect(a->at + first * PAGE, n * PAGE, PROT_READ));
	check_page(a, first);
	OK(mprotect(a->at + first * PAGE, n * PAGE, PROT_READ | PROT_WRITE));
	write_page(a, first + n - 1);
}
/* Away and back again: the pages keep what they hold. */
static void op_move(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	char *here = a->at + first * PAGE;
	char *there = OK(mmap(NULL, n * PAGE + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	char *to = there + ((uintptr_t)here - (uintptr_t)there) % HUGE;
	if (rnd(&a->seed) & 1)
		to = there;
	/* DONTUNMAP: an empty mapping stays behind, so that no other thread's comes into the gap, here or there. */
	const int move = MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* DONTUNMAP */;
	if (mremap(here, n * PAGE, n * PAGE, move, to) == MAP_FAILED) {
		/* The range is several mappings by now: one call moves one only. */
		munmap(there, n * PAGE + HUGE);
		return;
	}
	OK(mremap(to, n * PAGE, n * PAGE, move, here));
	munmap(there, n * PAGE + HUGE);
	check_page(a, first);
	check_page(a, first + n - 1);
}
static void op_advise(struct arena *a)
{
	size_t first, n;
	range(a, &first, &n);
	madvise(a->at + first * PAGE, n * PAGE, rnd(&a->seed) & 1 ? 14 /* HUGEPAGE */ : 15 /* NOHUGEPAGE */);
}
static void op_huge(struct arena *a)
{
	size_t half = rnd(&a->seed) & 1 ? NPAGES / 2 : 0;
	char *p = a->at + half * PAGE;
	OK(mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(a->want + half, 0, NPAGES / 2 * sizeof(*a->want));
	madvise(p, HUGE, 14);
	write_page(a, half + rnd(&a->seed) % (NPAGES / 2));
}
/* Whose folios do not matter: content must not change by it. */
static void op_split(struct arena *a)
{
	int w = rnd(&a->seed) % WORKERS;
	unsigned long arena = a->shared->worker[w].arena + rnd(&a->seed) % (THREADS * ARENA / PAGE) * PAGE;
	static const int orders[] = { 0, 2, 4, 8 };
	if (a->shared->worker[w].pid)
		put("/sys/kernel/debug/split_huge_pages", "%d,0x%lx,0x%lx,%d", a->shared->worker[w].pid, arena,
		    arena + 64 * PAGE, orders[rnd(&a->seed) % 4]);
}
static void op_migrate(struct arena *a)
{
	int w = rnd(&a->seed) % WORKERS;
	unsigned long arena = a->shared->worker[w].arena + rnd(&a->seed) % (THREADS * ARENA / PAGE) * PAGE;
	if (a->shared->worker[w].pid)
		put("/sys/kernel/debug/quire/force", "migrate %d 0x%lx 0x%lx sync", a->shared->worker[w].pid, arena,
		    arena + 32 * PAGE);
}
static void op_shrink(struct arena *a)
{
	put("/proc/sys/vm/drop_caches", "2");
}
/* A plain reference by vmsplice: what the pipe gives back is what the page held, or holds now. */
static void op_splice(struct arena *a)
{
	int ends[2];
	size_t first, n;
	uint64_t buffer[512];
	range(a, &first, &n);
	write_page(a, first);
	uint64_t old = a->want[first];
	struct iovec v = { a->at + first * PAGE, PAGE };
	if (pipe(ends))
		return;
	if (vmsplice(ends[1], &v, 1, 0) == (long)PAGE) {
		write_page(a, first);
		EXPECT_EQ(read(ends[0], buffer, PAGE), PAGE);
		if (buffer[73] != old + 73 && buffer[73] != a->want[first] + 73)
			KTAP_FAIL("# spliced page holds %llx", (unsigned long long)buffer[73]);
	}
	close(ends[0]);
	close(ends[1]);
}

static void (*const quiet_ops[])(struct arena *) = {
	op_write, op_write, op_write, op_check, op_check, op_drop, op_remap, op_protect, op_move, op_advise, op_huge,
	op_split, op_migrate, op_splice, op_shrink,
};
static void run_some(struct arena *a, int n)
{
	for (int i = 0; i < n; i++)
		quiet_ops[rnd(&a->seed) % (sizeof(quiet_ops) / sizeof(*quiet_ops))](a);
	__atomic_add_fetch(&a->shared->operations, n, __ATOMIC_RELAXED);
}

/* The child sees this thread's half as it was at fork, whatever the parent does meanwhile. */
static void op_fork(struct arena *a, int depth)
{
	pid_t pid = fork();
	if (pid < 0)
		return;			/* out of memory or ids: an ordinary outcome */
	if (!pid) {
		a->seed ^= getpid();
		a->next_stamp += (uint64_t)getpid() << 40;
		for (int i = 0; i < 8; i++)
			op_check(a);
		run_some(a, 6);
		if (depth < 3 && rnd(&a->seed) % 2)
			op_fork(a, depth + 1);
		for (int i = 0; i < 8; i++)
			op_check(a);
		_exit(ktap_failed);
	}
	run_some(a, 6);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		;
	if (status)
		KTAP_FAIL("# child of depth %d ended with status %x", depth, status);
}

static void *thread(void *arg)
{
	struct arena *a = arg;
	for (int round = 0; round < a->rounds; round++) {
		run_some(a, 20);
		op_fork(a, 0);
	}
	for (size_t i = 0; i < NPAGES; i++)
		check_page(a, i);
	return NULL;
}

static void worker(struct shared *shared, int number, int rounds)
{
	struct arena *a = calloc(THREADS, sizeof(*a));
	pthread_t other;
	char *p = OK(mmap(NULL, THREADS * ARENA + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	for (int t = 0; t < THREADS; t++) {
		a[t] = (struct arena){ .at = p + t * ARENA, .shared = shared, .rounds = rounds };
		a[t].seed = ktap_random() + number * 101 + t + 1;
		a[t].next_stamp = (uint64_t)(number * THREADS + t + 1) << 56;
	}
	shared->worker[number].arena = (unsigned long)p;
	shared->worker[number].pid = getpid();
	OK(pthread_create(&other, NULL, thread, &a[1]));
	thread(&a[0]);
	pthread_join(other, NULL);
	shared->worker[number].pid = 0;
	_exit(ktap_failed);
}

static void all_workers(int rounds)
{
	pid_t pid[WORKERS];
	struct shared *shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (int i = 0; i < WORKERS; i++) {
		pid[i] = OK(fork());
		if (!pid[i])
			worker(shared, i, rounds);
	}
	for (int i = 0; i < WORKERS; i++)
		EXPECT_CHILD(pid[i]);
	EXPECT_EQ(shared->wrong, 0);
	EXPECT_GE(shared->operations, WORKERS * THREADS * rounds * 20);
}

TEST(nothing_is_lost_under_stress)
{
	all_workers(ktap_scale(5));
}

TEST_SLOW(nothing_is_lost_in_a_long_run)
{
	all_workers(ktap_scale(30));
}
