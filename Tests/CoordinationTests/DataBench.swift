// SPDX-License-Identifier: Apache-2.0

@testable import Coordination

/// A coordinator with one `parallel: data` study on a table: an owner that opens and closes its steps at once, and workers that hold
/// what they were granted.
struct DataBench {
    var coordinator: Coordinator
    var now = Instant(milliseconds: 0)
    /// Slices of every step.
    var slices = 4
    /// What each worker holds, in the order of grants.
    private(set) var held: [WorkerID: [LeaseID]] = [:]
    private(set) var log: [Action] = []

    static let plan = StudyPlan(id: StudyID(1), name: "teal-heart", trialCount: 1, steps: 3, segmentSteps: 2, parallelism: .data)
    static let trial = TrialID(study: StudyID(1), index: 0)

    init(_ plans: [StudyPlan] = [DataBench.plan], slices: Int = 4) {
        coordinator = Coordinator(at: Instant(milliseconds: 0))
        self.slices = slices
        for plan in plans { send(.studySubmitted(plan)) }
    }

    mutating func send(_ event: Event) {
        var events = [event]
        while !events.isEmpty {
            let actions = coordinator.handle(events.removeFirst(), at: now)
            log += actions
            for action in actions { events += perform(action) }
        }
    }

    private mutating func perform(_ action: Action) -> [Event] {
        switch action {
        case .grant(let grant): held[grant.worker, default: []].append(grant.lease)
        case .cancelLease(let worker, let lease, _): held[worker]?.removeAll { $0 == lease }
        case .persist(let report, let shelf): return [.resultPersisted(report, shelf)]
        case .persistPiece(let report): return [.piecePersisted(report)]
        case .openTrial(let id):
            return [.stepOpened(StepPlan(trial: id, step: coordinator.trial(id)?.record.step ?? 0, kind: .gradient, slices: slices))]
        case .closeStep(let plan): return [next(after: plan)]
        default: break
        }
        return []
    }

    private func next(after plan: StepPlan) -> Event {
        let from = coordinator.trial(plan.trial)?.record.step ?? 0
        let end = coordinator.studies[plan.trial.study]?.plan.segmentEnd(after: from) ?? from
        if plan.step + 1 < end { return .stepOpened(StepPlan(trial: plan.trial, step: plan.step + 1, kind: .gradient, slices: slices)) }
        return .segmentComputed(
            SegmentReport(
                worker: .coordinator, trial: plan.trial, attempt: 0, fromStep: from, toStep: end, digest: "\(from)-\(end)", finished: false)
        )
    }

    mutating func hello(_ names: String..., numericsClass: String = "x") {
        for name in names {
            send(.workerHello(WorkerID(name), WorkerDescription(name: name, numericsClass: numericsClass)))
            send(.workerHeartbeat(WorkerID(name), holding: []))
        }
    }

    /// Another process starts in the place of one that is gone.
    mutating func replace(_ name: String, by successor: String) {
        send(.workerHello(WorkerID(successor), WorkerDescription(name: name, numericsClass: "x")))
        send(.workerHeartbeat(WorkerID(successor), holding: []))
    }

    /// The worker answers the first slice that it holds.
    mutating func answer(_ name: String, seconds: Double = 1, digest: String? = nil) {
        guard let lease = held[WorkerID(name)]?.first else { return }
        held[WorkerID(name)]?.removeFirst()
        send(.sliceResult(SliceReport(worker: WorkerID(name), lease: lease, digest: digest ?? "\(lease.work)", seconds: seconds)))
    }

    mutating func fail(_ name: String, _ lease: LeaseID, _ message: String) {
        held[WorkerID(name)]?.removeAll { $0 == lease }
        send(.leaseFailed(WorkerID(name), lease, .internal, message: message))
    }

    /// Lets time pass while every worker but `silent` sends heartbeats.
    mutating func pass(_ duration: Duration, silent: Set<String> = []) {
        let end = now + duration
        while now < end {
            now = min(end, now + .milliseconds(1000))
            for worker in held.keys.sorted() where !silent.contains(worker.rawValue) {
                send(.workerHeartbeat(worker, holding: (held[worker] ?? []).map { LeaseProgress(lease: $0, step: 0) }))
            }
            send(.tick)
        }
    }

    mutating func take() -> [Action] {
        defer { log = [] }
        return log
    }

    /// Slices that the worker holds, in the order of grants.
    func slices(_ name: String) -> [Int] {
        (held[WorkerID(name)] ?? []).compactMap { lease in
            switch lease.work {
            case .gradient(_, _, let slice), .evaluate(_, _, let slice): slice
            default: nil
            }
        }
    }

    func works(_ name: String) -> [String] { (held[WorkerID(name)] ?? []).map(\.work.description) }

    func members(_ trial: TrialID = DataBench.trial) -> [String] { coordinator.members(of: trial).map(\.rawValue) }

    var trial: Snapshot.Trial? { coordinator.snapshot(of: StudyID(1))?.trials.first }
}

extension [Action] {
    var kept: [Work] { compactMap { if case .keepSlice(let report) = $0 { report.lease.work } else { nil } } }
    var closed: [StepPlan] { compactMap { if case .closeStep(let plan) = $0 { plan } else { nil } } }
    var pieceAlarms: [(kept: WorkerID, offered: WorkerID)] {
        compactMap { if case .pieceAlarm(_, _, let kept, _, let offered) = $0 { (kept, offered) } else { nil } }
    }
}
