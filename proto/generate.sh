#!/bin/sh
# Write vox/wire/v1/ (or the folder given) from proto/. The code is committed; a tidy test compares.
#   PYTHON=.venv/bin/python proto/generate.sh [OUT]
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
out=${1:-.}
# protoc looks for its plugins (mypy-protobuf's) on the path: they lie beside the interpreter.
PATH="$("$python" -c 'import os, sys; print(os.path.dirname(sys.executable))'):$PATH"
export PATH
exec "$python" -m grpc_tools.protoc -I proto \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" \
  proto/vox/wire/v1/*.proto
