/*
 * tests/user/thp_sysfs.c - /sys/kernel/mm/transparent_hugepage: what its files show and take (ABI-5..8,
 * T-SHR-8), what the policies allow (MTHP-2, ABI-14), prctl (ABI-23), the boot words (ABI-26), and the
 * names in /proc/vmstat (ABI-2).
 */
#define KTAP_KHUGEPAGED_IS_OURS
#include "tests/user/thp.h"
#include <ctype.h>

#define KEEP_BUFFER 200

/* The whole of the file below THP_DIR. */
static const char *show(const char *file)
{
	char *text = ktap_read(thp_text(THP_DIR "/%s", file));
	return text ? text : "(no file)";
}
/* Its value: the word in brackets, or the line. */
static const char *value(const char *file)
{
	static char word[KEEP_BUFFER];
	const char *text = show(file), *mark = strchr(text, '[');
	size_t n = mark ? strcspn(++mark, "]") : strcspn(mark = text, "\n");
	snprintf(word, sizeof(word), "%.*s", (int)n, mark);
	return word;
}
/* Write N bytes, whatever they are: 0, or the errno. */
static int put(const char *file, const char *bytes, size_t n)
{
	int fd = OK(open(thp_text(THP_DIR "/%s", file), O_WRONLY | O_CLOEXEC)), error = 0;
	ssize_t done = write(fd, bytes, n);
	if (done < 0)
		error = errno;
	else
		EXPECT_EQ(done, n);
	close(fd);
	return error;
}
static int put_text(const char *file, const char *text) { return put(file, text, strlen(text)); }
static bool has(const char *file) { return access(thp_text(THP_DIR "/%s", file), F_OK) == 0; }

/* ---- Boot words (ABI-26) ---- */

#define BOOT_LIST "thp_anon=16K-64K:always;128K,512K:inherit;2M:never"

/*
 * First, before the knobs are changed. By hand: make check TEST=thp_sysfs:boot_words_set_the_policies
 * APPEND="..." with transparent_hugepage=madvise and this list.
 */
TEST(boot_words_set_the_policies)
{
	char *words = ktap_read("/proc/cmdline");
	thp_need();
	thp_need_sizes();
	if (!strstr(words, "transparent_hugepage=madvise") || !strstr(words, BOOT_LIST))
		SKIP("needs transparent_hugepage=madvise " BOOT_LIST);
	EXPECT_STR(value("enabled"), "madvise");
	EXPECT_STR(value("hugepages-16kB/enabled"), "always");
	EXPECT_STR(value("hugepages-32kB/enabled"), "always");
	EXPECT_STR(value("hugepages-64kB/enabled"), "always");
	EXPECT_STR(value("hugepages-128kB/enabled"), "inherit");
	EXPECT_STR(value("hugepages-256kB/enabled"), "never");
	EXPECT_STR(value("hugepages-512kB/enabled"), "inherit");
	EXPECT_STR(value("hugepages-1024kB/enabled"), "never");
	EXPECT_STR(value("hugepages-2048kB/enabled"), "never");
}

/* ---- Defaults ---- */

/* Nothing in this file has changed them yet. */
TEST(defaults)
{
	thp_need();
	if (!ktap_is_quire())
		SKIP("a choice of the build");
	char *words = ktap_read("/proc/cmdline");
	if (strstr(words, "transparent_hugepage=") || strstr(words, "thp_anon="))
		SKIP("boot words set something else");
	EXPECT_STR(show("enabled"), "[always] madvise never\n");
	EXPECT_STR(show("defrag"), "always defer defer+madvise [madvise] never\n");
	EXPECT_STR(show("shmem_enabled"), "always within_size advise [never] deny force\n");
	EXPECT_STR(show("use_zero_page"), "1\n");
	EXPECT_STR(show("shrink_underused"), "1\n");
	for (int kb = 16; kb < 2048; kb *= 2)
		EXPECT_STR(show(thp_text("hugepages-%dkB/enabled", kb)), "always inherit madvise [never]\n");
	EXPECT_STR(show("hugepages-2048kB/enabled"), "always [inherit] madvise never\n");
	EXPECT_STR(show("khugepaged/defrag"), "1\n");
	EXPECT_STR(show("khugepaged/pages_to_scan"), "4096\n");
	EXPECT_STR(show("khugepaged/scan_sleep_millisecs"), "10000\n");
	EXPECT_STR(show("khugepaged/alloc_sleep_millisecs"), "60000\n");
	EXPECT_STR(show("khugepaged/max_ptes_none"), "511\n");
	EXPECT_STR(show("khugepaged/max_ptes_swap"), "64\n");
	EXPECT_STR(show("khugepaged/max_ptes_shared"), "256\n");
}

