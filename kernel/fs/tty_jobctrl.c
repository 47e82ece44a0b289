/*
 * kernel/fs/tty_jobctrl.c - controlling terminals: sessions, the foreground group, and who may touch the tty.
 *
 *	session leader opens the tty, or TIOCSCTTY ──> tty->session, signal->tty ──> TIOCSPGRP: tty->pgrp
 *	background group reads: SIGTTIN; changes it (or writes, with TOSTOP): SIGTTOU
 *	session leader exits: SIGHUP, SIGCONT to the foreground; nobody's terminal any more
 *
 * ctty_lock guards tty->session, tty->pgrp and every signal->tty. It nests inside tasklist_lock.
 *
 * Linux: drivers/tty/tty_jobctrl.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/tty.h"
#include "kernel/fs/tty_internal.h"
#include "kernel/task/cred.h"

static DEFINE_SPINLOCK(ctty_lock);

#define TIOCSCTTY 0x540E
#define TIOCGPGRP 0x540F
#define TIOCSPGRP 0x5410
#define TIOCNOTTY 0x5422
#define TIOCGSID  0x5429

void tty_signal_pgrp(struct tty_struct *tty, int sig)
{
	struct pid *pgrp;

	spin_lock(&ctty_lock);
	pgrp = get_pid(tty->pgrp);
	spin_unlock(&ctty_lock);
	if (!pgrp)
		return;
	kill_pgrp(pgrp, sig, 1);
	put_pid(pgrp);
}

int tty_check_change(struct tty_struct *tty, int sig, u32 lflag)
{
	struct pid *mine, *fg;
	bool background;

	if (current->signal->tty != tty || (lflag && !(tty->termios.c_lflag & lflag)))
		return 0;
	spin_lock(&tasklist_lock);
	mine = get_pid(task_pgrp(current));
	spin_unlock(&tasklist_lock);
	spin_lock(&ctty_lock);
	fg = tty->pgrp;
	background = fg && fg != mine;
	spin_unlock(&ctty_lock);
	if (background) {
		int err = -ERESTARTSYS;

		if (sig_blocked_or_ignored(sig))
			err = sig == SIGTTIN ? -EIO : 0;
		else if (is_current_pgrp_orphaned())
			err = -EIO;
		else {
			kill_pgrp(mine, sig, 1);
			set_bit(TIF_SIGPENDING, &current->ti_flags);
		}
		put_pid(mine);
		return err;
	}
	put_pid(mine);
	return 0;
}

/* => tasklist_lock and ctty_lock held */
static void proc_set_tty_locked(struct tty_struct *tty)
{
	put_pid(tty->session);
	put_pid(tty->pgrp);
	tty->session = get_pid(task_session(current));
	tty->pgrp = get_pid(task_pgrp(current));
	current->signal->tty = tty;
}

void tty_open_proc_set_tty(struct tty_struct *tty)
{
	spin_lock(&tasklist_lock);
	spin_lock(&ctty_lock);
	if (current->signal->leader && !current->signal->tty && !tty->session)
		proc_set_tty_locked(tty);
	spin_unlock(&ctty_lock);
	spin_unlock(&tasklist_lock);
}

void tty_inherit(struct signal_struct *child)
{
	spin_lock(&ctty_lock);
	child->tty = current->signal->tty;
	spin_unlock(&ctty_lock);
}

/* Take the terminal from every process of SESSION. => tasklist_lock, ctty_lock */
static void session_clear_tty_locked(struct pid *session)
{
	struct task_struct *p;

	for_each_process(p)
		if (p->signal && task_session(p) == session)
			p->signal->tty = NULL;
}

static long set_ctty(struct tty_struct *tty, unsigned long steal)
{
	long err = 0;

	spin_lock(&tasklist_lock);
	spin_lock(&ctty_lock);
	if (current->signal->leader && task_session(current) == tty->session && current->signal->tty == tty)
		goto out;
	err = -EPERM;
	if (!current->signal->leader || current->signal->tty)
		goto out;
	if (tty->session) {
		if (steal != 1 || !capable(CAP_SYS_ADMIN))
			goto out;
		session_clear_tty_locked(tty->session);
	}
	proc_set_tty_locked(tty);
	err = 0;
out:
	spin_unlock(&ctty_lock);
	spin_unlock(&tasklist_lock);
	return err;
}

