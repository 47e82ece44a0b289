/* tests/user/signal.c - handlers, masks, alternate stacks, restarts, fault codes, queues, stop and continue. */
#include "tests/user/ktap.h"
#include <setjmp.h>
#include <ucontext.h>
#include <sys/time.h>

static volatile int seen, seen_code, nested, depth;
static void *volatile seen_addr;
static volatile pid_t seen_pid;
static volatile long seen_value;
static sigjmp_buf back;
static volatile int *volatile nowhere = (int *)8;

static void count(int sig) { seen++; }
static void note(int sig, siginfo_t *info, void *context)
{
	seen = sig;
	seen_code = info->si_code;
	seen_addr = info->si_addr;
	seen_pid = info->si_pid;
	seen_value = (long)info->si_value.sival_ptr;
}
static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };
	sigemptyset(&a.sa_mask);
	OK(sigaction(sig, &a, NULL));
}
static void handle_simple(int sig, void (*fn)(int), int flags)
{
	struct sigaction a = { .sa_handler = fn, .sa_flags = flags };
	sigemptyset(&a.sa_mask);
	OK(sigaction(sig, &a, NULL));
}
static void mask(int how, int sig)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(sigprocmask(how, &s, NULL));
}

TEST(handler_runs_and_returns)
{
	handle(SIGUSR1, note, 0);
	OK(kill(getpid(), SIGUSR1));
	EXPECT_EQ(seen, SIGUSR1);
	EXPECT_EQ(seen_code, SI_USER);
	EXPECT_EQ(seen_pid, getpid());
}

TEST(tgkill_and_tkill_say_si_tkill)
{
	handle(SIGUSR1, note, 0);
	OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
	EXPECT_EQ(seen_code, SI_TKILL);
	EXPECT_EQ(seen_pid, getpid());
	EXPECT_ERR(syscall(SYS_tgkill, getpid(), 999999, SIGUSR1), ESRCH);
	EXPECT_ERR(syscall(SYS_tgkill, getpid(), -1, SIGUSR1), EINVAL);
	EXPECT_ERR(syscall(SYS_tkill, 999999, 0), ESRCH);
}

TEST(errors)
{
	struct sigaction a = { .sa_handler = count };
	sigset_t s;
	EXPECT_ERR(kill(getpid(), 65), EINVAL);
	EXPECT_ERR(kill(999999, SIGTERM), ESRCH);
	EXPECT_ERR(sigaction(SIGKILL, &a, NULL), EINVAL);
	EXPECT_ERR(sigaction(SIGSTOP, &a, NULL), EINVAL);
	EXPECT_ERR(sigaction(65, &a, NULL), EINVAL);
	sigfillset(&s);
	EXPECT_ERR(syscall(SYS_rt_sigprocmask, 7, &s, NULL, 8), EINVAL);
	EXPECT_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, NULL, 16), EINVAL);
	EXPECT_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8), EFAULT);
}

TEST(blocked_signal_waits)
{
	sigset_t pending;
	handle_simple(SIGUSR1, count, 0);
	mask(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(seen, 0);
	OK(sigpending(&pending));
	EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
	mask(SIG_UNBLOCK, SIGUSR1);
	EXPECT_EQ(seen, 1);		/* standard signals do not queue */
}

TEST(kill_and_stop_cannot_be_blocked)
{
	sigset_t s;
	unsigned long got;
	sigfillset(&s);
	memset(&s, 0xff, sizeof(s));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &s, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &got, 8);
	EXPECT_EQ(got >> (SIGKILL - 1) & 1, 0);
	EXPECT_EQ(got >> (SIGSTOP - 1) & 1, 0);
	EXPECT_EQ(got >> (SIGUSR1 - 1) & 1, 1);
	pid_t pid = ktap_fork();
	if (!pid) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	EXPECT_STATUS(pid, SIGKILL);
}

static void deep(int sig)
{
	if (++depth > nested)
		nested = depth;
	if (seen++ < 3)
		kill(getpid(), sig);
	depth--;
}

TEST(signal_is_blocked_in_its_handler)
{
	handle_simple(SIGUSR1, deep, 0);
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(nested, 1);
	EXPECT_EQ(seen, 4);
}

