/*
 * tests/user/pages.h - what the page-level tests share: pagemap, kpagecount, kpageflags, /proc/self/maps, mappings.
 */
#ifndef TESTS_USER_PAGES_H
#define TESTS_USER_PAGES_H

#include "tests/user/ktap.h"

#define PM_PRESENT	(1ull << 63)
#define PM_SWAPPED	(1ull << 62)
#define PM_FILE		(1ull << 61)	/* file page or shared anonymous */
#define PM_SOFT_DIRTY	(1ull << 55)	/* set by kernels that have it, also where nothing is mapped */
#define PM_EXCLUSIVE	(1ull << 56)	/* mapped once */
#define PM_PFN(e)	((e) & ((1ull << 55) - 1))

/* /proc/kpageflags */
#define KPF_LOCKED	0
#define KPF_REFERENCED	2
#define KPF_DIRTY	4
#define KPF_LRU		5
#define KPF_SLAB	7
#define KPF_BUDDY	10
#define KPF_MMAP	11
#define KPF_ANON	12
#define KPF_SWAPBACKED	14
#define KPF_UNEVICTABLE	18
#define KPF_THP		22
#define KPF_ZERO_PAGE	24
#define KPF_PGTABLE	26
#define KPF_MLOCKED	33

static inline uint64_t proc_u64(const char *path, uint64_t index)
{
	uint64_t v = 0;
	int fd = OK(open(path, O_RDONLY | O_CLOEXEC));
	if (pread(fd, &v, 8, index * 8) != 8)
		KTAP_FAIL("# %s: no entry %llu", path, (unsigned long long)index);
	close(fd);
	return v;
}
static inline uint64_t pagemap(const volatile void *p) { return proc_u64("/proc/self/pagemap", (uintptr_t)p / PAGE); }
/* The frame of an address, 0 if nothing is mapped there. */
static inline uint64_t pfn_of(const volatile void *p)
{
	uint64_t e = pagemap(p);
	return e & PM_PRESENT ? PM_PFN(e) : 0;
}
static inline bool is_present(const volatile void *p) { return pagemap(p) & PM_PRESENT; }
static inline uint64_t kpagecount(uint64_t pfn) { return proc_u64("/proc/kpagecount", pfn); }
static inline uint64_t kpageflags(uint64_t pfn) { return proc_u64("/proc/kpageflags", pfn); }
static inline bool has_flag(const volatile void *p, int bit) { return kpageflags(pfn_of(p)) >> bit & 1; }
static inline long vmstat(const char *name) { return ktap_number("/proc/vmstat", name); }
/* The sum over all zones of a line of /proc/zoneinfo, such as "high ". */
static inline long zone_sum(const char *field)
{
	long sum = 0;
	for (char *at = ktap_read("/proc/zoneinfo"); at && (at = strstr(at, field)); at += strlen(field))
		if (at[-1] == ' ')
			sum += atol(at + strlen(field));
	return sum;
}
static inline long status_kb(const char *name) { return ktap_number("/proc/self/status", name); }

/*
 * N bytes of fresh private anonymous memory of 4 KiB pages: no huge pages, not at the edge of another mapping (there is
 * an unmapped page on both sides).
 */
static inline char *anon(size_t n)
{
	char *p = OK(mmap(NULL, n + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	munmap(p, PAGE);
	munmap(p + PAGE + n, PAGE);
	OK(mprotect(p + PAGE, n, PROT_READ | PROT_WRITE));
	madvise(p + PAGE, n, 15 /* MADV_NOHUGEPAGE; EINVAL where huge pages are not built in */);
	return p + PAGE;
}

/* This thread, and those that it starts from now on, on CPU. */
static inline void on_cpu(int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
}
/*
 * This process and its children stay on one CPU. A page that was just faulted in is still held by the LRU batch of the
 * CPU it was faulted on, and only that CPU can drain it: elsewhere a write copies where it could have reused (COW-8).
 */
static inline void stay_here(void)
{
	int cpu = sched_getcpu();
	on_cpu(cpu < 0 ? 0 : cpu);
}

/* One line of /proc/self/maps. */
struct map_line { unsigned long start, end, offset, inode; char perms[5], name[200]; };

/* The mapping that covers P, or the next one above; false if there is none. */
static inline bool find_map(const volatile void *p, struct map_line *m)
{
	for (char *line = ktap_read("/proc/self/maps"); line && *line; line = strchr(line, '\n') + 1) {
		m->name[0] = 0;
		sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu %199[^\n]", &m->start, &m->end, m->perms, &m->offset, &m->inode,
		       m->name);
		if (m->end > (unsigned long)p)
			return true;
	}
	return false;
}
/* How many mappings touch [P, P + N). */
static inline int count_maps(const volatile void *p, size_t n)
{
	unsigned long at = (unsigned long)p, end = at + n;
	struct map_line m;
	int count = 0;
	while (at < end && find_map((void *)at, &m) && m.start < end) {
		count++;
		at = m.end;
	}
	return count;
}
/* The value in kB of FIELD in the smaps entry that covers P; -1 if there is none. */
static inline long smaps_kb(const volatile void *p, const char *field)
{
	unsigned long start, end;
	bool here = false;
	for (char *line = ktap_read("/proc/self/smaps"); line && *line; line = strchr(line, '\n') + 1) {
		char *text = line;
		if (sscanf(text, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)p && (unsigned long)p < end;
		else if (here && !strncmp(text, field, strlen(field)) && text[strlen(field)] == ':')
			return strtol(text + strlen(field) + 1, NULL, 10);
	}
	return -1;
}

/* Does reading (or writing) at P work? Found out by a child, so that a fault harms nobody. 0, or the signal. */
static inline int touch_signal(volatile char *p, bool write)
{
	pid_t pid = OK(fork());
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (write)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	return ktap_wait(pid);
}

/* Two processes taking turns: each step is one byte through a pipe. */
struct turns { int to_child[2], to_parent[2]; };
static inline void turns_init(struct turns *t) { OK(pipe(t->to_child)); OK(pipe(t->to_parent)); }
static inline void turn_give(int fd) { if (write(fd, "x", 1) != 1) _exit(99); }
static inline void turn_take(int fd) { char c; if (read(fd, &c, 1) != 1) _exit(98); }
#define child_waits(t)	turn_take((t)->to_child[0])
#define child_done(t)	turn_give((t)->to_parent[1])
#define child_go(t)	turn_give((t)->to_child[1])
#define parent_waits(t)	turn_take((t)->to_parent[0])

#endif
