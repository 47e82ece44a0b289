/*
 * tests/user/mmfuzz.c - random sequences of memory calls, faults and forks, held against a model.
 *
 * The model is one small struct for each page of an arena: mapped or not, rights, shared or private, and the value its
 * words hold. Every sequence depends on its seed alone, and everything visible goes into a digest: results, errno,
 * contents, the arena's lines of maps, its figures in smaps, the flags of its pages in pagemap and kpageflags, and how
 * the counters of large folios moved. The digests are printed, so that two kernels can be compared ("# digest SEED
 * ..."): equal numbers, equal behaviour. With TRACE=SEED in the environment each step of that sequence is printed with
 * the digest so far: the first line that differs is the call to look at.
 *
 * What two right kernels may show differently stays out of the digest, and the place that leaves it out says why.
 */
#include "tests/user/large.h"
#include <setjmp.h>

#define BASE		((char *)0x10000000000ul)
#define NPAGES		3072ul			/* 12 MiB: six huge pages */
#define STEPS		60
#define THP		"/sys/kernel/mm/transparent_hugepage/"

struct model { uint8_t mapped, prot, shared, locked, alone, wiped; uint64_t value; };	/* alone: DONTFORK */
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

static bool any_mapped(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (model[i].mapped)
			return true;
	return false;
}
static bool any_shared(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (model[i].shared)
			return true;
	return false;
}
static bool any_shared_or_locked(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (model[i].shared || model[i].locked)
			return true;
	return false;
}
static bool all_mapped(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (!model[i].mapped)
			return false;
	return true;
}

static void op_map(void)
{
	static const int rights[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	size_t first, n;
	pick(&first, &n);
	int prot = rights[rnd(5)];
	bool shared = rnd(8) == 0;
	int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | (rnd(6) ? MAP_FIXED : MAP_FIXED_NOREPLACE) |
		    (rnd(6) ? 0 : MAP_POPULATE);
	bool taken = !(flags & MAP_FIXED) && any_mapped(first, n);
	void *p = mmap(at(first), n * PAGE, prot, flags, -1, 0);
	int e = p == at(first) ? 0 : -errno;
	trace(shared ? "mmap-shared" : "mmap", first, n, e ? e : prot);
	EXPECT_EQ(e, taken ? -EEXIST : 0);
	if (e)
		return;
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
	size_t first, n, i;
	bool hole = false;
	pick(&first, &n);
	int advice = rnd(5) ? MADV_DONTNEED : 24 /* MADV_DONTNEED_LOCKED */;
	/* Not the whole of a page table: Linux from 6.14 on then frees the table as well, and a huge page may come next. */
	if (n > 1023 - first % 512 - !(first % 512) * 512)
		n = 1023 - first % 512 - !(first % 512) * 512;
	int r = madvise(at(first), n * PAGE, advice) ? -errno : 0;
	trace("dontneed", first, n, r);
	for (i = first; i < first + n && (advice != MADV_DONTNEED || !model[i].locked); i++) {
		hole |= !model[i].mapped;
		if (!model[i].shared)
			model[i].value = 0;
	}
	EXPECT_EQ(r, i < first + n ? -EINVAL : hole ? -ENOMEM : 0);
}
/* Advice that changes no contents. */
static void op_advise(void)
{
	static const struct { const char *name; int advice; } all[] = {
		{ "hugepage", 14 }, { "nohugepage", 15 }, { "hugepage", 14 }, { "nohugepage", 15 }, { "random", 1 },
		{ "normal", 0 }, { "free", 8 }, { "free", 8 }, { "cold", 20 }, { "populate-read", 22 }, { "populate-write", 23 },
		{ "populate-write", 23 }, { "remove", 9 }, { "dontdump", 16 },
	};
	size_t first, n, i = rnd(sizeof(all) / sizeof(*all));
	pick(&first, &n);
	if (all[i].advice == 9 && any_shared(first, n))
		return;			/* that would empty the pages up to the first private one */
	int r = madvise(at(first), n * PAGE, all[i].advice) ? -errno : 0;
	trace(all[i].name, first, n, r);
}
/* What fork does with the pages. Over anything shared WIPEONFORK fails half way. */
static void op_inherit(void)
{
	static const char *const names[] = { "dontfork", "dofork", "wipeonfork", "keeponfork" };
	static const int advice[] = { 10, 11, 18, 19 };
	size_t first, n, which = rnd(4);
	pick(&first, &n);
	if (any_shared(first, n))
		return;
	int r = madvise(at(first), n * PAGE, advice[which]) ? -errno : 0;
	trace(names[which], first, n, r);
	EXPECT_EQ(r, all_mapped(first, n) ? 0 : -ENOMEM);
	for (size_t i = first; i < first + n; i++) {
		if (which < 2)
			model[i].alone = model[i].mapped && which == 0;
		else
			model[i].wiped = model[i].mapped && which == 2;
	}
}
static void become_child(void)
{
	for (size_t i = 0; i < NPAGES; i++) {
		model[i].locked = 0;
		if (model[i].alone)
			model[i] = (struct model){ 0 };
		else if (model[i].wiped)
			model[i].value = 0;
	}
}
static size_t last_from, last_n, last_to;	/* the last move: going back joins what it cut */
static void op_move(void)
{
	size_t first, n, to, m;
	pick(&first, &n);
	pick(&to, &m);
	if (rnd(2))
		to = (to & ~511ul) | (first & 511);
	if (!rnd(3) && last_n)
		first = last_to, n = last_n, to = last_from;
	last_from = first, last_n = n, last_to = to;
	if (to + n > NPAGES || (to < first + n && first < to + n))
		return;
	bool stays = rnd(5) == 0;
	if (!all_mapped(first, n))
		return;		/* with holes it fails half way, and how far it came is nobody's promise */
	if (stays && any_shared_or_locked(first, n))
		return;		/* the model does not know of two places that show the same page; Linux unlocks too much */
	void *p = mremap(at(first), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | (stays ? MREMAP_DONTUNMAP : 0), at(to));
	int e = p == MAP_FAILED ? -errno : 0;
	/* Over several mappings newer kernels move all, older ones answer EFAULT; the target may be gone then. */
	trace(stays ? "mremap-stays" : "mremap", first, n, e);
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
		if (stays)
			model[first + i].value = model[first + i].locked = 0;
		else
			model[first + i] = (struct model){ 0 };
	}
}
/* mremap in place: shrink, or grow into what lies behind. */
static void op_resize(void)
{
	size_t first, n, m;
	pick(&first, &n);
	m = 1 + rnd(2 * n);
	if (first + m > NPAGES || any_shared(first, n))
		return;			/* a shared object does not grow with its mapping */
	void *p = mremap(at(first), n * PAGE, m * PAGE, 0);
	int e = p == MAP_FAILED ? -errno : 0;
	trace("resize", first, n, e);
	mix(m);
	if (e)
		return;
	for (size_t i = m; i < n; i++)
		model[first + i] = (struct model){ 0 };
	for (size_t i = n; i < m; i++) {
		EXPECT_EQ(model[first + i].mapped, 0);
		model[first + i] = model[first + n - 1];
		model[first + i].value = 0;
	}
}
static uint64_t next_value;
/*
 * Signals are dear. Of the pages that cannot be accessed a few are tried (the lines of maps tell of the others): at
 * the edges of what can, and one in 64.
 */
