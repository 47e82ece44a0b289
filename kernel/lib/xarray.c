/*
 * kernel/lib/xarray.c - a radix tree with 64 ways: 6 bits of the index choose the slot at each level.
 *
 *	index 0x1234 = 1, 8, 52 in digits of 6 bits; height 3:
 *
 *	root ── slot 1 ──> node ── slot 8 ──> node ── slot 52 ──> entry
 *
 * The tree is as high as its largest index needs. Every node in it holds something: the last entry to go
 * takes its node along, and a root that only holds slot 0 gives way to what is below. Each node keeps a
 * bitmap of its slots in use, so searches skip gaps by one instruction.
 *
 * Left out: marks, entries that span several indices, lookups without the lock (RCU), sleeping allocation.
 * Linux: lib/xarray.c.
 */
#include "kernel/lib/xarray.h"

#define XA_SHIFT 6
#define XA_SLOTS 64
#define XA_LEVELS 11		/* 11 * 6 >= 64 */

struct xa_node {
	u64 used;		/* bit n: slot n is not NULL */
	void *slots[XA_SLOTS];	/* nodes, or entries at the lowest level */
};
static_assert(sizeof(struct xa_node) == XA_NODE_SIZE, "XA_NODE_SIZE");

void *(*xa_node_alloc)(size_t size);
void (*xa_node_free)(void *node);

/* The digit of INDEX that chooses the slot in a node with LEVEL levels below it. */
static inline unsigned int digit(unsigned long index, unsigned int level)
{
	return (index >> (level * XA_SHIFT)) % XA_SLOTS;
}

/* Largest index below a tree of HEIGHT levels. */
static inline unsigned long max_index(unsigned int height)
{
	return height >= XA_LEVELS ? ~0UL : (1UL << (height * XA_SHIFT)) - 1;
}

static inline bool fits(const struct xarray *xa, unsigned long index)
{
	return xa->height && index <= max_index(xa->height);
}

static inline void set_slot(struct xa_node *node, unsigned int slot, void *what)
{
	node->slots[slot] = what;
	if (what)
		node->used |= 1ULL << slot;
	else
		node->used &= ~(1ULL << slot);
}

void *xa_load(const struct xarray *xa, unsigned long index)
{
	void *at = xa->root;

	if (!fits(xa, index))
		return NULL;
	for (unsigned int level = xa->height; at && level--; )
		at = ((struct xa_node *)at)->slots[digit(index, level)];
	return at;
}

/* Remove levels that the entries do not need: after an erase, or a store that failed half-way. */
static void lower(struct xarray *xa)
{
	while (xa->height > 1 && xa->root->used == 1) {
		struct xa_node *old = xa->root;

		xa->root = old->slots[0];
		xa->height--;
		xa_node_free(old);
	}
}

/* Free the empty nodes on the way to INDEX, from below. PATH[level] is the node of that level. */
static void prune(struct xarray *xa, struct xa_node **path, unsigned int level, unsigned long index)
{
	for (; level < xa->height && !path[level]->used; level++) {
		xa_node_free(path[level]);
		if (level + 1 == xa->height) {
			xa_init(xa);
			return;
		}
		set_slot(path[level + 1], digit(index, level + 1), NULL);
	}
	lower(xa);
}

/* Add levels on top until INDEX fits. An empty tree gets its first node at the right height at once. */
static int raise(struct xarray *xa, unsigned long index)
{
	while (!fits(xa, index)) {
		struct xa_node *node = xa_node_alloc(XA_NODE_SIZE);

		if (!node)
			return -ENOMEM;
		if (xa->root) {
			set_slot(node, 0, xa->root);
			xa->height++;
		} else {
			while (index > max_index(++xa->height))
				;
		}
		xa->root = node;
	}
	return 0;
}

int xa_store(struct xarray *xa, unsigned long index, void *entry)
{
	struct xa_node *path[XA_LEVELS];
	unsigned int level;

	if (!entry) {
		xa_erase(xa, index);
		return 0;
	}
	if (raise(xa, index)) {
		lower(xa);
		return -ENOMEM;
	}
	level = xa->height - 1;
	path[level] = xa->root;
	for (; level; level--) {
		unsigned int slot = digit(index, level);
		struct xa_node *below = path[level]->slots[slot];

		if (!below) {
			below = xa_node_alloc(XA_NODE_SIZE);
			if (!below) {
				prune(xa, path, level, index);
				return -ENOMEM;
			}
			set_slot(path[level], slot, below);
		}
		path[level - 1] = below;
	}
	set_slot(path[0], digit(index, 0), entry);
	return 0;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	struct xa_node *path[XA_LEVELS], *node = xa->root;
	unsigned int level;
	void *old;

	if (!fits(xa, index))
		return NULL;
	for (level = xa->height - 1; ; level--) {
		path[level] = node;
		old = node->slots[digit(index, level)];
		if (!old || !level)
			break;
		node = old;
	}
	if (!old)
		return NULL;
	set_slot(path[0], digit(index, 0), NULL);
	prune(xa, path, 0, index);
	return old;
}

/*
 * One descent per round: it ends at an entry, or at a slot after which the node has nothing; then the search
 * goes on behind all that this node covers.
 */
void *xa_find(const struct xarray *xa, unsigned long *index, unsigned long max)
{
	unsigned long i = *index;

	while (fits(xa, i) && i <= max) {
		unsigned int level = xa->height - 1;
		struct xa_node *node = xa->root;

		for (;; level--) {
			unsigned int slot = digit(i, level);
			u64 left = node->used & (~0ULL << slot);
			unsigned int next;

			if (!left)
				break;
			next = __builtin_ctzll(left);
			if (next != slot)	/* jump: to the lowest index under that slot */
				i = (((i >> (level * XA_SHIFT)) - slot) + next) << (level * XA_SHIFT);
			if (i > max)
				return NULL;
			if (!level) {
				*index = i;
				return node->slots[next];
			}
			node = node->slots[next];
		}
		i |= max_index(level + 1);
		if (i++ == ~0UL)
			return NULL;
	}
	return NULL;
}

/* Recursion is 11 deep at most. */
static void free_nodes(struct xa_node *node, unsigned int level)
{
	if (level)
		for (u64 left = node->used; left; left &= left - 1)
			free_nodes(node->slots[__builtin_ctzll(left)], level - 1);
	xa_node_free(node);
}

void xa_destroy(struct xarray *xa)
{
	if (xa->root)
		free_nodes(xa->root, xa->height - 1);
	xa_init(xa);
}
