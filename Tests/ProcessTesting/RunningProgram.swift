// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
import Synchronization

/// How a program ended and what it said.
package struct Outcome: Sendable, CustomStringConvertible {
    /// The exit code; 128 and the signal's number for one that a signal ended.
    package let status: Int32
    package let output: String
    package let errors: String

    package var errorLines: [String] { errors.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init) }

    package var description: String { "status \(status)\noutput: \(output)\nerrors: \(errors)" }

    /// The one JSON object on standard output.
    package func json() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
}

/// A process under test, in a folder of its own and without the settings of whoever runs the test.
///
/// Keys and caches go below the folder's captures, for each user of the test apart: programs of one user know each other's
/// coordinators, as they do on one box. It is killed when nobody refers to it any more.
package final class RunningProgram: Sendable {
    package struct TookTooLong: Error, CustomStringConvertible {
        package let description: String
    }

    /// The folder, below the scratch folder, that holds what programs printed, and their users' keys and caches.
    package static let captures = ".captured"
    /// Whoever no test cares about.
    package static let defaultUser = "user"
    private static let count = Atomic<Int>(0)

    private let process = Process()
    private let outputFile: URL
    private let errorFile: URL
    private let label: String

    /// Starts `pseudoword` with these arguments.
    package static func pseudoword(
        _ arguments: [String], in folder: ScratchFolder, user: String = defaultUser
    ) throws -> RunningProgram {
        try RunningProgram(BuiltProgram.url(), arguments, in: folder, user: user)
    }

    /// Starts a shell script in which `$P` is `pseudoword`.
    package static func shell(_ script: String, in folder: ScratchFolder) throws -> RunningProgram {
        try RunningProgram(URL(fileURLWithPath: "/bin/sh"), ["-c", script], in: folder)
    }

    package init(_ program: URL, _ arguments: [String], in folder: ScratchFolder, user: String = defaultUser) throws {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        label = "\(program.lastPathComponent) \(arguments.joined(separator: " "))"
        outputFile = URL(fileURLWithPath: try folder.write("", to: "\(Self.captures)/\(number).out"))
        errorFile = URL(fileURLWithPath: try folder.write("", to: "\(Self.captures)/\(number).err"))
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = folder.url
        var environment = ProcessInfo.processInfo.environment
        for name in environment.keys where name.hasPrefix("PSEUDOWORD_") || name.hasPrefix("XDG_") { environment[name] = nil }
        let own = [
            "HOME": folder.path, "PSEUDOWORD_CONFIG": folder.path("\(Self.captures)/\(user)/config"),
            "PSEUDOWORD_CACHE": folder.path("\(Self.captures)/\(user)/cache"), "LC_ALL": "C", "COLUMNS": "80",
            "P": try BuiltProgram.url().path,
        ]
        for (name, value) in own { environment[name] = value }
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (try FileHandle(forWritingTo: outputFile), try FileHandle(forWritingTo: errorFile))
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        try output.close()
        try errors.close()
    }

    deinit {
        if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
    }

    package var processID: Int32 { process.processIdentifier }

    package var isRunning: Bool { process.isRunning }

    package var output: String { (try? String(contentsOf: outputFile, encoding: .utf8)) ?? "" }

    package var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

    package func signal(_ number: Int32) { Glibc.kill(processID, number) }

    /// Waits for its end.
    ///
    /// - Throws: `TookTooLong` after `seconds`; it is killed then.
    @discardableResult
    package func wait(seconds: Double = 60) async throws -> Outcome {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while process.isRunning {
            guard ContinuousClock.now < deadline else {
                signal(SIGKILL)
                throw TookTooLong(description: "\(label) did not end within \(seconds) s\noutput: \(output)\nerrors: \(errors)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        let number = process.terminationStatus
        return Outcome(status: process.terminationReason == .exit ? number : 128 + number, output: output, errors: errors)
    }
}

/// Waits until a condition holds.
///
/// - Throws: `RunningProgram.TookTooLong` naming `what`.
package func eventually(_ what: String, seconds: Double = 30, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw RunningProgram.TookTooLong(description: "waited \(seconds) s in vain until \(what)")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
