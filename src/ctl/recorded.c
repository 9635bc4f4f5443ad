/* recorded: see recorded.h. */
#include "ctl/recorded.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/units.h"
#include "core/backoff.h"
#include "ctl/exits.h"
#include "ctl/journal.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/varlink.h"

#define TIME_SIZE 40
#define REASON_SIZE (RECORD_FAULT_MAX + 64)
#define NUMBER_SIZE 24

/* here: do pids mean anything? */
static const char *
process_text(const struct worker_record *w, int here)
{
	static const char *const texts[] = {[PROCESS_NONE] = NULL,
	    [PROCESS_ALIVE] = "alive",
	    [PROCESS_GONE] = "gone",
	    [PROCESS_ANOTHER] = "another",
	    [PROCESS_UNKNOWN] = "unknown"};
	enum journal_process p;
	int pidfd;

	if (!here)
		return w->pid == 0 ? NULL : "unknown";
	p = journal_prove(w, &pidfd);
	fd_close(&pidfd);
	return texts[p];
}

static json_t *
last_exit(const struct death *d)
{
	char reason[REASON_SIZE], at[TIME_SIZE];

	if (d->at == 0)
		return json_null();
	return json_pack("{s:o, s:s}", "reason",
	    varlink_string(death_describe(d, reason, sizeof(reason))), "at",
	    units_format_time(d->at_rt, at, sizeof(at)));
}

static json_t *
worker_row(const struct worker_record *w, int here)
{
	char since[TIME_SIZE];

	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:s, s:o}",
	    "name", w->name, "state", worker_state_name(w->state), "want",
	    w->want_up ? "up" : "down", "pid", w->pid, "process",
	    varlink_string(process_text(w, here)), "generation",
	    (json_int_t)w->generation, "restarts", (json_int_t)w->restarts,
	    "deaths", (json_int_t)w->deaths, "since",
	    units_format_time(w->since_rt, since, sizeof(since)), "last_exit",
	    last_exit(&w->last));
}

/* where: NULL, or why its pids mean nothing here. */
static json_t *
all_of_it(const struct journal *j, const struct ctl *ctl, const char *where)
{
	json_t *workers = json_array();
	char epoch[NUMBER_SIZE];
	size_t i;

	for (i = 0; i < j->nworkers; i++)
		if (journal_is_picked(
			&j->workers[i], ctl->args, (size_t)ctl->nargs))
			json_array_append_new(
			    workers, worker_row(&j->workers[i], where == NULL));
	snprintf(epoch, sizeof(epoch), "%" PRIu64, j->fleet.epoch);
	return json_pack("{s:s, s:i, s:s, s:o, s:I, s:o}", "fleet",
	    j->fleet.name, "schema", j->fleet.schema, "epoch", epoch, "void",
	    varlink_string(where), "torn", (json_int_t)j->ntorn, "workers",
	    workers);
}

static void
print_recorded(const json_t *all)
{
	static const struct column columns[] = {
	    {"NAME", "name", cell_text, 0},
	    {"STATE", "state", cell_text, 0},
	    {"WANT", "want", cell_text, 0},
	    {"PID", "pid", cell_pid, 0},
	    {"PROCESS", "process", cell_text, 0},
	    {"GEN", "generation", cell_number, 0},
	    {"RESTARTS", "restarts", cell_number, 0},
	    {"SINCE", "since", cell_text, 0},
	    {"LAST-EXIT", "last_exit", cell_exit, 0},
	};
	json_int_t torn = json_integer_value(json_object_get(all, "torn"));
	const char *where = json_string_value(json_object_get(all, "void"));

	table_print(columns, sizeof(columns) / sizeof(*columns),
	    json_object_get(all, "workers"), "");
	if (where != NULL)
		print_error("%s: it says nothing of what runs now", where);
	if (torn > 0)
		print_error(
		    "lines that are torn or foreign: %" JSON_INTEGER_FORMAT,
		    torn);
}

int
recorded_show(struct ctl *ctl)
{
	struct journal j;
	struct err e, where;
	int status = EXIT_FAILED, here;
	json_t *all = NULL;

	if (journal_load(&j, ctl->path, &e) == -1) {
		print_error("%s", e.text);
		goto out;
	}
	status = journal_check_names(&j, ctl->args, (size_t)ctl->nargs);
	if (status != EXIT_DONE)
		goto out;
	here = journal_check_place(&j, &where) == 0;
	all = all_of_it(&j, ctl, here ? NULL : where.text);
	if (all == NULL) {
		print_error("out of memory");
		status = EXIT_FAILED;
	} else if (ctl->json)
		print_json(all);
	else
		print_recorded(all);
out:
	json_decref(all);
	journal_release(&j);
	return status;
}
