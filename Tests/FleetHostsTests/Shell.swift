// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation
import Testing

/// A box that is only a folder: scripts run in a real shell with a home of their own.
struct ShellBox {
    let home: String

    init() throws {
        home = FileManager.default.temporaryDirectory.path + "/fleet hosts 'it''s' \(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: home) }

    var base: String { home + "/.local/share/pseudoword-fleet" }

    /// Runs a command line as a login would, with files for its input and output.
    @discardableResult
    func run(_ script: String, input: Data = Data(), throughLogin: Bool = true) throws -> (status: Int32, output: String) {
        let mark = UUID().uuidString
        let (source, result) = (home + "/in-" + mark, home + "/out-" + mark)
        try (throughLogin ? Data(script.utf8) + input : input).write(to: URL(fileURLWithPath: source))
        _ = FileManager.default.createFile(atPath: result, contents: nil)
        defer {
            unlink(source)
            unlink(result)
        }
        // Foundation's Process waits for what a child leaves behind, too; a login does not.
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, source, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, result, O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let command: [String] = ["sh", "-c", throughLogin ? ShellText.reader(of: script) : script]
        var arguments = command.map { strdup($0) } + [nil]
        let settings: [String] = ["HOME=" + home, "PATH=/usr/local/bin:/usr/bin:/bin", "SSH_CONNECTION=10.0.0.1 5000 10.0.0.2 22"]
        var environment = settings.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var process: pid_t = 0
        let started = posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, &environment)
        try #require(started == 0)
        var status: Int32 = 0
        while waitpid(process, &status, 0) != process {}
        return ((status >> 8) & 0xFF, try String(contentsOfFile: result, encoding: .utf8))
    }

    func text(_ path: String) -> String? { try? String(contentsOfFile: base + "/" + path, encoding: .utf8) }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: base + "/" + path) }

    /// Packs a bundle whose program is a shell script; returns its bytes and digest.
    func bundle(program: String) throws -> (bytes: Data, digest: String) {
        let folder = home + "/make-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder + "/pseudoword/bin", withIntermediateDirectories: true)
        let path = folder + "/pseudoword/bin/pseudoword"
        try Data(program.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        let output = try run(
            "cd \(ShellText.quoted(folder)) && tar -czf b.tar.gz pseudoword && sha256sum b.tar.gz", throughLogin: false
        ).output
        return (try Data(contentsOf: URL(fileURLWithPath: folder + "/b.tar.gz")), String(output.prefix(64)))
    }
}

/// A worker that joins with whatever token it is given, and ends when asked.
let obedientWorker = """
    #!/bin/sh
    if [ "$1" = --version ]; then echo 9.9; exit 0; fi
    echo "arguments: $*"
    while [ $# -gt 0 ]; do
        if [ "$1" = --join-file ]; then
            mkdir -p "$PSEUDOWORD_CONFIG/credentials"
            cp "$2" "$PSEUDOWORD_CONFIG/credentials/here.json"
            rm "$2"
        fi
        shift
    done
    trap 'echo ended; exit 0' TERM
    while :; do sleep 0.05; done

    """
