// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// The coordinator itself was stopped (a laptop asleep, a debugger): silence meanwhile is nobody's fault,
    /// so everyone gets one full lease from now.
    mutating func forgiveGap(at now: Instant) {
        let deadline = now + settings.lease
        for (id, worker) in workers where worker.state != .lost {
            updateWorker(id) { worker in
                worker.heard = now
                if worker.goneAt != nil { worker.goneAt = deadline }
            }
        }
        for id in leases.keys { leases[id]?.deadline = deadline }
        for (id, study) in studies where study.state == .running {
            if study.encoding.notBefore != nil { studies[id]?.encoding.notBefore = deadline }
            for trial in study.trials where trial.notBefore != nil { update(trial.record.trial) { $0.notBefore = deadline } }
        }
        for id in boards.keys { boards[id]?.forgiveGap(at: now) }
    }

    /// Looks after everything whose time has come.
    mutating func expire(at now: Instant, _ actions: inout [Action]) {
        if let until = storageBlockedUntil, now >= until {
            storageBlockedUntil = nil
            isUnassigned = true
        }
        while let timer = timers.take(until: now) {
            switch timer.subject {
            case .worker(let id):
                if workers[id]?.wakeAt == timer.at { inspect(id, at: now, &actions) }
            case .trial(let id):
                guard let until = trial(id)?.notBefore else { break }
                if until <= now { update(id) { $0.notBefore = nil } } else { timers.set(timer.subject, at: until) }
            case .study(let id):
                guard let until = studies[id]?.encoding.notBefore else { break }
                if until <= now { updateStudy(id) { $0.encoding.notBefore = nil } } else { timers.set(timer.subject, at: until) }
            case .board(let id):
                inspect(board: id, at: now, &actions)
            }
        }
    }

    /// The worker is looked at by `instant` at the latest.
    mutating func wake(_ id: WorkerID, by instant: Instant) {
        guard let worker = workers[id] else { return }
        if let wakeAt = worker.wakeAt, wakeAt <= instant { return }
        updateWorker(id) { $0.wakeAt = instant }
        timers.set(.worker(id), at: instant)
    }

    /// Silence makes a worker suspect, then lost; a lost worker's leases, and leases past their deadline, go back to the queue.
    private mutating func inspect(_ id: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        updateWorker(id) { $0.wakeAt = nil }
        let silence = now - worker.heard
        if worker.state == .lost {
            if silence >= settings.forgetAfter { return forget(id) }
        } else if silence >= settings.lease || worker.goneAt.map({ $0 <= now }) ?? false {
            lose(id, &actions)
        } else {
            if silence >= settings.suspectAfter, worker.state != .suspect {
                change(id, to: .suspect, &actions)
                leaveBoard(id, reason: "its worker is silent", &actions)
            }
            for lease in worker.leases.sorted() {
                guard let held = leases[lease], held.deadline <= now else { continue }
                actions.append(.cancelLease(id, lease, reason: "no heartbeat showed it before its deadline"))
                requeue(lease, reason: "its worker no longer shows it", &actions)
            }
        }
        if let due = due(of: id) { wake(id, by: due) }
    }

    /// When the worker has to be looked at next, if nothing is heard of it.
    private func due(of id: WorkerID) -> Instant? {
        guard let worker = workers[id] else { return nil }
        switch worker.state {
        case .lost: return worker.heard + settings.forgetAfter
        case .suspect, .connected, .draining:
            let silent = worker.heard + (worker.state == .suspect ? settings.lease : settings.suspectAfter)
            let deadlines = worker.leases.compactMap { leases[$0]?.deadline }
            return min(silent, worker.goneAt ?? silent, deadlines.min() ?? silent)
        }
    }

    private mutating func lose(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        // What it said to compute; a grant that it never showed did not kill it.
        let shown = worker.leases.sorted().compactMap { leases[$0] }.first { !$0.id.work.isSlice && $0.progress != nil }
        change(id, to: .lost, &actions)
        updateWorker(id) { worker in
            worker.goneAt = nil
            worker.foreign = []
            worker.unfinished = shown
        }
        leaveBoard(id, reason: "its worker is lost", &actions)
        if let work = workers[id]?.suspectedOf { acquit(id, of: work) }
        for lease in worker.leases.sorted() { requeue(lease, reason: "worker \(worker.about.name) is lost", &actions) }
        // A study may have waited for its class.
        isUnassigned = true
        noteLoss(of: id, &actions)
    }
}
