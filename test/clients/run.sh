#!/bin/sh
# Runs real clients (tritonclient, KServe's SDK) against a real worker and real gateways.
# Arguments go to pytest: `sh test/clients/run.sh -k triton`. Needs python3 with venv; installs the rest into
# test/clients/.venv (500 MB, most of it KServe's SDK).
set -eu
cd "$(dirname "$0")/../.."

venv=test/clients/.venv
if ! cmp -s test/clients/requirements.txt "$venv/requirements.installed"; then
  if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "python3 with venv is needed. Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
  fi
  echo "installing test/clients/requirements.txt into $venv"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement test/clients/requirements.txt
  # Written last: an interrupted installation is started again.
  cp test/clients/requirements.txt "$venv/requirements.installed"
fi

PATH="$PWD/node_modules/.bin:$PATH"
export PATH PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m pytest -p no:cacheprovider --quiet --tb=short --rootdir test/clients test/clients "$@"
