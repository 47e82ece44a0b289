/*
 * kernel/task/random.c - random bytes for getrandom(2), /dev/urandom, AT_RANDOM.
 *
 * A ChaCha20 stream (RFC 8439) whose key is replaced by its own output after every request, so that an earlier
 * request cannot be computed from the state left behind. Seeded by the TSC and, where there is one, RDRAND. There is
 * no entropy estimate: reads never block.
 */
#include "kernel/task/random.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/locking/spinlock.h"
#include "kernel/sched/sched.h"
#include "kernel/task/syscall.h"

static u32 key[8];
static u64 counter;
static DEFINE_SPINLOCK(random_lock);	/* key, counter; irqsave */

static inline u32 rol(u32 v, int n) { return v << n | v >> (32 - n); }

static void quarter(u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b]; x[d] = rol(x[d] ^ x[a], 16);
	x[c] += x[d]; x[b] = rol(x[b] ^ x[c], 12);
	x[a] += x[b]; x[d] = rol(x[d] ^ x[a], 8);
	x[c] += x[d]; x[b] = rol(x[b] ^ x[c], 7);
}

/* => random_lock held */
static void chacha_block(u32 out[16])
{
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, key, sizeof(key));
	in[12] = counter;
	in[13] = counter >> 32;
	counter++;
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

static u64 hardware_random(void)
{
	u64 r = 0;

	if (cpu_features.rdrand)
		__asm__ volatile("rdrand %0" : "=r"(r) : : "cc");
	return rdtsc() ^ r;
}

void add_random_bytes(const void *buf, size_t n)
{
	const u8 *b = buf;
	unsigned long flags;

	spin_lock_irqsave(&random_lock, flags);
	for (size_t i = 0; i < n; i++)
		((u8 *)key)[i % sizeof(key)] ^= b[i];
	spin_unlock_irqrestore(&random_lock, flags);
}

void get_random_bytes(void *buf, size_t n)
{
	u64 hw = hardware_random();
	unsigned long flags;
	u32 block[16], more[16];
	size_t part = min(n, sizeof(block) / 2);

	spin_lock_irqsave(&random_lock, flags);
	key[0] ^= (u32)hw;
	key[1] ^= hw >> 32;
	/* One block is the next key and the end of the answer: most requests need no other. */
	chacha_block(block);
	memcpy(buf + n - part, block + 8, part);
	for (n -= part; n; n -= part, buf += part) {
		part = min(n, sizeof(more));
		chacha_block(more);
		memcpy(buf, more, part);
	}
	memcpy(key, block, sizeof(key));
	spin_unlock_irqrestore(&random_lock, flags);
}

#define GRND_NONBLOCK	1u
#define GRND_RANDOM	2u
#define GRND_INSECURE	4u

SYSCALL_DEFINE3(getrandom, char __user *, buf, size_t, n, unsigned int, flags)
{
	u8 chunk[256];
	size_t done = 0;

	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) || (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = min_t(size_t, n, 0x7ffff000);
	while (done < n) {
		size_t part = min(n - done, sizeof(chunk));

		get_random_bytes(chunk, part);
		if (copy_to_user(buf + done, chunk, part))
			return done ? (long)done : -EFAULT;
		done += part;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}
