/*
 * arch-x86_64/fpu.c - x87, SSE and AVX registers of user tasks.
 *
 *	0	x87 and SSE registers as FXSAVE stores them, MXCSR at 24, its valid bits at 28
 *	464	48 bytes for software: signal frames describe themselves there
 *	512	XSAVE header: which parts are in the area, zeroes
 *	576	the upper halves of the YMM registers
 *
 * The registers always belong to the running task (the kernel uses none), so they are saved when it is
 * switched away and loaded when it comes back: nothing is lazy. Of XSAVE only the plain instruction in the
 * standard format is used: XSAVEOPT skips what it believes unchanged, which is wrong after someone else
 * wrote the area. Not here: AVX-512, protection keys, AMX. Linux: arch/x86/kernel/fpu/.
 */
#include "arch-x86_64/fpu.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/init.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/slab.h"

#define CR0_MP		BIT(1)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_NE		BIT(5)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXMMEXCPT	BIT(10)
#define CR4_OSXSAVE	BIT(18)

#define XFEATURE_X87	BIT(0)
#define XFEATURE_SSE	BIT(1)
#define XFEATURE_AVX	BIT(2)

#define FXSAVE_SIZE	512
#define DEFAULT_FCW	0x37f
#define DEFAULT_MXCSR	0x1f80u
#define DEFAULT_MXCSR_MASK 0xffbfu	/* if the CPU stores 0 for its mask */

struct xsave_header { u64 xstate_bv, xcomp_bv, reserved[6]; };
struct fpu_area {
	u16 fcw, fsw, ftw, fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 registers[480];
	struct xsave_header header;	/* only with XSAVE */
};
static_assert(offsetof(struct fpu_area, header) == FXSAVE_SIZE, "Intel SDM vol. 1, 13.4");

static struct kmem_cache *fpu_cache;
static u32 mxcsr_mask = DEFAULT_MXCSR_MASK;

/* ---------------------------------------------------------- instructions ---- */

void fpu_save(void *buf)
{
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(buf), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(buf) : "memory");
}

static void load(const void *buf)
{
	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" : : "r"(buf), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(buf) : "memory");
}

/* What a program starts with. XSTATE_BV 0 means: everything in its initial state. */
static void make_initial(struct fpu_area *a)
{
	memset(a, 0, cpu_features.xsave_size);
	a->fcw = DEFAULT_FCW;
	a->mxcsr = DEFAULT_MXCSR;
	a->mxcsr_mask = mxcsr_mask;
}

/*
 * XRSTOR faults on reserved bits of MXCSR, on parts that are not enabled, and on anything in the rest of
 * the header.
 */
bool fpu_restore(void *buf)
{
	struct fpu_area *a = buf;

	a->mxcsr &= mxcsr_mask;
	if (cpu_features.xsave) {
		a->header.xstate_bv &= cpu_features.xfeatures;
		if (a->header.xcomp_bv || memchr_inv(a->header.reserved, 0, sizeof(a->header.reserved)))
			return false;
	}
	load(a);
	return true;
}

/* ---------------------------------------------------------------- set-up ---- */

static void read_mxcsr_mask(void)
{
	static struct fpu_area area __aligned(64);

	__asm__ volatile("fxsave64 %0" : "=m"(area));
	if (area.mxcsr_mask)
		mxcsr_mask = area.mxcsr_mask;
}

/*
 * => on every CPU, CPU 0 first, after cpu_init(); interrupts off
 */
void fpu_init_cpu(void)
{
	struct cpu_features *f = &cpu_features;
	u32 a, b, c, d;

	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (f->xsave ? CR4_OSXSAVE : 0));
	__asm__ volatile("fninit");
	if (f->xsave) {
		u64 features = XFEATURE_X87 | XFEATURE_SSE | (f->avx ? XFEATURE_AVX : 0);

		__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)features), "d"(0));
		cpuid(0xd, 0, &a, &b, &c, &d);
		f->xfeatures = features;
		f->xsave_size = b;	/* bytes for what XCR0 enables */
	} else {
		f->xfeatures = 0;
		f->xsave_size = FXSAVE_SIZE;
	}
	if (smp_processor_id() == 0)
		read_mxcsr_mask();
}

static int fpu_init_cache(void)
{
	size_t size = max_t(size_t, cpu_features.xsave_size, sizeof(struct fpu_area));

	fpu_cache = kmem_cache_create("fpu_state", size, 64, 0);
	return 0;
}
core_initcall(fpu_init_cache);

/* ----------------------------------------------------------------- tasks ---- */

/* Zeroed, because XSAVE leaves the reserved words of the header alone and XRSTOR wants them to be 0. */
void *fpu_alloc_buffer(void)
{
	return kmem_cache_zalloc(fpu_cache, GFP_KERNEL);
}

void fpu_free_buffer(void *buf)
{
	kmem_cache_free(fpu_cache, buf);
}

int fpu_fork(struct task_struct *child)
{
	void *area = fpu_alloc_buffer();

	if (!area)
		return -ENOMEM;
	if (current->thread.fpu_state)
		fpu_save(area);		/* the registers are the parent's: nothing else is as fresh */
	else
		make_initial(area);
	child->thread.fpu_state = area;
	return 0;
}

void fpu_free(struct task_struct *t)
{
	if (t->thread.fpu_state)
		fpu_free_buffer(t->thread.fpu_state);
	t->thread.fpu_state = NULL;
}

void fpu_reset(void)
{
	struct task_struct *t = current;
	void *area = t->thread.fpu_state;

	if (!area)		/* the kernel thread that becomes init */
		area = kmem_cache_alloc(fpu_cache, GFP_KERNEL | __GFP_NOFAIL);
	/* A switch between the two steps would overwrite the area with the old registers. */
	preempt_disable();
	make_initial(area);
	load(area);
	t->thread.fpu_state = area;
	preempt_enable();
}

void fpu_switch(struct task_struct *prev, struct task_struct *next)
{
	if (prev->thread.fpu_state)
		fpu_save(prev->thread.fpu_state);
	if (next->thread.fpu_state)
		load(next->thread.fpu_state);
}
