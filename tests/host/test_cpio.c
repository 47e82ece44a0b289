/*
 * tests/host/test_cpio.c - the archive reader: what it must read, what it must refuse, and that no damage
 * makes it read outside the image (ASan watches: images lie in blocks of exactly their size).
 */
#include <string.h>
#include "tests/host/harness.h"
#include "kernel/lib/cpio.h"

static u8 image[16384];
static size_t image_size;

static void align_image(void)
{
	while (image_size % 4)
		image[image_size++] = 0;
}

static void add_full(const char *magic, u32 ino, u32 mode, u32 nlink, const char *name, const void *data,
		     size_t size, u32 check)
{
	image_size += sprintf((char *)image + image_size,
			      "%s%08X%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", magic, ino, mode, 10, 20,
			      nlink, 1700000000, (u32)size, 8, 1, 5, 1, (u32)strlen(name) + 1, check, name) + 1;
	align_image();
	if (size)
		memcpy(image + image_size, data, size);
	image_size += size;
	align_image();
}

static void add(u32 ino, u32 mode, u32 nlink, const char *name, const char *data)
{
	add_full("070701", ino, mode, nlink, name, data, strlen(data), 0);
}

static void add_trailer(void)
{
	add(0, 0, 1, "TRAILER!!!", "");
}

static void start_image(void)
{
	memset(image, 0, sizeof(image));
	image_size = 0;
}

/* Read all of SIZE bytes at P; the names, joined by commas, go to NAMES. Returns what cpio_next said last. */
static int read_all(const void *p, size_t size, char *names, struct cpio_iter *it)
{
	struct cpio_entry e, first;
	int got;

	names[0] = '\0';
	cpio_start(it, p, size);
	while ((got = cpio_next(it, &e)) == 1) {
		if (strlen(names) + strlen(e.name) < 1000)
			strcat(strcat(names, e.name), ",");
		for (size_t i = 0; i < e.size; i++)	/* touch it all */
			(void)((const volatile u8 *)e.data)[i];
		if (cpio_first_link(it, &e, &first))
			EXPECT(first.ino == e.ino && first.offset < e.offset);
	}
	EXPECT((got < 0) == (it->error != NULL));
	EXPECT_EQ(cpio_next(it, &e), got);
	return got;
}

static void expect_names(const char *want)
{
	struct cpio_iter it;
	char names[1100];
	u8 *copy = malloc(image_size);

	memcpy(copy, image, image_size);
	EXPECT_EQ(read_all(copy, image_size, names, &it), 0);
	EXPECT(!strcmp(names, want));
	free(copy);
}

static void expect_error(const char *part, size_t offset)
{
	struct cpio_iter it;
	char names[1100];
	u8 *copy = malloc(image_size);

	memcpy(copy, image, image_size);
	EXPECT_EQ(read_all(copy, image_size, names, &it), -EINVAL);
	EXPECT(it.error && strstr(it.error, part));
	EXPECT_EQ(it.error_offset, offset);
	free(copy);
}

HTEST(cpio_reads_fields_and_data)
{
	struct cpio_iter it;
	struct cpio_entry e;

	start_image();
	add(0xAbc, 0100755, 1, "init", "hello");
	add(2, 0120777, 1, "bin/sh", "busybox");
	add_trailer();
	cpio_start(&it, image, image_size);
	EXPECT_EQ(cpio_next(&it, &e), 1);
	EXPECT(!strcmp(e.name, "init") && e.size == 5 && !memcmp(e.data, "hello", 5));
	EXPECT(e.ino == 0xabc && e.mode == 0100755 && e.uid == 10 && e.gid == 20 && e.nlink == 1);
	EXPECT(e.mtime == 1700000000 && e.dev_major == 8 && e.dev_minor == 1);
	EXPECT(e.rdev_major == 5 && e.rdev_minor == 1 && e.offset == 0);
	EXPECT_EQ(cpio_next(&it, &e), 1);
	EXPECT(e.size == 7 && !memcmp(e.data, "busybox", 7));
	EXPECT_EQ(cpio_next(&it, &e), 0);
}

HTEST(cpio_several_archives_with_zeros_between)
{
	start_image();
	add(1, 0100644, 1, "a", "1");
	add_trailer();
	image_size += 512;
	add(1, 0100644, 1, "b", "22");
	add_trailer();
	add(1, 0100644, 1, "c", "");
	expect_names("a,b,c,");		/* the last one has no trailer */
	add_trailer();
	image_size += 3;
	expect_names("a,b,c,");
}

HTEST(cpio_empty_images)
{
	struct cpio_iter it;
	char names[1100];

	start_image();
	EXPECT_EQ(read_all(image, 0, names, &it), 0);
	EXPECT_EQ(read_all(image, 512, names, &it), 0);
	add_trailer();
	expect_names("");
}

