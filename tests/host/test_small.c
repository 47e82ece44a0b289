/*
 * tests/host/test_small.c - bitmaps and hashes.
 */
#include <string.h>
#include "tests/host/harness.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/hash.h"

HTEST(bitmap_searches)
{
	unsigned long map[5];

	for (int round = 0; round < 3000; round++) {
		unsigned int nr = rnd_below(320) + 1, start = rnd_below(nr + 1), bit, set, zero, weight = 0;

		for (int w = 0; w < 5; w++)
			map[w] = rnd_below(3) ? rnd() & rnd() & rnd() : -rnd_below(2);
		for (set = start; set < nr && !test_bit(set, map); set++)
			;
		for (zero = start; zero < nr && test_bit(zero, map); zero++)
			;
		for (bit = 0; bit < nr; bit++)
			weight += test_bit(bit, map);
		EXPECT_EQ(find_next_bit(map, nr, start), set);
		EXPECT_EQ(find_next_zero_bit(map, nr, start), zero);
		EXPECT_EQ(bitmap_weight(map, nr), weight);
		for_each_set_bit(bit, map, nr)
			weight--;
		EXPECT_EQ(weight, 0);
	}
}

HTEST(bitmap_word_helpers)
{
	for (int i = 0; i < 64; i++) {
		u64 bit = 1ULL << i;

		EXPECT_EQ(__ffs(bit), i);
		EXPECT_EQ(__fls(bit | 1), i);
		EXPECT_EQ(fls64(bit), i + 1);
		EXPECT_EQ(ilog2(bit), i);
		EXPECT(is_power_of_2(bit));
		EXPECT(!i || roundup_pow_of_two(bit) == bit);
		EXPECT(i < 2 || roundup_pow_of_two(bit - 1) == bit);
		EXPECT(i < 1 || i > 62 || roundup_pow_of_two(bit + 1) == bit * 2);
		EXPECT_EQ(hweight64(bit - 1), i);
	}
	EXPECT_EQ(fls64(0), 0);
	EXPECT_EQ(hweight64(~0ULL), 64);
	EXPECT(!is_power_of_2(0) && !is_power_of_2(6));
}

HTEST(hash_spreads_neighbours)
{
	unsigned int hits[256] = { 0 }, worst = 0;

	for (unsigned long i = 0; i < 256 * 16; i++)
		worst = max(worst, ++hits[hash_long(i * 4096, 8)]);
	EXPECT(worst < 48);
	EXPECT_EQ(hash_string("meminfo"), hash_bytes("meminfo", 7));
	EXPECT(hash_string("a") != hash_string("b"));
}
