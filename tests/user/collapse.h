/*
 * tests/user/collapse.h - what the tests of the collapse share: 2 MiB of small pages, MADV_COLLAPSE, and khugepaged's look at
 * a range at once (Quire's control: on Linux these cases are skipped).
 */
#ifndef TESTS_USER_COLLAPSE_H
#define TESTS_USER_COLLAPSE_H

#include "tests/user/large.h"

#define ADVISE_COLLAPSE	25		/* MADV_COLLAPSE */
#define KHUGEPAGED	THP_DIR "khugepaged/"

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
static inline void need_collapse(void)
{
	/* Linux before 6.1 does not know the advice. */
	if (madvise(NULL, 0, ADVISE_COLLAPSE))
		SKIP("no MADV_COLLAPSE");
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

static inline bool is_huge(const void *p) { return huge_mapped(p) > 0; }

#endif
