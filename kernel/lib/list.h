/*
 * kernel/lib/list.h - doubly linked circular lists, embedded in what they link.
 */
#ifndef KERNEL_LIB_LIST_H
#define KERNEL_LIB_LIST_H

#include "kernel/lib/types.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *h) { h->next = h->prev = h; }

static inline void __list_insert(struct list_head *n, struct list_head *prev, struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}
static inline void list_add(struct list_head *n, struct list_head *h)	   { __list_insert(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { __list_insert(n, h->prev, h); }

/* Both links point at 0x100 and 0x122 afterwards, so that a second removal faults at once. */
#define LIST_POISON1 ((struct list_head *)0x100)
#define LIST_POISON2 ((struct list_head *)0x122)
static inline void list_del(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	e->next = LIST_POISON1;
	e->prev = LIST_POISON2;
}
static inline void list_del_init(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	INIT_LIST_HEAD(e);
}
static inline bool list_empty(const struct list_head *h) { return READ_ONCE(h->next) == h; }
static inline bool list_is_singular(const struct list_head *h) { return !list_empty(h) && h->next == h->prev; }
static inline void list_move(struct list_head *e, struct list_head *h)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	list_add(e, h);
}
static inline void list_move_tail(struct list_head *e, struct list_head *h)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	list_add_tail(e, h);
}
/* Move all of FROM to the front (or the tail) of TO; FROM is empty afterwards. */
static inline void list_splice_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->prev->next = to->next;
	to->next->prev = from->prev;
	from->next->prev = to;
	to->next = from->next;
	INIT_LIST_HEAD(from);
}
static inline void list_splice_tail_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	INIT_LIST_HEAD(from);
}

#define list_entry(ptr, type, member)	container_of(ptr, type, member)
#define list_first_entry(h, type, m)	list_entry((h)->next, type, m)
#define list_last_entry(h, type, m)	list_entry((h)->prev, type, m)
#define list_next_entry(pos, m)		list_entry((pos)->m.next, __typeof__(*(pos)), m)
#define list_first_entry_or_null(h, type, m) (list_empty(h) ? NULL : list_first_entry(h, type, m))
#define list_for_each(pos, h)		for (pos = (h)->next; pos != (h); pos = pos->next)
#define list_for_each_entry(pos, h, m)						\
	for (pos = list_first_entry(h, __typeof__(*pos), m); &pos->m != (h);	\
	     pos = list_next_entry(pos, m))
#define list_for_each_entry_safe(pos, n, h, m)					\
	for (pos = list_first_entry(h, __typeof__(*pos), m), n = list_next_entry(pos, m); \
	     &pos->m != (h); pos = n, n = list_next_entry(n, m))
#define list_for_each_entry_reverse(pos, h, m)					\
	for (pos = list_last_entry(h, __typeof__(*pos), m); &pos->m != (h);	\
	     pos = list_entry(pos->m.prev, __typeof__(*pos), m))

#endif
