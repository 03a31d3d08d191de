// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    mutating func hello(_ id: WorkerID, _ about: WorkerDescription, at now: Instant, _ actions: inout [Action]) {
        var worker = workers[id] ?? Worker(about: about, now: now)
        worker.about = about
        worker.hasReported = false
        workers[id] = worker
        heard(id, at: now, &actions)
        forgiveVanishing(of: id, &actions)
    }

    mutating func heartbeat(_ id: WorkerID, _ holding: [LeaseProgress], at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        heard(id, at: now, &actions)
        if !worker.hasReported {
            workers[id]?.hasReported = true
            let held = Set(holding.map(\.lease))
            for lease in worker.leases.sorted() where !held.contains(lease) {
                // It never received the grant, or dropped it: no reason to wait for the deadline.
                requeue(lease, reason: "its worker came back without it", &actions)
            }
        }
        show(id, holding, at: now, &actions)
    }

    mutating func goodbye(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        for lease in worker.leases.sorted() {
            requeue(lease, reason: "its worker left", &actions)
        }
        workers[id] = nil
    }

    /// Gives the worker a short while to reconnect, then it counts as lost.
    mutating func unreachable(_ id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id], worker.state != .lost, worker.goneAt == nil else { return }
        let deadline = now + settings.reclaim
        workers[id]?.goneAt = deadline
        change(id, to: .suspect, &actions)
        for lease in worker.leases {
            update(lease.trial) { trial in
                guard let held = trial.lease else { return }
                trial.lease?.isUnreachable = true
                trial.lease?.deadline = min(held.deadline, deadline)
            }
        }
    }

    mutating func drain(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        workers[id]?.isDraining = true
        if worker.state == .connected { change(id, to: .draining, &actions) }
    }

    /// Any word from a worker shows that it lives, however long it was given up for.
    mutating func heard(_ id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        workers[id]?.heard = now
        workers[id]?.goneAt = nil
        change(id, to: worker.isDraining ? .draining : .connected, &actions)
    }

    private mutating func change(_ id: WorkerID, to state: WorkerState, _ actions: inout [Action]) {
        guard let worker = workers[id], worker.state != state else { return }
        workers[id]?.state = state
        actions.append(.workerChanged(id, state))
    }

    /// Renews the leases that the worker shows, takes up those that nobody else got meanwhile, and calls off the rest.
    private mutating func show(_ id: WorkerID, _ holding: [LeaseProgress], at now: Instant, _ actions: inout [Action]) {
        var foreign: Set<LeaseID> = []
        for progress in holding {
            guard let trial = trial(progress.lease.trial) else {
                foreign.insert(progress.lease)
                actions.append(.cancelLease(id, progress.lease, reason: "there is no such trial"))
                continue
            }
            if let lease = trial.lease, lease.id == progress.lease, lease.worker == id {
                renew(progress, at: now)
            } else if canAdopt(progress, by: id, trial) {
                adopt(progress, by: id, at: now, &actions)
            } else {
                foreign.insert(progress.lease)
                actions.append(.cancelLease(id, progress.lease, reason: trial.refusal(of: progress.lease)))
            }
        }
        workers[id]?.foreign = foreign
    }

    private mutating func renew(_ progress: LeaseProgress, at now: Instant) {
        let deadline = now + settings.lease
        update(progress.lease.trial) { trial in
            guard let lease = trial.lease else { return }
            var believed = progress
            believed.step = min(max(progress.step, lease.fromStep), lease.toStep)
            trial.lease?.deadline = deadline
            trial.lease?.progress = believed
            trial.lease?.isUnreachable = false
        }
    }

    /// A lease whose time ran out, or which a restarted coordinator has forgotten, is still good if it is the trial's latest attempt.
    private func canAdopt(_ progress: LeaseProgress, by id: WorkerID, _ trial: Trial) -> Bool {
        guard isOpen(progress.lease.trial.study), trial.record.state == .waiting, trial.lease == nil, trial.pending == nil else {
            return false
        }
        guard progress.lease.attempt == trial.record.attempt, trial.failedAttempt < progress.lease.attempt else { return false }
        guard trial.attemptStart == trial.record.step else { return false }
        return workers[id]?.leases.isEmpty ?? false
    }

    private mutating func adopt(_ progress: LeaseProgress, by id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let trial = trial(progress.lease.trial), let end = segmentEnd(of: trial) else { return }
        workers[id]?.leases.insert(progress.lease)
        let deadline = now + settings.lease
        update(progress.lease.trial) { trial in
            trial.record.state = .running
            trial.reclaimUntil = nil
            trial.lease = Lease(id: progress.lease, worker: id, fromStep: trial.record.step, toStep: end, deadline: deadline)
        }
        renew(progress, at: now)
        record(progress.lease.trial, &actions)
    }

    /// A worker that comes back did not die: what was counted against its trials is taken back.
    private mutating func forgiveVanishing(of id: WorkerID, _ actions: inout [Action]) {
        for study in open {
            for trial in studies[study]?.trials ?? [] where trial.vanished.contains(id) {
                update(trial.record.trial) { trial in
                    trial.vanished.remove(id)
                    if !trial.record.state.isTerminal { trial.record.crashes = max(0, trial.record.crashes - 1) }
                }
                record(trial.record.trial, &actions)
            }
        }
    }
}

extension Trial {
    /// Why a lease that some worker shows is not in force.
    func refusal(of lease: LeaseID) -> String {
        if record.state.isTerminal { return "the trial is \(record.state.rawValue)" }
        if lease.attempt < record.attempt { return "the work was given to another worker (attempt \(record.attempt))" }
        if record.state == .paused { return "the trial is paused" }
        return "the trial is at step \(record.step) now"
    }
}
