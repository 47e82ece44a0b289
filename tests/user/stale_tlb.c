/*
 * tests/user/stale_tlb.c - no CPU goes on with an entry that was taken away (T-COW-17).
 *
 * A second thread counts a word up without a pause, on a CPU of its own, so that this CPU's TLB holds a writable entry
 * all the time. Meanwhile this thread forks, protects, unmaps, splits: when the call has returned, no store may reach
 * the page by the old entry. Needs two CPUs.
 */
#include "tests/user/large.h"
#include <pthread.h>
#include <setjmp.h>

static volatile uint64_t *volatile word;	/* what is counted up */
static volatile uint64_t *beats;		/* as often, in memory that all share and that nothing happens to */
static volatile int stop, running, faulted;
static __thread sigjmp_buf jump;
static __thread bool in_writer;

static void on_fault(int sig)
{
	if (!in_writer)
		_exit(77);
	siglongjmp(jump, 1);
}

/* Counts until told to stop, or until it may not write: then says so and waits for the next order. */
static void *writer(void *unused)
{
	on_cpu(1);
	in_writer = true;
	if (sigsetjmp(jump, 1)) {
		faulted = 1;
		while (faulted && !stop)
			sched_yield();
	}
	running = 1;
	while (!stop) {
		(*word)++;
		(*beats)++;
	}
	return NULL;
}

static pthread_t start_writer(volatile void *at)
{
	struct sigaction sa = { .sa_handler = on_fault };
	pthread_t t;
	if (ktap_cpus < 2)
		SKIP("needs two CPUs");
	if (!beats)
		beats = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	sigaction(SIGSEGV, &sa, NULL);
	on_cpu(0);
	word = at;
	stop = running = faulted = 0;
	OK(-pthread_create(&t, NULL, writer, NULL));
	ASSERT_TRUE(ktap_until(running));
	return t;
}
static void stop_writer(pthread_t t)
{
	stop = 1;
	pthread_join(t, NULL);
}
/* The writer has stored again since now. */
static void writer_goes_on(void)
{
	uint64_t seen = *word;
	EXPECT_TRUE(ktap_until(*word != seen));
}
/* The writer has stored many times since now, by whatever entry its CPU has; or it could not. */
static void let_it_write(void)
{
	uint64_t seen = *beats;
	EXPECT_TRUE(ktap_until(*beats > seen + 1000 || faulted));
}
static bool changes(volatile uint64_t *p)
{
	uint64_t first = *p;
	let_it_write();
	return *p != first;
}

/* What a child sees of the writer's page stays as it was. */
static void fork_sees_no_store(void)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_TRUE(!changes(word));
		_exit(ktap_failed);
	}
	EXPECT_CHILD(pid);
}

TEST_KINDS(fork_stops_stores)
{
	char *p = area_of(k);
	pthread_t t = start_writer(p + 5 * PAGE);
	for (int i = 0; i < ktap_scale(20); i++) {
		writer_goes_on();
		fork_sees_no_store();
		writer_goes_on();
	}
	stop_writer(t);
}

TEST_KINDS(mprotect_stops_stores)
{
	char *p = area_of(k);
	pthread_t t = start_writer(p + 5 * PAGE);
	for (int i = 0; i < ktap_scale(20); i++) {
		writer_goes_on();
		OK(mprotect(p, k->size, PROT_READ));
		EXPECT_TRUE(!changes(word));
		EXPECT_TRUE(ktap_until(faulted));
		OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
		faulted = 0;
	}
	stop_writer(t);
}

/*
 * A reference in a pipe keeps the frame; what it holds is looked at twice after the call has returned. Many rounds: in some the
 * writer's CPU has lost its entry by itself.
 */
