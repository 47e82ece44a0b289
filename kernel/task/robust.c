/*
 * kernel/task/robust.c - mutexes that survive the death of their owner.
 *
 * Each thread registers a list, in its own memory, of the mutexes it holds. When it dies the kernel walks the list,
 * marks each word that still bears the thread's id with OWNER_DIED and wakes one waiter. The list is user data: its
 * pointers may lead anywhere or in circles, so every access can fail and the walk is bounded.
 *
 * Linux: kernel/futex/core.c, exit_robust_list().
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

#define ROBUST_LIST_LIMIT 2048

/* The user's layout. Bit 0 of a pointer marks a priority-inheriting mutex. */
struct robust_list { struct robust_list __user *next; };
struct robust_list_head { struct robust_list list; long futex_offset; struct robust_list __user *list_op_pending; };

static void handle_futex_death(u32 __user *uaddr, struct task_struct *t, bool pi, bool pending)
{
	u32 val, found;

	if ((unsigned long)uaddr % sizeof(u32))
		return;
	for (;;) {
		if (get_user(val, uaddr))
			return;
		/* Died between clearing the word and taking it off the list: somebody may still wait. */
		if (pending && !pi && !val) {
			futex_wake(uaddr, true, 1, ~0u);
			return;
		}
		if ((val & FUTEX_TID_MASK) != (u32)t->pid)
			return;
		if (futex_atomic_cmpxchg(uaddr, &found, val, (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return;
		if (found == val)
			break;
	}
	if (!pi && (val & FUTEX_WAITERS))
		futex_wake(uaddr, true, 1, ~0u);
}

static bool fetch_entry(struct robust_list __user **entry, struct robust_list __user *__user *from, bool *pi)
{
	unsigned long v;

	if (get_user(v, (unsigned long __user *)from))
		return false;
	*entry = (void __user *)(v & ~1UL);
	*pi = v & 1;
	return true;
}

void exit_robust_list(struct task_struct *t)
{
	struct robust_list_head __user *head = t->robust_list;
	struct robust_list __user *entry, *next, *pending;
	bool pi, next_pi, pending_pi;
	long offset;

	if (!head || !fetch_entry(&entry, &head->list.next, &pi) || get_user(offset, &head->futex_offset) ||
	    !fetch_entry(&pending, &head->list_op_pending, &pending_pi))
		return;
	for (int i = 0; i < ROBUST_LIST_LIMIT && entry != &head->list; i++) {
		/* Read on before the word is released: its owner may free the entry at once. */
		bool more = fetch_entry(&next, &entry->next, &next_pi);

		if (entry != pending)
			handle_futex_death((void __user *)entry + offset, t, pi, false);
		if (!more)
			return;
		entry = next;
		pi = next_pi;
		cond_resched();
	}
	if (pending)
		handle_futex_death((void __user *)pending + offset, t, pending_pi, true);
}

SYSCALL_DEFINE2(set_robust_list, struct robust_list_head __user *, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, int, pid, void __user *__user *, head_ptr, size_t __user *, len_ptr)
{
	struct task_struct *t = current;
	void __user *head;
	bool allowed;

	get_task_struct(t);
	if (pid) {
		put_task_struct(t);
		t = find_get_task_by_pid(pid);
		if (!t)
			return -ESRCH;
	}
	allowed = ptrace_may_access(t);
	head = t->robust_list;
	put_task_struct(t);
	if (!allowed)
		return -EPERM;
	if (put_user(sizeof(struct robust_list_head), len_ptr) || put_user((unsigned long)head, (unsigned long __user *)head_ptr))
		return -EFAULT;
	return 0;
}
