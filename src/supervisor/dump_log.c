/* dump_log: see dump_log.h. */
#include "supervisor/dump_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "supervisor/dump.h"
#include "supervisor/supervisor.h"

#define LOG_MAX 65536 /* bytes of a dump */

struct last_look {
	struct worker *worker;
	struct dump *dump;
	void (*then)(struct worker *w);
};

static void
log_lines(const struct worker *w, const char *text)
{
	const char *end, *limit = text + LOG_MAX;
	size_t len;

	for (; *text != '\0'; text = end + (*end == '\n')) {
		len = strcspn(text, "\n");
		end = text + len;
		if (end > limit) {
			log_warn(
			    "%s: dump: the rest is too long", w->conf->name);
			return;
		}
		log_warn("%s: dump: %.*s", w->conf->name, (int)len, text);
	}
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
	struct buf known = {0};
	struct err e;

	if (w->last_look != NULL) {
		w->last_look->then = then;
		return;
	}
	if (begin(w, then, &e) == 0)
		return;
	if (dump_known(w, &known) == 0)
		log_lines(w, known.data);
	buf_release(&known);
	log_warn("%s: no more of it is dumped: %s", w->conf->name, e.text);
	if (then != NULL)
		then(w);
}

void
dump_forget(struct worker *w)
{
	if (w->last_look != NULL)
		take(w);
}
