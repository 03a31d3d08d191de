// SPDX-License-Identifier: Apache-2.0

import Checkpoints
import Coordination
import Foundation
import Logging
import Testing
import ZeroMQ

@testable import Fleet

/// A home in a temporary folder and what runs on it.
final class Bench: Sendable {
    let home: URL

    init() throws {
        home = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-fleet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: home)
    }

    static let loopback = "tcp://127.0.0.1:0"

    static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    func coordinator(at endpoint: String = loopback, heartbeat: Duration = .milliseconds(120)) throws -> CoordinatorService {
        try CoordinatorService(
            CoordinatorOptions(
                home: home, endpoint: try Endpoint(endpoint), settings: CoordinationSettings(heartbeat: heartbeat), program: "test 1",
                logger: Self.quiet))
    }

    func worker(_ name: String, at endpoint: Endpoint, _ trainer: FakeTrainer = FakeTrainer()) throws -> WorkerService {
        var options = WorkerOptions(coordinator: endpoint, name: name, threads: 1, cpu: "fake", program: "test 1", logger: Self.quiet)
        options.retry = .milliseconds(200) ... .milliseconds(500)
        options.patience = .seconds(5)
        let worker = WorkerService(options, trainer: trainer)
        try worker.start()
        return worker
    }

    static func yaml(_ name: String = "teal-heart", steps: Int = 60, every: Int = 10) -> String {
        """
        study: \(name)
        model: starter
        pseudoword: {name: teal-heart, vectors: 2, init: {text: circle}}
        data:
          pictures: pictures
          resolution: 128
        training:
          steps: \(steps)
          batch: 4
          learning_rate: "1e-2"
        checkpoint: {every: \(every)}
        """
    }

    func checkpoint(_ study: String = "teal-heart") throws -> Checkpoint {
        try Checkpoint.read(from: Home.checkpoint(in: home, study: study, trial: 0).path)
    }

    /// The checkpoint holds what one undisturbed worker would have learned, bit for bit.
    func expectUndisturbedResult(steps: Int = 60, every: Int = 10) throws {
        let expected = FakeTrainer.finalState(steps: steps, every: every)
        let checkpoint = try checkpoint()
        #expect(checkpoint.embedding.values == expected.embedding)
        #expect(checkpoint.optimizer.exponentialAverage.values == expected.expAvg)
        #expect(checkpoint.optimizer.exponentialAverageOfSquares.values == expected.expAvgSq)
        #expect(checkpoint.optimizer.step == steps)
        #expect(checkpoint.best?.values == expected.best?.vectors && checkpoint.bestStep == expected.best?.step)
        #expect(checkpoint.history.step == Array(1...steps))
        #expect(checkpoint.evaluation.step == Array(stride(from: every, through: steps, by: every)))
    }
}

extension CoordinatorService {
    func submit(_ yaml: String = Bench.yaml()) async throws -> Submission {
        try await submit(yaml: yaml, baseFolder: "/tmp", source: "study.yaml")
    }

    /// Waits until the status fulfils a condition, and fails the test if it never does.
    @discardableResult
    func wait(
        _ what: String, seconds: Double = 10, sourceLocation: SourceLocation = #_sourceLocation, until isFulfilled: (FleetStatus) -> Bool
    ) async throws -> FleetStatus {
        let end = ContinuousClock.now + .milliseconds(Int64(seconds * 1000))
        while ContinuousClock.now < end {
            let status = status()
            if isFulfilled(status) { return status }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("waited in vain until \(what): \(status())", sourceLocation: sourceLocation)
        throw CancellationError()
    }

    @discardableResult
    func waitUntilEnded(_ study: String = "teal-heart", sourceLocation: SourceLocation = #_sourceLocation) async throws -> FleetStatus.Study
    {
        let status = try await wait("\(study) has ended", sourceLocation: sourceLocation) { $0.study(study)?.state.isTerminal ?? false }
        return try #require(status.study(study))
    }
}
