/*
 * kernel/trace/concurrency.h - proof that there is no big lock: how many CPUs were at the same time inside the fault
 * handler of one process, inside fork in different processes, inside write to different pipes.
 *
 *	concurrency_enter(IN_FAULT, mm); ... concurrency_exit(IN_FAULT);
 *
 * The running task of each CPU is looked at, so a task that was preempted or sleeps inside does not count. In a
 * RELEASE build both compile to nothing. May nest with other sections, not with the same one; any lock may be held.
 */
#ifndef KERNEL_TRACE_CONCURRENCY_H
#define KERNEL_TRACE_CONCURRENCY_H

#include "kernel/sched/sched.h"

enum concurrency_section { IN_FAULT, IN_FORK, IN_PIPE_WRITE, NR_CONCURRENCY };
static_assert(ARRAY_SIZE(((struct task_struct *)0)->inside) == NR_CONCURRENCY, "task->inside has one slot a section");

#ifndef RELEASE
/* OBJECT: the mm or pipe this is about. Faults count CPUs with the same object, the others CPUs with another one. */
void concurrency_enter(enum concurrency_section s, const void *object);
static inline void concurrency_exit(enum concurrency_section s) { WRITE_ONCE(current->inside[s], NULL); }
#else
static inline void concurrency_enter(enum concurrency_section s, const void *object) { }
static inline void concurrency_exit(enum concurrency_section s) { }
#endif

#endif
