/*
 * tests/host/test_ida.c - lowest-free ids against a plain array.
 */
#include "tests/host/harness.h"
#include "kernel/lib/ida.h"
#include "mm/slab.h"

#define NR 1000

static bool used[NR];

static long model_alloc(unsigned int min, unsigned int max)
{
	for (unsigned int i = min; i <= max; i++)
		if (!used[i]) {
			used[i] = true;
			return i;
		}
	return -ENOSPC;
}

HTEST(ida_random_steps)
{
	struct ida ida = IDA_INIT;

	for (int step = 0; step < 50000; step++) {
		unsigned int a = rnd_below(NR), b = rnd_below(NR);

		if (rnd_below(10) < (step / 5000 % 2 ? 3 : 7)) {
			unsigned int min_id = rnd_below(2) ? 0 : min(a, b);

			EXPECT_EQ(ida_alloc_range(&ida, min_id, max(a, b)), model_alloc(min_id, max(a, b)));
		} else if (used[a]) {
			ida_free(&ida, a);
			used[a] = false;
		}
		EXPECT_EQ(ida_is_used(&ida, b), used[b]);
	}
	kfree(ida.bits);
	EXPECT_EQ(live_blocks, 0);
}

HTEST(ida_out_of_memory_changes_nothing)
{
	struct ida ida = IDA_INIT;

	allocs_left = 0;
	EXPECT_EQ(ida_alloc_range(&ida, 0, 10), -ENOMEM);
	allocs_left = -1;
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(ida_alloc_range(&ida, 0, 100), i);
	allocs_left = 0;
	EXPECT_EQ(ida_alloc_range(&ida, 0, 100), -ENOMEM);
	EXPECT_EQ(ida_alloc_range(&ida, 0, 63), -ENOSPC);
	ida_free(&ida, 7);
	EXPECT_EQ(ida_alloc_range(&ida, 0, 100), 7);
	allocs_left = -1;
	EXPECT_EQ(ida_alloc_range(&ida, 0, 100), 64);
	EXPECT_EQ(ida_alloc_range(&ida, 5000, 5000), 5000);
	EXPECT_EQ(ida_alloc_range(&ida, 5000, 5000), -ENOSPC);
	EXPECT(!ida_is_used(&ida, 4000000000u));
	kfree(ida.bits);
}
