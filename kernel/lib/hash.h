/*
 * kernel/lib/hash.h - small hashes for tables of 2^bits buckets.
 *
 * Multiplication by a constant near 2^64 divided by the golden ratio spreads neighbours (Knuth 6.4); the
 * high bits of the product are the good ones. Not for use against an attacker who picks the keys.
 */
#ifndef KERNEL_LIB_HASH_H
#define KERNEL_LIB_HASH_H

#include "kernel/lib/types.h"

#define GOLDEN_RATIO_64 0x9e3779b97f4a7c15ULL

/* 1 <= BITS <= 32; the result is below 2^BITS. */
static inline u32 hash_64(u64 val, unsigned int bits)	    { return (val * GOLDEN_RATIO_64) >> (64 - bits); }
static inline u32 hash_long(unsigned long v, unsigned int bits) { return hash_64(v, bits); }
static inline u32 hash_ptr(const void *p, unsigned int bits) { return hash_64((unsigned long)p, bits); }

/* All 64 bits of a hash over LEN bytes (FNV-1a); feed it to hash_64 to choose a bucket. */
static inline u64 hash_bytes(const void *p, size_t len)
{
	const u8 *b = p;
	u64 h = 0xcbf29ce484222325ULL;

	while (len--)
		h = (h ^ *b++) * 0x100000001b3ULL;
	return h;
}
/* The same over a terminated string; equals hash_bytes(s, strlen(s)). */
static inline u64 hash_string(const char *s)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (*s)
		h = (h ^ (u8)*s++) * 0x100000001b3ULL;
	return h;
}

#endif
