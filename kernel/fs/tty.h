/*
 * kernel/fs/tty.h - the terminal on the serial line, and controlling terminals.
 */
#ifndef KERNEL_FS_TTY_H
#define KERNEL_FS_TTY_H

#include "kernel/lib/types.h"

struct task_struct;

/*
 * The current process gives up its controlling terminal; a session leader (always one when it exits) takes it
 * from its whole session, and the foreground group gets SIGHUP and SIGCONT. May sleep.
 */
void disassociate_ctty(int on_exit);
/* fork: the child's signal_struct inherits the terminal of the current process. */
struct signal_struct;
void tty_inherit(struct signal_struct *child);
/* For /proc/PID/stat: encoded device number (0: none) and foreground group (-1: none). */
void proc_tty_info(struct task_struct *t, int *tty_nr, pid_t *tpgid);

#endif
