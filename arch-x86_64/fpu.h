/*
 * arch-x86_64/fpu.h - x87, SSE and AVX state of each task.
 *
 * Saved and restored eagerly at every context switch with XSAVE where the CPU has it, else FXSAVE. The
 * kernel itself uses no FPU registers.
 */
#ifndef ARCH_FPU_H
#define ARCH_FPU_H

#include "kernel/lib/types.h"

struct task_struct;

/* Allocate the state of a new task as a copy of the current one's (fork), or -ENOMEM. */
int fpu_fork(struct task_struct *child);
void fpu_free(struct task_struct *t);
/* Reset state of the running task (exec, signal handler). Allocates it if there is none yet; may sleep. */
void fpu_reset(void);
/* Called by __switch_to with interrupts off. */
void fpu_switch(struct task_struct *prev, struct task_struct *next);

/*
 * For signal frames: cpu_features.xsave_size bytes in the CPU's own (XSAVE or FXSAVE) format. fpu_save
 * writes the running task's state to BUF, which is 64-byte aligned; fpu_restore loads it after making it
 * harmless (what a user wrote there must not fault): false if it cannot be. Buffers: fpu_alloc_buffer
 * (zeroed; may sleep; NULL: no memory).
 */
void fpu_save(void *buf);
bool fpu_restore(void *buf);
void *fpu_alloc_buffer(void);
void fpu_free_buffer(void *buf);

#endif
