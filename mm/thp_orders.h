/*
 * mm/thp_orders.h - sets of folio orders, and the policy that the knobs of each size add up to: plain
 * arithmetic, tested on the host (tests/host/test_thp_policy.c). thp_policy.h has what the rest of the
 * kernel asks.
 */
#ifndef MM_THP_ORDERS_H
#define MM_THP_ORDERS_H

#include "arch-x86_64/pgtable.h"

/* Sets of orders are bit masks: bit 9 is 2 MiB. Order 1 is never anonymous (FOL-9). */
#define THP_ORDERS_ALL_ANON ((BIT(HPAGE_PMD_ORDER + 1) - 1) & ~(BIT(0) | BIT(1)))
/* ORDERS not 0 */
static inline int highest_order(unsigned long orders) { return 63 - __builtin_clzl(orders); }
static inline int next_order(unsigned long *orders, int prev)
{
	*orders &= ~BIT(prev);
	return *orders ? highest_order(*orders) : 0;
}

/* The words of an `enabled` file; THP_INHERIT (from the global one) only for a size. */
enum thp_mode { THP_NEVER, THP_MADVISE, THP_ALWAYS, THP_INHERIT };

/* What the enabled files say: each order is in at most one set; in none: never. */
struct thp_knobs {
	enum thp_mode global;
	unsigned long always, madvise, inherit;
};

enum thp_mode thp_order_mode(const struct thp_knobs *k, unsigned int order);
void thp_set_order_mode(struct thp_knobs *k, unsigned int order, enum thp_mode mode);
/* MTHP-2: ORDERS cut down to what K allows a mapping; ADVISED: it has MADV_HUGEPAGE. */
unsigned long thp_allowed_orders(const struct thp_knobs *k, bool advised, unsigned long orders);
/* MTHP-4: ORDERS cut down to those whose naturally aligned block around ADDR lies within [START, END). */
unsigned long thp_fitting_orders(unsigned long start, unsigned long end, unsigned long addr,
				 unsigned long orders);
/* The same, the block being anywhere in it (ABI-14). */
unsigned long thp_contained_orders(unsigned long start, unsigned long end, unsigned long orders);
/*
 * ABI-26: set the policies of a list such as "16K-64K:always;128K,512K:inherit;2M:never". 0, or -EINVAL
 * with nothing changed. Cuts TEXT to pieces.
 */
int thp_parse_orders(struct thp_knobs *k, char *text);

#endif
