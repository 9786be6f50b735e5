/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox as a part of other statements.
 */
#ifndef STORE_INBOX_PRIVATE_H
#define STORE_INBOX_PRIVATE_H

/* Whose inbox it is: there is one consumer with a database of tasks. */
#define INBOX_CONSUMER "'recurrer'"
/* The CTE i: has a row when the event, a text parameter, is new and source has a row. */
#define INBOX_TAKE(source, event_id)                                                           \
	"i AS (INSERT INTO todod.processed_events (consumer, event_id) SELECT " INBOX_CONSUMER \
	", " event_id " FROM " source " WHERE " event_id " IS NOT NULL "                       \
	"ON CONFLICT DO NOTHING RETURNING 1)"

#endif
