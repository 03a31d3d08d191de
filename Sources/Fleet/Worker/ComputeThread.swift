// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation

/// The one thread of a worker that computes.
///
/// It has nothing to do with the coordinator's socket, so no step and no transfer can delay a heartbeat.
final class ComputeThread: Sendable {
    typealias Completion = @Sendable (Job, Result<JobOutcome, any Error>) -> Void

    /// oneDNN and deep recursion in model files want more than a thread's usual share.
    private static let stackBytes = 16 << 20

    private let trainer: any Trainer
    private let files: WorkerFiles
    private let completion: Completion
    private let thread = QueueThread(Queue())

    private struct Queue {
        var jobs: [Job] = []
        var isStopped = false

        mutating func next() -> QueueThread<Queue>.Next<Job> {
            if isStopped { return .end }
            return jobs.isEmpty ? .wait(until: nil) : .item(jobs.removeFirst())
        }
    }

    init(trainer: any Trainer, files: WorkerFiles, completion: @escaping Completion) {
        self.trainer = trainer
        self.files = files
        self.completion = completion
    }

    func start() {
        thread.start("compute", stackBytes: Self.stackBytes) { [self] in
            while let job = thread.next({ $0.next() }) {
                // A job that was called off while it waited costs nothing.
                let outcome = Result { () throws -> JobOutcome in
                    if job.isCancelled { throw SegmentFailure(.internal, "stopped on request") }
                    return try run(job)
                }
                completion(job, outcome)
            }
        }
    }

    private func run(_ job: Job) throws -> JobOutcome {
        let isCancelled: @Sendable () -> Bool = { job.isCancelled }
        // Pinned until the job is done; between jobs files may go to make room.
        let files = try files.prepare(job.brief, tell: { job.prepare($0) }, isCancelled: isCancelled)
        job.prepare("")
        return try withExtendedLifetime(files) { try compute(job, files.study, isCancelled) }
    }

    private func compute(_ job: Job, _ study: PreparedStudy, _ isCancelled: @Sendable () -> Bool) throws -> JobOutcome {
        switch job.task {
        case .train(let trial, let fromStep, let toStep, let state):
            let request = SegmentRequest(study: study, trial: trial, fromStep: fromStep, toStep: toStep, state: state)
            return .segment(try trainer.train(request, report: { job.report($0) }, isCancelled: isCancelled), request)
        case .slice(let kind, let trial, let step, let slice, let vectors):
            let request = SliceRequest(study: study, kind: kind, trial: trial, step: step, slice: slice, vectors: vectors)
            let started = ContinuousClock.now
            return .slice(try trainer.slice(request, isCancelled: isCancelled), seconds: (ContinuousClock.now - started).inSeconds)
        case .encode(let part):
            return try put(try trainer.piece(PieceRequest(study: study, kind: .encode(part: part)), isCancelled: isCancelled), job)
        case .preview(let vectors):
            return try put(try trainer.piece(PieceRequest(study: study, kind: .preview(vectors)), isCancelled: isCancelled), job)
        }
    }

    private func put(_ data: Data, _ job: Job) throws -> JobOutcome {
        job.prepare("sending \(data.count) bytes")
        return .piece(digest: try files.put(data, isCancelled: { job.isCancelled }), bytes: UInt64(data.count))
    }

    func submit(_ job: Job) { thread.change { $0.jobs.append(job) } }

    /// Ends the thread after the job it works on; the jobs behind that one are dropped.
    ///
    /// - Returns: whether it ended in time.
    @discardableResult
    func stop(waiting patience: Duration) -> Bool {
        thread.change { queue in
            queue.isStopped = true
            queue.jobs = []
        }
        return thread.waitForEnd(patience)
    }
}
