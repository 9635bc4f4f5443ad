/*
 * err: one failure of the outside world, as a person will read it.
 *
 * A function that can fail returns -1 and fills a struct err of its caller.
 * Wording: lower case, failure first, subject quoted, no full stop:
 * "cannot open '/x': Permission denied". Allocates nothing.
 */
#ifndef SVD_BASE_ERR_H
#define SVD_BASE_ERR_H

#define ERR_TEXT_MAX 320 /* bytes, the NUL included; longer text is cut */

struct err {
	char text[ERR_TEXT_MAX];
};

/* Both return -1, so that a caller can write: return err_set(...). */
int err_set(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Appends ": " and the text of errnum. */
int err_sys(struct err *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
