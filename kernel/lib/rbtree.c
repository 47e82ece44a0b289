/*
 * kernel/lib/rbtree.c - red-black trees: search trees that stay balanced by colours.
 *
 *	  1. the root is black			so the longest path has at most twice the
 *	  2. a red node has no red child	nodes of the shortest: all n nodes within
 *	  3. every way from the root down	2 log2(n + 1) levels
 *	     passes as many black nodes
 *
 * A change breaks at most one of these rules at one place; the repair loops below move the place up or end
 * with at most two rotations (insert) or three (erase). The colour sits in bit 0 of the parent pointer.
 *
 * Augmented trees run the same code with an UPDATE function; the plain entry points pass NULL, and the
 * compiler drops that half. Linux: lib/rbtree.c, with the same interface in spirit.
 */
#include "kernel/lib/rbtree.h"

#define RB_BLACK 1UL

static inline bool is_red(const struct rb_node *n)   { return n && !(n->__parent_color & RB_BLACK); }
static inline void set_red(struct rb_node *n)	     { n->__parent_color &= ~RB_BLACK; }
static inline void set_black(struct rb_node *n)	     { n->__parent_color |= RB_BLACK; }
static inline void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->__parent_color = (unsigned long)parent | (n->__parent_color & RB_BLACK);
}
static inline void copy_color(struct rb_node *to, const struct rb_node *from)
{
	to->__parent_color = (to->__parent_color & ~RB_BLACK) | (from->__parent_color & RB_BLACK);
}

/* Whatever pointed down at OLD, a child of PARENT or the root, points at NEW. */
static inline void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
				 struct rb_node *new)
{
	if (!parent)
		root->rb_node = new;
	else if (parent->rb_left == old)
		parent->rb_left = new;
	else
		parent->rb_right = new;
}

/*
 * Turn the edge between TOP and its right (or, with LEFT, its left) child, which becomes the upper one:
 *
 *	  top                up
 *	 a   up     ──>   top  c		the order a top b up c stays
 *	    b  c         a  b
 *
 * The subtree keeps its set of nodes, so nothing above it needs an update.
 */
static __always_inline void rotate(struct rb_node *top, bool left, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *up = left ? top->rb_left : top->rb_right;
	struct rb_node *b = left ? up->rb_right : up->rb_left;
	struct rb_node *parent = rb_parent(top);

	if (left) {
		top->rb_left = b;
		up->rb_right = top;
	} else {
		top->rb_right = b;
		up->rb_left = top;
	}
	if (b)
		set_parent(b, top);
	set_parent(up, parent);
	set_parent(top, up);
	replace_child(root, parent, top, up);
	if (update) {
		update(top);
		update(up);
	}
}

/* N is red and new, or became red; its parent may be red as well: rule 2. */
static __always_inline void insert_repair(struct rb_node *n, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *parent;

	while (is_red(parent = rb_parent(n))) {
		struct rb_node *grand = rb_parent(parent);	/* a red node is not the root */
		bool left = parent == grand->rb_left;
		struct rb_node *uncle = left ? grand->rb_right : grand->rb_left;

		if (is_red(uncle)) {		/* push the redness two levels up */
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			n = grand;
			continue;
		}
		if (n == (left ? parent->rb_right : parent->rb_left)) {	/* make it an outer grandchild */
			rotate(parent, !left, root, update);
			swap(n, parent);
		}
		set_black(parent);
		set_red(grand);
		rotate(grand, left, root, update);
		break;
	}
	set_black(root->rb_node);
}

