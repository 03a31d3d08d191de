// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation

/// A box as `ssh` reaches it; one connection serves all commands.
struct RemoteBox {
    let entry: HostEntry
    let connections: SSHConnections

    /// Runs a script there; bytes of `input` are the script's own input.
    func run(_ script: String, input: [ChildProcess.Input] = [], limit: Double? = nil) throws -> String {
        let result: ChildProcess.Result
        do {
            result = try ChildProcess.run(
                connections.command(for: entry) + [ShellText.reader(of: script)], input: [.bytes(Array(script.utf8))] + input,
                limit: limit)
        } catch {
            switch error {
            case .cannotStart(let reason): throw HostsError("cannot start ssh: \(reason)")
            case .tookTooLong: throw HostsError("gave no answer in \(Int(limit ?? 0)) seconds")
            case .interrupted: throw HostsError("interrupted")
            }
        }
        if let complaint = RemoteLine.complaint(in: result.outputText) { throw HostsError(complaint) }
        // 255 is ssh's own failure, except for a script that ends so; ours do not.
        guard result.status == 0 else {
            let words = result.lastWords.isEmpty ? "status \(result.status)" : result.lastWords
            throw HostsError(result.status == 255 ? "cannot log in: \(words)" : "a script failed there: \(words)")
        }
        return result.outputText
    }
}

/// The ssh connections of one run of the program.
final class SSHConnections: Sendable {
    private let folder: String
    private let configuration: String?

    /// - Parameter configuration: a file for ssh in place of `~/.ssh/config`.
    init(configuration: String?) throws {
        // Sockets have short names only, so not in a user's folder of who knows what length.
        var template = Array("/tmp/pseudoword-ssh.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandLineError("/tmp: cannot make a folder there for ssh's connections") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.configuration = configuration
    }

    /// Never asks anything, and gives up on a dead line after a minute.
    func command(for entry: HostEntry) -> [String] {
        options(for: entry) + ["--", entry.destination]
    }

    private func options(for entry: HostEntry) -> [String] {
        var command = ["ssh"]
        if let configuration { command += ["-F", configuration] }
        for option in [
            "BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4", "ControlMaster=auto",
            "ControlPath=\(folder)/%C", "ControlPersist=120", "ForwardAgent=no", "ForwardX11=no", "RequestTTY=no", "LogLevel=ERROR",
        ] {
            command += ["-o", option]
        }
        if let port = entry.port { command += ["-p", String(port)] }
        return command
    }

    /// Ends the connection to a box.
    func close(_ entry: HostEntry) {
        _ = try? ChildProcess.run(options(for: entry) + ["-O", "exit", "--", entry.destination], limit: 5)
    }

    /// Forgets the folder of the connections.
    func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
