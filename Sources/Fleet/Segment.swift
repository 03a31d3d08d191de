// SPDX-License-Identifier: Apache-2.0

/// Does the training.
///
/// Called on the worker's compute thread, one segment at a time; it may take as long as it likes.
package protocol SegmentTrainer: Sendable {
    /// Trains one segment and returns what it learned.
    ///
    /// The outcome depends on the request only, never on the machine's load, on earlier segments or on time.
    /// - Parameters:
    ///   - report: to be called after each step; never waits.
    ///   - isCancelled: to be asked between blocks of a step; when true, throw anything.
    /// - Throws: `SegmentFailure`; every other error counts as `.internal`.
    func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome
}

/// One piece of work: bring a trial from one step to another.
package struct SegmentRequest: Sendable, Hashable {
    package let studyName: String
    /// The study with this trial's settings filled in, as JSON.
    package let studyJSON: String
    package let trial: Int
    /// Updates done before and after this segment.
    package let fromStep: Int
    package let toStep: Int
    /// Nil at the start of a trial: the trainer makes the first state from the study.
    package let state: TrainingState?

    package init(studyName: String, studyJSON: String, trial: Int, fromStep: Int, toStep: Int, state: TrainingState?) {
        self.studyName = studyName
        self.studyJSON = studyJSON
        self.trial = trial
        self.fromStep = fromStep
        self.toStep = toStep
        self.state = state
    }
}

/// How far a segment is.
package struct SegmentProgress: Sendable, Hashable {
    /// Updates done, counted from the start of the trial.
    package var step: Int
    package var loss: Double?
    package var evaluationLoss: Double?

    package init(step: Int, loss: Double? = nil, evaluationLoss: Double? = nil) {
        self.step = step
        self.loss = loss
        self.evaluationLoss = evaluationLoss
    }
}

/// All that a trial has learned: enough to go on anywhere, bit for bit.
package struct TrainingState: Sendable, Hashable {
    /// V: vectors of the pseudo-word, 1 to 75.
    package var count: Int
    /// D, 1 to 8192: the text encoder's width; for two encoders the sum of both, clip_l first.
    package var width: Int
    /// Updates done.
    package var step: Int
    /// [V, D].
    package var embedding: [Float]
    /// The optimizer's moments, [V, D] each.
    package var expAvg: [Float]
    package var expAvgSq: [Float]
    /// The vectors before the first update, [V, D].
    package var initial: [Float]
    /// The vectors at the lowest evaluation loss; nil before the first evaluation.
    package var best: BestVectors?

    package struct BestVectors: Sendable, Hashable {
        /// [V, D].
        package var vectors: [Float]
        package var step: Int
        package var loss: Double

        package init(vectors: [Float], step: Int, loss: Double) {
            self.vectors = vectors
            self.step = step
            self.loss = loss
        }
    }

    package init(
        count: Int, width: Int, step: Int, embedding: [Float], expAvg: [Float], expAvgSq: [Float], initial: [Float],
        best: BestVectors? = nil
    ) {
        self.count = count
        self.width = width
        self.step = step
        self.embedding = embedding
        self.expAvg = expAvg
        self.expAvgSq = expAvgSq
        self.initial = initial
        self.best = best
    }
}

/// One step of a trial's history.
package struct HistoryRow: Sendable, Hashable {
    package var step: Int
    package var loss: Double
    package var learningRate: Double
    package var gradientNorm: Double
    package var embeddingNorm: Double
    /// Wall time; the only number here that is not part of the result's digest.
    package var seconds: Double

    package init(step: Int, loss: Double, learningRate: Double, gradientNorm: Double, embeddingNorm: Double, seconds: Double) {
        self.step = step
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.embeddingNorm = embeddingNorm
        self.seconds = seconds
    }
}

/// One evaluation of a trial.
package struct EvaluationRow: Sendable, Hashable {
    package var step: Int
    package var loss: Double
    package var standardError: Double

    package init(step: Int, loss: Double, standardError: Double) {
        self.step = step
        self.loss = loss
        self.standardError = standardError
    }
}

/// What a segment brought.
package struct SegmentOutcome: Sendable, Hashable {
    /// `state.step` is the segment's last step; before the requested one only if `finished`.
    package var state: TrainingState
    /// One row for each step of the segment, in order.
    package var history: [HistoryRow]
    package var evaluations: [EvaluationRow]
    /// SHA-256 of the model files and of the data set, 32 bytes each.
    package var modelDigest: [UInt8]
    package var dataDigest: [UInt8]
    /// The kind of CPU and the settings that the bits depend on.
    package var cpu: String
    /// The trial ends here.
    package var finished: Bool

    package init(
        state: TrainingState, history: [HistoryRow], evaluations: [EvaluationRow], modelDigest: [UInt8], dataDigest: [UInt8], cpu: String,
        finished: Bool = false
    ) {
        self.state = state
        self.history = history
        self.evaluations = evaluations
        self.modelDigest = modelDigest
        self.dataDigest = dataDigest
        self.cpu = cpu
        self.finished = finished
    }
}

/// Why a segment could not be trained.
package struct SegmentFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// The study, the pictures or the model are wrong: no other worker will do better.
        case input
        /// A loss, gradient or vector is no finite number any more.
        case numeric
        /// This worker's own trouble: another attempt may do better.
        case `internal`
    }

    package let kind: Kind
    /// One line: what is wrong, where, what was expected, what to do.
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message.oneLine
    }

    package var description: String { message }
}
