/*
 * tests/user/tracefs.h - what the two programs about the trace files and rings share (trace.c, trace_ring.c). Other tests
 * need trace.h only.
 */
#ifndef TESTS_USER_TRACEFS_H
#define TESTS_USER_TRACEFS_H

#include "tests/user/pages.h"
#include "tests/user/trace.h"

#define MAX_CPUS 64

/* A record of our own, by trace_marker. */
static inline void marker(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void marker(const char *format, ...)
{
	static int marker_fd = -1;
	char text[900];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (marker_fd < 0)
		marker_fd = OK(open(trace_path("trace_marker"), O_WRONLY | O_CLOEXEC));
	if (write(marker_fd, text, n) != n)
		KTAP_FAIL("# marker: %s", strerror(errno));
}
static inline int cpus(void)
{
	int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return n < MAX_CPUS ? n : MAX_CPUS;
}
static inline char *cpu_file(int cpu, const char *name)
{
	static char file[60];
	snprintf(file, sizeof(file), "per_cpu/cpu%d/%s", cpu, name);
	return file;
}
/* A number of per_cpu/cpuN/stats: "overrun: 17". */
static inline long cpu_stat(int cpu, const char *name) { return ktap_number(trace_path(cpu_file(cpu, "stats")), name); }

/* No events, empty rings of KB each, everything on. */
static inline void fresh(const char *kb)
{
	start_events("");
	EXPECT_EQ(trace_write("options/overwrite", "1"), 0);
	EXPECT_EQ(trace_write("buffer_size_kb", kb), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
}
static inline void put_back(void)
{
	stop_events();
	EXPECT_EQ(trace_write("tracing_on", "1"), 0);
	EXPECT_EQ(trace_write("options/overwrite", "1"), 0);
	EXPECT_EQ(trace_write("buffer_size_kb", "1408"), 0);
}
static inline bool file_has_line(const char *file, const char *line)
{
	char *text = trace_read_file(file);
	size_t length = strlen(line);
	bool found = false;
	for (char *at = text; *at && !found; at += strcspn(at, "\n"), at += *at == '\n')
		found = strcspn(at, "\n") == length && !strncmp(at, line, length);
	free(text);
	return found;
}
static inline bool file_is(const char *file, const char *text)
{
	char *is = trace_read_file(file);
	bool same = !strcmp(is, text);
	if (!same)
		ktap_line("# %s is \"%.300s\"", file, is);
	free(is);
	return same;
}

static inline void fault_once(void)
{
	char *p = anon(PAGE);
	*(volatile char *)p = 1;
	munmap(p, PAGE);
}

#endif
