/*
 * kernel/lib/ida.h - lowest-free id allocator: the smallest number that nobody has.
 *
 * A bitmap that doubles as ids are needed; it is searched a word of 64 at a time from where free ids can
 * begin, so the usual allocation looks at one word. The caller provides the locking.
 */
#ifndef KERNEL_LIB_IDA_H
#define KERNEL_LIB_IDA_H

#include "kernel/lib/types.h"

struct ida {
	unsigned long *bits;		/* 1: in use */
	unsigned int nr_bits;		/* capacity now, a multiple of 64 */
	unsigned int hint;		/* no free id below */
};
#define IDA_INIT { NULL, 0, 0 }

/*
 * Lowest free id in [MIN, MAX]; marks it. -ENOSPC if all are taken, -ENOMEM if the bitmap could not grow.
 * May allocate with GFP_KERNEL (sleep): serialise callers with a mutex.
 */
long ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max);
/* ID must be in use. */
void ida_free(struct ida *ida, unsigned int id);
bool ida_is_used(const struct ida *ida, unsigned int id);

#endif
