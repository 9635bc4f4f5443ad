/*
 * fuzz_notify: any bytes as a message of sd_notify(3). None may crash or be
 * read past its end; what is taken lies within the message, and is fit to be
 * shown.
 *
 *	make fuzz FUZZ=notify
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "ipc/json_scan.h"
#include "ipc/notify_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STATUS_SIZE 160

static void
show(const char *text, size_t len)
{
	char out[STATUS_SIZE], json[STATUS_SIZE + 2] = "\"";
	size_t i, n;

	logline_clean(out, sizeof(out), text, len);
	n = strlen(out);
	for (i = 0; i < n; i++) {
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			abort();
		/* These two are escaped where it is written. */
		json[1 + i] =
		    (char)(strchr("\"\\", out[i]) != NULL ? '.' : out[i]);
	}
	json[1 + n] = '"';
	if (!json_scan_is_value(json, n + 2))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct notify_text n;

	if (notify_text_parse(text, size, &n) != NULL)
		return 0;
	if (size > NOTIFY_TEXT_MAX || n.watchdog_usec < -1 ||
	    n.extend_usec < -1 || n.main_pid < 0 || n.error < 0 ||
	    strlen(n.fdname) > NOTIFY_FDNAME_MAX ||
	    strchr(n.fdname, 0x3a) != NULL)
		abort();
	if (n.status == NULL)
		return 0;
	if (n.status < text || n.status + n.status_len > text + size ||
	    memchr(n.status, '\n', n.status_len) != NULL)
		abort();
	show(n.status, n.status_len);
	return 0;
}
