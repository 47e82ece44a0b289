/*
 * kernel/task/pid.c - process identifiers.
 *
 *	task ── thread_pid ──> struct pid 42 <── signal->pids[PGID], [SID] ── tasks of other processes
 *	                         tasks[PID], tasks[TGID], tasks[PGID], tasks[SID]: who bears it, as what
 *
 * A number is one struct pid whatever it names: a thread, a process, a group or a session. It is in use as
 * long as any task is on any of its lists; then the number may be given out again, while references
 * (pidfds, terminals) keep the structure and find it empty. Numbers go upwards and wrap at pid_max, so a
 * number is not reused soon; after a wrap the first RESERVED_PIDS are left alone.
 *
 * Locks: tasklist_lock for the lists, pid_lock inside it for the number table.
 * Not here: pid name spaces. Linux: kernel/pid.c.
 */
#include "kernel/lib/err.h"
#include "kernel/task/internal.h"
#include "mm/slab.h"

#define RESERVED_PIDS 300

struct pid init_struct_pid = {
	.count = ATOMIC_INIT(1),
	.tasks = { LIST_HEAD_INIT(init_struct_pid.tasks[0]), LIST_HEAD_INIT(init_struct_pid.tasks[1]),
		   LIST_HEAD_INIT(init_struct_pid.tasks[2]), LIST_HEAD_INIT(init_struct_pid.tasks[3]) },
};

int pid_max = PID_MAX_DEFAULT;
pid_t last_pid = 1;			/* pid_lock; 1 is kept for init */
static DEFINE_SPINLOCK(pid_lock);
static struct xarray pid_table = XARRAY_INIT;	/* pid_lock */

static struct pid *new_pid(void)
{
	struct pid *pid = kzalloc(sizeof(*pid), GFP_KERNEL);
	int i;

	if (!pid)
		return NULL;
	atomic_set(&pid->count, 1);
	for (i = 0; i < PIDTYPE_MAX; i++)
		INIT_LIST_HEAD(&pid->tasks[i]);
	init_waitqueue_head(&pid->wait_pidfd);
	return pid;
}

/* The next free number after last_pid, or -EAGAIN. => pid_lock */
static pid_t next_free_nr(void)
{
	pid_t nr = last_pid, tries = pid_max;

	while (tries--) {
		if (++nr >= pid_max)
			nr = min(RESERVED_PIDS, pid_max - 1);
		if (!xa_load(&pid_table, nr))
			return nr;
	}
	return -EAGAIN;
}

/* A new pid with number NR, or the next free one if NR is 0. */
struct pid *alloc_pid_nr(pid_t nr)
{
	struct pid *pid = new_pid();
	int err = 0;

	if (!pid)
		return ERR_PTR(-ENOMEM);
	spin_lock(&pid_lock);
	pid->nr = nr ? nr : next_free_nr();
	err = pid->nr < 0 ? -EAGAIN : xa_store(&pid_table, pid->nr, pid);
	if (!err && !nr)
		last_pid = pid->nr;
	spin_unlock(&pid_lock);
	if (!err)
		return pid;
	kfree(pid);
	return ERR_PTR(err);
}

struct pid *alloc_pid(void)
{
	return alloc_pid_nr(0);
}

void put_pid(struct pid *p)
{
	if (p && atomic_dec_and_test(&p->count))
		kfree(p);
}

/* The number is free again. => tasklist_lock: what find_pid() returned stays while it is held */
void free_pid(struct pid *p)
{
	lockdep_assert_held(&tasklist_lock);
	spin_lock(&pid_lock);
	xa_erase(&pid_table, p->nr);
	spin_unlock(&pid_lock);
	put_pid(p);
}

struct pid *find_pid(pid_t nr)
{
	struct pid *p;

	if (nr <= 0)
		return NULL;
	spin_lock(&pid_lock);
	p = xa_load(&pid_table, nr);
	spin_unlock(&pid_lock);
	return p;
}

struct pid *find_get_pid(pid_t nr)
{
	struct pid *p;

