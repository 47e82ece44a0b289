/*
 * arch-x86_64/signal.c - calling a user's signal handler, and coming back from it.
 *
 *	stack of the interrupted code, or the alternate one; downwards
 *	| red zone, 128 bytes: the interrupted function may keep data there
 *	| FPU state in the CPU's format, 64-byte aligned, and a closing magic word
 *	| siginfo
 *	| ucontext: registers, signal mask, alternate stack       <- rdx; rsi -> siginfo
 *	| return address: the C library's restorer                <- rsp, 8 below a multiple of 16
 *
 * The restorer calls rt_sigreturn, which takes everything from the frame again. The user may have changed
 * all of it: what could harm the kernel (segments, privileged flags, FPU control words) is forced or
 * checked.
 *
 * Not here: which signal is next and what it does by default (kernel/task/signal.c), 32-bit frames.
 * Linux: arch/x86/kernel/signal.c, signal_64.c, fpu/signal.c; the layout is ABI.
 */
#include "arch-x86_64/fpu.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/ptrace.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

struct sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2;
	u64 fpstate;		/* user address, 0: none */
	u64 reserved[8];
};
static_assert(sizeof(struct sigcontext) == 256, "ABI");

struct user_stack { u64 sp; u32 flags, pad; u64 size; };	/* stack_t */

struct ucontext {
	u64 flags, link;
	struct user_stack stack;
	struct sigcontext mcontext;
	u64 sigmask;
};

struct rt_sigframe {
	u64 pretcode;
	struct ucontext uc;
	siginfo_t info;
};
static_assert(sizeof(struct rt_sigframe) == 440, "ABI");

#define UC_FP_XSTATE		1
#define UC_SIGCONTEXT_SS	2
#define UC_STRICT_RESTORE_SS	4

/* Software's part of the FPU state: says that an XSAVE area follows the FXSAVE one, and how large it is. */
struct fpx_sw_bytes { u32 magic1, extended_size; u64 xfeatures; u32 xstate_size, padding[7]; };
static_assert(sizeof(struct fpx_sw_bytes) == 48, "ABI");
#define FPX_SW_OFFSET	464
#define FXSAVE_SIZE	512
#define XSAVE_BV_OFFSET	512
#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U
#define FP_XSTATE_MAGIC2_SIZE 4
#define XFEATURE_MASK_FPSSE 3

#define RED_ZONE	128
#define MINSIGSTKSZ	2048

#define EFLAGS_TF	BIT(8)
#define EFLAGS_DF	BIT(10)
#define EFLAGS_RF	BIT(16)
#define EFLAGS_AC	BIT(18)
/* CF PF AF ZF SF TF DF OF RF AC: what a handler may change. */
#define EFLAGS_USER	(0xdd5UL | EFLAGS_RF | EFLAGS_AC)

#define SYSCALL_INSN_SIZE 2

static u32 fpstate_size(void)
{
	return cpu_features.xsave_size + (cpu_features.xsave ? FP_XSTATE_MAGIC2_SIZE : 0);
}

unsigned int arch_min_sigstack(void)
{
	return ALIGN(RED_ZONE + fpstate_size() + 63 + (u32)sizeof(struct rt_sigframe) + 16 + 8, 16u);
}

/* -------------------------------------------------------------- delivery ---- */

static bool on_alt_stack(unsigned long sp)
{
	return !(current->sas_ss_flags & SS_AUTODISARM) && on_sig_stack(sp);
}

/*
 * Where frame and FPU state go. False: the alternate stack is too small for them, or left through its end.
 */
static bool place_frame(const struct ksignal *ksig, const struct pt_regs *regs, unsigned long *frame,
			unsigned long *fpstate)
{
	unsigned long sp = regs->sp - RED_ZONE;
	bool nested = on_alt_stack(regs->sp), entering = false;

	if ((ksig->ka.flags & SA_ONSTACK) && !nested && current->sas_ss_size) {
		sp = current->sas_ss_sp + current->sas_ss_size;
		entering = true;
	}
	*fpstate = (sp - fpstate_size()) & ~63UL;
	*frame = ((*fpstate - sizeof(struct rt_sigframe)) & ~15UL) - 8;
	if (entering || nested)
		return *frame > current->sas_ss_sp && *frame - current->sas_ss_sp <= current->sas_ss_size;
	return true;
}

