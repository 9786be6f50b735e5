/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of the task API, with everything that OpenAPI, --describe and the router say about
 * them.
 */
#include "chat_api_private.h"
#include "base/embed.h"

EMBED(schema_task, "roles/chat-api/schemas/Task.json");
EMBED(schema_task_page, "roles/chat-api/schemas/TaskPage.json");
EMBED(schema_task_create, "roles/chat-api/schemas/TaskCreate.json");
EMBED(schema_task_update, "roles/chat-api/schemas/TaskUpdate.json");
EMBED(schema_task_complete, "roles/chat-api/schemas/TaskComplete.json");
EMBED(schema_deleted_task, "roles/chat-api/schemas/DeletedTask.json");
EMBED(schema_reminder, "roles/chat-api/schemas/Reminder.json");
EMBED(schema_reminder_input, "roles/chat-api/schemas/ReminderInput.json");
EMBED(schema_tag, "roles/chat-api/schemas/Tag.json");
EMBED(schema_tag_create, "roles/chat-api/schemas/TagCreate.json");
EMBED(schema_tag_change, "roles/chat-api/schemas/TagChange.json");
EMBED(schema_preferences, "roles/chat-api/schemas/Preferences.json");
EMBED(schema_preferences_change, "roles/chat-api/schemas/PreferencesChange.json");

const struct named_schema CHAT_API_SCHEMAS[] = {
	{ "Task", schema_task },
	{ "TaskPage", schema_task_page },
	{ "TaskCreate", schema_task_create },
	{ "TaskUpdate", schema_task_update },
	{ "TaskComplete", schema_task_complete },
	{ "DeletedTask", schema_deleted_task },
	{ "Reminder", schema_reminder },
	{ "ReminderInput", schema_reminder_input },
	{ "Tag", schema_tag },
	{ "TagCreate", schema_tag_create },
	{ "TagChange", schema_tag_change },
	{ "Preferences", schema_preferences },
	{ "PreferencesChange", schema_preferences_change },
	{ .name = NULL },
};

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST_OF(items) "{\"type\":\"array\",\"items\":" items "}"
#define STRING "{\"type\":\"string\"}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define TIME "{\"type\":\"string\",\"description\":\"an instant, or a day in the user's zone\"}"

enum { REMINDER_BODY_MAX = 4 * 1024, TAG_BODY_MAX = 4 * 1024, PREFERENCES_BODY_MAX = 4 * 1024 };

static const struct route_param LIST_PARAMS[] = {
	{ "status", PARAM_QUERY,
	  "{\"type\":\"string\",\"enum\":[\"all\",\"pending\",\"completed\"]}", "all unless said" },
	{ "priority", PARAM_QUERY, LIST_OF(STRING), "any of these; repeated, or with commas" },
	{ "tag", PARAM_QUERY, LIST_OF(STRING), "repeated, or with commas" },
	{ "tag_mode", PARAM_QUERY, "{\"type\":\"string\",\"enum\":[\"all\",\"any\"]}",
	  "whether a task needs all of the tags, unless said, or any" },
	{ "due_before", PARAM_QUERY, TIME, "exclusive" },
	{ "due_after", PARAM_QUERY, TIME, "inclusive" },
	{ "overdue", PARAM_QUERY, BOOLEAN,
	  "open and past its due date; an all-day task from the next midnight on" },
	{ "search", PARAM_QUERY, "{\"type\":\"string\",\"maxLength\":200}",
	  "words of title and description, the last one as a prefix; best matches first. Also q" },
	{ "sort", PARAM_QUERY,
	  "{\"type\":\"string\",\"enum\":[\"created\",\"updated\",\"due_date\",\"priority\",\"title\","
	  "\"completed\"]}",
	  "created unless said or searched; tasks without due date come last. Also sort_by" },
	{ "order", PARAM_QUERY, "{\"type\":\"string\",\"enum\":[\"asc\",\"desc\"]}",
	  "unless said: desc for created, updated and priority, else asc. Also sort_order" },
	{ "updated_since", PARAM_QUERY, TIME, "inclusive" },
	{ "deleted", PARAM_QUERY, BOOLEAN,
	  "with updated_since: also {id, deleted_at} of tasks deleted since, of the last 30 days" },
	{ "limit", PARAM_QUERY, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200}",
	  "tasks of one page; without it the whole list is streamed" },
	{ "cursor", PARAM_QUERY, STRING, "where the page before ended: from Link or next_cursor" },
	{ "envelope", PARAM_QUERY, "{\"type\":\"integer\",\"enum\":[0,1]}",
	  "1: an object {tasks, count, next_cursor} instead of a bare array" },
	{ .name = NULL },
};
static const struct route_param HISTORY_PARAMS[] = {
	{ "after", PARAM_QUERY, "{\"type\":\"string\"}", "the event_id seen last" },
	{ "limit", PARAM_QUERY,
	  "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":50}", "events at most" },
	{ .name = NULL },
};
static const struct route_answer HISTORY_ANSWERS[] = {
	{ 200, "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}",
	  "what events told, oldest first", NULL },
	{ .status = 0 },
};
static const struct route_param REMINDER_PARAMS[] = {
	{ "status", PARAM_QUERY, LIST_OF(STRING),
	  "any of these: pending, triggered, retrying, sent, failed, cancelled" },
	{ "limit", PARAM_QUERY, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200}",
	  "reminders of one page; 1000 unless said" },
	{ "cursor", PARAM_QUERY, STRING, "where the page before ended: from Link" },
	{ .name = NULL },
};

