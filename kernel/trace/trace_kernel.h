/*
 * kernel/trace/trace_kernel.h - the events of the kernel outside of mm: page faults as the CPU reports them,
 * waiting for locks, switching tasks. Only .c files include this.
 *
 * Linux: include/trace/events/exceptions.h, lock.h, sched.h.
 */
#ifndef KERNEL_TRACE_KERNEL_H
#define KERNEL_TRACE_KERNEL_H

#include "kernel/trace/trace_events.h"

#define TRACE_SYSTEM exceptions

/*
 * In user mode, and in kernel code that works on user memory. ERROR_CODE: bits 0 present, 1 write, 2 user,
 * 4 fetch.
 */
TRACE_EVENT(page_fault_user,
	TP_FIELDS((unsigned long, address), (unsigned long, ip), (unsigned long, error_code)),
	"address=0x%lx ip=0x%lx error_code=0x%lx", REC->address, REC->ip, REC->error_code)

TRACE_EVENT(page_fault_kernel,
	TP_FIELDS((unsigned long, address), (unsigned long, ip), (unsigned long, error_code)),
	"address=0x%lx ip=0x%lx error_code=0x%lx", REC->address, REC->ip, REC->error_code)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM lock

/* The lock was taken, so its owner is waited for, and the end of that. */
#define LCB_F_SPIN	1u
#define LCB_F_READ	2u
#define LCB_F_WRITE	4u
#define LCB_F_MUTEX	32u
TRACE_EVENT(contention_begin,
	TP_FIELDS((const void *, lock_addr), (unsigned int, flags)),
	"%p (flags=%s)", REC->lock_addr, lcb_word(REC->flags))

/* RET: 0, or the error of one who gave up. */
TRACE_EVENT(contention_end,
	TP_FIELDS((const void *, lock_addr), (int, ret)),
	"%p (ret=%d)", REC->lock_addr, REC->ret)

#undef TRACE_SYSTEM
#define TRACE_SYSTEM sched

/* PREV_STATE: as task->__state; SWITCH_PREEMPTED: it was runnable, whatever that says. */
#define SWITCH_PREEMPTED 0x100000L
TRACE_EVENT(sched_switch,
	TP_FIELDS((trace_comm, prev_comm), (int, prev_pid), (int, prev_prio), (long, prev_state),
		  (trace_comm, next_comm), (int, next_pid), (int, next_prio)),
	"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s ==> next_comm=%s next_pid=%d next_prio=%d",
	REC->prev_comm.text, REC->prev_pid, REC->prev_prio, state_word(REC->prev_state), REC->next_comm.text,
	REC->next_pid, REC->next_prio)

TRACE_EVENT(sched_wakeup,
	TP_FIELDS((trace_comm, comm), (int, pid), (int, prio), (int, target_cpu)),
	"comm=%s pid=%d prio=%d target_cpu=%03d", REC->comm.text, REC->pid, REC->prio, REC->target_cpu)

#undef TRACE_SYSTEM
#endif
