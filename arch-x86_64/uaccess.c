/*
 * arch-x86_64/uaccess.c - user memory for the rest of the kernel: range checks around uaccess.S, atomic
 * operations for futexes, and the exception table.
 *
 * access_ok() keeps kernel addresses out; everything else that can be wrong with a user pointer shows as
 * a fault in one of the instructions that the table lists. Linux: arch/x86/lib/usercopy_64.c, mm/extable.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/compiler.h"
#include "kernel/lib/san.h"

struct exception_entry { u64 ip, fixup; };
extern const struct exception_entry _ex_table_start[], _ex_table_end[];
extern bool cpu_has_smap;

size_t __copy_user(void *to, const void *from, size_t n);
size_t __clear_user(void *to, size_t n);
long __strncpy_user(char *to, const char *from, long n);

size_t copy_from_user(void *to, const void __user *from, size_t n)
{
	kasan_check_write(to, n);
	return access_ok(from, n) ? __copy_user(to, (const void *)from, n) : n;
}

size_t copy_to_user(void __user *to, const void *from, size_t n)
{
	kasan_check_read(from, n);
	return access_ok(to, n) ? __copy_user((void *)to, from, n) : n;
}

size_t clear_user(void __user *to, size_t n)
{
	return access_ok(to, n) ? __clear_user((void *)to, n) : n;
}

long strncpy_from_user(char *to, const char __user *from, long size)
{
	unsigned long a = (unsigned long)from;
	long room, got;

	if (size <= 0)
		return 0;
	if (a >= TASK_SIZE_MAX)
		return -EFAULT;
	/* A string that ends before the end of user space is fine however large SIZE is. */
	room = min((unsigned long)size, TASK_SIZE_MAX - a);
	kasan_check_write(to, room);
	got = __strncpy_user(to, (const char *)from, room);
	return got == room && room < size ? -EFAULT : got;
}

static void user_access_begin(void)
{
	if (cpu_has_smap)
		__asm__ volatile("stac" : : : "memory", "cc");
}

static void user_access_end(void)
{
	if (cpu_has_smap)
		__asm__ volatile("clac" : : : "memory", "cc");
}

/* The fixup of an inline instruction "1:": ERR = -EFAULT, go on at "2:". */
#define FIXUP(err)						\
	".pushsection .text.fixup, \"ax\"\n"			\
	"3:	movl %[efault], %k[" #err "]\n"			\
	"	jmp 2b\n"					\
	".popsection\n"						\
	".pushsection __ex_table, \"a\"\n"			\
	"	.balign 8\n"					\
	"	.quad 1b, 3b\n"					\
	".popsection\n"

int futex_atomic_cmpxchg(u32 __user *p, u32 *old, u32 expect, u32 val)
{
	int err = 0;

	if (!access_ok(p, sizeof(*p)))
		return -EFAULT;
	user_access_begin();
	__asm__ volatile(
		"1:	lock cmpxchgl %[val], %[mem]\n"
		"2:\n"
		FIXUP(err)
		: [err] "+r"(err), "+a"(expect), [mem] "+m"(*p)
		: [val] "r"(val), [efault] "i"(-EFAULT) : "memory", "cc");
	user_access_end();
	*old = expect;
	return err;
}

/* One load that may fault. */
static int read_user_word(u32 __user *p, u32 *val)
{
	int err = 0;
	u32 v = 0;

	user_access_begin();
	__asm__ volatile(
		"1:	movl %[mem], %[v]\n"
		"2:\n"
		FIXUP(err)
		: [err] "+r"(err), [v] "+r"(v) : [mem] "m"(*p), [efault] "i"(-EFAULT) : "memory");
	user_access_end();
	*val = v;
	return err;
}

static bool futex_new_value(int op, u32 old, u32 arg, u32 *new)
{
	switch (op) {
	case 0: *new = arg; return true;
	case 1: *new = old + arg; return true;
	case 2: *new = old | arg; return true;
	case 3: *new = old & ~arg; return true;
	case 4: *new = old ^ arg; return true;
	}
	return false;
}

int futex_atomic_op(int op, u32 __user *p, u32 *old, u32 oparg)
{
	u32 seen, found, new;
	int err;

	if (!access_ok(p, sizeof(*p)))
		return -EFAULT;
	err = read_user_word(p, &found);
	do {
		if (err)
			return err;
		seen = found;
		if (!futex_new_value(op, seen, oparg, &new))
			return -ENOSYS;
		err = futex_atomic_cmpxchg(p, &found, seen, new);
	} while (err || found != seen);
	*old = seen;
	return 0;
}

unsigned long search_exception_table(unsigned long ip)
{
	for (const struct exception_entry *e = _ex_table_start; e < _ex_table_end; e++) {
		if (e->ip == ip)
			return e->fixup;
	}
	return 0;
}