TEST_KINDS(dontneed_stops_stores)
{
	char *p = area_of(k);
	uint64_t first[2 * 512];
	int ends[2];
	pthread_t t = start_writer(p + 5 * PAGE);
	OK(pipe(ends));
	for (int i = 0; i < ktap_scale(200); i++) {
		writer_goes_on();
		/* Twice the same page: read at two times. */
		struct iovec v[2] = { { p + 5 * PAGE, PAGE }, { p + 5 * PAGE, PAGE } };
		ASSERT_EQ(vmsplice(ends[1], v, 2, 0), 2 * PAGE);
		OK(madvise(p + 5 * PAGE, PAGE, MADV_DONTNEED));
		ASSERT_EQ(read(ends[0], first, PAGE), PAGE);
		let_it_write();
		ASSERT_EQ(read(ends[0], first + 512, PAGE), PAGE);
		EXPECT_EQ(first[0], first[512]);
		writer_goes_on();
	}
	stop_writer(t);
}

TEST_KINDS(munmap_stops_stores)
{
	uint64_t first[2 * 512];
	int ends[2];
	OK(pipe(ends));
	for (int i = 0; i < ktap_scale(5); i++) {
		char *p = area_of(k);
		pthread_t t = start_writer(p + 5 * PAGE);
		struct iovec v[2] = { { p + 5 * PAGE, PAGE }, { p + 5 * PAGE, PAGE } };
		ASSERT_EQ(vmsplice(ends[1], v, 2, 0), 2 * PAGE);
		OK(munmap(p, k->size));
		ASSERT_EQ(read(ends[0], first, PAGE), PAGE);
		let_it_write();
		ASSERT_EQ(read(ends[0], first + 512, PAGE), PAGE);
		EXPECT_EQ(first[0], first[512]);
		EXPECT_TRUE(ktap_until(faulted));
		stop_writer(t);
	}
}

/* The PMD becomes a table under the writer's hands: it goes on, in the same frame, and fork stops it again. */
TEST(pmd_split_under_a_writer)
{
	for (int i = 0; i < ktap_scale(10); i++) {
		char *p = area_of(BY_PMD);
		pthread_t t = start_writer(p + 5 * PAGE);
		uint64_t pfn = pfn_of(p + 5 * PAGE);
		OK(madvise(p + 9 * PAGE, PAGE, MADV_DONTNEED));
		EXPECT_EQ(huge_mapped(p), 0);
		EXPECT_EQ(pfn_of(p + 5 * PAGE), pfn);
		writer_goes_on();
		fork_sees_no_store();
		stop_writer(t);
		munmap(p, HUGE);
	}
}

/* The pages move to a huge folio under the writer's hands: it goes on there, and fork stops it again. */
TEST_KINDS(collapse_under_a_writer)
{
	for (int i = 0; i < ktap_scale(10); i++) {
		char *p = large_area(HUGE, k->order);
		if (k->split)
			split_pmds(p, HUGE);
		OK(madvise(p, HUGE, MADV_HUGEPAGE));
		pthread_t t = start_writer(p + 5 * PAGE);
		int error = -1;
		for (int j = 0; j < 100 && error; j++)
			error = madvise(p, HUGE, 25 /* MADV_COLLAPSE */) ? errno : 0;
		if (error == EINVAL)
			SKIP("no MADV_COLLAPSE");
		EXPECT_EQ(error, 0);
		EXPECT_EQ(huge_mapped(p), 2048);
		writer_goes_on();
		fork_sees_no_store();
		writer_goes_on();
		stop_writer(t);
		munmap(p, HUGE);
	}
}

/* mremap: the old address faults, and what the writer stored before is at the new one, and stays so. */
TEST_KINDS(mremap_stops_stores)
{
	for (int i = 0; i < ktap_scale(5); i++) {
		char *p = area_of(k), *to = reserve(k->size);
		pthread_t t = start_writer(p + 5 * PAGE);
		ASSERT_TRUE(mremap(p, k->size, k->size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		EXPECT_TRUE(!changes((uint64_t *)(to + 5 * PAGE)));
		EXPECT_TRUE(ktap_until(faulted));
		stop_writer(t);
		munmap(to, k->size);
	}
}