TEST(nodefer_nests)
{
	handle_simple(SIGUSR1, deep, SA_NODEFER);
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(nested, 4);
}

TEST(resethand_works_once)
{
	handle_simple(SIGUSR1, count, SA_RESETHAND);
	pid_t pid = ktap_fork();
	if (!pid) {
		kill(getpid(), SIGUSR1);
		kill(getpid(), SIGUSR1);
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGUSR1);
}

TEST(sa_mask_holds_others_back)
{
	struct sigaction a = { .sa_handler = deep };
	sigemptyset(&a.sa_mask);
	sigaddset(&a.sa_mask, SIGUSR2);
	OK(sigaction(SIGUSR1, &a, NULL));
	handle_simple(SIGUSR2, count, 0);
	mask(SIG_BLOCK, SIGUSR2);
	kill(getpid(), SIGUSR2);
	EXPECT_EQ(seen, 0);
	mask(SIG_UNBLOCK, SIGUSR2);
	EXPECT_EQ(seen, 1);
}

TEST(handlers_are_inherited_by_fork_and_reset_by_exec)
{
	handle_simple(SIGUSR1, count, 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		kill(getpid(), SIGUSR1);
		EXPECT_EQ(seen, 1);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

static void jump(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	siglongjmp(back, 1);
}

/* Run CODE; the fault that it causes must carry this signal, code and (unless NULL is right) address. */
#define EXPECT_FAULT(sig, code, addr, ...) do { \
	handle(sig, jump, 0); \
	seen = 0; \
	if (!sigsetjmp(back, 1)) { __VA_ARGS__; } \
	EXPECT_EQ(seen, sig); EXPECT_EQ(seen_code, code); \
	if (addr) EXPECT_EQ(seen_addr, addr); \
	} while (0)

TEST(segv_unmapped_is_maperr)
{
	volatile char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(munmap((void *)p, PAGE));
	EXPECT_FAULT(SIGSEGV, SEGV_MAPERR, p + 17, p[17] = 1);
	EXPECT_FAULT(SIGSEGV, SEGV_MAPERR, p + 18, (void)p[18]);
}

TEST(segv_protected_is_accerr)
{
	volatile char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EXPECT_FAULT(SIGSEGV, SEGV_ACCERR, p + 5, p[5] = 1);
	volatile char *text = (volatile char *)(uintptr_t)main;
	EXPECT_FAULT(SIGSEGV, SEGV_ACCERR, text, *text = 1);
}

TEST(segv_of_kernel_and_non_canonical_addresses)
{
	volatile char *kernel = (volatile char *)0xffffffff81000000, *hole = (volatile char *)0x8000000000000000;
	EXPECT_FAULT(SIGSEGV, SEGV_MAPERR, kernel, (void)*kernel);
	EXPECT_FAULT(SIGSEGV, 0x80 /* SI_KERNEL */, NULL, (void)*hole);
	EXPECT_EQ(seen_addr, NULL);
}

static void return_to_nowhere(int sig, siginfo_t *info, void *uc)
{
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000;
}

TEST(non_canonical_handler_or_return_address_is_segv)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		signal(SIGUSR1, (void (*)(int))0x8000000000000000);
		raise(SIGUSR1);
		ktap_exit();
	}
	EXPECT_STATUS(pid, SIGSEGV);
	pid = ktap_fork();
	if (!pid) {
		struct sigaction sa = { .sa_sigaction = return_to_nowhere, .sa_flags = SA_SIGINFO };
		sigaction(SIGUSR1, &sa, NULL);
		raise(SIGUSR1);
		ktap_exit();
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

TEST(execution_of_data_is_accerr)
{
	char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	p[0] = 0xc3;
	EXPECT_FAULT(SIGSEGV, SEGV_ACCERR, p, ((void (*)(void))p)());
}

TEST(privileged_instruction_is_sigsegv)
{
	EXPECT_FAULT(SIGSEGV, 0x80 /* SI_KERNEL */, NULL, __asm__ volatile("hlt"));
	EXPECT_FAULT(SIGSEGV, 0x80, NULL, __asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
}

TEST(bus_beyond_the_end_of_a_file)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	volatile char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_FAULT(SIGBUS, BUS_ADRERR, p + 3, (void)p[3]);
	OK(ftruncate(fd, 10));
	EXPECT_EQ(p[3], 0);
}

static volatile int zero;
TEST(division_by_zero_is_fpe_intdiv)
{
	EXPECT_FAULT(SIGFPE, FPE_INTDIV, NULL, { int r = 1; __asm__ volatile("cltd; idivl %1" : "+a"(r) : "m"(zero) : "edx"); });
	EXPECT_NE(seen_addr, NULL);
}

TEST(bad_opcode_is_ill_illopn)
{
	EXPECT_FAULT(SIGILL, ILL_ILLOPN, NULL, __asm__ volatile("ud2"));
	EXPECT_NE(seen_addr, NULL);
}

TEST(breakpoint_is_trap)
{
	handle(SIGTRAP, note, 0);
	__asm__ volatile("int3");
	EXPECT_EQ(seen, SIGTRAP);
	EXPECT_EQ(seen_code, 0x80 /* SI_KERNEL */);
}

TEST(single_step_is_trap_trace)
{
	handle(SIGTRAP, jump, 0);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; nop; nop; nop" ::: "memory", "cc");
	EXPECT_EQ(seen, SIGTRAP);
	EXPECT_EQ(seen_code, TRAP_TRACE);
}

TEST(fault_with_blocked_signal_kills)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		handle_simple(SIGSEGV, count, 0);
		mask(SIG_BLOCK, SIGSEGV);
		*nowhere = 1;
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGSEGV);
	pid = ktap_fork();
	if (!pid) {
		signal(SIGSEGV, SIG_IGN);
		*nowhere = 1;
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

TEST(thousands_of_jumps_out_of_handlers)
{
	volatile char *p = OK(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	volatile long faults = 0;
	handle(SIGSEGV, jump, 0);
	for (volatile long i = 0; i < ktap_scale(3000); i++) {
		if (!sigsetjmp(back, 1))
			(void)p[i % PAGE];
		else
			faults++;
	}
	EXPECT_EQ(faults, ktap_scale(3000));
}

static void skip_ud2(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	EXPECT_EQ(u->uc_mcontext.gregs[REG_RIP], (long)info->si_addr);
	u->uc_mcontext.gregs[REG_RIP] += 2;
	u->uc_mcontext.gregs[REG_RBX] = 0x1234567890;
}

TEST(handler_may_change_registers)
{
	unsigned long rbx;
	handle(SIGILL, skip_ud2, 0);
	__asm__ volatile("ud2\n\tmov %%rbx, %0" : "=r"(rbx) : : "rbx");
	EXPECT_EQ(rbx, 0x1234567890);
}

static void wreck_registers(int sig)
{
	__asm__ volatile("movq $-1, %%r8; movq $-1, %%r9; movq $-1, %%r10; movq $-1, %%rax; pxor %%xmm0, %%xmm0; std; cld"
			 ::: "rax", "r8", "r9", "r10", "xmm0");
	seen++;
}

TEST(all_registers_survive_a_handler)
{
	handle_simple(SIGUSR1, wreck_registers, 0);
	unsigned long in[4] = { 0x1111, 0x2222, 0x3333, 0x4444 }, out[4];
	double x = 1.5, y;
	long pid = getpid();
	__asm__ volatile("mov %[a], %%r8; mov %[b], %%r9; mov %[c], %%r10; movsd %[x], %%xmm0\n\t"
			 "mov $62, %%eax; mov %[pid], %%rdi; mov $10, %%esi; syscall\n\t"
			 "mov %%r8, %[o0]; mov %%r9, %[o1]; mov %%r10, %[o2]; movsd %%xmm0, %[y]"
			 : [o0] "=m"(out[0]), [o1] "=m"(out[1]), [o2] "=m"(out[2]), [y] "=m"(y)
			 : [a] "m"(in[0]), [b] "m"(in[1]), [c] "m"(in[2]), [x] "m"(x), [pid] "m"(pid)
			 : "rax", "rdi", "rsi", "rcx", "r11", "r8", "r9", "r10", "xmm0", "memory");
	EXPECT_EQ(seen, 1);
	EXPECT_EQ(out[0], in[0]);
	EXPECT_EQ(out[1], in[1]);
	EXPECT_EQ(out[2], in[2]);
	EXPECT_TRUE(x == y);
}

static char *stack_base;
static volatile int on_alternate;
static void where_is_the_stack(int sig)
{
	char local;
	on_alternate = &local >= stack_base && &local < stack_base + 65536;
	EXPECT_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
	stack_t s;
	OK(sigaltstack(NULL, &s));
	EXPECT_EQ(s.ss_flags & SS_ONSTACK, on_alternate ? SS_ONSTACK : 0);
	if (on_alternate)
		EXPECT_ERR(syscall(SYS_sigaltstack, &s, NULL), EPERM);
}

TEST(alternate_stack)
{
	stack_base = malloc(65536);
	stack_t s = { .ss_sp = stack_base, .ss_size = 65536 }, old;
	OK(sigaltstack(&s, &old));
	EXPECT_EQ(old.ss_flags, SS_DISABLE);
	handle_simple(SIGUSR1, where_is_the_stack, SA_ONSTACK);
	handle_simple(SIGUSR2, where_is_the_stack, 0);
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(on_alternate, 1);
	kill(getpid(), SIGUSR2);
	EXPECT_EQ(on_alternate, 0);
	s.ss_size = 100;
	EXPECT_ERR(syscall(SYS_sigaltstack, &s, NULL), ENOMEM);
	s.ss_flags = 77;
	EXPECT_ERR(syscall(SYS_sigaltstack, &s, NULL), EINVAL);
}

static __attribute__((noinline)) int recurse(volatile int n)
{
	volatile char big[4096];
	big[0] = n;
	return n ? recurse(n + 1) + big[0] : 0;
}

TEST(stack_overflow_is_caught_on_the_alternate_stack)
{
	stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct rlimit r = { 256 << 10, RLIM_INFINITY };
	OK(setrlimit(RLIMIT_STACK, &r));
	OK(sigaltstack(&s, NULL));
	EXPECT_FAULT(SIGSEGV, SEGV_MAPERR, NULL, { handle(SIGSEGV, jump, SA_ONSTACK); recurse(1); });
}

TEST(stack_overflow_without_one_kills)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		struct rlimit r = { 256 << 10, RLIM_INFINITY };
		setrlimit(RLIMIT_STACK, &r);
		handle_simple(SIGSEGV, count, 0);
		_exit(recurse(1));
	}
	EXPECT_STATUS(pid, SIGSEGV);
}

