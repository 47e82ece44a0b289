/*
 * kernel/task/cred.c - user and group ids of tasks, and the calls that change them.
 *
 * A cred is never edited in place: prepare_creds() copies, the caller edits the copy, commit_creds()
 * installs it. So whoever holds a reference sees one consistent set of ids for as long as it likes. Only
 * the task itself changes its ids; threads of one process may differ (C libraries make them agree by
 * signals).
 *
 *	setuid() ── prepare_creds ──> edit ── commit_creds ──> task->cred
 *	                                └── refused ── put_cred
 *
 * Root (effective uid 0) has all capabilities, less those that it gave up by capset(2) since its last exec; nobody
 * else has any.
 * Signals are counted per user from interrupts, which read t->cred with interrupts off; therefore the old
 * cred is dropped only after every CPU was seen with interrupts on (tlb_remove_table_sync).
 *
 * Not here: inheritable and ambient capabilities, securebits, key rings, user name spaces. Linux: kernel/cred.c, kernel/sys.c.
 */
#include "arch-x86_64/tlbflush.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/slab.h"

static DEFINE_SPINLOCK(user_lock);	/* irqsave: signals are freed in interrupts */
static struct user_struct root_user = { .uid = 0, .refs = 1, .list = LIST_HEAD_INIT(root_user.list) };

struct cred init_cred = { .usage = ATOMIC_INIT(4), .user = &root_user };

/* ---- Users ---- */

/* => user_lock */
static struct user_struct *find_user_locked(uid_t uid)
{
	struct user_struct *u;

	if (uid == 0)
		return &root_user;
	list_for_each_entry(u, &root_user.list, list) {
		if (u->uid == uid)
			return u;
	}
	return NULL;
}

struct user_struct *get_uid(struct user_struct *u)
{
	unsigned long flags;

	spin_lock_irqsave(&user_lock, flags);
	u->refs++;
	spin_unlock_irqrestore(&user_lock, flags);
	return u;
}

void free_uid(struct user_struct *u)
{
	unsigned long flags;
	bool gone;

	spin_lock_irqsave(&user_lock, flags);
	gone = --u->refs == 0;
	if (gone)
		list_del(&u->list);
	spin_unlock_irqrestore(&user_lock, flags);
	if (gone)
		kfree(u);
}

/* The user UID, made if it is new, with a reference; NULL: no memory. May sleep. */
static struct user_struct *alloc_uid(uid_t uid)
{
	struct user_struct *new = kzalloc(sizeof(*new), GFP_KERNEL), *u;
	unsigned long flags;

	if (!new)
		return NULL;
	spin_lock_irqsave(&user_lock, flags);
	u = find_user_locked(uid);
	if (u) {
		u->refs++;
	} else {
		u = new;
		u->uid = uid;
		u->refs = 1;
		list_add(&u->list, &root_user.list);
		new = NULL;
	}
	spin_unlock_irqrestore(&user_lock, flags);
	kfree(new);
	return u;
}

/* ---- Life of a cred ---- */

const struct cred *get_task_cred(struct task_struct *t)
{
	const struct cred *c;

	spin_lock(&t->alloc_lock);
	c = get_cred(t->cred);
	spin_unlock(&t->alloc_lock);
	return c;
}

void put_cred(const struct cred *c)
{
	if (!atomic_dec_and_test(&((struct cred *)c)->usage))
		return;
	KASSERT(c != &init_cred, "cred: init_cred was freed");
	free_uid(c->user);
	kfree(c);
}

struct cred *prepare_creds(void)
{
	struct cred *new = kmalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		return NULL;
	*new = *current->cred;
	atomic_set(&new->usage, 1);
	get_uid(new->user);
	return new;
}

void commit_creds(struct cred *new)
{
	const struct cred *old = current->cred;

	if (new->user != old->user) {
		atomic_inc(&new->user->processes);
		atomic_dec(&old->user->processes);
	}
	spin_lock(&current->alloc_lock);
	WRITE_ONCE(current->cred, new);
	spin_unlock(&current->alloc_lock);
	/* An interrupt on another CPU may be counting a signal for us by the old one. */
	tlb_remove_table_sync();
	put_cred(old);
}

/* NEW's real uid changed: count it with that user. 0 or -ENOMEM. */
static int set_user(struct cred *new)
{
	struct user_struct *u = alloc_uid(new->uid);

	if (!u)
		return -ENOMEM;
	free_uid(new->user);
	new->user = u;
	return 0;
}

/* ---- Questions ---- */

bool capable(int cap)
{
	return (cap_effective(current->cred) >> cap) & 1;
}

bool in_group_p(gid_t gid)
{
	const struct cred *c = current->cred;
	int i;

	if (gid == c->fsgid)
		return true;
	for (i = 0; i < c->ngroups; i++) {
		if (c->groups[i] == gid)
			return true;
	}
	return false;
}

bool ptrace_may_access(struct task_struct *t)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	if (same_thread_group(t, current) || me->euid == 0)
		return true;
	c = get_task_cred(t);
	ok = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid &&
	     me->gid == c->egid && me->gid == c->sgid && me->gid == c->gid;
	put_cred(c);
	return ok;
}

