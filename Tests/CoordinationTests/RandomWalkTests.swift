// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Seeded walks through a world where everything goes wrong, with the promises of `Coordinator` checked after every event.
struct RandomWalkTests {
    @Test(arguments: UInt64(1)...60)
    func promisesHoldAndEveryStudyEnds(seed: UInt64) {
        var world = World(seed: seed)
        for _ in 0..<2500 where world.failure == nil { world.disturb() }
        world.calmDown()
        if let failure = world.failure { Issue.record("seed \(seed), event \(world.eventCount): \(failure)") }
    }
}

private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A worker process: the leases it holds, and whether they are computed.
private struct Process {
    var held: [LeaseID: (grant: Grant, step: Int)] = [:]

    var holding: [LeaseProgress] {
        held.values.map { LeaseProgress(lease: $0.grant.lease, step: $0.step) }
            .sorted { $0.lease < $1.lease }
    }
}

private struct World {
    var random: SplitMix64
    var coordinator: Coordinator
    var now = Instant(milliseconds: 0)
    var disk: [StudyID: StudyFacts] = [:]
    var processes: [WorkerID: Process] = [:]
    /// Persist actions that the disk has not carried out yet.
    var queue: [(SegmentReport, Shelf)] = []
    /// Every result ever sent: any of them may arrive again.
    var sent: [SegmentReport] = []
    var granted: [TrialID: Int] = [:]
    var ended: [TrialID: TrialRecord] = [:]
    var steps: [TrialID: Int] = [:]
    var born = 0
    var eventCount = 0
    var failure: String?
    var isCalm = false

    init(seed: UInt64) {
        random = SplitMix64(state: seed)
        coordinator = Coordinator(at: Instant(milliseconds: 0))
    }

    mutating func chance(_ percent: Int) -> Bool { !isCalm && Int.random(in: 0..<100, using: &random) < percent }

    mutating func someone() -> WorkerID? { processes.keys.sorted().randomElement(using: &random) }

