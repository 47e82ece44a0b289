/*
 * arch-x86_64/uaccess.h - reading and writing user memory from the kernel (uaccess.S, SMAP-safe).
 *
 * All may sleep (they fault pages in), so no spinlock may be held, and none of them trusts the pointer:
 * an address outside the user half or an unmapped one is an ordinary outcome. In atomic context (preemption
 * off) a fault is not served: the functions then fail as for an unmapped address.
 */
#ifndef ARCH_UACCESS_H
#define ARCH_UACCESS_H

#include "arch-x86_64/processor.h"
#include "kernel/lib/types.h"

static inline bool access_ok(const void __user *p, size_t n)
{
	unsigned long a = (unsigned long)p;
	return n <= TASK_SIZE_MAX && a <= TASK_SIZE_MAX - n;
}

/* Return the number of bytes NOT copied: 0 is success. */
size_t copy_from_user(void *to, const void __user *from, size_t n) __must_check;
size_t copy_to_user(void __user *to, const void *from, size_t n) __must_check;
size_t clear_user(void __user *to, size_t n) __must_check;
/*
 * Copy a NUL-terminated string of at most SIZE bytes including the NUL. Returns its length without the
 * NUL, SIZE if none was found in that space, -EFAULT.
 */
long strncpy_from_user(char *to, const char __user *from, long size);

/* One value of 1, 2, 4 or 8 bytes; 0 or -EFAULT. get_user sets X to 0 on failure. */
#define get_user(x, p) ({							\
	__typeof__((__typeof__(*(p)))0) __gu = 0;	/* the cast sheds const */	\
	int __err = copy_from_user(&__gu, (p), sizeof(__gu)) ? -EFAULT : 0;	\
	(x) = __gu;								\
	__err; })
#define put_user(x, p) ({							\
	__typeof__(*(p)) __pu = (__typeof__(*(p)))(x);				\
	copy_to_user((p), &__pu, sizeof(__pu)) ? -EFAULT : 0; })

/*
 * Atomic operations on a user word for futexes: *OLD is what was found. 0 or -EFAULT. Never sleep when
 * called with preemption off (-EFAULT then means: fault it in with the lock dropped and try again).
 */
int futex_atomic_cmpxchg(u32 __user *p, u32 *old, u32 expect, u32 val);
int futex_atomic_op(int op, u32 __user *p, u32 *old, u32 oparg);	/* op: FUTEX_OP_SET 0, ADD 1, OR 2, ANDN 3, XOR 4 */

/* A fault at IP is expected if the exception table has a fixup for it; trap code goes on there. 0: none. */
unsigned long search_exception_table(unsigned long ip);

#endif
