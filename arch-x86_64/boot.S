/*
 * arch-x86_64/boot.S - the first instructions: from what the loader left to start_kernel() in long mode.
 *
 *	PVH (qemu -kernel) --> start_pvh --+
 *	                                   +--> check the CPU --> page tables --> long mode --> start_kernel
 *	GRUB --> start_multiboot2 ---------+
 *
 * Both loaders start us in 32-bit protected mode with paging off and a flat address space. EBX points to
 * their information; EAX says which it is, but under PVH EAX is undefined, hence two entries.
 *
 * The page tables made here last until paging_init(): the first 4 GiB in 2 MiB pages, seen three times, at
 * 0 (we stand there), at PAGE_OFFSET (the direct map) and, 1 GiB of it, at KERNEL_BASE (the image):
 *
 *	PML4[0] ----+--> PDPT low [0..3] --> 4 PDs: 4 GiB
 *	PML4[273] --+                        |
 *	PML4[511] -----> PDPT high [510] ----+ the first
 *
 * There is no Multiboot1 header: QEMU would try that first and then refuse a 64-bit image.
 * Linux: arch/x86/platform/pvh/head.S and arch/x86/boot/compressed/head_64.S.
 */
#define KERNEL_BASE	0xffffffff80000000
#define PHYS(x)		((x) - KERNEL_BASE)
#define PAGE_SIZE	4096
#ifndef CONFIG_KASAN
#define BOOT_STACK_SIZE	16384		/* THREAD_SIZE: it becomes the idle task's stack */
#else
#define BOOT_STACK_SIZE	32768
#endif

#define MB2_MAGIC	0xe85250d6
#define MB2_BOOT_MAGIC	0x36d76289
#define PVH_MAGIC	0x336ec578
#define EXIT_PANIC_CODE	0x12

#define PTE_P_RW	0x003
#define PTE_P_RW_PS	0x083

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC, 0, mb2_header_end - mb2_header
	.long -(MB2_MAGIC + (mb2_header_end - mb2_header))
	.balign 8
	.short 6, 0			/* modules on page boundaries */
	.long 8
	.balign 8
	.short 0, 0			/* end */
	.long 8
mb2_header_end:

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18			/* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start_pvh

	.section .boot, "awx"
	.code32
	.globl start_pvh, start_multiboot2
start_pvh:
	movl	$PVH_MAGIC, %eax
start_multiboot2:
	cli
	cld
	movl	$PHYS(boot_stack_top), %esp
	movl	%eax, PHYS(boot_magic)
	movl	%ebx, PHYS(boot_info_addr)
	call	check_cpu
	call	make_page_tables

	movl	%cr4, %eax
	orl	$0x30, %eax		/* PSE, PAE */
	movl	%eax, %cr4
	movl	$PHYS(early_top_pgt), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: SCE, LME, NXE */
	rdmsr
	orl	$0x901, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80010001, %eax	/* PG, WP, PE */
	movl	%eax, %cr0
	lgdt	early_gdt_ptr
	ljmp	$0x10, $start_long

/*
 * The early tables (bss: zero). Large pages only, all writable and executable.
 */
make_page_tables:
	movl	$PHYS(early_pd), %edi
	movl	$PTE_P_RW_PS, %eax
	xorl	%edx, %edx
1:	movl	%eax, (%edi)
	movl	%edx, 4(%edi)
	addl	$8, %edi
	addl	$0x200000, %eax
	jnc	1b			/* until 4 GiB are through */

	movl	$PHYS(early_pd) + PTE_P_RW, %eax
	movl	$PHYS(early_pdpt_low), %edi
	movl	$4, %ecx
2:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$PAGE_SIZE, %eax
	loop	2b
	movl	$PHYS(early_pd) + PTE_P_RW, PHYS(early_pdpt_high) + 510 * 8

	movl	$PHYS(early_pdpt_low) + PTE_P_RW, PHYS(early_top_pgt)
	movl	$PHYS(early_pdpt_low) + PTE_P_RW, PHYS(early_top_pgt) + 273 * 8
	movl	$PHYS(early_pdpt_high) + PTE_P_RW, PHYS(early_top_pgt) + 511 * 8
	ret

/*
 * Whatever the kernel cannot do without. Ends with one line on the serial port if something is missing.
 */
