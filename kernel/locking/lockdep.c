/*
 * kernel/locking/lockdep.c - the lock-order validator: what is held, what was learnt, what is wrong.
 *
 *	task->held_locks:  mmap_lock, ptl		lock_acquire(lru_lock):
 *	                              │		   edge ptl -> lru_lock known?  yes: push, done
 *	                              v		   no: does a path lru_lock -> ... -> ptl exist?
 *	graph of classes   ptl ──────> lru_lock		   no: remember the edge    yes: report the cycle
 *
 * Every acquisition adds an edge from the lock taken last (and from those before it, back to the first that
 * was not a try-lock; that one's own edges cover the rest). Try-locks get no edge to themselves, since they
 * do not wait. The common case, an edge seen before, is one bit test with interrupts off and no lock.
 *
 * Interrupts: a class that handlers take (IN_IRQ) must never be held with interrupts on, and neither must
 * any class that a holder of it may be waiting for: FROM_IRQ runs along the edges, and meets IRQS_ON only
 * in a report. Locks of the interrupted task give no edges to those of the handler; this rule covers that
 * case.
 *
 * `known` remembers every pair ever checked, bad ones too: each defect is reported once, and a bad edge
 * does not enter the graph, so that later reports are about other defects.
 *
 * lockdep uses one bare lock of its own and never the locks it checks; in NMIs it looks away.
 * Linux: kernel/locking/lockdep.c (which also caches whole chains, and knows read-recursive locks).
 */
#include "arch-x86_64/setup.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/locking/internal.h"
#include "kernel/locking/lock_order.h"

#ifndef RELEASE
struct dep_node dep_nodes[MAX_NODES];	/* [0] is not used */
struct dep_edge dep_edges[MAX_EDGES];
int nr_dep_nodes = 1, nr_dep_edges;
bool lockdep_on = true;

static unsigned long known[MAX_NODES][MAX_NODES / 64];	/* pairs checked; bit 0: its leak was reported */
static unsigned long graph[MAX_NODES][MAX_NODES / 64];	/* edges without cycles */
static spinlock_t graph_lock;				/* raw; all writes to the above */

/* Held locks below this index belong to the interrupted task. This CPU, interrupts off. */
static DEFINE_PER_CPU(int, irq_base);

/* No lock of lockdep's own code is checked, which a report's printk needs: recursion counts that. */
unsigned long graph_lock_irqsave(void)
{
	unsigned long flags = arch_irq_save();

	current->lockdep_recursion++;
	raw_spin_lock(&graph_lock);
	return flags;
}

void graph_unlock_irqrestore(unsigned long flags)
{
	raw_spin_unlock(&graph_lock);
	current->lockdep_recursion--;
	arch_irq_restore(flags);
}

static bool lockdep_looks_away(void)
{
	return !lockdep_on || (preempt_count() & NMI_MASK) || current->lockdep_recursion;
}

static u16 held_node(const struct held_lock *h)
{
	return h->class->id[h->subclass];
}

/* ---- The graph. All => graph lock held ---- */

static void give_up(const char *why)
{
	if (!lockdep_on)
		return;
	report_begin("out of room");
	report_line("lockdep: %s; no more checks from here on", why);
	report_end();
	lockdep_on = false;
}

static u8 level_of(const char *name)
{
	static const struct lock_order_entry table[] = LOCK_ORDER_TABLE;
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = strlen(table[i].name_end);

		if (len >= n && strcmp(name + len - n, table[i].name_end) == 0)
			return table[i].level;
	}
	return LEVEL_NONE;
}

/* The first acquisition of CLASS with SUBCLASS: give it a node. 0: no room. */
static noinline u16 number_class(struct lock_class *class, unsigned subclass)
{
	unsigned long flags = graph_lock_irqsave();
	u16 n = class->id[subclass];

	if (!n && nr_dep_nodes == MAX_NODES) {
		give_up("more lock classes than nodes");
	} else if (!n) {
		n = nr_dep_nodes++;
		dep_nodes[n].class = class;
		dep_nodes[n].subclass = subclass;
		dep_nodes[n].level = level_of(class->name);
		smp_store_release(&class->id[subclass], n);
	}
	graph_unlock_irqrestore(flags);
	return n;
}