TEST(sizes_are_those_of_anonymous_memory)
{
	thp_need();
	thp_need_sizes();
	for (int kb = 4; kb <= 4096; kb *= 2) {
		bool anon_size = kb >= 16 && kb <= 2048;
		EXPECT_EQ(has(thp_text("hugepages-%dkB/enabled", kb)), anon_size);
	}
}

TEST(pmd_size_is_2_mib_and_read_only)
{
	thp_need();
	EXPECT_STR(show("hpage_pmd_size"), "2097152\n");
	EXPECT_NE(ktap_write(THP_DIR "/hpage_pmd_size", "4096"), 0);
	EXPECT_STR(show("hpage_pmd_size"), "2097152\n");
}

/* ---- What is taken ---- */

/* Each of WORDS is taken with and without a newline or a NUL behind it, and is then the one in brackets. */
static void takes_words(const char *name, const char *const *words)
{
	char file[KEEP_BUFFER], kept[KEEP_BUFFER], text[KEEP_BUFFER], all[KEEP_BUFFER] = "";

	snprintf(file, sizeof(file), "%s", name);
	snprintf(kept, sizeof(kept), "%s", value(file));
	for (int i = 0; words[i]; i++) {
		const char *w = words[i], *other = words[i ? 0 : 1];
		for (int form = 0; form < 4; form++) {
			/* Linux wants no NUL behind the newline in this one file. */
			if (form == 3 && !strcmp(file, "shmem_enabled"))
				continue;
			snprintf(text, sizeof(text), form / 2 ? "%s\n" : "%s", w);
			EXPECT_EQ(put_text(file, other), 0);
			EXPECT_EQ(put(file, text, strlen(text) + form % 2), 0);
			EXPECT_STR(value(file), w);
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), i ? " %s" : "%s", w);
	}
	/* All words are shown, in this order. */
	EXPECT_EQ(put_text(file, words[0]), 0);
	EXPECT_STR(show(file), thp_text("[%s]%s\n", words[0], all + strlen(words[0])));
	/* A write of nothing, and writes of nonsense. */
	EXPECT_EQ(put(file, "", 0), 0);
	EXPECT_STR(value(file), words[0]);
	static const char *const bad[] = {
		"\n", "x", "alway", "alwaysx", "always\n\n", " always", "always ", "Always", "[never]",
		"always madvise", "1",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(put_text(file, bad[i]), EINVAL);
		EXPECT_STR(value(file), words[0]);
	}
	EXPECT_EQ(put(file, "\0always", 7), EINVAL);
	EXPECT_EQ(put_text(file, kept), 0);
	EXPECT_STR(value(file), kept);
}

TEST(words_of_enabled)
{
	thp_need();
	takes_words("enabled", (const char *const[]){ "always", "madvise", "never", NULL });
}

TEST(words_of_defrag)
{
	thp_need();
	takes_words("defrag",
		    (const char *const[]){ "always", "defer", "defer+madvise", "madvise", "never", NULL });
}

TEST(words_of_shmem_enabled)
{
	thp_need();
	if (!has("shmem_enabled"))
		SKIP("no shmem_enabled");
	takes_words("shmem_enabled", (const char *const[]){ "always", "within_size", "advise", "never", "deny",
							    "force", NULL });
}

TEST(words_of_each_size)
{
	thp_need();
	thp_need_sizes();
	for (int kb = 16; kb <= 2048; kb *= 2)
		takes_words(thp_text("hugepages-%dkB/enabled", kb),
			    (const char *const[]){ "always", "inherit", "madvise", "never", NULL });
}

/*
 * LOW and HIGH are taken in all forms, what lies outside and what is
 * no number is EINVAL and changes nothing.
 */
