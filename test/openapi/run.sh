#!/bin/sh
# Asks a real admin API whatever its description allows, and much that it does not, with schemathesis: no 5xx, no status,
# header or shape that is not described, nothing without a token. Arguments go to schemathesis: `sh test/openapi/run.sh
# --seed 7`. Needs python3 with venv; installs the rest into test/openapi/.venv (90 MB).
set -eu
cd "$(dirname "$0")/../.."

venv=test/openapi/.venv
if ! cmp -s test/openapi/requirements.txt "$venv/requirements.installed"; then
  if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "python3 with venv is needed. Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
  fi
  echo "installing test/openapi/requirements.txt into $venv"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement test/openapi/requirements.txt
  # Written last: an interrupted installation is started again.
  cp test/openapi/requirements.txt "$venv/requirements.installed"
fi

PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node test/openapi/main.ts "$PWD/$venv/bin/schemathesis" "$@"
