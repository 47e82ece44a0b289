/* tests/user/fpu.c - SSE and AVX registers and control words belong to the task: over switches, signals, fork, exec. */
#include "tests/user/ktap.h"
#include <cpuid.h>
#include <pthread.h>
#include <sys/auxv.h>

static bool have_avx(void)
{
	unsigned int a, b, c, d, lo, hi;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AVX) || !(c & bit_OSXSAVE))
		return false;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (lo & 6) == 6;
}

/* Fill xmm0-15 from VALUE, let others run, read them back. 0 if all are as they were. */
static int sse_round(unsigned long value)
{
	unsigned long in[2] = { value, ~value }, out[32];
	__asm__ volatile(
		"movdqu (%0), %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm2; movdqa %%xmm0, %%xmm3\n\t"
		"movdqa %%xmm0, %%xmm4; movdqa %%xmm0, %%xmm5; movdqa %%xmm0, %%xmm6; movdqa %%xmm0, %%xmm7\n\t"
		"movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm9; movdqa %%xmm0, %%xmm10; movdqa %%xmm0, %%xmm11\n\t"
		"movdqa %%xmm0, %%xmm12; movdqa %%xmm0, %%xmm13; movdqa %%xmm0, %%xmm14; movdqa %%xmm0, %%xmm15\n\t"
		"mov $24, %%eax; syscall\n\t"			/* sched_yield */
		"movdqu %%xmm0, 0(%1); movdqu %%xmm1, 16(%1); movdqu %%xmm2, 32(%1); movdqu %%xmm3, 48(%1)\n\t"
		"movdqu %%xmm4, 64(%1); movdqu %%xmm5, 80(%1); movdqu %%xmm6, 96(%1); movdqu %%xmm7, 112(%1)\n\t"
		"movdqu %%xmm8, 128(%1); movdqu %%xmm9, 144(%1); movdqu %%xmm10, 160(%1); movdqu %%xmm11, 176(%1)\n\t"
		"movdqu %%xmm12, 192(%1); movdqu %%xmm13, 208(%1); movdqu %%xmm14, 224(%1); movdqu %%xmm15, 240(%1)\n\t"
		: : "r"(in), "r"(out) : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
		"xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	for (int i = 0; i < 32; i++)
		if (out[i] != in[i % 2])
			return 1;
	return 0;
}

static void *sse_body(void *arg)
{
	long bad = 0;
	for (long i = 0; i < ktap_scale(5000); i++)
		bad += sse_round((unsigned long)arg << 32 | i);
	return (void *)bad;
}

TEST(sse_registers_over_switches)
{
	pthread_t t[6];
	void *bad;
	for (long i = 0; i < 6; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, sse_body, (void *)(i + 1)), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &bad);
		EXPECT_EQ((long)bad, 0);
	}
}

/* The upper halves of the ymm registers, while several processes spin and are preempted. */
static __attribute__((target("avx"))) int avx_spin(unsigned char fill, double seconds)
{
	unsigned char in[32], out[32];
	memset(in, fill, sizeof(in));
	double end = ktap_now() + seconds;
	int bad = 0;
	while (ktap_now() < end) {
		__asm__ volatile("vmovdqu (%0), %%ymm7; mov $20000, %%ecx; 1: dec %%ecx; jnz 1b; vmovdqu %%ymm7, (%1)"
				 : : "r"(in), "r"(out) : "ecx", "memory", "xmm7");
		bad += memcmp(in, out, 32) != 0;
	}
	__asm__ volatile("vzeroupper");
	return bad;
}

TEST(avx_registers_over_preemption)
{
	if (!have_avx())
		SKIP("this CPU has no AVX");
	for (int i = 0; i < 5; i++)
		if (ktap_fork() == 0)
			_exit(avx_spin(i * 17 + 3, 0.5) != 0);
	for (int i = 0; i < 5; i++)
		EXPECT_CHILD(-1);
}

static void clobber(int sig)
{
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm9, %%xmm9; fninit" ::: "xmm0", "xmm9");
	unsigned int mxcsr = 0x9f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

TEST(state_survives_a_signal_handler)
{
	signal(SIGUSR1, clobber);
	double in = 3.25, out;
	unsigned int mxcsr = 0x5f80, mxcsr_after;	/* round up */
	unsigned short fcw = 0x77f, fcw_after;
	long pid = getpid();
	__asm__ volatile("ldmxcsr %[m]; fldcw %[f]; movsd %[in], %%xmm9; mov %[pid], %%rdi; mov $10, %%esi; mov $62, %%eax\n\t"
			 "syscall; movsd %%xmm9, %[out]; stmxcsr %[ma]; fnstcw %[fa]"
			 : [out] "=m"(out), [ma] "=m"(mxcsr_after), [fa] "=m"(fcw_after)
			 : [m] "m"(mxcsr), [f] "m"(fcw), [in] "m"(in), [pid] "m"(pid)
			 : "rax", "rdi", "rsi", "rcx", "r11", "xmm9", "memory");
	EXPECT_TRUE(out == in);
	EXPECT_EQ(mxcsr_after & ~0x3f, mxcsr);
	EXPECT_EQ(fcw_after, fcw);
}

TEST(control_words_are_inherited_by_fork)
{
	unsigned int mxcsr = 0x7f80, now;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	pid_t pid = ktap_fork();
	if (!pid) {
		__asm__ volatile("stmxcsr %0" : "=m"(now));
		_exit((now & ~0x3f) != mxcsr);
	}
	EXPECT_CHILD(pid);
}

HELPER(fresh)
{
	unsigned int mxcsr;
	unsigned long x[2];
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("movdqu %%xmm14, %0" : "=m"(x));
	return (mxcsr & ~0x3f) != 0x1f80 || x[0] || x[1];
}

TEST(exec_resets_the_state)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		unsigned int mxcsr = 0x7f80;
		__asm__ volatile("ldmxcsr %0; pcmpeqd %%xmm14, %%xmm14" : : "m"(mxcsr) : "xmm14");
		execv("/proc/self/exe", ktap_self("fresh"));
		_exit(9);
	}
	EXPECT_CHILD(pid);
}

TEST(frame_carries_the_state)
{
	/* AT_MINSIGSTKSZ, where it is there, covers frame and state. */
	unsigned long size = getauxval(51);
	if (!size)
		SKIP("no AT_MINSIGSTKSZ");
	EXPECT_GE(size, 512 + 256);
	EXPECT_LE(size, 16384);
}
