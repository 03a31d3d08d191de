// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import ProcessTesting
import Testing

/// A coordinator and workers as real processes in a folder of their own, with heartbeats quick enough for a test.
struct Fleet {
    static let heartbeat = RunningCoordinator.heartbeat
    let folder: ScratchFolder

    init(_ study: StudyText) throws {
        folder = try ScratchFolder()
        try folder.write(study.yaml, to: "study.yaml")
    }

    /// Starts a coordinator on the home `home`, at any free port unless one is given.
    func coordinator(port: String? = nil) async throws -> RunningCoordinator { try await RunningCoordinator(in: folder, port: port) }

    func submit(_ coordinator: RunningCoordinator) async throws {
        let outcome = try await folder.run("submit", "study.yaml", "--coordinator", coordinator.endpoint)
        try #require(outcome.status == 0, "\(outcome)")
    }

    /// Waits until a worker is strictly inside a segment, and says which process that is.
    func busyWorker(_ coordinator: RunningCoordinator, beyond step: Int) async throws -> Int32 {
        var found: Int32 = 0
        try await eventually("a worker is busy beyond step \(step)", seconds: 90) {
            let status = try await coordinator.status()
            guard let worker = status.workers.first(where: { $0.state == "busy" && ($0.step ?? 0) > step }) else { return false }
            found = worker.processId
            return true
        }
        return found
    }

    func waitUntilComplete(_ coordinator: RunningCoordinator) async throws {
        try await eventually("the study is complete", seconds: 120) {
            guard let study = try await coordinator.status().studies.first else { return false }
            #expect(!["failed", "cancelled"].contains(study.state), "\(study)")
            return study.state == "complete"
        }
    }

    func checkpoint(home: String = "home", study: String = "tiny", trial: Int = 0) throws -> Checkpoint {
        try Checkpoint.read(from: folder.path("\(home)/studies/\(study)/trial-\(trial)/checkpoint.h5"))
    }

    /// The checkpoint once it has come to `step`: a coordinator that goes on writes it beside everything else.
    func checkpoint(home: String = "home", at step: Int) async throws -> Checkpoint {
        try await eventually("the checkpoint is at step \(step)") { (try? checkpoint(home: home))?.optimizer.step == step }
        return try checkpoint(home: home)
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
