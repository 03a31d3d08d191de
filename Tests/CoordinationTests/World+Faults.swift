// SPDX-License-Identifier: Apache-2.0

@testable import Coordination

extension World {
    mutating func disturb() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<2: submit()
        case 2..<6: join()
        case 6..<8: if let worker = someone() { die(worker) }
        case 8..<10: if let worker = someone() { leave(worker) }
        case 10..<11: if let worker = someone() { event(.workerUnreachable(worker)) }
        case 11..<12: if chance(40) { restart() }
        case 12..<13: now = now + .seconds(Int64.random(in: 0..<500, using: &random))
        case 13..<15: resendSomething()
        case 15..<16: failSomething()
        case 16..<17: command()
        case 17..<40: answer()
        case 40..<60: if let worker = someone() { event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? [])) }
        case 60..<62: if let worker = someone() { hello(worker) }
        case 62..<90: if let worker = someone() { compute(worker) }
        default:
            now = now + .milliseconds(Int64.random(in: 0..<2500, using: &random))
            event(.tick)
        }
    }

    /// No more faults, one worker of each class: everything has to end now.
    mutating func calmDown() {
        isCalm = true
        for worker in processes.keys.sorted() { leave(worker) }
        for numericsClass in ["x", "y"] { join(numericsClass) }
        for study in disk.keys.sorted() where coordinator.studies[study]?.isPaused ?? false { event(.studyResumed(study)) }
        for _ in 0..<30_000 where failure == nil {
            if coordinator.studies.values.allSatisfy({ $0.state.isTerminal && $0.previews.wanted.isEmpty }) {
                return checkEnds()
            }
            answer()
            now = now + .milliseconds(500)
            for study in disk.values.sorted(by: { $0.plan.id < $1.plan.id }) {
                for trial in study.trials where trial.record.state == .paused { event(.trialResumed(trial.record.trial)) }
            }
            for worker in processes.keys.sorted() {
                compute(worker)
                event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? []))
            }
        }
        if failure == nil { fail("a study never ended: \(stuck())") }
    }

    private func stuck() -> String {
        let open = coordinator.studies.values.filter { !$0.state.isTerminal || !$0.previews.wanted.isEmpty }
        let lines = open.flatMap { study in
            study.trials.filter { !$0.record.state.isTerminal }.flatMap { coordinator.explain(trial: $0.record.trial, now: now) }
        }
        let previews = open.map {
            "study \($0.plan.id), \($0.state): \($0.previews.wanted.map(\.key)), lease \(String(describing: $0.previews.lease))"
        }
        return (lines + previews + coordinator.workers.keys.sorted().flatMap { coordinator.explain(worker: $0, now: now) }).joined(
            separator: "; ")
    }

    private mutating func submit() {
        guard disk.count < 12 else { return }
        let id = StudyID(Int64(disk.count + 1))
        let plan = StudyPlan(
            id: id, name: "s\(id)", trialCount: Int.random(in: 1...4, using: &random), steps: Int.random(in: 1...40, using: &random),
            segmentSteps: Int.random(in: 1...20, using: &random), parallelism: chance(50) ? .data : .trials,
            encodeParts: chance(40) ? Int.random(in: 1...4, using: &random) : 0,
            previewEvery: chance(40) ? Int.random(in: 1...20, using: &random) : nil, mixesClasses: chance(20))
        disk[id] = StudyFacts(
            plan: plan, state: .running,
            trials: (0..<plan.trialCount).map { TrialFacts(record: TrialRecord(trial: TrialID(study: id, index: $0))) })
        event(.studySubmitted(plan))
    }

    private mutating func join(_ numericsClass: String? = nil) {
        guard processes.count < 7 else { return }
        born += 1
        let worker = WorkerID("w\(born)")
        let name = chance(50) ? vacant.randomElement(using: &random) : nil
        processes[worker] = Process(name: name ?? "w\(born)", numericsClass: numericsClass ?? (chance(30) ? "y" : "x"))
        hello(worker)
    }

    mutating func hello(_ worker: WorkerID) {
        event(.workerHello(worker, about(worker)))
        if !chance(10) { event(.workerHeartbeat(worker, holding: processes[worker]?.holding ?? [])) }
    }

    private func about(_ worker: WorkerID) -> WorkerDescription {
        WorkerDescription(name: processes[worker]?.name ?? worker.rawValue, numericsClass: processes[worker]?.numericsClass ?? "")
    }

    private mutating func die(_ worker: WorkerID) {
        if let name = processes.removeValue(forKey: worker)?.name { vacant.append(name) }
        if chance(50) { event(.workerUnreachable(worker)) }
    }

    private mutating func leave(_ worker: WorkerID) {
        processes[worker] = nil
        event(.workerGoodbye(worker))
    }

    private mutating func compute(_ worker: WorkerID) {
        guard let (grant, step) = processes[worker]?.held.first else { return }
        if step < grant.toStep, !isCalm {
            processes[worker]?.held[0].step += Int.random(in: 1...(grant.toStep - step), using: &random)
            return
        }
        let digest = chance(1) ? "wrong" : Self.digest(grant)
        let result: Event
        switch grant.lease.work {
        case .train(let trial):
            let endsEarly = trial.index == 3 && grant.toStep - grant.fromStep > 1
            result = .segmentResult(
                SegmentReport(
                    worker: worker, trial: trial, attempt: grant.lease.attempt, fromStep: grant.fromStep,
                    toStep: endsEarly ? grant.toStep - 1 : grant.toStep, digest: digest, finished: endsEarly))
        case .gradient, .evaluate:
            processes[worker]?.drop(grant.lease)
            let seconds = chance(5) ? .nan : Double.random(in: 0..<3, using: &random)
            result = .sliceResult(SliceReport(worker: worker, lease: grant.lease, digest: digest, seconds: seconds))
        case .encode, .preview:
            result = .pieceResult(PieceReport(worker: worker, lease: grant.lease, digest: digest))
        }
        sent.append(result)
        if !chance(5) { event(result) }
    }

    static func digest(_ grant: Grant) -> String {
        if case .train(let trial) = grant.lease.work { return "\(trial) \(grant.fromStep)" }
        return "\(grant.lease.work)"
    }

    private mutating func resendSomething() {
        if let result = sent.randomElement(using: &random) { event(result) }
    }

    private mutating func failSomething() {
        guard let worker = someone(), let id = processes[worker]?.held.first?.grant.lease else { return }
        processes[worker]?.drop(id)
        let kind: FailureKind = chance(10) ? .input : chance(20) ? .cancelled : chance(20) ? .unable : .internal
        event(.leaseFailed(worker, id, kind, message: "made up"))
    }

    private mutating func command() {
        guard let study = disk.keys.sorted().randomElement(using: &random), let facts = disk[study] else { return }
        let trial = TrialID(study: study, index: Int.random(in: 0..<facts.plan.trialCount, using: &random))
        switch Int.random(in: 0..<30, using: &random) {
        case 0: event(.studyCancelled(study))
        case 1: event(.trialPruned(trial, reason: "made up"))
        case 2: if let worker = someone() { event(.workerDrained(worker)) }
        case 3..<10: event(.trialPaused(trial))
        case 10..<13: event(.studyPaused(study))
        case 13..<19: event(.studyResumed(study))
        case 19..<23: event(.studyPrioritized(study, Int.random(in: -2...2, using: &random)))
        default: event(.trialResumed(trial))
        }
    }

    mutating func restart() {
        queue = []
        open = [:]
        granted = [:]
        now = now + .milliseconds(Int64.random(in: 0..<30_000, using: &random))
        coordinator = Coordinator(restoring: disk.values.sorted { $0.plan.id < $1.plan.id }, at: now)
        event(.tick)
        for worker in processes.keys.sorted() where chance(90) { hello(worker) }
    }
}
