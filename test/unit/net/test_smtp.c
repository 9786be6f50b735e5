/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails to a server on the same loop, which speaks SMTP by a script: what goes over the wire, and
 * what every way to go wrong means.
 */
#include "net/smtp.h"

#include "loop/fiber.h"
#include "loop/timer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 10000, TRANSCRIPT_MAX = 64 * 1024, SESSIONS_MAX = 8 };

/* A time in which what comes before must be over: longer where all is slower, as under valgrind. */
static int64_t scaled_ms(int64_t ms)
{
	const char *factor = getenv("CK_TIMEOUT_MULTIPLIER");

	return factor != NULL ? ms * strtol(factor, NULL, 10) : ms;
}

/* What the server answers; NULL: as a good one does. "": it closes; "-": it says nothing. */
struct script {
	const char *greeting, *helo, *mail, *rcpt, *data, *end;
};

struct session {
	struct bufferevent *bev;
	bool in_data;
};

static struct {
	struct evconnlistener *listener;
	struct session sessions[SESSIONS_MAX];
	struct script script;
	unsigned port, connections, mails;
	char transcript[TRANSCRIPT_MAX];
	size_t n;
} server;
static struct loop *loop;
static struct smtp *smtp;
static struct timer watcher;
static char url[64];

/* ---- the server ---- */

static void drop(struct session *s)
{
	bufferevent_free(s->bev);
	*s = (struct session){ .bev = NULL };
}

static void on_sent(struct bufferevent *bev, void *arg)
{
	(void)bev;
	drop(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		drop(arg);
}

/* False: the session is over. */
static bool reply(struct session *s, const char *scripted, const char *otherwise)
{
	const char *text = scripted ? scripted : otherwise;

	if (strcmp(text, "-") == 0)
		return true;
	if (*text == '\0') {
		drop(s);
		return false;
	}
	evbuffer_add_printf(bufferevent_get_output(s->bev), "%s\r\n", text);
	if (strncmp(text, "421", 3) != 0)
		return true;
	bufferevent_setcb(s->bev, NULL, on_sent, on_event, s);
	return false;
}

static bool on_line(struct session *s, const char *line)
{
	const struct script *script = &server.script;

	if (s->in_data) {
		if (strcmp(line, ".") != 0)
			return true;
		s->in_data = false;
		server.mails++;
		return reply(s, script->end, "250 taken");
	}
	if (strncmp(line, "EHLO ", 5) == 0 || strncmp(line, "HELO ", 5) == 0)
		return reply(s, script->helo, "250-here\r\n250 SIZE 1000000");
	if (strncmp(line, "MAIL ", 5) == 0)
		return reply(s, script->mail, "250 yes");
	if (strncmp(line, "RCPT ", 5) == 0)
		return reply(s, script->rcpt, "250 yes");
	if (strcmp(line, "DATA") == 0) {
		s->in_data = script->data == NULL;
		return reply(s, script->data, "354 go on");
	}
	if (strcmp(line, "QUIT") == 0)
		return reply(s, "221 bye", NULL);
	return reply(s, "500 what?", NULL);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct session *s = arg;
	char *line;
	size_t n;

	while ((line = evbuffer_readln(bufferevent_get_input(bev), &n, EVBUFFER_EOL_CRLF_STRICT))) {
		ck_assert_uint_lt(server.n + n + 2, TRANSCRIPT_MAX);
		server.n += (size_t)snprintf(server.transcript + server.n,
					     TRANSCRIPT_MAX - server.n, "%s\n", line);
		bool goes_on = on_line(s, line);
		free(line);
		if (!goes_on)
			return;
	}
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
		      int peer_len, void *arg)
{
	struct session *s = server.sessions;

	(void)peer;
	(void)peer_len;
	(void)arg;
	while (s->bev)
		s++;
	ck_assert_ptr_ne(s, server.sessions + SESSIONS_MAX);
	s->bev = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
					BEV_OPT_CLOSE_ON_FREE);
	server.connections++;
	bufferevent_setcb(s->bev, on_read, NULL, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	reply(s, server.script.greeting, "220 here");
}

static void start_server(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	memset(&server, 0, sizeof(server));
	server.listener =
		evconnlistener_new_bind(loop_base(loop), on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
					(struct sockaddr *)&sa, sizeof(sa));
	ck_assert_ptr_nonnull(server.listener);
	getsockname(evconnlistener_get_fd(server.listener), (struct sockaddr *)&sa, &len);
	server.port = ntohs(sa.sin_port);
}

static void stop_server(void)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (server.sessions[i].bev)
			drop(&server.sessions[i]);
	evconnlistener_free(server.listener);
}

/* ---- the client ---- */

static void stop_when_idle(void *arg)
{
	(void)arg;
	if (fiber_count() == 0)
		loop_stop(loop);
	else
		ck_assert_int_eq(timer_start(&watcher, 1), 0);
}

