/*
 * mm/thp_orders.c - which orders a size policy allows, and which fit where (MTHP-2, MTHP-4, ABI-26).
 *
 *	         orders 9 8 7 6 5 4 3 2
 *	policy          1 0 0 0 0 1 0 1		2 MiB inherits "always", 64 kB is always, 16 kB advised
 *	geometry            1 1 1 1 1 1		an aligned block of 512 kB around the address fits
 *	both                0 0 0 1 0 1		memory.c tries 64 kB, then 16 kB
 *
 * Linux: include/linux/huge_mm.h, thp_vma_suitable_orders(); mm/huge_memory.c, setup_thp_anon().
 */
#include "mm/thp_orders.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"

enum thp_mode thp_order_mode(const struct thp_knobs *k, unsigned int order)
{
	if (READ_ONCE(k->always) & BIT(order))
		return THP_ALWAYS;
	if (READ_ONCE(k->inherit) & BIT(order))
		return THP_INHERIT;
	return READ_ONCE(k->madvise) & BIT(order) ? THP_MADVISE : THP_NEVER;
}

static void put_in_set(unsigned long *set, unsigned int order, bool in)
{
	WRITE_ONCE(*set, in ? *set | BIT(order) : *set & ~BIT(order));
}

void thp_set_order_mode(struct thp_knobs *k, unsigned int order, enum thp_mode mode)
{
	put_in_set(&k->always, order, mode == THP_ALWAYS);
	put_in_set(&k->madvise, order, mode == THP_MADVISE);
	put_in_set(&k->inherit, order, mode == THP_INHERIT);
}

unsigned long thp_allowed_orders(const struct thp_knobs *k, bool advised, unsigned long orders)
{
	enum thp_mode global = READ_ONCE(k->global);
	unsigned long allowed = READ_ONCE(k->always);

	if (advised)
		allowed |= READ_ONCE(k->madvise);
	if (global == THP_ALWAYS || (global == THP_MADVISE && advised))
		allowed |= READ_ONCE(k->inherit);
	return orders & allowed;
}

unsigned long thp_fitting_orders(unsigned long start, unsigned long end, unsigned long addr,
				 unsigned long orders)
{
	while (orders) {
		int order = highest_order(orders);
		unsigned long size = PAGE_SIZE << order, block = ALIGN_DOWN(addr, size);

		/* If this one fits, all lower ones fit: their blocks lie within this one. */
		if (block >= start && end >= size && block <= end - size)
			break;
		orders &= ~BIT(order);
	}
	return orders;
}

unsigned long thp_contained_orders(unsigned long start, unsigned long end, unsigned long orders)
{
	while (orders) {
		int order = highest_order(orders);
		unsigned long size = PAGE_SIZE << order;

		/* If there is room for an aligned block at all, the last one in front of END fits. */
		if (end - start >= size && ALIGN_DOWN(end, size) - size >= start)
			break;
		orders &= ~BIT(order);
	}
	return orders;
}

/* ---- thp_anon= (ABI-26) ---- */

/* The order of a size such as "64K", or -EINVAL: not the size of an anonymous large folio. */
static int parse_order(const char *text)
{
	unsigned long long size;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	size = memparse(text, &end);
	if (*end || !is_power_of_2(size) || size < PAGE_SIZE || size > PMD_SIZE)
		return -EINVAL;
	if (!(THP_ORDERS_ALL_ANON & BIT(ilog2(size) - PAGE_SHIFT)))
		return -EINVAL;
	return ilog2(size) - PAGE_SHIFT;
}

static int parse_mode(const char *word)
{
	static const char *const words[] = {
		[THP_NEVER] = "never", [THP_MADVISE] = "madvise",
		[THP_ALWAYS] = "always", [THP_INHERIT] = "inherit",
	};

	for (int mode = 0; mode < ARRAY_SIZE(words); mode++)
		if (strcmp(word, words[mode]) == 0)
			return mode;
	return -EINVAL;
}

/* "64K" or "16K-64K": these orders become MODE. */
static int parse_range(struct thp_knobs *k, char *range, enum thp_mode mode)
{
	char *from = kstrsep(&range, "-");
	int first = parse_order(from), last = range ? parse_order(range) : first;

	if (first < 0 || last < first)
		return -EINVAL;
	for (int order = first; order <= last; order++)
		thp_set_order_mode(k, order, mode);
	return 0;
}

int thp_parse_orders(struct thp_knobs *k, char *text)
{
	struct thp_knobs new = *k;
	char *item, *range;

	while ((item = kstrsep(&text, ";"))) {
		char *ranges = kstrsep(&item, ":");
		int mode = item ? parse_mode(item) : -EINVAL;

		if (mode < 0)
			return mode;
		while ((range = kstrsep(&ranges, ",")))
			if (parse_range(&new, range, mode))
				return -EINVAL;
	}
	*k = new;
	return 0;
}