/* The running task's FPU state to user memory at TO. 0, -EFAULT, -ENOMEM. */
static int save_fpstate(char __user *to)
{
	struct fpx_sw_bytes sw = {
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = fpstate_size(),
		.xfeatures = cpu_features.xfeatures,
		.xstate_size = cpu_features.xsave_size,
	};
	char *buf = fpu_alloc_buffer();
	u32 magic2 = FP_XSTATE_MAGIC2, size = cpu_features.xsave_size;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	fpu_save(buf);
	if (cpu_features.xsave) {
		memcpy(buf + FPX_SW_OFFSET, &sw, sizeof(sw));
		/* Handlers that know only FXSAVE may change these two parts: take them back from here. */
		buf[XSAVE_BV_OFFSET] |= XFEATURE_MASK_FPSSE;
		if (copy_to_user(to + size, &magic2, sizeof(magic2)))
			err = -EFAULT;
	}
	if (copy_to_user(to, buf, size))
		err = -EFAULT;
	fpu_free_buffer(buf);
	return err;
}

static void fill_sigcontext(struct sigcontext *sc, const struct pt_regs *regs, unsigned long fpstate)
{
	const struct thread_struct *th = &current->thread;

	*sc = (struct sigcontext){
		.r8 = regs->r8, .r9 = regs->r9, .r10 = regs->r10, .r11 = regs->r11,
		.r12 = regs->r12, .r13 = regs->r13, .r14 = regs->r14, .r15 = regs->r15,
		.di = regs->di, .si = regs->si, .bp = regs->bp, .bx = regs->bx,
		.dx = regs->dx, .ax = regs->ax, .cx = regs->cx, .sp = regs->sp,
		.ip = regs->ip, .flags = regs->flags, .cs = (u16)regs->cs, .ss = (u16)regs->ss,
		.err = th->error_code, .trapno = th->trap_nr, .cr2 = th->cr2,
		.oldmask = current->blocked, .fpstate = fpstate,
	};
}

/* The mask that sigreturn shall restore: sigsuspend and its like replaced it for the time of the wait. */
static u64 mask_to_save(void)
{
	return current->restore_sigmask ? current->saved_sigmask : current->blocked;
}

static int setup_rt_frame(struct ksignal *ksig, struct pt_regs *regs)
{
	struct rt_sigframe f = { .pretcode = (u64)ksig->ka.restorer };
	unsigned long frame, fpstate;

	/* An ip that is not canonical would fault in our iretq, not in the program. */
	if ((u64)ksig->ka.handler >= TASK_SIZE_MAX)
		return -EFAULT;
	if (!(ksig->ka.flags & SA_RESTORER) || !place_frame(ksig, regs, &frame, &fpstate))
		return -EFAULT;
	if (save_fpstate((char __user *)fpstate))
		return -EFAULT;
	f.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xsave ? UC_FP_XSTATE : 0);
	f.uc.stack = (struct user_stack){ .sp = current->sas_ss_sp, .flags = current->sas_ss_flags,
					  .size = current->sas_ss_size };
	fill_sigcontext(&f.uc.mcontext, regs, fpstate);
	f.uc.sigmask = mask_to_save();
	f.info = ksig->info;
	if (copy_to_user((void __user *)frame, &f, sizeof(f)))
		return -EFAULT;

	regs->di = (u64)ksig->sig;
	regs->ax = 0;		/* for handlers declared without a prototype */
	regs->si = frame + offsetof(struct rt_sigframe, info);
	regs->dx = frame + offsetof(struct rt_sigframe, uc);
	regs->ip = (u64)ksig->ka.handler;
	regs->sp = frame;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	return 0;
}

/* ------------------------------------------------------ restarting calls ---- */

static bool in_syscall(const struct pt_regs *regs)
{
	return (s64)regs->orig_ax != -1;
}

/* Let the syscall instruction run again, with call number NR. */
static void restart_syscall(struct pt_regs *regs, u64 nr)
{
	regs->ax = nr;
	regs->ip -= SYSCALL_INSN_SIZE;
}

/* A handler will run first: what becomes of the call that the signal interrupted. */
static void settle_syscall(struct pt_regs *regs, unsigned long sa_flags)
{
	switch (-(s64)regs->ax) {
	case ERESTART_RESTARTBLOCK:
	case ERESTARTNOHAND:
		regs->ax = (u64)-EINTR;
		break;
	case ERESTARTSYS:
		if (!(sa_flags & SA_RESTART)) {
			regs->ax = (u64)-EINTR;
			break;
		}
		restart_syscall(regs, regs->orig_ax);
		break;
	case ERESTARTNOINTR:
		restart_syscall(regs, regs->orig_ax);
		break;
	}
}

static void handle_signal(struct ksignal *ksig, struct pt_regs *regs)
{
	bool failed;

	if (in_syscall(regs))
		settle_syscall(regs, ksig->ka.flags);
	failed = setup_rt_frame(ksig, regs) != 0;
	if (!failed) {
		regs->flags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
		fpu_reset();
	}
	regs->orig_ax = -1UL;		/* settled: a second signal must not restart the handler */
	signal_setup_done(failed, ksig);
}

