/* tests/user/procmem.c - the numbers of /proc: each one moves with its cause, and back. */
#include "tests/user/pages.h"

#define RW (PROT_READ | PROT_WRITE)
#define MIB (1 << 20)

static long meminfo(const char *name) { return ktap_number("/proc/meminfo", name); }
/* A number that a per-CPU cache may hold back a little; in kB. */
#define SLACK 1500

TEST(status_follows_mapping_and_touching)
{
	long size = status_kb("VmSize"), rss = status_kb("VmRSS"), data = status_kb("VmData");
	char *p = anon(16 * MIB);
	EXPECT_EQ(status_kb("VmSize"), size + 16384);
	EXPECT_GE(status_kb("VmData"), data + 16384);
	EXPECT_LE(status_kb("VmRSS"), rss + 400);
	memset(p, 1, 8 * MIB);
	EXPECT_GE(status_kb("VmRSS"), rss + 8192 - 300);
	EXPECT_LE(status_kb("VmRSS"), rss + 8192 + 600);
	EXPECT_EQ(status_kb("VmRSS"), status_kb("RssAnon") + status_kb("RssFile") + status_kb("RssShmem"));
	OK(munmap(p, 16 * MIB));
	EXPECT_EQ(status_kb("VmSize"), size);
	EXPECT_GE(status_kb("VmPeak"), size + 16384);
	EXPECT_GE(status_kb("VmHWM"), rss + 8192 - 300);
	EXPECT_LE(status_kb("VmRSS"), rss + 600);
}

TEST(page_tables_are_counted)
{
	long pte = status_kb("VmPTE"), all = meminfo("PageTables");
	char *p = OK(mmap(NULL, 512l * MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	madvise(p, 512l * MIB, 15);
	for (int i = 0; i < 256; i++)
		p[i * 2l * MIB] = 1;
	EXPECT_GE(status_kb("VmPTE"), pte + 1000);
	EXPECT_GE(meminfo("PageTables"), all + 900);
	OK(munmap(p, 512l * MIB));
	EXPECT_LE(status_kb("VmPTE"), pte + 16);
}

TEST(statm_agrees_with_status)
{
	long size, resident, shared, text, lib, data;
	EXPECT_EQ(sscanf(ktap_read("/proc/self/statm"), "%ld %ld %ld %ld %ld %ld", &size, &resident, &shared, &text, &lib, &data), 6);
	EXPECT_EQ(size * 4, status_kb("VmSize"));
	EXPECT_GE(resident, shared);
	EXPECT_EQ(lib, 0);
	EXPECT_GT(text, 0);
	EXPECT_GT(data, 0);
}

TEST(stat_has_52_fields)
{
	char *text = ktap_read("/proc/self/stat"), *p = strrchr(text, ')');
	int fields = 2;
	long vsize = 0, rss = 0, minflt = 0;
	EXPECT_EQ(atoi(text), getpid());
	EXPECT_TRUE(strstr(text, "(procmem)") != NULL);
	for (char *word = strtok(p + 1, " \n"); word; word = strtok(NULL, " \n")) {
		fields++;
		if (fields == 3)
			EXPECT_EQ(*word, 'R');
		if (fields == 4)
			EXPECT_EQ(atoi(word), getppid());
		if (fields == 10)
			minflt = atol(word);
		if (fields == 23)
			vsize = atol(word);
		if (fields == 24)
			rss = atol(word);
	}
	EXPECT_EQ(fields, 52);
	EXPECT_EQ(vsize, status_kb("VmSize") * 1024);
	EXPECT_GT(rss, 0);
	EXPECT_GT(minflt, 0);
}

TEST(smaps_of_a_mapping)
{
	char *p = anon(16 * PAGE);
	for (int i = 0; i < 5; i++)
		p[i * PAGE] = 1;
	EXPECT_EQ(smaps_kb(p, "Size"), 64);
	EXPECT_EQ(smaps_kb(p, "KernelPageSize"), 4);
	EXPECT_EQ(smaps_kb(p, "Rss"), 20);
	EXPECT_EQ(smaps_kb(p, "Pss"), 20);
	EXPECT_EQ(smaps_kb(p, "Private_Dirty"), 20);
	EXPECT_EQ(smaps_kb(p, "Shared_Dirty") + smaps_kb(p, "Shared_Clean"), 0);
	EXPECT_EQ(smaps_kb(p, "Anonymous"), 20);
	EXPECT_EQ(smaps_kb(p, "Swap"), 0);
	EXPECT_EQ(smaps_kb(p, "Locked"), 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(smaps_kb(p, "Rss"), 20);
		EXPECT_EQ(smaps_kb(p, "Pss"), 10);
		EXPECT_EQ(smaps_kb(p, "Private_Dirty"), 0);
		EXPECT_EQ(smaps_kb(p, "Shared_Dirty"), 20);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(smaps_referenced_and_clear_refs)
{
	char *p = anon(8 * PAGE);
	memset(p, 1, 8 * PAGE);
	EXPECT_EQ(smaps_kb(p, "Referenced"), 32);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	EXPECT_EQ(smaps_kb(p, "Referenced"), 0);
	/* The young bit may come back only after a TLB flush: fork makes one. */
	pid_t pid = ktap_fork();
	if (!pid)
		_exit(0);
	EXPECT_CHILD(pid);
	(void)*(volatile char *)p;
	EXPECT_EQ(smaps_kb(p, "Referenced"), 4);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "4"), 0);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "6"), EINVAL);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "x"), EINVAL);
}

