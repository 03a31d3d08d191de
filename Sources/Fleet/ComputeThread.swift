// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Synchronization

/// A segment on its way through the compute thread.
///
/// Shared between that thread and the one that talks to the coordinator.
final class SegmentJob: Sendable {
    let request: SegmentRequest
    private let state: Mutex<State>
    private let cancelled = Atomic<Bool>(false)

    struct State {
        var progress: SegmentProgress
        /// When the newest step was completed; the start of the job before the first.
        var lastStep: ContinuousClock.Instant
        var firstStep: (step: Int, at: ContinuousClock.Instant)?
    }

    init(_ request: SegmentRequest) {
        self.request = request
        state = Mutex(State(progress: SegmentProgress(step: request.fromStep), lastStep: .now))
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

    var progress: SegmentProgress { state.withLock { $0.progress } }

    /// Over the steps since the first one, which also paid for reading the model; nil before the second.
    var secondsPerStep: Double? {
        state.withLock { state in
            guard let first = state.firstStep, state.progress.step > first.step else { return nil }
            return (state.lastStep - first.at).inSeconds / Double(state.progress.step - first.step)
        }
    }

    /// No step for ten times as long as a step takes, and for a minute at least.
    func isStalled(at now: ContinuousClock.Instant) -> Bool {
        guard let secondsPerStep else { return false }
        let silence = state.withLock { (now - $0.lastStep).inSeconds }
        return silence > max(60, 10 * secondsPerStep)
    }
}

/// The one thread of a worker that computes.
///
/// It has nothing to do with sockets, so no step can delay a heartbeat.
final class ComputeThread: Sendable {
    typealias Completion = @Sendable (SegmentJob, Result<SegmentOutcome, any Error>) -> Void

    /// oneDNN and deep recursion in model files want more than a thread's usual share.
    private static let stackBytes = 16 << 20

    private let trainer: any SegmentTrainer
    private let completion: Completion
    private let condition = NSCondition()
    private let queue = Mutex<Queue>(Queue())
    private let ended = DispatchGroup()

    private struct Queue {
        var jobs: [SegmentJob] = []
        var isStopped = false
    }

    init(trainer: any SegmentTrainer, completion: @escaping Completion) {
        self.trainer = trainer
        self.completion = completion
    }

    func start() {
        ended.enter()
        let thread = Thread { [self] in
            while let job = next() {
                let outcome = Result {
                    try trainer.train(job.request, report: { job.report($0) }, isCancelled: { job.isCancelled })
                }
                completion(job, outcome)
            }
            ended.leave()
        }
        thread.name = "compute"
        thread.stackSize = Self.stackBytes
        thread.start()
    }

    func submit(_ job: SegmentJob) {
        condition.lock()
        queue.withLock { $0.jobs.append(job) }
        condition.signal()
        condition.unlock()
    }

    /// Ends the thread after the job it works on; the jobs behind that one are dropped.
    ///
    /// - Returns: whether it ended in time.
    @discardableResult
    func stop(waiting patience: Duration) -> Bool {
        condition.lock()
        queue.withLock { queue in
            queue.isStopped = true
            queue.jobs = []
        }
        condition.broadcast()
        condition.unlock()
        return ended.wait(timeout: .now() + patience.inSeconds) == .success
    }

    private func next() -> SegmentJob? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            let (job, isStopped) = queue.withLock { queue in
                (queue.isStopped || queue.jobs.isEmpty ? nil : queue.jobs.removeFirst(), queue.isStopped)
            }
            if let job { return job }
            if isStopped { return nil }
            condition.wait()
        }
    }
}
