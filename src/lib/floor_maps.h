/*
 * floor_maps: what is mapped in this process, and which of its pages are there,
 * from /proc/self/maps, smaps and pagemap (linux: filesystems/proc.rst,
 * admin-guide/mm/pagemap.rst).
 */
#ifndef SVD_LIB_FLOOR_MAPS_H
#define SVD_LIB_FLOOR_MAPS_H

#include <stddef.h>
#include <stdint.h>

struct floor_mapping {
	uintptr_t begin, end;
	uint64_t offset; /* in the file */
	uint64_t inode;  /* 0: no file's */
	char mode[5];    /* as "r-xp" */
	char name[32];  /* its beginning, as far as it has no blank; "": none */
	char flags[96]; /* VmFlags: two letters and a blank each */
};

/* Calls fn for each as it was when it was read, without flags, up to the first
 * that is not answered by 0. -1: they cannot be read. */
int
floor_maps_each(int (*fn)(const struct floor_mapping *m, void *arg), void *arg);

struct floor_mappings {
	struct floor_mapping *at; /* by address */
	size_t n;
};

/* All of them with their flags, in memory of their own: up to 16384. From
 * smaps, which takes some 5 us for each, and more where there are many small
 * pages. -1: they cannot be read, or there is no memory. */
int floor_mappings_read(struct floor_mappings *all);
void floor_mappings_free(struct floor_mappings *all);
/* Is it private, to be read or written, and such that the kernel was told
 * nothing of it by madvise(), mlock() or anybody, which what takes its place
 * could not keep? */
int floor_mapping_is_plain(const struct floor_mapping *m);

#define FLOOR_PAGES_AT_ONCE 512U

/* Of an entry of pagemap: is the page there? */
int floor_page_is_present(uint64_t entry);
/* Is it there, or swapped, and no file's: written to, or relocated, and there
 * is no other of it? */
int floor_page_is_own(uint64_t entry);
/* What floor_pages_read() reads from; -1. */
int floor_pages_open(void);
/* Of up to FLOOR_PAGES_AT_ONCE pages from begin on: how many were read, 0 at
 * end, or where none can be. */
size_t floor_pages_read(int pagemap, uintptr_t begin, uintptr_t end,
    uint64_t entries[FLOOR_PAGES_AT_ONCE]);

#endif
