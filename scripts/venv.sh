#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes .run/venv, with the Python packages that Debian does not have: test/schemathesis/requirements.txt. When it is there
# already, with these packages, nothing happens, and no network is needed.
set -eu
cd "$(dirname "$0")/.."
wanted=test/schemathesis/requirements.txt
made=.run/venv/requirements.txt

if ! cmp -s "$wanted" "$made"; then
	echo "venv: installing $(grep -c '==' "$wanted") Python packages into .run/venv"
	rm -rf .run/venv
	mkdir -p .run
	/usr/bin/python3 -m venv .run/venv
	.run/venv/bin/pip install --quiet --no-deps --disable-pip-version-check --requirement "$wanted"
	cp "$wanted" "$made"
fi
