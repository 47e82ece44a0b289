/*
 * kernel/lib/cpio.c - the newc cpio format, checked field by field.
 *
 *	offset 0    6         14                                    110          4-aligned     4-aligned
 *	│ 070701 │ ino 8 hex │ mode uid ... namesize check, 8 hex each │ name NUL pad │ data  pad │ next header
 *
 *	between ──> entry ──> entry ──> TRAILER!!! ──> between		`between` skips zeros
 *
 * Alignment counts from the start of the image. Magic 070702 means that `check` is the sum of the data's
 * bytes. Linux: init/initramfs.c, which creates files as it reads; here reading and creating are apart, so
 * that this half can be fuzzed on the host.
 */
#include "kernel/lib/cpio.h"
#include "kernel/lib/string.h"

#define HEADER_SIZE 110
#define MAGIC_SIZE 6

/* The hexadecimal fields, in order. */
enum { F_INO, F_MODE, F_UID, F_GID, F_NLINK, F_MTIME, F_FILESIZE, F_DEV_MAJOR, F_DEV_MINOR, F_RDEV_MAJOR,
       F_RDEV_MINOR, F_NAMESIZE, F_CHECK, F_NR };

#define IS_LINK(mode) (((mode) & 0170000) == 0120000)
#define IS_DIR(mode)  (((mode) & 0170000) == 0040000)