TEST(smaps_vmflags)
{
	char *p = anon(PAGE), *text, *flags, want[40];
	snprintf(want, sizeof(want), "%lx-", (unsigned long)p);
	text = strstr(ktap_read("/proc/self/smaps"), want);
	ASSERT_TRUE(text);
	flags = strstr(text, "VmFlags: ");
	ASSERT_TRUE(flags);
	EXPECT_EQ(strncmp(flags, "VmFlags: rd wr mr mw me ", 24), 0);
	EXPECT_EQ(strcspn(strstr(text, "Rss:"), "0123456789"), strlen("Rss:                   "));
}

TEST(smaps_rollup_sums)
{
	char *text = ktap_read("/proc/self/smaps_rollup");
	EXPECT_TRUE(strstr(text, "[rollup]") != NULL);
	long rss = ktap_number("/proc/self/smaps_rollup", "Rss");
	EXPECT_LE(labs(rss - status_kb("VmRSS")), 400);
	EXPECT_GT(ktap_number("/proc/self/smaps_rollup", "Pss"), 0);
}

TEST(pagemap_entries)
{
	char *p = anon(4 * PAGE);
	uint64_t e[4];
	p[0] = 1;
	(void)*(volatile char *)(p + PAGE);
	EXPECT_TRUE(pagemap(p) & PM_PRESENT);
	EXPECT_TRUE(pagemap(p) & PM_EXCLUSIVE);
	EXPECT_EQ(pagemap(p) & (PM_SWAPPED | PM_FILE), 0);
	EXPECT_EQ(pagemap(p + 2 * PAGE) & ~PM_SOFT_DIRTY, 0);
	int fd = OK(open("/proc/self/pagemap", O_RDONLY));
	EXPECT_EQ(pread(fd, e, 32, (uintptr_t)p / PAGE * 8), 32);
	EXPECT_EQ(e[3] & ~PM_SOFT_DIRTY, 0);
	EXPECT_EQ(pread(fd, e, 8, (1ul << 47) / PAGE * 8), 0);
	EXPECT_ERR(pread(fd, e, 8, 3), EINVAL);
	EXPECT_ERR(pread(fd, e, 7, 0), EINVAL);
}