/* The ways through N, a child of PARENT and possibly NULL, lack a black node: rule 3. */
static __always_inline void erase_repair(struct rb_node *n, struct rb_node *parent, struct rb_root *root,
					 rb_update_fn update)
{
	while (parent && !is_red(n)) {
		bool left = n == parent->rb_left;
		struct rb_node *sibling = left ? parent->rb_right : parent->rb_left;	/* never NULL here */
		struct rb_node *inner, *outer;

		if (is_red(sibling)) {		/* get a black one: one of its children */
			set_black(sibling);
			set_red(parent);
			rotate(parent, !left, root, update);
			sibling = left ? parent->rb_right : parent->rb_left;
		}
		inner = left ? sibling->rb_left : sibling->rb_right;
		outer = left ? sibling->rb_right : sibling->rb_left;
		if (!is_red(inner) && !is_red(outer)) {	/* take the black from both sides, go up */
			set_red(sibling);
			n = parent;
			parent = rb_parent(n);
			continue;
		}
		if (!is_red(outer)) {
			set_black(inner);
			set_red(sibling);
			rotate(sibling, left, root, update);
			outer = sibling;
			sibling = inner;
		}
		copy_color(sibling, parent);
		set_black(parent);
		set_black(outer);
		rotate(parent, !left, root, update);
		return;
	}
	if (n)
		set_black(n);
}

static inline struct rb_node *leftmost(struct rb_node *n)
{
	while (n->rb_left)
		n = n->rb_left;
	return n;
}

/* Put Y, which has no place of its own now, where Z is. */
static inline void take_place(struct rb_node *y, struct rb_node *z, struct rb_root *root)
{
	y->rb_left = z->rb_left;
	y->rb_right = z->rb_right;
	y->__parent_color = z->__parent_color;
	if (y->rb_left)
		set_parent(y->rb_left, y);
	if (y->rb_right)
		set_parent(y->rb_right, y);
	replace_child(root, rb_parent(z), z, y);
}

/*
 * A node with two children cannot simply be cut out, but its successor Y can, since it has no left child. So
 * Y is cut out and then takes over the place and colour of Z.
 */
static __always_inline void erase(struct rb_node *z, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *y = z->rb_left && z->rb_right ? leftmost(z->rb_right) : z;
	struct rb_node *child = y->rb_left ? y->rb_left : y->rb_right;
	struct rb_node *parent = rb_parent(y);
	bool lost_black = !is_red(y);

	if (child)
		set_parent(child, parent);
	replace_child(root, parent, y, child);
	if (y != z) {
		take_place(y, z, root);
		if (parent == z)
			parent = y;
	}
	if (update) {
		rb_augment_propagate(parent, update);
		if (y != z) {
			/* Y's summary was of its old place: whether it "changed" says nothing about Z's. */
			update(y);
			rb_augment_propagate(rb_parent(y), update);
		}
	}
	if (lost_black)
		erase_repair(child, parent, root, update);
}

/* Recompute upwards from N (NULL is fine) until a summary comes out as it was. */
void rb_augment_propagate(struct rb_node *n, rb_update_fn update)
{
	while (n && update(n))
		n = rb_parent(n);
}

void rb_insert_color(struct rb_node *n, struct rb_root *root)
{
	insert_repair(n, root, NULL);
}

void rb_insert_augmented(struct rb_node *n, struct rb_root *root, rb_update_fn update)
{
	update(n);
	rb_augment_propagate(rb_parent(n), update);
	insert_repair(n, root, update);
}

void rb_erase(struct rb_node *n, struct rb_root *root)
{
	erase(n, root, NULL);
}

void rb_erase_augmented(struct rb_node *n, struct rb_root *root, rb_update_fn update)
{
	erase(n, root, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return root->rb_node ? leftmost(root->rb_node) : NULL;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->rb_node;

	while (n && n->rb_right)
		n = n->rb_right;
	return n;
}

/* Down to the right and then left, or up until we come from the left. A cleared node has no neighbours. */
struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *parent;

	if (RB_EMPTY_NODE(n))
		return NULL;
	if (n->rb_right)
		return leftmost(n->rb_right);
	while ((parent = rb_parent(n)) && n == parent->rb_right)
		n = parent;
	return parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *parent;

	if (RB_EMPTY_NODE(n))
		return NULL;
	if (n->rb_left) {
		n = n->rb_left;
		while (n->rb_right)
			n = n->rb_right;
		return (struct rb_node *)n;
	}
	while ((parent = rb_parent(n)) && n == parent->rb_left)
		n = parent;
	return parent;
}
