// SPDX-License-Identifier: Apache-2.0

/// The scripts that run on a box, for any POSIX shell on Linux.
///
/// Everything they need lies in one folder of the login's user:
///
///     ~/.local/share/pseudoword-fleet/
///         programs/DIGEST/pseudoword/     unpacked bundles, by the SHA-256 of the packed file
///         cache/                          what workers fetched; they share it
///         workers/NAME/                   settings, run, config/ (the worker's key), process, log
///
/// Values from here are numbers or quoted words. What a script says to us begins with `pseudoword: `.
package enum RemoteScript {
    /// A script that asks what the box is and how the workers of this name are.
    ///
    /// With a digest it makes the folder and looks for that program.
    package static func probe(name: String, digest: String?) -> String {
        prelude + """
            digest=\(ShellText.quoted(digest ?? "")) mine=\(ShellText.quoted(name))
            [ -z "$digest" ] || mkdir -p "$base/programs" "$base/workers" "$base/cache"
            say system "$(uname -s)"
            say machine "$(uname -m)"
            say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null || true)"
            say processors "$(getconf _NPROCESSORS_ONLN 2>/dev/null || true)"
            say allowed "$(grep ^Cpus_allowed_list: /proc/self/status || true)"
            for list in /sys/devices/system/node/node[0-9]*/cpulist; do
                # Not by "read": a byte at a time is not what the kernel gives here.
                node=${list%/cpulist}
                say node "${node##*/node} $(cat "$list" 2>/dev/null || true)"
            done
            client=${SSH_CONNECTION:-}
            say client "${client%% *}"
            for tool in cat chmod date df grep gzip mkdir mv nohup rm sha256sum sleep sync tail tar; do
                command -v "$tool" >/dev/null || say lacks "$tool"
            done
            if [ -d "$base" ]; then
                df -Pk "$base" | { read -r line; read -r device size used free line; say free "$free"; }
            fi
            [ -z "$digest" ] || [ ! -x "$base/programs/$digest/pseudoword/bin/pseudoword" ] || say program yes
            for folder in "$base/workers/$mine"-*; do
                name=${folder##*/}
                [ -d "$folder" ] && [ "${name%-*}" = "$mine" ] || continue
                case ${name##*-} in *[!0-9]*) continue ;; esac
                program= coordinator= process=
                [ ! -f "$folder/settings" ] || . "$folder/settings"
                set -- "$folder"/config/credentials/*.json
                [ -f "$1" ] || coordinator=
                ! alive "$folder" || process=$pid
                say worker "name=$name process=$process program=$program coordinator=$coordinator"
            done
            say end

            """
    }

    /// A script that unpacks the bundle in its input, unless it is there: whole and run once, or not at all.
    package static func install(digest: String) -> String {
        prelude + """
            digest=\(ShellText.quoted(digest))
            target=$base/programs/$digest
            new=$base/programs/.new-$digest.$$
            give_up() { say error "$*"; exit 1; }
            trap 'rm -rf "$new"' EXIT
            trap 'exit 1' HUP INT TERM
            if [ -d "$target" ]; then cat >/dev/null; say installed; exit 0; fi
            mkdir -p "$new/program"
            cat >"$new/bundle.tar.gz" || give_up "the copy cannot be written"
            sum=$(sha256sum "$new/bundle.tar.gz")
            sum=${sum%% *}
            [ "${sum#\\\\}" = "$digest" ] || give_up "the copy is not whole"
            tar -xzof - -C "$new/program" <"$new/bundle.tar.gz" || give_up "the copy cannot be unpacked"
            words=$("$new/program/pseudoword/bin/pseudoword" --version 2>&1) || give_up "the program does not run there: $words"
            sync
            [ -d "$target" ] || mv "$new/program" "$target"
            say installed

            """
    }

    /// The beginning of every script.
    ///
    /// `alive FOLDER` says whether a worker runs, and sets `pid`. A process is the one that was started if it began in the same tick of the same boot: numbers come round.
    static let prelude = #"""
        set -eu
        umask 077
        LC_ALL=C
        export LC_ALL
        base=$HOME/.local/share/pseudoword-fleet
        say() { printf 'pseudoword: %s\n' "$*"; }
        began() {
            stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
            stat=${stat##*")" }
            set -- $stat
            [ "$1" != Z ] || return 1
            shift 19
            echo "$1"
        }
        alive() {
            pid= start= boot=
            [ -f "$1/process" ] || return 1
            read -r pid start boot <"$1/process" || return 1
            [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 1
            [ -n "$start" ] && [ "$(began "$pid")" = "$start" ]
        }
        seconds() {
            read -r now line </proc/uptime
            echo "${now%%.*}"
        }

        """#
}