TEST(pagemap_hides_frames_from_ordinary_users)
{
	char *p = anon(PAGE);
	p[0] = 1;
	pid_t pid = ktap_fork();
	if (!pid) {
		OK(setgid(65534));
		OK(setuid(65534));
		p[0] = 2;
		int fd = open("/proc/self/pagemap", O_RDONLY);
		uint64_t e = 0;
		/* setuid may take the file away as well; if it opens, the number is not in it. */
		if (fd >= 0 && pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) == 8)
			EXPECT_EQ(PM_PFN(e), 0);
		EXPECT_ERR(open("/proc/kpagecount", O_RDONLY), EACCES);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
}

TEST(kpageflags_tell_the_use)
{
	char *p = anon(2 * PAGE);
	p[0] = 1;
	EXPECT_TRUE(has_flag(p, KPF_ANON));
	EXPECT_TRUE(has_flag(p, KPF_MMAP));
	EXPECT_TRUE(has_flag(p, KPF_SWAPBACKED));
	EXPECT_TRUE(!has_flag(p, KPF_SLAB));
	EXPECT_TRUE(!has_flag(p, KPF_BUDDY));
	char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	s[0] = 1;
	EXPECT_TRUE(has_flag(s, KPF_MMAP));
	EXPECT_TRUE(!has_flag(s, KPF_ANON));
	uint64_t pfn = pfn_of(p);
	OK(munmap(p, 2 * PAGE));
	EXPECT_TRUE(ktap_until(!(kpageflags(pfn) >> KPF_MMAP & 1)));
	EXPECT_EQ(kpagecount(pfn), 0);
}

TEST(meminfo_follows_anonymous_memory)
{
	long free_kb = meminfo("MemFree"), anon_kb = meminfo("AnonPages");
	EXPECT_GT(meminfo("MemTotal"), free_kb);
	EXPECT_GT(meminfo("MemAvailable"), 0);
	size_t n = free_kb > 200000 ? 64 * MIB : 16 * MIB;
	long kb = n / 1024;
	char *p = anon(n);
	memset(p, 1, n);
	/* Linux keeps up to some MiB in per-CPU lists. */
	EXPECT_LE(meminfo("MemFree"), free_kb - kb * 3 / 4);
	EXPECT_GE(meminfo("AnonPages"), anon_kb + kb - SLACK);
	OK(munmap(p, n));
	EXPECT_TRUE(ktap_until(meminfo("AnonPages") < anon_kb + SLACK));
	free_kb = meminfo("MemFree");
	for (int i = 0; i < 3; i++) {
		p = anon(n);
		memset(p, 1, n);
		OK(munmap(p, n));
	}
	EXPECT_TRUE(ktap_until(meminfo("MemFree") > free_kb - kb / 4));
}

TEST(committed_memory_follows_mappings)
{
	long before = meminfo("Committed_AS");
	char *p = anon(64 * MIB);
	EXPECT_GE(meminfo("Committed_AS"), before + 65536 - SLACK);
	OK(munmap(p, 64 * MIB));
	EXPECT_LE(meminfo("Committed_AS"), before + SLACK);
}

TEST(vmstat_counts_faults_and_pages)
{
	long faults = vmstat("pgfault"), pages = vmstat("nr_anon_pages"), alloc = vmstat("pgalloc_normal") + vmstat("pgalloc_dma32");
	char *p = anon(4 * MIB);
	memset(p, 1, 4 * MIB);
	EXPECT_GE(vmstat("pgfault"), faults + 1024);
	EXPECT_GE(vmstat("nr_anon_pages"), pages + 1024 - 300);
	EXPECT_GE(vmstat("pgalloc_normal") + vmstat("pgalloc_dma32"), alloc + 900);
	long freed = vmstat("pgfree");
	OK(munmap(p, 4 * MIB));
	EXPECT_TRUE(ktap_until(vmstat("pgfree") >= freed + 700));
	EXPECT_GT(vmstat("nr_free_pages"), 0);
}

