/*
 * tests/user/swap_stress.c - more memory in use than there is, by many processes at once (T-RCL-14).
 *
 *	20 hogs ── private memory of their own	written, read, dropped, moved, protected, advised out, forked
 *	       ├── private memory from before the fork: shared until somebody writes
 *	       └── shared memory, a stripe each
 *
 * Each page names its hog, its number and how often it was written, at three places; each hog knows what should be there.
 * So a page that is lost, old, torn or somebody else's is seen when it is next read. Nobody may be killed: there is swap
 * enough.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"

#define HOGS	20
#define MB	(1ul << 20)
#define WORDS	3

/* A range whose pages hold what VERSION says: 0 zeroes, else the words of that version. */
struct arena { char *p; uint32_t *version; size_t pages; uint64_t tag; };

static uint64_t word_of(const struct arena *a, size_t i, uint32_t version)
{
	return version ? (a->tag << 48 | (uint64_t)i << 24 | version) * 0x9e3779b97f4a7c15ull | 1 : 0;
}
static uint64_t *word_at(const struct arena *a, size_t i, int k)
{
	static const size_t offset[WORDS] = { 0, 2048, PAGE - 8 };
	return (uint64_t *)(a->p + i * PAGE + offset[k]);
}
static void write_page(struct arena *a, size_t i)
{
	a->version[i]++;
	for (int k = 0; k < WORDS; k++)
		*(volatile uint64_t *)word_at(a, i, k) = word_of(a, i, a->version[i]);
}
static bool page_is_right(const struct arena *a, size_t i)
{
	bool right = true;
	for (int k = 0; k < WORDS; k++)
		right &= *(volatile uint64_t *)word_at(a, i, k) == word_of(a, i, a->version[i]);
	return right;
}
static void expect_page(const struct arena *a, size_t i)
{
	if (page_is_right(a, i))
		return;
	KTAP_FAIL("# hog %d: page %zu of arena %d (%p), version %u: %llx %llx %llx, expected %llx; pagemap %llx",
		  (int)getpid(), i, (int)a->tag, a->p + i * PAGE, a->version[i], (unsigned long long)*word_at(a, i, 0),
		  (unsigned long long)*word_at(a, i, 1), (unsigned long long)*word_at(a, i, 2),
		  (unsigned long long)word_of(a, i, a->version[i]), (unsigned long long)pagemap(a->p + i * PAGE));
	ktap_exit();
}
static void expect_all(const struct arena *a)
{
	for (size_t i = 0; i < a->pages; i++)
		expect_page(a, i);
}
static struct arena arena(char *p, size_t pages, uint64_t tag)
{
	struct arena a = { p, OK(mmap(NULL, pages * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), pages, tag };
	return a;
}
static size_t some(size_t n) { return (size_t)(ktap_random() % n); }

/* ---- What a hog does ---- */

static void touch_some(struct arena *a)
{
	size_t n = 1 + some(64), i = some(a->pages);
	bool write = some(2);
	for (; n && i < a->pages; n--, i++) {
		expect_page(a, i);
		if (write)
			write_page(a, i);
	}
}
static void drop_some(struct arena *a)
{
	size_t i = some(a->pages), n = 1 + some(32);
	if (n > a->pages - i)
		n = a->pages - i;
	OK(madvise(a->p + i * PAGE, n * PAGE, MADV_DONTNEED));
	memset(a->version + i, 0, n * sizeof(*a->version));
}
static void advise_some(struct arena *a)
{
	size_t i = some(a->pages), n = 1 + some(256);
	if (n > a->pages - i)
		n = a->pages - i;
	OK(madvise(a->p + i * PAGE, n * PAGE, some(2) ? MADV_PAGEOUT : MADV_COLD));
}
static void protect_some(struct arena *a)
{
	size_t i = some(a->pages), n = 1 + some(64);
	if (n > a->pages - i)
		n = a->pages - i;
	OK(mprotect(a->p + i * PAGE, n * PAGE, PROT_READ));
	for (size_t k = i; k < i + n; k += 7)
		expect_page(a, k);
	OK(mprotect(a->p + i * PAGE, n * PAGE, PROT_READ | PROT_WRITE));
}
static void lock_some(struct arena *a)
{
	size_t i = some(a->pages), n = 1 + some(16);
	if (n > a->pages - i)
		n = a->pages - i;
	OK(mlock(a->p + i * PAGE, n * PAGE));
	for (size_t k = i; k < i + n; k++)
		expect_page(a, k);
	OK(munlock(a->p + i * PAGE, n * PAGE));
}
/* The mapping moves; its pages, here or on the disk, go along. */
static void move(struct arena *a)
{
	char *to = OK(mmap(NULL, a->pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	a->p = OK(mremap(a->p, a->pages * PAGE, a->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}
/* A child has its own copies from then on. */
static void fork_one(struct arena *own, struct arena *inherited)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		for (int i = 0; i < 8; i++) {
			touch_some(own);
			touch_some(inherited);
		}
		ktap_exit();
	}
	for (int i = 0; i < 8; i++)
		touch_some(own);
	EXPECT_CHILD(pid);
}

static void hog(struct arena *own, struct arena *inherited, struct arena *shared, long rounds)
{
	for (long r = 0; r < rounds; r++) {
		switch (some(16)) {
		case 0: drop_some(own); break;
		case 1: advise_some(own); break;
		case 2: protect_some(own); break;
		case 3: lock_some(own); break;
		case 4: advise_some(inherited); break;
		case 5: advise_some(shared); break;
		case 6: case 7: touch_some(inherited); break;
		case 8: case 9: touch_some(shared); break;
		case 10:
			if (!some(4))
				move(own);
			break;
		case 11:
			if (!some(4))
				fork_one(own, inherited);
			break;
		default: touch_some(own);
		}
		if (ktap_failed)
			ktap_exit();
	}
	expect_all(own);
	expect_all(inherited);
	expect_all(shared);
}

/* TOTAL bytes in use by HOGS processes, half of it their own, the rest inherited or shared. */
static void run_hogs(size_t total, long rounds)
{
	size_t own = total / 2 / HOGS / PAGE, inherited = total / 16 / PAGE, stripe = total / 4 / HOGS / PAGE;
	char *shared = OK(mmap(NULL, HOGS * stripe * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	struct arena base = arena(reserve(inherited * PAGE), inherited, 100);
	pid_t pid[HOGS];
	int ready[2], go[2];
	char c;
	OK(pipe(ready));
	OK(pipe(go));
	for (size_t i = 0; i < inherited; i++)
		write_page(&base, i);
	for (int h = 0; h < HOGS; h++) {
		pid[h] = ktap_fork();
		if (pid[h])
			continue;
		ktap_seed_state = ktap_random() ^ (uint64_t)(h + 1) * 0x2545f4914f6cdd1dull;
		struct arena mine = arena(reserve(own * PAGE), own, (uint64_t)h + 1);
		struct arena part = arena(shared + h * stripe * PAGE, stripe, (uint64_t)h + 200);
		for (size_t i = 0; i < own; i++)
			write_page(&mine, i);
		for (size_t i = 0; i < stripe; i++)
			write_page(&part, i);
		/* All of them hold all they have at the same time. */
		close(go[1]);
		EXPECT_EQ(write(ready[1], "r", 1), 1);
		EXPECT_EQ(read(go[0], &c, 1), 0);
		hog(&mine, &base, &part, rounds);
		ktap_exit();
	}
	close(ready[1]);
	for (int h = 0; h < HOGS; h++)
		EXPECT_EQ(read(ready[0], &c, 1), 1);
	close(go[1]);
	for (int h = 0; h < HOGS; h++)
		EXPECT_CHILD(pid[h]);
	close(go[0]);
	close(ready[0]);
	expect_all(&base);
	/* swapoff is next, and there may be no room for all of it. */
	munmap(shared, HOGS * stripe * PAGE);
	munmap(base.p, inherited * PAGE);
}

/* ---- The cases ---- */

/* Twice the memory, if there is swap for it; in all cases more than there is. */
static size_t working_set(void)
{
	size_t ram = (size_t)ktap_number("/proc/meminfo", "MemTotal") * 1024;
	size_t free = (size_t)ktap_number("/proc/meminfo", "MemFree") * 1024;
	size_t room = free + (size_t)ktap_number("/proc/meminfo", "SwapFree") * 1024;
	size_t want = room * 3 / 4 < 2 * ram ? room * 3 / 4 : 2 * ram;
	if (ram > 600 * MB)
		SKIP("too much memory to fill");
	if (want < free + free / 8)
		SKIP("too little swap");
	return want;
}

static void stress(const char *thp, const char *swappiness)
{
	char old[32] = "";
	const char *disk = swap_on(0);
	size_t set = working_set();
	long kills = vmstat("oom_kill"), out = vmstat("pswpout");
	bool chosen = choose(THP_DIR "enabled", thp, old);
	EXPECT_EQ(ktap_write("/proc/sys/vm/swappiness", swappiness), 0);
	run_hogs(set, ktap_scale(100));
	EXPECT_EQ(vmstat("oom_kill"), kills);
	EXPECT_GT(vmstat("pswpout"), out + (long)(set / PAGE / 8));
	if (chosen)
		ktap_write(THP_DIR "enabled", old);
	ktap_write("/proc/sys/vm/swappiness", "60");
	swap_off(disk);
}

KTAP_CASE(more_than_memory_without_huge_pages, 1, 600) { stress("never", "60"); }
KTAP_CASE(more_than_memory_with_huge_pages, 1, 600) { stress("always", "60"); }
KTAP_CASE(more_than_memory_swappiness_0, 1, 600) { stress("always", "0"); }
KTAP_CASE(more_than_memory_swappiness_200, 1, 600) { stress("never", "200"); }
KTAP_CASE(more_than_memory_with_huge_pages_swappiness_200, 1, 600) { stress("always", "200"); }
KTAP_CASE(more_than_memory_without_huge_pages_swappiness_0, 1, 600) { stress("never", "0"); }

/* The area goes and comes back under those who use it; all fits into memory without it, too. */
static void swapoff_under_load(const char *thp)
{
	char old[32] = "";
	size_t set = (size_t)ktap_number("/proc/meminfo", "MemAvailable") * 1024 / 3;
	long kills = vmstat("oom_kill");
	bool chosen = choose(THP_DIR "enabled", thp, old);
	const char *disk = swap_on(0);
	if (set > 200 * MB)
		set = 200 * MB;
	pid_t pid = ktap_fork();
	if (!pid) {
		run_hogs(set, ktap_scale(200));
		ktap_exit();
	}
	int went = 0, came = 0, status;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (!swapoff(disk))
			went++;
		else
			EXPECT_TRUE(errno == ENOMEM || errno == EINTR);
		ktap_sleep_ms(20);
		came += !swapon(disk, 0);
		ktap_sleep_ms(100);
	}
	EXPECT_EQ(status, 0);
	EXPECT_GE(went, 1);
	EXPECT_GE(came, 1);
	EXPECT_EQ(vmstat("oom_kill"), kills);
	if (chosen)
		ktap_write(THP_DIR "enabled", old);
	if (ktap_number("/proc/meminfo", "SwapTotal") > 0)
		swap_off(disk);
}

KTAP_CASE(swapoff_under_load_without_huge_pages, 1, 600) { swapoff_under_load("never"); }
KTAP_CASE(swapoff_under_load_with_huge_pages, 1, 600) { swapoff_under_load("always"); }
