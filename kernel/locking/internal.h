/*
 * kernel/locking/internal.h - lockdep's parts: the graph (lockdep.c), the words (lockdep_report.c), the
 * file and the demonstrations (lockdep_test.c).
 *
 * A node of the graph is a class with a subclass. An edge A -> B says: some task waited, or would have
 * waited, for a lock of B while it held one of A. All arrays are static and bounded; when one is full
 * lockdep says so once and switches itself off.
 */
#ifndef KERNEL_LOCKING_INTERNAL_H
#define KERNEL_LOCKING_INTERNAL_H

#include "kernel/locking/lockdep.h"
#include "kernel/sched/sched.h"

#ifndef RELEASE
#define MAX_NODES	512
#define MAX_EDGES	3072
#define TRACE_DEPTH	8

/* Kernel text lies in the top 2 GiB: the lower half of an address is enough. */
struct dep_trace { s32 ip[TRACE_DEPTH]; };
static inline unsigned long text_addr(s32 ip) { return (unsigned long)(s64)ip; }

#define NODE_IN_IRQ	1	/* taken in an interrupt handler */
#define NODE_IRQS_ON	2	/* taken with interrupts on */
#define NODE_FROM_IRQ	4	/* an interrupt handler may wait for it, by way of others */

/* Nodes and edges: G = graph_lock; once numbered a node stays. */
struct dep_node {
	struct lock_class *class;	/* G */
	u8 subclass;			/* G */
	u8 flags;			/* G to change: NODE_* */
	u8 level;			/* c: in the order of lock_order.h; 0: not listed */
	u16 irq_parent;			/* G: the node through which FROM_IRQ came; 0: it is IN_IRQ itself */
	struct dep_trace in_irq, irqs_on;	/* G: where it was taken so first */
};
struct dep_edge {
	u16 from, to;
	s32 from_ip;			/* where FROM had been taken */
	struct dep_trace trace;		/* where TO was taken */
};

extern struct dep_node dep_nodes[MAX_NODES];
extern struct dep_edge dep_edges[MAX_EDGES];
extern int nr_dep_nodes, nr_dep_edges;
extern bool lockdep_on;

/* lockdep.c */
unsigned long graph_lock_irqsave(void);
void graph_unlock_irqrestore(unsigned long flags);
void lockdep_forget(struct lock_class *class);
const struct dep_edge *find_edge(u16 from, u16 to);

/* lockdep_report.c: all => graph lock held, interrupts off. A report is begun, filled and ended. */
/* The reports of this task are demonstrations: not counted, not on the console. */
extern struct task_struct *lockdep_demo_task;
void report_begin(const char *what);
void report_line(const char *fmt, ...) __printf(1, 2);
void report_trace(const struct dep_trace *trace);
void report_current_trace(void);
void report_held(struct task_struct *t);
void report_end(void);
void capture_trace(struct dep_trace *trace);
const char *node_name(u16 node, char *buf, size_t size);
const char *class_name(const struct lock_class *class);
#define NODE_NAME_LEN 64
/* Text of the reports so far, and of the last demonstration. */
const char *lockdep_report_text(void);
const char *lockdep_demo_text(void);
void lockdep_demo_begin(void);
void lockdep_demo_end(void);

/* lockdep_test.c: run demonstration NAME (PRINT: its report too). False: no such name. May sleep. */
bool lockdep_run_demo(const char *name, bool print);
extern const char lockdep_demo_names[];
extern int lockdep_selftest_passed, lockdep_selftest_failed;
#endif

#endif
