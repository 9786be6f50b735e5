#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make run-all`: from a checkout to a served task. Installs what is missing, builds, starts a private
# PostgreSQL under .run/, migrates, starts the daemon, and says how to reach it. Ctrl-C or SIGTERM stops
# everything started here; the data stays for the next time. TODOD_PORT chooses another port than 8000 (operations: + 100,
# callbacks of a sidecar: + 200).
#
# .run/env exists while it is ready: TODOD_URL, TODOD_OPS_URL, TODOD_USER, TODOD_TOKEN, TODOD_DATABASE_URL (the
# superuser's). None of these may reach the daemon, which reads its keys from TODOD_* too.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${TODOD_PORT:-8000}
user=${TODOD_USER:-demo}
unset TODOD_PORT TODOD_URL TODOD_OPS_URL TODOD_USER TODOD_TOKEN TODOD_DATABASE_URL

run=$PWD/.run
todod=build/release/todod
daemon=''

die() {
	echo "run-all: $*" >&2
	exit 1
}

# The id the third line toggles: the user's first task, or the one the first line will make.
first_task() {
	sql todod "SELECT coalesce((SELECT min(id) FROM todod.tasks WHERE user_id = '$user'),
		(SELECT CASE WHEN is_called THEN last_value + 64 ELSE last_value END FROM todod.task_id_blocks))"
}

# Called by the trap on EXIT.
# shellcheck disable=SC2317
stop_all() {
	trap '' INT TERM HUP
	rm -f "$run/env"
	if [ -n "$daemon" ] && kill -TERM "$daemon" 2>/dev/null; then
		echo 'run-all: stopping'
		wait "$daemon" || true
	fi
	scripts/pg.sh stop "$run/pg"
}

port_is_taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

write_config() {
	(
		umask 077
		[ -f "$run/key.pem" ] || openssl genpkey -algorithm ED25519 -out "$run/key.pem"
		cat >"$run/todod.conf" <<-END
			# Written by scripts/run-all.sh at every start.
			database.url = $(scripts/pg.sh url "$run/pg" todod todod_api)
			database.migrate_url = $(scripts/pg.sh url "$run/pg" todod)
			http.port = $port
			ops.port = $ops_port
			dapr.port = $dapr_port
			# No sidecar, so no relay either; TODOD_DAPR_URL in the environment names one.
			dapr.url =
			database.relay_url = $(scripts/pg.sh url "$run/pg" todod todod_relay)
			auth.mode = builtin
			auth.key_file = $run/key.pem
		END
	)
}

sql() {
	scripts/pg.sh psql "$run/pg" "$1" -q -At -v ON_ERROR_STOP=1 -c "$2"
}

prepare_database() {
	scripts/pg.sh start "$run/pg"
	if [ -z "$(sql postgres "SELECT 1 FROM pg_database WHERE datname = 'todod'")" ]; then
		sql postgres 'CREATE DATABASE todod'
	fi
	"$todod" migrate --config="$run/todod.conf" >"$run/migrate.log" 2>&1 || {
		cat "$run/migrate.log" >&2
		die 'todod migrate failed'
	}
	sql todod 'ALTER ROLE todod_api LOGIN; ALTER ROLE todod_relay LOGIN'
}

# Returns when the daemon is ready; ends the script when it has ended.
wait_ready() {
	local tries
	for ((tries = 0; tries < 1500; tries++)); do
		if curl -fs -o /dev/null -m 2 "http://127.0.0.1:$ops_port/readyz"; then
			return
		fi
		if ! kill -0 "$daemon" 2>/dev/null; then
			daemon=''
			tail -n 5 "$run/todod.log" >&2
			die "todod ended before it was ready; its log is .run/todod.log"
		fi
		sleep 0.02
	done
	die "todod was not ready after 30 s; its log is .run/todod.log"
}

write_env() {
	(
		umask 077
		cat >"$run/env.new" <<-END
			TODOD_URL=http://127.0.0.1:$port
			TODOD_OPS_URL=http://127.0.0.1:$ops_port
			TODOD_USER=$user
			TODOD_TOKEN=$token
			TODOD_DATABASE_URL=$(scripts/pg.sh url "$run/pg" todod)
		END
	)
	mv "$run/env.new" "$run/env"
}

print_welcome() {
	local tasks=http://127.0.0.1:$port/api/$user/tasks auth="Authorization: Bearer $token"
	cat <<-END

		todod is ready at http://127.0.0.1:$port (operations: http://127.0.0.1:$ops_port, log: .run/todod.log)
		Token of user $user, good for 7 days; also in .run/env:

		$token

		Create a task, list the tasks, toggle the first one; paste each line into another shell:

		curl -i -H '$auth' -H 'Content-Type: application/json' -d '{"title":"Buy milk"}' $tasks
		curl -i -H '$auth' $tasks
		curl -i -X PATCH -H '$auth' $tasks/$(first_task)/complete

		Ctrl-C stops it. The data stays in .run/.
	END
}

[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65335 ]] ||
	die "TODOD_PORT is '$port'; it must be a number from 1 to 65335"
ops_port=$((port + 100)) dapr_port=$((port + 200))
[[ $user =~ ^[A-Za-z0-9._-]{1,64}$ ]] ||
	die "TODOD_USER is '$user'; here it may have letters, digits, '.', '_' and '-'"

mkdir -p "$run"
exec 9>"$run/lock"
flock -n 9 || die "already running in this checkout; see .run/env, or stop it first"

scripts/deps.sh build run
make -s -j"$(nproc)" PROFILE=release all 9>&-

for p in "$port" "$ops_port" "$dapr_port"; do
	if port_is_taken "$p"; then
		die "port $p is taken; choose another with: make run-all TODOD_PORT=$((port + 10))"
	fi
done

trap 'stop_all' EXIT
trap 'exit 0' INT TERM HUP
{
	write_config
	prepare_database
	# A session of its own, so that Ctrl-C reaches only this script, which then ends it once.
	setsid "$todod" --role=chat-api --config="$run/todod.conf" >"$run/todod.log" 2>&1 &
	daemon=$!
} 9>&-
wait_ready
token=$("$todod" token --user "$user" --ttl 604800 --config="$run/todod.conf")
write_env
print_welcome

status=0
wait "$daemon" || status=$?
daemon=''
die "todod ended by itself with status $status; its log is .run/todod.log"
