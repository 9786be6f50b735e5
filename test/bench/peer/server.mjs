// SPDX-License-Identifier: Apache-2.0
// Create and list as a careful Node server does them, on the schema of todod: token checked (verified ones are
// cached), body validated, row-level security set in each transaction, counter, task and both events written by one
// statement, answers by schema, one log line per request. BEGIN and set_config go as one message, so that a
// request costs three round trips. Search words are made by the database. node server.mjs PORT DATABASE_URL PUBLIC_KEY_FILE
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import Fastify from "fastify";
import pg from "pg";
import { createVerifier } from "fast-jwt";

const [port, databaseUrl, keyFile] = process.argv.slice(2);
const PRIORITIES = ["low", "medium", "high", "urgent"];
const COLUMNS = `t.id, t.title, t.description, t.completed, t.completed_at, t.priority, t.version, t.created_at, t.updated_at,
  t.due_at, t.due_day, t.time_zone, t.tags, t.recurrence_rule, t.recurrence_mode, t.recurrence_end_at, t.recurrence_end_day,
  t.series_id, t.occurrence, t.parent_task_id, r.id AS reminder_id, r.remind_at, r.offset_minutes, r.channels, r.status,
  r.sent_at, r.retry_count, r.last_error, r.version AS reminder_version`;

const LIST = {
  name: "list",
  text: `SELECT ${COLUMNS}, (SELECT tasks FROM todod.user_counters WHERE user_id = $1) AS total
    FROM (SELECT * FROM todod.tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2) t
    LEFT JOIN todod.reminders r ON r.user_id = $1 AND r.task_id = t.id ORDER BY t.created_at DESC, t.id DESC`,
};
const CREATE = {
  name: "create",
  text: `WITH w AS (INSERT INTO todod.user_counters AS c (user_id, tasks) VALUES ($1, 1)
      ON CONFLICT (user_id) DO UPDATE SET tasks = c.tasks + 1 WHERE c.tasks < 10000 RETURNING user_id),
    t AS (INSERT INTO todod.tasks (user_id, id, version, title, description, completed, priority, created_at,
      updated_at, title_key, search) SELECT user_id, $2, 1, $3, $4, false, $5, $6, $6, lower($3),
      setweight(to_tsvector('simple', lower($3)), 'A') || setweight(to_tsvector('simple', lower(coalesce($4, ''))), 'D')
      FROM w RETURNING user_id)
    INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event)
    SELECT e.id, e.topic, $7, t.user_id, 1, e.event
    FROM t, (VALUES ($8::uuid, 'task-events', $9), ($10::uuid, 'task-updates', $11)) e(id, topic, event)`,
};

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const numberOrNull = { type: ["integer", "null"] };
const taskSchema = {
  type: "object",
  properties: {
    id: { type: "integer" }, user_id: text, title: text, description: textOrNull, completed: { type: "boolean" },
    created_at: text, updated_at: text, status: text, completed_at: textOrNull, priority: text,
    tags: { type: "array", items: text }, due_date: textOrNull, time_zone: textOrNull,
    reminders: { type: "array", items: { type: "object", additionalProperties: true } },
    recurrence: textOrNull, recurrence_rule: textOrNull, recurrence_mode: textOrNull, recurrence_end_date: textOrNull,
    series_id: textOrNull, occurrence: numberOrNull, parent_task_id: numberOrNull, version: { type: "integer" },
  },
};
const bodySchema = {
  type: "object",
  required: ["title"],
  properties: {
    title: { type: "string", minLength: 1, maxLength: 200, pattern: "\\S" },
    description: { type: ["string", "null"], maxLength: 1000 },
    priority: { enum: PRIORITIES },
  },
};

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ connectionString: databaseUrl, max: 16 });
const verify = createVerifier({ key: readFileSync(keyFile), algorithms: ["EdDSA"], cache: 1000 });

// Ids come in blocks of 64, as todod takes them.
let nextId = 0;
let endId = 0;
async function takeId() {
  if (nextId === endId) {
    const { rows } = await pool.query({ name: "block", text: "SELECT nextval('todod.task_id_blocks') AS id" });
    nextId = rows[0].id;
    endId = nextId + 64;
  }
  return nextId++;
}

async function asUser(user, statement, values) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query(`BEGIN; SELECT set_config('app.user_id', ${client.escapeLiteral(user)}, true)`);
    const result = await client.query({ ...statement, values });
    await client.query("COMMIT");
    return result;
  } catch (error) {
    broken = error;
    throw error;
  } finally {
    client.release(broken);
  }
}

function toDate(at, day) {
  if (day != null) {
    return new Date(day * 86400000).toISOString().slice(0, 10);
  }
  return at ? at.toISOString() : null;
}

