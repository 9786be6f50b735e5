#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A private PostgreSQL cluster for a directory:
#
#   scripts/pg.sh start  DIR [SETTING=VALUE...]   makes it when it is not there; returns when it is ready
#   scripts/pg.sh stop   DIR
#   scripts/pg.sh url    DIR [DATABASE [ROLE]]    postgresql://ROLE@/DATABASE?host=...
#   scripts/pg.sh psql   DIR [DATABASE [psql's arguments]]
#   scripts/pg.sh remove DIR                      stops it and deletes its data
#
# It listens on no network address. Whoever can enter the directory of its socket (mode 0700, in
# /tmp because the path of a socket is at most 107 bytes) may be any database role; the superuser is `postgres`.
# PostgreSQL refuses to run as root, so root runs it as the user `postgres`, and where that user
# cannot reach DIR the data lies in /var/lib/todod-dev/ instead. Durability is not relaxed.
set -euo pipefail

die() {
	echo "pg.sh: $*" >&2
	exit 1
}

usage() {
	sed -n 's/^#   //p' "$0" >&2
	exit 64
}

[ $# -ge 2 ] || usage
command=$1
dir=$(realpath -m "$2")
shift 2

if [ "$(id -u)" -eq 0 ]; then
	user=postgres
	as_user() { runuser -u postgres -- "$@"; }
else
	user=$(id -un)
	as_user() { "$@"; }
fi
hash=$(printf '%s %s' "$user" "$dir" | sha256sum | cut -c 1-12)
sockets=/tmp/todod-pg-$hash
far=/var/lib/todod-dev/$hash
# The user postgres may be unable to read the directory this was called from.
cd /

# Sets home, the directory that holds data/ and log; $1 is `make` to make it.
find_home() {
	home=$dir
	if [ "$user" = postgres ]; then
		if [ -d "$far" ]; then
			home=$far
		elif [ "$1" = make ]; then
			mkdir -p "$dir"
			chown postgres: "$dir"
			if ! as_user test -w "$dir" -a -x "$dir"; then
				install -d -m 0755 /var/lib/todod-dev
				install -d -m 0700 -o postgres "$far"
				home=$far
			fi
		fi
	elif [ "$1" = make ]; then
		mkdir -p "$dir"
	fi
	data=$home/data
}

# Sets bin: the programs of the version that made the data, or of the newest one installed.
find_bin() {
	local version
	if [ -f "$data/PG_VERSION" ]; then
		version=$(cat "$data/PG_VERSION")
		bin=/usr/lib/postgresql/$version/bin
		[ -x "$bin/postgres" ] ||
			die "$data was made by PostgreSQL $version, which is not installed; install it, or move $data away"
		return
	fi
	bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -t / -k 5 -V | tail -n 1)
	bin=${bin%/postgres}
	version=${bin#/usr/lib/postgresql/}
	version=${version%%/*}
	[[ $version =~ ^[0-9]+$ && $version -ge 15 ]] ||
		die "no PostgreSQL 15 or later under /usr/lib/postgresql; run scripts/deps.sh run"
}

# In /tmp anyone could have made the directory first.
make_sockets() {
	as_user mkdir -m 0700 "$sockets" 2>/dev/null || true
	[ "$(stat -c '%U %a %F' "$sockets")" = "$user 700 directory" ] ||
		die "$sockets is not a directory of $user with mode 0700; remove it"
}

make_cluster() {
	local new=$data.new
	as_user rm -rf "$new"
	as_user "$bin/initdb" -D "$new" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions \
		>/dev/null || die "initdb failed in $new"
	as_user tee -a "$new/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$sockets'
		unix_socket_permissions = 0700
		shared_buffers = 64MB
		max_connections = 64
		max_wal_size = 512MB
		jit = off
		timezone = 'UTC'
		log_timezone = 'UTC'
	END
	as_user mv "$new" "$data"
}

is_running() {
	[ -f "$data/PG_VERSION" ] && as_user "$bin/pg_ctl" -D "$data" status >/dev/null
}

start() {
	local setting options=''
	find_home make
	find_bin
	make_sockets
	[ -f "$data/PG_VERSION" ] || make_cluster
	for setting in "$@"; do
		options+=" -c $setting"
	done
	if ! is_running; then
		# What it says of a server that was killed is no news here.
		as_user "$bin/pg_ctl" -D "$data" -w -t 60 -l "$home/log" -o "$options" start >/dev/null \
			2> >(grep -v 'another server might be running' >&2) || {
			as_user tail -n 5 "$home/log" >&2
			die "PostgreSQL did not start; its log is $home/log"
		}
	fi
}

stop() {
	find_home find
	find_bin
	if is_running; then
		as_user "$bin/pg_ctl" -D "$data" -w -t 60 -m fast stop >/dev/null ||
			die "PostgreSQL did not stop; its log is $home/log"
	fi
}

case $command in
start)
	start "$@"
	;;
stop)
	stop
	;;
url)
	echo "postgresql://${2:-postgres}@/${1:-postgres}?host=$sockets"
	;;
psql)
	database=${1:-postgres}
	[ $# -eq 0 ] || shift
	find_home find
	find_bin
	exec "$bin/psql" -X -d "postgresql://postgres@/$database?host=$sockets" "$@"
	;;
remove)
	stop
	as_user rm -rf "$data" "$data.new" "$home/log" "$sockets"
	rm -rf "$far"
	rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
	;;
*)
	usage
	;;
esac
