#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, and only those: scripts/deps.sh GROUP...
#
#   build  compiler and libraries        run    PostgreSQL and what `make run-all` calls
#   test   `make check`                  bench  `make bench`          slow   `make check-all`
#   dapr   `make run-dapr`, beside Go, Java 17 and Maven, of which Debian 12 has no Go that is new enough
#
# A package is given as `name`, or as `name:file` where any owner of the file will do (a Node or a
# PostgreSQL from another archive). Nothing missing: one dpkg-query, no network, no root. Nothing else of the
# system changes; a PostgreSQL server that gets installed makes no cluster of its own.
set -euo pipefail

# The first libevent of Debian 12 with its security fixes.
libevent_min=2.1.12-stable-8+deb12u1

declare -A groups=(
	[build]="gcc libc6-dev make pkgconf:/usr/bin/pkg-config libevent-dev libyajl-dev libpq-dev
		libcurl4-openssl-dev libssl-dev libunistring-dev"
	[run]="postgresql:/usr/lib/postgresql/*/bin/postgres curl openssl tzdata util-linux
		python3 python3-aiosmtpd"
	[test]="check libfaketime perl python3 python3-pytest python3-pytest-xdist python3-psycopg2 python3-jsonschema python3-fastjsonschema python3-hypothesis python3-jwt python3-dateutil
		python3-cryptography python3-yaml python3-venv git clang-format-14 pmccabe shellcheck yamllint procps"
	[dapr]="python3"
	[bench]="wrk strace nodejs:/usr/bin/node npm:/usr/bin/npm binutils python3 python3-cryptography"
	[slow]="clang-14 libclang-rt-14-dev llvm-14 clang-tidy-14 clang-tools-14 valgrind gcovr"
)

die() {
	echo "deps: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "packages are missing and need root or sudo to install: $missing"
	fi
}

# Prints what is missing of the packages given as arguments.
list_missing() {
	local entry name file installed
	installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' 2>/dev/null) "
	for entry in "$@"; do
		name=${entry%%:*}
		file=${entry#"$name"}
		# The part after the colon may be a pattern.
		# shellcheck disable=SC2086
		if [ -n "$file" ] && compgen -G ${file#:} >/dev/null; then
			continue
		fi
		case $installed in
		*" installed=$name "*) ;;
		*) echo "$name" ;;
		esac
	done
}

# $1: a version; empty is not old, but missing.
is_old_libevent() {
	[ -n "$1" ] && dpkg --compare-versions "$1" lt "$libevent_min"
}

libevent_installed() {
	dpkg-query -W -f '${Version}' libevent-dev 2>/dev/null || true
}

# What apt would install, as far as it knows without asking the network.
libevent_candidate() {
	LC_ALL=C apt-cache policy libevent-dev | sed -n 's/^ *Candidate: //p'
}

# The package would start a system-wide PostgreSQL that nobody here uses.
without_cluster() {
	local conf=/etc/postgresql-common/createcluster.d/todod-deps.conf status=0
	as_root mkdir -p "${conf%/*}"
	echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
	"$@" || status=$?
	as_root rm -f "$conf"
	return "$status"
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

[ $# -gt 0 ] || set -- build run test
wanted=()
for group in "$@"; do
	[ -n "${groups[$group]:-}" ] || die "no group '$group'; there are: ${!groups[*]}"
	read -r -d '' -a packages <<<"${groups[$group]}" || true
	wanted+=("${packages[@]}")
done

command -v dpkg-query >/dev/null ||
	die "this is not a Debian; install by hand what the table in scripts/deps.sh names, with the headers"

missing=$(list_missing "${wanted[@]}" | sort -u | xargs)
if is_old_libevent "$(libevent_installed)" && ! is_old_libevent "$(libevent_candidate)"; then
	missing="$missing libevent-dev"
fi
[ -n "$missing" ] || exit 0

echo "deps: installing $missing"
apt update >/dev/null || die "apt-get update failed; is there a network?"
read -r -a packages <<<"$missing"
install=(apt install --no-install-recommends "${packages[@]}")
if [[ " $missing " == *" postgresql "* ]]; then
	without_cluster "${install[@]}" || die "apt-get could not install them"
else
	"${install[@]}" || die "apt-get could not install them"
fi

if is_old_libevent "$(libevent_installed)"; then
	echo "deps: warning: libevent is older than $libevent_min, which has security fixes; add" \
		"'deb http://security.debian.org/debian-security bookworm-security main' to apt's sources" >&2
fi
