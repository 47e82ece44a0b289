/*
 * kernel/task/pid.h - process identifiers: a number with the tasks, groups and sessions that bear it.
 */
#ifndef KERNEL_TASK_PID_H
#define KERNEL_TASK_PID_H

#include "kernel/lib/atomic.h"
#include "kernel/locking/wait.h"

struct task_struct;
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };
#define PID_MAX_DEFAULT 32768

struct pid {
	atomic_t count;
	pid_t nr;
	struct list_head tasks[PIDTYPE_MAX];	/* tasklist_lock; linked by task->pid_links[type] */
	wait_queue_head_t wait_pidfd;		/* woken when the process exits */
};
struct pid *alloc_pid(void);			/* count 1; ERR_PTR(-EAGAIN) when all are used, -ENOMEM */
static inline struct pid *get_pid(struct pid *p) { if (p) atomic_inc(&p->count); return p; }
void put_pid(struct pid *p);
/* => tasklist_lock held, or the result is only a hint; find_get_* take it and return a reference. */
struct pid *find_pid(pid_t nr);
struct pid *find_get_pid(pid_t nr);
struct task_struct *find_task_by_pid(pid_t nr);		/* thread NR; => tasklist_lock */
struct task_struct *find_get_task_by_pid(pid_t nr);	/* referenced, or NULL */
struct task_struct *pid_task(struct pid *p, enum pid_type type);	/* => tasklist_lock */
/* First thread-group leader with tgid >= *NR, referenced, *NR set to it; NULL: none (for /proc readdir). */
struct task_struct *next_tgid(pid_t *nr);
void attach_pid(struct task_struct *t, enum pid_type type, struct pid *p);	/* => tasklist_lock */
void detach_pid(struct task_struct *t, enum pid_type type);
void change_pid(struct task_struct *t, enum pid_type type, struct pid *p);
struct pid *task_pgrp(struct task_struct *t);
struct pid *task_session(struct task_struct *t);
pid_t pid_nr(struct pid *p);
/* The process that pidfd FD stands for (-10000: own thread, -10001: own process), referenced; ERR_PTR(-EBADF). */
struct pid *pidfd_get_pid(int fd);
/* T's process has ended as far as waiters can see. => tasklist_lock, or a hint */
bool pid_has_exited(struct pid *p);
#define same_thread_group(a, b) ((a)->signal == (b)->signal)
#define thread_group_leader(t) ((t)->exit_signal >= 0)
#define thread_group_empty(t) ((t)->signal->nr_threads == 1)
#define for_each_process(t) list_for_each_entry(t, &init_task.tasks, tasks)	/* => tasklist_lock */
#define for_each_thread(p, t) list_for_each_entry(t, &(p)->signal->thread_head, thread_node)

#endif
