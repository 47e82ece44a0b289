/*
 * kernel/lib/ida.c - lowest-free numbers from a bitmap.
 *
 *	bits   1 1 1 1 0 1 0 0 ...	hint = 4: nothing below is free
 *
 * The bitmap begins empty and doubles when an id beyond its end is handed out; it never shrinks. Linux's ida
 * is an xarray of such bitmaps, which also serves sparse ids; ours are dense from 0.
 */
#include "kernel/lib/ida.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "mm/slab.h"

/* Make room for ID. Nothing changes on -ENOMEM. May sleep. */
static int grow(struct ida *ida, unsigned int id)
{
	size_t words = max_t(size_t, (size_t)id / 64 + 1, (size_t)ida->nr_bits / 64 * 2);
	size_t old_size = ida->nr_bits / 8;
	unsigned long *bits;

	words = min_t(size_t, words, UINT32_MAX / 64);
	if (id / 64 >= words)
		return -ENOMEM;
	bits = kmalloc(words * 8, GFP_KERNEL);
	if (!bits)
		return -ENOMEM;
	if (old_size)
		memcpy(bits, ida->bits, old_size);
	memset((char *)bits + old_size, 0, words * 8 - old_size);
	kfree(ida->bits);
	ida->bits = bits;
	ida->nr_bits = words * 64;
	return 0;
}

long ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max)
{
	unsigned int from = max(min, ida->hint);
	unsigned int id = from < ida->nr_bits ? find_next_zero_bit(ida->bits, ida->nr_bits, from) : from;

	if (id > max)
		return -ENOSPC;
	if (id >= ida->nr_bits && grow(ida, id))
		return -ENOMEM;
	__set_bit(id, ida->bits);
	if (from == ida->hint)		/* all between the hint and ID are in use */
		ida->hint = id + 1;
	return id;
}

void ida_free(struct ida *ida, unsigned int id)
{
	KASSERT(ida_is_used(ida, id), "ida_free of a free id");
	__clear_bit(id, ida->bits);
	ida->hint = min(ida->hint, id);
}

bool ida_is_used(const struct ida *ida, unsigned int id)
{
	return id < ida->nr_bits && test_bit(id, ida->bits);
}
