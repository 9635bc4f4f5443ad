/*
 * fuzz_state: any bytes as a journal, as they are and with each line's checksum
 * made right. None may crash; what is taken for a record is written again as
 * one that reads the same.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc \
 *	    tests/fuzz/fuzz_state.c src/core/record.c src/core/crc.c \
 *	    src/core/worker_fsm.c -o build/fuzz_state
 *	build/fuzz_state -max_len=8192 DIR tests/fuzz/corpus-state
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct record *r)
{
	char line[RECORD_MAX];
	size_t len = record_format(r, line);
	struct record again;

	if (len == 0 || len >= RECORD_MAX || line[len - 1] != '\n' ||
	    record_parse(line, len - 1, &again) == -1 ||
	    memcmp(r, &again, sizeof(again)) != 0)
		abort();
}

static void
read_all(const char *text, size_t len)
{
	struct record_reader rd;
	struct record r;

	record_read(&rd, text, len);
	while (record_next(&rd, &r))
		check(&r);
}

/* Each line with its checksum in front. */
static void
read_checked(const char *text, size_t len)
{
	char *copy = malloc(RECORD_MAX + 16);
	const char *eol;
	size_t n;

	if (copy == NULL)
		abort();
	for (; len > 0; text += n, len -= n) {
		eol = memchr(text, '\n', len);
		n = eol == NULL ? len : (size_t)(eol - text);
		if (n < RECORD_MAX) {
			sprintf(copy, "%08x ", crc_ieee(text, n));
			memcpy(copy + 9, text, n);
			read_all(copy, n + 9);
		}
		if (eol != NULL)
			n++;
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all((const char *)data, size);
	read_checked((const char *)data, size);
	return 0;
}
