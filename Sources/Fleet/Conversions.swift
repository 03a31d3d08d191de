// SPDX-License-Identifier: Apache-2.0

import Coordination
import Crypto
import Foundation
import WireMessages

extension LeaseID {
    // On the wire a lease has a number and an attempt. The number packs the study (24 bits), the trial (20) and the attempt's low 20,
    // so that nothing has to be remembered to read it back after a restart.
    static let studyLimit: Int64 = 1 << 24
    static let trialLimit = 1 << 20
    private static let attemptMask: UInt64 = (1 << 20) - 1

    var wireNumber: UInt64 {
        UInt64(trial.study.rawValue) << 40 | UInt64(trial.index) << 20 | UInt64(attempt) & Self.attemptMask
    }

    var wireAttempt: UInt32 { UInt32(clamping: attempt) }

    /// Nil if the two do not belong together.
    init?(wire number: UInt64, attempt: UInt32) {
        guard attempt > 0, UInt64(attempt) & Self.attemptMask == number & Self.attemptMask else { return nil }
        let study = StudyID(Int64(number >> 40))
        self.init(trial: TrialID(study: study, index: Int(number >> 20 & UInt64(Self.trialLimit - 1))), attempt: Int(attempt))
    }
}

extension SegmentReport {
    /// What the coordination needs of a result; the vectors stay in the message.
    ///
    /// - Throws: `WireError` if the message contradicts itself.
    init(_ result: WireSegmentResult, from worker: WorkerID) throws(WireError) {
        guard let lease = LeaseID(wire: result.leaseID, attempt: result.attempt), lease.trial.study.description == result.studyID,
            lease.trial.index == Int(result.trial)
        else {
            throw WireError(.invalid, "a result names lease \(result.leaseID), attempt \(result.attempt), which is not its trial's")
        }
        guard result.history.count == Int(result.toStep - result.fromStep) else {
            throw WireError(.invalid, "a result for \(result.toStep - result.fromStep) steps has a history of \(result.history.count)")
        }
        let digest = result.contentDigest
        guard digest == result.digest else {
            throw WireError(.invalid, "a result's digest does not match its content: it was damaged on its way or by its worker")
        }
        self.init(
            worker: worker, lease: lease, fromStep: Int(result.fromStep), toStep: Int(result.toStep), digest: digest.hexadecimal,
            finished: result.finished,
            best: result.after.hasBestLoss ? Best(loss: result.after.bestLoss, step: Int(result.after.bestStep)) : nil,
            loss: result.history.last?.loss)
    }
}

extension WireSegmentResult {
    var contentDigest: Data { Data(SHA256.hash(data: deterministicContent)) }

    /// The message for an outcome, digest included.
    ///
    /// - Throws: `SegmentFailure` if the outcome does not fit the request or is not finite.
    init(_ outcome: SegmentOutcome, of request: SegmentRequest, studyID: String, lease: UInt64, attempt: UInt32) throws(SegmentFailure) {
        try outcome.check(against: request)
        self.init()
        leaseID = lease
        self.attempt = attempt
        self.studyID = studyID
        trial = UInt32(request.trial)
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
    fileprivate init(_ row: HistoryRow) {
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
    fileprivate init(_ row: EvaluationRow) {
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
        guard arrays.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
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
        case .internal, .unspecified, .UNRECOGNIZED: self = .internal
        }
    }

    var wire: WireFailureKind {
        switch self {
        case .input: .input
        case .numeric: .numeric
        case .internal: .internal
        case .cancelled: .cancelled
        }
    }
}

extension Data {
    var hexadecimal: String { map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
}