static struct smtp_config config_of(void)
{
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", server.port);
	return (struct smtp_config){
		.loop = loop,
		.url = url,
		.is_plain = true,
		.ca_file = "",
		.user = "",
		.password = "",
		.helo = "sender.example.org",
		.connect_timeout_ms = PATIENCE_MS,
		.step_timeout_ms = PATIENCE_MS,
		.timeout_ms = PATIENCE_MS,
		.max_sendings = 4,
	};
}

static void setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	start_server();
	const struct smtp_config config = config_of();
	smtp = smtp_new(&config);
	ck_assert_ptr_nonnull(smtp);
	timer_init(&watcher, loop, stop_when_idle, NULL);
}

static void teardown(void)
{
	timer_done(&watcher);
	smtp_free(smtp);
	stop_server();
	fiber_done();
	loop_free(loop);
}

static void on_fiber(fiber_fn *fn, void *arg)
{
	ck_assert_int_eq(fiber_spawn(loop, "test", fn, arg, NULL, NULL), 0);
	ck_assert_int_eq(timer_start(&watcher, 1), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(fiber_count(), 0);
}

static const struct str DATA = STR_INIT("Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nlast\r\n");

static struct smtp_sending *begin(struct str to)
{
	struct smtp_sending *m = NULL;
	struct err e = { 0 };

	ck_assert_msg(smtp_send_start(smtp, STR("from@example.org"), to, DATA, &m, &e) == 0, "%s",
		      e.text);
	return m;
}

static void all_places_are_free(void)
{
	struct smtp_sending *m[4];

	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = begin(STR("to@example.org"));
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		smtp_send_free(m[i]);
}

static FIBER int send_one(struct err *e)
{
	struct smtp_sending *m = begin(STR("to@example.org"));
	int r = smtp_send_wait(m, PATIENCE_MS, e);

	smtp_send_free(m);
	return r;
}

static void good_fiber(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	ck_assert_msg(send_one(&e) == 0, "%s", e.text);
	all_places_are_free();
}

/* Lines that begin with dots, one that is a dot, and the end arrive as RFC 5321 4.5.2 has them. */
START_TEST(what_goes_over_the_wire)
{
	on_fiber(good_fiber, NULL);
	ck_assert_str_eq(
		server.transcript,
		"EHLO sender.example.org\nMAIL FROM:<from@example.org>\n"
		"RCPT TO:<to@example.org>\nDATA\nSubject: x\n\n..dot\n...\n..\nlast\n.\nQUIT\n");
	ck_assert_uint_eq(server.mails, 1);
}
END_TEST

static const struct {
	const char *name;
	struct script script;
	int result;
	unsigned mails; /* that reached their end */
} OUTCOMES[] = {
	{ "good", { .mail = NULL }, 0, 1 },
	{ "greeting 554", { .greeting = "554 no" }, -EAGAIN, 0 },
	{ "greeting 421", { .greeting = "421 later" }, -EAGAIN, 0 },
	{ "garbage", { .greeting = "HTTP/1.1 400 Bad Request" }, -EAGAIN, 0 },
	{ "closed at once", { .greeting = "" }, -EAGAIN, 0 },
	{ "helo refused", { .helo = "502 no" }, -EAGAIN, 0 },
	{ "sender 550", { .mail = "550 no" }, -EINVAL, 0 },
	{ "sender 451", { .mail = "451 later" }, -EAGAIN, 0 },
	{ "recipient 550", { .rcpt = "550 unknown" }, -EINVAL, 0 },
	{ "recipient 450", { .rcpt = "450 greylisted" }, -EAGAIN, 0 },
	{ "recipient garbage", { .rcpt = "what" }, -EAGAIN, 0 },
	{ "data 554", { .data = "554 no" }, -EINVAL, 0 },
	{ "data 451", { .data = "451 later" }, -EAGAIN, 0 },
	{ "end 552", { .end = "552 too long" }, -EINVAL, 1 },
	{ "end 451", { .end = "451 later" }, -EAGAIN, 1 },
	{ "closed before data", { .data = "" }, -EAGAIN, 0 },
	{ "closed after data", { .end = "" }, -EAGAIN, 1 },
	{ "many lines", { .rcpt = "250-a\r\n250-b\r\n250" }, 0, 1 },
	{ "two refusals", { .rcpt = "550-no\r\n550 nobody" }, -EINVAL, 0 },
	{ "a code of its own", { .mail = "999 what" }, -EAGAIN, 0 },
	{ "a code that is none", { .mail = "2x0 what" }, -EAGAIN, 0 },
	{ "354 too early", { .mail = "354 go on" }, -EAGAIN, 0 },
	{ "250 to DATA", { .data = "250 yes" }, -EAGAIN, 0 },
	{ "empty line", { .mail = "\r\n250 yes" }, -EAGAIN, 0 },
	{ "silent greeting", { .greeting = "-" }, -EAGAIN, 0 },
	{ "silent after data", { .end = "-" }, -EAGAIN, 1 },
	{ "silent recipient", { .rcpt = "-" }, -EAGAIN, 0 },
};

static void outcome_fiber(void *arg)
{
	struct err e = { 0 };
	int r = send_one(&e);

	*(int *)arg = r;
	ck_assert((r == 0) == (e.kind == NULL));
	all_places_are_free();
}

START_TEST(outcomes)
{
	struct smtp_config config = config_of();
	int r = 1;

	if (strstr(OUTCOMES[_i].name, "silent"))
		config.timeout_ms = scaled_ms(150);
	smtp_free(smtp);
	smtp = smtp_new(&config);
	server.script = OUTCOMES[_i].script;
	on_fiber(outcome_fiber, &r);
	ck_assert_msg(r == OUTCOMES[_i].result, "%s: %d", OUTCOMES[_i].name, r);
	ck_assert_uint_eq(server.mails, OUTCOMES[_i].mails);
	ck_assert_uint_eq(server.connections, 1);
}
END_TEST

static void no_server_fiber(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	ck_assert_int_eq(send_one(&e), -EAGAIN);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
}

START_TEST(nobody_listens)
{
	evconnlistener_disable(server.listener);
	struct smtp_config config = config_of();

	config.url = "smtp://127.0.0.1:1";
	smtp_free(smtp);
	smtp = smtp_new(&config);
	on_fiber(no_server_fiber, NULL);
}
END_TEST

/* Without TLS only where that was asked for. */
START_TEST(no_tls_no_mail)
{
	struct smtp_config config = config_of();

	config.is_plain = false;
	smtp_free(smtp);
	smtp = smtp_new(&config);
	on_fiber(no_server_fiber, NULL);
	ck_assert_ptr_null(strstr(server.transcript, "MAIL"));
}
END_TEST

/* ---- waiting in portions ---- */

static struct smtp_sending *handed_over;

static void second_fiber(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	ck_assert_int_eq(smtp_send_wait(handed_over, PATIENCE_MS, &e), 0);
	smtp_send_free(handed_over);
}

static void first_fiber(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	server.script.rcpt = "-";
	handed_over = begin(STR("to@example.org"));
	ck_assert_int_eq(smtp_send_wait(handed_over, scaled_ms(50), &e), -EINPROGRESS);
	ck_assert_int_eq(smtp_send_wait(handed_over, 20, &e), -EINPROGRESS);
	ck_assert_ptr_null(e.kind);
	evbuffer_add_printf(bufferevent_get_output(server.sessions[0].bev), "250 at last\r\n");
	ck_assert_int_eq(fiber_spawn(loop, "second", second_fiber, NULL, NULL, NULL), 0);
}

START_TEST(another_fiber_goes_on_waiting)
{
	on_fiber(first_fiber, NULL);
	ck_assert_uint_eq(server.mails, 1);
}
END_TEST

static bool no_memory;

static void *limited_realloc(void *p, size_t n)
{
	return no_memory ? NULL : realloc(p, n);
}

static void no_deadline_fiber(void *arg)
{
	static struct timer more[64];
	struct smtp_sending *m = begin(STR("to@example.org"));
	struct err e = { 0 };
	size_t n = 0;

	(void)arg;
	no_memory = true;
	do
		timer_init(&more[n], loop, stop_when_idle, NULL);
	while (n < ARRAY_SIZE(more) && timer_start(&more[n++], PATIENCE_MS) == 0);
	ck_assert_int_eq(smtp_send_wait(m, 50, &e), -EINPROGRESS);
	no_memory = false;
	while (n > 0)
		timer_done(&more[--n]);
	ck_assert_int_eq(smtp_send_wait(m, PATIENCE_MS, &e), 0);
	smtp_send_free(m);
}

/* The dialogue goes on: what it comes to is still to be asked for. */
START_TEST(no_memory_for_a_deadline)
{
	on_fiber(no_deadline_fiber, NULL);
	ck_assert_uint_eq(server.mails, 1);
}
END_TEST

static void cancelled_fiber(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	handed_over = begin(STR("to@example.org"));
	fiber_cancel(fiber_self());
	ck_assert_int_eq(smtp_send_wait(handed_over, PATIENCE_MS, &e), -ECANCELED);
	ck_assert_int_eq(fiber_spawn(loop, "second", second_fiber, NULL, NULL, NULL), 0);
}

/* Who is cancelled gives up waiting; the mail goes on. */
START_TEST(a_cancel_is_the_fibers)
{
	on_fiber(cancelled_fiber, NULL);
	ck_assert_uint_eq(server.mails, 1);
}
END_TEST

static void bounded_fiber(void *arg)
{
	struct smtp_sending *m[4], *one_more = NULL;
	struct err e = { 0 };

	(void)arg;
	server.script.greeting = "-";
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = begin(STR("to@example.org"));
	ck_assert_int_eq(smtp_send_start(smtp, STR("a@b.c"), STR("d@e.f"), DATA, &one_more, &e),
			 -EAGAIN);
	ck_assert_ptr_null(one_more);
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		smtp_send_free(m[i]);
	all_places_are_free();
}

START_TEST(so_many_at_a_time)
{
	on_fiber(bounded_fiber, NULL);
}
END_TEST

static void freed_fiber(void *arg)
{
	struct smtp_sending *m = begin(STR("to@example.org"));
	struct err e = { 0 };

	(void)arg;
	smtp_free(smtp);
	smtp = NULL;
	ck_assert_int_eq(smtp_send_wait(m, PATIENCE_MS, &e), -ECANCELED);
	smtp_send_free(m);
}

START_TEST(freed_with_a_mail_under_way)
{
	on_fiber(freed_fiber, NULL);
}
END_TEST

/* ---- what is refused before a byte goes out ---- */

START_TEST(addresses_that_could_say_more)
{
	static const char *const bad[] = { "",		"a@b\r\nRCPT TO:<x@y>",
					   "a b@c",	"a@b>",
					   "<a@b",	"a@b\n",
					   "a@\tb",	"a@b\x7f",
					   "\xC3\xA4@b" };
	struct smtp_sending *m = NULL;
	char longest[300];

	memset(longest, 'a', sizeof(longest));
	longest[258] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		struct str s = str_from(i < ARRAY_SIZE(bad) ? bad[i] : longest);
		struct err e = { 0 };

		ck_assert_int_eq(smtp_send_start(smtp, s, STR("a@b.c"), DATA, &m, &e), -EINVAL);
		ck_assert_int_eq(smtp_send_start(smtp, STR("a@b.c"), s, DATA, &m, &e), -EINVAL);
	}
	ck_assert_ptr_null(m);
	all_places_are_free();
}
END_TEST

