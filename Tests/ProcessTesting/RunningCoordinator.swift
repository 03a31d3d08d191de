// SPDX-License-Identifier: Apache-2.0

/// A coordinator in a process of its own, on a home in a scratch folder.
package struct RunningCoordinator: Sendable {
    /// Quick enough for a test.
    package static let heartbeat = "0.25"

    package let program: RunningProgram
    package let endpoint: String
    private let folder: ScratchFolder

    /// Starts it and waits until it listens.
    ///
    /// - Parameter port: any free one unless given.
    package init(in folder: ScratchFolder, home: String = "home", port: String? = nil, _ more: String...) async throws {
        let port = port ?? String(FreePort.pair())
        let program = try RunningProgram.pseudoword(
            ["coordinator", "--home", home, "--listen", "tcp://127.0.0.1:\(port)", "--heartbeat", Self.heartbeat] + more, in: folder)
        var endpoint = ""
        try await eventually("the coordinator listens") {
            endpoint = program.output.firstMatch(of: /listening on (tcp:\S+),/).map { String($0.1) } ?? ""
            return !endpoint.isEmpty || !program.isRunning
        }
        guard !endpoint.isEmpty else { throw RunningProgram.TookTooLong(description: "no coordinator: \(program.errors)") }
        (self.program, self.endpoint, self.folder) = (program, endpoint, folder)
    }

    package var port: String { endpoint.split(separator: ":").last.map(String.init) ?? "" }

    /// The line with which a box joins as a worker.
    package func token() async throws -> String {
        var token = ""
        try await eventually("the coordinator prints a token") {
            token = program.output.firstMatch(of: /--join (pwj1-\S+)/).map { String($0.1) } ?? ""
            return !token.isEmpty
        }
        return token
    }

    package func worker(
        _ name: String, threads: Int = 1, user: String = RunningProgram.defaultUser, _ more: String...
    ) throws -> RunningProgram {
        try RunningProgram.pseudoword(
            ["worker", "--coordinator", endpoint, "--name", name, "--threads", String(threads)] + more, in: folder, user: user)
    }

    /// - Throws: when the command fails.
    package func status(_ arguments: String...) async throws -> StatusReport {
        let outcome = try await folder.run(["status"] + arguments + ["--coordinator", endpoint, "--output", "json"])
        guard outcome.status == 0 else { throw RunningProgram.TookTooLong(description: "no status: \(outcome)") }
        return try StatusReport(outcome)
    }
}
