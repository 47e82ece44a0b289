/*
 * kernel/task/binfmt_elf.c - ELF programs: static, static position-independent, and with an interpreter.
 *
 *	ET_EXEC			at its own addresses
 *	ET_DYN			at ELF_ET_DYN_BASE (two thirds of user space; nothing is random here)
 *	PT_INTERP		the interpreter is mapped too, below mmap_base, and started first
 *
 *	sp -> argc | argv[] 0 | envp[] 0 | auxv pairs, AT_NULL | ... | 16 random bytes | "x86_64" | strings
 *
 * All headers are checked before the point of no return: a file is text of a stranger. Segments are mapped
 * privately from the file into a range that was free as a whole, so that none of them can hit the stack.
 * What memory has beyond the file's part is zero: the rest of its last page by writing, further pages
 * anonymous.
 *
 * Not here: randomisation, core dumps, GNU properties (no CET), 32-bit programs. Linux: fs/binfmt_elf.c.
 */
#include "arch-x86_64/ptrace.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/random.h"
#include "mm/mm.h"
#include "mm/slab.h"

struct elf64_hdr {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf64_phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf64_hdr) == 64 && sizeof(struct elf64_phdr) == 56, "the file's layout");

#define ET_EXEC		2
#define ET_DYN		3
#define EM_X86_64	62
#define ELFCLASS64	2
#define PT_LOAD		1
#define PT_INTERP	3
#define PT_GNU_STACK	0x6474e551
#define PF_X		1
#define PF_W		2
#define PF_R		4

#define ELF_ET_DYN_BASE	(TASK_SIZE_MAX / 3 * 2 & PAGE_MASK)
#define PATH_MAX	4096
#define MAX_PHDRS_SIZE	65536

/* mmap_base is below the stack by its limit and the guard gap, clamped to these (Linux, not random). */
#define STACK_GUARD_GAP	(256 * PAGE_SIZE)
#define MIN_GAP		(128UL << 20)
#define MAX_GAP		(TASK_SIZE_MAX / 6 * 5)

enum {
	AT_NULL, AT_IGNORE, AT_EXECFD, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY,
	AT_UID = 11, AT_EUID, AT_GID, AT_EGID, AT_PLATFORM, AT_HWCAP, AT_CLKTCK,
	AT_SECURE = 23, AT_RANDOM = 25, AT_HWCAP2, AT_EXECFN = 31, AT_MINSIGSTKSZ = 51,
};
#define HWCAP2_FSGSBASE 2

/* One ELF file that is being loaded. */
struct elf_image {
	struct file *file;
	struct elf64_hdr hdr;
	struct elf64_phdr *phdrs;
	u64 low, high;			/* page-aligned range of all PT_LOADs, as the file says */
	unsigned long bias;		/* added to the file's addresses */
	unsigned long start_code, end_code, start_data, end_data, end;	/* biased */
};

/* ---- Reading and checking ---- */

static int read_exactly(struct file *f, void *buf, size_t n, u64 pos)
{
	loff_t at = pos;
	ssize_t got;

	if (pos > INT64_MAX - n)
		return -ENOEXEC;
	got = kernel_read(f, buf, n, &at);
	if (got < 0)
		return got;
	return (size_t)got == n ? 0 : -ENOEXEC;
}

static int check_header(const struct elf64_hdr *h)
{
	static const u8 magic[4] = { 0x7f, 'E', 'L', 'F' };

	if (memcmp(h->ident, magic, 4) || h->ident[4] != ELFCLASS64)
		return -ENOEXEC;
	if ((h->type != ET_EXEC && h->type != ET_DYN) || h->machine != EM_X86_64)
		return -ENOEXEC;
	if (h->phentsize != sizeof(struct elf64_phdr) || !h->phnum ||
	    h->phnum * sizeof(struct elf64_phdr) > MAX_PHDRS_SIZE)
		return -ENOEXEC;
	return 0;
}

/* Can this segment be mapped at all, wherever the image goes? */
static int check_segment(const struct elf64_phdr *p)
{
	if (p->filesz > p->memsz || p->memsz > TASK_SIZE_MAX || p->vaddr > TASK_SIZE_MAX - p->memsz)
		return -EINVAL;
	if ((p->vaddr ^ p->offset) & ~PAGE_MASK || p->offset > INT64_MAX - p->filesz)
		return -EINVAL;
	return 0;
}

