/*
 * tests/host/test_thp_policy.c - which orders are allowed and fit (MTHP-2..4), and the thp_anon= boot word
 * (ABI-26).
 */
#include <string.h>
#include "tests/host/harness.h"
#include "mm/thp_orders.h"

#define KB 1024UL
#define ALL THP_ORDERS_ALL_ANON
static const struct thp_knobs defaults = { .global = THP_ALWAYS, .inherit = BIT(9) };

HTEST(anonymous_orders_are_0_and_2_to_9)
{
	EXPECT_EQ(ALL, 0x3fc);
	EXPECT_EQ(highest_order(ALL), 9);
}

HTEST(next_order_goes_down)
{
	unsigned long orders = BIT(9) | BIT(4) | BIT(2);
	int order = highest_order(orders);

	EXPECT_EQ(order, 9);
	EXPECT_EQ(order = next_order(&orders, order), 4);
	EXPECT_EQ(order = next_order(&orders, order), 2);
	EXPECT_EQ(next_order(&orders, order), 0);
	EXPECT_EQ(orders, 0);
}

/* T-MTHP-10, MTHP-2: each size policy x each global policy x advised or not. */
HTEST(policy_table)
{
	static const bool want[4][3][2] = {	/* [size][global][advised] */
		[THP_NEVER]   = { { 0, 0 }, { 0, 0 }, { 0, 0 } },
		[THP_MADVISE] = { { 0, 1 }, { 0, 1 }, { 0, 1 } },
		[THP_ALWAYS]  = { { 1, 1 }, { 1, 1 }, { 1, 1 } },
		[THP_INHERIT] = { { 0, 0 }, { 0, 1 }, { 1, 1 } },
	};

	for (int size = THP_NEVER; size <= THP_INHERIT; size++)
		for (int global = THP_NEVER; global <= THP_ALWAYS; global++)
			for (int order = 2; order <= 9; order++) {
				struct thp_knobs k = { .global = global };

				thp_set_order_mode(&k, order, size);
				EXPECT_EQ(thp_order_mode(&k, order), size);
				for (int advised = 0; advised < 2; advised++)
					EXPECT_EQ(thp_allowed_orders(&k, advised, ALL),
						  want[size][global][advised] ? BIT(order) : 0);
			}
}

HTEST(a_size_has_one_policy_and_keeps_to_itself)
{
	struct thp_knobs k = defaults;

	for (int i = 0; i < 1000; i++) {
		int order = 2 + rnd_below(8), other = 2 + rnd_below(8);
		enum thp_mode before = thp_order_mode(&k, other), mode = rnd_below(4);

		thp_set_order_mode(&k, order, mode);
		EXPECT_EQ(thp_order_mode(&k, order), mode);
		if (other != order)
			EXPECT_EQ(thp_order_mode(&k, other), before);
		EXPECT_EQ(k.always & k.inherit, 0);
		EXPECT_EQ(k.always & k.madvise, 0);
		EXPECT_EQ(k.inherit & k.madvise, 0);
	}
}

HTEST(only_candidates_are_allowed)
{
	struct thp_knobs k = { .global = THP_ALWAYS, .always = ALL };

	EXPECT_EQ(thp_allowed_orders(&k, false, BIT(4) | BIT(2)), BIT(4) | BIT(2));
	EXPECT_EQ(thp_allowed_orders(&k, false, 0), 0);
}

/* T-MTHP-2: a mapping of 64 KiB that starts one page after the alignment. */
HTEST(a_block_that_sticks_out_does_not_fit)
{
	unsigned long start = 0x10000000 + 4 * KB, end = start + 64 * KB, some = BIT(4) | BIT(3) | BIT(2);

	EXPECT_EQ(thp_fitting_orders(start, end, start, BIT(4)), 0);
	EXPECT_EQ(thp_fitting_orders(start, end, end - 1, BIT(4)), 0);
	EXPECT_EQ(thp_fitting_orders(start, end, 0x10000000 + 16 * KB, some), BIT(2));
	EXPECT_EQ(thp_fitting_orders(start, end, 0x10000000 + 32 * KB, some), BIT(3) | BIT(2));
	EXPECT_EQ(thp_contained_orders(start, end, BIT(4)), 0);
	EXPECT_EQ(thp_contained_orders(start, end, ALL), BIT(3) | BIT(2));
	EXPECT_EQ(thp_contained_orders(0x10000000, 0x10000000 + 64 * KB, ALL), BIT(4) | BIT(3) | BIT(2));
}

