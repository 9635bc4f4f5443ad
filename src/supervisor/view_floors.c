/* view_floors: see view_floors.h. Names and units are those of svctl(8). */
#include "supervisor/view_floors.h"

#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "ipc/json_text.h"
#include "ipc/proto_floor.h"
#include "supervisor/floor_text.h"
#include "supervisor/supervisor.h"
#include "supervisor/trace.h"

#define TIME_SIZE 40

const char view_floors_types[] =
    "# One generation of a floor: first the one that serves, or else the\n"
    "# newest, then its others that have a process or workers. state is\n"
    "# LOADING, READY, FAILED or RETIRED, pid 0 is none. modules and threads\n"
    "# are as many as it has said, way is how it forks: vfork, double or\n"
    "# python; next_start is seconds. The rest only where `long` asks for it:\n"
    "# memory as in Worker; max_private_kb is what a worker should have of\n"
    "# its own at most; late is what processes have loaded after their fork,\n"
    "# late_cut: there was more of that.\n"
    "type Floor (name: string, state: string, generation: int, pid: int,\n"
    "  since: ?string, load_ms: ?int, pss_kb: ?int, workers: int,\n"
    "  spares: int, modules: ?int, threads: ?int, way: ?string,\n"
    "  next_start: ?float, error: ?string, traceback: ?string,\n"
    "  rss_kb: ?int, private_kb: ?int, shared_kb: ?int, cpu_ms: ?int,\n"
    "  max_private_kb: ?int, instances: ?[]FloorWorker, late: ?[]Late,\n"
    "  late_cut: ?bool)\n"
    "\n"
    "# A worker that stands on it; over: it has more than max_private.\n"
    "type FloorWorker (name: string, pid: int, over: bool, rss_kb: ?int,\n"
    "  pss_kb: ?int, private_kb: ?int, shared_kb: ?int, cpu_ms: ?int)\n"
    "\n"
    "# A module, and how many processes have loaded it by themselves.\n"
    "type Late (name: string, processes: int)\n";

static const struct measured *
measured_of(const struct measure *m, int pid)
{
	static const struct measured unknown = {0, -1, -1, -1, -1, -1};
	const struct measured *u = pid == 0 ? NULL : measure_find(m, pid);

	return u == NULL ? &unknown : u;
}

int
view_memory(const struct measure *m, int pid, struct buf *out)
{
	const struct measured *u = measured_of(m, pid);

	if (json_text_int_unless(out, ",\"rss_kb\":", u->rss_kb, -1) == -1 ||
	    json_text_int_unless(out, ",\"pss_kb\":", u->pss_kb, -1) == -1 ||
	    json_text_int_unless(out, ",\"private_kb\":", u->private_kb, -1) ==
		-1 ||
	    json_text_int_unless(out, ",\"shared_kb\":", u->shared_kb, -1) ==
		-1)
		return -1;
	return json_text_int_unless(out, ",\"cpu_ms\":", u->cpu_ms, -1);
}

/* What its floor says of it, if that may be known. */
static uint64_t
max_private(const struct floor *f)
{
	const struct worker *slot = f == NULL ? NULL : floor_newest(f);

	return slot == NULL ? 0 : slot->conf->as_floor->max_private;
}

int
floor_judge_private(struct worker *w, const struct measure *m)
{
	const struct floor *f = w->conf->floor == NULL ? NULL : floor_of(w);
	const struct measured *u = measured_of(m, w->rec.pid);
	uint64_t max = max_private(f);

	if (max == 0 || u->private_kb == -1 ||
	    (uint64_t)u->private_kb <= max / 1024)
		return 0;
	if (w->warned_private != w->rec.pid)
		log_warn("%s: has %lld KB of its own, more than max_private "
			 "%llu KB of floor '%s'",
		    w->conf->name, (long long)u->private_kb,
		    (unsigned long long)max / 1024, f->name);
	w->warned_private = w->rec.pid;
	return 1;
}

static int
add_error(const struct floor_row *row, struct buf *out)
{
	return json_text_string(out, ",\"error\":", floor_row_error(row));
}

static int
add_next_start(
    const struct supervisor *s, const struct worker *w, struct buf *out)
{
	static const char key[] = ",\"next_start\":";

	if (w == NULL || w->rec.state != WS_BACKOFF || w->rec.deadline == 0)
		return json_text_string(out, key, NULL);
	return json_text_seconds(out, key, w->rec.deadline - loop_now(s->loop));
}

static int
add_since(const struct worker *w, struct buf *out)
{
	char text[TIME_SIZE] = "";

	if (w != NULL && w->rec.since_rt != 0)
		units_format_time(w->rec.since_rt, text, sizeof(text));
	return json_text_string(out, ",\"since\":", text);
}

