/* proto_floor: see proto_floor.h. */
#include "ipc/proto_floor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All or nothing. */
static void
append(
    struct floor_packet *p, const char *const *parts, const size_t *lens, int n)
{
	size_t need = 1;
	int i;

	for (i = 0; i < n; i++)
		need += lens[i];
	if (need > p->size - p->len) {
		p->full = 1;
		return;
	}
	for (i = 0; i < n; i++) {
		memcpy(p->data + p->len, parts[i], lens[i]);
		p->len += lens[i];
	}
	p->data[p->len++] = '\0';
}

void
floor_begin(struct floor_packet *p, char *data, size_t size, const char *verb)
{
	size_t len = strlen(verb);

	*p = (struct floor_packet){.data = data, .size = size};
	append(p, &verb, &len, 1);
}

void
floor_add(struct floor_packet *p, const char *key, const char *value)
{
	const char *parts[] = {key, "=", value};
	size_t lens[] = {strlen(key), 1, strlen(value)};

	append(p, parts, lens, 3);
}

void
floor_add_text(
    struct floor_packet *p, const char *key, const char *value, size_t len)
{
	static const char cut[] = "\n[...]\n";
	size_t have = strlen(value), frame = strlen(key) + 2, head;
	const char *parts[] = {key, "=", value, cut, NULL};
	size_t lens[] = {strlen(key), 1, have, 0, 0};

	if (frame > p->size - p->len) {
		p->full = 1;
		return;
	}
	if (len > p->size - p->len - frame)
		len = p->size - p->len - frame;
	if (have > len) {
		p->full = 1;
		if (len < 2 * sizeof(cut))
			return;
		/* The end of a traceback says most. */
		head = (len - sizeof(cut)) / 3;
		lens[2] = head;
		lens[3] = sizeof(cut) - 1;
		lens[4] = len - sizeof(cut) - head;
		parts[4] = value + have - lens[4];
	} else
		parts[4] = value;
	append(p, parts, lens, 5);
}

void
floor_add_number(struct floor_packet *p, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	floor_add(p, key, text);
}

int
floor_parse_fields(const char *text, size_t len, struct floor_msg *m)
{
	if (len > 0 && text[len - 1] != '\0')
		return -1;
	*m = (struct floor_msg){.verb = "", .fields = text, .end = text + len};
	return 0;
}

int
floor_parse(const char *packet, size_t len, struct floor_msg *m)
{
	if (len == 0 || floor_parse_fields(packet, len, m) == -1)
		return -1;
	m->verb = packet;
	m->fields = packet + strlen(packet) + 1;
	return 0;
}

const char *
floor_next(const struct floor_msg *m, const char *key, const char **at)
{
	const char *s = *at == NULL ? m->fields : *at + strlen(*at) + 1;
	size_t len = strlen(key);

	for (; s < m->end; s += strlen(s) + 1)
		if (strncmp(s, key, len) == 0 && s[len] == '=') {
			*at = s;
			return s + len + 1;
		}
	return NULL;
}

const char *
floor_get(const struct floor_msg *m, const char *key)
{
	const char *at = NULL;

	return floor_next(m, key, &at);
}

uint64_t
floor_get_number(const struct floor_msg *m, const char *key)
{
	const char *text = floor_get(m, key);

	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

int
floor_get_fd(const struct floor_msg *m, const char *name)
{
	const char *at = NULL, *value;
	int i;

	for (i = 0; (value = floor_next(m, "fd", &at)) != NULL; i++)
		if (strcmp(value, name) == 0)
			return i;
	return -1;
}
