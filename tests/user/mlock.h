/*
 * tests/user/mlock.h - what the tests of locked memory share: the figures that it changes, and reclaim's look at a range at
 * once (Quire's control: on Linux these cases are skipped).
 *
 * Mlocked and Unevictable are of the whole machine: the cases look at how much they change, and nobody else locks
 * memory. Marks go through per-CPU batches; drain_batches() empties them.
 */
#ifndef TESTS_USER_MLOCK_H
#define TESTS_USER_MLOCK_H

#include "tests/user/large.h"
#include "tests/user/swaparea.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT	4
#endif
#define ONFAULT		1

static inline int mlock2_call(void *p, size_t n, int flags) { return (int)syscall(SYS_mlock2, p, n, flags); }
static inline long locked_kb(void) { return status_kb("VmLck"); }
static inline long mlocked_kb(void) { return ktap_number("/proc/meminfo", "Mlocked"); }
static inline long unevictable_kb(void) { return ktap_number("/proc/meminfo", "Unevictable"); }
static inline void drain_batches(void)
{
	if (have_control("force"))
		EXPECT_EQ(control("force", "drain 0 0 0"), 0);
	else if (!ktap_write("/proc/sys/vm/drop_caches", "1"))
		ktap_write("/proc/sys/vm/stat_refresh", "1");	/* Linux keeps gauges per CPU, too */
}
/* What Mlocked and Unevictable were; later: by how much they have changed. */
struct figures { long mlocked, unevictable; };
static inline struct figures figures_now(void)
{
	drain_batches();
	return (struct figures){ mlocked_kb(), unevictable_kb() };
}
/* By how much they are more than BEFORE. Linux moves a page's mark from CPU to CPU, and adds up later: there, when it is so. */
static inline struct figures grown(struct figures before, long kb)
{
	struct figures now;
	double end = ktap_now() + 10;
	do {
		now = figures_now();
		now.mlocked -= before.mlocked;
		now.unevictable -= before.unevictable;
	} while (!ktap_is_quire() && (now.mlocked != kb || now.unevictable != kb) && ktap_now() < end);
	return now;
}
#define EXPECT_GROWN(before, kb) do { \
	struct figures ktap_grown_ = grown(before, kb); \
	EXPECT_EQ(ktap_grown_.mlocked, kb); \
	EXPECT_EQ(ktap_grown_.unevictable, kb); } while (0)

static inline int pages_in_core(const char *p, int n)
{
	int present = 0;
	for (int i = 0; i < n; i++)
		present += is_present(p + i * PAGE);
	return present;
}

/* ---- Reclaim ---- */

/* Put every folio of [P, P + N) through reclaim; how many lines say VERDICT. */
static inline int scan(const char *p, size_t n, const char *verdict)
{
	char words[40];
	int lines = 0;
	EXPECT_EQ(control("force", "scan %d 0x%lx 0x%lx", (int)getpid(), (unsigned long)p, (unsigned long)(p + n)), 0);
	snprintf(words, sizeof(words), "verdict=%s ", verdict);
	for (char *at = ktap_read(QUIRE_DIR "force"); at && (at = strstr(at, words)); at++)
		lines++;
	return lines;
}
static const char *area __attribute__((unused));	/* what is swapped to in this case */
static inline void need_scan(void)
{
	char *text = ktap_read(QUIRE_DIR "force");
	if (!text || !strstr(text, "scan "))
		SKIP("needs Quire's controls");
	area = swap_on(4096);
}
/* Nothing keeps the pages: after a few scans none is left. */
static inline void expect_all_go(const char *p, size_t n)
{
	for (int i = 0; i < 4; i++)
		scan(p, n, "freed");
	EXPECT_TRUE(ktap_until((scan(p, n, "freed"), pages_in_core(p, (int)(n / PAGE)) == 0)));
}

#endif