static bool not_tried(size_t i)
{
	const struct model *m = model + i;
	return i % 64 && i && i + 1 < NPAGES && m->mapped == m[-1].mapped && m->mapped == m[1].mapped &&
	       m->prot == m[-1].prot && m->prot == m[1].prot;
}
static void op_write(void)
{
	size_t first, n;
	pick(&first, &n);
	uint64_t step = 1 + rnd(7);
	long faults = 0;
	for (size_t i = first; i < first + n; i += step) {
		uint64_t value = ++next_value << 8;
		if (!(model[i].mapped && model[i].prot & PROT_WRITE) && not_tried(i)) {
			faults++;
			continue;
		}
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
		if (!(model[i].mapped && model[i].prot) && not_tried(i))
			continue;
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
	bool stays = rnd(3) == 0;
	int r = mlock(at(first), n * PAGE) ? -errno : 0;
	trace("mlock", first, n, r);
	if (!stays) {
		r = munlock(at(first), n * PAGE) ? -errno : 0;
		trace("munlock", first, n, r);
	}
	for (size_t i = first; i < first + n && model[i].mapped; i++)
		model[i].locked = stays;
}

/* ---- Pins: one set at a time, taken and dropped by the first process, held across everything else ---- */

static int gup_fd = -1;
static size_t pinned;
static void pins_drop(void)
{
	static char copy[512 * PAGE];
	uint64_t to = (uintptr_t)copy;
	if (!pinned)
		return;
	EXPECT_EQ(ioctl(gup_fd, PIN_LONGTERM_TEST_READ, &to), 0);
	for (size_t i = 0; i < pinned; i++)
		mix(*(uint64_t *)(copy + i * PAGE));
	EXPECT_EQ(ioctl(gup_fd, PIN_LONGTERM_TEST_STOP), 0);
	trace("unpin", 0, pinned, 0);
	pinned = 0;
}
static void op_pin(void)
{
	size_t first, n;
	pick(&first, &n);
	int flags = rnd(4);
	if (depth || gup_fd < 0)
		return;
	pins_drop();
	struct pin_longterm_test t = { .addr = (uintptr_t)at(first), .size = (n > 512 ? 512 : n) * PAGE, .flags = flags };
	int r = ioctl(gup_fd, PIN_LONGTERM_TEST_START, &t) ? -errno : 0;
	trace(flags & 1 ? "pin-write" : "pin-read", first, t.size / PAGE, r);
	if (!r)
		pinned = t.size / PAGE;
}

/* The pages of the arena: present, file, mapped once; of an anonymous, a large, the zero folio. */
static void mix_pages(void)
{
	static uint64_t entry[NPAGES], flags[NPAGES];
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)), kpf = OK(open("/proc/kpageflags", O_RDONLY | O_CLOEXEC));
	EXPECT_EQ(pread(fd, entry, sizeof(entry), (uintptr_t)BASE / PAGE * 8), sizeof(entry));
	for (size_t i = 0, n; i < NPAGES; i += n) {
		n = 1;
		if (!(entry[i] & PM_PRESENT))
			continue;
		while (i + n < NPAGES && entry[i + n] & PM_PRESENT && PM_PFN(entry[i + n]) == PM_PFN(entry[i]) + n)
			n++;
		EXPECT_EQ(pread(kpf, flags + i, n * 8, PM_PFN(entry[i]) * 8), n * 8);
	}
	close(fd), close(kpf);
	for (size_t i = 0, from = 0; i < NPAGES; i++) {
		uint64_t seen = entry[i] & (PM_PRESENT | PM_SWAPPED | PM_FILE | PM_EXCLUSIVE);
		if (seen & PM_PRESENT)
			seen |= flags[i] & (1ul << KPF_ANON | 1ul << KPF_THP | 1ul << KPF_ZERO_PAGE);
		entry[i] = seen;
		mix(seen);
		if (tracing && seen && (i + 1 == NPAGES || !i || seen != entry[i - 1]))
			from = i;
		if (tracing && seen && (i + 1 == NPAGES || i == from))
			ktap_line("#   from page %zu: %llx", i, (unsigned long long)seen);
	}
}

