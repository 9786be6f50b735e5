/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streamed answers. libcurl's callbacks put what comes into a buffer and wake the reader; a full
 * buffer pauses the transfer, and the next read lets it go on. A stream outlives its transfer: what
 * came before the end can still be read.
 */
#include "net/http_stream.h"

#include "http_client_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	AHEAD_BYTES = 64 * 1024, /* unread, past which the server is held back */
	BODY_MAX = AHEAD_BYTES + CURL_MAX_WRITE_SIZE, /* one more piece of libcurl's */
	HEAD_MAX = 64 * 1024,
};

struct http_stream {
	struct http_transfer transfer;
	struct http_response unread;
	struct buf head; /* header lines, each ending in a line feed */
	int status;
	bool has_head, is_paused, is_over;
	int result; /* once it is over */
};

size_t http_stream_on_head(struct http_stream *s, struct str line)
{
	struct str text = str_trim(line);
	long status = 0;

	if (s->has_head) /* a trailer */
		return line.n;
	if (text.n > 0 && str_starts(text, STR("HTTP/"))) {
		buf_clear(&s->head);
		return line.n;
	}
	if (text.n > 0) {
		buf_append_str(&s->head, text);
		buf_append_char(&s->head, '\n');
		return buf_status(&s->head) == 0 ? line.n : 0;
	}
	curl_easy_getinfo(s->transfer.base.easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return line.n;
	s->status = (int)status;
	s->has_head = true;
	fiber_wake(&s->transfer.base.wait, 0);
	return line.n;
}

size_t http_stream_on_body(struct http_stream *s, struct str bytes)
{
	if (s->unread.body.n >= AHEAD_BYTES) {
		s->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	buf_append_str(&s->unread.body, bytes);
	if (buf_status(&s->unread.body) < 0)
		return 0;
	fiber_wake(&s->transfer.base.wait, 0);
	return bytes.n;
}

void http_stream_on_end(struct http_stream *s, int result)
{
	s->is_over = true;
	s->result = result < 0 ? result : http_transfer_errno(&s->transfer);
}

static FIBER int wait_for_more(struct http_stream *s, int64_t timeout_ms)
{
	fiber_wait_init(&s->transfer.base.wait);
	return fiber_wait(&s->transfer.base.wait, "http.stream", timeout_ms);
}

int http_stream_open_wait(struct http_client *c, const struct http_call *call,
			  struct http_stream **ret, struct err *reterr)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	buf_init(&s->unread.body, BODY_MAX);
	buf_init(&s->head, HEAD_MAX);
	s->transfer.response = &s->unread;
	s->transfer.stream = s;
	int r = http_transfer_start(c, &s->transfer, call, reterr);
	if (r < 0) {
		http_stream_close(s);
		return r;
	}
	if (!s->has_head && !s->is_over)
		r = wait_for_more(s, call->timeout_ms);
	if (r == 0 && s->is_over && s->result < 0)
		r = s->result;
	else if (r == 0 && !s->has_head)
		r = -EPROTO;
	if (r < 0) {
		http_transfer_explain(&s->transfer, r, reterr);
		http_stream_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int http_stream_status(const struct http_stream *s)
{
	return s->status;
}

size_t http_stream_headers(const struct http_stream *s, struct http_header *headers, size_t max)
{
	struct str rest = buf_str(&s->head), line, name;
	size_t n = 0;

	while (n < max && rest.n > 0 && str_split(&rest, '\n', &line)) {
		if (str_find_char(line, ':', 0) > 0 && str_split(&line, ':', &name))
			headers[n++] = (struct http_header){ name, str_trim(line) };
	}
	return n;
}

bool http_stream_is_whole(const struct http_stream *s)
{
	return s->is_over && s->result == 0;
}

int http_stream_read_wait(struct http_stream *s, struct buf *ret, int64_t timeout_ms,
			  struct err *reterr)
{
	int r = 0;

	buf_init(ret, BODY_MAX);
	if (s->is_paused && s->unread.body.n == 0 && !s->is_over) {
		s->is_paused = false;
		curl_easy_pause(s->transfer.base.easy, CURLPAUSE_CONT); /* may call back at once */
	}
	if (s->unread.body.n == 0 && !s->is_over)
		r = wait_for_more(s, timeout_ms);
	if (r == 0 && s->unread.body.n == 0 && s->is_over)
		r = s->result;
	if (r < 0)
		return http_transfer_explain(&s->transfer, r, reterr);
	if (s->unread.body.n == 0)
		return 0;
	*ret = s->unread.body;
	buf_init(&s->unread.body, BODY_MAX);
	return 1;
}

void http_stream_close(struct http_stream *s)
{
	if (s == NULL)
		return;
	transfer_detach(&s->transfer.base);
	buf_done(&s->unread.body);
	buf_done(&s->head);
	free(s);
}