static bool nothing_pending(pid_t pid)
{
	char path[40];
	unsigned long own = 1, shared = 1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	char *text = ktap_read(path);
	sscanf(strstr(text, "SigPnd:"), "SigPnd: %lx ShdPnd: %lx", &own, &shared);
	return !own && !shared;
}

/* A child that sends SIG to its parent once that sleeps in its call, and, when the signal was taken, a byte into FD. */
static pid_t disturb(int sig, int fd)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		ktap_asleep(getppid());
		kill(getppid(), sig);
		ktap_until(nothing_pending(getppid()));
		if (fd >= 0)
			write(fd, "x", 1);
		_exit(0);
	}
	return pid;
}

TEST(read_restarts_or_not)
{
	int fds[2];
	char c;
	OK(pipe(fds));
	handle_simple(SIGUSR1, count, SA_RESTART);
	pid_t pid = disturb(SIGUSR1, fds[1]);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_EQ(seen, 1);
	EXPECT_CHILD(pid);
	handle_simple(SIGUSR1, count, 0);
	pid = disturb(SIGUSR1, fds[1]);
	EXPECT_ERR(read(fds[0], &c, 1), EINTR);
	EXPECT_CHILD(pid);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
}

TEST(ignored_signal_interrupts_nothing)
{
	int fds[2];
	char c;
	OK(pipe(fds));
	signal(SIGUSR1, SIG_IGN);
	pid_t pid = disturb(SIGUSR1, fds[1]);
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_CHILD(pid);
}

