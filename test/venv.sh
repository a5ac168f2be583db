#!/bin/sh
# `sh test/venv.sh FOLDER`: installs FOLDER/requirements.txt into FOLDER/.venv where that is not done yet. Needs python3 with venv.
set -eu
cd "$(dirname "$0")/.."

wanted=$1/requirements.txt venv=$1/.venv
if cmp -s "$wanted" "$venv/requirements.installed"; then exit 0; fi
if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "python3 with venv is needed. Debian and Ubuntu: apt-get install python3-venv" >&2
  exit 2
fi
echo "installing $wanted into $venv"
"${PYTHON:-python3}" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
# Written last: an interrupted installation is started again.
cp "$wanted" "$venv/requirements.installed"