static long get_pgrp(struct tty_struct *tty, unsigned long arg)
{
	pid_t nr;

	if (current->signal->tty != tty)
		return -ENOTTY;
	spin_lock(&ctty_lock);
	nr = tty->pgrp ? pid_nr(tty->pgrp) : 0;
	spin_unlock(&ctty_lock);
	return put_user(nr, (int __user *)arg);
}

static long set_pgrp(struct tty_struct *tty, unsigned long arg)
{
	struct task_struct *leader;
	struct pid *pgrp;
	pid_t nr;
	long err = tty_check_change(tty, SIGTTOU, 0);

	if (err)
		return err;
	if (get_user(nr, (int __user *)arg))
		return -EFAULT;
	if (nr < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	spin_lock(&ctty_lock);
	err = -ENOTTY;
	if (current->signal->tty != tty || tty->session != task_session(current))
		goto out;
	err = -ESRCH;
	pgrp = find_pid(nr);
	if (!pgrp)
		goto out;
	err = -EPERM;
	leader = pid_task(pgrp, PIDTYPE_PGID);
	if (!leader || task_session(leader) != task_session(current))
		goto out;
	put_pid(tty->pgrp);
	tty->pgrp = get_pid(pgrp);
	err = 0;
out:
	spin_unlock(&ctty_lock);
	spin_unlock(&tasklist_lock);
	return err;
}

static long get_sid(struct tty_struct *tty, unsigned long arg)
{
	pid_t nr;

	if (current->signal->tty != tty)
		return -ENOTTY;
	spin_lock(&ctty_lock);
	nr = tty->session ? pid_nr(tty->session) : -1;
	spin_unlock(&ctty_lock);
	return nr < 0 ? -ENOTTY : put_user(nr, (int __user *)arg);
}

long tty_jobctrl_ioctl(struct tty_struct *tty, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case TIOCSCTTY:
		return set_ctty(tty, arg);
	case TIOCGPGRP:
		return get_pgrp(tty, arg);
	case TIOCSPGRP:
		return set_pgrp(tty, arg);
	case TIOCGSID:
		return get_sid(tty, arg);
	case TIOCNOTTY:
		if (current->signal->tty != tty)
			return -ENOTTY;
		disassociate_ctty(0);
		return 0;
	default:
		return -ENOTTY;
	}
}

void disassociate_ctty(int on_exit)
{
	struct tty_struct *tty;
	struct pid *pgrp = NULL;

	spin_lock(&tasklist_lock);
	spin_lock(&ctty_lock);
	tty = current->signal->tty;
	current->signal->tty = NULL;
	if (tty && current->signal->leader && tty->session == task_session(current)) {
		pgrp = tty->pgrp;		/* its reference is ours now */
		session_clear_tty_locked(tty->session);
		put_pid(tty->session);
		tty->session = tty->pgrp = NULL;
	}
	spin_unlock(&ctty_lock);
	spin_unlock(&tasklist_lock);
	if (!pgrp)
		return;
	kill_pgrp(pgrp, SIGHUP, on_exit);
	kill_pgrp(pgrp, SIGCONT, on_exit);
	put_pid(pgrp);
}

void proc_tty_info(struct task_struct *t, int *tty_nr, pid_t *tpgid)
{
	struct tty_struct *tty;

	*tty_nr = 0;
	*tpgid = -1;
	spin_lock(&ctty_lock);
	tty = t->signal ? t->signal->tty : NULL;
	if (tty) {
		*tty_nr = 4 << 8 | 64;
		*tpgid = tty->pgrp ? pid_nr(tty->pgrp) : -1;
	}
	spin_unlock(&ctty_lock);
}