START_TEST(urls)
{
	static const struct {
		const char *url;
		int result;
		bool is_loopback;
	} cases[] = {
		{ "smtp://127.0.0.1:25", 0, true },
		{ "smtp://localhost", 0, true },
		{ "smtps://[::1]:465", 0, true },
		{ "smtp://[::1]", 0, true },
		{ "smtps://mail.example.org", 0, false },
		{ "smtp://mail-1.example.org:587", 0, false },
		{ "smtp://[2001:db8::1]:25", 0, false },
		{ "smtp://127.255.0.1", 0, true },
		{ "smtp://127.0.0.1.example.org", 0, false },
		{ "smtp://127.example.org", 0, false },
		{ "smtp://127.0.0.256", 0, false },
		{ "", -EINVAL, false },
		{ "smtp://", -EINVAL, false },
		{ "smtp://:25", -EINVAL, false },
		{ "http://example.org", -EINVAL, false },
		{ "mail.example.org", -EINVAL, false },
		{ "smtp://a:0", -EINVAL, false },
		{ "smtp://a:65536", -EINVAL, false },
		{ "smtp://a:", -EINVAL, false },
		{ "smtp://a:25x", -EINVAL, false },
		{ "smtp://a/path", -EINVAL, false },
		{ "smtp://user:pw@a", -EINVAL, false },
		{ "smtp://a b", -EINVAL, false },
		{ "smtp://a\r\nb", -EINVAL, false },
		{ "smtp://[::1", -EINVAL, false },
		{ "smtp://[]", -EINVAL, false },
		{ "smtp://[x]", -EINVAL, false },
		{ "smtp://[::1]x", -EINVAL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool is_loopback = false;
		int r = smtp_url_check(str_from(cases[i].url), &is_loopback);

		ck_assert_msg(r == cases[i].result, "%s: %d", cases[i].url, r);
		ck_assert_msg(is_loopback == cases[i].is_loopback, "%s", cases[i].url);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp");
	TCase *tc = tcase_create("mails");

	event_set_mem_functions(malloc, limited_realloc, free);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_goes_over_the_wire);
	tcase_add_loop_test(tc, outcomes, 0, ARRAY_SIZE(OUTCOMES));
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, no_tls_no_mail);
	tcase_add_test(tc, another_fiber_goes_on_waiting);
	tcase_add_test(tc, no_memory_for_a_deadline);
	tcase_add_test(tc, a_cancel_is_the_fibers);
	tcase_add_test(tc, so_many_at_a_time);
	tcase_add_test(tc, freed_with_a_mail_under_way);
	tcase_add_test(tc, addresses_that_could_say_more);
	tcase_add_test(tc, urls);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
