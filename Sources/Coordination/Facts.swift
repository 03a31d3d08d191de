// SPDX-License-Identifier: Apache-2.0

/// What the coordinator needs to know of a study: how many trials, how long, and where to cut.
package struct StudyPlan: Hashable, Sendable {
    package let id: StudyID
    package let name: String
    package let trialCount: Int
    /// Steps of each trial.
    package let steps: Int
    /// Segments end at multiples of this many steps.
    package let segmentSteps: Int

    package init(id: StudyID, name: String, trialCount: Int, steps: Int, segmentSteps: Int) {
        precondition(trialCount > 0 && steps > 0 && segmentSteps > 0, "a study has at least one trial of at least one step")
        self.id = id
        self.name = name
        self.trialCount = trialCount
        self.steps = steps
        self.segmentSteps = min(segmentSteps, steps)
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
    package let worker: WorkerID
    package let lease: LeaseID
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
        worker: WorkerID, lease: LeaseID, fromStep: Int, toStep: Int, digest: String, finished: Bool, best: Best? = nil, loss: Double? = nil
    ) {
        self.worker = worker
        self.lease = lease
        self.fromStep = fromStep
        self.toStep = toStep
        self.digest = digest
        self.finished = finished
        self.best = best
        self.loss = loss
    }

    package var trial: TrialID { lease.trial }

    /// The part of the report that the ledger keeps.
    package var segment: SegmentFact {
        SegmentFact(
            fromStep: fromStep, toStep: toStep, attempt: lease.attempt, digest: digest, finished: finished, best: best, loss: loss)
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

    package init(trial: TrialID, state: TrialState = .waiting, step: Int = 0, attempt: Int = 0, crashes: Int = 0, failure: String = "") {
        self.trial = trial
        self.state = state
        self.step = step
        self.attempt = attempt
        self.crashes = crashes
        self.failure = failure
    }
}

/// Everything the ledger knows of a trial.
package struct TrialFacts: Hashable, Sendable {
    package var record: TrialRecord
    /// In order, each one starting where the last ended.
    package var segments: [SegmentFact]
    /// Results that contradict a segment, by first step.
    package var conflicts: [Int: Set<String>]

    package init(record: TrialRecord, segments: [SegmentFact] = [], conflicts: [Int: Set<String>] = [:]) {
        self.record = record
        self.segments = segments
        self.conflicts = conflicts
    }
}

/// Everything the ledger knows of a study: what a restarted coordinator starts from.
package struct StudyFacts: Hashable, Sendable {
    package var plan: StudyPlan
    package var state: StudyState
    /// One entry for each trial, by index.
    package var trials: [TrialFacts]

    package init(plan: StudyPlan, state: StudyState, trials: [TrialFacts]) {
        self.plan = plan
        self.state = state
        self.trials = trials
    }
}
