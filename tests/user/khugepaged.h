/*
 * tests/user/khugepaged.h - what the tests of the daemon share: it rests until a test asks for a pass.
 *
 *	khugepaged_rests();	asleep, for weeks
 *	one_pass();		one pass of at most pages_to_scan units, and asleep again
 *
 * Changing a sleep time wakes it (ABI-8), also if the new value is the old one: that is how a pass begins. The setting of
 * each knob is put back by the last case of a program (khugepaged_defaults).
 */
#ifndef TESTS_USER_KHUGEPAGED_H
#define TESTS_USER_KHUGEPAGED_H

#define KTAP_KHUGEPAGED_IS_OURS
#include "tests/user/collapse.h"

#define FOR_WEEKS	"4000000000"
#define NO_LIMIT	"4294967295"

static inline void knob(const char *name, const char *value)
{
	char path[120];
	snprintf(path, sizeof(path), KHUGEPAGED "%s", name);
	EXPECT_EQ(ktap_write(path, value), 0);
}
/* 2 MiB pages for all who did not say no (POLICY "always"), for those who asked, or for nobody; no other sizes. */
static inline void policy(const char *word)
{
	for (int order = 2; order < HUGE_ORDER; order++) {
		char path[120];
		snprintf(path, sizeof(path), THP_DIR "hugepages-%dkB/enabled", 4 << order);
		ktap_write(path, "never");
	}
	ktap_write(THP_DIR "hugepages-2048kB/enabled", "inherit");
	EXPECT_EQ(ktap_write(THP_DIR "enabled", word), 0);
}

/* Whoever wakes it makes it runnable at once: when it is seen asleep after that, it has done what it was woken for. */
static inline bool khugepaged_asleep(void)
{
	/* By name each time: one that was stopped is still on its way out. */
	return ktap_until(ktap_state(khugepaged_pid()) == 'S');
}
/*
 * One pass, and asleep again. The process is looked up before: to read a directory takes memory, and the daemon passes over
 * an mm whose mappings are just being changed (KHP-4).
 */
static inline void one_pass(void)
{
	(void)khugepaged_pid();
	/* In Linux a sleep is not cut short before it has begun: who is in a pass still would not make another. */
	ASSERT_TRUE(khugepaged_asleep());
	knob("scan_sleep_millisecs", FOR_WEEKS);
	ASSERT_TRUE(khugepaged_asleep());
}
/* 2 MiB pages are allowed; the daemon is asleep, and a pass goes all the way round. SKIP where there is none, or no right. */
static inline void khugepaged_rests(void)
{
	if (access(KHUGEPAGED "scan_sleep_millisecs", W_OK))
		SKIP("no khugepaged");
	policy("always");
	knob("pages_to_scan", NO_LIMIT);
	knob("alloc_sleep_millisecs", "0");
	knob("max_ptes_none", "511");
	knob("max_ptes_swap", "64");
	knob("max_ptes_shared", "256");
	one_pass();
}
static inline void khugepaged_defaults(void)
{
	policy("always");
	knob("pages_to_scan", "4096");
	knob("max_ptes_none", "511");
	knob("max_ptes_swap", "64");
	knob("max_ptes_shared", "256");
	knob("defrag", "1");
	knob("alloc_sleep_millisecs", "60000");
	knob("scan_sleep_millisecs", "10000");
}

/* There is a huge page in the mapping of P; if not, what the kernel says to that is printed. */
static inline bool became_huge(const char *p)
{
	if (is_huge(p))
		return true;
	if (!control("why_not_huge", "0 0x%lx", (unsigned long)p))
		ktap_line("# %s", strchr(ktap_read(QUIRE_DIR "why_not_huge"), '\n') + 1);
	return false;
}

/*
 * N bytes filled with 4 KiB pages, of the kind that the daemon looks at, by a process that this has not registered with
 * it: while the pages came, there were to be no huge ones.
 */
static inline char *unregistered_range(size_t n)
{
	char *p = reserve(n);
	policy("never");
	fill_pages(p, n);
	policy("always");
	return p;
}
/* This process is registered from now on (KHP-1): a first touch of 2 MiB. */
static inline void get_registered(void)
{
	char *p = reserve(HUGE);
	*p = 1;
}

#endif
