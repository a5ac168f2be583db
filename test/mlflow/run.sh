#!/bin/sh
# Imports models from a real MLflow server, to which its own client logged them. Arguments go to vitest. Needs python3 with venv;
# installs the rest into test/mlflow/.venv.
set -eu
cd "$(dirname "$0")/../.."

venv=test/mlflow/.venv
if ! cmp -s test/mlflow/requirements.txt "$venv/requirements.installed"; then
  if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "python3 with venv is needed. Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 2
  fi
  echo "installing test/mlflow/requirements.txt into $venv"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement test/mlflow/requirements.txt
  # Written last: an interrupted installation is started again.
  cp test/mlflow/requirements.txt "$venv/requirements.installed"
fi

exec node_modules/.bin/vitest run --project mlflow "$@"
