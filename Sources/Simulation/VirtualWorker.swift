// SPDX-License-Identifier: Apache-2.0

import Coordination

/// A worker process: what it was granted, what it computes, and what it keeps until it is acknowledged.
struct VirtualWorker: Sendable {
    struct Task: Sendable {
        let number: Int
        let grant: Grant
        let state: UInt64
        var started: Int64?
        /// The result, once it is there; kept until somebody acknowledges it.
        var result: Report?
        var sent: Int64 = 0
    }

    let id: WorkerID
    /// Where it runs; the next one there has the same name.
    let box: String
    let numericsClass: String
    /// Milliseconds of a slice.
    let pace: Int64
    var tasks: [Task] = []
    var isAlive = true
    /// It hears and does nothing before this instant.
    var stalledUntil: Int64 = 0
    /// It is cut off from the coordinator.
    var isCutOff = false
    var isWelcome = false
    var isLeaving = false
    /// Its first message after a connection is its hello.
    var isConnected = false
    private var taskCount = 0

    init(id: WorkerID, box: String, numericsClass: String, pace: Int64) {
        self.id = id
        self.box = box
        self.numericsClass = numericsClass
        self.pace = pace
    }

    var description: WorkerDescription { WorkerDescription(name: box, numericsClass: numericsClass) }

    var holding: [LeaseProgress] {
        tasks.map { task in
            LeaseProgress(lease: task.grant.lease, step: task.result == nil ? task.grant.fromStep : task.grant.toStep, stepsPerSecond: 1)
        }
    }

    /// What it computes now, in the order of grants.
    var current: Int? { tasks.firstIndex { $0.result == nil } }

    mutating func take(_ grant: Grant, state: UInt64) {
        guard !tasks.contains(where: { $0.grant.lease == grant.lease }) else { return }
        taskCount += 1
        tasks.append(Task(number: taskCount, grant: grant, state: state))
    }

    mutating func drop(_ lease: LeaseID) { tasks.removeAll { $0.grant.lease == lease } }

    /// How long a piece of work takes it.
    func duration(of grant: Grant, _ study: VirtualStudy) -> Int64 {
        switch grant.lease.work {
        case .train: pace * Int64(study.slices) * Int64(max(1, grant.toStep - grant.fromStep))
        case .gradient, .evaluate: pace
        case .encode, .preview: pace * 3
        }
    }

    /// The answer to a piece of work.
    func result(of task: Task, _ study: VirtualStudy) -> Report {
        let grant = task.grant
        switch grant.lease.work {
        case .train(let trial):
            let end = study.end(of: trial.index, after: grant.fromStep)
            let state = study.trained(task.state, from: grant.fromStep, to: end.step)
            return .segment(
                SegmentReport(
                    worker: id, trial: trial, attempt: grant.lease.attempt, fromStep: grant.fromStep, toStep: end.step,
                    digest: digest(state), finished: end.finished))
        case .gradient(_, let step, let slice), .evaluate(_, let step, let slice):
            let isEvaluation = if case .evaluate = grant.lease.work { true } else { false }
            let value = study.slice(slice, step: step, isEvaluation: isEvaluation, state: task.state)
            return .slice(SliceReport(worker: id, lease: grant.lease, digest: digest(value), seconds: Double(pace) / 1000))
        case .encode(_, let part):
            return .piece(PieceReport(worker: id, lease: grant.lease, digest: digest(study.encoded(part))))
        case .preview:
            return .piece(PieceReport(worker: id, lease: grant.lease, digest: digest(SplitMix64.mix(task.state))))
        }
    }
}
