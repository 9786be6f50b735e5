/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat-api: the task API. Its routes, with everything that OpenAPI, --describe and the router say
 * about them.
 */
#include "chat_api_private.h"
#include "base/embed.h"
#include "roles/roles.h"

#include <stdlib.h>

EMBED(schema_task, "roles/chat-api/schemas/Task.json");
EMBED(schema_task_page, "roles/chat-api/schemas/TaskPage.json");
EMBED(schema_task_create, "roles/chat-api/schemas/TaskCreate.json");
EMBED(schema_task_complete, "roles/chat-api/schemas/TaskComplete.json");

static const struct named_schema SCHEMAS[] = {
	{ "Task", schema_task },
	{ "TaskPage", schema_task_page },
	{ "TaskCreate", schema_task_create },
	{ "TaskComplete", schema_task_complete },
	{ .name = NULL },
};

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"

static const struct route_param LIST_PARAMS[] = {
	{ "limit", PARAM_QUERY, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200}",
	  "tasks of one page; without it the whole list is streamed" },
	{ "cursor", PARAM_QUERY, "{\"type\":\"string\"}",
	  "where the page before ended: from Link or next_cursor" },
	{ "envelope", PARAM_QUERY, "{\"type\":\"integer\",\"enum\":[0,1]}",
	  "1: an object {tasks, count, next_cursor} instead of a bare array" },
	{ .name = NULL },
};

static const struct route_answer LIST_ANSWERS[] = {
	{ 200, "{\"oneOf\":[{\"type\":\"array\",\"items\":" REF("Task") "}," REF("TaskPage") "]}",
	  "the tasks, newest first", "X-Total-Count Link ETag" },
	{ .status = 0 },
};
static const struct route_answer CREATE_ANSWERS[] = {
	{ 201, REF("Task"), "the new task", "Location ETag Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer TASK_ANSWERS[] = {
	{ 200, REF("Task"), "the task", "ETag" },
	{ .status = 0 },
};
static const struct route_answer CHANGE_ANSWERS[] = {
	{ 200, REF("Task"), "the task as it is now", "ETag Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer DELETE_ANSWERS[] = {
	{ 204, NULL, "deleted", "Idempotency-Replayed" },
	{ .status = 0 },
};

static const struct err_kind *const LIST_ERRORS[] = { &ERR_RATE_LIMITED, NULL };
static const struct err_kind *const CREATE_ERRORS[] = { &ERR_TASK_QUOTA, NULL };
static const struct err_kind *const TASK_ERRORS[] = { &ERR_TASK_NOT_FOUND, NULL };

static const struct route ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks",
		.operation = "listTasks",
		.summary = "List tasks, newest first",
		.flags = ROUTE_ETAG,
		.params = LIST_PARAMS,
		.answers = LIST_ANSWERS,
		.errors = LIST_ERRORS,
		.handler = task_list,
	},
	{
		.method = HTTP_POST,
		.pattern = "/api/{user_id}/tasks",
		.operation = "createTask",
		.summary = "Create a task",
		.flags = ROUTE_IDEMPOTENT,
		.body_max = TASK_BODY_MAX,
		.body_schema = REF("TaskCreate"),
		.answers = CREATE_ANSWERS,
		.errors = CREATE_ERRORS,
		.handler = task_create,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks/{id}",
		.operation = "readTask",
		.summary = "Read a task",
		.flags = ROUTE_ETAG,
		.answers = TASK_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_read,
	},
	{
		.method = HTTP_DELETE,
		.pattern = "/api/{user_id}/tasks/{id}",
		.operation = "deleteTask",
		.summary = "Delete a task",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.answers = DELETE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_delete,
	},
	{
		.method = HTTP_PATCH,
		.pattern = "/api/{user_id}/tasks/{id}/complete",
		.operation = "completeTask",
		.summary = "Toggle a task, or set whether it is completed",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH | ROUTE_OPTIONAL_BODY,
		.body_max = TASK_BODY_MAX,
		.body_schema = REF("TaskComplete"),
		.answers = CHANGE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_complete,
	},
	{ .pattern = NULL },
};

static int start(struct app *app, struct err *reterr)
{
	struct chat_api *api = calloc(1, sizeof(*api));

	if (api == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	api->db = app_db(app);
	app_set_role_state(app, api);
	return 0;
}

static void stop(struct app *app)
{
	free(app_role_state(app));
	app_set_role_state(app, NULL);
}

const struct role ROLE_CHAT_API = {
	.name = "chat-api",
	.summary = "the task API",
	.needs = NEED_DB | NEED_AUTH,
	.default_port = 8000,
	.routes = ROUTES,
	.schemas = SCHEMAS,
	.start = start,
	.stop = stop,
};
