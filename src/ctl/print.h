/*
 * print: what svctl shows to people. Text that came from elsewhere (names,
 * reasons) is printed without control characters, so that it cannot talk to
 * the terminal.
 */
#ifndef SVD_CTL_PRINT_H
#define SVD_CTL_PRINT_H

#include <jansson.h>

#include "ctl/table.h"

/* "svctl: text" and a newline on standard error. */
void print_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A reply's parameters as one line of JSON. */
void print_json(const json_t *parameters);
/* Prints text, without what would talk to the terminal. */
void print_text(const char *text);
/* The same to standard error, and a newline. */
void print_error_line(const char *text);
/* The string under key, or "-". As it came: only to be printed from here. */
const char *print_member(const json_t *object, const char *key);
/* The lines of the string under key, if there is one, each behind indent. */
void print_lines(const json_t *object, const char *key, const char *indent);
/* A table for the workers of Status. */
void print_status_begin(struct table *t);
/* Of Version, Why and Health; Floors: see print_floors.h. */
void print_version(const json_t *parameters);
void print_upgrade(const json_t *parameters);
void print_why(const json_t *parameters);
void print_health(const json_t *parameters);
/* On standard error, if svd cannot write down what happens: Status, Health. */
void print_degraded(const json_t *parameters);
/* The list of Reattach. */
void print_reattached(const json_t *list);
/* One reply of Events; nothing for a snapshot without a gap. */
void print_event(const json_t *parameters);
/* Ends standard output. -1: not all of it could be written. */
int print_end(void);

#endif
