# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; they source it from the top of the repository.

# The name of the script that sources this, for its messages.
self=$(basename "$0")

fail() { echo "$self: $1" >&2; exit 1; }

# require COMMAND=PACKAGE ...: installs from Debian what is missing.
require() {
    local pair missing=()
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || fail "these are missing, and this is not Debian, so install them yourself: ${missing[*]}"
    local as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo -n)
    echo "Installing ${missing[*]}" >&2
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get -q -y update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y install --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install ${missing[*]}; its words are above"
    fi
    rm -f "$log"
}

# The flags of the build that goes to other boxes. A scratch folder of its own: other flags would build everything anew each time.
release_flags=(-c release --static-swift-stdlib --product pseudoword --scratch-path .build-bundle)
# Addresses of functions are settled and made read-only before the program begins.
for flag in -rpath "\$ORIGIN/../lib" -z relro -z now; do release_flags+=(-Xlinker "$flag"); done

# Builds the program for other boxes and prints its path. JOBS in the environment limits the build.
build_release() {
    command -v swift >/dev/null || fail "swift not found; install Swift 6.2 or newer, or give --binary"
    scripts/install-packages >&2
    swift build "${release_flags[@]}" ${JOBS:+-j "$JOBS"} >&2 || fail "the build failed"
    echo "$(swift build "${release_flags[@]}" --show-bin-path)/pseudoword"
}

# The resource folders beside a binary that it looks for when it runs; those of tests and of other packages stay behind.
resources_of() {
    local folder
    for folder in "$(dirname "$1")"/pseudoword_*.resources; do
        if [[ -d $folder ]] && grep -qaF "$(basename "$folder")" "$1"; then echo "$folder"; fi
    done
}

# The time that files of a package get, in seconds since 1970: the commit's, so that the same commit gives the same bytes.
source_date() {
    if [[ -n ${SOURCE_DATE_EPOCH:-} ]]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        git log -1 --format=%ct 2>/dev/null || fail "not a git clone; set SOURCE_DATE_EPOCH"
    fi
}

# Debian's package that a file belongs to, also when it came through the merged /usr or an alternative.
debian_package() {
    local path candidate
    path=$(realpath "$1")
    for candidate in "$path" "/usr$path" "${path#/usr}"; do
        dpkg -S "$candidate" 2>/dev/null | grep -v '^diversion ' | head -n 1 | cut -d : -f 1 | grep . && return 0
    done
    return 1
}
