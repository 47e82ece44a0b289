/*
 * tests/user/mmfuzz.c - random sequences of memory calls, faults and forks, held against a model.
 *
 * The model is one small struct for each page of an arena: mapped or not, rights, shared or private, and the value its
 * words hold. Every sequence depends on its seed alone, and everything visible goes into a digest: results, errno,
 * contents, the arena's lines of maps and its figures in smaps. The digests are printed, so that two kernels can be
 * compared ("# digest SEED ..."): equal numbers, equal behaviour. With TRACE=SEED in the environment each step of that
 * sequence is printed with the digest so far: the first line that differs is the call to look at.
 */
#include "tests/user/pages.h"
#include <setjmp.h>

#define BASE		((char *)0x10000000000ul)
#define NPAGES		3072ul			/* 12 MiB: six huge pages */
#define STEPS		60

struct model { uint8_t mapped, prot, shared; uint64_t value; };
static struct model model[NPAGES];
static uint64_t state, digest;
static bool tracing;
static int depth;

static uint64_t rnd(uint64_t n)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state % n;
}
static void mix(uint64_t v)
{
	digest = (digest ^ v) * 0x100000001b3ull;
	digest ^= digest >> 29;
}
static void trace(const char *what, size_t first, size_t n, long result)
{
	mix(first), mix(n), mix(result);
	if (tracing)
		ktap_line("# %d %s %zu+%zu = %ld %016llx", depth, what, first, n, result, (unsigned long long)digest);
}

static char *at(size_t page) { return BASE + page * PAGE; }
static void pick(size_t *first, size_t *n)
{
	static const int most[] = { 1, 3, 16, 70, 512, 1100 };
	static const int align[] = { 1, 1, 4, 16, 512 };
	*n = 1 + rnd(most[rnd(6)]);
	*first = rnd(NPAGES) / align[rnd(5)] * 1;
	switch (rnd(4)) {
	case 0: *first &= ~511ul; break;
	case 1: *first &= ~15ul; break;
	}
	if (rnd(3) == 0)
		*n = (*n + 511) & ~511ul;
	if (*first + *n > NPAGES)
		*n = NPAGES - *first;
}

static sigjmp_buf jump;
static void on_fault(int sig) { siglongjmp(jump, sig); }
/* 0, or the signal that the access got. */
static int access_word(volatile uint64_t *p, bool write, uint64_t *value)
{
	int sig = sigsetjmp(jump, 0);
	if (sig)
		return sig;
	if (write)
		*p = *value;
	else
		*value = *p;
	return 0;
}