void arch_do_signal_or_restart(struct pt_regs *regs)
{
	struct ksignal ksig;

	if (get_signal(&ksig)) {
		handle_signal(&ksig, regs);
		return;
	}
	if (in_syscall(regs)) {
		switch (-(s64)regs->ax) {
		case ERESTARTNOHAND:
		case ERESTARTSYS:
		case ERESTARTNOINTR:
			restart_syscall(regs, regs->orig_ax);
			regs->orig_ax = -1UL;
			break;
		case ERESTART_RESTARTBLOCK:
			restart_syscall(regs, __NR_restart_syscall);
			regs->orig_ax = -1UL;
			break;
		}
	}
	restore_saved_sigmask();
}

/* ---------------------------------------------------------------- return ---- */

/*
 * Is the FPU state in user memory at FROM a whole XSAVE area? Else (the software bytes or the closing magic
 * are not what we write) only its FXSAVE part counts.
 */
static bool has_xstate(const char __user *from)
{
	struct fpx_sw_bytes sw;
	u32 magic2;

	if (!cpu_features.xsave || copy_from_user(&sw, from + FPX_SW_OFFSET, sizeof(sw)))
		return false;
	if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size != cpu_features.xsave_size ||
	    sw.extended_size != fpstate_size())
		return false;
	return !copy_from_user(&magic2, from + sw.xstate_size, sizeof(magic2)) && magic2 == FP_XSTATE_MAGIC2;
}

/* Load the FPU from user memory. 0 or an error: bad address, or contents that no CPU state can have. */
static int restore_fpstate(const char __user *from)
{
	u32 size = FXSAVE_SIZE;
	char *buf;
	int err = 0;

	if (!from) {
		fpu_reset();
		return 0;
	}
	buf = fpu_alloc_buffer();
	if (!buf)
		return -ENOMEM;
	if (has_xstate(from))
		size = cpu_features.xsave_size;
	else if (cpu_features.xsave)
		buf[XSAVE_BV_OFFSET] = XFEATURE_MASK_FPSSE;
	if (copy_from_user(buf, from, size))
		err = -EFAULT;
	else if (!fpu_restore(buf))
		err = -EINVAL;
	fpu_free_buffer(buf);
	return err;
}

static void restore_regs(struct pt_regs *regs, const struct sigcontext *sc)
{
	regs->r8 = sc->r8;
	regs->r9 = sc->r9;
	regs->r10 = sc->r10;
	regs->r11 = sc->r11;
	regs->r12 = sc->r12;
	regs->r13 = sc->r13;
	regs->r14 = sc->r14;
	regs->r15 = sc->r15;
	regs->di = sc->di;
	regs->si = sc->si;
	regs->bp = sc->bp;
	regs->bx = sc->bx;
	regs->dx = sc->dx;
	regs->ax = sc->ax;
	regs->cx = sc->cx;
	regs->sp = sc->sp;
	regs->ip = sc->ip;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	regs->flags = (regs->flags & ~EFLAGS_USER) | (sc->flags & EFLAGS_USER);
	regs->orig_ax = -1UL;
}

/* As sigaltstack(2) would set it, but a refusal is not reported: handlers rarely mean to change it. */
static void restore_altstack(const struct user_stack *s, unsigned long sp)
{
	u32 mode = s->flags & ~SS_AUTODISARM;

	if (on_alt_stack(sp) || (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE))
		return;
	if (mode != SS_DISABLE && s->size < MINSIGSTKSZ)
		return;
	current->sas_ss_sp = mode == SS_DISABLE ? 0 : s->sp;
	current->sas_ss_size = mode == SS_DISABLE ? 0 : s->size;
	current->sas_ss_flags = s->flags;
}

SYSCALL_DEFINE0(rt_sigreturn)
{
	struct pt_regs *regs = current_pt_regs();
	/* The handler's return took the restorer's address off the stack. */
	struct rt_sigframe __user *frame = (struct rt_sigframe __user *)(regs->sp - 8);
	struct ucontext uc;

	if (copy_from_user(&uc, &frame->uc, sizeof(uc)) || uc.mcontext.ip >= TASK_SIZE_MAX)
		goto bad;
	set_current_blocked(uc.sigmask);
	restore_regs(regs, &uc.mcontext);
	if (restore_fpstate((const char __user *)uc.mcontext.fpstate))
		goto bad;
	restore_altstack(&uc.stack, regs->sp);
	return (long)regs->ax;
bad:
	force_sig(SIGSEGV);
	return 0;
}
