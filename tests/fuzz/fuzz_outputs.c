/*
 * fuzz_outputs: any bytes as the table of outputs. None may crash or leak, and
 * what is taken keeps its bounds.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc \
 *	    tests/fuzz/fuzz_outputs.c src/logger/outputs.c src/base/logline.c \
 *	    src/base/units.c src/base/err.c -o build/fuzz_outputs
 *	build/fuzz_outputs -max_len=4096 DIR tests/fuzz/corpus-outputs
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logger/outputs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct outputs o;
	struct err e;
	size_t i;

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (outputs_parse(&o, text, size, &e) == -1)
		return 0;
	for (i = 0; i < o.n; i++) {
		const struct output *p = &o.list[i];

		if (strlen(p->id) > OUTPUT_ID_MAX || p->kind >= OUTPUT_STDERR ||
		    (p->kind == OUTPUT_FILE) != (p->path != NULL) ||
		    (p->path != NULL && p->path[0] != '/'))
			abort();
	}
	if (o.fleet == NULL || o.format >= LOGLINE_FORMATS)
		abort();
	outputs_release(&o);
	return 0;
}