const struct dep_edge *find_edge(u16 from, u16 to)
{
	for (int i = 0; i < nr_dep_edges; i++) {
		if (dep_edges[i].from == from && dep_edges[i].to == to)
			return &dep_edges[i];
	}
	return NULL;
}

/*
 * Is there a path FROM -> ... -> TO? Breadth first, hence a shortest one;
 * came_by[] leads back from TO to FROM.
 */
static u16 came_by[MAX_NODES], queue[MAX_NODES];
static bool find_path(u16 from, u16 to)
{
	int head = 0, tail = 0;
	unsigned int m;

	memset(came_by, 0, sizeof(came_by));
	queue[tail++] = from;
	came_by[from] = from;
	while (head < tail) {
		u16 n = queue[head++];

		if (n == to)
			return true;
		for_each_set_bit(m, graph[n], MAX_NODES) {
			if (!came_by[m]) {
				came_by[m] = n;
				queue[tail++] = m;
			}
		}
	}
	return false;
}

static void report_edge(u16 from, u16 to)
{
	const struct dep_edge *e = find_edge(from, to);
	char a[NODE_NAME_LEN], b[NODE_NAME_LEN];
	unsigned long offset = 0;
	const char *fn;

	node_name(from, a, sizeof(a));
	node_name(to, b, sizeof(b));
	report_line("  %s -> %s: %s was taken here", a, b, b);
	if (!e)
		return;
	report_trace(&e->trace);
	fn = kallsyms_lookup(text_addr(e->from_ip), &offset);
	report_line("      with %s held since %s+%#lx", a, fn ? fn : "?", offset);
}

/* Waiting for TO with HELD: came_by[] has a path from TO back to HELD's node. */
static void report_cycle(const struct held_lock *held, u16 to)
{
	u16 from = held_node(held), path[MAX_NODES / 8];
	char a[NODE_NAME_LEN], b[NODE_NAME_LEN];
	int len = 0;

	node_name(from, a, sizeof(a));
	node_name(to, b, sizeof(b));
	report_begin("circular locking order (LOCK-10)");
	report_line("%s/%d takes %s with %s held:", current->comm, current->pid, b, a);
	report_current_trace();
	report_line("but the order learnt before leads back:");
	for (u16 n = from; n != to && len < (int)ARRAY_SIZE(path); n = came_by[n])
		path[len++] = n;
	for (u16 prev = to; len-- > 0; prev = path[len])
		report_edge(prev, path[len]);
	report_held(current);
	report_end();
}

/* NODE is reached from an interrupt handler's lock, and is taken with interrupts on. */
static void report_irq(u16 node)
{
	char name[NODE_NAME_LEN];
	u16 path[MAX_NODES / 8], root = node;
	int len = 0;

	node_name(node, name, sizeof(name));
	report_begin("lock of interrupt handlers held with interrupts on");
	while (dep_nodes[root].irq_parent && len < (int)ARRAY_SIZE(path)) {
		path[len++] = root;
		root = dep_nodes[root].irq_parent;
	}
	report_line("%s was taken with interrupts on here:", name);
	report_trace(&dep_nodes[node].irqs_on);
	node_name(root, name, sizeof(name));
	report_line("an interrupt at that point may want %s, which handlers take here:", name);
	report_trace(&dep_nodes[root].in_irq);
	if (len)
		report_line("and whose holder may be waiting:");
	for (u16 prev = root; len-- > 0; prev = path[len])
		report_edge(prev, path[len]);
	report_held(current);
	report_end();
}

/* Mark NODE, reached through PARENT (0: an interrupt handler took it), and all behind it as FROM_IRQ. */
static void spread_from_irq(u16 node, u16 parent)
{
	static u16 stack[MAX_NODES];
	unsigned int m;
	int depth = 0;

	if (dep_nodes[node].flags & NODE_FROM_IRQ)
		return;
	dep_nodes[node].flags |= NODE_FROM_IRQ;
	dep_nodes[node].irq_parent = parent;
	stack[depth++] = node;
	while (depth) {
		u16 n = stack[--depth];

		if (dep_nodes[n].flags & NODE_IRQS_ON)
			report_irq(n);
		for_each_set_bit(m, graph[n], MAX_NODES) {
			if (dep_nodes[m].flags & NODE_FROM_IRQ)
				continue;
			dep_nodes[m].flags |= NODE_FROM_IRQ;
			dep_nodes[m].irq_parent = n;
			stack[depth++] = m;
		}
	}
}