/* What it said when it was loaded. */
static int
add_load(const struct floor_row *row, struct buf *out)
{
	const struct floor_socket *fs =
	    row->slot == NULL ? NULL : floor_socket_of(row->slot);
	struct floor_load load;
	struct buf text = {0};
	int rc;

	if (fs == NULL ||
	    floor_text_read(fs->load, FLOOR_PACKET_MAX, &text) == -1)
		text.len = 0;
	floor_text_load(text.data, text.len, &load);
	rc = json_text_int_unless(out, ",\"load_ms\":", load.ms, -1) == -1 ||
	     json_text_int_unless(out, ",\"modules\":", load.modules, -1) ==
	         -1 ||
	     json_text_int_unless(out, ",\"threads\":", load.threads, -1) ==
	         -1 ||
	     json_text_string(out, ",\"way\":", load.way) == -1;
	buf_release(&text);
	return rc ? -1 : 0;
}

static int
add_trace(const struct floor_row *row, struct buf *out)
{
	const struct worker *w = floor_row_failed(row);
	struct buf text = {0};
	int rc;

	if (w == NULL || floor_row_error(row)[0] == '\0' ||
	    trace_read(w, &text) == -1)
		text.len = 0;
	rc = json_text_string(
	    out, ",\"traceback\":", text.len == 0 ? NULL : text.data);
	buf_release(&text);
	return rc;
}

static int
add_worker(struct worker *w, const struct measure *m, struct buf *out)
{
	if (json_text_string(out, "{\"name\":", w->conf->name) == -1 ||
	    json_text_int(out, ",\"pid\":", w->rec.pid) == -1 ||
	    json_text_bool(out, ",\"over\":", floor_judge_private(w, m)) ==
		-1 ||
	    view_memory(m, w->rec.pid, out) == -1)
		return -1;
	return buf_adds(out, "}");
}

static int
add_workers(const struct supervisor *s, const struct floor_row *row,
    const struct measure *m, struct buf *out)
{
	const char *sep = "";
	struct worker *w;
	size_t i;

	if (buf_adds(out, ",\"instances\":[") == -1)
		return -1;
	ROSTER_EACH (&s->roster, i, w) {
		if (!floor_row_has(row, w))
			continue;
		if (buf_adds(out, sep) == -1 || add_worker(w, m, out) == -1)
			return -1;
		sep = ",";
	}
	return buf_adds(out, "]");
}

static int
add_lates(const struct floor_lates *l, struct buf *out)
{
	size_t i;

	if (buf_adds(out, ",\"late\":[") == -1)
		return -1;
	for (i = 0; i < l->n; i++)
		if (json_text_string(out, i == 0 ? "{\"name\":" : ",{\"name\":",
			l->list[i].name) == -1 ||
		    json_text_int(out, ",\"processes\":",
			(int64_t)l->list[i].processes) == -1 ||
		    buf_adds(out, "}") == -1)
			return -1;
	return json_text_bool(out, "],\"late_cut\":", l->cut);
}

static int
add_late(const struct floor_row *row, struct buf *out)
{
	const struct floor_socket *fs =
	    row->slot == NULL ? NULL : floor_socket_of(row->slot);
	struct floor_lates lates = {0};
	struct buf data = {0};
	int rc;

	if (fs == NULL ||
	    floor_text_read(fs->late, FLOOR_LATE_BYTES, &data) == -1)
		data.len = 0;
	rc = floor_text_late(data.data, data.len, &lates) == -1
	         ? -1
	         : add_lates(&lates, out);
	floor_lates_release(&lates);
	buf_release(&data);
	return rc;
}

static int
add_long(const struct supervisor *s, const struct floor_row *row,
    const struct measure *m, struct buf *out)
{
	uint64_t max = max_private(row->floor);
	int pid = row->slot == NULL ? 0 : row->slot->rec.pid;

	if (view_memory(m, pid, out) == -1 ||
	    json_text_int_unless(
		out, ",\"max_private_kb\":", (int64_t)(max / 1024), 0) == -1 ||
	    add_trace(row, out) == -1 || add_workers(s, row, m, out) == -1)
		return -1;
	return add_late(row, out);
}

int
view_floor(const struct supervisor *s, const struct floor_row *row,
    const struct measure *m, int is_long, struct buf *out)
{
	const struct worker *w = row->slot;
	int pid = w == NULL ? 0 : w->rec.pid, rc;

	if (json_text_string(out, "{\"name\":", row->floor->name) == -1 ||
	    json_text_string(out, ",\"state\":", floor_row_state(row)) == -1 ||
	    json_text_int(out, ",\"generation\":", (int64_t)row->generation) ==
		-1 ||
	    json_text_int(out, ",\"pid\":", pid) == -1 ||
	    add_since(w, out) == -1 || add_load(row, out) == -1 ||
	    json_text_int(out, ",\"workers\":", (int64_t)row->workers) == -1 ||
	    json_text_int(out, ",\"spares\":", (int64_t)row->spares) == -1 ||
	    add_next_start(s, w, out) == -1 || add_error(row, out) == -1)
		return -1;
	rc = is_long ? add_long(s, row, m, out)
	             : json_text_int_unless(out,
			   ",\"pss_kb\":", measured_of(m, pid)->pss_kb, -1);
	return rc == -1 ? -1 : buf_adds(out, "}");
}
