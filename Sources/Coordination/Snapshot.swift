// SPDX-License-Identifier: Apache-2.0

/// An immutable picture of a coordinator, for status and dashboards.
package struct Snapshot: Hashable, Sendable {
    package struct Trial: Hashable, Sendable {
        package let id: TrialID
        package let state: TrialState
        /// Steps on disk.
        package let step: Int
        /// Steps including those that a worker reports, or that were put together from slices, but that are not on disk yet.
        package let liveStep: Int
        package let steps: Int
        package let attempt: Int
        package let crashes: Int
        package let stepsPerSecond: Double?
        /// The holder of the `train` lease.
        package let worker: WorkerID?
        /// Who computes its slices, in the order of joining.
        package let members: [WorkerID]
        /// The open step of a `parallel: data` trial.
        package let open: OpenStep?
        package let isStalled: Bool
        package let numericsClass: String
        package let best: Best?
        package let loss: Double?
        package let failure: String
        /// Results that contradicted an accepted one.
        package let alarms: Int
    }

    /// How far the open step is.
    package struct OpenStep: Hashable, Sendable {
        package let step: Int
        package let kind: StepPlan.Kind
        package let slicesDone: Int
        package let slices: Int
    }

    package struct Study: Hashable, Sendable {
        package let id: StudyID
        package let name: String
        package let state: StudyState
        package let priority: Int
        package let isPaused: Bool
        package let parallelism: Parallelism
        package let encodedParts: Int
        package let encodeParts: Int
        package let previewsWanted: Int
        /// Why it failed as a whole; empty otherwise.
        package let failure: String
        /// By index.
        package let trials: [Trial]
        /// How many trials are in each state; states without any are absent.
        package let counts: [TrialState: Int]
        /// Trials with a loss, lowest first; equal ones by index.
        package let ranking: [TrialID]
        /// Live steps of all trials; a trial that ended early counts in full.
        package let stepsDone: Int
        package let steps: Int
        package let stepsPerSecond: Double?
        /// At the present speed; nil while nothing moves.
        package let remaining: Duration?

        /// The trial with the lowest loss.
        package var bestTrial: TrialID? { ranking.first }
    }

    package struct Worker: Hashable, Sendable {
        package let id: WorkerID
        package let about: WorkerDescription
        package let state: WorkerState
        /// Everything it holds, in order.
        package let leases: [LeaseID]
        /// The trial whose slices it computes, also between two steps.
        package let board: TrialID?
        /// Of its first lease.
        package let step: Int?
        /// Of its `train` lease.
        package let stepsPerSecond: Double?
        /// Of its last slice.
        package let secondsPerSlice: Double?
        package let isStalled: Bool
        package let silence: Duration
        package let joined: Duration
        package let acceptedSegments: Int
        package let acceptedPieces: Int
        package let keptSlices: Int
        package let alarms: Int

        package var lease: LeaseID? { leases.first }
        package var numericsClass: String { about.numericsClass }
    }

    /// In the order of submission.
    package let studies: [Study]
    /// By name, then id.
    package let workers: [Worker]
    /// The ledger refused to write a moment ago.
    package let isStorageBlocked: Bool
}

extension LeaseProgress {
    /// Steps per second if the worker's word for it can be true.
    var speed: Double? {
        stepsPerSecond.isFinite && stepsPerSecond > 0 && stepsPerSecond < 1e6 ? stepsPerSecond : nil
    }
}
