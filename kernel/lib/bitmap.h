/*
 * kernel/lib/bitmap.h - searching arrays of bits, and the position of bits in a word.
 *
 * Bit n of a bitmap is bit n % 64 of word n / 64. Nothing here is atomic: the caller keeps the words still,
 * or lives with an answer that was true for each word when it was read. atomic.h sets and clears bits.
 */
#ifndef KERNEL_LIB_BITMAP_H
#define KERNEL_LIB_BITMAP_H

#include "kernel/lib/atomic.h"

/* Number of the lowest and of the highest set bit. WORD is not 0. */
static inline unsigned int __ffs(unsigned long word) { return __builtin_ctzl(word); }
static inline unsigned int __fls(unsigned long word) { return 63 - __builtin_clzl(word); }
/* 1 + number of the highest set bit; 0 for 0. */
static inline unsigned int fls64(u64 x)		     { return x ? 64 - __builtin_clzl(x) : 0; }
static inline unsigned int ilog2(u64 x)		     { return 63 - __builtin_clzl(x); }	/* X is not 0 */
static inline bool is_power_of_2(u64 x)		     { return x && !(x & (x - 1)); }
static inline u64 roundup_pow_of_two(u64 x)	     { return x <= 1 ? 1 : 1ULL << fls64(x - 1); }

/* Set bits in a word, without the popcnt instruction, which not every x86-64 has. */
static inline unsigned int hweight64(u64 w)
{
	w -= (w >> 1) & 0x5555555555555555ULL;
	w = (w & 0x3333333333333333ULL) + ((w >> 2) & 0x3333333333333333ULL);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (w * 0x0101010101010101ULL) >> 56;
}

/* First bit at or after START and below NR that differs from the bits of INVERT; NR if there is none. */
static inline unsigned int __find_next(const unsigned long *map, unsigned int nr, unsigned int start,
				       unsigned long invert)
{
	unsigned long mask = ~0UL << (start % 64);

	for (unsigned int w = start / 64; (unsigned long)w * 64 < nr; w++, mask = ~0UL) {
		unsigned long word = (map[w] ^ invert) & mask;

		if (word)
			return min_t(unsigned int, w * 64 + __ffs(word), nr);
	}
	return nr;
}
static inline unsigned int find_next_bit(const unsigned long *map, unsigned int nr, unsigned int start)
{
	return __find_next(map, nr, start, 0);
}
static inline unsigned int find_next_zero_bit(const unsigned long *map, unsigned int nr, unsigned int start)
{
	return __find_next(map, nr, start, ~0UL);
}
static inline unsigned int find_first_bit(const unsigned long *map, unsigned int nr)
{
	return find_next_bit(map, nr, 0);
}
static inline unsigned int find_first_zero_bit(const unsigned long *map, unsigned int nr)
{
	return find_next_zero_bit(map, nr, 0);
}
#define for_each_set_bit(bit, map, nr)						\
	for ((bit) = find_first_bit(map, nr); (bit) < (nr);			\
	     (bit) = find_next_bit(map, nr, (bit) + 1))

/* Set bits below NR. */
static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int w = 0; w < nr / 64; w++)
		n += hweight64(map[w]);
	if (nr % 64)
		n += hweight64(map[nr / 64] & ~(~0UL << (nr % 64)));
	return n;
}

#endif