    mutating func disturb() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<2: submit()
        case 2..<6: join()
        case 6..<8: if let worker = someone() { die(worker) }
        case 8..<10: if let worker = someone() { leave(worker) }
        case 10..<11: if let worker = someone() { event(.workerUnreachable(worker)) }
        case 11..<12: restart()
        case 12..<13: now = now + .seconds(Int64.random(in: 0..<500, using: &random))
        case 13..<15: resendSomething()
        case 15..<16: failSomething()
        case 16..<17: command()
        case 17..<40: drainQueue()
        case 40..<65: if let worker = someone() { event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? [])) }
        case 65..<67: if let worker = someone() { hello(worker) }
        case 67..<90: if let worker = someone() { compute(worker) }
        default:
            now = now + .milliseconds(Int64.random(in: 0..<2500, using: &random))
            event(.tick)
        }
    }

    /// No more faults, one worker: everything has to end now.
    mutating func calmDown() {
        isCalm = true
        for worker in processes.keys.sorted().dropFirst() { leave(worker) }
        if processes.isEmpty { join() }
        for round in 0..<20_000 where failure == nil {
            guard coordinator.snapshot(now: now).studies.contains(where: { !$0.state.isTerminal }) else { return }
            drainQueue()
            now = now + .milliseconds(500)
            guard let worker = someone() else { return }
            if round.isMultiple(of: 50) { hello(worker) }
            for study in disk.values {
                for trial in study.trials where trial.record.state == .paused { event(.trialResumed(trial.record.trial)) }
            }
            compute(worker)
            event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? []))
        }
        fail("a study never ended")
    }

    mutating func submit() {
        guard disk.count < 12 else { return }
        let id = StudyID(Int64(disk.count + 1))
        let steps = Int.random(in: 1...60, using: &random)
        let plan = StudyPlan(
            id: id, name: "s\(id)", trialCount: Int.random(in: 1...4, using: &random), steps: steps,
            segmentSteps: Int.random(in: 1...30, using: &random))
        disk[id] = StudyFacts(
            plan: plan, state: .running,
            trials: (0..<plan.trialCount).map { TrialFacts(record: TrialRecord(trial: TrialID(study: id, index: $0))) })
        event(.studySubmitted(plan))
    }

    mutating func join() {
        guard processes.count < 6 else { return }
        born += 1
        let worker = WorkerID("w\(born)")
        processes[worker] = Process()
        hello(worker)
    }

    mutating func hello(_ worker: WorkerID) {
        event(.workerHello(worker, WorkerDescription(name: worker.rawValue)))
        if !chance(10) { event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? [])) }
    }

    mutating func die(_ worker: WorkerID) {
        processes[worker] = nil
        if chance(50) { event(.workerUnreachable(worker)) }
    }

    mutating func leave(_ worker: WorkerID) {
        processes[worker] = nil
        event(.workerGoodbye(worker))
    }

    mutating func compute(_ worker: WorkerID) {
        guard let (id, work) = processes[worker]?.held.min(by: { $0.key < $1.key }) else { return }
        if work.step < work.grant.toStep, !isCalm {
            processes[worker]?.held[id]?.step += Int.random(in: 1...(work.grant.toStep - work.step), using: &random)
            return
        }
        let endsEarly = work.grant.lease.trial.index == 3 && work.grant.toStep - work.grant.fromStep > 1
        let digest = chance(1) ? "wrong" : "\(id.trial) \(work.grant.fromStep)"
        let report = SegmentReport(
            worker: worker, lease: id, fromStep: work.grant.fromStep, toStep: endsEarly ? work.grant.toStep - 1 : work.grant.toStep,
            digest: digest, finished: endsEarly)
        sent.append(report)
        if !chance(5) { event(.segmentResult(report)) }
    }

    mutating func resendSomething() {
        if let report = sent.randomElement(using: &random) { event(.segmentResult(report)) }
    }

    mutating func failSomething() {
        guard let worker = someone(), let id = processes[worker]?.held.keys.min() else { return }
        processes[worker]?.held[id] = nil
        let kind: FailureKind = chance(10) ? .input : chance(20) ? .cancelled : .internal
        event(.leaseFailed(worker, id, kind, message: "made up"))
    }

    mutating func command() {
        guard let study = disk.keys.sorted().randomElement(using: &random), let facts = disk[study] else { return }
        let trial = TrialID(study: study, index: Int.random(in: 0..<facts.plan.trialCount, using: &random))
        switch Int.random(in: 0..<20, using: &random) {
        case 0: event(.studyCancelled(study))
        case 1: event(.trialPruned(trial, reason: "made up"))
        case 2:
            if let worker = someone() {
                event(.workerDrained(worker))
                leave(worker)
            }
        case 3..<10: event(.trialPaused(trial))
        default: event(.trialResumed(trial))
        }
    }

    mutating func drainQueue() {
        while !queue.isEmpty {
            let (report, shelf) = queue.removeFirst()
            if chance(5) {
                event(.resultNotPersisted(report, shelf))
                continue
            }
            write(report, shelf)
            // A crash here loses the answer, not the result.
            if chance(2) { return restart() }
            event(.resultPersisted(report, shelf))
        }
    }

    mutating func write(_ report: SegmentReport, _ shelf: Shelf) {
        guard let facts = disk[report.trial.study] else { return fail("a result for an unknown study went to disk") }
        let trial = facts.trials[report.trial.index]
        switch shelf {
        case .segment:
            if trial.segments.last.map(\.toStep) ?? 0 != report.fromStep { fail("\(report) does not start where the last segment ended") }
            if trial.segments.last?.finished == true { fail("\(report) follows the end of its trial") }
            disk[report.trial.study]?.trials[report.trial.index].segments.append(report.segment)
        case .conflict:
            guard let kept = trial.segments.first(where: { $0.fromStep == report.fromStep }) else { return fail("conflict with nothing") }
            if kept.digest == report.digest, kept.toStep == report.toStep { fail("an equal result was kept as a conflict") }
            disk[report.trial.study]?.trials[report.trial.index].conflicts[report.fromStep, default: []].insert(report.digest)
        }
    }

    mutating func restart() {
        queue = []
        now = now + .milliseconds(Int64.random(in: 0..<30_000, using: &random))
        coordinator = Coordinator(restoring: Array(disk.values), at: now)
        event(.tick)
        for worker in processes.keys.sorted() where chance(90) { hello(worker) }
    }

    // MARK: - Carrying out actions, and checking them

    mutating func event(_ event: Event) {
        guard failure == nil else { return }
        eventCount += 1
        for action in coordinator.handle(event, at: now) { perform(action) }
        checkInvariants()
    }

    mutating func perform(_ action: Action) {
        switch action {
        case .grant(let grant):
            if grant.lease.attempt <= granted[grant.lease.trial] ?? 0 { fail("attempt \(grant.lease) was granted before") }
            if chance(2) { return event(.grantNotPersisted(grant.lease)) }
            granted[grant.lease.trial] = grant.lease.attempt
            change(grant.lease.trial) { record in
                record.attempt = grant.lease.attempt
                record.state = .running
                record.step = grant.fromStep
            }
            if !chance(5) { processes[grant.worker]?.held[grant.lease] = (grant, grant.fromStep) }
        case .persist(let report, let shelf):
            queue.append((report, shelf))
        case .acknowledge(let report, let answer):
            check(answer, to: report)
            if !chance(5) { processes[report.worker]?.held[report.lease] = nil }
        case .cancelLease(let worker, let lease, _):
            if !chance(5) { processes[worker]?.held[lease] = nil }
        case .recordTrial(let record):
            change(record.trial) { $0 = record }
        case .studyFinished(let study, let state):
            if disk[study]?.state != .running { fail("study \(study) ended twice") }
            disk[study]?.state = state
        case .requeued, .workerChanged, .determinismAlarm:
            break
        }
    }

    mutating func change(_ id: TrialID, _ change: (inout TrialRecord) -> Void) {
        guard var record = disk[id.study]?.trials[id.index].record else { return fail("unknown trial \(id)") }
        change(&record)
        disk[id.study]?.trials[id.index].record = record
    }

    mutating func check(_ answer: Acknowledgement, to report: SegmentReport) {
        let trial = disk[report.trial.study]?.trials[report.trial.index]
        let kept = trial?.segments.first { $0.fromStep == report.fromStep }
        switch answer {
        case .accepted, .duplicate:
            if kept?.digest != report.digest { fail("\(answer) without a copy on disk: \(report)") }
        case .conflict:
            if trial?.conflicts[report.fromStep]?.contains(report.digest) != true { fail("a conflict was not kept: \(report)") }
        case .stale:
            break
        }
    }

    mutating func checkInvariants() {
        var leases: [TrialID: WorkerID] = [:]
        for (id, worker) in coordinator.workers {
            if worker.leases.count > 1 { fail("\(id) has \(worker.leases.count) leases") }
            for lease in worker.leases {
                if leases.updateValue(id, forKey: lease.trial) != nil { fail("two leases on \(lease.trial)") }
                if coordinator.liveLease(of: lease.trial)?.lease != lease { fail("\(id) has \(lease), its trial does not know") }
            }
            if worker.state == .lost, !worker.leases.isEmpty { fail("\(id) is lost and holds a lease") }
        }
        for study in coordinator.studies.values {
            for trial in study.trials {
                check(trial, of: study, holder: leases[trial.record.trial])
            }
        }
    }

    mutating func check(_ trial: Trial, of study: Study, holder: WorkerID?) {
        let record = trial.record
        if trial.lease?.worker != holder { fail("the holder of \(record.trial) is not clear") }
        if (record.state == .running) != (trial.lease != nil) {
            fail("\(record.trial) is \(record.state), lease \(String(describing: trial.lease))")
        }
        if record.step < steps[record.trial] ?? 0 { fail("\(record.trial) lost steps") }
        steps[record.trial] = record.step
        if record.attempt < granted[record.trial] ?? 0 { fail("\(record.trial) forgot an attempt") }
        if trial.segments.last.map(\.toStep) ?? 0 != record.step {
            fail("\(record.trial): step \(record.step) is not where its segments end")
        }
        for (earlier, later) in zip(trial.segments, trial.segments.dropFirst()) where earlier.toStep != later.fromStep {
            fail("\(record.trial) has a hole at \(earlier.toStep)")
        }
        if let before = ended[record.trial], before != record { fail("\(record.trial) changed after its end: \(before), \(record)") }
        if record.state.isTerminal { ended[record.trial] = record }
        if study.state == .complete || study.state == .failed, !record.state.isTerminal {
            fail("\(study.plan.id) ended before \(record.trial)")
        }
    }

    mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }
}
