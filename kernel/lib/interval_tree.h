/*
 * kernel/lib/interval_tree.h - which intervals overlap this one? For anon_vma and i_mmap.
 *
 *	                    [4,9] up to 20            each node also knows the largest `last`
 *	                   /              \           in its subtree, so a search leaves out
 *	        [1,2] up to 3          [6,20] up to 20   every subtree that ends too early
 *	              \
 *	             [2,3] up to 3
 *
 * Ordered by start, intervals of equal start by time of insertion, so that walks visit in the same order
 * on every run. Both ends are inclusive. A change of start or last needs remove and insert.
 * Searches and changes take no lock: the owner of the root does. O(log n), a walk of m hits O(m + log n)
 * when hits are neighbours and O(m log n) at worst. Linux: include/linux/interval_tree_generic.h.
 */
#ifndef KERNEL_LIB_INTERVAL_TREE_H
#define KERNEL_LIB_INTERVAL_TREE_H

#include "kernel/lib/rbtree.h"

struct interval_tree_node {
	struct rb_node rb;
	unsigned long start, last;	/* set by the caller before the insertion; start <= last */
	unsigned long subtree_last;	/* the tree's own */
};

/* NODE goes in with start and last set; equal intervals may be in the tree several times. */
void interval_tree_insert(struct interval_tree_node *node, struct rb_root *root);
void interval_tree_remove(struct interval_tree_node *node, struct rb_root *root);
/* First node in order that shares a point with [START, LAST], or NULL. */
struct interval_tree_node *interval_tree_iter_first(struct rb_root *root, unsigned long start,
						    unsigned long last);
/* The one after NODE; NODE must still be in the tree. */
struct interval_tree_node *interval_tree_iter_next(struct interval_tree_node *node, unsigned long start,
						   unsigned long last);

#define interval_tree_for_each(node, root, start, last)				\
	for ((node) = interval_tree_iter_first(root, start, last); (node);	\
	     (node) = interval_tree_iter_next(node, start, last))

#endif
