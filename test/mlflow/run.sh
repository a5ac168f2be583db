#!/bin/sh
# Imports models from a real MLflow server, to which its own client logged them. Arguments go to vitest. Needs python3 with venv;
# installs the rest into test/mlflow/.venv.
set -eu
cd "$(dirname "$0")/../.."

sh test/venv.sh test/mlflow

exec node_modules/.bin/vitest run --project mlflow "$@"
