/* dump_log: see dump_log.h. */
#include "supervisor/dump_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "supervisor/dump.h"
#include "supervisor/supervisor.h"

#define LOG_MAX 65536 /* bytes of a dump */
#define TURN_BYTES                                                      \
	16384 /* of them in a turn: with what a line has in front it is \
	         less than a pipe holds */
#define TURN_MS 10

struct last_look {
	struct worker *worker;
	struct dump *dump;
	void (*then)(struct worker *w);
};

/* What is yet to be logged of one dump. */
struct dump_lines {
	struct dump_lines *next;
	struct supervisor *sup;
	struct loop_timer turn; /* of the first of the list */
	char name[WORKER_NAME_SIZE + 8];
	char *text, *at;
};

/* Some of what there is, and how much: where it ends. */
static char *
log_some(const char *name, char *text, size_t some)
{
	char *limit = text + some;
	size_t len;

	while (*text != '\0' && text < limit) {
		len = strcspn(text, "\n");
		log_warn("%s: dump: %.*s", name, (int)len, text);
		text += len + (text[len] == '\n');
	}
	return text;
}

static void
free_first(struct supervisor *s)
{
	struct dump_lines *l = s->dump_lines;

	s->dump_lines = l->next;
	loop_timer_stop(&l->turn);
	free(l->text);
	free(l);
}

static void
turn_cb(struct loop_timer *t)
{
	struct dump_lines *l = t->arg;
	struct supervisor *s = l->sup;

	l->at = log_some(l->name, l->at, TURN_BYTES);
	if (*l->at == '\0')
		free_first(s);
	if (s->dump_lines != NULL)
		loop_timer_start(&s->dump_lines->turn, TURN_MS);
}

void
dump_log_finish(struct supervisor *s)
{
	for (; s->dump_lines != NULL; free_first(s))
		log_some(s->dump_lines->name, s->dump_lines->at, LOG_MAX);
}

/* No longer than LOG_MAX; the copy is the caller's to free. */
static char *
cut_copy(const char *text)
{
	static const char more[] = "the rest is too long for a log\n";
	char *copy = malloc(LOG_MAX + sizeof(more));
	size_t len = strnlen(text, LOG_MAX);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (text[len] == '\0')
		return copy;
	while (len > 0 && copy[len - 1] != '\n')
		len--;
	memcpy(copy + len, more, sizeof(more));
	return copy;
}

static void
log_lines(const struct worker *w, const char *text)
{
	struct supervisor *s = w->sup;
	struct dump_lines *l = calloc(1, sizeof(*l)), **last = &s->dump_lines;

	if (l == NULL || (l->text = cut_copy(text)) == NULL) {
		free(l);
		log_warn("%s: dump: no memory to log it", w->conf->name);
		return;
	}
	l->sup = s;
	l->at = l->text;
	snprintf(l->name, sizeof(l->name), "%s", w->conf->name);
	loop_timer_init(s->loop, &l->turn, turn_cb, l);
	while (*last != NULL)
		last = &(*last)->next;
	*last = l;
	/* What is short is in the log before its worker's end is. */
	if (l == s->dump_lines)
		turn_cb(&l->turn);
}

/* Logs what there is. What is to be done then. */
static void (*take(struct worker *w))(struct worker *w)
{
	struct last_look *l = w->last_look;
	void (*then)(struct worker * w) = l->then;

	w->last_look = NULL;
	log_lines(w, dump_text(l->dump));
	dump_free(l->dump);
	free(l);
	return then;
}

static void
done_cb(void *arg)
{
	struct last_look *l = arg;
	struct worker *w = l->worker;
	void (*then)(struct worker * w) = take(w);

	if (then != NULL)
		then(w);
}

static int
begin(struct worker *w, void (*then)(struct worker *w), struct err *e)
{
	struct last_look *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_set(e, "out of memory");
	l->worker = w;
	l->then = then;
	l->dump = dump_begin(w, DUMP_MS, done_cb, l, e);
	if (l->dump == NULL) {
		free(l);
		return -1;
	}
	w->last_look = l;
	return 0;
}

void
dump_then(struct worker *w, void (*then)(struct worker *w))
{
	struct err e;

	if (w->last_look != NULL) {
		w->last_look->then = then;
		return;
	}
	if (begin(w, then, &e) == 0)
		return;
	/* One line: there may be a thousand of them. */
	log_warn("%s: no dump of it: %s", w->conf->name, e.text);
	if (then != NULL)
		then(w);
}

void
dump_forget(struct worker *w)
{
	if (w->last_look != NULL)
		take(w);
}
