// SPDX-License-Identifier: Apache-2.0
import Coordination
import Fleet
import Foundation
import Logging
import ZeroMQ

/// A trainer that takes its time and computes nothing, the same everywhere.
struct IdleTrainer: Trainer {
    /// How long a slice takes.
    var seconds = 0.0
    private(set) var vectors = 2
    private(set) var width = 768
    /// Made once: it is no part of what is measured.
    private let gradient: [Float]

    init(seconds: Double = 0, vectors: Int = 2, width: Int = 768) {
        (self.seconds, self.vectors, self.width) = (seconds, vectors, width)
        gradient = (0..<vectors * width).map { Float($0 % 7) * 0.001 + 0.001 }
    }

    /// Of the smallest results.
    static let small = IdleTrainer(vectors: 2, width: 8)

    func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome {
        var state = request.state ?? self.state(at: 0)
        var history: [HistoryRow] = []
        while state.step < request.toStep {
            state.step += 1
            history.append(HistoryRow(step: state.step, loss: 1, learningRate: 1, gradientNorm: 1, embeddingNorm: 1, seconds: 0))
        }
        return SegmentOutcome(
            state: state, history: history, evaluations: [], modelDigest: Self.digest, dataDigest: Self.digest, cpu: "idle")
    }

    /// A state in which nothing was learned.
    func state(at step: Int) -> TrainingState {
        let zeros = [Float](repeating: 0, count: vectors * width)
        return TrainingState(count: vectors, width: width, step: step, embedding: zeros, expAvg: zeros, expAvgSq: zeros, initial: zeros)
    }

    func slice(_ request: SliceRequest, isCancelled: @Sendable () -> Bool) throws -> SliceOutcome {
        var outcome = SliceOutcome(losses: [1], modelDigest: Self.digest, dataDigest: Self.digest, cpu: "idle")
        if request.vectors == nil {
            outcome.initial = VectorRows(count: vectors, width: width, values: [Float](repeating: 0.1, count: vectors * width))
        }
        if request.kind == .gradient {
            if seconds > 0 { Thread.sleep(forTimeInterval: seconds) }
            outcome.gradient = gradient
        }
        return outcome
    }

    func piece(_ request: PieceRequest, isCancelled: @Sendable () -> Bool) throws -> Data { Data([1]) }

    static let digest = [UInt8](repeating: 7, count: 32)
}

/// A coordinator in a temporary home, for measurements.
final class FleetRig {
    let home: URL
    let service: CoordinatorService

    init(heartbeat: Duration = .seconds(2), home: URL? = nil) throws {
        self.home = home ?? FileManager.default.temporaryDirectory.appendingPathComponent("fleet-bench-\(UUID().uuidString)")
        var options = CoordinatorOptions(
            home: self.home, endpoint: try Endpoint("tcp://127.0.0.1:0"), settings: CoordinationSettings(heartbeat: heartbeat),
            program: "fleet-bench", logger: Self.quiet)
        options.usesKeys = false
        service = try CoordinatorService(options)
    }

    deinit { try? FileManager.default.removeItem(at: home) }

    static var quiet: Logger { Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() } }

    func worker(_ name: String, at endpoint: Endpoint, _ trainer: IdleTrainer) throws -> WorkerService {
        let worker = WorkerService(
            WorkerOptions(
                coordinator: endpoint, name: name, threads: 1, cpu: "idle", program: "fleet-bench",
                cache: home.appendingPathComponent("cache"), logger: Self.quiet), trainer: trainer)
        try worker.start()
        return worker
    }

    /// Submits a study whose files nobody reads, from this thread.
    func submit(_ yaml: String) throws {
        let done = DispatchSemaphore(value: 0)
        let failure = Box<(any Error)?>(nil)
        let service = service
        Task {
            do { _ = try await service.submit(yaml: yaml, baseFolder: "/", source: "bench", readsPaths: true) } catch {
                failure.value = error
            }
            done.signal()
        }
        done.wait()
        if let error = failure.value { throw error }
    }

    func wait(_ what: String, seconds: Double, until condition: (FleetStatus) -> Bool) throws {
        let end = Date().addingTimeInterval(seconds)
        while !condition(service.status()) {
            guard Date() < end else { throw Failure("\(what): not within \(seconds) s") }
            usleep(200_000)
        }
    }

    static func study(_ name: String, steps: Int, batch: Int, every: Int, parallel: String, search: String = "") -> String {
        """
        study: \(name)
        model: starter
        pseudoword: {name: bench-word, vectors: 2}
        data: {pictures: pictures}
        training: {steps: \(steps), batch: \(batch), microbatch: 1, learning_rate: 0.001}
        evaluate: {every: 1000000, samples: 1}
        checkpoint: {every: \(every)}
        parallel: \(parallel)
        \(search)
        """
    }
}

/// Something that another thread fills in before a semaphore says so.
final class Box<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) { self.value = value }
}
