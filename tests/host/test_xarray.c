/*
 * tests/host/test_xarray.c - the radix tree against an array of (index, entry), with failing allocations.
 */
#include "tests/host/harness.h"
#include "kernel/lib/xarray.h"

#define NR 400

static unsigned long keys[NR];
static void *values[NR];

/* Indices at all scales, neighbours, and the far end. */
static void choose_keys(void)
{
	for (int i = 0; i < NR; i++) {
	again:
		switch (rnd_below(4)) {
		case 0: keys[i] = rnd_below(500); break;
		case 1: keys[i] = rnd() >> rnd_below(64); break;
		case 2: keys[i] = ~rnd_below(200); break;
		case 3: keys[i] = (1UL << rnd_below(64)) - rnd_below(2); break;
		}
		for (int j = 0; j < i; j++)
			if (keys[j] == keys[i])
				goto again;
		values[i] = NULL;
	}
}

static void check_find(struct xarray *xa, unsigned long from, unsigned long to)
{
	unsigned long index = from;
	void *found = xa_find(xa, &index, to);
	int best = -1;

	for (int i = 0; i < NR; i++)
		if (values[i] && keys[i] >= from && keys[i] <= to && (best < 0 || keys[i] < keys[best]))
			best = i;
	EXPECT(found == (best < 0 ? NULL : values[best]));
	if (found && best >= 0)
		EXPECT_EQ(index, keys[best]);
}

static void check_walk(struct xarray *xa)
{
	unsigned long index, nr = 0, want = 0;
	void *entry;

	xa_for_each_range(xa, index, entry, 0, ~0UL) {
		EXPECT(xa_load(xa, index) == entry);
		nr++;
	}
	for (int i = 0; i < NR; i++) {
		EXPECT(xa_load(xa, keys[i]) == values[i]);
		want += values[i] != NULL;
	}
	EXPECT_EQ(nr, want);
	EXPECT_EQ(xa_empty(xa), want == 0);
}

static void step(struct xarray *xa, int i, bool store)
{
	void *entry = xa_mk_value(rnd() >> 1);

	if (!store) {
		EXPECT(xa_erase(xa, keys[i]) == values[i]);
		values[i] = NULL;
		return;
	}
	if (rnd_below(3) == 0)
		allocs_left = rnd_below(8);
	if (values[i])
		allocs_left = 0;	/* replacing never needs memory */
	if (xa_store(xa, keys[i], entry) == 0)
		values[i] = entry;
	else
		EXPECT(!values[i] && !allocs_left);
	allocs_left = -1;
}

HTEST(xarray_random_steps_and_failures)
{
	struct xarray xa = XARRAY_INIT;

	for (int round = 0; round < 4; round++) {
		choose_keys();
		for (int n = 0; n < 6000; n++) {
			step(&xa, rnd_below(NR), rnd_below(10) < (n / 1000 % 2 ? 2 : 8));
			check_find(&xa, keys[rnd_below(NR)] + rnd_below(3) - 1, rnd() >> rnd_below(64));
			check_find(&xa, 0, keys[rnd_below(NR)]);
			if (n % 50 == 0)
				check_walk(&xa);
		}
		for (int i = 0; i < NR; i++)
			step(&xa, i, false);
		check_walk(&xa);
		EXPECT_EQ(live_blocks, 0);
	}
}

HTEST(xarray_failed_store_leaves_nothing_behind)
{
	struct xarray xa = XARRAY_INIT;

	for (int left = 0; left < 11; left++) {
		allocs_left = left;
		EXPECT_EQ(xa_store(&xa, ~0UL, xa_mk_value(1)), -ENOMEM);
		EXPECT_EQ(live_blocks, 0);
		EXPECT(xa_empty(&xa) && !xa.height);
	}
	allocs_left = -1;
	EXPECT_EQ(xa_store(&xa, 3, xa_mk_value(3)), 0);
	EXPECT_EQ(live_blocks, 1);
	for (int left = 0; left < 20; left++) {
		allocs_left = left;
		EXPECT_EQ(xa_store(&xa, ~0UL, xa_mk_value(1)), -ENOMEM);
		EXPECT_EQ(live_blocks, 1);
		EXPECT_EQ(xa.height, 1);
	}
	allocs_left = -1;
	xa_destroy(&xa);
	EXPECT_EQ(live_blocks, 0);
}

HTEST(xarray_shrinks_and_destroys)
{
	struct xarray xa = XARRAY_INIT;

	EXPECT_EQ(xa_store(&xa, 5, xa_mk_value(5)), 0);
	EXPECT_EQ(xa_store(&xa, 1UL << 40, xa_mk_value(6)), 0);
	EXPECT(live_blocks > 5);
	EXPECT(xa_erase(&xa, 1UL << 40) == xa_mk_value(6));
	EXPECT_EQ(live_blocks, 1);
	EXPECT_EQ(xa_store(&xa, 5, NULL), 0);
	EXPECT_EQ(live_blocks, 0);
	for (unsigned long i = 0; i < 10000; i++)
		EXPECT_EQ(xa_store(&xa, i * i, xa_mk_value(i)), 0);
	xa_destroy(&xa);
	EXPECT_EQ(live_blocks, 0);
	EXPECT(xa_empty(&xa));
}
