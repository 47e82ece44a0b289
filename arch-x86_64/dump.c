/*
 * arch-x86_64/dump.c - what is printed when the kernel itself has faulted, and by WARN_ON.
 *
 *	die()  vector, error code decoded, address with its page-table walk, registers, backtrace, panic
 *
 * Nothing here may fault, whatever is broken: each word is read only after the page tables were asked
 * whether it is mapped, and table pages only if they are RAM. Backtraces follow frame pointers; entry.S
 * promises that a return address into .entry.text has its struct pt_regs 24 bytes above the frame pointer,
 * and so the trace goes on in the code that was interrupted. Linux: arch/x86/kernel/dumpstack.c,
 * arch/x86/mm/fault.c.
 */
#include "arch-x86_64/internal.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/bug.h"
#include "kernel/sched/sched.h"

#define MAX_FRAMES	40
#define REGS_ABOVE_BP	24	/* entry.S */

extern char _entry_text_start[], _entry_text_end[];

/* Physical addresses that the direct map has for certain. */
static bool is_ram(phys_addr_t pa)
{
	for (int i = 0; i < boot_info.nr_ram; i++) {
		if (pa >= boot_info.ram[i].start && pa < boot_info.ram[i].end)
			return true;
	}
	return false;
}

static u64 *current_pgd(void)
{
	return __va(read_cr3() & PTE_PFN_MASK);
}

/* Read 8 bytes at VA without any chance of a fault. False: not mapped, or no kernel address. */
static bool peek(unsigned long va, u64 *value)
{
	u64 *table = current_pgd();

	if (va < PAGE_OFFSET || (va & 7))
		return false;
	for (int shift = PGDIR_SHIFT; ; shift -= 9) {
		u64 e = table[(va >> shift) & 511];

		if (!(e & _PAGE_PRESENT))
			return false;
		if (shift == PAGE_SHIFT || (shift < PGDIR_SHIFT && (e & _PAGE_PSE)))
			break;
		/* Early tables lie in the image, all others in RAM. */
		if (!is_ram(e & PTE_PFN_MASK))
			return false;
		table = __va(e & PTE_PFN_MASK);
	}
	*value = *(volatile u64 *)va;
	return true;
}

static void print_address(unsigned long ip)
{
	unsigned long offset;
	const char *name = kallsyms_lookup(ip, &offset);

	if (name)
		pr_emerg(" [<%016lx>] %s+%#lx\n", ip, name, offset);
	else
		pr_emerg(" [<%016lx>]\n", ip);
}

static bool is_entry_text(unsigned long ip)
{
	return ip >= (unsigned long)_entry_text_start && ip < (unsigned long)_entry_text_end;
}

/* BP is the frame of a function called by entry.S. Go to what was interrupted; false: user code, the end. */
static bool cross_trap(unsigned long *ip, unsigned long *bp)
{
	unsigned long regs = *bp + REGS_ABOVE_BP;
	u64 cs, new_ip, new_bp;

	if (!peek(regs + offsetof(struct pt_regs, cs), &cs) ||
	    !peek(regs + offsetof(struct pt_regs, ip), &new_ip) ||
	    !peek(regs + offsetof(struct pt_regs, bp), &new_bp))
		return false;
	if ((cs & 3) == 3) {
		pr_emerg(" --- user mode, ip %016lx\n", (unsigned long)new_ip);
		return false;
	}
	if (cs != __KERNEL_CS)
		return false;		/* bottom of a kernel thread */
	pr_emerg(" --- trap\n");
	print_address(new_ip);
	*ip = new_ip;
	*bp = new_bp;
	return true;
}

void show_trace(unsigned long ip, unsigned long bp)
{
	pr_emerg("Call trace:\n");
	if (ip)
		print_address(ip);
	for (int i = 0; i < MAX_FRAMES; i++) {
		u64 next_bp, ret;

		if (!peek(bp, &next_bp) || !peek(bp + 8, &ret) || !ret)
			return;
		if (is_entry_text(ret)) {
			if (!cross_trap(&ip, &bp))
				return;
			continue;
		}
		print_address(ret);
		bp = next_bp;
	}
}

void dump_stack(void)
{
	show_trace(0, (unsigned long)__builtin_frame_address(0));
}

static void print_entry(const char *level, u64 e, bool leaf)
{
	if (!(e & _PAGE_PRESENT)) {
		pr_emerg("  %s %016lx not present\n", level, (unsigned long)e);
		return;
	}
	pr_emerg("  %s %016lx pfn %#lx%s%s%s%s%s%s%s\n", level, (unsigned long)e,
		 (unsigned long)(e & PTE_PFN_MASK) >> PAGE_SHIFT, leaf ? " leaf" : "",
		 e & _PAGE_RW ? " rw" : " ro", e & _PAGE_USER ? " user" : "", e & _PAGE_NX ? " nx" : "",
		 e & _PAGE_ACCESSED ? " accessed" : "", e & _PAGE_DIRTY ? " dirty" : "",
		 e & _PAGE_GLOBAL ? " global" : "");
}