TEST(wait4_restarts)
{
	int status;
	handle_simple(SIGUSR1, count, SA_RESTART);
	pid_t pid = disturb(SIGUSR1, -1);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(seen, 1);
	handle_simple(SIGUSR1, count, 0);
	pid = disturb(SIGUSR1, -1);
	EXPECT_ERR(waitpid(pid, &status, 0), EINTR);
	EXPECT_CHILD(pid);
}

TEST(poll_and_nanosleep_never_restart)
{
	struct timespec rest = { 0, 0 }, t = { 5, 0 };
	struct pollfd none = { -1, 0, 0 };
	handle_simple(SIGUSR1, count, SA_RESTART);
	pid_t pid = disturb(SIGUSR1, -1);
	EXPECT_ERR(poll(&none, 1, 5000), EINTR);
	EXPECT_CHILD(pid);
	pid = disturb(SIGUSR1, -1);
	EXPECT_ERR(nanosleep(&t, &rest), EINTR);
	EXPECT_GE(rest.tv_sec, 4);
	EXPECT_CHILD(pid);
}

TEST(stop_and_continue_does_not_disturb_nanosleep)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		struct timespec t = { 0, 300000000 };
		double began = ktap_now();
		EXPECT_EQ(nanosleep(&t, NULL), 0);
		EXPECT_TRUE(ktap_now() - began >= 0.3);
		ktap_exit();
	}
	ktap_sleep_ms(50);
	OK(kill(pid, SIGSTOP));
	ktap_sleep_ms(50);
	OK(kill(pid, SIGCONT));
	EXPECT_CHILD(pid);
}

