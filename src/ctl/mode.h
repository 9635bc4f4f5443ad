/*
 * mode: the terminal that svctl itself stands on while it is attached. However
 * svctl ends, the terminal is as it was: by mode_restore(), or by a handler of
 * the signals that mean a crash.
 */
#ifndef SVD_CTL_MODE_H
#define SVD_CTL_MODE_H

#define MODE_DETACH_KEY 0x1d /* ctrl-] */

enum mode {
	MODE_AS_IT_WAS,
	MODE_LINES, /* lines as ever, but that the key ends one too */
	MODE_RAW    /* each key as it is typed, and shown by the worker */
};

/* Remembers how standard input's terminal is. 0: it is none. */
int mode_open(void);
/* Nothing where standard input is no terminal. */
void mode_set(enum mode mode);
void mode_restore(void);
/* Somebody else may have changed it. */
void mode_forget(void);
enum mode mode_now(void);
/* Of the terminal; -1: there is none, or it does not say. */
int mode_window(unsigned int *rows, unsigned int *columns);

#endif