check_cpu:
	pushfl				/* CPUID is there if EFLAGS.ID can be flipped */
	popl	%eax
	movl	%eax, %ecx
	xorl	$0x200000, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	movl	$msg_cpuid, %esi
	xorl	%ecx, %eax
	testl	$0x200000, %eax
	jz	refuse
	movl	$0x80000000, %eax
	cpuid
	movl	$msg_lm, %esi
	cmpl	$0x80000001, %eax
	jb	refuse
	movl	$1, %eax
	cpuid
	movl	%edx, %ebp		/* features of leaf 1 */
	movl	$0x80000001, %eax
	cpuid				/* and of leaf 0x80000001 in EDX */
	movl	$needed_features, %edi
1:	movl	8(%edi), %esi		/* text; 0 ends the table */
	testl	%esi, %esi
	jz	3f
	movl	4(%edi), %eax		/* bit */
	cmpl	$0, (%edi)
	jne	2f
	btl	%eax, %ebp
	jnc	refuse
	jmp	4f
2:	btl	%eax, %edx
	jnc	refuse
4:	addl	$12, %edi
	jmp	1b
3:	ret

/* Print "Quire: this CPU has no <ESI>" and end. */
refuse:
	movl	%esi, %ebp
	movl	$msg_prefix, %esi
	call	print
	movl	%ebp, %esi
	call	print
	movl	$msg_suffix, %esi
	call	print
	movl	$EXIT_PANIC_CODE, %eax
	movl	$0xf4, %edx
	outl	%eax, %dx
5:	hlt
	jmp	5b

/* The string at ESI to COM1, polled, with a bound so that an absent port cannot stop us. */
print:
	lodsb
	testb	%al, %al
	jz	3f
	movb	%al, %ah
	movl	$100000, %ecx
	movl	$0x3fd, %edx
1:	inb	%dx, %al
	testb	$0x20, %al		/* transmitter empty */
	jnz	2f
	loop	1b
2:	movb	%ah, %al
	movl	$0x3f8, %edx
	outb	%al, %dx
	jmp	print
3:	ret

	.code64
start_long:
	movl	$0x18, %eax
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	/* CPU 0's per-CPU variables are the section itself: GS base 0. */
	movl	$0xc0000101, %ecx
	xorl	%edx, %edx
	wrmsr
	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp		/* end of every backtrace */
#ifdef CONFIG_KASAN
	movq	$kasan_early_init, %rax
	call	*%rax
#endif
	movq	$start_kernel, %rax
	call	*%rax
1:	hlt
	jmp	1b

	.balign 8
early_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff	/* 0x10: code, 64-bit */
	.quad 0x00cf93000000ffff	/* 0x18: data */
early_gdt_ptr:
	.word early_gdt_ptr - early_gdt - 1
	.long early_gdt

	/* { leaf (0: 1, 1: 0x80000001), bit of EDX, text } */
	.balign 4
needed_features:
	.long 0, 3, msg_pse
	.long 0, 5, msg_msr
	.long 0, 6, msg_pae
	.long 0, 9, msg_apic
	.long 0, 13, msg_pge
	.long 0, 24, msg_fxsr
	.long 0, 26, msg_sse2
	.long 1, 29, msg_lm
	.long 1, 20, msg_nx
	.long 1, 11, msg_syscall
	.long 0, 0, 0
msg_prefix:	.asciz "Quire: this CPU has no "
msg_suffix:	.asciz "; an x86-64 CPU with NX is needed (QEMU: -cpu qemu64 or -cpu max)\r\n"
msg_cpuid:	.asciz "CPUID instruction"
msg_pse:	.asciz "PSE (large pages)"
msg_msr:	.asciz "MSRs"
msg_pae:	.asciz "PAE"
msg_apic:	.asciz "APIC"
msg_pge:	.asciz "PGE (global pages)"
msg_fxsr:	.asciz "FXSR"
msg_sse2:	.asciz "SSE2"
msg_lm:		.asciz "long mode (64 bits)"
msg_nx:		.asciz "NX (no-execute pages)"
msg_syscall:	.asciz "SYSCALL instruction"

	.section .bss..page_aligned, "aw", @nobits
	.balign PAGE_SIZE
	.globl early_top_pgt
early_top_pgt:	.skip PAGE_SIZE
early_pdpt_low:	.skip PAGE_SIZE
early_pdpt_high: .skip PAGE_SIZE
early_pd:	.skip 4 * PAGE_SIZE
	/* paging_init() leaves this page unmapped: an overflow of the boot stack faults at once. */
	.globl boot_stack_guard, boot_stack
boot_stack_guard: .skip PAGE_SIZE
boot_stack:	.skip BOOT_STACK_SIZE
boot_stack_top:

	.section .data, "aw"
	.globl boot_magic, boot_info_addr
	.balign 4
boot_magic:	.long 0
boot_info_addr:	.long 0
	.section .note.GNU-stack, "", @progbits
