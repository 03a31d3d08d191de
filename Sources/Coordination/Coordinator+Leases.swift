// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// Gives waiting trials to idle workers: studies by submission, trials by index, one lease a worker.
    mutating func assign(at now: Instant, _ actions: inout [Action]) {
        if let until = storageBlockedUntil {
            if now < until { return }
            storageBlockedUntil = nil
        }
        guard !open.isEmpty else { return }
        var idle = workers.filter {
            $0.value.state == .connected && $0.value.hasReported && $0.value.leases.isEmpty && $0.value.foreign.isEmpty
        }
        .keys.sorted(by: >)
        for study in open {
            for trial in studies[study]?.trials ?? [] {
                guard let first = idle.last else { return }
                guard trial.record.state == .waiting, trial.lease == nil, trial.pending == nil else { continue }
                if let until = trial.reclaimUntil, now < until { continue }
                guard let end = segmentEnd(of: trial) else { continue }
                let worker = idle.last { $0 == trial.lastWorker } ?? first
                idle.removeAll { $0 == worker }
                grant(trial, to: worker, until: end, at: now, &actions)
            }
        }
    }

    private mutating func grant(_ trial: Trial, to worker: WorkerID, until end: Int, at now: Instant, _ actions: inout [Action]) {
        let id = LeaseID(trial: trial.record.trial, attempt: trial.record.attempt + 1)
        let lease = Lease(id: id, worker: worker, fromStep: trial.record.step, toStep: end, deadline: now + settings.lease)
        update(id.trial) { trial in
            trial.record.attempt = id.attempt
            trial.attemptStart = trial.record.step
            trial.record.state = .running
            trial.reclaimUntil = nil
            trial.lease = lease
            trial.lastWorker = worker
        }
        workers[worker]?.leases.insert(id)
        actions.append(.grant(Grant(worker: worker, lease: id, fromStep: lease.fromStep, toStep: end)))
    }

    /// Ends the trial's lease, if it has one, and tells the worker; the trial waits again.
    mutating func revoke(_ id: TrialID, telling reason: String, _ actions: inout [Action]) {
        guard let lease = trial(id)?.lease else { return }
        actions.append(.cancelLease(lease.worker, lease.id, reason: reason))
        drop(lease)
    }

    /// Ends the lease without a word to its worker; the trial waits for another one.
    mutating func requeue(_ id: LeaseID, reason: String, _ actions: inout [Action]) {
        guard let trial = trial(id.trial), let lease = trial.lease, lease.id == id else { return }
        drop(lease)
        actions.append(.requeued(id.trial, fromStep: lease.fromStep, reason: reason))
        record(id.trial, &actions)
    }

    mutating func drop(_ lease: Lease) {
        workers[lease.worker]?.leases.remove(lease.id)
        update(lease.id.trial) { trial in
            trial.lease = nil
            if trial.record.state == .running { trial.record.state = .waiting }
        }
    }

    mutating func grantRefused(_ id: LeaseID, at now: Instant) {
        guard let lease = trial(id.trial)?.lease, lease.id == id else { return }
        drop(lease)
        storageBlockedUntil = now + settings.storageRetry
    }

    mutating func leaseFailed(
        _ worker: WorkerID, _ id: LeaseID, _ kind: FailureKind, _ message: String, at now: Instant, _ actions: inout [Action]
    ) {
        if workers[worker] != nil { heard(worker, at: now, &actions) }
        workers[worker]?.foreign.remove(id)
        guard let trial = trial(id.trial), isOpen(id.trial.study), !trial.record.state.isTerminal else { return }
        // Nobody else has the work: an answer after the deadline, or after a restart, is as good as one in time.
        let isCurrent = trial.lease.map { $0.id == id && $0.worker == worker } ?? (trial.record.attempt == id.attempt)
        guard isCurrent, trial.failedAttempt < id.attempt, trial.pending == nil else { return }
        update(id.trial) { $0.failedAttempt = id.attempt }
        switch kind {
        case .input, .numeric:
            if let lease = trial.lease { drop(lease) }
            end(id.trial, as: .failed, reason: message, &actions)
        case .internal:
            countCrash(id, reason: message, &actions)
        case .cancelled:
            requeue(id, reason: "its worker stopped it", &actions)
        }
    }

    /// One more crash on the same segment: the trial waits for another attempt, or fails when there were too many.
    mutating func countCrash(_ id: LeaseID, reason: String, _ actions: inout [Action]) {
        guard let trial = trial(id.trial) else { return }
        let crashes = trial.record.crashes + 1
        update(id.trial) { $0.record.crashes = crashes }
        guard crashes >= settings.crashLimit else {
            if trial.lease?.id == id {
                requeue(id, reason: reason, &actions)
            } else {
                record(id.trial, &actions)
            }
            return
        }
        if let lease = trial.lease { drop(lease) }
        let steps = "steps \(trial.record.step) to \(segmentEnd(of: trial) ?? trial.record.step)"
        end(
            id.trial, as: .failed, reason: "\(steps) crashed their worker \(crashes) times without progress; the last time: \(reason)",
            &actions)
    }
}