/* By definition, one order at a time. */
static unsigned long model(unsigned long start, unsigned long end, unsigned long addr, unsigned long orders)
{
	unsigned long fit = 0;

	for (int order = 0; order < 10; order++) {
		unsigned long size = PAGE_SIZE << order, block = addr / size * size;

		if ((orders & BIT(order)) && block >= start && block + size <= end)
			fit |= BIT(order);
	}
	return fit;
}

HTEST(fitting_orders_against_a_model)
{
	for (int i = 0; i < 20000; i++) {
		unsigned long start = rnd_below(1200) * PAGE_SIZE, pages = 1 + rnd_below(1200);
		unsigned long end = start + pages * PAGE_SIZE, addr = start + rnd_below(pages * PAGE_SIZE);
		unsigned long orders = rnd() & ALL, anywhere = 0;

		EXPECT_EQ(thp_fitting_orders(start, end, addr, orders), model(start, end, addr, orders));
		if (i % 20)
			continue;
		for (unsigned long a = start; a < end; a += PAGE_SIZE)
			anywhere |= model(start, end, a, orders);
		EXPECT_EQ(thp_contained_orders(start, end, orders), anywhere);
	}
}

HTEST(blocks_at_the_ends_of_the_address_space)
{
	EXPECT_EQ(thp_fitting_orders(0, PMD_SIZE, 0, ALL), ALL);
	EXPECT_EQ(thp_fitting_orders(0, PAGE_SIZE, 0, ALL), 0);
	EXPECT_EQ(thp_contained_orders(PAGE_SIZE, 2 * PAGE_SIZE, ALL), 0);
	EXPECT_EQ(thp_contained_orders(0x7ffffffff000 - PMD_SIZE, 0x7ffffffff000, ALL), ALL & ~BIT(9));
}

/* The policies of orders 2..9 after TEXT, from D on: n(ever), m(advise), a(lways), i(nherit). */
static const char *parsed(struct thp_knobs k, const char *text)
{
	static char modes[9];
	char copy[200];

	strcpy(copy, text);
	if (thp_parse_orders(&k, copy))
		return "error";
	for (int order = 2; order <= 9; order++)
		modes[order - 2] = "nmai"[thp_order_mode(&k, order)];
	return modes;
}
#define EXPECT_PARSED(text, want) EXPECT(strcmp(parsed((struct thp_knobs){ 0 }, text), want) == 0)

HTEST(thp_anon_lists)
{
	/*	orders					 23456789 */
	EXPECT_PARSED("64K:always",			"nnannnnn");
	EXPECT_PARSED("16K-64K:always;128K,512K:inherit;2M:never", "aaaininn");
	EXPECT_PARSED("16k:madvise,",			"error");
	EXPECT_PARSED("16K-2M:madvise",			"mmmmmmmm");
	EXPECT_PARSED("16K-2M:always;64K:never",	"aanaaaaa");
	EXPECT_PARSED("16384:inherit",			"innnnnnn");
	EXPECT_PARSED("2048K:inherit",			"nnnnnnni");
	EXPECT_PARSED("32K,128K-256K,1M:madvise",	"nmnmmnmn");
}

HTEST(an_error_spoils_the_whole_list)
{
	static const char *const bad[] = {
		"", ";", "64K", "64K:", ":always", "64K:sometimes", "64K:always ", "4K:always", "8K:always",
		"4M:always", "48K:always", "64K-16K:always", "16K-:always", "-64K:always",
		"16K-64K-128K:always", "64Kx:always",
		"64K:always;", "64K:always;8K:never", "64K:always:never", "x:always", "-1:always", "0:always",
		"99999999999999999999:always",
	};
	struct thp_knobs k = { .always = BIT(2), .inherit = BIT(9) };

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		char copy[64];

		strcpy(copy, bad[i]);
		if (!thp_parse_orders(&k, copy))
			expect_failed(__FILE__, __LINE__, bad[i], 0, 0);
		EXPECT_EQ(k.always, BIT(2));
		EXPECT_EQ(k.inherit, BIT(9));
		EXPECT_EQ(k.madvise, 0);
	}
}

HTEST(lists_add_up)
{
	struct thp_knobs k = defaults;
	char first[] = "64K:always", second[] = "2M:madvise;16K:inherit";

	EXPECT_EQ(thp_parse_orders(&k, first), 0);
	EXPECT_EQ(thp_parse_orders(&k, second), 0);
	EXPECT_EQ(k.always, BIT(4));
	EXPECT_EQ(k.madvise, BIT(9));
	EXPECT_EQ(k.inherit, BIT(2));
	EXPECT_EQ(k.global, THP_ALWAYS);
}
