// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    mutating func hello(_ id: WorkerID, _ about: WorkerDescription, at now: Instant, _ actions: inout [Action]) {
        if workers[id] == nil {
            workers[id] = Worker(about: about, now: now)
            noteSuccessor(id, &actions)
        } else {
            // It gets slices again when it has said what it holds.
            leaveBoard(id, reason: "its worker came back", &actions)
            updateWorker(id) { worker in
                worker.about = about
                worker.hasReported = false
                worker.answered = nil
            }
        }
        heard(id, at: now, &actions)
        wake(id, by: now + settings.suspectAfter)
        forgiveVanishing(of: id, &actions)
        if workers[id]?.isDraining ?? false { actions.append(.drain(id)) }
    }

    mutating func heartbeat(_ id: WorkerID, _ holding: [LeaseProgress], at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        heard(id, at: now, &actions)
        if worker.restingBeats > 0 { updateWorker(id) { $0.restingBeats -= 1 } }
        if !worker.hasReported {
            updateWorker(id) { $0.hasReported = true }
            let held = Set(holding.map(\.lease))
            for lease in worker.leases.sorted() where !held.contains(lease) {
                // It never received the grant, or dropped it: no reason to wait for the deadline.
                requeue(lease, reason: "its worker came back without it", &actions)
            }
        }
        show(id, holding, at: now, &actions)
        // It should have left by now: the order got lost, perhaps.
        if worker.isDraining, holding.isEmpty { actions.append(.drain(id)) }
    }

    mutating func goodbye(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        leaveBoard(id, reason: "its worker left", &actions)
        for lease in worker.leases.sorted() {
            requeue(lease, reason: "its worker left", &actions)
        }
        forget(id)
    }

    /// Gives the worker a short while to reconnect, then it counts as lost.
    mutating func unreachable(_ id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id], worker.state != .lost, worker.goneAt == nil else { return }
        let deadline = now + settings.reclaim
        updateWorker(id) { $0.goneAt = deadline }
        change(id, to: .suspect, &actions)
        for lease in worker.leases {
            if let held = leases[lease] { leases[lease]?.deadline = min(held.deadline, deadline) }
        }
        wake(id, by: deadline)
        leaveBoard(id, reason: "the connection to its worker broke", isCutOff: true, &actions)
    }

    mutating func drain(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id], !worker.isDraining else { return }
        updateWorker(id) { $0.isDraining = true }
        if worker.state == .connected { change(id, to: .draining, &actions) }
        leaveBoard(id, reason: "its worker is drained", &actions)
        actions.append(.drain(id))
    }

    /// Any word from a worker shows that it lives, however long it was given up for.
    mutating func heard(_ id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        updateWorker(id) { worker in
            worker.heard = now
            worker.goneAt = nil
            worker.suspectedOf = nil
            worker.unfinished = nil
        }
        if let work = worker.suspectedOf { acquit(id, of: work) }
        let state: WorkerState = worker.isDraining ? .draining : .connected
        guard worker.state != state else { return }
        change(id, to: state, &actions)
        wake(id, by: now + settings.suspectAfter)
    }

    /// The slice waits no longer for what has become of its worker.
    mutating func acquit(_ id: WorkerID, of work: Work) {
        guard let trial = work.trial, let slice = boards[trial]?.slice(of: work) else { return }
        boards[trial]?.places[slice].suspected.removeAll { $0 == id }
        undealt.insert(trial)
    }

    mutating func change(_ id: WorkerID, to state: WorkerState, _ actions: inout [Action]) {
        guard let worker = workers[id], worker.state != state else { return }
        updateWorker(id) { $0.state = state }
        actions.append(.workerChanged(id, state))
    }

    /// Renews the leases that the worker shows, takes up those that nobody else got meanwhile, and calls off the rest.
    private mutating func show(_ id: WorkerID, _ holding: [LeaseProgress], at now: Instant, _ actions: inout [Action]) {
        var foreign: Set<LeaseID> = []
        for progress in holding {
            if leases[progress.lease]?.worker == id {
                renew(progress, at: now)
            } else if adopt(progress, by: id, at: now, &actions) {
                continue
            } else {
                // A slice was called off a moment ago, most likely, and a result answered: no reason to keep the worker waiting.
                if progress.lease == workers[id]?.answered { continue }
                if !progress.lease.work.isSlice { foreign.insert(progress.lease) }
                actions.append(.cancelLease(id, progress.lease, reason: refusal(of: progress.lease)))
            }
        }
        if !foreign.isEmpty { leaveBoard(id, reason: "its worker holds other work", &actions) }
        updateWorker(id) { $0.foreign = foreign }
    }

    /// A lease whose time ran out, or which a restarted coordinator has forgotten, is still good if nobody else has its work.
    private mutating func adopt(_ progress: LeaseProgress, by id: WorkerID, at now: Instant, _ actions: inout [Action]) -> Bool {
        guard let worker = workers[id], worker.leases.isEmpty, worker.board == nil else { return false }
        let lease = progress.lease
        let end: Int
        switch lease.work {
        case .train(let trialID):
            guard let trial = trial(trialID), canAdopt(lease, trial, numericsClass: worker.numericsClass),
                let last = segmentEnd(of: trial)
            else { return false }
            end = last
            bind(trialID, to: worker.numericsClass, &actions)
            update(trialID) { trial in
                trial.record.state = .running
                trial.notBefore = nil
                trial.lease = lease
                trial.lastWorker = id
            }
            record(trialID, &actions)
        case .encode(let study, let part):
            guard isServing(study), studies[study]?.encoding.todo.contains(part) ?? false,
                requiredClass(of: study).map({ $0 == worker.numericsClass }) ?? true
            else { return false }
            end = 0
            bind(study, to: worker.numericsClass, &actions)
            updateStudy(study) { study in
                study.encoding.update(part) { $0.lease = lease }
                study.encoding.attempts = max(study.encoding.attempts, lease.attempt)
            }
        case .preview(let trial, let step):
            let key = Previews.Key(trial: trial.index, step: step)
            guard let study = studies[trial.study], !study.isPaused, study.previews.lease == nil, let entry = study.previews.entry(key),
                entry.pending == nil
            else { return false }
            end = step
            updateStudy(trial.study) { study in
                study.previews.lease = lease
                study.previews.attempts = max(study.previews.attempts, lease.attempt)
            }
        case .gradient, .evaluate:
            return false
        }
        let from = if case .train(let trial) = lease.work { self.trial(trial)?.record.step ?? 0 } else { end }
        begin(Lease(id: lease, worker: id, fromStep: from, toStep: end, granted: now, deadline: now + settings.lease))
        renew(progress, at: now)
        return true
    }

    private func canAdopt(_ lease: LeaseID, _ trial: Trial, numericsClass: String) -> Bool {
        let id = trial.record.trial
        guard isServing(id.study), let study = studies[id.study], study.plan.parallelism == .trials, study.encoding.isComplete else {
            return false
        }
        guard trial.record.state == .waiting, trial.lease == nil, trial.pending == nil else { return false }
        guard lease.attempt == trial.record.attempt, trial.failedAttempt < lease.attempt else { return false }
        return trial.attemptStart == trial.record.step && requiredClass(of: id).map { $0 == numericsClass } ?? true
    }

    /// Why a lease that some worker shows is not in force.
    private func refusal(of lease: LeaseID) -> String {
        guard let trialID = lease.work.trial else { return "nobody waits for it any more" }
        guard let trial = trial(trialID) else { return "there is no such trial" }
        if trial.record.state.isTerminal { return "the trial is \(trial.record.state.rawValue)" }
        guard case .train = lease.work else { return "nobody waits for it any more" }
        if lease.attempt < trial.record.attempt { return "the work was given to another worker (attempt \(trial.record.attempt))" }
        if trial.record.state == .paused { return "the trial is paused" }
        if studies[trialID.study]?.isPaused ?? false { return "the study is paused" }
        return "the trial is at step \(trial.record.step) now"
    }
}
