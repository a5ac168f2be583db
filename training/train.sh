#!/bin/sh
# Trains every model and publishes it under models/. Arguments go to `python -m training.train`.
set -eu
cd "$(dirname "$0")/.."

venv=training/.venv
if ! cmp -s training/requirements.txt "$venv/requirements.installed"; then
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement training/requirements.txt
  # Written last: an interrupted installation is started again.
  cp training/requirements.txt "$venv/requirements.installed"
fi

# One thread: the order of floating point additions, and so the published bytes, must not depend on scheduling.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m training.train "$@"