TEST(sigsuspend_swaps_the_mask)
{
	sigset_t empty;
	sigset_t now;
	sigemptyset(&empty);
	handle_simple(SIGUSR1, count, 0);
	mask(SIG_BLOCK, SIGUSR1);
	pid_t pid = disturb(SIGUSR1, -1);
	EXPECT_ERR(sigsuspend(&empty), EINTR);
	EXPECT_EQ(seen, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EXPECT_EQ(sigismember(&now, SIGUSR1), 1);
	EXPECT_CHILD(pid);
}

TEST(sigtimedwait_takes_and_times_out)
{
	sigset_t s;
	siginfo_t info;
	struct timespec t = { 0, 20000000 };
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	mask(SIG_BLOCK, SIGUSR1);
	EXPECT_ERR(sigtimedwait(&s, &info, &t), EAGAIN);
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(sigtimedwait(&s, &info, &t), SIGUSR1);
	EXPECT_EQ(info.si_pid, getpid());
	EXPECT_ERR(sigtimedwait(&s, &info, &t), EAGAIN);
}

TEST(realtime_signals_queue_in_order)
{
	sigset_t s;
	siginfo_t info;
	struct timespec t = { 1, 0 };
	sigemptyset(&s);
	for (int i = 0; i < 3; i++) {
		sigaddset(&s, SIGRTMIN + i);
		mask(SIG_BLOCK, SIGRTMIN + i);
	}
	for (int i = 0; i < 6; i++)
		OK(sigqueue(getpid(), SIGRTMIN + 2 - i % 3, (union sigval){ .sival_int = i }));
	static const int order[] = { 2, 5, 1, 4, 0, 3 };
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(sigtimedwait(&s, &info, &t), SIGRTMIN + i / 2);
		EXPECT_EQ(info.si_code, SI_QUEUE);
		EXPECT_EQ(info.si_value.sival_int, order[i]);
	}
}

TEST(sigqueue_hands_over_a_pointer)
{
	handle(SIGRTMIN + 1, note, 0);
	OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_ptr = (void *)0x123456789a }));
	EXPECT_EQ(seen_value, 0x123456789a);
}

TEST(stop_discards_cont_and_back)
{
	int status;
	pid_t pid = ktap_fork();
	if (!pid) {
		for (;;)
			pause();
	}
	OK(kill(pid, SIGSTOP));
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	OK(kill(pid, SIGTERM));		/* waits until it goes on */
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	EXPECT_STATUS(pid, SIGTERM);
}

TEST(kill_ends_a_stopped_process)
{
	int status;
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	OK(kill(pid, SIGSTOP));
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	OK(kill(pid, SIGKILL));
	EXPECT_STATUS(pid, SIGKILL);
}

