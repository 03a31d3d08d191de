// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// The coordinator itself was stopped (a laptop asleep, a debugger): silence meanwhile is nobody's fault,
    /// so everyone gets one full lease from now.
    mutating func forgiveGap(at now: Instant) {
        let deadline = now + settings.lease
        for (id, worker) in workers where worker.state != .lost {
            workers[id]?.heard = now
            if worker.goneAt != nil { workers[id]?.goneAt = deadline }
            for lease in worker.leases {
                update(lease.trial) { $0.lease?.deadline = deadline }
            }
        }
        for study in open {
            for index in studies[study]?.trials.indices ?? 0..<0 {
                update(TrialID(study: study, index: index)) { trial in
                    if trial.reclaimUntil != nil { trial.reclaimUntil = deadline }
                }
            }
        }
    }

    /// Silence makes a worker suspect, then lost; a lost worker's leases, and leases past their deadline, go back to the queue.
    mutating func expire(at now: Instant, _ actions: inout [Action]) {
        for id in workers.keys.sorted() {
            guard let worker = workers[id] else { continue }
            let silence = now - worker.heard
            if worker.state == .lost {
                if silence >= settings.forgetAfter { workers[id] = nil }
                continue
            }
            if silence >= settings.lease || worker.goneAt.map({ $0 <= now }) ?? false {
                lose(id, &actions)
                continue
            }
            if silence >= settings.suspectAfter, worker.state != .suspect {
                workers[id]?.state = .suspect
                actions.append(.workerChanged(id, .suspect))
            }
            for lease in worker.leases.sorted() {
                guard let held = trial(lease.trial)?.lease, held.deadline <= now else { continue }
                actions.append(.cancelLease(id, lease, reason: "no heartbeat showed it before its deadline"))
                requeue(lease, reason: "its worker no longer shows it", &actions)
            }
        }
    }

    private mutating func lose(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        workers[id]?.state = .lost
        workers[id]?.goneAt = nil
        workers[id]?.foreign = []
        actions.append(.workerChanged(id, .lost))
        for lease in worker.leases.sorted() {
            guard let held = trial(lease.trial)?.lease else { continue }
            if held.isUnreachable, held.progress != nil, trial(lease.trial)?.pending == nil {
                update(lease.trial) { $0.vanished.insert(id) }
                countCrash(lease, reason: "worker \(worker.about.name) vanished while it trained them", &actions)
            } else {
                requeue(lease, reason: "worker \(worker.about.name) is lost", &actions)
            }
        }
    }
}