const char *cpio_compression(const void *p, size_t size)
{
	static const struct {
		const char *magic;
		u8 len;
		const char *name;
	} known[] = {
		{ "\x1f\x8b", 2, "gzip" },
		{ "\x1f\x9e", 2, "gzip" },
		{ "BZh", 3, "bzip2" },
		{ "\xfd" "7zXZ\0", 6, "xz" },
		{ "\x5d\0\0", 3, "lzma" },
		{ "\x89LZO", 4, "lzo" },
		{ "\x02\x21\x4c\x18", 4, "lz4" },
		{ "\x04\x22\x4d\x18", 4, "lz4" },
		{ "\x28\xb5\x2f\xfd", 4, "zstd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (size >= known[i].len && !memcmp(p, known[i].magic, known[i].len))
			return known[i].name;
	return NULL;
}

void cpio_start(struct cpio_iter *it, const void *image, size_t size)
{
	*it = (struct cpio_iter){ .image = image, .size = size, .between = true };
}

static int damaged(struct cpio_iter *it, size_t offset, const char *why)
{
	it->error = why;
	it->error_offset = offset;
	return -EINVAL;
}

/* Eight hexadecimal digits; false if one of them is not. */
static bool parse_hex8(const u8 *p, u32 *res)
{
	*res = 0;
	for (int i = 0; i < 8; i++) {
		u8 c = p[i];

		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return false;
		*res = *res << 4 | c;
	}
	return true;
}

static int parse_header(struct cpio_iter *it, size_t at, u32 *field)
{
	const u8 *p = it->image + at;

	if (it->size - at < HEADER_SIZE)
		return damaged(it, at, "cut off inside a header");
	if (!memcmp(p, "070707", MAGIC_SIZE))
		return damaged(it, at, "old cpio format: make the archive with -H newc");
	if (memcmp(p, "070701", MAGIC_SIZE) && memcmp(p, "070702", MAGIC_SIZE))
		return damaged(it, at, "no cpio header");
	for (int i = 0; i < F_NR; i++)
		if (!parse_hex8(p + MAGIC_SIZE + 8 * i, &field[i]))
			return damaged(it, at, "a header field is not hexadecimal");
	return 0;
}

static bool checksum_right(const struct cpio_iter *it, size_t at, const struct cpio_entry *e, u32 want)
{
	const u8 *data = e->data;
	u32 sum = 0;

	if (it->image[at + MAGIC_SIZE - 1] != '2')
		return true;
	for (size_t i = 0; i < e->size; i++)
		sum += data[i];
	return sum == want;
}

/*
 * Read the entry at AT, the trailer included. Returns the offset behind it and its padding in *NEXT; the
 * padding of the last entry may be missing.
 */
static int read_entry(struct cpio_iter *it, size_t at, struct cpio_entry *e, size_t *next)
{
	u32 f[F_NR];
	size_t name_at = at + HEADER_SIZE, data_at;

	if (parse_header(it, at, f))
		return -EINVAL;
	if (!f[F_NAMESIZE] || f[F_NAMESIZE] > CPIO_NAME_MAX)
		return damaged(it, at, "the length of a name is 0 or over 4096");
	if (f[F_NAMESIZE] > it->size - name_at)
		return damaged(it, at, "cut off inside a name");
	if (it->image[name_at + f[F_NAMESIZE] - 1])
		return damaged(it, at, "a name does not end with a zero byte");
	data_at = min(ALIGN(name_at + f[F_NAMESIZE], 4), it->size);
	if (f[F_FILESIZE] > it->size - data_at)
		return damaged(it, at, "cut off inside a file");
	if (IS_LINK(f[F_MODE]) && f[F_FILESIZE] >= CPIO_NAME_MAX)
		return damaged(it, at, "the target of a symbolic link is over 4095 bytes");

	*e = (struct cpio_entry){
		.name = (const char *)it->image + name_at, .data = it->image + data_at, .size = f[F_FILESIZE],
		.mode = f[F_MODE], .uid = f[F_UID], .gid = f[F_GID], .nlink = f[F_NLINK], .mtime = f[F_MTIME],
		.ino = f[F_INO], .dev_major = f[F_DEV_MAJOR], .dev_minor = f[F_DEV_MINOR],
		.rdev_major = f[F_RDEV_MAJOR], .rdev_minor = f[F_RDEV_MINOR], .offset = at,
	};
	if (!checksum_right(it, at, e, f[F_CHECK]))
		return damaged(it, at, "the checksum of a file is wrong");
	*next = min(ALIGN(data_at + e->size, 4), it->size);
	return 0;
}

/* Step over zeros to the next archive: 1 if there is one, 0 at the end, or -EINVAL. */
static int find_archive(struct cpio_iter *it)
{
	while (it->next < it->size && !it->image[it->next])
		it->next++;
	if (it->next == it->size)
		return 0;
	it->compressed = cpio_compression(it->image + it->next, it->size - it->next);
	if (it->compressed)
		return damaged(it, it->next, "compressed; only plain newc archives can be read");
	if (it->next % 4)
		return damaged(it, it->next, "an archive does not start at a multiple of 4");
	it->segment = it->next;
	it->between = false;
	return 1;
}

int cpio_next(struct cpio_iter *it, struct cpio_entry *e)
{
	for (;;) {
		if (it->error)
			return -EINVAL;
		if (it->between) {
			int got = find_archive(it);

			if (got <= 0)
				return got;
		}
		if (it->next == it->size)	/* no trailer: fine between entries */
			return 0;
		if (read_entry(it, it->next, e, &it->next))
			return -EINVAL;
		if (strcmp(e->name, "TRAILER!!!"))
			return 1;
		it->between = true;
	}
}

static bool same_file(const struct cpio_entry *a, const u32 *key)
{
	return a->ino == key[0] && a->dev_major == key[1] && a->dev_minor == key[2] &&
		a->nlink >= 2 && !IS_DIR(a->mode);
}

/*
 * Searches from the start of the archive, in the entries that cpio_next has already found to be sound. The
 * links to a file usually stand together, so the last answer is tried first.
 */
bool cpio_first_link(struct cpio_iter *it, const struct cpio_entry *e, struct cpio_entry *first)
{
	u32 key[3] = { e->ino, e->dev_major, e->dev_minor };
	bool known = it->memo_key[0] == key[0] && it->memo_key[1] == key[1] && it->memo_key[2] == key[2] &&
		it->memo_segment == it->segment && it->memo_offset >= it->segment;
	size_t at = known ? it->memo_offset : it->segment;

	if (e->nlink < 2 || IS_DIR(e->mode))
		return false;
	while (at < e->offset) {
		if (read_entry(it, at, first, &at))
			return false;
		if (!same_file(first, key))
			continue;
		memcpy(it->memo_key, key, sizeof(key));
		it->memo_offset = first->offset;
		it->memo_segment = it->segment;
		return true;
	}
	return false;
}
