// SPDX-License-Identifier: Apache-2.0

import Coordination
import Crypto
package import Foundation
package import WireMessages

extension LeaseID {
    /// Nil if the fields do not make a lease.
    init?(_ wire: WireLease) {
        guard let study = Int64(exactly: wire.study), study > 0, wire.attempt > 0 else { return nil }
        let trial = TrialID(study: StudyID(study), index: Int(wire.trial))
        let work: Work
        switch wire.kind {
        case .train: work = .train(trial)
        case .gradient: work = .gradient(trial, step: Int(wire.step), slice: Int(wire.index))
        case .evaluate: work = .evaluate(trial, step: Int(wire.step), slice: Int(wire.index))
        case .encode: work = .encode(trial.study, part: Int(wire.index))
        case .preview: work = .preview(trial, step: Int(wire.step))
        case .unspecified, .UNRECOGNIZED: return nil
        }
        self.init(work, attempt: Int(wire.attempt))
    }

    var wire: WireLease {
        var wire = WireLease()
        wire.study = UInt64(work.study.rawValue)
        wire.trial = UInt32(work.trial?.index ?? 0)
        wire.attempt = UInt32(clamping: attempt)
        switch work {
        case .train: wire.kind = .train
        case .gradient(_, let step, let slice): (wire.kind, wire.step, wire.index) = (.gradient, UInt32(step), UInt32(slice))
        case .evaluate(_, let step, let slice): (wire.kind, wire.step, wire.index) = (.evaluate, UInt32(step), UInt32(slice))
        case .encode(_, let part): (wire.kind, wire.index) = (.encode, UInt32(part))
        case .preview(_, let step): (wire.kind, wire.step) = (.preview, UInt32(step))
        }
        return wire
    }
}

extension SegmentReport {
    /// What the coordination needs of a result; the vectors stay in the message.
    ///
    /// - Throws: `WireError` if the message contradicts itself.
    init(_ result: WireSegmentResult, from worker: WorkerID) throws(WireError) {
        guard let lease = LeaseID(result.lease), case .train(let trial) = lease.work else {
            throw WireError(.invalid, "a result names no lease of a segment")
        }
        guard result.history.count == Int(result.toStep - result.fromStep) else {
            throw WireError(.invalid, "a result for \(result.toStep - result.fromStep) steps has a history of \(result.history.count)")
        }
        let digest = result.contentDigest
        guard digest == result.digest else {
            throw WireError(.invalid, "a result's digest does not match its content: it was damaged on its way or by its worker")
        }
        self.init(
            worker: worker, trial: trial, attempt: lease.attempt, fromStep: Int(result.fromStep), toStep: Int(result.toStep),
            digest: digest.hexadecimal, finished: result.finished,
            best: result.after.hasBestLoss ? Best(loss: result.after.bestLoss, step: Int(result.after.bestStep)) : nil,
            loss: result.history.last?.loss)
    }
}

extension WireSliceResult {
    package var contentDigest: Data { Data(SHA256.hash(data: deterministicContent)) }
}

extension WireSegmentResult {
    package var contentDigest: Data { Data(SHA256.hash(data: deterministicContent)) }

    /// The message for an outcome, digest included.
    ///
    /// - Throws: `SegmentFailure` if the outcome does not fit the request or is not finite.
    package init(_ outcome: SegmentOutcome, of request: SegmentRequest, lease: WireLease) throws(SegmentFailure) {
        try outcome.check(against: request)
        self.init()
        self.lease = lease
        fromStep = UInt32(request.fromStep)
        toStep = UInt32(outcome.state.step)
        after = WireTrainingState(outcome.state)
        history = outcome.history.map(WireHistoryRow.init)
        evaluations = outcome.evaluations.map(WireEvaluationRow.init)
        modelDigest = Data(outcome.modelDigest)
        dataDigest = Data(outcome.dataDigest)
        finished = outcome.finished
        cpu = WireText.clipped(outcome.cpu, limit: WireLimits.nameBytes)
        digest = contentDigest
    }
}

