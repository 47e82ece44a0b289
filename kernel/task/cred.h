/*
 * kernel/task/cred.h - who a task is: user and group ids. Root has all capabilities but those it gave up, others none.
 *
 * A cred is constant once published; changing ids installs a new one (RCU is not needed: readers of other
 * tasks' creds hold the task's alloc_lock through get_task_cred).
 */
#ifndef KERNEL_TASK_CRED_H
#define KERNEL_TASK_CRED_H

#include "kernel/lib/atomic.h"
#include "kernel/sched/sched.h"

/* What is counted per user id (not per process): tasks, signals, locks. One per uid in use. */
struct user_struct {
	uid_t uid;			/* c */
	int refs;			/* user table lock */
	struct list_head list;		/* user table lock */
	atomic_t processes;		/* threads */
	atomic_t sigpending;		/* queued signals */
	atomic_t locks;			/* record locks and flocks held, or being asked for */
};
/* One more reference, and one less. */
struct user_struct *get_uid(struct user_struct *u);
void free_uid(struct user_struct *u);	/* drops a reference; any context but NMI */

#define NGROUPS_MAX_HERE 32
struct cred {
	atomic_t usage;
	uid_t uid, euid, suid, fsuid;
	gid_t gid, egid, sgid, fsgid;
	int ngroups;
	gid_t groups[NGROUPS_MAX_HERE];
	u64 cap_dropped, cap_lowered;	/* capset(2): no longer permitted; permitted but not effective. exec forgets both */
	struct user_struct *user;	/* of the real uid; referenced */
};
#define CAP_ALL ((1ULL << 41) - 1)
/* Root (effective uid 0) has what it did not give up, others have nothing. */
static inline u64 cap_permitted(const struct cred *c) { return c->euid == 0 ? CAP_ALL & ~c->cap_dropped : 0; }
static inline u64 cap_effective(const struct cred *c) { return cap_permitted(c) & ~c->cap_lowered; }
static inline const struct cred *current_cred(void) { return current->cred; }
const struct cred *get_task_cred(struct task_struct *t);
static inline const struct cred *get_cred(const struct cred *c) { atomic_inc(&((struct cred *)c)->usage); return c; }
void put_cred(const struct cred *c);
/* A private copy to edit, then commit_creds (consumes it) or put_cred. NULL: no memory. */
struct cred *prepare_creds(void);
void commit_creds(struct cred *new);
#define CAP_KILL 5
#define CAP_IPC_LOCK 14
#define CAP_SYS_ADMIN 21
#define CAP_SYS_NICE 23
#define CAP_SYS_RESOURCE 24
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SYS_CHROOT 18
#define CAP_SYS_BOOT 22
#define CAP_SYS_TIME 25
#define CAP_SYSLOG 34
bool capable(int cap);			/* has CAP in effect */
bool in_group_p(gid_t gid);
/* May the current task look into T (ptrace-read)? */
bool ptrace_may_access(struct task_struct *t);
extern struct cred init_cred;	/* not const: its usage count changes */

#endif
