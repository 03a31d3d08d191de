// SPDX-License-Identifier: Apache-2.0

import Coordination

/// A coordinator on a table: a manual clock, and a disk that never refuses.
struct Bench {
    var coordinator: Coordinator
    var now = Instant(milliseconds: 0)
    /// Everything since the last `take()`.
    private(set) var log: [Action] = []

    static let plan = StudyPlan(id: StudyID(1), name: "teal-heart", trialCount: 1, steps: 100, segmentSteps: 40)
    static let trial = TrialID(study: StudyID(1), index: 0)

    init(_ facts: [StudyFacts] = []) {
        coordinator = Coordinator(restoring: facts, at: Instant(milliseconds: 0))
    }

    mutating func send(_ event: Event) {
        var events = [event]
        while !events.isEmpty {
            let actions = coordinator.handle(events.removeFirst(), at: now)
            log += actions
            for case .persist(let report, let shelf) in actions {
                events.append(.resultPersisted(report, shelf))
            }
        }
    }

    mutating func take() -> [Action] {
        defer { log = [] }
        return log
    }

    /// - Parameter name: what people call it; its id unless it comes in the place of another.
    mutating func hello(_ worker: WorkerID, as name: String? = nil, holding: [LeaseProgress] = [], numericsClass: String = "") {
        send(.workerHello(worker, WorkerDescription(name: name ?? worker.rawValue, numericsClass: numericsClass)))
        send(.workerHeartbeat(worker, holding: holding))
    }

    /// Lets time pass in steps that no coordinator takes for a stop, with heartbeats from `alive`.
    mutating func pass(_ duration: Duration, alive: [WorkerID: [LeaseProgress]] = [:]) {
        let end = now + duration
        while now < end {
            now = min(end, now + .milliseconds(1000))
            for (worker, holding) in alive { send(.workerHeartbeat(worker, holding: holding)) }
            send(.tick)
        }
    }

    var trial: Snapshot.Trial? { coordinator.snapshot(of: StudyID(1))?.trials.first }
    var state: StudyState? { coordinator.snapshot(of: StudyID(1))?.state }
    func worker(_ id: WorkerID) -> Snapshot.Worker? { coordinator.snapshot(now: now).workers.first { $0.id == id } }
}

let ada = WorkerID("ada")
let ben = WorkerID("ben")

/// A bench at which `ada` has the first segment of the plan's first trial.
func started(_ plan: StudyPlan = Bench.plan) -> Bench {
    var bench = Bench()
    bench.send(.studySubmitted(plan))
    bench.hello(ada)
    return bench
}

func lease(_ attempt: Int, _ index: Int = 0) -> LeaseID {
    LeaseID(.train(TrialID(study: StudyID(1), index: index)), attempt: attempt)
}

func report(
    _ worker: WorkerID, _ attempt: Int, _ from: Int, _ to: Int, digest: String? = nil, finished: Bool = false, index: Int = 0
) -> SegmentReport {
    SegmentReport(
        worker: worker, trial: TrialID(study: StudyID(1), index: index), attempt: attempt, fromStep: from, toStep: to,
        digest: digest ?? "\(from)-\(to)", finished: finished)
}

func progress(_ attempt: Int, at step: Int, speed: Double = 2) -> LeaseProgress {
    LeaseProgress(lease: lease(attempt), step: step, stepsPerSecond: speed)
}

extension [Action] {
    var grants: [Grant] {
        compactMap { if case .grant(let grant) = $0 { grant } else { nil } }
    }

    var acknowledgements: [Acknowledgement] {
        compactMap { if case .acknowledge(_, let acknowledgement) = $0 { acknowledgement } else { nil } }
    }

    var cancelled: [LeaseID] {
        compactMap { if case .cancelLease(_, let lease, _) = $0 { lease } else { nil } }
    }

    var alarms: Int {
        count { if case .determinismAlarm = $0 { true } else { false } }
    }
}