void dump_pagetable(u64 addr)
{
	static const char *const names[] = { "PGD", "PUD", "PMD", "PTE" };
	u64 *table = current_pgd();

	if ((u64)((s64)(addr << 16) >> 16) != addr) {
		pr_emerg("Page tables: %016lx is not canonical\n", (unsigned long)addr);
		return;
	}
	pr_emerg("Page tables for %016lx (CR3 %016lx):\n", (unsigned long)addr, (unsigned long)read_cr3());
	for (int level = 0, shift = PGDIR_SHIFT; level < 4; level++, shift -= 9) {
		u64 e = table[(addr >> shift) & 511];
		bool leaf = level == 3 || (level > 0 && (e & _PAGE_PSE));

		print_entry(names[level], e, leaf);
		if (!(e & _PAGE_PRESENT) || leaf)
			return;
		if (!is_ram(e & PTE_PFN_MASK)) {
			pr_emerg("  (the next table is not in RAM)\n");
			return;
		}
		table = __va(e & PTE_PFN_MASK);
	}
}

void show_regs(struct pt_regs *regs)
{
	struct task_struct *t = current;
	unsigned long offset;
	const char *name = user_mode(regs) ? NULL : kallsyms_lookup(regs->ip, &offset);

	if (t)
		pr_emerg("CPU: %d PID: %d Comm: %.16s  preempt_count %#x\n", smp_processor_id(), t->pid,
			 t->comm, preempt_count());
	pr_emerg("RIP: %04lx:%016lx %s\n", regs->cs, regs->ip, name ? name : "");
	pr_emerg("RSP: %04lx:%016lx EFLAGS: %08lx ORIG_RAX: %016lx\n", regs->ss, regs->sp, regs->flags,
		 regs->orig_ax);
	pr_emerg("RAX: %016lx RBX: %016lx RCX: %016lx\n", regs->ax, regs->bx, regs->cx);
	pr_emerg("RDX: %016lx RSI: %016lx RDI: %016lx\n", regs->dx, regs->si, regs->di);
	pr_emerg("RBP: %016lx R08: %016lx R09: %016lx\n", regs->bp, regs->r8, regs->r9);
	pr_emerg("R10: %016lx R11: %016lx R12: %016lx\n", regs->r10, regs->r11, regs->r12);
	pr_emerg("R13: %016lx R14: %016lx R15: %016lx\n", regs->r13, regs->r14, regs->r15);
	pr_emerg("CR0: %016lx CR2: %016lx CR3: %016lx CR4: %016lx\n", (unsigned long)read_cr0(),
		 (unsigned long)read_cr2(), (unsigned long)read_cr3(), (unsigned long)read_cr4());
	pr_emerg("GS base: %016lx\n", (unsigned long)rdmsr(MSR_GS_BASE));
}

static void explain_page_fault(struct pt_regs *regs, u64 error_code, u64 addr)
{
	const char *what = error_code & X86_PF_INSTR ? "instruction fetch" :
			   error_code & X86_PF_WRITE ? "write" : "read";

	pr_emerg("%s in %s mode: %s address %016lx: %s%s\n", what, user_mode(regs) ? "user" : "kernel",
		 addr >= PAGE_OFFSET ? "kernel" : "user", (unsigned long)addr,
		 error_code & X86_PF_RSVD ? "reserved bit set in a page table" :
		 error_code & X86_PF_PROT ? "protection violation" : "not present",
		 addr < PAGE_SIZE ? " (NULL pointer)" : "");
}

static void explain_selector_error(u64 error_code)
{
	if (error_code)
		pr_emerg("error code %#lx: %s entry %lu%s\n", (unsigned long)error_code,
			 error_code & 2 ? "IDT" : error_code & 4 ? "LDT" : "GDT",
			 (unsigned long)error_code >> 3 & 0x1fff, error_code & 1 ? ", external" : "");
}

/* After a jump into nowhere the only trace of the caller is the return address that CALL pushed last. */
static void show_wild_caller(struct pt_regs *regs)
{
	unsigned long offset;
	u64 ret;

	if (!kallsyms_lookup(regs->ip, &offset) && peek(regs->sp, &ret) && kallsyms_lookup(ret, &offset)) {
		pr_emerg("Probably called from:\n");
		print_address(ret);
	}
}

void die(const char *what, struct pt_regs *regs, u64 error_code, u64 addr, bool page_fault)
{
	local_irq_disable();
	panic_begin();
	pr_emerg("Oops: %s, error code %#lx\n", what, (unsigned long)error_code);
	if (page_fault) {
		explain_page_fault(regs, error_code, addr);
		dump_pagetable(addr);
	} else {
		explain_selector_error(error_code);
	}
	show_regs(regs);
	if (!user_mode(regs))
		show_wild_caller(regs);
	show_trace(regs->ip, user_mode(regs) ? 0 : regs->bp);
	panic_end("Fatal exception in the kernel: %s", what);
}
