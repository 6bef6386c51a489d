#!/usr/bin/env bash
# Makes one environment per peer that scripts/bench.py and benchmarks/ann.py measure clipsearch against.
#
#   benchmarks/install_peers.sh [DIR]    default: $CLIPSEARCH_BENCH, else ~/.cache/clipsearch-bench
#
# DIR/rclip, DIR/transformers, DIR/export (writes rclip's ONNX files), DIR/autofaiss, DIR/usearch and DIR/clip-retrieval. The
# script leaves existing parts as they are; if a peer cannot be installed here, DIR/<peer>.failed has the reason. Remove that
# file to try again.
set -euo pipefail

dir="${1:-${CLIPSEARCH_BENCH:-$HOME/.cache/clipsearch-bench}}"
python="${PYTHON:-python3}"
torch="torch==2.13.0"
export PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"

venv() { # NAME: a new, empty environment
    rm -rf "${dir:?}/$1" &&
        "$python" -m venv "$dir/$1"
}

pip_in() { # NAME, then pip's own arguments
    local name="$1"
    shift
    "$dir/$name/bin/python" -m pip "$@"
}

torch_in() { # NAME [PACKAGE ...]: torch's CPU build, never gigabytes of CUDA
    local name="$1"
    shift
    if pip_in "$name" install --quiet --dry-run --report - "$torch" 2>/dev/null | grep -q '"nvidia-'; then
        pip_in "$name" install --quiet uv &&
            "$dir/$name/bin/uv" pip install --quiet --python "$dir/$name/bin/python" --torch-backend=cpu "$torch" "$@"
    else
        pip_in "$name" install --quiet "$torch" "$@"
    fi
}

ready() { # NAME: made to the end by an earlier run
    [ -e "$dir/$1/.ready" ]
}

if ! ready rclip; then
    echo "rclip ..."
    venv rclip
    pip_in rclip install --quiet rclip # runs on onnxruntime: no torch
    touch "$dir/rclip/.ready"
fi

if ! ready transformers; then
    echo "transformers ..."
    venv transformers
    torch_in transformers
    pip_in transformers install --quiet transformers pillow numpy
    touch "$dir/transformers/.ready"
fi

if ! ready export; then
    echo "export ..."
    venv export
    torch_in export
    pip_in export install --quiet transformers pillow numpy onnx onnxscript onnxruntime
    touch "$dir/export/.ready"
fi

if ! ready autofaiss; then
    echo "autofaiss ..."
    venv autofaiss
    pip_in autofaiss install --quiet autofaiss 'pyarrow<21' 'faiss-cpu<1.9' # what it was made for: numpy before 2, and faiss's old names
    touch "$dir/autofaiss/.ready"
fi

if ! ready usearch; then
    echo "usearch ..."
    venv usearch
    pip_in usearch install --quiet usearch numpy
    touch "$dir/usearch/.ready"
fi

make_clip_retrieval() {
    # This torch stays fixed while pip resolves the other requirements. One of them imports pkg_resources, which setuptools 81
    # lacks. Chained, because `set -e` does not hold in a condition.
    venv clip-retrieval &&
        torch_in clip-retrieval torchvision &&
        pip_in clip-retrieval install --quiet clip-retrieval "$torch" 'setuptools<81' &&
        "$dir/clip-retrieval/bin/python" -c 'import clip_retrieval.cli'
}

if ! ready clip-retrieval && [ ! -e "$dir/clip-retrieval.failed" ]; then
    echo "clip-retrieval ..."
    log="$dir/clip-retrieval.log"
    if make_clip_retrieval >"$log" 2>&1; then
        touch "$dir/clip-retrieval/.ready"
    else
        tail -n 5 "$log" >"$dir/clip-retrieval.failed"
        rm -rf "$dir/clip-retrieval"
    fi
fi

version() { # NAME PACKAGE ...
    local name="$1"
    shift
    printf '%-15s' "$name"
    "$dir/$name/bin/python" -c '
import importlib.metadata, sys
print("Python", sys.version.split()[0], *(f"{p} {importlib.metadata.version(p)}" for p in sys.argv[1:]))' "$@"
}

version rclip rclip onnxruntime numpy pillow
version transformers transformers torch numpy pillow
version export torch transformers onnx onnxscript
version autofaiss autofaiss faiss-cpu numpy
version usearch usearch numpy
if ready clip-retrieval; then
    version clip-retrieval clip-retrieval torch transformers faiss-cpu
else
    printf '%-15s%s\n' clip-retrieval "not here: $(tail -n 1 "$dir/clip-retrieval.failed")"
fi
