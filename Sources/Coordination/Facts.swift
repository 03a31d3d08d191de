// SPDX-License-Identifier: Apache-2.0

/// How a study uses many workers.
package enum Parallelism: String, Hashable, Sendable, CaseIterable {
    /// One worker trains a segment of a trial; many trials go on side by side.
    case trials
    /// The samples of each step are shared out; the coordinator takes the optimizer's step.
    case data
}

/// What the coordinator needs to know of a study: how many trials, how long, where to cut, and what comes before and beside them.
package struct StudyPlan: Hashable, Sendable {
    /// Steps of a segment at most, whatever the study says: its history has to fit into one message.
    package static let longestSegment = 10_000

    package let id: StudyID
    package let name: String
    package let trialCount: Int
    /// Steps of each trial.
    package let steps: Int
    /// Segments end at multiples of this many steps, `longestSegment` at most.
    package let segmentSteps: Int
    package let parallelism: Parallelism
    /// Pieces of the pictures that have to be encoded before anything is trained; 0 if the trainer needs none.
    package let encodeParts: Int
    /// Steps between previews; nil for none.
    package let previewEvery: Int?
    /// A trial may move between determinism classes.
    package let mixesClasses: Bool

    package init(
        id: StudyID, name: String, trialCount: Int, steps: Int, segmentSteps: Int, parallelism: Parallelism = .trials, encodeParts: Int = 0,
        previewEvery: Int? = nil, mixesClasses: Bool = false
    ) {
        precondition(trialCount > 0 && steps > 0 && segmentSteps > 0, "a study has at least one trial of at least one step")
        precondition(encodeParts >= 0 && previewEvery ?? 1 > 0, "parts and intervals are not negative")
        self.id = id
        self.name = name
        self.trialCount = trialCount
        self.steps = steps
        self.segmentSteps = min(segmentSteps, steps, Self.longestSegment)
        self.parallelism = parallelism
        self.encodeParts = encodeParts
        self.previewEvery = previewEvery
        self.mixesClasses = mixesClasses
    }

    /// The step at which the segment that starts at `step` ends.
    package func segmentEnd(after step: Int) -> Int {
        step + min(segmentSteps - step % segmentSteps, steps - step)
    }
}

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

/// A segment that the ledger holds.
package struct SegmentFact: Hashable, Sendable {
    package let fromStep: Int
    package let toStep: Int
    package let attempt: Int
    package let digest: String
    package let finished: Bool
    package let best: Best?
    package let loss: Double?

    package init(
        fromStep: Int, toStep: Int, attempt: Int, digest: String, finished: Bool, best: Best? = nil, loss: Double? = nil
    ) {
        self.fromStep = fromStep
        self.toStep = toStep
        self.attempt = attempt
        self.digest = digest
        self.finished = finished
        self.best = best
        self.loss = loss
    }
}

/// The row of a trial in the ledger.
package struct TrialRecord: Hashable, Sendable {
    package let trial: TrialID
    package var state: TrialState
    package var step: Int
    package var attempt: Int
    /// Crashes since the last accepted segment.
    package var crashes: Int
    /// Why the trial failed or was pruned; empty otherwise.
    package var failure: String
    /// The determinism class that its bits belong to, from its first lease on; empty before.
    package var numericsClass: String

    package init(
        trial: TrialID, state: TrialState = .waiting, step: Int = 0, attempt: Int = 0, crashes: Int = 0, failure: String = "",
        numericsClass: String = ""
    ) {
        self.trial = trial
        self.state = state
        self.step = step
        self.attempt = attempt
        self.crashes = crashes
        self.failure = failure
        self.numericsClass = numericsClass
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

/// The open step of a `parallel: data` trial: what its slices are.
package struct StepPlan: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case gradient, evaluate }
    package let trial: TrialID
    /// Completed updates.
    package let step: Int
    package let kind: Kind
    /// How many slices make it up.
    package let slices: Int

    package init(trial: TrialID, step: Int, kind: Kind, slices: Int) {
        precondition(slices > 0, "a step has slices")
        self.trial = trial
        self.step = step
        self.kind = kind
        self.slices = slices
    }

    package func work(_ slice: Int) -> Work {
        switch kind {
        case .gradient: .gradient(trial, step: step, slice: slice)
        case .evaluate: .evaluate(trial, step: step, slice: slice)
        }
    }
}

/// Everything the ledger knows of a trial.
package struct TrialFacts: Hashable, Sendable {
    package var record: TrialRecord
    /// In order, each one starting where the last ended.
    package var segments: [SegmentFact]
    /// Results that contradict a segment, by first step.
    package var conflicts: [Int: Set<String>]
    /// Digests of the previews that are on disk, by step.
    package var previews: [Int: String]

    package init(
        record: TrialRecord, segments: [SegmentFact] = [], conflicts: [Int: Set<String>] = [:], previews: [Int: String] = [:]
    ) {
        self.record = record
        self.segments = segments
        self.conflicts = conflicts
        self.previews = previews
    }
}

/// Everything the ledger knows of a study: what a restarted coordinator starts from.
package struct StudyFacts: Hashable, Sendable {
    package var plan: StudyPlan
    package var state: StudyState
    /// Larger ones are served first; 0 unless somebody said otherwise.
    package var priority: Int
    package var isPaused: Bool
    /// Digests of the encoded parts that are on disk, by part.
    package var encoded: [Int: String]
    /// Why the study failed before its trials could start; empty otherwise.
    package var failure: String
    /// The determinism class of its first grant; empty before, and in ledgers of earlier releases.
    package var numericsClass: String
    /// One entry for each trial, by index.
    package var trials: [TrialFacts]

    package init(
        plan: StudyPlan, state: StudyState, priority: Int = 0, isPaused: Bool = false, encoded: [Int: String] = [:], failure: String = "",
        numericsClass: String = "", trials: [TrialFacts]
    ) {
        self.plan = plan
        self.state = state
        self.priority = priority
        self.isPaused = isPaused
        self.encoded = encoded
        self.failure = failure
        self.numericsClass = numericsClass
        self.trials = trials
    }
}
