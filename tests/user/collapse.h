/*
 * tests/user/collapse.h - what the tests of the collapse share: 2 MiB of small pages, MADV_COLLAPSE, and khugepaged's look at
 * a range at once (Quire's control: on Linux these cases are skipped).
 */
#ifndef TESTS_USER_COLLAPSE_H
#define TESTS_USER_COLLAPSE_H

#include "tests/user/large.h"
#include <dirent.h>

#define ADVISE_COLLAPSE	25		/* MADV_COLLAPSE */
#define KHUGEPAGED	THP_DIR "khugepaged/"

static inline bool is_huge(const void *p) { return huge_mapped(p) > 0; }
/* A number under khugepaged/. SKIP where it may not be set. */
static inline void set_limit(const char *name, long value)
{
	char path[120], text[20];
	snprintf(path, sizeof(path), KHUGEPAGED "%s", name);
	snprintf(text, sizeof(text), "%ld", value);
	if (ktap_write(path, text))
		SKIP("no such limit");
}
/* A number under khugepaged/; -1 where there is none. */
static inline long khugepaged_number(const char *name)
{
	char path[120], *text;
	snprintf(path, sizeof(path), KHUGEPAGED "%s", name);
	text = ktap_read(path);
	return text ? strtol(text, NULL, 10) : -1;
}
static inline void default_limits(void)
{
	set_limit("max_ptes_none", 511);
	set_limit("max_ptes_swap", 64);
	set_limit("max_ptes_shared", 256);
}
/*
 * The daemon stays out of the way: the first case of a program says so, the last one takes it back. It is stopped while
 * its pace changes, as that would wake it.
 */
static inline void khugepaged_sleep_time(long ms)
{
	char old[32];
	if (!choose(THP_DIR "enabled", "never", old))
		SKIP("no huge pages");
	set_limit("scan_sleep_millisecs", ms);
	EXPECT_EQ(ktap_write(THP_DIR "enabled", old), 0);
}
#define TEST_KHUGEPAGED_SLEEPS TEST(khugepaged_sleeps) { khugepaged_sleep_time(1000000000); default_limits(); }
#define TEST_KHUGEPAGED_WAKES  TEST(khugepaged_wakes) { khugepaged_sleep_time(10000); default_limits(); }

/* No test may be called like the daemon. */
static inline bool is_khugepaged(pid_t pid)
{
	char path[60], *text;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	text = ktap_read(path);
	return text && !strcmp(text, "khugepaged\n");
}
/* The daemon's process, 0: it does not run. */
static inline pid_t khugepaged_pid(void)
{
	static pid_t found;
	if (found && is_khugepaged(found))
		return found;
	found = 0;
	DIR *proc = opendir("/proc");
	for (struct dirent *d; !found && proc && (d = readdir(proc));)
		if (atoi(d->d_name) > 0 && is_khugepaged(atoi(d->d_name)))
			found = atoi(d->d_name);
	closedir(proc);
	return found;
}
/* N bytes (whole 2 MiB) of filled 4 KiB pages that may become huge, and which nobody else works at. */
static inline char *small_range(size_t n)
{
	char *p = large_area(n, 0);
	if (madvise(p, n, MADV_HUGEPAGE))
		SKIP("no huge pages");
	return p;
}
/* 0 or the errno of MADV_COLLAPSE. SKIP where there is none. */
static inline int collapse(void *p, size_t n)
{
	return madvise(p, n, ADVISE_COLLAPSE) ? errno : 0;
}
/* The same, again and again while somebody else may hold a page for a moment. */
static inline int collapse_at_last(void *p, size_t n)
{
	int error;
	for (int i = 0; (error = collapse(p, n)) == EAGAIN && i < 100; i++)
		ktap_sleep_ms(1);
	return error;
}
static inline void need_collapse(void)
{
	/* Linux before 6.1 does not know the advice. */
	if (madvise(NULL, 0, ADVISE_COLLAPSE))
		SKIP("no MADV_COLLAPSE");
}
/* Linux wanted a writable page in the range until 6.18 (KHP-14); Quire never does. */
static inline void need_no_writable_page(void)
{
	if (ktap_is_quire())
		return;
	char *p = OK(mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *range = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	madvise(range, HUGE, MADV_NOHUGEPAGE);
	memset(range, 1, HUGE);
	madvise(range, HUGE, MADV_HUGEPAGE);
	OK(mprotect(range, HUGE, PROT_READ));
	int error = collapse_at_last(range, HUGE);
	munmap(p, 2 * HUGE);
	if (error == EINVAL)
		SKIP("needs a writable page here");
}
static inline void need_force(void)
{
	if (!have_control("force"))
		SKIP("needs Quire's controls");
}
/* What khugepaged would say of the 2 MiB at P of process PID (0: this one), now. */
static inline const char *scan_of(pid_t pid, const void *p)
{
	static char word[60];
	char *text, *line;
	int error = control("force", "collapse %d 0x%lx 0x%lx", (int)pid, (unsigned long)p, (unsigned long)p + HUGE);
	if (error)
		return strerror(error);
	text = ktap_read(QUIRE_DIR "force");
	line = text ? strstr(text, "last: collapse") : NULL;
	if (!line || sscanf(line, "%*[^\n]\n%*s %59s", word) != 1)
		return "?";
	return word;
}
#define scan(p) scan_of(0, p)
/* The same, again and again while somebody else, say reclaim, may hold a page for a moment. */
static inline const char *scan_at_last(const void *p)
{
	static const char *const soon_over[] = {
		"page_locked", "not_suitable_page_count", "page_not_in_lru", "could_not_delete_page_from_lru",
	};
	const char *word = scan(p);
	for (int i = 0; i < 400 && strcmp(word, "succeeded"); i++) {
		if (strcmp(word, soon_over[i % 4]))
			continue;
		ktap_sleep_ms(1);
		word = scan(p);
	}
	return word;
}

#endif
