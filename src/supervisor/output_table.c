/* output_table: see output_table.h. */
#include "supervisor/output_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/supervisor.h"

const char *
output_stream_name(enum output_stream stream)
{
	static const char *const names[OUTPUT_STREAMS] = {
	    [OUTPUT_OUT] = "out", [OUTPUT_ERR] = "err"};

	return names[stream];
}

const char *
output_read_name(const char *name, int *stream)
{
	const char *prefix;
	size_t len;

	for (*stream = 0; *stream < OUTPUT_STREAMS; ++*stream) {
		prefix = output_stream_name((enum output_stream) * stream);
		len = strlen(prefix);
		if (strncmp(name, prefix, len) == 0 && name[len] == ':')
			return name + len + 1;
	}
	return NULL;
}

/* What is plain is written in one piece. */
static int
add_escaped(struct buf *b, const char *text)
{
	const char *s = text;

	for (; *s != '\0'; s++) {
		if (*s > ' ' && *s < 0x7f && *s != '%')
			continue;
		if (buf_add(b, text, (size_t)(s - text)) == -1 ||
		    buf_addf(b, "%%%02x", (unsigned char)*s) == -1)
			return -1;
		text = s + 1;
	}
	return buf_add(b, text, (size_t)(s - text));
}

static int
add_path(struct buf *b, const char *path)
{
	if (add_escaped(b, path == NULL ? "-" : path) == -1)
		return -1;
	return buf_adds(b, "\n");
}

int
output_table_fleet(struct buf *b, const struct fleet *f, uint64_t number)
{
	if (buf_addf(b, "table\t%llu\nfleet\t%s\t%s\t%s\t",
		(unsigned long long)number, f->name,
		stream_kind_name(f->log.kind),
		logline_format_name(f->log_format)) == -1)
		return -1;
	return add_path(b, f->log.path);
}

int
output_table_stream(struct buf *b, const struct worker *w, int stream)
{
	static const struct stream_conf log = {.kind = STREAM_LOG};
	const struct worker_conf *c = w->conf;
	const struct stream_conf *s =
	    worker_output(c, (enum output_stream)stream);
	char id[WORKER_ID_SIZE];

	if (w->output.fifo[stream] == 0 && s == NULL)
		return 0;
	if (s == NULL)
		s = &log;
	worker_conf_id(c, id);
	if (buf_addf(b, "output\t%s\t%s\t%s\t%s\t%s\t%llu\t%llu\t%d\t%u\t%u\t",
		output_stream_name((enum output_stream)stream), id, c->name,
		c->group_name, stream_kind_name(s->kind),
		(unsigned long long)c->log_tail,
		(unsigned long long)c->log_size, c->log_keep,
		(unsigned int)geteuid(), (unsigned int)getegid()) == -1)
		return -1;
	return add_path(b, s->path);
}

char *
output_table_read(int fd)
{
	struct stat st;
	size_t have = 0, size;
	char *text = NULL;
	ssize_t n = 1;

	if (fstat(fd, &st) == -1)
		return NULL;
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	for (; text != NULL && have < size && n > 0; have += (size_t)n)
		n = pread(fd, text + have, size - have, (off_t)have);
	if (text == NULL || n <= 0) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

char *
output_table_find(const char *table, const char *name)
{
	const char *id, *line = table, *end;
	char begin[KEEPER_NAME_MAX + 16];
	int stream;

	id = output_read_name(name, &stream);
	snprintf(begin, sizeof(begin), "output\t%s\t%s\t",
	    output_stream_name((enum output_stream)stream), id);
	for (; line != NULL; line = end == NULL ? NULL : end + 1) {
		end = strchr(line, '\n');
		if (end != NULL && strncmp(line, begin, strlen(begin)) == 0)
			return strndup(line, (size_t)(end + 1 - line));
	}
	return NULL;
}