/* ---- System calls ---- */

SYSCALL_DEFINE0(getuid)  { return current->cred->uid; }
SYSCALL_DEFINE0(geteuid) { return current->cred->euid; }
SYSCALL_DEFINE0(getgid)  { return current->cred->gid; }
SYSCALL_DEFINE0(getegid) { return current->cred->egid; }

/* Install NEW if ERR is 0, else throw it away. Passes ERR on. */
static long finish_creds(struct cred *new, int err)
{
	if (!err && new->uid != current->cred->uid)
		err = set_user(new);
	if (err)
		put_cred(new);
	else
		commit_creds(new);
	return err;
}

SYSCALL_DEFINE1(setuid, uid_t, uid)
{
	struct cred *new;
	int err = 0;

	if (uid == (uid_t)-1)
		return -EINVAL;
	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	if (capable(CAP_SETUID))
		new->uid = new->suid = uid;
	else if (uid != new->uid && uid != new->suid)
		err = -EPERM;
	new->euid = new->fsuid = uid;
	return finish_creds(new, err);
}

SYSCALL_DEFINE1(setgid, gid_t, gid)
{
	struct cred *new;
	int err = 0;

	if (gid == (gid_t)-1)
		return -EINVAL;
	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	if (capable(CAP_SETGID))
		new->gid = new->sgid = gid;
	else if (gid != new->gid && gid != new->sgid)
		err = -EPERM;
	new->egid = new->fsgid = gid;
	return finish_creds(new, err);
}

/* The setre* rule: the real id may become the effective one; the effective one any of the three. */
static bool reid_allowed(u32 id, u32 a, u32 b, u32 c)
{
	return id == (u32)-1 || id == a || id == b || id == c;
}

SYSCALL_DEFINE2(setreuid, uid_t, ruid, uid_t, euid)
{
	struct cred *new = prepare_creds();
	const struct cred *old = current->cred;
	int err = 0;

	if (!new)
		return -ENOMEM;
	if (!capable(CAP_SETUID) && (!reid_allowed(ruid, old->uid, old->euid, old->euid) ||
				     !reid_allowed(euid, old->uid, old->euid, old->suid)))
		err = -EPERM;
	if (ruid != (uid_t)-1)
		new->uid = ruid;
	if (euid != (uid_t)-1)
		new->euid = euid;
	if (ruid != (uid_t)-1 || (euid != (uid_t)-1 && euid != old->uid))
		new->suid = new->euid;
	new->fsuid = new->euid;
	return finish_creds(new, err);
}

SYSCALL_DEFINE2(setregid, gid_t, rgid, gid_t, egid)
{
	struct cred *new = prepare_creds();
	const struct cred *old = current->cred;
	int err = 0;

	if (!new)
		return -ENOMEM;
	if (!capable(CAP_SETGID) && (!reid_allowed(rgid, old->gid, old->egid, old->egid) ||
				     !reid_allowed(egid, old->gid, old->egid, old->sgid)))
		err = -EPERM;
	if (rgid != (gid_t)-1)
		new->gid = rgid;
	if (egid != (gid_t)-1)
		new->egid = egid;
	if (rgid != (gid_t)-1 || (egid != (gid_t)-1 && egid != old->gid))
		new->sgid = new->egid;
	new->fsgid = new->egid;
	return finish_creds(new, err);
}

SYSCALL_DEFINE3(setresuid, uid_t, ruid, uid_t, euid, uid_t, suid)
{
	struct cred *new = prepare_creds();
	const struct cred *old = current->cred;
	int err = 0;

	if (!new)
		return -ENOMEM;
	if (!capable(CAP_SETUID) && (!reid_allowed(ruid, old->uid, old->euid, old->suid) ||
				     !reid_allowed(euid, old->uid, old->euid, old->suid) ||
				     !reid_allowed(suid, old->uid, old->euid, old->suid)))
		err = -EPERM;
	if (ruid != (uid_t)-1)
		new->uid = ruid;
	if (euid != (uid_t)-1)
		new->euid = euid;
	if (suid != (uid_t)-1)
		new->suid = suid;
	new->fsuid = new->euid;
	return finish_creds(new, err);
}

SYSCALL_DEFINE3(setresgid, gid_t, rgid, gid_t, egid, gid_t, sgid)
{
	struct cred *new = prepare_creds();
	const struct cred *old = current->cred;
	int err = 0;

	if (!new)
		return -ENOMEM;
	if (!capable(CAP_SETGID) && (!reid_allowed(rgid, old->gid, old->egid, old->sgid) ||
				     !reid_allowed(egid, old->gid, old->egid, old->sgid) ||
				     !reid_allowed(sgid, old->gid, old->egid, old->sgid)))
		err = -EPERM;
	if (rgid != (gid_t)-1)
		new->gid = rgid;
	if (egid != (gid_t)-1)
		new->egid = egid;
	if (sgid != (gid_t)-1)
		new->sgid = sgid;
	new->fsgid = new->egid;
	return finish_creds(new, err);
}

