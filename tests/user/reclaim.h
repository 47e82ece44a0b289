/*
 * tests/user/reclaim.h - what the tests of reclaim share: "scan" of single folios, the state of the lists, swap for the
 * length of a case, and how much memory is left.
 */
#ifndef TESTS_USER_RECLAIM_H
#define TESTS_USER_RECLAIM_H

#include "tests/user/large.h"
#include "tests/user/swaparea.h"

#define KPF_ACTIVE	6
#define MIB		(1ul << 20)

/* The case swaps to the scratch disk from here to its end; slow: to one that answers later, where there is one. */
static const char *area;
static inline void swap_begin(void) { area = swap_on(0); }
static inline void swap_begin_slow(void)
{
	swap_begin();
	int fd = open("/dev/vda", O_RDWR | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)(64 * MIB))
		return;
	close(fd);
	swap_off(area);
	area = "/dev/vda";
	make_swap(area, disk_pages(area));
	OK(swapon(area, 0));
}
static inline void swap_end(void) { swap_off(area); }

static inline void need(const char *name)
{
	if (!have_control(name))
		SKIP("needs Quire's controls");
}

/* A CPU that still has an entry does not set its young bit again: send it to the table. */
static inline void forget_tlb(const volatile void *p, size_t n)
{
	OK(mprotect((void *)p, n, PROT_READ));
	OK(mprotect((void *)p, n, PROT_READ | PROT_WRITE));
}
static inline void touch(volatile char *p, size_t n)
{
	forget_tlb(p, n);
	for (size_t i = 0; i < n; i += PAGE)
		(void)p[i];
}

struct scan { char verdict[16]; int step; long freed; };

/* Reclaim looks at the folios mapped at [P, P + N) as if it had met them on an inactive list; what became of the first. */
static inline struct scan scan_as_it_is(const volatile char *p, size_t n)
{
	struct scan s = { "?", -1, -1 };
	EXPECT_EQ(control("force", "scan 0 0x%lx 0x%lx", (unsigned long)p, (unsigned long)(p + n)), 0);
	char *text = ktap_read(QUIRE_DIR "force"), *at = text ? strstr(text, "\npfn=") : NULL;
	if (at)
		sscanf(at, "\npfn=%*s order=%*d verdict=%15s step=%d freed=%ld", s.verdict, &s.step, &s.freed);
	return s;
}
static inline struct scan scan(const volatile char *p, size_t n)
{
	forget_tlb(p, n);
	return scan_as_it_is(p, n);
}
#define EXPECT_SCAN(p, n, verdict_, step_) do { \
	struct scan ktap_s = scan(p, n); \
	EXPECT_STR(ktap_s.verdict, verdict_); \
	EXPECT_EQ(ktap_s.step, step_); } while (0)
/* Its first use is forgiven, once. */
#define EXPECT_SECOND_CHANCE(p, n) EXPECT_SCAN(p, n, "keep", 4)

static inline uint64_t flags_of(const volatile void *p) { return kpageflags(pfn_of(p)); }
static inline bool is_active(const volatile void *p) { return flags_of(p) >> KPF_ACTIVE & 1; }

/* All controls that a case may have left on. */
static inline void release_all(void)
{
	control("alloc", "free");
	control("pause", "disarm");
}

static long drops;
static inline void drop_caches(void) { drops += ktap_write("/proc/sys/vm/drop_caches", "3"); }

/* Everything but N bytes is taken away. */
static inline void leave_only(size_t n)
{
	drop_caches();
	EXPECT_EQ(control("alloc", "fill %ld", zone_sum("high ") + (long)(n / PAGE)), 0);
}

#endif
