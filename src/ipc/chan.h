/*
 * chan: SEQPACKET sockets between svd's own processes: whole messages, with
 * descriptors. Never raises SIGPIPE; what is received is O_CLOEXEC.
 */
#ifndef SVD_IPC_CHAN_H
#define SVD_IPC_CHAN_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define CHAN_FDS_MAX 250 /* SCM_MAX_FD is 253 */

/* A connected pair, O_CLOEXEC, blocking. -1 and errno. */
int chan_pair(int fds[2]);
/*
 * Sends one message with nfds (0 to CHAN_FDS_MAX) borrowed descriptors. flags
 * are send(2)'s. -1 and errno, EAGAIN with MSG_DONTWAIT where it is full.
 */
int chan_send(int sock, const void *data, size_t len_bytes, const int *fds,
    size_t nfds, int flags);
/* The same to an address, for sockets without a peer; to_len 0: none. */
int chan_send_to(int sock, const struct sockaddr_un *to, socklen_t to_len,
    const void *data, size_t len_bytes, const int *fds, size_t nfds, int flags);
/* The same on a stream socket, which may take a part: how many bytes. The
 * descriptors go with the first of them. */
ssize_t chan_send_some(int sock, const void *data, size_t len_bytes,
    const int *fds, size_t nfds, int flags);
/*
 * Receives one message; *nfds (up to CHAN_FDS_MAX) descriptors come into fds
 * and are the caller's. With fds NULL none are taken. Its length, 0 at EOF,
 * -1 and errno; EMSGSIZE where it was longer than size_bytes or lost
 * descriptors on the way (a full descriptor table). Of a stream, some of it.
 */
ssize_t chan_recv(
    int sock, void *data, size_t size_bytes, int *fds, size_t *nfds, int flags);

#endif
