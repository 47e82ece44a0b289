/*
 * kernel/lib/rbtree.h - red-black trees, embedded, with optional augmentation (VMA gaps, interval ends).
 *
 * The caller finds the insertion point itself, links the node and asks for rebalancing:
 *
 *	rb_link_node(&new->rb, parent, link);
 *	rb_insert_color(&new->rb, root);		plain
 *	rb_insert_augmented(&new->rb, root, update);	augmented
 *
 * UPDATE(node) recomputes the node's own summary from its payload and its two children and returns true if
 * it changed. An augmented tree is only ever changed through the *_augmented calls; after a change of a
 * node's payload alone call rb_augment_propagate(node, update). The summary of a subtree must depend on the
 * set of payloads in it only, not on its shape: sums, minima and maxima are fine.
 */
#ifndef KERNEL_LIB_RBTREE_H
#define KERNEL_LIB_RBTREE_H

#include "kernel/lib/types.h"

struct rb_node {
	unsigned long __parent_color;	/* parent | (1: black) */
	struct rb_node *rb_right, *rb_left;
};
struct rb_root { struct rb_node *rb_node; };
#define RB_ROOT ((struct rb_root){ NULL })
#define rb_parent(n)	((struct rb_node *)((n)->__parent_color & ~3UL))
#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define RB_EMPTY_NODE(n) ((n)->__parent_color == (unsigned long)(n))
#define RB_CLEAR_NODE(n) ((n)->__parent_color = (unsigned long)(n))

typedef bool (*rb_update_fn)(struct rb_node *node);

static inline void rb_link_node(struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->__parent_color = (unsigned long)parent;
	n->rb_left = n->rb_right = NULL;
	*link = n;
}
/* Balance after rb_link_node(); take N out. The augmented forms keep summaries right through UPDATE. */
void rb_insert_color(struct rb_node *n, struct rb_root *root);
void rb_erase(struct rb_node *n, struct rb_root *root);
void rb_insert_augmented(struct rb_node *n, struct rb_root *root, rb_update_fn update);
void rb_erase_augmented(struct rb_node *n, struct rb_root *root, rb_update_fn update);
void rb_augment_propagate(struct rb_node *n, rb_update_fn update);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

#endif
