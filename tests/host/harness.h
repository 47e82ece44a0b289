/*
 * tests/host/harness.h - how a host test is written.
 *
 *	HTEST(tree_keeps_order)
 *	{
 *		EXPECT(tree_ok(&root));
 *		EXPECT_EQ(count, 3);
 *	}
 *
 * Each HTEST of the program runs, in the order of the file, and prints one KTAP line. A failed EXPECT prints
 * where and goes on. Random numbers come from HOST_SEED in the environment; every run prints its seed.
 */
#ifndef TESTS_HOST_HARNESS_H
#define TESTS_HOST_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include "kernel/lib/types.h"

struct htest {
	const char *name;
	void (*run)(void);
	struct htest *next;
};
void htest_register(struct htest *t);
#define HTEST(fn)								\
	static void fn(void);							\
	__attribute__((constructor)) static void register_##fn(void)		\
	{									\
		static struct htest t = { #fn, fn, NULL };			\
		htest_register(&t);						\
	}									\
	static void fn(void)

void expect_failed(const char *file, int line, const char *what, long long a, long long b);
#define EXPECT(c) do { if (!(c)) expect_failed(__FILE__, __LINE__, #c, 0, 1); } while (0)
#define EXPECT_EQ(a, b) do {							\
	long long __a = (long long)(a), __b = (long long)(b);			\
	if (__a != __b)								\
		expect_failed(__FILE__, __LINE__, #a " == " #b, __a, __b);	\
} while (0)

u64 rnd(void);				/* 64 random bits */
static inline u64 rnd_below(u64 n) { return rnd() % n; }

/* Blocks from kmalloc and xa_node_alloc that are not freed yet. */
extern long live_blocks;
/* If not negative: that many more allocations succeed, then all fail. */
extern long allocs_left;

#endif
