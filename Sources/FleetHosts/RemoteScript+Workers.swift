// SPDX-License-Identifier: Apache-2.0

/// A worker that shall run on a box.
package struct WorkerStart: Equatable, Sendable {
    package let name: String
    package let threads: Int?
    /// The NUMA node that it stays on.
    package let node: Int?
    /// Whether the script's input has a line with a join token for it; without, it uses the key that it has.
    package let takesToken: Bool

    package init(name: String, threads: Int?, node: Int? = nil, takesToken: Bool) {
        (self.name, self.threads, self.node, self.takesToken) = (name, threads, node, takesToken)
    }
}

extension RemoteScript {
    /// A script that starts the workers that do not run yet, and forgets programs that none of the box's workers uses.
    ///
    /// Its input is one line for each worker that takes a token. Workers outlive the login: as a service of the user where those
    /// outlive logins too, else as processes of their own session.
    package static func start(_ workers: [WorkerStart], digest: String, coordinator: String) -> String {
        let starts = workers.map { worker in
            let threads = worker.threads.map(String.init) ?? ""
            let node = worker.node.map(String.init) ?? ""
            return "start \(ShellText.words([worker.name, threads, node, worker.takesToken ? "token" : ""]))"
        }
        let checks = workers.map { "check \(ShellText.quoted($0.name))" }
        return prelude + """
            digest=\(ShellText.quoted(digest)) coordinator=\(ShellText.quoted(coordinator))

            """ + startFunctions + (starts + ["patience=30"] + checks + ["forget_programs", "say end", ""]).joined(separator: "\n")
    }

