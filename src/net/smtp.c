/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection for each mail. libcurl makes it (names, TLS, STARTTLS, EHLO, login), and then leaves
 * the rest to us (CURLOPT_CONNECT_ONLY): when it sends a mail itself it waits for the answer to the
 * data, and to QUIT, in a blocking loop, and a slow server would stop the whole process. So the
 * transaction (RFC 5321 3.3) is spoken here, by bytes that libcurl passes through TLS.
 *
 * Callbacks only move the dialogue on and, at its end, wake whoever waits.
 */
#include "net/smtp.h"

#include "base/time.h"
#include "loop/timer.h"
#include "transfer_private.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

enum { URL_SIZE = 1024, ADDRESS_SIZE = 256, REPLY_MAX = 16 * 1024, MAIL_MAX = 1024 * 1024 };

/* What was said last, and waits for its answer. */
enum step { STEP_CONNECT, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_END, STEP_OVER };

struct smtp {
	struct smtp_config config;
	struct transfer_pool *pool;
};

struct smtp_sending {
	struct transfer base;
	struct smtp *smtp;
	struct fiber_wait over;
	struct event io; /* of the connection, from STEP_MAIL on */
	struct timer step_timer;
	bool has_io;
	enum step step;
	char from[ADDRESS_SIZE], to[ADDRESS_SIZE];
	struct str data;
	struct buf out, in; /* to be sent; the reply as far as it has come */
	int64_t until_ms;
	struct err why; /* what it ended with */
};

struct smtp *smtp_new(const struct smtp_config *config)
{
	struct smtp *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	s->pool = transfer_pool_new(config->loop, config->max_sendings);
	if (!s->pool) {
		free(s);
		return NULL;
	}
	return s;
}

void smtp_free(struct smtp *s)
{
	if (!s)
		return;
	transfer_pool_free(s->pool);
	free(s);
}

/* ---- the end ---- */

static void stop(struct smtp_sending *m)
{
	if (m->has_io)
		event_del(&m->io);
	m->has_io = false;
	timer_stop(&m->step_timer);
}

/* No more callbacks of ours come. */
static void release(struct smtp_sending *m)
{
	stop(m);
	transfer_detach(&m->base);
}

static void end(struct smtp_sending *m, int result)
{
	m->step = STEP_OVER;
	stop(m);
	fiber_wake(&m->over, result);
}

/* This may pass. */
static void end_with(struct smtp_sending *m, const char *reason)
{
	end(m, err_unavailable(&m->why, 1, "the mail server: %s", reason));
}

static void on_step_timeout(void *arg)
{
	end_with(arg, "no answer in time");
}

/* ---- the dialogue ---- */

static void say(struct smtp_sending *m, enum step step)
{
	m->step = step;
	buf_clear(&m->in);
	if (timer_start(&m->step_timer, m->smtp->config.step_timeout_ms) < 0)
		end_with(m, "out of memory");
}

/* The mail as RFC 5321 4.5.2 has it: a dot before each that begins a line, and one as the end. */
static void append_mail(struct buf *out, struct str data)
{
	bool at_start = true;

	for (size_t i = 0; i < data.n; i++) {
		if (at_start && data.p[i] == '.')
			buf_append_char(out, '.');
		buf_append_char(out, data.p[i]);
		at_start = data.p[i] == '\n';
	}
	buf_append_str(out, at_start ? STR(".\r\n") : STR("\r\n.\r\n"));
}

static void say_next(struct smtp_sending *m)
{
	switch (m->step) {
	case STEP_CONNECT:
		buf_printf(&m->out, "MAIL FROM:<%s>\r\n", m->from);
		say(m, STEP_MAIL);
		break;
	case STEP_MAIL:
		buf_printf(&m->out, "RCPT TO:<%s>\r\n", m->to);
		say(m, STEP_RCPT);
		break;
	case STEP_RCPT:
		buf_append_str(&m->out, STR("DATA\r\n"));
		say(m, STEP_DATA);
		break;
	case STEP_DATA:
		append_mail(&m->out, m->data);
		say(m, STEP_END);
		break;
	case STEP_END:
	case STEP_OVER:
		break;
	}
}

/* What became of the mail is known: goodbye, whose answer nobody waits for. */
static void leave(struct smtp_sending *m, int result)
{
	static const struct str quit = STR_INIT("QUIT\r\n");
	size_t n = 0;

	(void)curl_easy_send(m->base.easy, quit.p, quit.n, &n);
	end(m, result);
}

