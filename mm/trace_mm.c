/*
 * mm/trace_mm.c - the memory manager's events are made here; their headers declare them.
 */
#include "mm/khugepaged.h"

/* The word of ABI-20. */
static const char *scan_word(int result)
{
#define SCAN_WORD(e, t) [e] = t,
	static const char *const words[NR_SCAN_RESULTS] = { SCAN_RESULT_LIST(SCAN_WORD) };
#undef SCAN_WORD

	return result >= 0 && result < NR_SCAN_RESULTS ? words[result] : "?";
}

#define CREATE_TRACE_POINTS
#include "mm/trace_huge.h"
