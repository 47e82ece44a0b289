/*
 * tests/user/helper/static_pie.c - a position-independent program without interpreter or C library: exec.c runs it.
 *
 * Prints "pie ok N" with N = argc, if it runs at the address that its auxv says, and exits with status 7.
 */
#define SYS_write 1
#define SYS_exit_group 231
#define AT_NULL 0
#define AT_ENTRY 9
#define AT_BASE 7

static long call(long nr, long a, long b, long c)
{
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

void _start(void);
__attribute__((used)) void start_c(unsigned long *sp);

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start_c\n");

void start_c(unsigned long *sp)
{
	unsigned long *p = sp + 1 + sp[0] + 1, entry = 0, base = 1;
	char text[] = "pie ok 0\n";

	while (*p++)
		;
	for (; p[0] != AT_NULL; p += 2) {
		if (p[0] == AT_ENTRY)
			entry = p[1];
		if (p[0] == AT_BASE)
			base = p[1];
	}
	text[7] += sp[0];
	if (entry == (unsigned long)_start && base == 0)
		call(SYS_write, 1, (long)text, sizeof(text) - 1);
	call(SYS_exit_group, 7, 0, 0);
	__builtin_unreachable();
}
