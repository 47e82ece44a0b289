/*
 * tests/user/control.h - the controls of Quire: is one there, write to it, who is parked.
 */
#ifndef TESTS_USER_CONTROL_H
#define TESTS_USER_CONTROL_H

#include "tests/user/ktap.h"

#define QUIRE_DIR KTAP_CONTROLS

static inline bool have_control(const char *name)
{
	char path[100];
	snprintf(path, sizeof(path), QUIRE_DIR "%s", name);
	return access(path, W_OK) == 0;
}
static inline int control(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline int control(const char *name, const char *format, ...)
{
	char path[100], text[200];
	va_list ap;
	snprintf(path, sizeof(path), QUIRE_DIR "%s", name);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return ktap_write(path, text);
}
/* Threads parked at pause point NAME; -1: no such point. */
static inline int parked_at(const char *name)
{
	char *text = ktap_read(QUIRE_DIR "pause");
	size_t length = strlen(name);
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ' ')
			return atoi(strstr(line, "parked=") + 7);
	return -1;
}

#endif
