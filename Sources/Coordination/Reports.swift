// SPDX-License-Identifier: Apache-2.0

/// A measured quality: the lowest comparable loss so far and the step where it was seen.
package struct Best: Hashable, Sendable {
    package let loss: Double
    package let step: Int

    package init(loss: Double, step: Int) {
        self.loss = loss
        self.step = step
    }
}

/// A finished segment as its worker reports it.
///
/// Only names and numbers; the vectors themselves stay with the caller.
package struct SegmentReport: Hashable, Sendable {
    /// `WorkerID.coordinator` for a segment that was put together from slices.
    package let worker: WorkerID
    package let trial: TrialID
    package let attempt: Int
    package let fromStep: Int
    package let toStep: Int
    /// SHA-256 of the result's content, as hexadecimal text.
    package let digest: String
    /// The trial ends here, before its last step if need be.
    package let finished: Bool
    package let best: Best?
    /// Training loss of the last step.
    package let loss: Double?

    package init(
        worker: WorkerID, trial: TrialID, attempt: Int, fromStep: Int, toStep: Int, digest: String, finished: Bool, best: Best? = nil,
        loss: Double? = nil
    ) {
        self.worker = worker
        self.trial = trial
        self.attempt = attempt
        self.fromStep = fromStep
        self.toStep = toStep
        self.digest = digest
        self.finished = finished
        self.best = best
        self.loss = loss
    }

    package var lease: LeaseID { LeaseID(.train(trial), attempt: attempt) }

    /// The part of the report that the ledger keeps.
    package var segment: SegmentFact {
        SegmentFact(
            fromStep: fromStep, toStep: toStep, attempt: attempt, digest: digest, finished: finished, best: best, loss: loss)
    }
}

/// A durable result other than a segment: the blob that an `encode` or `preview` lease brought.
package struct PieceReport: Hashable, Sendable {
    package let worker: WorkerID
    /// Of kind `encode` or `preview`.
    package let lease: LeaseID
    /// SHA-256 of the blob, as hexadecimal text.
    package let digest: String

    package init(worker: WorkerID, lease: LeaseID, digest: String) {
        self.worker = worker
        self.lease = lease
        self.digest = digest
    }
}

/// A slice that a worker computed; its numbers stay with the caller.
package struct SliceReport: Hashable, Sendable {
    package let worker: WorkerID
    /// Of kind `gradient` or `evaluate`.
    package let lease: LeaseID
    /// SHA-256 of the slice's numbers, as hexadecimal text.
    package let digest: String
    /// How long the worker computed.
    package let seconds: Double

    package init(worker: WorkerID, lease: LeaseID, digest: String, seconds: Double) {
        self.worker = worker
        self.lease = lease
        self.digest = digest
        self.seconds = seconds
    }
}
