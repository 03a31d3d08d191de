// SPDX-License-Identifier: Apache-2.0

import Access
import Checkpoints
import Coordination
import Foundation
import Logging
import Testing
import ZeroMQ

@testable import Fleet

/// A home in a temporary folder and what runs on it.
final class Bench: Sendable {
    let folder: URL

    /// - Parameter parent: where the folder is made; the system's folder for temporary files if nil.
    init(in parent: String? = nil) throws {
        let parent = parent.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? FileManager.default.temporaryDirectory
        folder = parent.appendingPathComponent("pseudoword-fleet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    var home: URL { folder.appendingPathComponent("home") }

    static let loopback = "tcp://127.0.0.1:0"

    static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    // MARK: - Who runs

    /// - Parameter keys: with CURVE; otherwise everybody on this machine may do everything.
    func coordinator(
        at endpoint: String = loopback, keys: Bool = false, heartbeat: Duration = .milliseconds(120)
    ) throws -> CoordinatorService {
        var options = CoordinatorOptions(
            home: home, endpoint: try Endpoint(endpoint), settings: CoordinationSettings(heartbeat: heartbeat), program: "test 1",
            logger: Self.quiet)
        options.usesKeys = keys
        // Nothing of a test goes into the configuration of whoever runs it.
        options.credentialStore = nil
        // The port behind the other one may belong to a test beside this one.
        options.blobEndpoint = try Endpoint(Self.loopback)
        // The home stays for as long as its coordinator does.
        options.observer = { [self] _ in _ = self }
        return try CoordinatorService(options)
    }

    /// The coordinator of this home once more.
    ///
    /// The lock and the port of one that was killed are free when its threads have ended.
    func restart(at endpoint: Endpoint, keys: Bool = false) async throws -> CoordinatorService {
        let end = ContinuousClock.now + .seconds(5)
        while true {
            do {
                let coordinator = try coordinator(at: endpoint.description, keys: keys)
                try coordinator.start()
                return coordinator
            } catch  where ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    func worker(
        _ name: String, at endpoint: Endpoint, _ trainer: FakeTrainer = FakeTrainer(), change: (inout WorkerOptions) -> Void = { _ in }
    ) throws -> WorkerService {
        var options = WorkerOptions(
            coordinator: endpoint, name: name, threads: 1, cpu: "fake", program: "test 1", host: "here",
            cache: folder.appendingPathComponent("cache-\(name)"), logger: Self.quiet)
        options.retry = .milliseconds(200) ... .milliseconds(500)
        options.patience = .seconds(5)
        change(&options)
        let worker = WorkerService(options, trainer: trainer)
        try worker.start()
        return worker
    }

    /// The keys of whoever may read the home.
    func local() throws -> Credentials {
        try #require(try Credentials.read(home.appendingPathComponent("keys/local.json")))
    }

    /// Files that pass for pictures as long as nobody looks into them.
    func makePictures(_ count: Int) throws {
        let pictures = folder.appendingPathComponent("pictures")
        try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
        for number in 0..<count {
            let name = String(format: "%03d.png", number)
            try Data("picture \(number)\n".utf8).write(to: pictures.appendingPathComponent(name))
        }
    }

    // MARK: - What comes of it

    func checkpoint(_ study: String = "teal-heart", trial: Int = 0) throws -> Checkpoint {
        try Checkpoint.read(from: Home.checkpoint(in: home, study: study, trial: trial).path)
    }

    /// The checkpoint file once it has come to `step`: it is written beside everything else.
    func checkpoint(_ study: String, trial: Int, at step: Int) async throws -> Checkpoint {
        let end = ContinuousClock.now + .seconds(10)
        while true {
            if let found = try? checkpoint(study, trial: trial), found.optimizer.step == step { return found }
            guard ContinuousClock.now < end else { return try checkpoint(study, trial: trial) }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// The checkpoint holds what one undisturbed worker would have learned, bit for bit.
    func expectUndisturbedResult(
        _ study: FakeStudy = FakeStudy(), trial: Int = 0, shards: [URL]? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let expected = try FakeTrainer.undisturbed(study, trial: trial, shards: shards), state = expected.state
        let checkpoint = try await checkpoint(study.name, trial: trial, at: state.step)
        #expect(checkpoint.optimizer.step == state.step, sourceLocation: sourceLocation)
        #expect(checkpoint.embedding.values == state.embedding, sourceLocation: sourceLocation)
        #expect(checkpoint.initial.values == state.initial, sourceLocation: sourceLocation)
        #expect(checkpoint.optimizer.exponentialAverage.values == state.expAvg, sourceLocation: sourceLocation)
        #expect(checkpoint.optimizer.exponentialAverageOfSquares.values == state.expAvgSq, sourceLocation: sourceLocation)
        #expect(checkpoint.best?.values == state.best?.vectors, sourceLocation: sourceLocation)
        #expect(checkpoint.bestStep == state.best?.step, sourceLocation: sourceLocation)
        #expect(checkpoint.history.step == expected.history.map(\.step), sourceLocation: sourceLocation)
        #expect(checkpoint.history.loss == expected.history.map(\.loss), sourceLocation: sourceLocation)
        #expect(checkpoint.history.learningRate == expected.history.map(\.learningRate), sourceLocation: sourceLocation)
        #expect(checkpoint.evaluation.step == expected.evaluations.map(\.step), sourceLocation: sourceLocation)
        #expect(checkpoint.evaluation.loss == expected.evaluations.map(\.loss), sourceLocation: sourceLocation)
        #expect(checkpoint.dataDigest == Data(expected.dataDigest).hexadecimal, sourceLocation: sourceLocation)
    }
}
