/* verbs: see verbs.h. The verbs themselves are in verbs_*.c. */
#include "supervisor/verbs.h"

#include <string.h>

#include "base/log.h"
#include "ipc/varlink.h"
#include "supervisor/call.h"
#include "supervisor/idl.h"
#include "supervisor/view.h"
#include "supervisor/view_conf.h"
#include "supervisor/view_floors.h"

/* All that can be asked. */
static const struct group {
	const char *interface;
	const struct verb *verbs;
} groups[] = {
    {VARLINK_SERVICE, verbs_service},
    {FLEET_INTERFACE, verbs_show},
    {FLEET_INTERFACE, verbs_logs},
    {FLEET_INTERFACE, verbs_act},
    {FLEET_INTERFACE, verbs_conf},
    {FLEET_INTERFACE, verbs_floors},
    {FLEET_INTERFACE, verbs_upgrade},
    {FLEET_INTERFACE, verbs_attach},
    {FLEET_INTERFACE, verbs_channel},
    {FLEET_INTERFACE, verbs_dump},
};

#define NGROUPS (sizeof(groups) / sizeof(*groups))

/* What stands above the methods of an interface. */
static const struct preface {
	const char *interface, *help, *types[6];
} prefaces[] = {
    {VARLINK_SERVICE, "What every Varlink service can be asked.", {NULL}},
    {FLEET_INTERFACE, "A fleet of worker processes, kept by svd.",
	{view_types, outcome_types, view_conf_types, view_floors_types,
	    dump_types, NULL}},
};

static int
add_types(struct buf *b, const struct preface *p)
{
	const char *const *text;

	if (buf_addf(b, "# %s\ninterface %s\n", p->help, p->interface) == -1)
		return -1;
	for (text = p->types; *text != NULL; text++)
		if (buf_addf(b, "\n%s", *text) == -1)
			return -1;
	return 0;
}

static int
add_methods(struct buf *b, const char *interface)
{
	const struct verb *v;
	size_t i;

	for (i = 0; i < NGROUPS; i++) {
		if (strcmp(groups[i].interface, interface) != 0)
			continue;
		for (v = groups[i].verbs; v->name != NULL; v++)
			if (buf_addf(b, "\n# %s\nmethod %s(%s) -> (%s)\n",
				v->help, v->name, v->in, v->out) == -1)
				return -1;
	}
	return 0;
}

static int
add_errors(struct buf *b, const char *interface)
{
	const struct call_error_kind *k;
	size_t i;

	for (i = 0; i < ERROR_COUNT; i++) {
		k = &call_errors[i];
		if (strcmp(k->interface, interface) == 0 &&
		    buf_addf(b, "\n# %s\nerror %s (%s)\n", k->help, k->name,
			k->in) == -1)
			return -1;
	}
	return 0;
}

/* The interface in Varlink's IDL; "" if there is none of that name. */
static int
describe(struct buf *b, const char *interface)
{
	size_t i;

	for (i = 0; i < sizeof(prefaces) / sizeof(*prefaces); i++)
		if (strcmp(prefaces[i].interface, interface) == 0)
			return add_types(b, &prefaces[i]) == -1 ||
			               add_methods(b, interface) == -1 ||
			               add_errors(b, interface) == -1
			           ? -1
			           : 0;
	return buf_adds(b, "");
}

static int
verb_get_interface_description(struct call *c)
{
	const char *interface =
	    json_string_value(json_object_get(c->parameters, "interface"));
	struct buf text = {0};
	int rc;

	if (describe(&text, interface) == -1)
		rc = call_no_memory(c);
	else if (text.len == 0)
		rc = call_fail(c, ERROR_INTERFACE_NOT_FOUND, interface);
	else
		rc =
		    call_reply(c, json_pack("{s:s}", "description", text.data));
	buf_release(&text);
	return rc;
}

static int
verb_get_info(struct call *c)
{
	json_t *interfaces = json_array();
	size_t i;

	for (i = 0; i < sizeof(prefaces) / sizeof(*prefaces); i++)
		json_array_append_new(
		    interfaces, json_string(prefaces[i].interface));
	return call_reply(
	    c, json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "svd",
		   "product", "svd", "version", SVD_VERSION, "url", "",
		   "interfaces", interfaces));
}