TEST(buddyinfo_sums_to_about_the_free_memory)
{
	long sum = 0, count;
	int n, zones = 0;
	char zone[20];
	for (char *line = ktap_read("/proc/buddyinfo"); *line; line = strchr(line, '\n') + 1) {
		EXPECT_EQ(sscanf(line, "Node 0, zone %19s%n", zone, &n), 1);
		char *p = line + n;
		for (int order = 0; order < 11; order++) {
			int used;
			EXPECT_EQ(sscanf(p, "%ld%n", &count, &used), 1);
			p += used;
			sum += count << order;
		}
		zones++;
	}
	EXPECT_GT(zones, 0);
	long pages = meminfo("MemFree") / 4;
	EXPECT_LE(sum, pages + 2000);
	EXPECT_GE(sum, pages - 6000);
}

TEST(maps_survives_small_reads_while_it_changes)
{
	int fd = OK(open("/proc/self/maps", O_RDONLY));
	char text[200];
	static char all[100000];
	size_t n = 0;
	ssize_t got;
	char *p = OK(mmap(NULL, 400 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (int i = 0; i < 100; i++)
		OK(mprotect(p + i * 4 * PAGE, PAGE, RW));
	while ((got = read(fd, text, sizeof(text))) > 0) {
		if (n + got < sizeof(all))
			memcpy(all + n, text, got);
		n += got;
		OK(munmap(OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), PAGE));
	}
	unsigned long start, end, last = 0;
	int lines = 0;
	for (char *line = all; *line; line = strchr(line, '\n') + 1) {
		ASSERT_EQ(sscanf(line, "%lx-%lx ", &start, &end), 2);
		EXPECT_GE(start, last);
		last = end;
		lines++;
	}
	EXPECT_GE(lines, 200);
}

TEST(proc_mem_reads_and_says_eio_on_holes)
{
	char *p = anon(PAGE), text[6] = "";
	strcpy(p, "proc");
	int fd = OK(open("/proc/self/mem", O_RDWR));
	EXPECT_EQ(pread(fd, text, 5, (uintptr_t)p), 5);
	EXPECT_STR(text, "proc");
	EXPECT_EQ(pwrite(fd, "PROC", 4, (uintptr_t)p), 4);
	EXPECT_STR(p, "PROC");
	OK(munmap(p, PAGE));
	EXPECT_ERR(pread(fd, text, 5, (uintptr_t)p), EIO);
}

TEST(another_process_is_visible)
{
	char path[50], *text;
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	EXPECT_EQ(ktap_number(path, "PPid"), getpid());
	EXPECT_TRUE(ktap_until(strstr(ktap_read(path), "State:\tS (sleeping)")));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	text = ktap_read(path);
	EXPECT_TRUE(text && strstr(text, "[stack]"));
	kill(pid, SIGKILL);
	siginfo_t info;
	OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_STR(ktap_read(path), "");
	EXPECT_STATUS(pid, SIGKILL);
	EXPECT_TRUE(ktap_read(path) == NULL);
}

TEST(whole_machine_files_parse)
{
	double up, idle, load;
	EXPECT_EQ(sscanf(ktap_read("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	EXPECT_EQ(sscanf(ktap_read("/proc/loadavg"), "%lf", &load), 1);
	long user, rest[9];
	EXPECT_EQ(sscanf(ktap_read("/proc/stat"), "cpu %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", &user, rest, rest + 1, rest + 2,
			 rest + 3, rest + 4, rest + 5, rest + 6, rest + 7, rest + 8), 10);
	EXPECT_GT(ktap_number("/proc/stat", "ctxt"), 0);
	EXPECT_GT(ktap_number("/proc/stat", "processes"), 0);
	EXPECT_EQ(strncmp(ktap_read("/proc/version"), "Linux version ", 14), 0);
	EXPECT_TRUE(strstr(ktap_read("/proc/cpuinfo"), "processor\t: 0\n") != NULL);
	EXPECT_TRUE(strstr(ktap_read("/proc/filesystems"), "tmpfs") != NULL);
	EXPECT_TRUE(strstr(ktap_read("/proc/mounts"), "proc /proc proc ") != NULL);
	EXPECT_STR(ktap_read("/proc/sys/kernel/ostype"), "Linux\n");
}
