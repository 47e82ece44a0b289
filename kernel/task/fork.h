/*
 * kernel/task/fork.h - making tasks.
 */
#ifndef KERNEL_TASK_FORK_H
#define KERNEL_TASK_FORK_H

#include "kernel/sched/sched.h"

struct kernel_clone_args {
	u64 flags;
	int __user *pidfd, *child_tid, *parent_tid;
	int exit_signal;
	unsigned long stack, stack_size, tls;
	int (*fn)(void *);		/* kernel thread */
	void *fn_arg;
};
/* New task, started. Its pid or -errno. May sleep. */
pid_t kernel_clone(struct kernel_clone_args *args);
/* A kernel thread, not yet started (state RUNNING, call wake_up_new_task); ERR_PTR. */
struct task_struct *copy_process_kthread(int (*fn)(void *), void *arg);
/* Zeroed task_struct with a kernel stack and usage 1; NULL: no memory. For idle tasks. */
struct task_struct *alloc_task_struct_with_stack(void);
/* Start FN(ARG) as PID 1 (a kernel thread that will exec). Boot only. */
pid_t start_init_thread(int (*fn)(void *), void *arg);
void fork_init(void);			/* core: caches, limits */

#endif