HTEST(cpio_hard_links)
{
	struct cpio_iter it;
	struct cpio_entry e, first;

	start_image();
	add(7, 0100755, 3, "one", "");
	add(8, 0100755, 1, "other", "x");
	add(7, 0100755, 3, "two", "");
	add(7, 0040755, 3, "directory", "");
	add(7, 0100755, 3, "three", "contents");
	add_trailer();
	add(7, 0100755, 2, "new archive", "");
	add_trailer();
	cpio_start(&it, image, image_size);
	while (cpio_next(&it, &e) == 1) {
		bool linked = !strcmp(e.name, "two") || !strcmp(e.name, "three");

		EXPECT_EQ(cpio_first_link(&it, &e, &first), linked);
		if (linked)
			EXPECT(!strcmp(first.name, "one"));
	}
	EXPECT(!it.error);
}

HTEST(cpio_checksums)
{
	start_image();
	add_full("070702", 1, 0100644, 1, "f", "\x01\xff\x02", 3, 0x102);
	add_trailer();
	expect_names("f,");
	start_image();
	add_full("070702", 1, 0100644, 1, "f", "\x01\xff\x02", 3, 0x103);
	expect_error("checksum", 0);
}

HTEST(cpio_says_what_is_wrong)
{
	static const struct { const char *bytes; size_t len; const char *name; } packed[] = {
		{ "\x1f\x8b\x08", 3, "gzip" }, { "\xfd" "7zXZ\0", 6, "xz" }, { "\x28\xb5\x2f\xfd", 4, "zstd" },
		{ "BZh9", 4, "bzip2" }, { "\x02\x21\x4c\x18", 4, "lz4" }, { "\x04\x22\x4d\x18", 4, "lz4" },
	};
	struct cpio_iter it;
	char names[1100];

	for (size_t i = 0; i < ARRAY_SIZE(packed); i++) {
		start_image();
		add_trailer();
		memcpy(image + image_size, packed[i].bytes, packed[i].len);
		EXPECT_EQ(read_all(image, image_size + packed[i].len, names, &it), -EINVAL);
		EXPECT(it.compressed && !strcmp(it.compressed, packed[i].name));
		EXPECT_EQ(it.error_offset, image_size);
	}
	start_image();
	add_full("070707", 1, 0100644, 1, "f", "", 0, 0);
	expect_error("-H newc", 0);
	start_image();
	add(1, 0100644, 1, "f", "data");
	image[20] = 'g';
	expect_error("hexadecimal", 0);
	start_image();
	add(1, 0100644, 1, "f", "data");
	image[111] = 'x';			/* the NUL of the name */
	expect_error("zero byte", 0);
	memcpy(image + 6 + 8 * 11, "00000000", 8);
	expect_error("length of a name", 0);
	memcpy(image + 6 + 8 * 11, "ffffffff", 8);
	expect_error("length of a name", 0);
}

HTEST(cpio_data_may_be_as_large_as_the_header_says_only)
{
	start_image();
	add(1, 0100644, 1, "f", "data");
	memcpy(image + 6 + 8 * 6, "00000005", 8);
	expect_error("inside a file", 0);
	memcpy(image + 6 + 8 * 6, "ffffffff", 8);
	expect_error("inside a file", 0);
}

static void sample_image(void)
{
	start_image();
	add(1, 0040755, 2, ".", "");
	add(2, 0100755, 2, "./init", "some contents of a file");
	add(2, 0100755, 2, "./linked", "");
	add(3, 0120777, 1, "./link", "init");
	add_full("070702", 4, 0100644, 1, "./summed", "abc", 3, 'a' + 'b' + 'c');
	add_trailer();
	add(5, 0020600, 1, "dev/console", "");
	add_trailer();
}

/* Cut at every byte: an error, or the whole entries before the cut. */
HTEST(cpio_truncated_anywhere)
{
	struct cpio_iter it;
	char names[1100];

	sample_image();
	for (size_t size = 0; size <= image_size; size++) {
		u8 *copy = malloc(size);

		memcpy(copy, image, size);
		read_all(copy, size, names, &it);
		EXPECT(!strncmp(".,./init,./linked,./link,./summed,dev/console,", names, strlen(names)));
		free(copy);
	}
}

HTEST(cpio_random_damage)
{
	struct cpio_iter it;
	char names[1100];
	u8 *copy;

	sample_image();
	copy = malloc(image_size);
	for (int n = 0; n < 40000; n++) {
		memcpy(copy, image, image_size);
		for (int hits = 1 + rnd_below(6); hits; hits--) {
			size_t at = rnd_below(image_size);

			copy[at] = rnd_below(2) ? "0123456789abcdef"[rnd_below(16)] : rnd();
		}
		read_all(copy, image_size, names, &it);
	}
	free(copy);
}
