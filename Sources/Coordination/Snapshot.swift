// SPDX-License-Identifier: Apache-2.0

/// An immutable picture of a coordinator, for status and dashboards.
package struct Snapshot: Hashable, Sendable {
    package struct Trial: Hashable, Sendable {
        package let id: TrialID
        package let state: TrialState
        /// Steps on disk.
        package let step: Int
        /// Steps including those that a worker reports but has not sent yet.
        package let liveStep: Int
        package let steps: Int
        package let attempt: Int
        package let crashes: Int
        package let stepsPerSecond: Double?
        package let worker: WorkerID?
        package let isStalled: Bool
        package let best: Best?
        package let loss: Double?
        package let failure: String
        /// Results that contradicted an accepted one.
        package let alarms: Int
    }

    package struct Study: Hashable, Sendable {
        package let id: StudyID
        package let name: String
        package let state: StudyState
        package let trials: [Trial]
        /// Live steps of all trials; a trial that ended early counts in full.
        package let stepsDone: Int
        package let steps: Int
        package let stepsPerSecond: Double?
        /// At the present speed; nil while nothing moves.
        package let remaining: Duration?
        /// The trial with the lowest loss.
        package let bestTrial: TrialID?
    }

    package struct Worker: Hashable, Sendable {
        package let id: WorkerID
        package let about: WorkerDescription
        package let state: WorkerState
        package let lease: LeaseID?
        package let step: Int?
        package let stepsPerSecond: Double?
        package let isStalled: Bool
        package let silence: Duration
        package let joined: Duration
        package let acceptedSegments: Int
        package let alarms: Int
    }

    /// In the order of submission.
    package let studies: [Study]
    /// By name, then id.
    package let workers: [Worker]
    /// The ledger refused to write a moment ago.
    package let isStorageBlocked: Bool
}

extension Coordinator {
    /// The present state of everything.
    package func snapshot(now instant: Instant) -> Snapshot {
        let now = max(instant, latest)
        let listed = workers.map { id, worker in
            let lease = worker.leases.min()
            let progress = lease.flatMap { trial($0.trial)?.lease?.progress }
            return Snapshot.Worker(
                id: id, about: worker.about, state: worker.state, lease: lease, step: progress?.step,
                stepsPerSecond: progress?.speed, isStalled: progress?.isStalled ?? false, silence: now - worker.heard,
                joined: now - worker.joined,
                acceptedSegments: worker.acceptedSegments, alarms: worker.alarms)
        }
        return Snapshot(
            studies: order.compactMap { studies[$0] }.map { $0.snapshot() },
            workers: listed.sorted { ($0.about.name, $0.id) < ($1.about.name, $1.id) },
            isStorageBlocked: storageBlockedUntil.map { now < $0 } ?? false)
    }

    /// The state of one study; nil if there is none with that number.
    package func snapshot(of id: StudyID) -> Snapshot.Study? {
        studies[id]?.snapshot()
    }

    /// The accepted segments of a trial, in order.
    package func segments(of id: TrialID) -> [SegmentFact] {
        trial(id)?.segments ?? []
    }

    /// The worker that holds a live lease on the trial, and its name.
    package func liveLease(of id: TrialID) -> (worker: WorkerID, lease: LeaseID)? {
        trial(id)?.lease.map { ($0.worker, $0.id) }
    }
}

extension Study {
    func snapshot() -> Snapshot.Study {
        let listed = trials.map { $0.snapshot(steps: plan.steps) }
        let done = listed.reduce(0) { $0 + ($1.state.isTerminal ? $1.steps : $1.liveStep) }
        let total = plan.steps * plan.trialCount
        let speeds = listed.compactMap(\.stepsPerSecond)
        let speed = speeds.isEmpty ? nil : speeds.reduce(0, +)
        let remaining = speed.map { Duration.milliseconds(Int64(min(Double(total - done) / $0 * 1000, 1e15))) }
        let ranked = listed.compactMap { trial in trial.best.map { (trial.id, $0.loss) } }
        return Snapshot.Study(
            id: plan.id, name: plan.name, state: state, trials: listed, stepsDone: done, steps: total,
            stepsPerSecond: state.isTerminal ? nil : speed, remaining: state.isTerminal ? nil : remaining,
            bestTrial: ranked.min { $0.1 < $1.1 }?.0)
    }
}

extension Trial {
    func snapshot(steps: Int) -> Snapshot.Trial {
        Snapshot.Trial(
            id: record.trial, state: record.state, step: record.step, liveStep: max(record.step, lease?.progress?.step ?? 0), steps: steps,
            attempt: record.attempt, crashes: record.crashes, stepsPerSecond: lease?.progress?.speed, worker: lease?.worker,
            isStalled: lease?.progress?.isStalled ?? false, best: segments.last { $0.best != nil }?.best,
            loss: lease?.progress?.loss ?? segments.last?.loss, failure: record.failure, alarms: alarms)
    }
}

extension LeaseProgress {
    /// Steps per second if the worker's word for it can be true.
    var speed: Double? {
        stepsPerSecond.isFinite && stepsPerSecond > 0 && stepsPerSecond < 1e6 ? stepsPerSecond : nil
    }
}
