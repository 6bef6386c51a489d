# Sourced by the other scripts: makes .venv with clipsearch in it. Do not run it alone.
#
#   set_up_environment [EXTRA]    e.g. set_up_environment dev
#
# CLIPSEARCH_TORCH   the requirement for torch, as pip takes it (default: the CPU build if no NVIDIA GPU is present)
# CLIPSEARCH_VENV    the folder of the environment (default: .venv)

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    die "clipsearch needs Python 3.10 or newer, and none was found. On Debian or Ubuntu: apt install python3 python3-venv"
}

has_gpu() {
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU
}

install_torch() {
    python -c 'import torch' 2>/dev/null && return
    if [ -n "${CLIPSEARCH_TORCH:-}" ]; then
        python -m pip install --quiet "$CLIPSEARCH_TORCH"
    elif [ "$(uname -s)" != Linux ]; then
        return 0  # comes with clipsearch where it has wheels, which is not so on Intel Macs
    elif has_gpu; then
        python -m pip install --quiet torch
    elif python -m pip install --quiet --dry-run --report - torch==2.13.0 2>/dev/null | grep -q '"nvidia-'; then
        # This registry's torch brings gigabytes of CUDA; uv knows where the CPU build is.
        python -m pip install --quiet uv
        uv pip install --quiet --torch-backend=cpu torch
    else
        python -m pip install --quiet torch==2.13.0
    fi
}

set_up_environment() {
    local extra="${1:-}" python venv="${CLIPSEARCH_VENV:-.venv}"
    if [ ! -x "$venv/bin/python" ] && [ ! -x "$venv/Scripts/python.exe" ]; then
        python="$(find_python)" || exit 1
        "$python" -m venv "$venv" 2>/dev/null || {
            rm -rf "$venv"
            die "Python's venv module does not work here. On Debian or Ubuntu: apt install python3-venv"
        }
    fi
    # shellcheck disable=SC1090,SC1091
    if [ -d "$venv/Scripts" ]; then . "$venv/Scripts/activate"; else . "$venv/bin/activate"; fi  # Scripts: on Windows
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    unset PYTHONDONTWRITEBYTECODE  # where it is set, every process compiles all of clipsearch again
    echo "installing into $venv (the first time takes a minute or two) ..."
    install_torch || die "torch could not be installed; see docs/install.md"
    python -m pip install --quiet --editable ".${extra:+[$extra]}" || die "the installation failed; what pip said is above"
}