static void report_level(const struct held_lock *held, u16 to)
{
	char a[NODE_NAME_LEN], b[NODE_NAME_LEN];

	node_name(held_node(held), a, sizeof(a));
	node_name(to, b, sizeof(b));
	if (dep_nodes[held_node(held)].level == LEVEL_INNERMOST)
		report_begin("lock taken inside one that must be innermost (MMID-4)");
	else
		report_begin("lock taken against the written order (LOCK-1)");
	report_line("%s/%d takes %s with %s held, which is the inner one (kernel/locking/lock_order.h):",
		    current->comm, current->pid, b, a);
	report_current_trace();
	report_held(current);
	report_end();
}

/* A pair never seen before: waiting for TO with HELD. Learn it, or report what it breaks. */
static noinline void learn_edge(const struct held_lock *held, u16 to)
{
	unsigned long flags = graph_lock_irqsave();
	u16 from = held_node(held);
	struct dep_edge *e;

	if (test_and_set_bit(to, known[from]))
		goto out;
	if (dep_nodes[from].level == LEVEL_INNERMOST ||
	    (dep_nodes[to].level && dep_nodes[from].level > dep_nodes[to].level)) {
		report_level(held, to);
		goto out;
	}
	if (find_path(to, from)) {
		report_cycle(held, to);
		goto out;
	}
	if (nr_dep_edges == MAX_EDGES) {
		give_up("more lock-order edges than room");
		goto out;
	}
	e = &dep_edges[nr_dep_edges++];
	e->from = from;
	e->to = to;
	e->from_ip = held->ip;
	capture_trace(&e->trace);
	set_bit(to, graph[from]);
	if (dep_nodes[from].flags & NODE_FROM_IRQ)
		spread_from_irq(to, from);
out:
	graph_unlock_irqrestore(flags);
}

/* NODE is taken by an interrupt handler, which lock_order.h forbids for its level. */
static void report_no_irq(u16 node)
{
	char name[NODE_NAME_LEN];

	report_begin("lock taken in an interrupt handler that may not be (MMID-4)");
	report_line("%s/%d takes %s:", current->comm, current->pid, node_name(node, name, sizeof(name)));
	report_current_trace();
	report_held(current);
	report_end();
}

/* NODE is used in a way not seen before. */
static noinline void learn_usage(u16 node, u8 usage)
{
	unsigned long flags = graph_lock_irqsave();
	struct dep_node *n = &dep_nodes[node];

	if (n->flags & usage)
		goto out;
	n->flags |= usage;
	capture_trace(usage == NODE_IN_IRQ ? &n->in_irq : &n->irqs_on);
	if (usage == NODE_IN_IRQ && n->level == LEVEL_INNERMOST)
		report_no_irq(node);
	else if (usage == NODE_IN_IRQ)
		spread_from_irq(node, 0);
	else if (n->flags & NODE_FROM_IRQ)
		report_irq(node);
out:
	graph_unlock_irqrestore(flags);
}

/* The class that HELD is of is taken again, in the same subclass. */
static noinline void report_recursion(const struct held_lock *held, const void *lock)
{
	unsigned long flags = graph_lock_irqsave();
	u16 node = held_node(held);
	char name[NODE_NAME_LEN];

	if (!test_and_set_bit(node, known[node])) {
		report_begin("lock class taken twice");
		report_line("%s/%d takes %s (%p) with %s of that class (%p) held:", current->comm,
			    current->pid, node_name(node, name, sizeof(name)), lock,
			    held->lock == lock ? "the same lock" : "another lock", held->lock);
		report_current_trace();
		report_held(current);
		report_end();
	}
	graph_unlock_irqrestore(flags);
}

