/* tests/user/mmap.c - where mappings go, how they merge and split, mprotect, mremap, brk, and the errors of all these. */
#include "tests/user/pages.h"

#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
/* A place far from everything else. */
#define AT ((char *)0x10000000000)

static char *fixed(char *p, size_t n, int prot) { return OK(mmap(p, n, prot, PA | MAP_FIXED, -1, 0)); }

TEST(mmap_errors)
{
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	EXPECT_ERR(mmap(NULL, 0, RW, PA, -1, 0), EINVAL);
	EXPECT_ERR(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_mmap, NULL, PAGE, RW, MAP_PRIVATE, fd, 1), EINVAL);
	EXPECT_ERR(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
	EXPECT_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EACCES);
	EXPECT_ERR(mmap(AT + 1, PAGE, RW, PA | MAP_FIXED, -1, 0), EINVAL);
	EXPECT_ERR(mmap(NULL, 1ul << 47, RW, PA, -1, 0), ENOMEM);
	EXPECT_ERR(mmap((void *)(1ul << 47), PAGE, RW, PA | MAP_FIXED, -1, 0), ENOMEM);
	EXPECT_ERR(syscall(SYS_mmap, NULL, -1ul, RW, PA, -1, 0), ENOMEM);
	int wr = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", wr);
	int wronly = open(path, O_WRONLY);
	if (wronly >= 0)
		EXPECT_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wronly, 0), EACCES);
	int fds[2];
	OK(pipe(fds));
	EXPECT_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fds[0], 0), ENODEV);
	EXPECT_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x2000000, wr, 0), EOPNOTSUPP);
}

TEST(prot_none_and_low_addresses)
{
	/* A hint below the minimum is moved up; FIXED there is refused without privilege only, so ask for the minimum. */
	char *p = OK(mmap((void *)PAGE, PAGE, RW, PA, -1, 0));
	EXPECT_GE((uintptr_t)p, 0x10000);
	p = OK(mmap(NULL, PAGE, PROT_NONE, PA, -1, 0));
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
}

TEST(placement_is_top_down)
{
	char *a = OK(mmap(NULL, 3 * PAGE, RW, PA, -1, 0));
	char *b = OK(mmap(NULL, 3 * PAGE, PROT_READ, PA, -1, 0));
	EXPECT_LT((uintptr_t)b, (uintptr_t)a);
	EXPECT_GT((uintptr_t)a, 0x7f0000000000);
}

TEST(free_hint_is_used_exactly)
{
	EXPECT_EQ(mmap(AT, PAGE, RW, PA, -1, 0), AT);
	/* Taken: goes elsewhere. A hint that is not aligned is rounded down. */
	EXPECT_NE(mmap(AT, PAGE, RW, PA, -1, 0), AT);
	EXPECT_EQ(mmap(AT + 10 * PAGE + 5, PAGE, RW, PA, -1, 0), AT + 10 * PAGE);
}

