/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's two directions to its sidecar: the client, and the listener that the sidecar calls.
 */
#ifndef DAPR_LINK_PRIVATE_H
#define DAPR_LINK_PRIVATE_H

#include "app_private.h"
#include "dapr/sidecar.h"
#include "net/http_server.h"

struct callbacks;

enum { DAPR_TOKEN_MAX = 1024 };

struct dapr_token {
	char text[DAPR_TOKEN_MAX +
		  2]; /* a line end more, and one byte to see that there is too much */
	size_t n;
};

/* Zero-initialised: nothing is open. */
struct dapr_link {
	struct dapr_token token, app_token;
	struct sidecar *sidecar;
	struct callbacks *callbacks;
	struct dispatcher *dispatcher;
	struct http_server *server;
};

/* Reads the tokens, makes the client and the tables of the listener; connects to nothing. -EINVAL:
 * a token cannot be read. */
int dapr_link_open(struct dapr_link *d, struct app *app, struct err *reterr) MUST_CHECK;
/* server: the listener's address, port and limits. */
int dapr_link_listen(struct dapr_link *d, struct app *app, struct http_server_config *server,
		     struct err *reterr) MUST_CHECK;
void dapr_link_drain(struct dapr_link *d);
unsigned dapr_link_connections(const struct dapr_link *d);
/* The listener first, the client when nobody calls any more. */
void dapr_link_close_listener(struct dapr_link *d);
void dapr_link_close(struct dapr_link *d);

#endif
