// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// Does the computing.
///
/// Called on the worker's compute thread, one piece of work at a time; it may take as long as it likes. Every outcome depends on the
/// request only, never on the machine's load, on earlier work or on time. What it throws should be `SegmentFailure`; every other error
/// counts as `.internal`.
package protocol Trainer: Sendable {
    /// Trains one segment and returns what it learned.
    ///
    /// - Parameters:
    ///   - report: to be called after each step; never waits.
    ///   - isCancelled: to be asked between blocks of a step; when true, throw anything.
    func train(
        _ request: SegmentRequest, report: @Sendable (SegmentProgress) -> Void, isCancelled: @Sendable () -> Bool
    ) throws -> SegmentOutcome

    /// Computes one slice of a step or of an evaluation.
    func slice(_ request: SliceRequest, isCancelled: @Sendable () -> Bool) throws -> SliceOutcome

    /// Encodes a part of the pictures, or draws a preview: the bytes of a blob.
    func piece(_ request: PieceRequest, isCancelled: @Sendable () -> Bool) throws -> Data
}

/// A trial's settings and files as they are on this machine.
package struct PreparedStudy: Sendable, Hashable {
    /// Equal for equal content, wherever the files lie.
    package let key: String
    /// One trial's settings as JSON, with paths on this machine.
    package let json: String
    /// The encoded parts of the pictures, in order; nil when the trainer has to read the pictures.
    package let shards: [URL]?

    package init(key: String, json: String, shards: [URL]? = nil) {
        self.key = key
        self.json = json
        self.shards = shards
    }
}

/// Bring a trial from one step to another.
package struct SegmentRequest: Sendable, Hashable {
    package let study: PreparedStudy
    package let trial: Int
    /// Updates done before and after this segment.
    package let fromStep: Int
    package let toStep: Int
    /// Nil at the start of a trial: the trainer makes the first state from the study.
    package let state: TrainingState?

    package init(study: PreparedStudy, trial: Int, fromStep: Int, toStep: Int, state: TrainingState?) {
        self.study = study
        self.trial = trial
        self.fromStep = fromStep
        self.toStep = toStep
        self.state = state
    }
}

/// V vectors of width D, row after row.
package struct VectorRows: Sendable, Hashable {
    package var count: Int
    package var width: Int
    /// [V, D].
    package var values: [Float]

    package init(count: Int, width: Int, values: [Float]) {
        self.count = count
        self.width = width
        self.values = values
    }
}

/// One microbatch of a step, or of the evaluation set.
package struct SliceRequest: Sendable, Hashable {
    package enum Kind: Sendable, Hashable { case gradient, evaluate }

    package let study: PreparedStudy
    package let kind: Kind
    package let trial: Int
    /// Updates done.
    package let step: Int
    package let slice: Int
    /// Nil before the first update: the trainer makes the initial vectors and returns them.
    package let vectors: VectorRows?

    package init(study: PreparedStudy, kind: Kind, trial: Int, step: Int, slice: Int, vectors: VectorRows?) {
        self.study = study
        self.kind = kind
        self.trial = trial
        self.step = step
        self.slice = slice
        self.vectors = vectors
    }
}

package struct SliceOutcome: Sendable, Hashable {
    /// One for each sample.
    package var losses: [Double]
    /// [V, D] of a gradient slice; empty for an evaluation.
    package var gradient: [Float]
    /// When the request came without vectors.
    package var initial: VectorRows?
    /// SHA-256 of the model files and of the data set, 32 bytes each.
    package var modelDigest: [UInt8]
    package var dataDigest: [UInt8]
    package var cpu: String

    package init(
        losses: [Double], gradient: [Float] = [], initial: VectorRows? = nil, modelDigest: [UInt8], dataDigest: [UInt8], cpu: String
    ) {
        self.losses = losses
        self.gradient = gradient
        self.initial = initial
        self.modelDigest = modelDigest
        self.dataDigest = dataDigest
        self.cpu = cpu
    }
}

package struct PieceRequest: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// The pictures of this part of the study.
        case encode(part: Int)
        /// What the word has become.
        case preview(VectorRows)
    }

    package let study: PreparedStudy
    package let kind: Kind

    package init(study: PreparedStudy, kind: Kind) {
        self.study = study
        self.kind = kind
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
