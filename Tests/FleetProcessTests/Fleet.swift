// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Glibc
import ProcessTesting
import Testing

/// A coordinator and workers as real processes in a folder of their own, with heartbeats quick enough for a test.
struct Fleet {
    static let heartbeat = "0.25"
    let folder: ScratchFolder

    init(_ study: StudyText) throws {
        folder = try ScratchFolder()
        try folder.write(study.yaml, to: "study.yaml")
    }

    /// Starts a coordinator on the home `home`; port 0 is any free one.
    func coordinator(port: String = "0") async throws -> (program: RunningProgram, endpoint: String) {
        let program = try RunningProgram.pseudoword(
            ["coordinator", "--home", "home", "--listen", "tcp://127.0.0.1:\(port)", "--heartbeat", Self.heartbeat], in: folder)
        var endpoint = ""
        try await eventually("the coordinator listens") {
            endpoint = program.output.firstMatch(of: /listening on (tcp:\S+),/).map { String($0.1) } ?? ""
            return !endpoint.isEmpty || !program.isRunning
        }
        try #require(!endpoint.isEmpty, "\(program.errors)")
        return (program, endpoint)
    }

    func worker(_ name: String, _ endpoint: String, threads: Int = 1) throws -> RunningProgram {
        try RunningProgram.pseudoword(["worker", "--coordinator", endpoint, "--name", name, "--threads", String(threads)], in: folder)
    }

    func submit(_ endpoint: String) async throws {
        let outcome = try await folder.run("submit", "study.yaml", "--coordinator", endpoint)
        try #require(outcome.status == 0, "\(outcome)")
    }

    func status(_ endpoint: String) async throws -> StatusReport {
        let outcome = try await folder.run("status", "--coordinator", endpoint, "--output", "json")
        try #require(outcome.status == 0, "\(outcome)")
        return try StatusReport(outcome)
    }

    /// Waits until the busy worker is strictly inside a segment, and says which process that is.
    func busyWorker(_ endpoint: String, beyond step: Int) async throws -> Int32 {
        var found: Int32 = 0
        try await eventually("a worker is busy beyond step \(step)", seconds: 60) {
            let status = try await status(endpoint)
            guard let worker = status.workers.first(where: { $0.state == "busy" && ($0.step ?? 0) > step }) else { return false }
            found = worker.processId
            return true
        }
        return found
    }

    func waitUntilComplete(_ endpoint: String) async throws {
        try await eventually("the study is complete", seconds: 90) {
            guard let study = try await status(endpoint).studies.first else { return false }
            #expect(!["failed", "cancelled"].contains(study.state), "\(study)")
            return study.state == "complete"
        }
    }

    func checkpoint(home: String = "home", study: String = "tiny") throws -> Checkpoint {
        try Checkpoint.read(from: folder.path("\(home)/studies/\(study)/trial-0/checkpoint.h5"))
    }

    /// What must be the same however the study was trained: all of the checkpoint but wall-clock times.
    static func bits(_ checkpoint: Checkpoint) -> [[UInt32]] {
        let vectors = [
            checkpoint.embedding, checkpoint.initial, checkpoint.best ?? checkpoint.initial, checkpoint.optimizer.exponentialAverage,
            checkpoint.optimizer.exponentialAverageOfSquares,
        ]
        let losses = (checkpoint.history.loss + checkpoint.evaluation.loss).map(\.bitPattern)
        return vectors.map { $0.values.map(\.bitPattern) }
            + [checkpoint.history.step.map(UInt32.init), losses.map { UInt32(truncatingIfNeeded: $0) }, losses.map { UInt32($0 >> 32) }]
    }
}
