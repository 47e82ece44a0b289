/*
 * kernel/locking/lockdep_file.c - /sys/kernel/debug/quire/lockdep: what lockdep knows.
 *
 *	cat lockdep			state, classes, the order learnt, reports, the last demonstration
 *	echo demo cycle > lockdep	provoke a report on purpose and print it (lockdep_test.c)
 *
 * One item per position, so that a long table is read in pieces while it grows.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/locking/internal.h"

#ifndef RELEASE
static void show_head(struct seq_file *m)
{
	seq_printf(m, "# write: demo NAME; NAME one of:%s\n", lockdep_demo_names);
	seq_printf(m, "state: %s\n", lockdep_on ? "on" : "off");
	seq_printf(m, "reports: %lu\n", lockdep_report_count());
	seq_printf(m, "classes: %d of %d\n", nr_dep_nodes - 1, MAX_NODES - 1);
	seq_printf(m, "edges: %d of %d\n", nr_dep_edges, MAX_EDGES);
	seq_printf(m, "selftest: %d passed, %d failed\n", lockdep_selftest_passed, lockdep_selftest_failed);
	seq_puts(m, "# class NAME KIND FLAGS; i: taken in interrupts, +: with interrupts on, ");
	seq_puts(m, "w: a handler may wait for it\n");
}

static void show_node(struct seq_file *m, u16 node)
{
	static const char *const kinds[] = { "spin", "mutex", "rwsem", "other" };
	const struct dep_node *n = &dep_nodes[node];
	char name[NODE_NAME_LEN];

	seq_printf(m, "class %s %s %s%s%s\n", node_name(node, name, sizeof(name)), kinds[n->class->kind],
		   n->flags & NODE_IN_IRQ ? "i" : "-", n->flags & NODE_IRQS_ON ? "+" : "-",
		   n->flags & NODE_FROM_IRQ ? "w" : "-");
}

static void show_edge(struct seq_file *m, int i)
{
	char a[NODE_NAME_LEN], b[NODE_NAME_LEN];
	const struct dep_edge *e = &dep_edges[i];

	seq_printf(m, "order %s -> %s\n", node_name(e->from, a, sizeof(a)), node_name(e->to, b, sizeof(b)));
}

/* Positions: 0 the head; 1.. the nodes; then the edges from FIRST_EDGE on; then two texts. */
#define FIRST_EDGE	MAX_NODES
#define REPORTS_POS	(MAX_NODES + MAX_EDGES)
#define DEMO_POS	(REPORTS_POS + 1)

/* Skip the unused parts of the tables. */
static loff_t next_used(loff_t pos)
{
	if (pos > 0 && pos < FIRST_EDGE && pos >= nr_dep_nodes)
		pos = FIRST_EDGE;
	if (pos >= FIRST_EDGE && pos < REPORTS_POS && pos - FIRST_EDGE >= nr_dep_edges)
		pos = REPORTS_POS;
	return pos;
}

/* The item is its position + 1, since NULL means the end. */
static void *lockdep_start(struct seq_file *m, loff_t *pos)
{
	*pos = next_used(*pos);
	return *pos > DEMO_POS ? NULL : (void *)(*pos + 1);
}

static void *lockdep_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return lockdep_start(m, pos);
}

static void lockdep_stop(struct seq_file *m, void *v)
{
}

static int lockdep_show(struct seq_file *m, void *v)
{
	loff_t pos = (loff_t)v - 1;

	if (pos == 0) {
		show_head(m);
	} else if (pos < FIRST_EDGE) {
		show_node(m, pos);
	} else if (pos < REPORTS_POS) {
		show_edge(m, pos - FIRST_EDGE);
	} else if (pos == REPORTS_POS) {
		seq_puts(m, "# reports\n");
		seq_puts(m, lockdep_report_text());
	} else {
		seq_puts(m, "# last demonstration\n");
		seq_puts(m, lockdep_demo_text());
	}
	return 0;
}

static const struct seq_operations lockdep_seq = {
	.start = lockdep_start,
	.next = lockdep_next,
	.stop = lockdep_stop,
	.show = lockdep_show,
};

static ssize_t lockdep_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *word = strim(buf);

	if (strncmp(word, "demo ", 5) || !lockdep_run_demo(strim(word + 5), true)) {
		pr_info("lockdep: takes: demo NAME; NAME one of:%s\n", lockdep_demo_names);
		return -EINVAL;
	}
	return len;
}

static const struct pseudo_ops lockdep_ops = { .seq = &lockdep_seq, .write = lockdep_write };

static int lockdep_file_init(void)
{
	pseudo_create(quire_debug_root, "lockdep", 0600, &lockdep_ops, NULL);
	return 0;
}
fs_initcall(lockdep_file_init);
#endif
