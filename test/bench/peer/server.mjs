// SPDX-License-Identifier: Apache-2.0
// Create and list as a careful Node server does them, on the schema of todod: token checked (verified ones are
// cached), body validated, row-level security set in each transaction, counter, task and event written by one
// statement, answers by schema, one log line per request. BEGIN and set_config go as one message, so that a
// request costs three round trips. node server.mjs PORT DATABASE_URL PUBLIC_KEY_FILE
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import Fastify from "fastify";
import pg from "pg";
import { createVerifier } from "fast-jwt";

const [port, databaseUrl, keyFile] = process.argv.slice(2);
const PRIORITIES = ["low", "medium", "high", "urgent"];
const COLUMNS = "id, title, description, completed, completed_at, priority, version, created_at, updated_at";

const LIST = {
  name: "list",
  text: `SELECT ${COLUMNS}, (SELECT tasks FROM todod.user_counters WHERE user_id = $1) AS total
    FROM todod.tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
};
const CREATE = {
  name: "create",
  text: `WITH w AS (INSERT INTO todod.user_counters AS c (user_id, tasks) VALUES ($1, 1)
      ON CONFLICT (user_id) DO UPDATE SET tasks = c.tasks + 1 WHERE c.tasks < 10000 RETURNING user_id),
    t AS (INSERT INTO todod.tasks (user_id, id, version, title, description, completed, priority, created_at,
      updated_at) SELECT user_id, $2, 1, $3, $4, false, $5, $6, $6 FROM w RETURNING user_id)
    INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event)
    SELECT $7, 'task-events', $8, user_id, 1, $9 FROM t`,
};

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };
const taskSchema = {
  type: "object",
  properties: {
    id: { type: "integer" }, user_id: text, title: text, description: textOrNull, completed: { type: "boolean" },
    created_at: text, updated_at: text, status: text, completed_at: textOrNull, priority: text,
    version: { type: "integer" },
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

function toTask(user, row) {
  return {
    id: row.id, user_id: user, title: row.title, description: row.description, completed: row.completed,
    created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString(),
    status: row.completed ? "completed" : "pending",
    completed_at: row.completed_at && row.completed_at.toISOString(),
    priority: PRIORITIES[row.priority], version: row.version,
  };
}

function createdEvent(task, requestId) {
  const { title, description, priority, completed } = task;
  const changes = {};
  for (const [key, after] of Object.entries({ title, description, priority, completed })) {
    changes[key] = { before: null, after };
  }
  const id = randomUUID();
  const data = {
    event_id: id, event_type: "task.created", user_id: task.user_id, task_id: String(task.id),
    timestamp: task.created_at, sequence: 1, correlation_id: requestId, causation_id: null,
    metadata: { source: "chat-api", version: "v1" }, payload: { task_id: String(task.id), task, changes },
  };
  return {
    id,
    json: JSON.stringify({
      specversion: "1.0", id, source: "/todod/chat-api", type: "task.created", subject: String(task.id),
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
  return rows.map((row) => toTask(user, row));
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
  const event = createdEvent(task, request.id);
  const { rowCount } = await asUser(user, CREATE, [
    user, task.id, task.title, task.description, priority, now, event.id, partition(user), event.json,
  ]);
  if (rowCount === 0) {
    return reply.code(422).send({ detail: "quota" });
  }
  reply.code(201).header("Location", `/api/${user}/tasks/${task.id}`).header("ETag", '"1"')
    .header("X-Request-Id", request.id);
  return task;
});

await server.listen({ host: "127.0.0.1", port: Number(port) });
