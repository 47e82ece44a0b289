/*
 * tests/user/trace.h - what tests ask of the trace events of the kernel (/sys/kernel/tracing; mounted if need be).
 *
 *	start_events("huge_memory:*");		all others are off, what was recorded before is gone; SKIP: no such thing
 *	...
 *	read_events();				what was recorded since; once more after more has happened
 *	char *line = event_line("mm_collapse_huge_page", 0);	its first line, NULL: there is none
 *	event_number(line, "isolated")  event_word(line, "status")
 *	stop_events();				at the end: other programs would be slower
 *
 * Everybody's events are recorded, khugepaged's too; limit_events_to() says whose.
 */
#ifndef TESTS_USER_TRACE_H
#define TESTS_USER_TRACE_H

#include "tests/user/ktap.h"
#include <sys/mount.h>

/* The directory, or NULL. */
static inline const char *trace_dir(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[100];
	if (access("/sys/kernel/tracing/trace", F_OK))
		mount("tracefs", places[0], "tracefs", 0, NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/trace", places[i]);
		if (!access(path, F_OK))
			return places[i];
	}
	return NULL;
}
static inline char *trace_path(const char *file)
{
	static __thread char path[200];
	snprintf(path, sizeof(path), "%s/%s", trace_dir(), file);
	return path;
}
/* As > FILE does (truncate, then write), and >> FILE: 0, or the errno. */
static inline int trace_write_how(const char *file, const char *text, int how)
{
	int fd = open(trace_path(file), O_WRONLY | O_CLOEXEC | how), error = 0;
	if (fd < 0)
		return errno;
	/* Linux takes one word of set_event at a time. */
	for (ssize_t n; *text && !error; text += n) {
		n = write(fd, text, strlen(text));
		if (n < 0) {
			error = errno;
			n = 0;
		}
	}
	close(fd);
	return error;
}
static inline int trace_write(const char *file, const char *text) { return trace_write_how(file, text, O_TRUNC); }
static inline int trace_append(const char *file, const char *text) { return trace_write_how(file, text, O_APPEND); }

static inline void stop_events(void)
{
	trace_write("set_event", "");
	trace_write("set_event_pid", "");
}
/* Only those of EVENTS ("sys:name sys:*") are on, and the rings are empty. */
static inline void start_events(const char *events)
{
	if (!trace_dir())
		SKIP("no tracefs");
	stop_events();
	if (trace_append("set_event", events))
		SKIP("no such trace events");
	EXPECT_EQ(trace_write("tracing_on", "1"), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
}
static inline void limit_events_to(pid_t pid)
{
	char text[20];
	snprintf(text, sizeof(text), "%d", (int)pid);
	EXPECT_EQ(trace_write("set_event_pid", text), 0);
}

/* The whole of a file, however long. Free it. */
static inline char *trace_read_file(const char *file)
{
	size_t size = 1 << 16, n = 0;
	char *text = malloc(size + 1);
	ssize_t got;
	int fd = OK(open(trace_path(file), O_RDONLY | O_CLOEXEC));
	while ((got = read(fd, text + n, size - n)) > 0) {
		n += got;
		if (n == size)
			text = realloc(text, (size *= 2) + 1);
	}
	EXPECT_EQ(got, 0);
	close(fd);
	text[n] = 0;
	return text;
}

/* What read_events() found. */
static char *trace_text __attribute__((unused));
static inline void read_events(void)
{
	free(trace_text);
	trace_text = trace_read_file("trace");
}
/* The line of record text TEXT is one of NAME: where what it says begins, else NULL. */
static inline char *event_says(char *line, const char *name)
{
	char *end = line + strcspn(line, "\n"), want[80];
	size_t length = snprintf(want, sizeof(want), ": %s: ", name);
	char *at = strstr(line, want);
	return *line != '#' && at && at < end ? at + length : NULL;
}
/* The Nth line (from 0) about NAME, from its task on, with its newline cut off; NULL: there are fewer. Static buffer. */
static inline char *event_line(const char *name, int n)
{
	static char found[1200];
	for (char *line = trace_text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (event_says(line, name) && n-- == 0) {
			snprintf(found, sizeof(found), "%.*s", (int)strcspn(line, "\n"), line);
			return found;
		}
	return NULL;
}
static inline int event_count(const char *name)
{
	int n = 0;
	for (char *line = trace_text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		n += event_says(line, name) != NULL;
	return n;
}
/* What stands behind "FIELD=" in LINE: a word (static buffer), NULL if there is no such field. */
static inline char *event_word(const char *line, const char *field)
{
	static char word[80];
	size_t length = strlen(field);
	for (const char *at = line; at && (at = strstr(at, field)); at++)
		if (at > line && strchr(" (", at[-1]) && at[length] == '=') {
			snprintf(word, sizeof(word), "%.*s", (int)strcspn(at + length + 1, " ,\n"), at + length + 1);
			return word;
		}
	return NULL;
}
/* The same as a number, decimal or 0x...; -1 if there is no such field. An mm or a page is event_hex. */
static inline long long event_number(const char *line, const char *field)
{
	char *word = line ? event_word(line, field) : NULL;
	return word ? (long long)strtoull(word, NULL, 0) : -1;
}
static inline unsigned long long event_hex(const char *line, const char *field)
{
	char *word = line ? event_word(line, field) : NULL;
	return word ? strtoull(word, NULL, 16) : 0;
}
/* Who and where: "comm-PID [CPU] flags seconds.micros:". */
static inline int event_pid(const char *line)
{
	const char *cpu = strstr(line, " [");
	while (cpu && cpu > line && cpu[-1] == ' ')
		cpu--;
	while (cpu && cpu > line && cpu[-1] != '-')
		cpu--;
	return cpu ? atoi(cpu) : -1;
}
static inline int event_cpu(const char *line)
{
	const char *cpu = strstr(line, " [");
	return cpu ? atoi(cpu + 2) : -1;
}
/* In microseconds. */
static inline long long event_time(const char *line)
{
	const char *cpu = strstr(line, " [");
	long long s, us;
	return cpu && sscanf(cpu, " [%*d] %*s %lld.%lld:", &s, &us) == 2 ? s * 1000000 + us : -1;
}

#endif