/* Program headers of img->file, whose img->hdr is filled in. 0 or -errno; img->phdrs is to be freed. */
static int read_phdrs(struct elf_image *img)
{
	size_t size = img->hdr.phnum * sizeof(struct elf64_phdr);
	int i, err;

	img->phdrs = kmalloc(size, GFP_KERNEL);
	if (!img->phdrs)
		return -ENOMEM;
	err = read_exactly(img->file, img->phdrs, size, img->hdr.phoff);
	if (err)
		return err;
	img->low = ~0UL;
	for (i = 0; i < img->hdr.phnum; i++) {
		const struct elf64_phdr *p = &img->phdrs[i];

		if (p->type != PT_LOAD || !p->memsz)
			continue;
		err = check_segment(p);
		if (err)
			return err;
		img->low = min(img->low, p->vaddr & PAGE_MASK);
		img->high = max(img->high, (u64)PAGE_ALIGN(p->vaddr + p->memsz));
	}
	if (!img->high)
		return -ENOEXEC;
	/* A non-canonical address must not get into the registers; checked again with the bias. */
	return img->hdr.entry < TASK_SIZE_MAX ? 0 : -EINVAL;
}

/* The interpreter that MAIN asks for, opened and checked: 1 there is one, 0 none, or -errno. */
static int open_interpreter(const struct elf_image *main, struct elf_image *interp)
{
	const struct elf64_phdr *p = main->phdrs, *end = p + main->hdr.phnum;
	char *name;
	int err;

	while (p < end && p->type != PT_INTERP)
		p++;
	if (p == end)
		return 0;
	if (p->filesz > PATH_MAX || p->filesz < 2)
		return -ENOEXEC;
	name = kmalloc(p->filesz, GFP_KERNEL);
	if (!name)
		return -ENOMEM;
	err = read_exactly(main->file, name, p->filesz, p->offset);
	if (!err && name[p->filesz - 1])
		err = -ENOEXEC;
	if (!err) {
		interp->file = open_exec(name);
		err = IS_ERR(interp->file) ? PTR_ERR(interp->file) : 0;
		if (err)
			interp->file = NULL;
	}
	kfree(name);
	if (err)
		return err;
	if (read_exactly(interp->file, &interp->hdr, sizeof(interp->hdr), 0) || check_header(&interp->hdr))
		return -ELIBBAD;
	err = read_phdrs(interp);
	return err ? err : 1;
}

/* ---- Mapping ---- */

static int segment_prot(const struct elf64_phdr *p)
{
	return (p->flags & PF_R ? PROT_READ : 0) | (p->flags & PF_W ? PROT_WRITE : 0) |
	       (p->flags & PF_X ? PROT_EXEC : 0);
}

