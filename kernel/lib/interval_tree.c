/*
 * kernel/lib/interval_tree.c - the intervals that overlap a given one (interval_tree.h has the picture).
 *
 * An interval overlaps [start, last] if it begins by `last` and ends at `start` or later. The order by start
 * answers the first half, the largest end of each subtree the second.
 */
#include "kernel/lib/interval_tree.h"

#define to_node(r) rb_entry(r, struct interval_tree_node, rb)

static inline unsigned long subtree_last(const struct rb_node *rb)
{
	return rb ? to_node(rb)->subtree_last : 0;
}

static bool update(struct rb_node *rb)
{
	struct interval_tree_node *n = to_node(rb);
	unsigned long last = max(n->last, max(subtree_last(rb->rb_left), subtree_last(rb->rb_right)));
	bool changed = last != n->subtree_last;

	n->subtree_last = last;
	return changed;
}

void interval_tree_insert(struct interval_tree_node *node, struct rb_root *root)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = node->start < to_node(parent)->start ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&node->rb, parent, link);
	rb_insert_augmented(&node->rb, root, update);
}

void interval_tree_remove(struct interval_tree_node *node, struct rb_root *root)
{
	rb_erase_augmented(&node->rb, root, update);
}

/*
 * First overlap in the subtree of N, of which something ends at START or later. If that is in the left half,
 * the answer is there or nowhere: should its long interval start after LAST, so does all that follows it.
 */
static struct interval_tree_node *search(struct rb_node *n, unsigned long start, unsigned long last)
{
	for (;;) {
		if (n->rb_left && subtree_last(n->rb_left) >= start) {
			n = n->rb_left;
			continue;
		}
		if (to_node(n)->start > last)
			return NULL;
		if (to_node(n)->last >= start)
			return to_node(n);
		n = n->rb_right;	/* not NULL: whoever ends late enough must be here */
	}
}

struct interval_tree_node *interval_tree_iter_first(struct rb_root *root, unsigned long start,
						    unsigned long last)
{
	if (!root->rb_node || subtree_last(root->rb_node) < start)
		return NULL;
	return search(root->rb_node, start, last);
}

struct interval_tree_node *interval_tree_iter_next(struct interval_tree_node *node, unsigned long start,
						   unsigned long last)
{
	struct rb_node *n = &node->rb, *from;

	if (n->rb_right && subtree_last(n->rb_right) >= start)
		return search(n->rb_right, start, last);
	for (;;) {
		do {			/* up to the first ancestor that comes after us */
			from = n;
			n = rb_parent(n);
			if (!n)
				return NULL;
		} while (from == n->rb_right);

		if (to_node(n)->start > last)
			return NULL;
		if (to_node(n)->last >= start)
			return to_node(n);
		if (n->rb_right && subtree_last(n->rb_right) >= start)
			return search(n->rb_right, start, last);
	}
}