function toTask(user, row) {
  return {
    id: row.id, user_id: user, title: row.title, description: row.description, completed: row.completed,
    created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString(),
    status: row.completed ? "completed" : "pending",
    completed_at: row.completed_at && row.completed_at.toISOString(),
    priority: PRIORITIES[row.priority], tags: row.tags ? row.tags.split("\n") : [],
    due_date: toDate(row.due_at, row.due_day), time_zone: row.time_zone ?? null, reminders: [], recurrence: null,
    recurrence_rule: row.recurrence_rule ?? null, recurrence_mode: row.recurrence_rule ? row.recurrence_mode : null,
    recurrence_end_date: toDate(row.recurrence_end_at, row.recurrence_end_day), series_id: row.series_id ?? null,
    occurrence: row.occurrence ?? null, parent_task_id: row.parent_task_id ?? null, version: row.version,
  };
}

// A task has a row for each of its reminders.
function toTasks(user, rows) {
  const tasks = [];
  for (const row of rows) {
    if (tasks.length === 0 || tasks[tasks.length - 1].id !== row.id) {
      tasks.push(toTask(user, row));
    }
    if (row.reminder_id) {
      tasks[tasks.length - 1].reminders.push({
        id: row.reminder_id, task_id: row.id, remind_at: row.remind_at.toISOString(), offset_minutes: row.offset_minutes,
        channels: row.channels, status: row.status, sent_at: row.sent_at, retry_count: row.retry_count,
        last_error: row.last_error, version: row.reminder_version,
      });
    }
  }
  return tasks;
}

// A creation as events: for those who act on it, and for screens.
function createdEvent(task, requestId, type, more) {
  const { title, description, priority, completed } = task;
  const changes = {};
  for (const [key, after] of Object.entries({ title, description, priority, completed })) {
    changes[key] = { before: null, after };
  }
  const id = randomUUID();
  const data = {
    event_id: id, event_type: type, user_id: task.user_id, task_id: String(task.id),
    timestamp: task.created_at, sequence: 1, correlation_id: requestId, causation_id: null,
    metadata: { source: "chat-api", version: "v1" }, payload: { task_id: String(task.id), ...more, task, changes },
  };
  return {
    id,
    json: JSON.stringify({
      specversion: "1.0", id, source: "/todod/chat-api", type, subject: String(task.id),
      time: task.created_at, datacontenttype: "application/json", partitionkey: task.user_id, data,
    }),
  };
}

function partition(user) {
  let hash = 0;
  for (let i = 0; i < user.length; i++) {
    hash = (hash * 31 + user.charCodeAt(i)) >>> 0;
  }
  return hash % 16;
}

const server = Fastify({ logger: true, disableRequestLogging: true, genReqId: () => randomUUID() });

server.addHook("onRequest", async (request, reply) => {
  let claims;
  try {
    claims = verify((request.headers.authorization ?? "").replace(/^Bearer /, ""));
  } catch {
    return reply.code(401).send({ detail: "no valid token" });
  }
  if (claims.sub !== request.params.user) {
    return reply.code(403).send({ detail: "not your tasks" });
  }
});
server.addHook("onResponse", async (request, reply) => {
  request.log.info({ method: request.method, path: request.url, status: reply.statusCode, ms: reply.elapsedTime });
});

server.get("/api/:user/tasks", {
  schema: {
    querystring: { type: "object", properties: { limit: { type: "integer", minimum: 1, maximum: 200, default: 50 } } },
    response: { 200: { type: "array", items: taskSchema } },
  },
}, async (request, reply) => {
  const { user } = request.params;
  const { rows } = await asUser(user, LIST, [user, request.query.limit]);
  reply.header("X-Total-Count", rows.length > 0 ? rows[0].total : 0).header("X-Request-Id", request.id);
  return toTasks(user, rows);
});

server.post("/api/:user/tasks", {
  schema: { body: bodySchema, response: { 201: taskSchema } },
}, async (request, reply) => {
  const { user } = request.params;
  const now = new Date();
  const priority = PRIORITIES.indexOf(request.body.priority ?? "medium");
  const task = toTask(user, {
    id: await takeId(), title: request.body.title.trim(), description: request.body.description ?? null,
    completed: false, completed_at: null, priority, version: 1, created_at: now, updated_at: now,
  });
  const event = createdEvent(task, request.id, "task.created", {});
  const update = createdEvent(task, request.id, "task.state_changed", { change: "created" });
  const { rowCount } = await asUser(user, CREATE, [
    user, task.id, task.title, task.description, priority, now, partition(user), event.id, event.json, update.id, update.json,
  ]);
  if (rowCount === 0) {
    return reply.code(422).send({ detail: "quota" });
  }
  reply.code(201).header("Location", `/api/${user}/tasks/${task.id}`).header("ETag", '"1"')
    .header("X-Request-Id", request.id);
  return task;
});

await server.listen({ host: "127.0.0.1", port: Number(port) });