/* How the counters of large folios moved in this sequence (the program itself has none: see sequences()). */
static void mix_counters(bool start)
{
	/*
	 * split_deferred only while nothing of that size was split: a split unmaps the folio page by page, and Linux counts
	 * it as partly mapped when the first page is gone, where Quire knows better (mm/deferred_split.c).
	 */
	static const int sizes[] = { 2048, 64, 16 };
	static const char *const files[] = { "anon_fault_alloc", "anon_fault_fallback", "split_failed", "split", "split_deferred",
					     "nr_anon", "nr_anon_partially_mapped" };
	static long before[3][7];
	long moved[7];
	for (int s = 0; s < 3; s++)
		for (int f = 0; f < 7; f++) {
			char path[120], *text;
			snprintf(path, sizeof(path), THP "hugepages-%dkB/stats/%s", sizes[s], files[f]);
			text = ktap_read(path);
			long now = text ? strtol(text, NULL, 10) : 0;
			moved[f] = now - before[s][f];
			before[s][f] = now;
			if (start || (f == 4 && moved[3]))
				continue;
			mix(moved[f]);
			if (tracing && moved[f])
				ktap_line("# %s %d: %ld", files[f], sizes[s], moved[f]);
		}
}

/* The arena as /proc shows it. */
static void mix_proc(void)
{
	/*
	 * Clean and dirty are added up: whether a page was written to is a hint to reclaim, which keeps it with different
	 * exactness. (Linux on x86 forgets it in mprotect of a huge page.)
	 */
	static const char *const fields[] = { "Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty",
					      "Anonymous", "AnonHugePages", "Swap", "Locked", "THPeligible" };
	unsigned long start, end;
	long clean = 0;
	bool here = false;
	mix_pages();
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
				if (strstr(fields[f], "_Clean")) {
					clean = value;
					continue;
				}
				if (strstr(fields[f], "_Dirty"))
					value += clean;
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
		become_child();
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
	op_map, op_map, op_map, op_unmap, op_protect, op_protect, op_dontneed, op_advise, op_advise, op_advise, op_inherit,
	op_move, op_move, op_resize, op_write, op_write, op_write, op_write, op_write, op_read, op_mincore, op_lock, op_pin,
	op_fork, op_fork,
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
	snprintf(path, sizeof(path), THP "%s%senabled", size, *size ? "/" : "");
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
	last_n = next_value = 0;
	policy("", rnd(4) ? "always" : "madvise");
	policy("hugepages-2048kB", rnd(4) ? "inherit" : "never");
	policy("hugepages-64kB", rnd(2) ? "always" : "never");
	policy("hugepages-16kB", rnd(3) ? "never" : "madvise");
	mix_counters(true);
	steps(STEPS);
	check_range(0, NPAGES);
	mix_proc();
	pins_drop();
	munmap(BASE, NPAGES * PAGE);
	mix_counters(false);
}

/* No large folios in what the program itself has, so that the counters tell of the arena alone. */
static void plain_program(void)
{
	unsigned long start, end;
	for (char *line = ktap_read("/proc/self/maps"); line && *line; line = strchr(line, '\n') + 1)
		if (sscanf(line, "%lx-%lx rw-p", &start, &end) == 2)
			madvise((void *)start, end - start, 15 /* MADV_NOHUGEPAGE */);
}
static void sequences(uint64_t first, long n)
{
	plain_program();
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	gup_fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	for (uint64_t seed = first; seed < first + n; seed++) {
		sequence(seed);
		ktap_line("# digest %llu %016llx", (unsigned long long)seed, (unsigned long long)digest);
		if (ktap_failed)
			break;
	}
	close(gup_fd);
	gup_fd = -1;
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