const struct verb verbs_service[] = {
    {"GetInfo", ACCESS_READ, "",
	"vendor: string, product: string, version: string, url: string, "
	"interfaces: []string",
	verb_get_info, "What answers here."},
    {"GetInterfaceDescription", ACCESS_READ, "interface: string",
	"description: string", verb_get_interface_description,
	"An interface as text."},
    {0},
};

static const struct verb *
find_in_group(const struct group *g, const char *name)
{
	const struct verb *v;

	for (v = g->verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* NULL: an error was answered. */
static const struct verb *
find_verb(struct call *c, const char *method, int *rc)
{
	const char *dot = strrchr(method, '.');
	size_t len = dot == NULL ? 0 : (size_t)(dot - method), i;
	char interface[sizeof(((struct err *)NULL)->text)];
	const struct verb *v;
	int known = 0;

	if (dot == NULL || len >= sizeof(interface)) {
		*rc = call_fail(c, ERROR_INVALID_PARAMETER, "method");
		return NULL;
	}
	memcpy(interface, method, len);
	interface[len] = '\0';
	for (i = 0; i < NGROUPS; i++) {
		if (strcmp(groups[i].interface, interface) != 0)
			continue;
		known = 1;
		if ((v = find_in_group(&groups[i], dot + 1)) != NULL)
			return v;
	}
	*rc = known ? call_fail(c, ERROR_METHOD_NOT_FOUND, method)
	            : call_fail(c, ERROR_INTERFACE_NOT_FOUND, interface);
	return NULL;
}

int
verbs_act_by(const char *method, size_t len)
{
	static const char prefix[] = "\"" FLEET_INTERFACE ".";
	const size_t before = sizeof(prefix) - 1;
	char name[32];
	const struct verb *v = NULL;
	size_t i;

	if (len <= before + 1 || len - before > sizeof(name) ||
	    memcmp(method, prefix, before) != 0)
		return 0;
	memcpy(name, method + before, len - before - 1);
	name[len - before - 1] = '\0';
	for (i = 0; i < NGROUPS && v == NULL; i++)
		if (strcmp(groups[i].interface, FLEET_INTERFACE) == 0)
			v = find_in_group(&groups[i], name);
	return v != NULL && v->needs > ACCESS_READ;
}

static int
run_verb(struct call *c, const struct varlink_call *vc, const struct peer *peer)
{
	const struct verb *v;
	char bad[64];
	int rc;

	c->access = peer->access;
	/* Whoever may nothing is told nothing. */
	if (c->access == ACCESS_NONE)
		return call_fail(c, ERROR_PERMISSION_DENIED, NULL);
	if ((v = find_verb(c, vc->method, &rc)) == NULL)
		return rc;
	if (c->access < v->needs)
		return call_fail(c, ERROR_PERMISSION_DENIED, NULL);
	if (idl_check(v->in, c->parameters, bad, sizeof(bad)) == -1)
		return call_fail(c, ERROR_INVALID_PARAMETER, bad);
	if (vc->upgrade != (v == verbs_attach))
		return call_fail(c, ERROR_INVALID_PARAMETER, "upgrade");
	if (v->needs == ACCESS_ACT)
		log_info("uid %ld asks for %s", (long)peer->uid, v->name);
	return v->fn(c);
}

int
verbs_call(struct supervisor *s, const struct peer *peer, json_t *msg,
    const struct call_extra *extra, struct buf *out, struct answer **later)
{
	struct varlink_call vc;
	struct call c = {.sup = s, .extra = extra, .out = out};
	size_t before = out->len;
	struct err e;
	int rc;

	*later = NULL;
	if (varlink_read_call(msg, &vc, &e) == -1)
		return call_fail(&c, ERROR_INVALID_PARAMETER, e.text);
	c.parameters = vc.parameters;
	c.more = vc.more;
	rc = run_verb(&c, &vc, peer);
	if (vc.oneway) {
		if (c.later != NULL)
			c.later->kind->free(c.later);
		c.later = NULL;
		out->len = before;
	}
	*later = c.later;
	return rc;
}