	if (nr <= 0)
		return NULL;
	spin_lock(&pid_lock);
	p = get_pid(xa_load(&pid_table, nr));
	spin_unlock(&pid_lock);
	return p;
}

struct task_struct *pid_task(struct pid *p, enum pid_type type)
{
	if (!p || list_empty(&p->tasks[type]))
		return NULL;
	return list_first_entry(&p->tasks[type], struct task_struct, pid_links[type]);
}

struct task_struct *find_task_by_pid(pid_t nr)
{
	return pid_task(find_pid(nr), PIDTYPE_PID);
}

struct task_struct *find_get_task_by_pid(pid_t nr)
{
	struct task_struct *t;

	spin_lock(&tasklist_lock);
	t = find_task_by_pid(nr);
	if (t)
		get_task_struct(t);
	spin_unlock(&tasklist_lock);
	return t;
}

struct task_struct *next_tgid(pid_t *nr)
{
	struct task_struct *t = NULL;
	unsigned long index = *nr > 0 ? *nr : 1;

	spin_lock(&tasklist_lock);
	while (!t) {
		struct pid *p;

		spin_lock(&pid_lock);
		p = xa_find(&pid_table, &index, pid_max);
		spin_unlock(&pid_lock);
		if (!p)
			break;
		t = pid_task(p, PIDTYPE_TGID);
		index++;
	}
	if (t) {
		get_task_struct(t);
		*nr = t->tgid;
	}
	spin_unlock(&tasklist_lock);
	return t;
}

/* ---- Bearing a number ---- */

void attach_pid(struct task_struct *t, enum pid_type type, struct pid *p)
{
	lockdep_assert_held(&tasklist_lock);
	if (type == PIDTYPE_PID)
		t->thread_pid = p;
	else
		t->signal->pids[type] = p;
	list_add_tail(&t->pid_links[type], &p->tasks[type]);
}

static struct pid *unlink_pid(struct task_struct *t, enum pid_type type)
{
	struct pid *p = type == PIDTYPE_PID ? t->thread_pid : t->signal->pids[type];

	lockdep_assert_held(&tasklist_lock);
	list_del_init(&t->pid_links[type]);
	return p;
}

static void free_pid_if_unused(struct pid *p)
{
	int i;

	if (p == &init_struct_pid)
		return;
	for (i = 0; i < PIDTYPE_MAX; i++) {
		if (!list_empty(&p->tasks[i]))
			return;
	}
	free_pid(p);
}

void detach_pid(struct task_struct *t, enum pid_type type)
{
	struct pid *p = unlink_pid(t, type);

	if (type == PIDTYPE_PID)
		t->thread_pid = NULL;
	else
		t->signal->pids[type] = NULL;
	free_pid_if_unused(p);
}

void change_pid(struct task_struct *t, enum pid_type type, struct pid *new)
{
	struct pid *old = unlink_pid(t, type);

	attach_pid(t, type, new);
	free_pid_if_unused(old);
}

/* exec by a thread that was not the leader: TO takes FROM's place on the list of TYPE. */
void transfer_pid(struct task_struct *from, struct task_struct *to, enum pid_type type)
{
	list_add(&to->pid_links[type], &from->pid_links[type]);
	list_del_init(&from->pid_links[type]);
}

/* A and B change their thread numbers. => tasklist_lock */
void exchange_pids(struct task_struct *a, struct task_struct *b)
{
	struct pid *pa = unlink_pid(a, PIDTYPE_PID), *pb = unlink_pid(b, PIDTYPE_PID);

	attach_pid(a, PIDTYPE_PID, pb);
	attach_pid(b, PIDTYPE_PID, pa);
	swap(a->pid, b->pid);
}

struct pid *task_pgrp(struct task_struct *t)	{ return t->signal->pids[PIDTYPE_PGID]; }
struct pid *task_session(struct task_struct *t) { return t->signal->pids[PIDTYPE_SID]; }
pid_t pid_nr(struct pid *p)			{ return p ? p->nr : 0; }