    /// Settings are words in quotes that `.` reads; `run` starts the worker with them, now or after a boot.
    private static let startFunctions = #"""
        services=
        if command -v systemd-run >/dev/null && command -v loginctl >/dev/null; then
            XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
            export XDG_RUNTIME_DIR
            if [ "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)" = yes ] &&
                systemctl --user show-environment >/dev/null 2>&1; then
                services=yes
            fi
        fi
        write_run() {
            cat >"$1/run.new" <<'RUN'
        #!/bin/sh
        # Written by "pseudoword fleet up": starts the worker of this folder.
        set -eu
        umask 077
        folder=$(cd "$(dirname "$0")" && pwd)
        base=${folder%/workers/*}
        . "$folder/settings"
        stat=$(cat /proc/$$/stat)
        stat=${stat##*")" }
        set -- $stat
        shift 19
        printf '%s %s %s\n' "$$" "$1" "$(cat /proc/sys/kernel/random/boot_id)" >"$folder/process.new"
        mv "$folder/process.new" "$folder/process"
        set -- --name "$name" --cache "$base/cache"
        [ -z "$threads" ] || set -- "$@" --threads "$threads"
        [ -z "$node" ] || set -- "$@" --node "$node"
        if [ -f "$folder/token" ]; then
            set -- "$@" --join-file "$folder/token"
        else
            set -- "$@" --coordinator "$coordinator"
        fi
        PSEUDOWORD_CONFIG=$folder/config
        export PSEUDOWORD_CONFIG
        cd /
        exec "$base/programs/$program/pseudoword/bin/pseudoword" worker "$@"
        RUN
            chmod 700 "$1/run.new"
            mv "$1/run.new" "$1/run"
        }
        start() {
            name=$1 threads=$2 node=$3 folder=$base/workers/$1
            [ "$4" != token ] || IFS= read -r token
            ! alive "$folder" || return 0
            mkdir -p "$folder/config" "$base/cache"
            rm -f "$folder/process" "$folder/token"
            if [ "$4" = token ]; then
                rm -rf "$folder/config"
                mkdir -p "$folder/config"
                printf '%s\n' "$token" >"$folder/token"
            fi
            printf "name='%s' threads='%s' node='%s' program='%s' coordinator='%s'\n" \
                "$name" "$threads" "$node" "$digest" "$coordinator" >"$folder/settings"
            write_run "$folder"
            [ ! -f "$folder/log" ] || [ "$(wc -c <"$folder/log")" -lt 4194304 ] || mv "$folder/log" "$folder/log.1"
            rm -f "$folder/service"
            if [ -n "$services" ] && systemd-run --user --quiet --collect --unit="pseudoword-worker-$name" \
                --property=Restart=on-failure --property=RestartSec=10 --property=TimeoutStopSec=infinity --property=LimitNOFILE=65536 \
                --property=StandardOutput="append:$folder/log" --property=StandardError="append:$folder/log" \
                /bin/sh "$folder/run" </dev/null; then
                : >"$folder/service"
            elif command -v setsid >/dev/null; then
                nohup setsid /bin/sh "$folder/run" </dev/null >>"$folder/log" 2>&1 &
            else
                nohup /bin/sh "$folder/run" </dev/null >>"$folder/log" 2>&1 &
            fi
            began_now="${began_now:-} $name"
        }
        check() {
            folder=$base/workers/$1
            case " ${began_now:-} " in
                *" $1 "*) ;;
                *) ! alive "$folder" || say runs "name=$1 process=$pid"; return 0 ;;
            esac
            until alive "$folder" || [ "$patience" -eq 0 ]; do
                sleep 0.1 2>/dev/null || sleep 1
                patience=$((patience - 1))
            done
            if alive "$folder"; then say started "name=$1 process=$pid"; else say_ended "$1"; fi
        }
        say_ended() {
            words=$(tail -n 1 "$base/workers/$1/log" 2>/dev/null || true)
            say ended "name=$1 log=$words"
        }
        forget_programs() {
            for program in "$base/programs"/* "$base/programs"/.new-*; do
                [ -d "$program" ] || continue
                digest_there=${program##*/}
                case $digest_there in
                    "$digest") continue ;;
                    .new-*) ! kill -0 "${digest_there##*.}" 2>/dev/null || continue ;;
                    *) ! cat "$base/workers"/*/settings 2>/dev/null | grep -qF "program='$digest_there'" || continue ;;
                esac
                rm -rf "$program"
            done
        }

        """#

    /// A script that says how each worker is: still running, or ended with its log's last line.
    package static func look(at names: [String]) -> String {
        prelude + """
            for name in \(ShellText.words(names)); do
                if alive "$base/workers/$name"; then
                    say runs "name=$name process=$pid"
                else
                    words=$(tail -n 1 "$base/workers/$name/log" 2>/dev/null || true)
                    say ended "name=$name log=$words"
                fi
            done

            """
    }

    /// A script that asks workers to end, waits, and kills those that have not after `grace` seconds.
    ///
    /// With `purge` it removes their keys and logs, and programs and cache when no other worker is left.
    package static func stop(_ names: [String], grace: Int, purge: Bool) -> String {
        prelude + """
            names=\(ShellText.quoted(names.joined(separator: " "))) grace=\(grace) purge=\(purge ? "yes" : "")

            """ + stopText
    }

    private static let stopText = #"""
        XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
        export XDG_RUNTIME_DIR
        left=
        for name in $names; do
            folder=$base/workers/$name
            # A service must be stopped as one, or its manager starts it again.
            service=$folder/service
            [ ! -f "$service" ] || systemctl --user stop --no-block "pseudoword-worker-$name.service" 2>/dev/null || service=
            if ! alive "$folder"; then say stopped "name=$name how=gone"; continue; fi
            [ -f "$service" ] || kill -TERM "$pid" 2>/dev/null || true
            left="$left $name"
        done
        deadline=$(($(seconds) + grace))
        while [ -n "$left" ]; do
            waiting=
            for name in $left; do
                if alive "$base/workers/$name"; then waiting="$waiting $name"; else say stopped "name=$name how=drained"; fi
            done
            left=$waiting
            [ -n "$left" ] && [ "$(seconds)" -lt "$deadline" ] || break
            sleep 0.2 2>/dev/null || sleep 1
        done
        for name in $left; do
            if alive "$base/workers/$name"; then kill -KILL "$pid" 2>/dev/null || true; fi
            say stopped "name=$name how=killed"
        done
        for name in $names; do
            rm -f "$base/workers/$name/process" "$base/workers/$name/token"
            [ -z "$purge" ] || rm -rf "$base/workers/$name"
        done
        if [ -n "$purge" ]; then
            rmdir "$base/workers" 2>/dev/null || true
            [ -d "$base/workers" ] || rm -rf "$base"
        fi
        say end

        """#
}
