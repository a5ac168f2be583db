#!/bin/sh
# Runs real clients (tritonclient, KServe's SDK) against a real worker and real gateways.
# Arguments go to pytest: `sh test/clients/run.sh -k triton`. Needs python3 with venv; installs the rest into
# test/clients/.venv (500 MB, most of it KServe's SDK).
set -eu
cd "$(dirname "$0")/../.."

sh test/venv.sh test/clients

PATH="$PWD/node_modules/.bin:$PATH"
export PATH PYTHONDONTWRITEBYTECODE=1
exec test/clients/.venv/bin/python -m pytest -p no:cacheprovider --quiet --tb=short --rootdir test/clients test/clients "$@"
