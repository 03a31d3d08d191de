// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Synchronization
import WireMessages

/// A lease's work on its way through the compute thread.
///
/// Shared between that thread and the one that talks to the coordinator.
final class Job: Sendable {
    /// What is to be computed, before its files are here.
    enum Task: Sendable {
        case train(trial: Int, fromStep: Int, toStep: Int, state: TrainingState?)
        case slice(SliceRequest.Kind, trial: Int, step: Int, slice: Int, vectors: VectorRows?)
        case encode(part: Int)
        case preview(VectorRows)

        /// Whether both have the same answer, for leases on the same work.
        func isSame(as other: Task) -> Bool {
            switch (self, other) {
            case (.train(let trial, let from, let end, _), .train(let itsTrial, let itsFrom, let itsEnd, _)):
                (trial, from, end) == (itsTrial, itsFrom, itsEnd)
            case (.slice, .slice), (.encode, .encode), (.preview, .preview): true
            default: false
            }
        }
    }

    let task: Task
    let brief: Brief
    private let state: Mutex<State>
    private let cancelled = Atomic<Bool>(false)

    struct State {
        var progress: SegmentProgress
        var preparing = ""
        /// When the newest step was completed; the start of the job before the first.
        var lastStep: ContinuousClock.Instant
        var firstStep: (step: Int, at: ContinuousClock.Instant)?
    }

    init(_ task: Task, brief: Brief) {
        self.task = task
        self.brief = brief
        let step =
            switch task {
            case .train(_, let fromStep, _, _): fromStep
            case .slice(_, _, let step, _, _): step
            case .encode, .preview: 0
            }
        state = Mutex(State(progress: SegmentProgress(step: step), lastStep: .now))
    }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    func cancel() { cancelled.store(true, ordering: .relaxed) }

    func report(_ progress: SegmentProgress) {
        let now = ContinuousClock.now
        state.withLock { state in
            if progress.step > state.progress.step {
                state.lastStep = now
                if state.firstStep == nil { state.firstStep = (progress.step, now) }
            }
            state.progress = progress
        }
    }

    /// What it does before it can compute; empty once it computes.
    func prepare(_ text: String) {
        state.withLock { state in
            state.preparing = text
            state.lastStep = .now
        }
    }

    /// What there is to tell about it.
    func progress(of lease: WireLease, at now: ContinuousClock.Instant) -> WireProgress {
        let current = state.withLock { $0 }
        var progress = WireProgress()
        progress.lease = lease
        progress.step = UInt32(clamping: current.progress.step)
        if let seconds = secondsPerStep, seconds > 0 { progress.stepsPerSecond = 1 / seconds }
        if let loss = current.progress.loss, loss.isFinite { progress.loss = loss }
        if let loss = current.progress.evaluationLoss, loss.isFinite { progress.evaluationLoss = loss }
        progress.stalled = isStalled(at: now)
        progress.preparing = WireText.clipped(current.preparing)
        return progress
    }

    /// Over the steps since the first one, which also paid for reading the model; nil before the second.
    private var secondsPerStep: Double? {
        state.withLock { state in
            guard let first = state.firstStep, state.progress.step > first.step else { return nil }
            return (state.lastStep - first.at).inSeconds / Double(state.progress.step - first.step)
        }
    }

    /// No step for ten times as long as a step takes, and for a minute at least.
    private func isStalled(at now: ContinuousClock.Instant) -> Bool {
        guard let secondsPerStep else { return false }
        let silence = state.withLock { (now - $0.lastStep).inSeconds }
        return silence > max(60, 10 * secondsPerStep)
    }
}

/// What came of a job.
enum JobOutcome: Sendable {
    case segment(SegmentOutcome, SegmentRequest)
    case slice(SliceOutcome, seconds: Double)
    /// The blob is in the coordinator's store.
    case piece(digest: Data, bytes: UInt64)
}
