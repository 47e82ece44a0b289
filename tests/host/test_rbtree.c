/*
 * tests/host/test_rbtree.c - red-black trees against a bitmap of the keys, all rules checked after each step.
 */
#include "tests/host/harness.h"
#include "kernel/lib/rbtree.h"

#define NR 300

struct item {
	struct rb_node rb;
	int key;
	long payload, sum;	/* sum: of the payloads in the subtree */
	bool in;
};
static struct item items[NR];

#define to_item(r) rb_entry(r, struct item, rb)

static void forget_items(void)
{
	for (int i = 0; i < NR; i++)
		items[i] = (struct item){ .key = i };
}

static long sum_of(struct rb_node *n)
{
	return n ? to_item(n)->sum : 0;
}

static bool update_sum(struct rb_node *n)
{
	struct item *i = to_item(n);
	long sum = i->payload + sum_of(n->rb_left) + sum_of(n->rb_right);
	bool changed = sum != i->sum;

	i->sum = sum;
	return changed;
}

static bool black(struct rb_node *n)
{
	return !n || n->__parent_color & 1;
}

/* Checks colours, parents, order and sums below N; returns the black height. */
static int check_subtree(struct rb_node *n, struct rb_node *parent, int low, int high, bool sums)
{
	int left, right;

	if (!n)
		return 0;
	EXPECT(rb_parent(n) == parent);
	EXPECT(to_item(n)->key > low && to_item(n)->key < high);
	EXPECT(black(n) || (black(n->rb_left) && black(n->rb_right)));
	if (sums)
		EXPECT_EQ(to_item(n)->sum, to_item(n)->payload + sum_of(n->rb_left) + sum_of(n->rb_right));
	left = check_subtree(n->rb_left, n, low, to_item(n)->key, sums);
	right = check_subtree(n->rb_right, n, to_item(n)->key, high, sums);
	EXPECT_EQ(left, right);
	return left + black(n);
}

static void check_tree(struct rb_root *root, bool sums)
{
	struct rb_node *n = rb_first(root), *prev = NULL;

	EXPECT(black(root->rb_node));
	check_subtree(root->rb_node, NULL, -1, NR, sums);
	for (int i = 0; i < NR; i++) {
		if (!items[i].in)
			continue;
		EXPECT(n == &items[i].rb);
		EXPECT(rb_prev(n) == prev);
		prev = n;
		n = rb_next(n);
	}
	EXPECT(!n);
	EXPECT(rb_last(root) == prev);
}

static void insert(struct rb_root *root, struct item *item, rb_update_fn update)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = item->key < to_item(parent)->key ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&item->rb, parent, link);
	if (update)
		rb_insert_augmented(&item->rb, root, update);
	else
		rb_insert_color(&item->rb, root);
	item->in = true;
}

static void erase(struct rb_root *root, struct item *item, rb_update_fn update)
{
	if (update)
		rb_erase_augmented(&item->rb, root, update);
	else
		rb_erase(&item->rb, root);
	item->in = false;
}

/* Phases that mostly insert and phases that mostly erase, so that all sizes come up. */
static void random_steps(rb_update_fn update)
{
	struct rb_root root = RB_ROOT;

	forget_items();
	for (int step = 0; step < 12000; step++) {
		struct item *item = &items[rnd_below(NR)];
		bool want_in = rnd_below(10) < (step / 1500 % 2 ? 2 : 8);

		if (want_in && !item->in) {
			item->payload = rnd_below(3);	/* equal sums are common: early stops are tried */
			insert(&root, item, update);
		} else if (!want_in && item->in) {
			erase(&root, item, update);
		} else if (update && item->in) {
			item->payload = rnd_below(1000);
			rb_augment_propagate(&item->rb, update);
		}
		if (step % 7 == 0)
			check_tree(&root, update != NULL);
	}
}

HTEST(rbtree_random_steps)
{
	random_steps(NULL);
}

HTEST(rbtree_augmented_random_steps)
{
	random_steps(update_sum);
}

HTEST(rbtree_ascending_then_erase_all)
{
	struct rb_root root = RB_ROOT;

	forget_items();
	for (int i = 0; i < NR; i++) {
		insert(&root, &items[i], NULL);
		check_tree(&root, false);
	}
	for (int i = 0; i < NR; i++) {
		erase(&root, &items[i], NULL);
		check_tree(&root, false);
	}
	EXPECT(!root.rb_node);
}

HTEST(rbtree_empty_and_cleared)
{
	struct rb_root root = RB_ROOT;
	struct rb_node n;

	EXPECT(!rb_first(&root) && !rb_last(&root));
	RB_CLEAR_NODE(&n);
	EXPECT(RB_EMPTY_NODE(&n) && !rb_next(&n) && !rb_prev(&n));
}
