/*
 * kernel/lib/atomic.h - atomic integers and bits on gcc's builtins.
 *
 * As in Linux: operations that return a value order everything around them; plain set, read, inc,
 * dec, add, sub, set_bit and clear_bit promise atomicity only (x86's lock prefix orders them anyway).
 */
#ifndef KERNEL_LIB_ATOMIC_H
#define KERNEL_LIB_ATOMIC_H

#include "kernel/lib/types.h"

typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
#define ATOMIC_INIT(i) { (i) }

#define __ATOMIC_FAMILY(pfx, T, I)								\
static inline I pfx##_read(const T *v)	{ return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); }\
static inline void pfx##_set(T *v, I i)	{ __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); }	\
static inline void pfx##_add(I i, T *v)	{ __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST); }	\
static inline void pfx##_sub(I i, T *v)	{ __atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST); }	\
static inline void pfx##_inc(T *v)	{ pfx##_add(1, v); }					\
static inline void pfx##_dec(T *v)	{ pfx##_sub(1, v); }					\
static inline I pfx##_add_return(I i, T *v) { return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I pfx##_sub_return(I i, T *v) { return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST); } \
static inline I pfx##_inc_return(T *v)	{ return pfx##_add_return(1, v); }			\
static inline I pfx##_dec_return(T *v)	{ return pfx##_sub_return(1, v); }			\
static inline bool pfx##_dec_and_test(T *v) { return pfx##_sub_return(1, v) == 0; }		\
static inline bool pfx##_sub_and_test(I i, T *v) { return pfx##_sub_return(i, v) == 0; }	\
static inline I pfx##_xchg(T *v, I i)	{ return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST); } \
/* Returns the value found; the exchange happened iff that equals OLD. */			\
static inline I pfx##_cmpxchg(T *v, I old, I new)						\
{												\
	__atomic_compare_exchange_n(&v->counter, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	return old;										\
}												\
/* Add I unless the value is U; true if it was added. */					\
static inline bool pfx##_add_unless(T *v, I i, I u)						\
{												\
	I c = pfx##_read(v);									\
	while (c != u) {									\
		I seen = pfx##_cmpxchg(v, c, c + i);						\
		if (seen == c)									\
			return true;								\
		c = seen;									\
	}											\
	return false;										\
}												\
static inline bool pfx##_inc_not_zero(T *v) { return pfx##_add_unless(v, 1, 0); }

__ATOMIC_FAMILY(atomic, atomic_t, int)
__ATOMIC_FAMILY(atomic_long, atomic_long_t, long)

#define BITS_PER_LONG 64
#define BITS_TO_LONGS(n) (((n) + 63) / 64)

static inline bool test_bit(unsigned int nr, const unsigned long *p)
{
	return (__atomic_load_n(p + nr / 64, __ATOMIC_RELAXED) >> (nr % 64)) & 1;
}
static inline void set_bit(unsigned int nr, unsigned long *p)
{
	__atomic_fetch_or(p + nr / 64, 1UL << (nr % 64), __ATOMIC_SEQ_CST);
}
static inline void clear_bit(unsigned int nr, unsigned long *p)
{
	__atomic_fetch_and(p + nr / 64, ~(1UL << (nr % 64)), __ATOMIC_SEQ_CST);
}
static inline bool test_and_set_bit(unsigned int nr, unsigned long *p)
{
	return (__atomic_fetch_or(p + nr / 64, 1UL << (nr % 64), __ATOMIC_SEQ_CST) >> (nr % 64)) & 1;
}
static inline bool test_and_clear_bit(unsigned int nr, unsigned long *p)
{
	return (__atomic_fetch_and(p + nr / 64, ~(1UL << (nr % 64)), __ATOMIC_SEQ_CST) >> (nr % 64)) & 1;
}
/* Not atomic: the word is private to the caller. */
static inline void __set_bit(unsigned int nr, unsigned long *p)   { p[nr / 64] |= 1UL << (nr % 64); }
static inline void __clear_bit(unsigned int nr, unsigned long *p) { p[nr / 64] &= ~(1UL << (nr % 64)); }

#endif
