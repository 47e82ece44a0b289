/*
 * kernel/lib/xarray.h - a radix tree from unsigned long to pointers: page cache, PID table.
 *
 * Entries are pointers (4-byte aligned, not NULL) or "values" (xa_mk_value: 63 bits, e.g. swap entries).
 * 64 slots a node. The caller holds xa_lock (a spinlock) around changes; lookups are done under it as well.
 * xa_store may need memory for nodes and gets it without sleeping, since the lock is held.
 */
#ifndef KERNEL_LIB_XARRAY_H
#define KERNEL_LIB_XARRAY_H

#include "kernel/lib/types.h"

struct xa_node;
struct xarray {
	struct xa_node *root;
	unsigned int height;		/* levels of nodes; 0: empty */
};
#define XARRAY_INIT { NULL, 0 }
static inline void xa_init(struct xarray *xa) { xa->root = NULL; xa->height = 0; }
static inline void *xa_mk_value(unsigned long v) { return (void *)((v << 1) | 1); }
static inline bool xa_is_value(const void *e) { return (unsigned long)e & 1; }
static inline unsigned long xa_to_value(const void *e) { return (unsigned long)e >> 1; }

/*
 * Allocation of nodes, supplied by slab.c (kernel) or the host tests. ALLOC must not sleep and returns zeroed
 * memory, or NULL if there is none.
 */
#define XA_NODE_SIZE 520	/* bytes: what ALLOC is always asked for */
extern void *(*xa_node_alloc)(size_t size);
extern void (*xa_node_free)(void *node);

/* The entry at INDEX, or NULL. */
void *xa_load(const struct xarray *xa, unsigned long index);
/*
 * Store ENTRY (NULL erases, and frees empty nodes). Returns 0, or -ENOMEM with nothing changed; storing over
 * an entry, or NULL, never fails.
 */
int xa_store(struct xarray *xa, unsigned long index, void *entry);
void *xa_erase(struct xarray *xa, unsigned long index);	/* returns what was there */
/* First entry at or after *INDEX and not above MAX, *INDEX set to its place; NULL if none. */
void *xa_find(const struct xarray *xa, unsigned long *index, unsigned long max);
static inline bool xa_empty(const struct xarray *xa) { return !xa->root; }
/* Free all nodes; the entries are the caller's. */
void xa_destroy(struct xarray *xa);
#define xa_for_each_range(xa, index, entry, first, last)				\
	for ((index) = (first), (entry) = xa_find(xa, &(index), last); (entry);		\
	     (entry) = (index) == ~0UL ? NULL : ((index)++, xa_find(xa, &(index), last)))

#endif
