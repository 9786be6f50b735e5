#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make run-all`: from a checkout to a served task, its reminder and its history. Installs what is missing, builds, starts a
# private PostgreSQL under .run/, migrates, starts the roles beside an embedded sidecar and a mail server that delivers
# nothing, each a process of its own, shows their logs side by side, and says how to reach them. One that dies is started
# again. Ctrl-C or SIGTERM stops everything started here; the data stays for the next time. TODOD_PORT chooses another port
# than 8000 for chat-api: the other roles' ports, and those for operations, callbacks and the sidecar (up to + 315), move
# with it.
#
# `make run-dapr` is `scripts/run-all.sh dapr`: a real Dapr and Kafka (test/tools/real_stack.py) take the place of the
# embedded sidecar, at the same ports and with the same tokens; its data and env are under .run/dapr/.
#
# .run/env exists while all are ready: TODOD_URL, TODOD_OPS_URL, TODOD_MAILS_URL, TODOD_USER, TODOD_TOKEN,
# TODOD_DATABASE_URL (the superuser's). None of these may reach the daemons, which read their keys from TODOD_* too.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
	echo "run-all: $*" >&2
	exit 1
}

port=${TODOD_PORT:-8000}
user=${TODOD_USER:-demo}
unset TODOD_PORT TODOD_URL TODOD_OPS_URL TODOD_MAILS_URL TODOD_USER TODOD_TOKEN TODOD_DATABASE_URL

stack=${1:-embedded}
[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65220 ]] ||
	die "TODOD_PORT is '$port'; it must be a number from 1 to 65220"
[[ $user =~ ^[A-Za-z0-9._-]{1,64}$ ]] ||
	die "TODOD_USER is '$user'; here it may have letters, digits, '.', '_' and '-'"
[[ $stack =~ ^(embedded|dapr)$ ]] || die "there is no stack '$stack'; there are: embedded dapr"

shown=.run
[ "$stack" = embedded ] || shown=.run/dapr
run=$PWD/$shown
todod=build/release/todod

# What runs, in the order in which it starts, and how far its ports are from chat-api's. `mail` takes mails at its port and
# lists them at + 100. The others have operations at + 100 and, but for the sidecar, callbacks at + 200 and the sidecar's
# API at + 300.
roles=(mail sidecar chat-api notifier recurrer auditor)
apps=("${roles[@]:2}")
declare -A offset=([mail]=15 [sidecar]=10 [chat-api]=0 [notifier]=1 [recurrer]=2 [auditor]=4)
smtp=127.0.0.1:$((port + offset[mail]))
mails=http://127.0.0.1:$((port + offset[mail] + 100))
declare -A color=([mail]=37 [sidecar]=35 [chat-api]=36 [notifier]=34 [recurrer]=32 [auditor]=33)
declare -A pid=() viewer=() deaths=()
deaths_max=5 # of one role within a minute, before giving up
ready_max=30 # seconds until a role is
[ "$stack" = embedded ] || ready_max=180