extension WireHistoryRow {
    init(_ row: HistoryRow) {
        self.init()
        step = UInt32(row.step)
        loss = row.loss
        learningRate = row.learningRate
        gradientNorm = row.gradientNorm
        embeddingNorm = row.embeddingNorm
        seconds = row.seconds.isFinite ? max(0, row.seconds) : 0
    }
}

extension WireEvaluationRow {
    init(_ row: EvaluationRow) {
        self.init()
        step = UInt32(row.step)
        loss = row.loss
        standardError = row.standardError
    }
}

extension WireTrainingState {
    init(_ state: TrainingState) {
        self.init(
            count: state.count, width: state.width, step: UInt32(state.step), embedding: state.embedding, expAvg: state.expAvg,
            expAvgSq: state.expAvgSq, initial: state.initial,
            best: state.best.map { Best(vectors: $0.vectors, step: UInt32($0.step), loss: $0.loss) })
    }
}

extension WireVectors {
    /// The vectors of a state, which lie in it as they go out; whether they are whole is checked on their way.
    init(_ state: WireTrainingState) {
        self.init()
        count = state.count
        width = state.width
        values = state.embedding
    }
}

extension TrainingState {
    /// - Throws: `WireError` when an array has another length than the state says.
    init(_ wire: WireTrainingState) throws(WireError) {
        let best = try wire.bestValues()
        self.init(
            count: Int(wire.count), width: Int(wire.width), step: Int(wire.step), embedding: try wire.values(\.embedding),
            expAvg: try wire.values(\.expAvg), expAvgSq: try wire.values(\.expAvgSq), initial: try wire.values(\.initial),
            best: best.map { BestVectors(vectors: $0.vectors, step: Int($0.step), loss: $0.loss) })
    }
}

extension SegmentOutcome {
    /// Whether this can be an answer to the request at all: a trainer's slip must not look like damage on the wire.
    fileprivate func check(against request: SegmentRequest) throws(SegmentFailure) {
        func require(_ isFine: Bool, _ what: @autoclosure () -> String) throws(SegmentFailure) {
            if !isFine { throw SegmentFailure(.internal, "the trainer's outcome \(what())") }
        }
        let values = state.count * state.width
        let arrays = [state.embedding, state.expAvg, state.expAvgSq, state.initial] + (state.best.map { [$0.vectors] } ?? [])
        try require(WireLimits.vectorCount.contains(state.count) && WireLimits.vectorWidth.contains(state.width), "has no usable shape")
        try require(arrays.allSatisfy { $0.count == values }, "has arrays that are not \(state.count) x \(state.width)")
        try require(
            state.step == request.toStep || (finished && state.step > request.fromStep && state.step < request.toStep),
            "ends at step \(state.step); expected \(request.toStep)")
        try require(history.map(\.step) == Array(request.fromStep + 1...state.step), "has a history of other steps")
        try require(
            modelDigest.count == WireLimits.digestBytes && dataDigest.count == WireLimits.digestBytes, "has a digest of another length")
        if let row = history.first(where: { !$0.loss.isFinite || !$0.gradientNorm.isFinite || !$0.embeddingNorm.isFinite }) {
            throw SegmentFailure(.numeric, "the loss or the gradient is no finite number at step \(row.step); try a lower learning rate")
        }
        guard arrays.allSatisfy({ $0.allSatisfy { $0.isFinite } }) else {
            throw SegmentFailure(.numeric, "the vectors are no finite numbers after step \(state.step); try a lower learning rate")
        }
    }
}

extension FailureKind {
    init(_ wire: WireFailureKind) {
        switch wire {
        case .input: self = .input
        case .numeric: self = .numeric
        case .cancelled: self = .cancelled
        case .unable: self = .unable
        case .internal, .unspecified, .UNRECOGNIZED: self = .internal
        }
    }

    var wire: WireFailureKind {
        switch self {
        case .input: .input
        case .numeric: .numeric
        case .internal: .internal
        case .cancelled: .cancelled
        case .unable: .unable
        }
    }
}
