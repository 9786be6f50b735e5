#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes the pages of docs/ that are made from the binary: scripts/docs.sh [BINARY]. A flow test compares them.
set -eu
cd "$(dirname "$0")/.."
binary=${1:-build/release/todod}

configuration() {
	cat <<-'END'
		# Configuration

		Made by `make docs` from `todod --help`; the table of keys in the source is the only place that knows them.

		A key `http.port` is `http.port = 8000` in the file given with `--config`, `TODOD_HTTP_PORT=8000` in the environment, and `--http.port=8000` on
		the command line. Flags win over the environment, the environment over the file, the file over the defaults. A key or value that is not
		understood is told with its place, and nothing starts (exit code 78). `todod --role=chat-api --check-config` tells every mistake, or the values in force and where each came from.

		Secrets are never shown, and refused on the command line, where other users of the machine could read them.

		```
	END
	"$binary" --help | sed -n '/^  --/,$p'
	printf '```\n'
}

configuration > docs/configuration.md
/usr/bin/python3 scripts/services.py "$binary" > docs/services.md