TEST(cont_handler_runs)
{
	int status, fds[2];
	char c;
	OK(pipe(fds));
	pid_t pid = ktap_fork();
	if (!pid) {
		handle_simple(SIGCONT, count, 0);
		write(fds[1], "r", 1);
		while (!seen)
			ktap_sleep_ms(1);
		_exit(seen);
	}
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	OK(kill(pid, SIGSTOP));
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	OK(kill(pid, SIGCONT));
	EXPECT_STATUS(pid, EXITED(1));
}

TEST(signal_to_a_group)
{
	pid_t leader = ktap_fork();
	if (!leader) {
		OK(setpgid(0, 0));
		pid_t other = ktap_fork();
		if (!other)
			for (;;)
				pause();
		signal(SIGTERM, SIG_IGN);
		OK(kill(0, SIGTERM));
		EXPECT_STATUS(other, SIGTERM);
		ktap_exit();
	}
	EXPECT_CHILD(leader);
}

TEST(alarm_and_itimer)
{
	handle(SIGALRM, note, 0);
	EXPECT_EQ(alarm(100), 0);
	EXPECT_GE(alarm(0), 99);
	struct itimerval t = { .it_value = { 0, 20000 }, .it_interval = { 0, 20000 } }, now;
	OK(setitimer(ITIMER_REAL, &t, NULL));
	for (int i = 0; i < 3; i++)
		pause();
	EXPECT_EQ(seen, SIGALRM);
	EXPECT_EQ(seen_code, 0x80 /* SI_KERNEL */);
	OK(getitimer(ITIMER_REAL, &now));
	EXPECT_EQ(now.it_interval.tv_usec, 20000);
	EXPECT_ERR(setitimer(9, &t, NULL), EINVAL);
}

TEST(sigpipe_kills_by_default)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		int fds[2];
		pipe(fds);
		close(fds[0]);
		write(fds[1], "x", 1);
		_exit(0);
	}
	EXPECT_STATUS(pid, SIGPIPE);
}

TEST(status_shows_the_sets)
{
	unsigned long blocked = 0, ignored = 0, caught = 0;
	mask(SIG_BLOCK, SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	handle_simple(SIGHUP, count, 0);
	char *text = ktap_read("/proc/self/status");
	sscanf(strstr(text, "SigBlk:"), "SigBlk: %lx", &blocked);
	sscanf(strstr(text, "SigIgn:"), "SigIgn: %lx", &ignored);
	sscanf(strstr(text, "SigCgt:"), "SigCgt: %lx", &caught);
	EXPECT_EQ(blocked >> (SIGUSR1 - 1) & 1, 1);
	EXPECT_EQ(ignored >> (SIGUSR2 - 1) & 1, 1);
	EXPECT_EQ(caught >> (SIGHUP - 1) & 1, 1);
}

/* A storm from a child while the parent computes: nothing is lost, nothing is corrupted. */
TEST(storm_of_signals)
{
	handle_simple(SIGUSR1, count, SA_RESTART);
	pid_t parent = getpid(), pid = ktap_fork();
	if (!pid) {
		for (long i = 0; i < ktap_scale(2000); i++)
			kill(parent, SIGUSR1);
		_exit(0);
	}
	double x = 1;
	int status;
	do {	/* the child may be done before we look for the first time */
		for (int i = 0; i < 1000; i++)
			x = x * 1.0000001 + 1e-9;
	} while (waitpid(pid, &status, WNOHANG) == 0);
	EXPECT_TRUE(x > 1);
	EXPECT_GT(seen, 0);
	EXPECT_EQ(status, 0);
}

TEST(pidfd_send_signal_checks_what_it_sends)
{
	siginfo_t info = { .si_signo = SIGUSR2, .si_code = SI_QUEUE };
	int fd = OK(syscall(434 /* pidfd_open */, getppid(), 0));
	EXPECT_ERR(syscall(424, fd, SIGUSR1, &info, 0), EINVAL);
	EXPECT_ERR(syscall(424, fd, SIGUSR1, (void *)8, 0), EFAULT);
	info.si_signo = SIGUSR1;
	info.si_code = SI_KERNEL;
	EXPECT_ERR(syscall(424, fd, SIGUSR1, &info, 0), EPERM);
	EXPECT_EQ(syscall(424, fd, 0, NULL, 0), 0);
	close(fd);
}
