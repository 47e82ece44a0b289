/*
 * tests/user/san.c - the sanitizers of a SAN=1 build see what they promise to see. Skipped where there are none.
 *
 * /sys/kernel/debug/quire/san_test takes the name of a mistake, lets the kernel make it, and keeps the report.
 */
#include "tests/user/ktap.h"

#define SAN_TEST "/sys/kernel/debug/quire/san_test"

/* The line about mistake NAME: "NAME   STATE: HEADLINE"; ends the case if there is none. */
static void state_of(const char *name, char *line, size_t size)
{
	size_t len = strlen(name);
	char *text = ktap_read(SAN_TEST);
	for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
		if (!strncmp(at, name, len) && at[len] == ' ') {
			snprintf(line, size, "%s", at + len + strspn(at + len, " "));
			return;
		}
	}
	KTAP_FAIL("# " SAN_TEST " does not know %s", name);
	ktap_exit();
}

/* The kernel makes mistake NAME; it must be caught, and the report must say all of WORDS (NULL ends them). */
static void expect_caught(const char *name, const char *const *words)
{
	char line[256];
	if (access(SAN_TEST, F_OK))
		SKIP("no sanitizers in this build");
	ASSERT_EQ(ktap_write(SAN_TEST, name), 0);
	state_of(name, line, sizeof(line));
	bool good = !strncmp(line, "caught: ", 8);
	for (; *words; words++)
		good &= strstr(line, *words) != NULL;
	if (!good)
		KTAP_FAIL("# %s: %s", name, line);
}
#define CAUGHT(name, ...) TEST(name) { expect_caught(#name, (const char *const[]){ __VA_ARGS__, NULL }); }

/* KASAN: which function, how, how many bytes. */
CAUGHT(slab_oob, "slab_oob+", "read of 1 byte")
CAUGHT(slab_oob_before, "slab_oob_before+", "read of 1 byte")
CAUGHT(slab_oob_memset, "memset+", "write of 114 byte")
CAUGHT(slab_uaf, "slab_uaf+", "read of 1 byte")
CAUGHT(large_oob, "large_oob+", "read of 1 byte")
CAUGHT(page_uaf, "page_uaf+", "read of 1 byte")
CAUGHT(stack_oob, "stack_oob+", "read of 1 byte")
CAUGHT(global_oob, "global_oob+", "read of 1 byte")
CAUGHT(user_copy_oob, "copy_from_user+", "write of 114 byte")
/* UBSAN: where, and the values. */
CAUGHT(shift, "mm/san_test.c:", "by 64")
CAUGHT(shift_negative, "mm/san_test.c:", "by -1")
CAUGHT(overflow, "mm/san_test.c:", "2147483647 + 1", "'int'")
CAUGHT(negate, "mm/san_test.c:", "-9223372036854775808")
CAUGHT(bounds, "mm/san_test.c:", "index 4 ", "'long int [4]'")
CAUGHT(bad_bool, "mm/san_test.c:", "2 is no value")

TEST(a_mistake_that_was_not_made_is_not_reported)
{
	if (access(SAN_TEST, F_OK))
		SKIP("no sanitizers in this build");
	EXPECT_EQ(ktap_write(SAN_TEST, "no such mistake"), EINVAL);
	EXPECT_TRUE(!strstr(ktap_read(SAN_TEST), "WRONG"));
}
