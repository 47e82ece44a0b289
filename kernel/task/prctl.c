/*
 * kernel/task/prctl.c - odd switches of a process.
 *
 * Options that are not listed are EINVAL, which programs take for "not in this kernel".
 * Linux: kernel/sys.c, prctl().
 */
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"

#define PR_SET_PDEATHSIG	1
#define PR_GET_PDEATHSIG	2
#define PR_GET_DUMPABLE		3
#define PR_SET_DUMPABLE		4
#define PR_GET_KEEPCAPS		7
#define PR_SET_NAME		15
#define PR_GET_NAME		16
#define PR_CAPBSET_READ		23
#define PR_GET_SECUREBITS	27
#define PR_SET_TIMERSLACK	29
#define PR_GET_TIMERSLACK	30
#define PR_SET_CHILD_SUBREAPER	36
#define PR_GET_CHILD_SUBREAPER	37
#define PR_SET_NO_NEW_PRIVS	38
#define PR_GET_NO_NEW_PRIVS	39
#define PR_GET_TID_ADDRESS	40
#define PR_SET_THP_DISABLE	41
#define PR_GET_THP_DISABLE	42
#define CAP_LAST_CAP		40
#define TIMERSLACK_NS		50000

static long set_name(const char __user *from)
{
	char name[TASK_COMM_LEN];
	long n = strncpy_from_user(name, from, sizeof(name) - 1);

	if (n < 0)
		return n;
	name[sizeof(name) - 1] = 0;
	set_task_comm(current, name);
	return 0;
}

static long get_name(char __user *to)
{
	char name[TASK_COMM_LEN];

	get_task_comm(name, current);
	return copy_to_user(to, name, sizeof(name)) ? -EFAULT : 0;
}

#define PR_THP_DISABLE_EXCEPT_ADVISED 2

/*
 * ABI-23: kept by the mm, inherited by fork and exec. FLAGS: 0, no large folios at all, or EXCEPT_ADVISED,
 * which only makes sense together with ON.
 */
static long set_thp_disable(unsigned long on, unsigned long flags)
{
	struct mm_struct *mm = current->mm;

	if ((flags & ~(unsigned long)PR_THP_DISABLE_EXCEPT_ADVISED) || (!on && flags))
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	clear_bit(MMF_DISABLE_THP, &mm->flags);
	clear_bit(MMF_DISABLE_THP_EXCEPT_ADVISED, &mm->flags);
	if (on)
		set_bit(flags ? MMF_DISABLE_THP_EXCEPT_ADVISED : MMF_DISABLE_THP, &mm->flags);
	mmap_write_unlock(mm);
	return 0;
}

static long get_thp_disable(void)
{
	unsigned long flags = READ_ONCE(current->mm->flags);

	if (flags & BIT(MMF_DISABLE_THP))
		return 1;
	return flags & BIT(MMF_DISABLE_THP_EXCEPT_ADVISED) ? 1 | PR_THP_DISABLE_EXCEPT_ADVISED : 0;
}

SYSCALL_DEFINE5(prctl, int, option, unsigned long, a2, unsigned long, a3, unsigned long, a4,
		unsigned long, a5)
{
	bool rest = a3 || a4 || a5;

	switch (option) {
	case PR_SET_PDEATHSIG:
		if (!valid_signal(a2))
			return -EINVAL;
		current->pdeath_signal = a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user(current->pdeath_signal, (int __user *)a2);
	case PR_SET_NAME:
		return set_name((const char __user *)a2);
	case PR_GET_NAME:
		return get_name((char __user *)a2);
	case PR_GET_DUMPABLE:
		return 1;		/* there are no core dumps; ptrace rights go by ids alone */
	case PR_SET_DUMPABLE:
		return a2 <= 1 ? 0 : -EINVAL;
	case PR_GET_KEEPCAPS:
	case PR_GET_SECUREBITS:
		return 0;
	case PR_CAPBSET_READ:
		return a2 <= CAP_LAST_CAP ? 1 : -EINVAL;
	case PR_SET_TIMERSLACK:
		return 0;		/* timers here are always exact */
	case PR_GET_TIMERSLACK:
		return TIMERSLACK_NS;
	case PR_SET_CHILD_SUBREAPER:
		current->signal->is_child_subreaper = a2 != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user((int)current->signal->is_child_subreaper, (int __user *)a2);
	case PR_SET_NO_NEW_PRIVS:
		if (a2 != 1 || rest)
			return -EINVAL;
		current->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a2 || rest ? -EINVAL : current->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user((unsigned long)current->clear_child_tid, (unsigned long __user *)a2);
	case PR_SET_THP_DISABLE:
		return a4 || a5 ? -EINVAL : set_thp_disable(a2, a3);
	case PR_GET_THP_DISABLE:
		return a2 || rest ? -EINVAL : get_thp_disable();
	}
	return -EINVAL;
}