/* Map the file's part of P at ADDR (of its first byte, biased), over what is there. Address or -errno. */
static unsigned long map_segment(struct elf_image *img, const struct elf64_phdr *p, unsigned long addr)
{
	unsigned long off = p->vaddr & ~PAGE_MASK;

	addr &= PAGE_MASK;
	if (!p->filesz)
		return vm_mmap(NULL, addr, PAGE_ALIGN(p->memsz + off), segment_prot(p),
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	return vm_mmap(img->file, addr, PAGE_ALIGN(p->filesz + off), segment_prot(p), MAP_PRIVATE | MAP_FIXED,
		       p->offset - off);
}

/* Zero what memory has beyond the file. */
static int map_bss(const struct elf64_phdr *p, unsigned long addr)
{
	unsigned long start = addr + p->filesz, end = addr + p->memsz;
	unsigned long page = PAGE_ALIGN(start);

	if (p->memsz == p->filesz || !p->filesz)
		return 0;
	if ((p->flags & PF_W) && page > start && clear_user((void __user *)start, page - start))
		return -EFAULT;
	end = PAGE_ALIGN(end);
	return end > page ? vm_brk_flags(page, end - page, p->flags & PF_X ? VM_EXEC : 0) : 0;
}

static void note_bounds(struct elf_image *img, const struct elf64_phdr *p, unsigned long addr)
{
	if (p->flags & PF_X) {
		img->start_code = min(img->start_code, addr);
		img->end_code = max(img->end_code, addr + p->filesz);
	}
	img->start_data = max(img->start_data, addr);
	img->end_data = max(img->end_data, addr + p->filesz);
	img->end = max(img->end, addr + p->memsz);
}

/*
 * Choose where IMG goes: its lowest page at WANTED (FIXED: there or nowhere; else 0: anywhere). Nothing
 * else is there: a mapping of the whole size is made and taken away again. Sets the bias. 0 or -errno.
 */
static int place_image(struct elf_image *img, unsigned long wanted, bool fixed)
{
	unsigned long size = img->high - img->low, base;

	if (fixed && (size > TASK_SIZE_MAX || wanted > TASK_SIZE_MAX - size))
		return -ENOMEM;
	base = vm_mmap(NULL, wanted, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (fixed ? MAP_FIXED_NOREPLACE : 0), 0);
	if (IS_ERR_VALUE(base))
		return base;
	img->bias = base - img->low;
	return vm_munmap(base, size);
}

/* Map all segments of IMG, which is placed. 0 or -errno (the mm is then half filled). */
static int map_image(struct elf_image *img)
{
	int i, err;

	img->start_code = ~0UL;
	for (i = 0; i < img->hdr.phnum; i++) {
		const struct elf64_phdr *p = &img->phdrs[i];
		unsigned long addr = img->bias + p->vaddr, mapped;

		if (p->type != PT_LOAD || !p->memsz)
			continue;
		mapped = map_segment(img, p, addr);
		if (IS_ERR_VALUE(mapped))
			return mapped;
		err = map_bss(p, addr);
		if (err)
			return err;
		note_bounds(img, p, addr);
	}
	return 0;
}

/* Where a position-independent program goes. */
static unsigned long dyn_base(const struct elf_image *img)
{
	unsigned long align = PAGE_SIZE;
	int i;

	for (i = 0; i < img->hdr.phnum; i++) {
		u64 a = img->phdrs[i].align;

		if (img->phdrs[i].type == PT_LOAD && a > align && !(a & (a - 1)) && a <= (1UL << 30))
			align = a;
	}
	/* The bias, not the base, must be aligned. */
	return (ELF_ET_DYN_BASE & ~(align - 1)) + img->low;
}

static bool wants_exec_stack(const struct elf_image *img)
{
	int i;

	for (i = 0; i < img->hdr.phnum; i++) {
		if (img->phdrs[i].type == PT_GNU_STACK)
			return img->phdrs[i].flags & PF_X;
	}
	return false;
}

static unsigned long mmap_base_for(u64 stack_limit)
{
	u64 gap = stack_limit;

	if (gap + STACK_GUARD_GAP > gap)
		gap += STACK_GUARD_GAP;
	gap = clamp(gap, (u64)MIN_GAP, (u64)MAX_GAP);
	return PAGE_ALIGN(TASK_SIZE_MAX - gap);
}

/* ---- The stack ---- */

/* Where MAIN's program headers are in memory, for the C library; 0 if no segment has them. */
static unsigned long phdr_address(const struct elf_image *img)
{
	int i;

	for (i = 0; i < img->hdr.phnum; i++) {
		const struct elf64_phdr *p = &img->phdrs[i];

		if (p->type == PT_LOAD && p->offset <= img->hdr.phoff &&
		    img->hdr.phoff - p->offset < p->filesz)
			return img->bias + p->vaddr + (img->hdr.phoff - p->offset);
	}
	return 0;
}

/* Fill mm->saved_auxv; how many words of it are used. */
static int make_auxv(struct linux_binprm *bprm, const struct elf_image *main, unsigned long interp_base,
		     unsigned long platform, unsigned long random)
{
	unsigned long *v = current->mm->saved_auxv;
	const struct cred *c = current->cred;
	int n = 0;

	memset(v, 0, sizeof(current->mm->saved_auxv));
#define AUX(id, val) do { v[n++] = (id); v[n++] = (unsigned long)(val); } while (0)
	AUX(AT_MINSIGSTKSZ, arch_min_sigstack());
	AUX(AT_HWCAP, cpu_features.hwcap);
	AUX(AT_PAGESZ, PAGE_SIZE);
	AUX(AT_CLKTCK, USER_HZ);
	AUX(AT_PHDR, phdr_address(main));
	AUX(AT_PHENT, sizeof(struct elf64_phdr));
	AUX(AT_PHNUM, main->hdr.phnum);
	AUX(AT_BASE, interp_base);
	AUX(AT_FLAGS, 0);
	AUX(AT_ENTRY, main->bias + main->hdr.entry);
	AUX(AT_UID, c->uid);
	AUX(AT_EUID, c->euid);
	AUX(AT_GID, c->gid);
	AUX(AT_EGID, c->egid);
	AUX(AT_SECURE, bprm->secure);
	AUX(AT_RANDOM, random);
	AUX(AT_HWCAP2, cpu_features.hwcap2);
	AUX(AT_EXECFN, bprm->exec_fn);
	AUX(AT_PLATFORM, platform);
	AUX(AT_NULL, 0);
#undef AUX
	KASSERT_LE(n, ARRAY_SIZE(current->mm->saved_auxv), "auxv");
	return n;
}

/* Pointers to COUNT strings that begin at *P, from SP on, with a NULL behind; *P: behind the last string. */
static unsigned long put_pointers(unsigned long sp, unsigned long *p, int count)
{
	char chunk[64];

	while (count-- > 0) {
		size_t len = 0, n;

		if (put_user(*p, (unsigned long __user *)sp))
			return 0;
		do {
			long got = strncpy_from_user(chunk, (const char __user *)*p + len, sizeof(chunk));

			if (got < 0)
				return 0;
			n = got;
			len += n;
		} while (n == sizeof(chunk));
		*p += len + 1;
		sp += sizeof(long);
	}
	return put_user(0UL, (unsigned long __user *)sp) ? 0 : sp + sizeof(long);
}

/* Everything below the strings. Returns the stack pointer, or 0 (no memory for the stack). */
static unsigned long create_elf_tables(struct linux_binprm *bprm, const struct elf_image *main,
				       unsigned long interp_base)
{
	unsigned long p = bprm->p & ~15UL, platform, random, sp, at, str = bprm->arg_start;
	struct mm_struct *mm = current->mm;
	u8 seed[16];
	int words;

	platform = p -= sizeof("x86_64");
	if (copy_to_user((void __user *)platform, "x86_64", sizeof("x86_64")))
		return 0;
	get_random_bytes(seed, sizeof(seed));
	random = p -= sizeof(seed);
	if (copy_to_user((void __user *)random, seed, sizeof(seed)))
		return 0;
	words = make_auxv(bprm, main, interp_base, platform, random);
	sp = (p & ~15UL) - (1 + bprm->argc + 1 + bprm->envc + 1 + words) * sizeof(long);
	sp &= ~15UL;
	if (put_user((long)bprm->argc, (long __user *)sp))
		return 0;
	at = put_pointers(sp + sizeof(long), &str, bprm->argc);
	if (at)
		at = put_pointers(at, &str, bprm->envc);
	if (!at || copy_to_user((void __user *)at, mm->saved_auxv, words * sizeof(long)))
		return 0;
	mm->arg_start = bprm->arg_start;
	mm->arg_end = mm->env_start = bprm->arg_end;
	mm->env_end = bprm->env_end;
	mm->start_stack = sp;
	return sp;
}

/* ---- Loading ---- */

/* Past the point of no return: fill the new mm and set the registers. */
static int load_into_new_mm(struct linux_binprm *bprm, struct elf_image *main, struct elf_image *interp)
{
	struct mm_struct *mm = current->mm;
	unsigned long entry, sp, interp_base = 0;
	bool dyn = main->hdr.type == ET_DYN;
	int err;

	mm->task_size = TASK_SIZE_MAX;
	mm->mmap_base = mmap_base_for(rlimit(RLIMIT_STACK));
	err = setup_stack_vma(mm, TASK_SIZE_MAX, wants_exec_stack(main));
	if (!err)
		err = setup_arg_strings(bprm);
	if (!err)
		err = place_image(main, dyn ? dyn_base(main) : main->low, true);
	if (!err)
		err = map_image(main);
	if (err)
		return err;
	mm->start_code = main->start_code;
	mm->end_code = main->end_code;
	mm->start_data = main->start_data;
	mm->end_data = main->end_data;
	mm->start_brk = mm->brk = PAGE_ALIGN(main->end);
	entry = main->bias + main->hdr.entry;
	if (interp->file) {
		bool fixed = interp->hdr.type == ET_EXEC;

		err = place_image(interp, fixed ? interp->low : 0, fixed);
		if (!err)
			err = map_image(interp);
		if (err)
			return err;
		interp_base = interp->bias;
		entry = interp->bias + interp->hdr.entry;
	}
	if (entry >= TASK_SIZE_MAX)
		return -EINVAL;
	sp = create_elf_tables(bprm, main, interp_base);
	if (!sp)
		return -EFAULT;
	start_thread(current_pt_regs(), entry, sp);
	return 0;
}

int load_elf_binary(struct linux_binprm *bprm)
{
	struct elf_image main = { .file = bprm->file }, interp = { .file = NULL };
	int err;

	memcpy(&main.hdr, bprm->buf, sizeof(main.hdr));
	err = check_header(&main.hdr);
	if (err)
		return err;
	err = read_phdrs(&main);
	if (!err)
		err = open_interpreter(&main, &interp);
	if (err >= 0)
		err = begin_new_exec(bprm);
	if (!err)
		err = load_into_new_mm(bprm, &main, &interp);
	if (interp.file)
		fput(interp.file);
	kfree(interp.phdrs);
	kfree(main.phdrs);
	return err;
}
