/*
 * tests/user/zones.h - how full memory is and in what pieces, and Quire's control that takes it away (`alloc`).
 */
#ifndef TESTS_USER_ZONES_H
#define TESTS_USER_ZONES_H

#include "tests/user/large.h"
#include <stdarg.h>

#define BLOCK		512			/* pages: of a pageblock */
#define COMPACT_MEMORY	"/proc/sys/vm/compact_memory"

static inline long high_pages(void) { return zone_sum("high "); }
static inline long low_pages(void) { return zone_sum("low "); }
static inline long free_pages(void) { return ktap_number("/proc/meminfo", "MemFree") / 4; }

/* Free blocks of order 9, and halves of larger ones. */
static inline long huge_blocks(void)
{
	long sum = 0, n[11];
	for (char *line = ktap_read("/proc/buddyinfo"); line && *line; line = strchr(line, '\n') + 1) {
		char *at = strstr(line, "zone"), name[20];
		if (at && sscanf(at, "zone %19s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", name, &n[0], &n[1], &n[2], &n[3],
				 &n[4], &n[5], &n[6], &n[7], &n[8], &n[9], &n[10]) == 12)
			sum += n[9] + 2 * n[10];
	}
	return sum;
}
static inline void compact_all(void)
{
	EXPECT_EQ(ktap_write(COMPACT_MEMORY, "1"), 0);
}
static inline void need_compaction(void)
{
	if (access(COMPACT_MEMORY, W_OK))
		SKIP("no compaction, or no right to ask for it");
}
static inline void need_controls(void)
{
	need_compaction();
	if (!have_control("alloc") || !have_control("force"))
		SKIP("needs Quire's controls");
}

/* One command for the control whose file is open already: opening one may allocate. */
static inline void say(int fd, const char *format, ...)
{
	char text[100];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	EXPECT_EQ(pwrite(fd, text, strlen(text), 0), (long)strlen(text));
}

static inline void give_all_back(void)
{
	if (have_control("alloc"))
		EXPECT_EQ(control("alloc", "free"), 0);
}

/* Free pages of ORDER or more on the lists of a type: "Unmovable", "Movable", "Reclaimable". */
static inline long free_of_order(const char *type, int least)
{
	char *at = ktap_read("/proc/pagetypeinfo"), word[40];
	long sum = 0;
	snprintf(word, sizeof(word), "type %12s ", type);
	while (at && (at = strstr(at, word)) && (at += strlen(word)))
		for (int order = 0; order <= 10; order++) {
			long n = strtol(at, &at, 10);
			sum += order < least ? 0 : n << order;
		}
	return sum;
}
static inline long free_of(const char *type) { return free_of_order(type, 0); }

#endif
