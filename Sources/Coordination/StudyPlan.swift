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
