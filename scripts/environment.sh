# Shared by scripts/demo and scripts/test, which source it from the repository's root: finds a
# Python, and fills a virtual environment with pinned, hash-checked packages.

fail() {
    echo "error: $1" >&2
    echo "  $2" >&2
    exit 2
}

# find_python MINOR... : print the first Python 3.MINOR here, in that order of preference.
find_python() {
    for minor in "$@"; do
        for name in "python3.$minor" python3 python; do
            if "$name" -c "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, $minor))" \
                2>/dev/null; then
                command -v "$name"
                return 0
            fi
        done
    done
    return 1
}

# require_python : print the Python to set up an environment with; fail without one.
require_python() {
    find_python 12 11 13 14 || fail "no Python 3.11 or later with venv was found" \
        "install Python 3.11 or later (on Debian: apt install python3 python3-venv)"
}

# find_chromium : print the Chromium that CHROMIUM names, else the first on PATH.
find_chromium() {
    if [ -n "${CHROMIUM:-}" ]; then
        command -v "$CHROMIUM"
        return
    fi
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

# has_program PROGRAM : succeed if it is here, and so does its check in tests/tools.txt, if any.
has_program() {
    check=$(sed -n "s/^$1|[^|]*|[^|]*|//p" tests/tools.txt)
    case "$1" in
        python3) find_python 12 11 13 14 ;;
        chromium) find_chromium ;;
        *) (PATH="$PATH:/usr/sbin:/usr/local/sbin" && command -v "$1") && sh -c "${check:-true}" ;;
    esac </dev/null >/dev/null 2>&1
}

# find_missing LANE : print the Debian packages of programs of tests/tools.txt that are not here.
find_missing() {
    while IFS='|' read -r program lane packages _; do
        case "$lane" in landing | "$1") has_program "$program" || echo "$packages" ;; esac
    done <tests/tools.txt | tr ' ' '\n' | sort -u | tr '\n' ' '
}

# install_tools LANE : as root install what is missing by apt; otherwise print the command.
install_tools() {
    missing=$(find_missing "$1")
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing by apt: $missing" >&2
        # shellcheck disable=SC2086
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
            apt-get install -qy --no-install-recommends $missing; } >/dev/null || true
        missing=$(find_missing "$1")
    fi
    [ -z "$missing" ] ||
        echo "missing or too old, and what needs it is not run: sudo apt install $missing" >&2
    # The distribution's packages are not pinned: a run says with which ones it was made.
    if [ -n "${CI:-}" ] && command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2046
        dpkg-query -W $(grep -v '^#' tests/tools.txt | cut -d'|' -f3) 2>/dev/null || true
    fi
}

# fill_environment FOLDER PYTHON REQUIREMENTS... : create the environment from the first of the
# requirements files, unless it was filled from one of them already.
fill_environment() {
    folder=$1
    python=$2
    shift 2
    for requirements in "$@"; do
        if [ -f "$folder/.filled-from" ] &&
            cat "$requirements" pyproject.toml | cmp -s - "$folder/.filled-from"; then
            return 0
        fi
    done
    requirements=$1
    [ -f "$requirements" ] || fail "$requirements is missing" \
        "start from a whole checkout, or from the whole source archive of a release"
    echo "setting up $folder with $python ..." >&2
    rm -rf "$folder"
    "$python" -m venv "$folder" || fail "$python cannot create a virtual environment" \
        "install its venv module (on Debian: apt install python3-venv)"
    log="$folder/pip.log"
    if ! "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes \
        --requirement "$requirements" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "the packages pinned in $requirements could not be installed" \
            "check the connection to your package registry, then run this again"
    fi
    # Type checkers follow the path that this mode writes, and no import hook.
    if ! "$folder/bin/python" -m pip install --disable-pip-version-check --no-build-isolation \
        --no-deps --config-settings editable_mode=compat --editable . >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "this package could not be built and installed" "$folder/pip.log has all that pip said"
    fi
    cat "$requirements" pyproject.toml >"$folder/.filled-from"
}