# Called by the trap on EXIT. Sidecar and mail server go last: the others hand over what they have. A terminal that is gone
# holds nothing up.
# shellcheck disable=SC2317
stop_all() {
	local i role
	trap '' INT TERM HUP PIPE
	set +e
	rm -f "$run/env"
	[ ${#pid[@]} -eq 0 ] || echo 'run-all: stopping'
	for role in "${apps[@]}"; do
		[ -z "${pid[$role]:-}" ] || kill -TERM "${pid[$role]}" 2>/dev/null
	done
	for ((i = ${#roles[@]} - 1; i >= 0; i--)); do
		role=${roles[i]}
		if [ -n "${pid[$role]:-}" ]; then
			kill -TERM "${pid[$role]}" 2>/dev/null
			wait "${pid[$role]}"
		fi
	done
	[ ${#viewer[@]} -eq 0 ] || kill "${viewer[@]}" 2>/dev/null
	scripts/pg.sh stop "$run/pg"
}

port_is_taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A key or token that stays: $1 is its file, the rest makes it.
keep() {
	local file=$1
	shift
	[ -s "$file" ] || "$@" >"$file"
}

# The start of the configuration of $1, a role.
write_ports() {
	local at=$((port + offset[$1]))
	cat <<-END
		# Written by scripts/run-all.sh at every start.
		http.port = $at
		ops.port = $((at + 100))
	END
	[ "$1" != sidecar ] || return 0
	cat <<-END
		dapr.port = $((at + 200))
		dapr.url = http://127.0.0.1:$((at + 300))
		dapr.token_file = $run/tokens/$1.api-token
		dapr.app_token_file = $run/tokens/$1.app-token
	END
}

# $1 is the key of a database URL, $2 the database role; $3 the database if that is not todod.
write_database() {
	echo "$1 = $(scripts/pg.sh url "$run/pg" "${3:-todod}" "$2")"
}

write_auth() {
	echo 'auth.mode = builtin'
	echo "auth.key_file = $run/key.pem"
}

write_keys() {
	local role
	mkdir -p "$run/tokens"
	keep "$run/key.pem" openssl genpkey -algorithm ED25519
	keep "$run/audit-kek" openssl rand -hex 32
	keep "$run/audit-checkpoint.pem" openssl genpkey -algorithm ED25519
	keep "$run/email-link-key" openssl rand -hex 32
	for role in "${apps[@]}"; do
		keep "$run/tokens/$role.api-token" openssl rand -hex 32
		keep "$run/tokens/$role.app-token" openssl rand -hex 32
	done
	# A PEM file as a JSON string: its lines end in \n.
	printf '{"audit":{"kek":"%s","checkpoint-key":"%s"},"email":{"link-key":"%s"}}\n' "$(cat "$run/audit-kek")" \
		"$(sed 's/$/\\n/' "$run/audit-checkpoint.pem" | tr -d '\n')" "$(cat "$run/email-link-key")" >"$run/secrets.json"
}

# What dapr-components/local lets the apps do, for the embedded sidecar; test_run_all.py compares.
write_scopes() {
	echo "sidecar.topics = task-events reminders task-updates dlq.task-events dlq.reminders dlq.task-updates"
	cat <<-'END' | tr '\n' ' ' | sed 's/; $/\n/; s/^/sidecar.scopes = /'
		chat-api/publish=task-events reminders task-updates dlq.task-updates;
		chat-api/subscribe=task-updates;
		chat-api/secrets=todod-chat-api email;
		chat-api/invoke=auditor;
		chat-api/components=kafka-pubsub secrets statestore;
		notifier/publish=reminders task-updates dlq.task-events dlq.reminders;
		notifier/subscribe=task-events reminders;
		notifier/secrets=todod-notifier email smtp;
		notifier/invoke=;
		notifier/components=kafka-pubsub secrets statestore;
		recurrer/publish=task-events reminders task-updates dlq.task-events dlq.reminders;
		recurrer/subscribe=task-events reminders;
		recurrer/secrets=todod-recurrer;
		recurrer/invoke=;
		recurrer/components=kafka-pubsub secrets;
		auditor/publish=task-events reminders dlq.task-events dlq.reminders;
		auditor/subscribe=task-events reminders dlq.task-events dlq.reminders dlq.task-updates;
		auditor/secrets=todod-auditor audit;
		auditor/invoke=;
		auditor/components=kafka-pubsub secrets;
	END
}

write_config() {
	local api=$((port + 300)) calls=$((port + 200)) role
	umask 077
	write_keys
	{
		write_ports chat-api
		write_database database.url todod_api
		write_database database.migrate_url ''
		write_database database.relay_url todod_relay
		write_auth
	} >"$run/chat-api.conf"
	{
		write_ports notifier
		echo "notifier.public_url = http://127.0.0.1:$port"
		echo "smtp.url = smtp://$smtp"
		echo 'smtp.tls = false'
		echo 'smtp.from = todod@example.org'
	} >"$run/notifier.conf"
	{
		write_ports recurrer
		write_database database.url todod_recurrer
		write_database recurrer.sweeper_url todod_sweeper
		write_database database.relay_url todod_relay
	} >"$run/recurrer.conf"
	{
		write_ports auditor
		write_database database.url todod_audit_writer
		write_database audit.checker_url todod_audit_checker
		write_database audit.eraser_url todod_audit_eraser
		write_auth
		echo "audit.kek_file = $run/audit-kek"
		echo "audit.checkpoint_key_file = $run/audit-checkpoint.pem"
	} >"$run/auditor.conf"
	{
		write_ports sidecar
		write_database database.url todod_sidecar "$([ "$stack" = embedded ] || echo dapr)"
		printf 'sidecar.apps = '
		for role in "${apps[@]}"; do
			printf '%s' "$role=$((api + offset[$role])):127.0.0.1:$((calls + offset[$role])),"
		done | sed 's/,$/\n/'
		echo "sidecar.crons = recurrer/cron-reminder=@every 10s; recurrer/cron-upkeep=@every 1h;" \
			"auditor/cron-checkpoint=@every 60s; auditor/cron-upkeep=@every 1h"
		write_scopes
		echo "sidecar.token_dir = $run/tokens"
		echo "sidecar.secrets_file = $run/secrets.json"
	} >"$run/sidecar.conf"
}

sql() {
	scripts/pg.sh psql "$run/pg" "$1" -q -At -v ON_ERROR_STOP=1 -c "$2"
}

prepare_database() {
	scripts/pg.sh start "$run/pg"
	if [ -z "$(sql postgres "SELECT 1 FROM pg_database WHERE datname = 'todod'")" ]; then
		sql postgres 'CREATE DATABASE todod'
	fi
	"$todod" migrate --config="$run/chat-api.conf" >"$run/migrate.log" 2>&1 || {
		cat "$run/migrate.log" >&2
		die 'todod migrate failed'
	}
	sql todod 'ALTER ROLE todod_api LOGIN; ALTER ROLE todod_relay LOGIN; ALTER ROLE todod_sidecar LOGIN;
		ALTER ROLE todod_recurrer LOGIN; ALTER ROLE todod_sweeper LOGIN; ALTER ROLE todod_audit_writer LOGIN; ALTER ROLE todod_audit_checker LOGIN; ALTER ROLE todod_audit_eraser LOGIN'
	if [ "$stack" = dapr ] && [ -z "$(sql postgres "SELECT 1 FROM pg_database WHERE datname = 'dapr'")" ]; then
		sql postgres 'CREATE DATABASE dapr OWNER todod_sidecar'
	fi
}

# Shows what a role logs, each line behind its name, whichever process of it writes that.
view() {
	local role=$1 before='' after=''
	if [ -t 1 ]; then
		before=$'\e['"${color[$role]}m" after=$'\e[0m'
	fi
	(
		trap '' INT
		exec tail -n +1 -f --pid=$$ "$run/$role.log" > >(exec sed -u "s/^/$before$(printf '%-8s' "$role")$after /")
	) &
	viewer[$role]=$!
}

# A session of its own, so that Ctrl-C reaches only this script, which then ends it once.
start_role() {
	local role=$1 command=("$todod" "--role=$1" "--config=$run/$1.conf")
	case $stack/$role in
	dapr/sidecar) command=(test/tools/real_stack.py sidecars "$run/stack" "$run/sidecar.conf") ;;
	*/mail) command=(scripts/mail_sink.py "${smtp#*:}" "${mails##*:}" "$run/mails") ;;
	esac
	setsid "${command[@]}" >>"$run/$role.log" 2>&1 &
	pid[$role]=$!
}

# $1 is a URL that answers when $2, a role, is ready; ends the script when the role has ended.
wait_for() {
	local url=$1 role=$2 until=$((SECONDS + ready_max))
	until curl -fs -o /dev/null -m 2 "$url"; do
		if ! kill -0 "${pid[$role]}" 2>/dev/null; then
			unset "pid[$role]"
			tail -n 5 "$run/$role.log" >&2
			die "$role ended before it was ready; its log is $shown/$role.log"
		fi
		[ "$SECONDS" -lt "$until" ] || die "$role was not ready after $ready_max s; its log is $shown/$role.log"
		sleep 0.02
	done
}

wait_ready() {
	wait_for "http://127.0.0.1:$((port + offset[$1] + 100))/readyz" "$1"
}

# Whether a role that has just died did so too often.
dies_often() {
	local role=$1 recent='' n=0 at
	for at in ${deaths[$role]:-} "$SECONDS"; do
		if [ $((SECONDS - at)) -lt 60 ]; then
			recent+=" $at"
			n=$((n + 1))
		fi
	done
	deaths[$role]=$recent
	[ "$n" -ge "$deaths_max" ]
}

# Until somebody stops it: what dies is started again. `wait -n` would tell of one, and forget those that died with it.
keep_running() {
	local role status
	while sleep 0.5; do
		for role in "${roles[@]}"; do
			! kill -0 "${pid[$role]}" 2>/dev/null || continue
			status=0
			wait "${pid[$role]}" || status=$?
			if dies_often "$role"; then
				unset "pid[$role]"
				die "$role ended with status $status, $deaths_max times within a minute; its log is $shown/$role.log"
			fi
			echo "run-all: $role ended with status $status; starting it again" >&2
			start_role "$role"
		done
	done
}

write_env() {
	(
		umask 077
		cat >"$run/env.new" <<-END
			TODOD_URL=http://127.0.0.1:$port
			TODOD_OPS_URL=http://127.0.0.1:$((port + 100))
			TODOD_MAILS_URL=$mails
			TODOD_USER=$user
			TODOD_TOKEN=$token
			TODOD_DATABASE_URL=$(scripts/pg.sh url "$run/pg" todod)
		END
	)
	mv "$run/env.new" "$run/env"
}

# The lines of the last here-document but one are pasted as they stand: what is in them is for the shell of the reader.
print_welcome() {
	cat <<-END

		todod is ready at http://127.0.0.1:$port (operations: http://127.0.0.1:$((port + 100)), logs: $shown/ROLE.log)
		Mails to anybody end at $mails
		Token of user $user, good for 7 days; also in $shown/env:

		$token

		Create a task, list the tasks, complete it, see what happened to it; paste each line into another shell, in this directory:

		. $shown/env; tasks=\$TODOD_URL/api/\$TODOD_USER/tasks
	END
	cat <<-'END'
		newest() { curl -s --oauth2-bearer $TODOD_TOKEN "$tasks?limit=1" | grep -o '[0-9]*' | head -n 1; }
		curl -i --oauth2-bearer $TODOD_TOKEN --json '{"title":"Buy milk"}' $tasks
		curl -i --oauth2-bearer $TODOD_TOKEN $tasks
		curl -i --oauth2-bearer $TODOD_TOKEN -X PATCH $tasks/$(newest)/complete
		curl -i --oauth2-bearer $TODOD_TOKEN $tasks/$(newest)/history

		Set an address, follow the link that is mailed to it, be reminded in 5 seconds, and read the mail:

		curl -i --oauth2-bearer $TODOD_TOKEN -X PUT --json '{"email":"demo@example.org","channels":["email","in_app","log"]}' $TODOD_URL/api/$TODOD_USER/preferences
		curl -i $(curl -s $TODOD_MAILS_URL/mails.json | grep -o 'http[^ "\]*/confirm?[^ "\]*' | head -n 1)
		curl -i --oauth2-bearer $TODOD_TOKEN --json '{"title":"Call mum","reminders":[{"remind_at":"'$(date -ud '5 sec' +%FT%TZ)'"}]}' $tasks
		curl -i $TODOD_MAILS_URL/mails.json

		Make a task that comes back every day, complete it, and find the next one:

		curl -i --oauth2-bearer $TODOD_TOKEN --json '{"title":"Water the plants","due_date":"'$(date +%F)'","recurrence":"daily"}' $tasks
		curl -i --oauth2-bearer $TODOD_TOKEN -X PATCH $tasks/$(newest)/complete
		curl -i --oauth2-bearer $TODOD_TOKEN "$tasks?q=plants"
	END
	cat <<-END

		Has anybody changed the history since?  $todod audit verify --config=$shown/auditor.conf

		Ctrl-C stops it. The data stays in $shown/.
	END
}

mkdir -p "$run"
exec 9>"$run/lock"
flock -n 9 || die "already running in this checkout; see $shown/env, or stop it first"

if [ "$stack" = embedded ]; then
	scripts/deps.sh build run
else
	scripts/deps.sh build run dapr
	test/tools/real_stack.py build 9>&- || die 'a real Dapr and Kafka cannot run here; make run-all needs neither'
fi
make -s -j"$(nproc)" PROFILE=release all 9>&-

for role in "${roles[@]}"; do
	for more in 0 100 200 300; do
		p=$((port + offset[$role] + more))
		if port_is_taken "$p"; then
			die "port $p is taken; choose another with: make run-all TODOD_PORT=$((port + 20))"
		fi
	done
done

trap 'stop_all' EXIT
trap 'exit 0' INT TERM HUP
{
	(write_config)
	prepare_database
	for role in "${roles[@]}"; do
		: >"$run/$role.log"
		view "$role"
		start_role "$role"
		[[ $role != @(mail|sidecar) ]] || wait_ready "$role"
	done
	for role in "${apps[@]}"; do
		wait_ready "$role"
		wait_for "http://127.0.0.1:$((port + offset[$role] + 300))/v1.0/healthz" sidecar
	done
	token=$("$todod" token --user "$user" --ttl 604800 --config="$run/chat-api.conf")
	write_env
	print_welcome
	keep_running
} 9>&-