static void takes_numbers(const char *file, unsigned long low, unsigned long high)
{
	char kept[KEEP_BUFFER], text[KEEP_BUFFER];

	snprintf(kept, sizeof(kept), "%s", value(file));
	for (int form = 0; form < 4; form++) {
		for (int i = 0; i < 2; i++) {
			unsigned long v = i ? high : low;
			snprintf(text, sizeof(text), form / 2 ? "%lu\n" : "%lu", v);
			EXPECT_EQ(put(file, text, strlen(text) + form % 2), 0);
			EXPECT_STR(value(file), thp_text("%lu", v));
		}
	}
	EXPECT_EQ(put(file, "", 0), 0);
	static const char *const bad[] = { "-1", "abc", "\n", " ", "1x", "0x1", "1 2", "1\n\n" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(put_text(file, bad[i]), EINVAL);
	EXPECT_EQ(put(file, "\0" "1", 2), EINVAL);
	EXPECT_EQ(put_text(file, thp_text("%lu", high + 1)), EINVAL);
	if (low)
		EXPECT_EQ(put_text(file, thp_text("%lu", low - 1)), EINVAL);
	EXPECT_STR(value(file), thp_text("%lu", high));
	EXPECT_EQ(put_text(file, kept), 0);
	EXPECT_STR(value(file), kept);
}

TEST(flags_are_0_or_1)
{
	thp_need();
	takes_numbers("use_zero_page", 0, 1);
	takes_numbers("khugepaged/defrag", 0, 1);
	EXPECT_EQ(put_text("use_zero_page", "4294967296"), EINVAL);
	EXPECT_EQ(put_text("use_zero_page", "18446744073709551616"), ERANGE);
	EXPECT_EQ(put_text("khugepaged/max_ptes_none", "18446744073709551616"), EINVAL);
	EXPECT_EQ(put_text("khugepaged/pages_to_scan", "18446744073709551616"), EINVAL);
}

/* T-SHR-8, and its two neighbours. */
TEST(max_ptes_are_0_to_511)
{
	thp_need();
	takes_numbers("khugepaged/max_ptes_shared", 0, 511);
	takes_numbers("khugepaged/max_ptes_none", 0, 511);
	takes_numbers("khugepaged/max_ptes_swap", 0, 511);
}

TEST(pace_of_khugepaged)
{
	thp_need();
	takes_numbers("khugepaged/pages_to_scan", 1, 4294967295);
	takes_numbers("khugepaged/scan_sleep_millisecs", 0, 4294967295);
	takes_numbers("khugepaged/alloc_sleep_millisecs", 0, 4294967295);
}

TEST(shrink_underused_takes_booleans)
{
	static const char *const yes[] = { "1", "y", "Y", "yes", "on", "true", "1\n" };
	static const char *const no[] = { "0", "n", "N", "no", "off", "false", "0\n" };
	static const char *const bad[] = { "\n", "2", "x", "o", "-1" };
	thp_need();
	if (!has("shrink_underused"))
		SKIP("no shrink_underused");
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		EXPECT_EQ(put_text("shrink_underused", no[i]), 0);
		EXPECT_STR(show("shrink_underused"), "0\n");
		EXPECT_EQ(put_text("shrink_underused", yes[i]), 0);
		EXPECT_STR(show("shrink_underused"), "1\n");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(put_text("shrink_underused", bad[i]), EINVAL);
	EXPECT_STR(show("shrink_underused"), "1\n");
}

TEST(what_khugepaged_did_is_read_only)
{
	static const char *const files[] = { "khugepaged/pages_collapsed", "khugepaged/full_scans" };
	thp_need();
	for (int i = 0; i < 2; i++) {
		EXPECT_GE(strtol(show(files[i]), NULL, 10), 0);
		EXPECT_NE(ktap_write(thp_text(THP_DIR "/%s", files[i]), "0"), 0);
	}
}

/* ---- Counters ---- */

TEST(each_size_has_its_counters)
{
	static const char *const names[] = {
		"anon_fault_alloc", "anon_fault_fallback", "anon_fault_fallback_charge", "swpin",
		"swpin_fallback", "swpin_fallback_charge", "swpout", "swpout_fallback", "split",
		"split_failed", "split_deferred", "nr_anon", "nr_anon_partially_mapped", "zswpout",
		"shmem_alloc", "shmem_fallback", "shmem_fallback_charge",
	};
	thp_need();
	thp_need_sizes();
	for (int kb = 16; kb <= 2048; kb *= 2)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (!has(thp_text("hugepages-%dkB/stats/%s", kb, names[i])))
				KTAP_FAIL("# %d kB has no %s", kb, names[i]);
			EXPECT_GE(thp_stat(kb, names[i]), 0);
		}
}

/* The gauge of a size follows its folios, whichever CPU frees them. */
TEST(nr_anon_follows_the_folios)
{
	thp_need();
	thp_need_sizes();
	for (int kb = 16; kb <= 2048; kb *= 2) {
		thp_only(kb, 0);
		long before = thp_stat(kb, "nr_anon"), alloc = thp_stat(kb, "anon_fault_alloc");
		char *p = thp_anon(HUGE);
		for (size_t i = 0; i < HUGE; i += PAGE)
			p[i] = 1;
		EXPECT_EQ(thp_stat(kb, "nr_anon") - before, HUGE / (kb * KB));
		EXPECT_EQ(thp_stat(kb, "anon_fault_alloc") - alloc, HUGE / (kb * KB));
		OK(munmap(p, HUGE));
		EXPECT_TRUE(ktap_until(thp_stat(kb, "nr_anon") == before));
	}
	thp_defaults();
}