/* Forget what was learnt about CLASS: a demonstration may then be repeated. Nobody holds a lock of it. */
void lockdep_forget(struct lock_class *class)
{
	unsigned long flags = graph_lock_irqsave();

	for (int n = 1; n < nr_dep_nodes; n++) {
		if (dep_nodes[n].class != class)
			continue;
		dep_nodes[n].flags = 0;
		dep_nodes[n].irq_parent = 0;
		memset(known[n], 0, sizeof(known[n]));
		memset(graph[n], 0, sizeof(graph[n]));
		for (int m = 1; m < nr_dep_nodes; m++) {
			clear_bit(n, known[m]);
			clear_bit(n, graph[m]);
		}
		for (int i = 0; i < nr_dep_edges;) {
			if (dep_edges[i].from == n || dep_edges[i].to == n)
				dep_edges[i] = dep_edges[--nr_dep_edges];
			else
				i++;
		}
	}
	graph_unlock_irqrestore(flags);
}

/* ---- The locks that the current context holds. => interrupts off ---- */

/* T is about to wait for LOCK: compare with what it holds. */
static void check_against_held(struct task_struct *t, u16 node, const void *lock)
{
	int base = in_irq() ? this_cpu_read(irq_base) : 0;
	bool covered = false;

	for (int i = t->lockdep_depth - 1; i >= 0; i--) {
		const struct held_lock *h = &t->held_locks[i];

		if (unlikely(h->lock == lock || (i >= base && held_node(h) == node))) {
			report_recursion(h, lock);
		} else if (!covered && i >= base) {
			if (unlikely(!test_bit(node, known[held_node(h)])))
				learn_edge(h, node);
			covered = !h->try;
		}
	}
}

/* T holds a lock inside which nothing may be taken, in whatever way. */
static bool holds_innermost(const struct task_struct *t)
{
	int base = in_irq() ? this_cpu_read(irq_base) : 0;

	return t->lockdep_depth > base &&
	       dep_nodes[held_node(&t->held_locks[t->lockdep_depth - 1])].level == LEVEL_INNERMOST;
}

static void push_held(struct task_struct *t, const struct held_lock *h)
{
	if (unlikely(t->lockdep_depth == LOCKDEP_MAX_HELD)) {
		unsigned long flags = graph_lock_irqsave();

		give_up("a task holds more locks than can be noted");
		report_held(t);
		graph_unlock_irqrestore(flags);
		return;
	}
	t->held_locks[t->lockdep_depth++] = *h;
}

void lock_acquire(struct lock_class *class, const void *lock, unsigned subclass, bool read, bool try,
		  unsigned long ip)
{
	unsigned long flags;
	u8 usage = 0;
	u16 node;

	if (!class || lockdep_looks_away())
		return;
	flags = arch_irq_save();
	node = class->id[subclass];
	if (unlikely(!node))
		node = number_class(class, subclass);
	if (likely(node)) {
		if (in_irq())
			usage = try ? 0 : NODE_IN_IRQ;
		else if (flags & X86_EFLAGS_IF)
			usage = NODE_IRQS_ON;
		if (unlikely(usage & ~dep_nodes[node].flags))
			learn_usage(node, usage);
		if (!try || unlikely(holds_innermost(current)))
			check_against_held(current, node, lock);
		push_held(current, &(struct held_lock){ .class = class, .lock = lock, .ip = ip,
							.subclass = subclass, .read = read, .try = try });
	}
	arch_irq_restore(flags);
}

static noinline void report_not_held(struct lock_class *class, const void *lock)
{
	unsigned long flags = graph_lock_irqsave();
	u16 node = class->id[0];

	if (!test_and_set_bit(0, known[node])) {
		report_begin("release of a lock that is not held");
		report_line("%s/%d releases %s (%p):", current->comm, current->pid, class_name(class), lock);
		report_current_trace();
		report_held(current);
		report_end();
	}
	graph_unlock_irqrestore(flags);
}