/* 5xx says never, to the mail that it answers. */
static void on_reply(struct smtp_sending *m, int code, struct str text)
{
	static const char *const what[] = { "", "MAIL", "RCPT", "DATA", "the mail" };
	bool is_good = code / 100 == (m->step == STEP_DATA ? 3 : 2);

	if (is_good && m->step == STEP_END) {
		leave(m, 0);
	} else if (is_good) {
		say_next(m);
	} else if (code / 100 == 5) {
		err_set(&m->why, &ERR_INVALID, NULL, "the mail server refuses %s: %.*s",
			what[m->step], STR_ARGS(text));
		leave(m, -EINVAL);
	} else {
		leave(m, err_unavailable(&m->why, 1, "the mail server puts %s off: %.*s",
					 what[m->step], STR_ARGS(text)));
	}
}

/* "250-text" or "250 text"; -1 for what is neither. */
static int code_of(struct str line)
{
	int code = 0;

	if (line.n < 3 || (line.n > 3 && line.p[3] != '-' && line.p[3] != ' '))
		return -1;
	for (size_t i = 0; i < 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -1;
		code = 10 * code + (line.p[i] - '0');
	}
	return code >= 200 && code < 600 ? code : -1;
}

/* Visible ASCII of what a server says, for errors. */
static struct str first_words(struct str line, char out[96])
{
	size_t n = 0;

	for (size_t i = 0; i < line.n && n < 95; i++)
		out[n++] = line.p[i] >= ' ' && line.p[i] < 0x7f ? line.p[i] : '?';
	return (struct str){ out, n };
}

/* A whole reply, if it is there: its last line has no '-' behind the code. */
static void read_reply(struct smtp_sending *m)
{
	struct str rest = buf_str(&m->in), line;
	char words[96];

	while (memchr(rest.p, '\n', rest.n) && str_split(&rest, '\n', &line)) {
		line = str_trim(line);
		int code = code_of(line);

		if (code < 0) {
			end_with(m, "an answer that is none");
			return;
		}
		if (line.n > 3 && line.p[3] == '-')
			continue;
		on_reply(m, code, first_words(line, words));
		return;
	}
}

static void receive(struct smtp_sending *m)
{
	char bytes[2048];
	CURLcode code = CURLE_OK;
	size_t n = 0;

	while (m->step != STEP_OVER) {
		code = curl_easy_recv(m->base.easy, bytes, sizeof(bytes), &n);
		if (code == CURLE_AGAIN)
			return;
		if (code != CURLE_OK || n == 0) {
			end_with(m, "the connection was lost");
			return;
		}
		buf_append(&m->in, bytes, n);
		if (buf_status(&m->in) < 0)
			end_with(m, "an answer without an end");
		else
			read_reply(m);
	}
}

static void transmit(struct smtp_sending *m)
{
	while (m->step != STEP_OVER && m->out.n > 0) {
		size_t n = 0;
		CURLcode code = curl_easy_send(m->base.easy, m->out.p, m->out.n, &n);

		if (code == CURLE_AGAIN)
			return;
		if (code != CURLE_OK)
			end_with(m, "the connection was lost");
		else
			buf_consume(&m->out, n);
	}
}

static void watch(struct smtp_sending *m);

static void on_socket(evutil_socket_t fd, short events, void *arg)
{
	struct smtp_sending *m = arg;
	LOOP_ENTER(m->smtp->config.loop);

	(void)fd;
	(void)events;
	receive(m);
	transmit(m);
	watch(m);
}

/* Readable always; writable while something waits to be sent. */
static void watch(struct smtp_sending *m)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	short events = m->out.n > 0 ? EV_READ | EV_WRITE : EV_READ;

	if (m->step == STEP_OVER)
		return;
	if (buf_status(&m->out) < 0 ||
	    curl_easy_getinfo(m->base.easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
	    fd == CURL_SOCKET_BAD) {
		end_with(m, "out of memory");
		return;
	}
	if (event_assign(&m->io, loop_base(m->smtp->config.loop), fd, events, on_socket, m) < 0 ||
	    event_add(&m->io, NULL) < 0)
		end_with(m, "out of memory");
	else
		m->has_io = true;
}