static void op_map(void)
{
	static const int rights[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	size_t first, n;
	pick(&first, &n);
	int prot = rights[rnd(5)];
	bool shared = rnd(8) == 0;
	void *p = mmap(at(first), n * PAGE, prot, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	trace(shared ? "mmap-shared" : "mmap", first, n, p == at(first) ? prot : -errno);
	ASSERT_TRUE(p == at(first));
	for (size_t i = first; i < first + n; i++)
		model[i] = (struct model){ .mapped = 1, .prot = prot, .shared = shared };
}
static void op_unmap(void)
{
	size_t first, n;
	pick(&first, &n);
	trace("munmap", first, n, munmap(at(first), n * PAGE));
	memset(model + first, 0, n * sizeof(*model));
}
static void op_protect(void)
{
	static const int rights[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE };
	size_t first, n, i;
	pick(&first, &n);
	int prot = rights[rnd(4)];
	int r = mprotect(at(first), n * PAGE, prot) ? -errno : 0;
	trace("mprotect", first, n, r * 8 + prot);
	for (i = first; i < first + n && model[i].mapped; i++)
		model[i].prot = prot;		/* up to the first hole */
	EXPECT_EQ(r, i < first + n ? -ENOMEM : 0);
}
static void op_dontneed(void)
{
	size_t first, n;
	bool hole = false;
	pick(&first, &n);
	int r = madvise(at(first), n * PAGE, MADV_DONTNEED) ? -errno : 0;
	trace("dontneed", first, n, r);
	for (size_t i = first; i < first + n; i++) {
		hole |= !model[i].mapped;
		if (!model[i].shared)
			model[i].value = 0;
	}
	EXPECT_EQ(r, hole ? -ENOMEM : 0);
}
static void op_advise(void)
{
	size_t first, n;
	pick(&first, &n);
	int advice = 14 + rnd(2);
	int r = madvise(at(first), n * PAGE, advice) ? -errno : 0;
	trace(advice == 14 ? "hugepage" : "nohugepage", first, n, r);
}
static void op_move(void)
{
	size_t first, n, to, m;
	pick(&first, &n);
	pick(&to, &m);
	if (rnd(2))
		to = (to & ~511ul) | (first & 511);
	if (to + n > NPAGES || (to < first + n && first < to + n))
		return;
	for (size_t i = first; i < first + n; i++)
		if (!model[i].mapped)
			return;		/* with holes it fails half way, and how far it came is nobody's promise */
	void *p = mremap(at(first), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
	int e = p == MAP_FAILED ? -errno : 0;
	/* Over several mappings newer kernels move all, older ones answer EFAULT; the target may be gone then. */
	trace("mremap", first, n, e);
	mix(to);
	if (e) {
		for (size_t i = to; i < to + n; i++) {
			unsigned char v;
			if (model[i].mapped && mincore(at(i), PAGE, &v))
				model[i] = (struct model){ 0 };
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		model[to + i] = model[first + i];
		model[first + i] = (struct model){ 0 };
	}
}
static uint64_t next_value;
static void op_write(void)
{
	size_t first, n;
	pick(&first, &n);
	uint64_t step = 1 + rnd(7);
	long faults = 0;
	for (size_t i = first; i < first + n; i += step) {
		uint64_t value = ++next_value << 8;
		int sig = access_word((uint64_t *)at(i), true, &value);
		faults += sig != 0;
		EXPECT_EQ(sig, model[i].mapped && model[i].prot & PROT_WRITE ? 0 : SIGSEGV);
		if (sig)
			continue;
		access_word((uint64_t *)(at(i) + PAGE - 8), true, &value);
		model[i].value = value;
	}
	trace("write", first, n, faults);
}
static void check_range(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		uint64_t a = 0, b = 0;
		int sig = access_word((uint64_t *)at(i), false, &a);
		EXPECT_EQ(sig, model[i].mapped && model[i].prot ? 0 : SIGSEGV);
		if (!sig) {
			access_word((uint64_t *)(at(i) + PAGE - 8), false, &b);
			EXPECT_EQ(a, model[i].value);
			EXPECT_EQ(b, model[i].value);
		}
		mix(a);
		if (ktap_failed) {
			ktap_line("# page %zu", i);
			return;
		}
	}
}
static void op_read(void)
{
	size_t first, n;
	pick(&first, &n);
	check_range(first, n);
	trace("read", first, n, 0);
}
static void op_mincore(void)
{
	unsigned char v[NPAGES];
	size_t first, n, present = 0;
	pick(&first, &n);
	int r = mincore(at(first), n * PAGE, v) ? -errno : 0;
	for (size_t i = 0; !r && i < n; i++)
		present += v[i] & 1;
	trace("mincore", first, n, r ? r : (long)present);
}
static void op_lock(void)
{
	size_t first, n;
	pick(&first, &n);
	n = n > 64 ? 64 : n;
	int r = mlock(at(first), n * PAGE) ? -errno : 0;
	trace("mlock", first, n, r);
	r = munlock(at(first), n * PAGE) ? -errno : 0;
	trace("munlock", first, n, r);
}

/* The arena as /proc shows it. */
static void mix_proc(void)
{
	static const char *const fields[] = { "Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty",
					      "Anonymous", "AnonHugePages", "Swap", "Locked", "THPeligible" };
	unsigned long start, end;
	bool here = false;
	char rights[8];
	int fd = OK(open("/proc/self/smaps", O_RDONLY | O_CLOEXEC));
	static char text[4 << 20];
	size_t n = 0;
	for (ssize_t got; (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0; n += got)
		;
	text[n] = 0;
	close(fd);
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 && strchr(line, '-') - line < 17) {
			here = start >= (unsigned long)BASE && start < (unsigned long)at(NPAGES);
			if (here) {
				mix(start), mix(end), mix(rights[0] << 24 | rights[1] << 16 | rights[3]);
				if (tracing)
					ktap_line("# maps %lx-%lx %s", start, end, rights);
			}
			continue;
		}
		for (size_t f = 0; here && f < sizeof(fields) / sizeof(*fields); f++) {
			size_t l = strlen(fields[f]);
			if (!strncmp(line, fields[f], l) && line[l] == ':') {
				long value = strtol(line + l + 1, NULL, 10);
				mix(value);
				if (tracing && value)
					ktap_line("#   %s %ld", fields[f], value);
			}
		}
	}
}

static void steps(int n);
/* The child goes its own way to its end, then the parent goes on: the order is always the same. */
static void op_fork(void)
{
	int ends[2];
	uint64_t childs = 0;
	if (depth >= 2)
		return;
	for (size_t i = 0; i < NPAGES; i++)
		if (model[i].shared)
			return;			/* what a child writes there the parent's model would not know */
	OK(pipe(ends));
	pid_t pid = OK(fork());
	if (!pid) {
		depth++;
		state ^= 0x5555;
		steps(12);
		check_range(0, NPAGES);
		mix_proc();
		if (write(ends[1], &digest, 8) != 8)
			_exit(3);
		_exit(ktap_failed);
	}
	close(ends[1]);
	EXPECT_EQ(read(ends[0], &childs, 8), 8);
	close(ends[0]);
	EXPECT_CHILD(pid);
	mix(childs);
	trace("fork", 0, 0, 0);
}

static void (*const ops[])(void) = {
	op_map, op_map, op_unmap, op_protect, op_protect, op_dontneed, op_advise, op_move, op_move, op_write, op_write,
	op_write, op_write, op_read, op_mincore, op_lock, op_fork, op_fork,
};
static void steps(int n)
{
	for (int i = 0; i < n && !ktap_failed; i++) {
		ops[rnd(sizeof(ops) / sizeof(*ops))]();
		if (tracing)
			mix_proc();
	}
}

static void policy(const char *size, const char *word)
{
	char path[100];
	snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/%s%senabled", size, *size ? "/" : "");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, word, strlen(word)) < 0) { /* a size this kernel does not have */ }
		close(fd);
	}
}
static void sequence(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ull + 1;
	digest = 0xcbf29ce484222325ull;
	tracing = getenv("TRACE") && strtoull(getenv("TRACE"), NULL, 0) == seed;
	munmap(BASE, NPAGES * PAGE);
	memset(model, 0, sizeof(model));
	policy("", rnd(4) ? "always" : "madvise");
	policy("hugepages-2048kB", rnd(4) ? "inherit" : "never");
	policy("hugepages-64kB", rnd(2) ? "always" : "never");
	policy("hugepages-16kB", rnd(3) ? "never" : "madvise");
	steps(STEPS);
	check_range(0, NPAGES);
	mix_proc();
	munmap(BASE, NPAGES * PAGE);
}

static void sequences(uint64_t first, long n)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	for (uint64_t seed = first; seed < first + n; seed++) {
		sequence(seed);
		ktap_line("# digest %llu %016llx", (unsigned long long)seed, (unsigned long long)digest);
		if (ktap_failed)
			break;
	}
	policy("", "always");
	policy("hugepages-2048kB", "inherit");
	policy("hugepages-64kB", "never");
	policy("hugepages-16kB", "never");
}

/* FIRST and COUNT in the environment choose other sequences. */
static uint64_t number(const char *name, uint64_t otherwise)
{
	return getenv(name) ? strtoull(getenv(name), NULL, 0) : otherwise;
}
TEST(random_sequences_behave_like_the_model)
{
	sequences(number("FIRST", ktap_random() % 1000000), number("COUNT", ktap_scale(20)));
}
TEST_SLOW(many_sequences_behave_like_the_model)
{
	sequences(number("FIRST", 1), number("COUNT", ktap_scale(100)));
}
