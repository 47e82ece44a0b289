/*
 * arch-x86_64/processor.h - control registers, MSRs, CPUID, the pause instruction, cycle counter.
 */
#ifndef ARCH_PROCESSOR_H
#define ARCH_PROCESSOR_H

#include "arch-x86_64/percpu.h"

/*
 * For loops that wait for another CPU. In QEMU's TCG each pause instruction takes the CPU's thread out of
 * the emulation and through QEMU's one big lock, which the CPU that is waited for may need (for its APIC) to
 * get on. Hence only every 256th call is a real pause; with all CPUs in one host thread that is what lets
 * the others run.
 */
DECLARE_PER_CPU(unsigned int, relax_count);	/* cpu.c */
static inline void cpu_relax(void)
{
	this_cpu_inc(relax_count);
	if ((this_cpu_read(relax_count) & 255) == 0)
		__asm__ volatile("pause" : : : "memory");
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline void cpuid(u32 leaf, u32 sub, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(sub));
}
#define __READ_CR(n)  static inline u64 read_cr##n(void) { u64 v; __asm__ volatile("movq %%cr" #n ", %0" : "=r"(v) : : "memory"); return v; }
#define __WRITE_CR(n) static inline void write_cr##n(u64 v) { __asm__ volatile("movq %0, %%cr" #n : : "r"(v) : "memory"); }
__READ_CR(0) __READ_CR(2) __READ_CR(3) __READ_CR(4)
__WRITE_CR(0) __WRITE_CR(3) __WRITE_CR(4)

#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_SFMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

/* Features found at boot (cpu.c), the same on every CPU: an AP that lacks one is not started. */
struct cpu_features {
	bool smep, smap, umip, fsgsbase, pdpe1gb, erms, xsave, avx, rdrand, rdtscp;
	u32 hwcap, hwcap2;	/* AT_HWCAP, AT_HWCAP2 */
	u32 xsave_size;		/* bytes of the XSAVE (or FXSAVE: 512) area in use */
	u64 xfeatures;		/* XCR0 */
	char vendor[13], model_name[49];
};
extern struct cpu_features cpu_features;

#define TASK_SIZE_MAX	0x00007ffffffff000UL	/* first address above what user space may have */

#endif
