#!/bin/sh
# Asks a real admin API whatever its description allows, and much that it does not, with schemathesis: no 5xx, no status,
# header or shape that is not described, nothing without a token. Arguments go to schemathesis: `sh test/openapi/run.sh
# --seed 7`. Needs python3 with venv; installs the rest into test/openapi/.venv (90 MB).
set -eu
cd "$(dirname "$0")/../.."

sh test/venv.sh test/openapi

PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node test/openapi/main.ts "$PWD/test/openapi/.venv/bin/schemathesis" "$@"