TEST(fixed_noreplace)
{
	fixed(AT, 2 * PAGE, RW);
	AT[0] = 'k';
	EXPECT_ERR(mmap(AT + PAGE, 4 * PAGE, RW, PA | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	EXPECT_EQ(mmap(AT + 2 * PAGE, PAGE, RW, PA | MAP_FIXED_NOREPLACE, -1, 0), AT + 2 * PAGE);
	EXPECT_EQ(AT[0], 'k');
}

TEST(fixed_replaces)
{
	fixed(AT, 3 * PAGE, RW);
	memset(AT, 'x', 3 * PAGE);
	fixed(AT + PAGE, PAGE, RW);
	EXPECT_EQ(AT[0], 'x');
	EXPECT_EQ(AT[PAGE], 0);
	EXPECT_EQ(AT[2 * PAGE], 'x');
}

TEST(equal_neighbours_merge)
{
	fixed(AT, PAGE, RW);
	fixed(AT + 2 * PAGE, PAGE, RW);
	EXPECT_EQ(count_maps(AT, 3 * PAGE), 2);
	fixed(AT + PAGE, PAGE, RW);
	EXPECT_EQ(count_maps(AT, 3 * PAGE), 1);
	fixed(AT + 3 * PAGE, PAGE, PROT_READ);
	EXPECT_EQ(count_maps(AT, 4 * PAGE), 2);
	OK(mprotect(AT + 3 * PAGE, PAGE, RW));
	EXPECT_EQ(count_maps(AT, 4 * PAGE), 1);
}

TEST(munmap_splits_and_trims)
{
	struct map_line m;
	fixed(AT, 8 * PAGE, RW);
	OK(munmap(AT + 3 * PAGE, 2 * PAGE));
	EXPECT_EQ(count_maps(AT, 8 * PAGE), 2);
	EXPECT_TRUE(find_map(AT, &m) && m.end == (uintptr_t)AT + 3 * PAGE);
	EXPECT_TRUE(find_map(AT + 3 * PAGE, &m) && m.start == (uintptr_t)AT + 5 * PAGE);
	EXPECT_EQ(touch_signal(AT + 3 * PAGE, false), SIGSEGV);
	EXPECT_EQ(touch_signal(AT + 5 * PAGE, true), 0);
	/* Holes in the range are no error; nothing there at all neither. */
	OK(munmap(AT, 100 * PAGE));
	OK(munmap(AT, 100 * PAGE));
	EXPECT_EQ(count_maps(AT, 100 * PAGE), 0);
}

TEST(munmap_errors)
{
	EXPECT_ERR(munmap(AT + 1, PAGE), EINVAL);
	EXPECT_ERR(munmap(AT, 0), EINVAL);
	EXPECT_ERR(munmap(AT, 1ul << 47), EINVAL);
}

TEST(mprotect_splits_and_merges_back)
{
	fixed(AT, 8 * PAGE, RW);
	memset(AT, 'x', 8 * PAGE);
	OK(mprotect(AT + 2 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(count_maps(AT, 8 * PAGE), 3);
	EXPECT_EQ(touch_signal(AT + 2 * PAGE, false), 0);
	EXPECT_EQ(touch_signal(AT + 2 * PAGE, true), SIGSEGV);
	EXPECT_EQ(touch_signal(AT + 3 * PAGE, true), 0);
	OK(mprotect(AT + 2 * PAGE, PAGE, RW));
	EXPECT_EQ(count_maps(AT, 8 * PAGE), 1);
	AT[2 * PAGE] = 'y';
}

/* Locked memory that becomes writable gets pages of its own, and nothing else does (MLK-4). */
TEST(mprotect_populates_what_is_locked)
{
	for (int locked = 0; locked < 8; locked += 4) {
		fixed(AT, 8 * PAGE, PROT_READ);
		EXPECT_EQ(mlock(AT + locked * PAGE, 2 * PAGE), 0);
		EXPECT_TRUE(!has_flag(AT + locked * PAGE, KPF_ANON));
		EXPECT_EQ(mprotect(AT, 8 * PAGE, RW), 0);
		for (int i = 0; i < 8; i++)
			EXPECT_EQ(is_present(AT + i * PAGE) && has_flag(AT + i * PAGE, KPF_ANON), i / 2 * 2 == locked);
	}
	/* As far as it gets. */
	fixed(AT, 2 * PAGE, PROT_READ);
	munmap(AT + 2 * PAGE, 6 * PAGE);
	EXPECT_EQ(mlock(AT, PAGE), 0);
	EXPECT_ERR(mprotect(AT, 4 * PAGE, RW), ENOMEM);
	EXPECT_TRUE(has_flag(AT, KPF_ANON));
	EXPECT_TRUE(!is_present(AT + PAGE));
}

TEST(mprotect_errors)
{
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	fixed(AT, 2 * PAGE, RW);
	EXPECT_ERR(syscall(SYS_mprotect, AT + 1, PAGE, RW), EINVAL);	/* musl's own would round */
	EXPECT_ERR(mprotect(AT, PAGE, 0x100), EINVAL);
	EXPECT_EQ(mprotect(AT, 0, PROT_READ), 0);
	/* A hole: what lies before it has been done. */
	EXPECT_ERR(mprotect(AT, 4 * PAGE, PROT_READ), ENOMEM);
	EXPECT_EQ(touch_signal(AT, true), SIGSEGV);
	char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_ERR(mprotect(p, PAGE, RW), EACCES);
	p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	OK(mprotect(p, PAGE, RW));
	p[0] = 1;
}

TEST(maps_shows_permissions)
{
	struct map_line m;
	static const struct { int prot; const char *text; } kinds[] = {
		{ PROT_NONE, "---p" }, { PROT_READ, "r--p" }, { RW, "rw-p" }, { PROT_READ | PROT_EXEC, "r-xp" },
		{ RW | PROT_EXEC, "rwxp" },
	};
	for (unsigned int i = 0; i < 5; i++) {
		fixed(AT + i * 2 * PAGE, PAGE, kinds[i].prot);
		EXPECT_TRUE(find_map(AT + i * 2 * PAGE, &m));
		EXPECT_STR(m.perms, kinds[i].text);
	}
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	EXPECT_TRUE(find_map(p, &m));
	EXPECT_STR(m.perms, "rw-s");
	EXPECT_STR(m.name, "/dev/zero (deleted)");
}

TEST(maps_shows_heap_stack_and_file)
{
	char *text;
	int local;
	struct map_line m;
	EXPECT_TRUE(find_map(&local, &m));
	EXPECT_STR(m.name, "[stack]");
	char *p = (char *)syscall(SYS_brk, 0);
	OK(syscall(SYS_brk, p + PAGE));
	EXPECT_TRUE(find_map(p, &m));
	EXPECT_STR(m.name, "[heap]");
	EXPECT_TRUE(find_map(main, &m));
	EXPECT_TRUE(strstr(m.name, "/tests/mmap") != NULL);
	EXPECT_NE(m.inode, 0);
	char *start = ktap_read("/proc/self/maps"), *line;
	text = line = strstr(start, "/tests/mmap");
	while (line > start && line[-1] != '\n')
		line--;
	EXPECT_EQ(text - line, 73);
}

/* Every byte of a shifted copy is where it should be. */
static bool numbered(const char *p, int first, int n)
{
	for (int i = 0; i < n; i++)
		if (p[i * PAGE] != (char)(first + i))
			return false;
	return true;
}
static void number(char *p, int n)
{
	for (int i = 0; i < n; i++)
		p[i * PAGE] = i + 1;
}

TEST(mremap_shrinks_in_place)
{
	fixed(AT, 8 * PAGE, RW);
	number(AT, 8);
	EXPECT_EQ(mremap(AT, 8 * PAGE, 3 * PAGE, 0), AT);
	EXPECT_TRUE(numbered(AT, 1, 3));
	EXPECT_EQ(touch_signal(AT + 3 * PAGE, false), SIGSEGV);
}

TEST(mremap_grows_in_place_or_moves)
{
	fixed(AT, 2 * PAGE, RW);
	number(AT, 2);
	EXPECT_EQ(mremap(AT, 2 * PAGE, 4 * PAGE, 0), AT);
	EXPECT_TRUE(numbered(AT, 1, 2));
	EXPECT_EQ(AT[3 * PAGE], 0);
	fixed(AT + 4 * PAGE, PAGE, PROT_READ);
	EXPECT_ERR(mremap(AT, 4 * PAGE, 8 * PAGE, 0), ENOMEM);
	uint64_t pfn = pfn_of(AT);
	char *p = OK(mremap(AT, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_NE(p, AT);
	EXPECT_TRUE(numbered(p, 1, 2));
	EXPECT_EQ(pfn_of(p), pfn);		/* moved, not copied */
	EXPECT_EQ(p[7 * PAGE], 0);
	EXPECT_EQ(count_maps(AT, 4 * PAGE), 0);
}

TEST(mremap_fixed)
{
	fixed(AT, 4 * PAGE, RW);
	number(AT, 4);
	char *to = fixed(AT + 100 * PAGE, 8 * PAGE, RW);
	memset(to, 'x', 8 * PAGE);
	EXPECT_EQ(mremap(AT, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	EXPECT_TRUE(numbered(to, 1, 4));
	EXPECT_EQ(to[4 * PAGE], 'x');
	EXPECT_EQ(count_maps(AT, 4 * PAGE), 0);
}

/* Memory with pages, moved back between neighbours that were never touched, becomes one mapping with them. */
TEST(mremap_back_merges_with_untouched_neighbours)
{
	char *away = AT + 100 * PAGE, *middle = AT + 3 * PAGE;
	for (int around = 1; around < 4; around++) {
		fixed(middle, 3 * PAGE, RW);
		number(middle, 3);
		EXPECT_EQ(mremap(middle, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away), away);
		munmap(AT, 9 * PAGE);
		if (around & 1)
			fixed(AT, 3 * PAGE, RW);
		if (around & 2)
			fixed(AT + 6 * PAGE, 3 * PAGE, RW);
		EXPECT_EQ(mremap(away, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, middle), middle);
		int maps = count_maps(AT, 9 * PAGE);
		if (maps > 1 && !ktap_is_quire())
			SKIP("Linux before 6.16 keeps them apart");
		EXPECT_EQ(maps, 1);
		EXPECT_TRUE(numbered(middle, 1, 3));
		/* The neighbour has become part of it: it can be cut, written to and shared like the rest. */
		(around & 1 ? AT : AT + 6 * PAGE)[0] = 'n';
		pid_t pid = ktap_fork();
		if (!pid) {
			EXPECT_TRUE(numbered(middle, 1, 3));
			number(middle, 2);
			ktap_exit();
		}
		EXPECT_CHILD(pid);
		munmap(middle + PAGE, PAGE);
		EXPECT_TRUE(numbered(middle, 1, 1));
		munmap(AT, 9 * PAGE);
	}
}

TEST(mremap_of_the_middle)
{
	fixed(AT, 6 * PAGE, RW);
	number(AT, 6);
	char *p = OK(mremap(AT + 2 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE));
	EXPECT_TRUE(numbered(p, 3, 2));
	EXPECT_TRUE(numbered(AT, 1, 2));
	EXPECT_TRUE(numbered(AT + 4 * PAGE, 5, 2));
	EXPECT_EQ(count_maps(AT, 6 * PAGE), 2);
}

TEST(mremap_errors)
{
	fixed(AT, 4 * PAGE, RW);
	EXPECT_ERR(mremap(AT + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EINVAL);
	EXPECT_ERR(mremap(AT, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
	EXPECT_ERR(mremap(AT, PAGE, PAGE, 0x100), EINVAL);
	EXPECT_ERR(mremap(AT, 2 * PAGE, 2 * PAGE, MREMAP_FIXED, AT + 100 * PAGE), EINVAL);
	EXPECT_ERR(mremap(AT, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, AT + PAGE), EINVAL);
	EXPECT_ERR(mremap(AT, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, AT + 100 * PAGE + 1), EINVAL);
	EXPECT_ERR(mremap(AT + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	EXPECT_ERR(mremap(AT, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE), EFAULT);
	EXPECT_ERR(mremap(AT, 0, PAGE, MREMAP_MAYMOVE), EINVAL);	/* only shared mappings can be doubled */
}

TEST(mremap_zero_length_doubles_a_shared_mapping)
{
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	number(p, 2);
	char *q = OK(mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_TRUE(numbered(q, 1, 2));
	q[0] = 'z';
	EXPECT_EQ(p[0], 'z');
}

TEST(mremap_zero_length_onto_itself)
{
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	EXPECT_ERR(mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EFAULT);
	/* Linux takes the address for the error that it looks like: 512. */
	EXPECT_EQ(mmap((void *)-512L, PAGE, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
}

TEST(mremap_dontunmap)
{
	fixed(AT, 2 * PAGE, RW);
	number(AT, 2);
	char *q = mremap(AT, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_TRUE(numbered(q, 1, 2));
	EXPECT_EQ(AT[0], 0);
	EXPECT_EQ(AT[PAGE], 0);
}

/* musl finds the size of the main stack so: ENOMEM while the page is mapped, EFAULT at the first hole. */
TEST(mremap_probe_of_the_stack)
{
	uintptr_t p = (uintptr_t)__builtin_frame_address(0) & -PAGE;
	int steps = 0;
	while (mremap((void *)p, PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == ENOMEM && steps++ < 100000)
		p -= PAGE;
	EXPECT_EQ(errno, EFAULT);
	EXPECT_GT(steps, 0);
	EXPECT_LT(steps, 100000);
}

TEST(brk_moves_to_the_byte)
{
	uintptr_t start = syscall(SYS_brk, 0);
	EXPECT_EQ(syscall(SYS_brk, start + 5001), start + 5001);
	char *p = (char *)start;
	p[5000] = 1;
	EXPECT_EQ(syscall(SYS_brk, 0), start + 5001);
	/* Impossible values change nothing and return the old break. */
	EXPECT_EQ(syscall(SYS_brk, 1), start + 5001);
	EXPECT_EQ(syscall(SYS_brk, 1ul << 47), start + 5001);
	EXPECT_EQ(syscall(SYS_brk, start), start);
	EXPECT_EQ(syscall(SYS_brk, start + 20 * PAGE), start + 20 * PAGE);
	EXPECT_EQ(p[5000], 0);		/* the page went away in between */
}

TEST(brk_stops_at_a_mapping)
{
	uintptr_t start = syscall(SYS_brk, 0);
	start = syscall(SYS_brk, (start + PAGE - 1) & -PAGE);
	fixed((char *)start + 4 * PAGE, PAGE, PROT_NONE);
	EXPECT_EQ(syscall(SYS_brk, start + 8 * PAGE), start);
	EXPECT_EQ(syscall(SYS_brk, start + 2 * PAGE), start + 2 * PAGE);
}

TEST(heap_start_covered_by_prot_none_still_grows)
{
	uintptr_t start = ((uintptr_t)syscall(SYS_brk, 0) + PAGE - 1) & -PAGE;
	EXPECT_EQ(syscall(SYS_brk, start + 2 * PAGE), start + 2 * PAGE);
	fixed((char *)start, PAGE, PROT_NONE);
	EXPECT_EQ(syscall(SYS_brk, start + 6 * PAGE), start + 6 * PAGE);
	((char *)start)[5 * PAGE] = 1;
}

TEST(data_limit_stops_brk)
{
	uintptr_t start = syscall(SYS_brk, 0);
	struct rlimit r = { 1 << 20, 1 << 20 };
	OK(setrlimit(RLIMIT_DATA, &r));
	EXPECT_EQ(syscall(SYS_brk, start + (4 << 20)), start);
}

TEST(address_space_limit)
{
	struct rlimit r = { 64 << 20, 64 << 20 };
	OK(setrlimit(RLIMIT_AS, &r));
	EXPECT_ERR(mmap(NULL, 100 << 20, RW, PA, -1, 0), ENOMEM);
	EXPECT_NE(mmap(NULL, 1 << 20, RW, PA, -1, 0), MAP_FAILED);
}

TEST(file_mapping_shows_offset_and_zero_tail)
{
	int fd = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	char text[PAGE + 100];
	struct map_line m;
	memset(text, 'f', sizeof(text));
	OK(write(fd, text, sizeof(text)));
	char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE));
	EXPECT_EQ(p[99], 'f');
	EXPECT_EQ(p[100], 0);
	EXPECT_TRUE(find_map(p, &m));
	EXPECT_EQ(m.offset, PAGE);
	EXPECT_NE(m.inode, 0);
	close(fd);
	EXPECT_EQ(p[0], 'f');
}

TEST(populate_maps_at_once)
{
	char *p = OK(mmap(NULL, 8 * PAGE, RW, PA | MAP_POPULATE, -1, 0));
	for (int i = 0; i < 8; i++)
		EXPECT_TRUE(is_present(p + i * PAGE));
}

TEST(huge_reservation_costs_nothing)
{
	long free_kb = ktap_number("/proc/meminfo", "MemFree");
	for (int i = 0; i < 64; i++)
		OK(mmap(NULL, 128 << 20, PROT_NONE, PA | MAP_NORESERVE, -1, 0));
	EXPECT_GE(ktap_number("/proc/meminfo", "MemFree"), free_kb - 4096);
}

TEST(unreasonable_mapping_is_refused)
{
	EXPECT_ERR(mmap(NULL, 1ul << 45, RW, PA, -1, 0), ENOMEM);
	EXPECT_NE(mmap(NULL, 1ul << 45, RW, PA | MAP_NORESERVE, -1, 0), MAP_FAILED);
}

TEST(many_areas_stay_in_order)
{
	enum { N = 2000 };
	char *p = OK(mmap(NULL, 2 * N * PAGE, PROT_NONE, PA | MAP_NORESERVE, -1, 0));
	for (int i = 0; i < N; i++)
		ASSERT_EQ(mprotect(p + 2 * i * PAGE, PAGE, RW), 0);
	EXPECT_EQ(count_maps(p + (N - 50) * PAGE, 50 * PAGE), 50);
	for (int i = 0; i < N; i++)
		p[2 * i * PAGE] = i;
	for (int i = 0; i < N; i++)
		ASSERT_EQ(p[2 * i * PAGE], (char)i);
	OK(munmap(p, 2 * N * PAGE));
	EXPECT_EQ(count_maps(p, 2 * N * PAGE), 0);
}

/* vm.max_map_count: the 65,531st mapping is one too many; a split that would need one is refused, too. */
TEST_SLOW(as_many_areas_as_allowed)
{
	long limit = ktap_number("/proc/sys/vm/max_map_count", "") > 0 ? 0 : atol(ktap_read("/proc/sys/vm/max_map_count"));
	if (limit != 65530)
		SKIP("another max_map_count");
	char *p = OK(mmap(NULL, 140000 * PAGE, PROT_NONE, PA | MAP_NORESERVE, -1, 0));
	long made = 0;
	while (made < 70000 && !mprotect(p + 2 * made * PAGE, PAGE, PROT_READ))
		made++;
	EXPECT_EQ(errno, ENOMEM);
	/* Two areas per step, and some for program, stack and the like. */
	EXPECT_GE(made, 32700);
	EXPECT_LE(made, 32765);
	EXPECT_EQ(touch_signal(p + (made - 1) * 2 * PAGE, false), 0);
	OK(munmap(p, 140000 * PAGE));
	EXPECT_NE(mmap(NULL, PAGE, RW, PA, -1, 0), MAP_FAILED);
}

/* Random maps and unmaps against a model of which page holds which byte. */
TEST(random_operations_match_a_model)
{
	enum { N = 64 };
	short model[N];			/* -1 not mapped, else the byte */
	char *const base = AT + (1ul << 30);
	for (int i = 0; i < N; i++)
		model[i] = -1;
	for (long step = 0; step < ktap_scale(3000); step++) {
		int at = ktap_random() % N, n = 1 + ktap_random() % (N - at < 8 ? N - at : 8), byte = ktap_random() % 100 + 1;
		char *p = base + at * PAGE;
		switch (ktap_random() % 4) {
		case 0:
			fixed(p, n * PAGE, RW);
			for (int i = at; i < at + n; i++)
				model[i] = 0;
			break;
		case 1:
			OK(munmap(p, n * PAGE));
			for (int i = at; i < at + n; i++)
				model[i] = -1;
			break;
		case 2:
			if (model[at] >= 0)
				model[at] = *p = byte;
			break;
		case 3:
			/* Move one page; the model follows. */
			if (model[at] >= 0 && at >= 1) {
				int to = ktap_random() % at;
				ASSERT_EQ(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + to * PAGE),
					  base + to * PAGE);
				model[to] = model[at];
				model[at] = -1;
			}
		}
	}
	for (int i = 0; i < N; i++) {
		unsigned char in_core;
		int mapped = mincore(base + i * PAGE, PAGE, &in_core) == 0;
		ASSERT_EQ(mapped, model[i] >= 0);
		if (mapped)
			ASSERT_EQ(base[i * PAGE], model[i]);
	}
}