/* ABI-2, in Linux's order. */
TEST(vmstat_names)
{
	static const char *const names[] = {
		"nr_free_pages", "nr_anon_pages", "nr_mapped", "nr_shmem", "nr_shmem_hugepages",
		"nr_shmem_pmdmapped", "nr_file_hugepages", "nr_file_pmdmapped",
		"nr_anon_transparent_hugepages", "nr_foll_pin_acquired", "nr_foll_pin_released",
		"pgfault", "pgreuse", "pgmigrate_success", "pgmigrate_fail", "thp_migration_success",
		"thp_migration_fail", "thp_migration_split", "thp_fault_alloc", "thp_fault_fallback",
		"thp_fault_fallback_charge", "thp_collapse_alloc", "thp_collapse_alloc_failed",
		"thp_split_page", "thp_split_page_failed", "thp_deferred_split_page", "thp_split_pmd",
		"thp_scan_exceed_none_pte", "thp_scan_exceed_swap_pte", "thp_scan_exceed_share_pte",
		"thp_zero_page_alloc", "thp_zero_page_alloc_failed", "thp_swpout", "thp_swpout_fallback",
	};
	thp_need();
	char *at = ktap_read("/proc/vmstat");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *found = strstr(at, thp_text("%s ", names[i]));
		if (!found)
			KTAP_FAIL("# no %s, or not in this order", names[i]);
		else
			at = found;
	}
	if (ktap_is_quire())	/* since 6.12 */
		EXPECT_GE(vmstat("thp_underused_split_page"), 0);
}

/* ---- What the policies allow (MTHP-2): smaps says it (ABI-14), and the fault does it ---- */

