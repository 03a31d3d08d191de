// SPDX-License-Identifier: Apache-2.0

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
