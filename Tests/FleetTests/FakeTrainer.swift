// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

@testable import Fleet

/// Trains nothing, deterministically: the state after a step depends on the trial, the step and the state before it only.
struct FakeTrainer: SegmentTrainer {
    var secondsPerStep = 0.002
    /// Called before each step, on the compute thread; may throw or wait.
    var beforeStep: @Sendable (Int) throws -> Void = { _ in }

    static let count = 2
    static let width = 4

    static func start(trial: Int) -> TrainingState {
        let initial = (0..<count * width).map { Float($0 + trial) / 8 }
        let zeros = [Float](repeating: 0, count: count * width)
        return TrainingState(count: count, width: width, step: 0, embedding: initial, expAvg: zeros, expAvgSq: zeros, initial: initial)
    }

    static func advance(_ state: inout TrainingState, trial: Int) -> Double {
        state.step += 1
        for index in state.embedding.indices {
            let gradient = state.embedding[index] - Float((index * 7 + trial * 3 + state.step) % 11) / 11
            state.expAvg[index] = 0.9 * state.expAvg[index] + 0.1 * gradient
            state.expAvgSq[index] = 0.99 * state.expAvgSq[index] + 0.01 * gradient * gradient
            state.embedding[index] -= 0.05 * state.expAvg[index]
        }
        return Double(state.expAvgSq.reduce(0, +))
    }

    /// What a trial has to end with, whoever trained it.
    static func finalState(trial: Int = 0, steps: Int, every: Int) -> TrainingState {
        var state = start(trial: trial)
        while state.step < steps {
            let loss = advance(&state, trial: trial)
            if state.step.isMultiple(of: every) || state.step == steps { note(loss, &state) }
        }
        return state
    }

    private static func note(_ loss: Double, _ state: inout TrainingState) {
        if loss < state.best?.loss ?? .infinity { state.best = .init(vectors: state.embedding, step: state.step, loss: loss) }
    }

    func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome {
        var state = request.state ?? Self.start(trial: request.trial)
        var history: [HistoryRow] = []
        var loss = 0.0
        while state.step < request.toStep {
            if isCancelled() { throw CancellationError() }
            try beforeStep(state.step + 1)
            Thread.sleep(forTimeInterval: secondsPerStep)
            loss = Self.advance(&state, trial: request.trial)
            history.append(
                HistoryRow(step: state.step, loss: loss, learningRate: 0.05, gradientNorm: 1, embeddingNorm: 1, seconds: secondsPerStep))
            report(SegmentProgress(step: state.step, loss: loss))
        }
        Self.note(loss, &state)
        return SegmentOutcome(
            state: state, history: history, evaluations: [EvaluationRow(step: state.step, loss: loss, standardError: 0.1)],
            modelDigest: [UInt8](repeating: 1, count: 32), dataDigest: [UInt8](repeating: 2, count: 32), cpu: "fake")
    }
}

/// A door that a trainer waits at.
final class Gate: Sendable {
    private let condition = NSCondition()
    private let isOpen = Atomic<Bool>(false)
    private let arrivals = Atomic<Int>(0)

    var hasVisitor: Bool { arrivals.load(ordering: .acquiring) > 0 }

    func pass() {
        arrivals.wrappingAdd(1, ordering: .releasing)
        condition.lock()
        while !isOpen.load(ordering: .acquiring) { condition.wait() }
        condition.unlock()
    }

    func open() {
        condition.lock()
        isOpen.store(true, ordering: .releasing)
        condition.broadcast()
        condition.unlock()
    }
}
