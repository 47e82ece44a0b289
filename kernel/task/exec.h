/*
 * kernel/task/exec.h - starting a program in the current process.
 */
#ifndef KERNEL_TASK_EXEC_H
#define KERNEL_TASK_EXEC_H

/* From a kernel thread: returns 0 and the thread enters user mode when FN returns; or -errno. */
int kernel_execve(const char *path, const char *const *argv, const char *const *envp);

#endif
