/*
 * tests/user/sysret.c - the way back to user mode cannot be tricked: non-canonical addresses, segment values and flags
 * handed in through sigreturn and fresh stacks kill the process at most.
 */
#include "tests/user/ktap.h"
#include <setjmp.h>
#include <ucontext.h>
#include <sys/syscall.h>
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

static unsigned long new_ip, new_sp, new_cs, new_ss, new_flags, flags_seen;
static sigjmp_buf back;
static volatile int faults, code;

static void change(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	if (new_ip)
		g[REG_RIP] = new_ip;
	if (new_sp)
		g[REG_RSP] = new_sp;
	if (new_cs)
		g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffl) | new_cs;
	if (new_ss)
		g[REG_CSGSFS] = (g[REG_CSGSFS] & 0xffffffffffffl) | new_ss << 48;
	if (new_flags)
		g[REG_EFL] = new_flags;
}
static void fault(int sig, siginfo_t *info, void *context)
{
	faults++;
	code = info->si_code;
	siglongjmp(back, 1);
}

/* Return from a handler with what was prepared; the process must die of SIGSEGV or catch it. */
static void return_with(void)
{
	static char stack[65536];
	stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction a = { .sa_sigaction = change, .sa_flags = SA_SIGINFO };
	struct sigaction f = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaltstack(&s, NULL);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGSEGV, &f, NULL);
	sigaction(SIGBUS, &f, NULL);
	sigaction(SIGTRAP, &f, NULL);
	if (!sigsetjmp(back, 1)) {
		kill(getpid(), SIGUSR1);
		_exit(77);
	}
	_exit(faults == 1 ? 0 : 1);
}

#define EXPECT_CAUGHT(...) do { pid_t pid = ktap_fork(); \
	if (!pid) { __VA_ARGS__; return_with(); } \
	EXPECT_STATUS(pid, 0); } while (0)

TEST(sigreturn_to_non_canonical_addresses)
{
	EXPECT_CAUGHT(new_ip = 0x800000000000);
	EXPECT_CAUGHT(new_ip = 0x8000000000000000);
	EXPECT_CAUGHT(new_ip = 0xffff7fffffffffff);
	EXPECT_CAUGHT(new_ip = 0x7fffffffffff);
}

TEST(sigreturn_to_kernel_addresses)
{
	EXPECT_CAUGHT(new_ip = 0xffffffff80100000);
	EXPECT_CAUGHT(new_ip = 0xffff888000000000);
	EXPECT_CAUGHT(new_ip = -1ul);
}

TEST(sigreturn_with_privileged_segments)
{
	static const unsigned long selectors[] = { 0x8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0xfff0 };
	for (unsigned int i = 0; i < sizeof(selectors) / sizeof(*selectors); i++) {
		pid_t pid = ktap_fork();
		if (!pid) {
			new_cs = selectors[i];
			return_with();
		}
		/* Caught, killed, or the selector was replaced by the right one: anything but harm. */
		int status = ktap_wait(pid);
		EXPECT_TRUE(status == 0 || status == SIGSEGV || status == SIGBUS || status == EXITED(77));
		pid = ktap_fork();
		if (!pid) {
			new_ss = selectors[i];
			return_with();
		}
		status = ktap_wait(pid);
		EXPECT_TRUE(status == 0 || status == SIGSEGV || status == SIGBUS || status == EXITED(77));
	}
}

static void see_flags(int sig, siginfo_t *info, void *context) { flags_seen = ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL]; }

TEST(sigreturn_cannot_set_privileged_flags)
{
	struct sigaction a = { .sa_sigaction = change, .sa_flags = SA_SIGINFO };
	struct sigaction b = { .sa_sigaction = see_flags, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &b, NULL);
	new_flags = 0x3 << 12 | 1 << 14 | 1 << 17 | 1;	/* IOPL 3, NT, VM, carry; IF clear */
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	EXPECT_EQ(flags_seen >> 12 & 3, 0);		/* IOPL */
	EXPECT_EQ(flags_seen >> 17 & 1, 0);		/* VM */
	EXPECT_EQ(flags_seen >> 9 & 1, 1);		/* IF */
}

TEST(sigreturn_without_a_frame)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		syscall(SYS_rt_sigreturn);
		_exit(0);
	}
	int status = ktap_wait(pid);
	EXPECT_TRUE(status == SIGSEGV || status == EXITED(0) || status == SIGBUS || status == SIGILL || status == SIGTRAP);
	pid = ktap_fork();
	if (!pid) {
		__asm__ volatile("mov $8, %%rsp; mov $15, %%eax; syscall" ::: "rax", "memory");
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

TEST(random_frames)
{
	for (long i = 0; i < ktap_scale(200); i++) {
		unsigned long frame[200];
		for (int j = 0; j < 200; j++)
			frame[j] = ktap_random() % 3 ? ktap_random() : 0;
		pid_t pid = ktap_fork();
		if (!pid) {
			alarm(1);
			__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" : : "r"(frame) : "rax", "memory");
			_exit(0);
		}
		ktap_wait(pid);
	}
}

TEST(syscall_at_the_last_user_page)
{
	/*
	 * The instruction after "syscall" would lie beyond user space. The last page belongs to the stack (environment
	 * strings): a child can do without it.
	 */
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = mmap((char *)0x7fffffffe000, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (p == MAP_FAILED)
			_exit(50);
		p[4094] = 0x0f;
		p[4095] = 0x05;
		__asm__ volatile("mov $39, %%eax; jmp *%0" : : "r"(p + 4094) : "rax", "rcx", "r11");
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

TEST(segment_bases)
{
	unsigned long fs, got;
	OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	EXPECT_NE(fs, 0);
	EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x800000000000), EPERM);
	EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff888000000000), EPERM);
	EXPECT_ERR(syscall(SYS_arch_prctl, 0x3001, &got), EINVAL);
	static unsigned long word = 0x1234;
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	for (int i = 0; i < 50; i++)
		sched_yield();
	__asm__ volatile("mov %%gs:0, %0" : "=r"(got));
	EXPECT_EQ(got, 0x1234);
	pid_t pid = ktap_fork();
	if (!pid) {
		__asm__ volatile("mov %%gs:0, %0" : "=r"(got));
		_exit(got != 0x1234);
	}
	EXPECT_CHILD(pid);
}

TEST(registers_hold_nothing_of_the_kernel)
{
	unsigned long r[8];
	__asm__ volatile("mov $39, %%eax; syscall\n\t"
			 "mov %%rcx, %0; mov %%r11, %1; mov %%rdi, %2; mov %%rsi, %3; mov %%rdx, %4; mov %%r8, %5; mov %%r9, %6; "
			 "mov %%r10, %7"
			 : "=m"(r[0]), "=m"(r[1]), "=m"(r[2]), "=m"(r[3]), "=m"(r[4]), "=m"(r[5]), "=m"(r[6]), "=m"(r[7])
			 : "D"(1l), "S"(2l), "d"(3l) : "rax", "rcx", "r8", "r9", "r10", "r11", "memory");
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(r[i] >> 47, 0);
	EXPECT_EQ(r[2], 1);
	EXPECT_EQ(r[3], 2);
	EXPECT_EQ(r[4], 3);
}
