/*
 * arch-x86_64/rtc.c - the battery-backed CMOS clock: the time of day at boot.
 * Linux: drivers/rtc/rtc-mc146818-lib.c.
 */
#include "arch-x86_64/io.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/string.h"

#define RTC_STATUS_A	0x0a
#define RTC_STATUS_B	0x0b
#define RTC_CENTURY	0x32
#define A_UPDATING	0x80
#define B_24H		0x02
#define B_BINARY	0x04

struct rtc_time { u8 sec, min, hour, day, month, year, century; };

static u8 cmos_read(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void read_raw(struct rtc_time *t)
{
	/* An update takes 2 ms at most; a dead clock must not stop the boot. */
	for (int i = 0; i < 10000 && (cmos_read(RTC_STATUS_A) & A_UPDATING); i++)
		cpu_relax();
	t->sec = cmos_read(0x00);
	t->min = cmos_read(0x02);
	t->hour = cmos_read(0x04);
	t->day = cmos_read(0x07);
	t->month = cmos_read(0x08);
	t->year = cmos_read(0x09);
	t->century = cmos_read(RTC_CENTURY);
}

static u8 from_bcd(u8 v)
{
	return (u8)((v >> 4) * 10 + (v & 15));
}

static void decode(struct rtc_time *t, u8 status_b)
{
	bool pm = !(status_b & B_24H) && (t->hour & 0x80);

	t->hour &= 0x7f;
	if (!(status_b & B_BINARY)) {
		u8 *f = &t->sec;

		for (size_t i = 0; i < sizeof(*t); i++)
			f[i] = from_bcd(f[i]);
	}
	if (!(status_b & B_24H))
		t->hour = (u8)(t->hour % 12 + (pm ? 12 : 0));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years start in March here (leap day last). */
static u64 days_since_1970(unsigned int year, unsigned int month, unsigned int day)
{
	if (month <= 2) {
		month += 12;
		year--;
	}
	return 365UL * year + year / 4 - year / 100 + year / 400 - 719468 +
	       (153 * (month - 3) + 2) / 5 + day - 1;
}

/* Read twice until both agree: an update may start in the middle. */
u64 rtc_read_seconds(void)
{
	struct rtc_time t, again;
	unsigned int year;

	read_raw(&t);
	for (int i = 0; i < 10; i++) {
		read_raw(&again);
		if (memcmp(&t, &again, sizeof(t)) == 0)
			break;
		t = again;
	}
	decode(&t, cmos_read(RTC_STATUS_B));
	year = (t.century >= 19 && t.century <= 21 ? t.century * 100u : 2000u) + t.year;
	if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31)
		return 0;
	return days_since_1970(year, t.month, t.day) * 86400 + t.hour * 3600u + t.min * 60u + t.sec;
}