static const struct route_answer LIST_ANSWERS[] = {
	{ 200,
	  "{\"oneOf\":[{\"type\":\"array\",\"items\":{\"anyOf\":[" REF("Task") "," REF(
		  "DeletedTask") "]}}," REF("TaskPage") "]}",
	  "the tasks", "X-Total-Count Link ETag" },
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
static const struct route_answer REMINDERS_ANSWERS[] = {
	{ 200, LIST_OF(REF("Reminder")), "the reminders, soonest first", "Link" },
	{ .status = 0 },
};
static const struct route_answer REMINDER_CREATE_ANSWERS[] = {
	{ 201, REF("Reminder"), "the new reminder; the ETag is its task's",
	  "Location ETag Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer REMINDER_CHANGE_ANSWERS[] = {
	{ 200, REF("Reminder"), "the reminder as it is now; the ETag is its task's",
	  "ETag Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer REMINDER_DELETE_ANSWERS[] = {
	{ 204, NULL, "deleted; the ETag is its task's", "ETag Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer TAGS_ANSWERS[] = {
	{ 200, LIST_OF(REF("Tag")), "the tags by name", NULL },
	{ .status = 0 },
};
static const struct route_answer TAG_CREATE_ANSWERS[] = {
	{ 201, REF("Tag"), "the new tag", "Location Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer TAG_CHANGE_ANSWERS[] = {
	{ 200, REF("Tag"), "the tag as it is now", "Idempotency-Replayed" },
	{ .status = 0 },
};
static const struct route_answer PREFERENCES_ANSWERS[] = {
	{ 200, REF("Preferences"), "what is stored, or the defaults", "ETag" },
	{ .status = 0 },
};
static const struct route_answer PREFERENCES_CHANGE_ANSWERS[] = {
	{ 200, REF("Preferences"), "what is stored now", "ETag Idempotency-Replayed" },
	{ .status = 0 },
};

static const struct route_param LINK_PARAMS[] = {
	{ "t", PARAM_QUERY, STRING, "what the link in the mail says" },
	{ .name = NULL },
};
static const struct route_answer LINK_ANSWERS[] = {
	{ 200,
	  "{\"type\":\"object\",\"required\":[\"email_confirmed\",\"message\"],\"properties\":"
	  "{\"email_confirmed\":" BOOLEAN ",\"message\":" STRING "}}",
	  "what holds now", NULL },
	{ .status = 0 },
};
static const struct err_kind *const LINK_ERRORS[] = { &ERR_LINK_GONE, NULL };

static const struct err_kind *const LIST_ERRORS[] = { &ERR_RATE_LIMITED, NULL };
static const struct err_kind *const CREATE_ERRORS[] = { &ERR_TASK_QUOTA, &ERR_TAG_QUOTA, NULL };
static const struct err_kind *const TASK_ERRORS[] = { &ERR_TASK_NOT_FOUND, NULL };
static const struct err_kind *const REMINDER_ERRORS[] = { &ERR_TASK_NOT_FOUND,
							  &ERR_REMINDER_NOT_FOUND, NULL };
static const struct err_kind *const TAG_CREATE_ERRORS[] = { &ERR_TAG_EXISTS, &ERR_TAG_QUOTA, NULL };
static const struct err_kind *const TAG_ERRORS[] = { &ERR_TAG_NOT_FOUND, &ERR_TAG_EXISTS, NULL };

static const char *const TASKS_ALIASES[] = { "/api/tasks", NULL };
static const char *const TASK_ALIASES[] = { "/api/tasks/{id}", NULL };
static const char *const COMPLETE_ALIASES[] = { "/api/{user_id}/tasks/{id}/toggle",
						"/api/tasks/{id}/complete",
						"/api/tasks/{id}/toggle", NULL };
static const char *const TASK_REMINDERS_ALIASES[] = { "/api/tasks/{id}/reminders", NULL };
static const char *const TASK_REMINDER_ALIASES[] = { "/api/tasks/{id}/reminders/{reminder_id}",
						     NULL };
static const char *const REMINDERS_ALIASES[] = { "/api/reminders", NULL };
static const char *const HISTORY_ALIASES[] = { "/api/tasks/{id}/history", NULL };
static const char *const AUDIT_ALIASES[] = { "/api/audit", NULL };
static const char *const TAGS_ALIASES[] = { "/api/tags", NULL };
static const char *const TAG_ALIASES[] = { "/api/tags/{name}", NULL };
static const char *const PREFERENCES_ALIASES[] = { "/api/preferences", NULL };

const struct route CHAT_API_ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks",
		.aliases = TASKS_ALIASES,
		.operation = "listTasks",
		.summary = "List tasks, newest first unless sorted otherwise",
		.flags = ROUTE_ETAG,
		.params = LIST_PARAMS,
		.answers = LIST_ANSWERS,
		.errors = LIST_ERRORS,
		.handler = task_list,
	},
	{
		.method = HTTP_POST,
		.pattern = "/api/{user_id}/tasks",
		.aliases = TASKS_ALIASES,
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
		.aliases = TASK_ALIASES,
		.operation = "readTask",
		.summary = "Read a task",
		.flags = ROUTE_ETAG,
		.answers = TASK_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_read,
	},
	{
		.method = HTTP_PUT,
		.pattern = "/api/{user_id}/tasks/{id}",
		.aliases = TASK_ALIASES,
		.operation = "updateTask",
		.summary = "Change a task: what is absent stays, null clears",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.body_max = TASK_BODY_MAX,
		.body_schema = REF("TaskUpdate"),
		.answers = CHANGE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_update,
	},
	{
		.method = HTTP_PATCH,
		.pattern = "/api/{user_id}/tasks/{id}",
		.aliases = TASK_ALIASES,
		.operation = "patchTask",
		.summary = "The same as PUT",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.body_max = TASK_BODY_MAX,
		.body_schema = REF("TaskUpdate"),
		.answers = CHANGE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_update,
	},
	{
		.method = HTTP_DELETE,
		.pattern = "/api/{user_id}/tasks/{id}",
		.aliases = TASK_ALIASES,
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
		.aliases = COMPLETE_ALIASES,
		.operation = "completeTask",
		.summary = "Toggle a task, or set whether it is completed",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH | ROUTE_OPTIONAL_BODY,
		.body_max = TASK_BODY_MAX,
		.body_schema = REF("TaskComplete"),
		.answers = CHANGE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_complete,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks/{id}/reminders",
		.aliases = TASK_REMINDERS_ALIASES,
		.operation = "listTaskReminders",
		.summary = "Reminders of a task",
		.answers = REMINDERS_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = reminder_list_of_task,
	},
	{
		.method = HTTP_POST,
		.pattern = "/api/{user_id}/tasks/{id}/reminders",
		.aliases = TASK_REMINDERS_ALIASES,
		.operation = "createReminder",
		.summary = "Add a reminder to a task",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.body_max = REMINDER_BODY_MAX,
		.body_schema = REF("ReminderInput"),
		.answers = REMINDER_CREATE_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = reminder_create,
	},
	{
		.method = HTTP_PATCH,
		.pattern = "/api/{user_id}/tasks/{id}/reminders/{reminder_id}",
		.aliases = TASK_REMINDER_ALIASES,
		.operation = "changeReminder",
		.summary = "Snooze a reminder, or change its channels",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.body_max = REMINDER_BODY_MAX,
		.body_schema = REF("ReminderInput"),
		.answers = REMINDER_CHANGE_ANSWERS,
		.errors = REMINDER_ERRORS,
		.handler = reminder_change,
	},
	{
		.method = HTTP_DELETE,
		.pattern = "/api/{user_id}/tasks/{id}/reminders/{reminder_id}",
		.aliases = TASK_REMINDER_ALIASES,
		.operation = "deleteReminder",
		.summary = "Delete a reminder",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.answers = REMINDER_DELETE_ANSWERS,
		.errors = REMINDER_ERRORS,
		.handler = reminder_delete,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/reminders",
		.aliases = REMINDERS_ALIASES,
		.operation = "listReminders",
		.summary = "Reminders of all tasks",
		.params = REMINDER_PARAMS,
		.answers = REMINDERS_ANSWERS,
		.handler = reminder_list,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks/{id}/history",
		.aliases = HISTORY_ALIASES,
		.operation = "taskHistory",
		.summary = "What happened to a task",
		.params = HISTORY_PARAMS,
		.answers = HISTORY_ANSWERS,
		.errors = TASK_ERRORS,
		.handler = task_history,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/audit",
		.aliases = AUDIT_ALIASES,
		.operation = "audit",
		.summary = "What happened to everything of the user",
		.params = HISTORY_PARAMS,
		.answers = HISTORY_ANSWERS,
		.handler = audit_list,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tags",
		.aliases = TAGS_ALIASES,
		.operation = "listTags",
		.summary = "Tags with their colours and open tasks",
		.answers = TAGS_ANSWERS,
		.handler = tag_list,
	},
	{
		.method = HTTP_POST,
		.pattern = "/api/{user_id}/tags",
		.aliases = TAGS_ALIASES,
		.operation = "createTag",
		.summary = "Create a tag",
		.flags = ROUTE_IDEMPOTENT,
		.body_max = TAG_BODY_MAX,
		.body_schema = REF("TagCreate"),
		.answers = TAG_CREATE_ANSWERS,
		.errors = TAG_CREATE_ERRORS,
		.handler = tag_create,
	},
	{
		.method = HTTP_PATCH,
		.pattern = "/api/{user_id}/tags/{name}",
		.aliases = TAG_ALIASES,
		.operation = "changeTag",
		.summary = "Rename a tag on all tasks, or change its colour",
		.flags = ROUTE_IDEMPOTENT,
		.body_max = TAG_BODY_MAX,
		.body_schema = REF("TagChange"),
		.answers = TAG_CHANGE_ANSWERS,
		.errors = TAG_ERRORS,
		.handler = tag_change,
	},
	{
		.method = HTTP_DELETE,
		.pattern = "/api/{user_id}/tags/{name}",
		.aliases = TAG_ALIASES,
		.operation = "deleteTag",
		.summary = "Take a tag off all tasks and delete it",
		.flags = ROUTE_IDEMPOTENT,
		.answers = DELETE_ANSWERS,
		.errors = TAG_ERRORS,
		.handler = tag_delete,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/preferences",
		.aliases = PREFERENCES_ALIASES,
		.operation = "readPreferences",
		.summary = "What the user prefers",
		.flags = ROUTE_ETAG,
		.answers = PREFERENCES_ANSWERS,
		.handler = preferences_get,
	},
	{
		.method = HTTP_PUT,
		.pattern = "/api/{user_id}/preferences",
		.aliases = PREFERENCES_ALIASES,
		.operation = "changePreferences",
		.summary =
			"Change preferences: what is absent stays, null goes back to the default",
		.flags = ROUTE_IDEMPOTENT | ROUTE_IF_MATCH,
		.body_max = PREFERENCES_BODY_MAX,
		.body_schema = REF("PreferencesChange"),
		.answers = PREFERENCES_CHANGE_ANSWERS,
		.handler = preferences_put,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/email/confirm",
		.operation = "confirmEmail",
		.summary = "The link in the mail that asks whether an address is its user's",
		.flags = ROUTE_PUBLIC,
		.params = LINK_PARAMS,
		.answers = LINK_ANSWERS,
		.errors = LINK_ERRORS,
		.handler = email_confirm,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/email/unsubscribe",
		.operation = "unsubscribeEmail",
		.summary = "The link in the header of each mail that ends them",
		.flags = ROUTE_PUBLIC,
		.params = LINK_PARAMS,
		.answers = LINK_ANSWERS,
		.errors = LINK_ERRORS,
		.handler = email_unsubscribe,
	},
	{ .pattern = NULL },
};
