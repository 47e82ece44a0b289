/*
 * tests/host/test_interval_tree.c - overlap searches against a plain list that is kept in the promised order.
 */
#include <string.h>
#include "tests/host/harness.h"
#include "kernel/lib/interval_tree.h"

#define NR 200

static struct interval_tree_node nodes[NR];
static struct interval_tree_node *model[NR];	/* by start, then by age */
static int nr_model;

static void model_insert(struct interval_tree_node *n)
{
	int at = nr_model++;

	for (; at && model[at - 1]->start > n->start; at--)
		model[at] = model[at - 1];
	model[at] = n;
}

static void model_remove(struct interval_tree_node *n)
{
	int at = 0;

	while (model[at] != n)
		at++;
	memmove(&model[at], &model[at + 1], (--nr_model - at) * sizeof(model[0]));
}

static void compare(struct rb_root *root, unsigned long start, unsigned long last)
{
	struct interval_tree_node *hit = interval_tree_iter_first(root, start, last);

	for (int i = 0; i < nr_model; i++) {
		if (model[i]->start > last || model[i]->last < start)
			continue;
		EXPECT(hit == model[i]);
		if (!hit)
			return;
		hit = interval_tree_iter_next(hit, start, last);
	}
	EXPECT(!hit);
}

static void random_steps(unsigned long space, unsigned long base)
{
	struct rb_root root = RB_ROOT;
	bool in[NR] = { false };

	nr_model = 0;
	for (int step = 0; step < 8000; step++) {
		int i = rnd_below(NR);
		struct interval_tree_node *n = &nodes[i];
		unsigned long a = base + rnd_below(space), b = base + rnd_below(space);

		if (in[i]) {
			interval_tree_remove(n, &root);
			model_remove(n);
		} else {
			n->start = min(a, b);
			n->last = rnd_below(4) ? min(n->start + rnd_below(4), base + space - 1) : max(a, b);
			interval_tree_insert(n, &root);
			model_insert(n);
		}
		in[i] = !in[i];
		a = base + rnd_below(space);
		b = base + rnd_below(space);
		compare(&root, min(a, b), max(a, b));
		compare(&root, a, a);
		compare(&root, 0, ~0UL);
	}
}

HTEST(interval_tree_sparse)
{
	random_steps(5000, 0);
}

HTEST(interval_tree_crowded_equal_starts)
{
	random_steps(20, 0);
}

HTEST(interval_tree_at_the_end_of_the_number_line)
{
	random_steps(300, ~0UL - 299);
}