void lock_release(struct lock_class *class, const void *lock)
{
	struct task_struct *t;
	unsigned long flags;
	int i;

	if (!class || lockdep_looks_away())
		return;
	flags = arch_irq_save();
	t = current;
	for (i = t->lockdep_depth - 1; i >= 0 && t->held_locks[i].lock != lock; i--)
		;
	if (likely(i >= 0)) {
		t->lockdep_depth--;
		for (; i < t->lockdep_depth; i++)
			t->held_locks[i] = t->held_locks[i + 1];
	} else if (class->kind != LOCK_OTHER) {
		/* Locks of other kinds (the folio lock) may be released by another task than took them. */
		report_not_held(class, lock);
	}
	arch_irq_restore(flags);
}

bool lock_is_held(const void *lock)
{
	struct task_struct *t = current;

	if (lockdep_looks_away())
		return true;
	for (int i = t->lockdep_depth - 1; i >= 0; i--) {
		if (t->held_locks[i].lock == lock)
			return true;
	}
	return false;
}

/* ---- Contexts ---- */

/* Is this place new? Remembers a few: each one is reported once. => graph lock held */
static bool new_sleep_site(const char *file, int line)
{
	static struct { const char *file; int line; } seen[32];
	static unsigned int nr;

	if (current == lockdep_demo_task)
		return true;
	for (unsigned int i = 0; i < nr; i++) {
		if (seen[i].file == file && seen[i].line == line)
			return false;
	}
	if (nr == ARRAY_SIZE(seen))
		return false;
	seen[nr].file = file;
	seen[nr++].line = line;
	return true;
}

static noinline void report_sleep(const char *file, int line, bool irqs_off)
{
	unsigned long flags = graph_lock_irqsave();

	if (new_sleep_site(file, line)) {
		report_begin("sleeping in atomic context");
		report_line("%s/%d may sleep at %s:%d, preempt_count %#x, interrupts %s:", current->comm,
			    current->pid, file, line, preempt_count(), irqs_off ? "off" : "on");
		report_current_trace();
		report_held(current);
		report_end();
	}
	graph_unlock_irqrestore(flags);
}

void might_sleep_at(const char *file, int line)
{
	bool irqs_off = irqs_disabled();

	if (likely(!preempt_count() && !irqs_off))
		return;
	if (sched_started && !lockdep_looks_away())
		report_sleep(file, line, irqs_off);
}

/* Locks from index BASE on should have been released: report each class once, and forget them. */
static noinline void report_leak(struct task_struct *t, int base, const char *where)
{
	unsigned long flags = graph_lock_irqsave();
	bool fresh = false;

	for (int i = base; i < t->lockdep_depth; i++)
		fresh |= !test_and_set_bit(0, known[held_node(&t->held_locks[i])]);
	if (fresh) {
		report_begin("lock still held");
		report_line("%s/%d at %s:", t->comm, t->pid, where);
		report_held(t);
		report_end();
	}
	t->lockdep_depth = base;
	graph_unlock_irqrestore(flags);
}

void lockdep_assert_none_held(const char *where)
{
	if (unlikely(current->lockdep_depth) && !lockdep_looks_away())
		report_leak(current, 0, where);
}

void lockdep_irq_enter(void)
{
	this_cpu_write(irq_base, current->lockdep_depth);
}

void lockdep_irq_exit(void)
{
	int base = this_cpu_read(irq_base);

	if (unlikely(current->lockdep_depth != base) && !lockdep_looks_away())
		report_leak(current, base, "the end of an interrupt");
}

/* For panics and hung-task reports: no lock is taken, T may be running. */
void lockdep_print_held(struct task_struct *t)
{
	int depth = min(READ_ONCE(t->lockdep_depth), LOCKDEP_MAX_HELD);

	if (depth <= 0) {
		pr_emerg("Locks held by %s/%d: none\n", t->comm, t->pid);
		return;
	}
	pr_emerg("Locks held by %s/%d:\n", t->comm, t->pid);
	for (int i = 0; i < depth; i++) {
		const struct held_lock *h = &t->held_locks[i];
		unsigned long offset = 0;
		const char *fn = kallsyms_lookup(h->ip, &offset);

		pr_emerg(" #%d %s%s (%p), taken at %s+%#lx\n", i, h->class ? class_name(h->class) : "?",
			 h->read ? " (read)" : "", h->lock, fn ? fn : "?", offset);
	}
}
#endif