/* THPeligible of the mapping that starts at P; -1: there is none. */
static int eligible(const void *p)
{
	char *text = ktap_read("/proc/self/smaps"), *line = text;
	unsigned long start, end;
	bool here = false;

	while (line && *line) {
		if (isxdigit(*line) && !isupper(*line) && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)p;
		if (here && !strncmp(line, "THPeligible:", 12))
			return atoi(line + 12);
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return -1;
}

/* N bytes, 2 MiB aligned, that nobody has given advice for. */
static char *unadvised(size_t n)
{
	char *p = OK(mmap(NULL, n + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	char *at = (char *)(((uintptr_t)p + PAGE + HUGE - 1) & ~(HUGE - 1));
	OK(munmap(p, at - p));
	OK(munmap(at + n, p + 2 * HUGE - at));
	OK(mprotect(at, n, PROT_READ | PROT_WRITE));
	return at;
}

enum advice { NONE, HUGEPAGE, NOHUGEPAGE };
static bool allowed(const char *size, const char *global, enum advice advice)
{
	const char *word = strcmp(size, "inherit") ? size : global;
	if (advice == NOHUGEPAGE)
		return false;
	return !strcmp(word, "always") || (!strcmp(word, "madvise") && advice == HUGEPAGE);
}

/* T-MTHP-10 */
static void try_policy(int kb, const char *size, const char *global, enum advice advice)
{
	static const int advices[] = { 0, ADVISE_HUGE, ADVISE_NOHUGE };
	bool want = allowed(size, global, advice);
	char *p = unadvised(kb * KB);

	thp_knob("enabled", global);
	thp_size(kb, size);
	if (advice)
		OK(madvise(p, kb * KB, advices[advice]));
	int got = eligible(p);
	*p = 1;
	int pages = folio_pages(p);
	if (got != want || pages != (want ? kb * KB / PAGE : 1))
		KTAP_FAIL("# %d kB %s, global %s, advice %d: THPeligible %d, folio of %d pages", kb, size, global,
			  advice, got, pages);
	OK(munmap(p, kb * KB));
}

TEST(policies_of_a_size_and_globally)
{
	static const char *const sizes[] = { "always", "inherit", "madvise", "never" };
	static const char *const globals[] = { "always", "madvise", "never" };
	static const int tried[] = { 64, 2048 };
	thp_need();
	thp_need_sizes();
	thp_only(0);
	for (int k = 0; k < 2; k++) {
		for (int s = 0; s < 4; s++)
			for (int g = 0; g < 3; g++)
				for (int a = NONE; a <= NOHUGEPAGE; a++)
					try_policy(tried[k], sizes[s], globals[g], a);
		thp_only(0);
	}
	thp_defaults();
}

TEST(a_mapping_too_small_is_not_eligible)
{
	thp_need();
	thp_only(2048, 0);
	char *p = thp_anon(HUGE);
	EXPECT_EQ(eligible(p), 1);
	char *small = thp_anon_at(HUGE, HUGE, PAGE);
	EXPECT_EQ(eligible(small), 0);
	thp_size(64, "madvise");
	if (thp_has_size(64))
		EXPECT_EQ(eligible(small), 1);
	OK(munmap(small, HUGE));
	small = thp_anon_at(64 * KB, HUGE, PAGE);
	EXPECT_EQ(eligible(small), 0);
	thp_defaults();
}

/* ---- prctl (ABI-23) ---- */

#define SET_THP_DISABLE 41
#define GET_THP_DISABLE 42
static int thp_disabled(void) { return prctl(GET_THP_DISABLE, 0, 0, 0, 0); }
static bool gets_huge_page(enum advice advice)
{
	char *p = unadvised(HUGE);
	if (advice == HUGEPAGE)
		OK(madvise(p, HUGE, ADVISE_HUGE));
	int smaps = eligible(p);
	*p = 1;
	bool huge = folio_pages(p) == 512;
	EXPECT_EQ(smaps, huge);
	OK(munmap(p, HUGE));
	return huge;
}

HELPER(tell_disabled) { return thp_disabled(); }

/* What a child of a fork and a program started by exec have. */
static void inherited(int want)
{
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(thp_disabled(), want);
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	pid = ktap_fork();
	if (!pid) {
		execv("/proc/self/exe", ktap_self("tell_disabled"));
		_exit(126);
	}
	EXPECT_STATUS(pid, EXITED(want));
}

TEST(prctl_switches_a_process_off)
{
	thp_need();
	thp_size(2048, "always");
	EXPECT_EQ(thp_disabled(), 0);
	EXPECT_TRUE(gets_huge_page(NONE));
	OK(prctl(SET_THP_DISABLE, 1, 0, 0, 0));
	EXPECT_EQ(thp_disabled(), 1);
	EXPECT_TRUE(!gets_huge_page(NONE));
	EXPECT_TRUE(!gets_huge_page(HUGEPAGE));
	inherited(1);
	OK(prctl(SET_THP_DISABLE, 0, 0, 0, 0));
	EXPECT_EQ(thp_disabled(), 0);
	EXPECT_TRUE(gets_huge_page(NONE));
	inherited(0);
	thp_defaults();
}

TEST(prctl_except_advised)
{
	thp_need();
	if (prctl(SET_THP_DISABLE, 1, 2, 0, 0))
		SKIP("no PR_THP_DISABLE_EXCEPT_ADVISED");
	thp_size(2048, "always");
	EXPECT_EQ(thp_disabled(), 3);
	EXPECT_TRUE(!gets_huge_page(NONE));
	EXPECT_TRUE(gets_huge_page(HUGEPAGE));
	inherited(3);
	OK(prctl(SET_THP_DISABLE, 1, 0, 0, 0));		/* one form replaces the other */
	EXPECT_EQ(thp_disabled(), 1);
	EXPECT_TRUE(!gets_huge_page(HUGEPAGE));
	OK(prctl(SET_THP_DISABLE, 1, 2, 0, 0));
	EXPECT_EQ(thp_disabled(), 3);
	OK(prctl(SET_THP_DISABLE, 0, 0, 0, 0));
	EXPECT_EQ(thp_disabled(), 0);
	EXPECT_ERR(prctl(SET_THP_DISABLE, 0, 2, 0, 0), EINVAL);
	thp_defaults();
}

TEST(prctl_refuses_other_arguments)
{
	thp_need();
	EXPECT_ERR(prctl(SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
	EXPECT_ERR(prctl(SET_THP_DISABLE, 1, 4, 0, 0), EINVAL);
	EXPECT_ERR(prctl(SET_THP_DISABLE, 1, 0, 1, 0), EINVAL);
	EXPECT_ERR(prctl(SET_THP_DISABLE, 1, 0, 0, 1), EINVAL);
	for (int i = 0; i < 4; i++)
		EXPECT_ERR(prctl(GET_THP_DISABLE, i == 0, i == 1, i == 2, i == 3), EINVAL);
	EXPECT_EQ(thp_disabled(), 0);
}
