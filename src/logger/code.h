/*
 * code: the pages of code that main and its writers have in memory, of the
 * binary and its libraries. A start needs most of them, a process at rest few,
 * and the kernel maps those beside what is asked for, too.
 */
#ifndef SVD_LOGGER_CODE_H
#define SVD_LOGGER_CODE_H

/* After a time of work: out of the caller's memory. They stay in the page
 * cache, and come back as they are used. */
void code_leave(void);

#endif