/* libcurl is done: there is a connection, or there is none. */
static void on_connected(struct transfer *t, int result)
{
	struct smtp_sending *m = CONTAINER_OF(t, struct smtp_sending, base);

	if (result == 0)
		result = transfer_errno(t);
	if (m->step == STEP_OVER)
		return;
	if (result == -ENOMEM || result == -ECANCELED) {
		err_unavailable(&m->why, 1, "%s", transfer_reason(t, result));
		end(m, result);
	} else if (result < 0) {
		end_with(m, transfer_reason(t, result));
	} else {
		say_next(m);
		transmit(m);
		watch(m);
	}
}

/* ---- one mail ---- */

static bool set_server(CURL *easy, const struct smtp_config *c)
{
	long step_s = (long)((c->step_timeout_ms + 999) / 1000);
	long tls = c->is_plain ? CURLUSESSL_NONE : CURLUSESSL_ALL;
	char url[URL_SIZE];
	int n = snprintf(url, sizeof(url), "%s/%s", c->url, c->helo);

	return n > 0 && n < URL_SIZE && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USE_SSL, tls) == CURLE_OK &&
	       (!*c->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file) == CURLE_OK) &&
	       (!*c->user || (curl_easy_setopt(easy, CURLOPT_USERNAME, c->user) == CURLE_OK &&
			      curl_easy_setopt(easy, CURLOPT_PASSWORD, c->password) == CURLE_OK)) &&
	       curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, step_s) == CURLE_OK;
}

static int start(struct smtp_sending *m)
{
	const struct smtp_config *c = &m->smtp->config;
	int r = transfer_prepare(m->smtp->pool, &m->base, "smtp,smtps", c->connect_timeout_ms);

	if (r < 0)
		return r;
	m->base.on_end = on_connected;
	if (set_server(m->base.easy, c))
		return transfer_start(m->smtp->pool, &m->base);
	transfer_drop(&m->base);
	return -ENOMEM;
}

/* Nothing that could end the brackets or the line. */
static int put_address(char out[ADDRESS_SIZE], struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '<' || s.p[i] == '>')
			return -EINVAL;
	return s.n == 0 || str_copy(out, ADDRESS_SIZE, s) < 0 ? -EINVAL : 0;
}

static int explain(int r, struct err *reterr)
{
	if (r == -EAGAIN)
		err_unavailable(reterr, 1, "too many mails are under way");
	else if (r == -ENOMEM)
		err_unavailable(reterr, 1, "out of memory");
	else
		err_set(reterr, &ERR_INTERNAL, NULL, "this cannot be the address of a mail");
	return r;
}

int smtp_send_start(struct smtp *s, struct str from, struct str to, struct str data,
		    struct smtp_sending **ret, struct err *reterr)
{
	struct smtp_sending *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return explain(-ENOMEM, reterr);
	m->smtp = s;
	m->data = data;
	m->until_ms = time_monotonic_ms() + s->config.timeout_ms;
	fiber_wait_init(&m->over);
	timer_init(&m->step_timer, s->config.loop, on_step_timeout, m);
	buf_init(&m->out, MAIL_MAX);
	buf_init(&m->in, REPLY_MAX);
	r = put_address(m->from, from);
	if (r == 0)
		r = put_address(m->to, to);
	if (r == 0)
		r = start(m);
	if (r < 0) {
		smtp_send_free(m);
		return explain(r, reterr);
	}
	*ret = m;
	return 0;
}

int smtp_send_wait(struct smtp_sending *m, int64_t wait_ms, struct err *reterr)
{
	int64_t now_ms = time_monotonic_ms();
	bool is_last = now_ms + wait_ms >= m->until_ms;
	int r;

	if (is_last)
		wait_ms = m->until_ms > now_ms ? m->until_ms - now_ms : 1;
	r = fiber_wait(&m->over, "smtp", wait_ms);
	if (r == -ENOMEM && !m->over.done) /* no deadline could be set */
		r = -ETIME;
	if (r == -ETIME && is_last)
		end_with(m, "no answer in time");
	if (m->over.done && (r != -ECANCELED || m->over.result == r)) {
		r = m->over.result;
		if (r < 0 && reterr)
			*reterr = m->why;
		release(m);
		return r;
	}
	if (r == -ECANCELED)
		err_unavailable(reterr, 1, "nobody waits for the mail any more");
	return r == -ETIME ? -EINPROGRESS : r;
}

void smtp_send_free(struct smtp_sending *m)
{
	if (!m)
		return;
	release(m);
	timer_done(&m->step_timer);
	buf_done(&m->out);
	buf_done(&m->in);
	free(m);
}