SYSCALL_DEFINE3(getresuid, uid_t __user *, r, uid_t __user *, e, uid_t __user *, s)
{
	const struct cred *c = current->cred;

	return put_user(c->uid, r) || put_user(c->euid, e) || put_user(c->suid, s) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getresgid, gid_t __user *, r, gid_t __user *, e, gid_t __user *, s)
{
	const struct cred *c = current->cred;

	return put_user(c->gid, r) || put_user(c->egid, e) || put_user(c->sgid, s) ? -EFAULT : 0;
}

/* These two return the old id, whether the change was allowed or not. */
SYSCALL_DEFINE1(setfsuid, uid_t, uid)
{
	const struct cred *old = current->cred;
	uid_t was = old->fsuid;
	struct cred *new;

	if (uid == (uid_t)-1)
		return was;
	if (!capable(CAP_SETUID) && uid != was && !reid_allowed(uid, old->uid, old->euid, old->suid))
		return was;
	new = prepare_creds();
	if (new) {
		new->fsuid = uid;
		commit_creds(new);
	}
	return was;
}

SYSCALL_DEFINE1(setfsgid, gid_t, gid)
{
	const struct cred *old = current->cred;
	gid_t was = old->fsgid;
	struct cred *new;

	if (gid == (gid_t)-1)
		return was;
	if (!capable(CAP_SETGID) && gid != was && !reid_allowed(gid, old->gid, old->egid, old->sgid))
		return was;
	new = prepare_creds();
	if (new) {
		new->fsgid = gid;
		commit_creds(new);
	}
	return was;
}

SYSCALL_DEFINE2(getgroups, int, size, gid_t __user *, list)
{
	const struct cred *c = current->cred;

	if (size < 0)
		return -EINVAL;
	if (!size)
		return c->ngroups;
	if (size < c->ngroups)
		return -EINVAL;
	return copy_to_user(list, c->groups, c->ngroups * sizeof(gid_t)) ? -EFAULT : c->ngroups;
}

SYSCALL_DEFINE2(setgroups, int, size, const gid_t __user *, list)
{
	struct cred *new;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > NGROUPS_MAX_HERE)
		return -EINVAL;
	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	new->ngroups = size;
	return finish_creds(new, copy_from_user(new->groups, list, size * sizeof(gid_t)) ? -EFAULT : 0);
}

/* ---- Capabilities, as far as "root has all" goes ---- */

#define CAP_VERSION_1	0x19980330u
#define CAP_VERSION_2	0x20071026u
#define CAP_VERSION_3	0x20080522u

struct cap_header { u32 version; int pid; };
struct cap_data { u32 effective, permitted, inheritable; };

/* Number of cap_data elements for the caller's version; -EINVAL for an unknown one, after telling ours. */
static int cap_elements(struct cap_header __user *uh, struct cap_header *h)
{
	if (copy_from_user(h, uh, sizeof(*h)))
		return -EFAULT;
	if (h->version == CAP_VERSION_1)
		return 1;
	if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
		return 2;
	return put_user(CAP_VERSION_3, &uh->version) ? -EFAULT : -EINVAL;
}

SYSCALL_DEFINE2(capget, struct cap_header __user *, uh, struct cap_data __user *, ud)
{
	struct cap_data d[2] = { 0 };
	struct cap_header h;
	struct task_struct *t;
	const struct cred *c;
	int n = cap_elements(uh, &h);

	if (n < 0)
		return n == -EINVAL && !ud ? 0 : n;
	if (h.pid < 0)
		return -EINVAL;
	t = find_get_task_by_pid(h.pid ? h.pid : current->pid);
	if (!t)
		return -ESRCH;
	c = get_task_cred(t);
	put_task_struct(t);
	d[0].effective = (u32)cap_effective(c);
	d[1].effective = cap_effective(c) >> 32;
	d[0].permitted = (u32)cap_permitted(c);
	d[1].permitted = cap_permitted(c) >> 32;
	put_cred(c);
	return ud && copy_to_user(ud, d, n * sizeof(*d)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(capset, struct cap_header __user *, uh, const struct cap_data __user *, ud)
{
	struct cap_data d[2] = { 0 };
	struct cap_header h;
	struct cred *new;
	u64 eff, perm;
	int n = cap_elements(uh, &h);

	if (n < 0)
		return n;
	if (h.pid && h.pid != current->pid)
		return -EPERM;
	if (copy_from_user(d, ud, n * sizeof(*d)))
		return -EFAULT;
	eff = (d[0].effective | (u64)d[1].effective << 32) & CAP_ALL;
	perm = (d[0].permitted | (u64)d[1].permitted << 32) & CAP_ALL;
	/* Only ever less: nothing that is not permitted now, and in effect only what stays permitted. */
	if ((perm & ~cap_permitted(current->cred)) || (eff & ~perm))
		return -EPERM;
	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	new->cap_dropped |= CAP_ALL & ~perm;
	new->cap_lowered = CAP_ALL & ~eff;
	commit_creds(new);
	return 0;
}
