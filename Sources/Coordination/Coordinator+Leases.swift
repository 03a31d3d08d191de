// SPDX-License-Identifier: Apache-2.0

/// Leases of every kind: how they begin, are renewed, and end.
extension Coordinator {
    /// Heartbeats that a worker rests whose machine could not do its work.
    private static let rest = 5

    mutating func grant(_ id: LeaseID, to worker: WorkerID, from: Int, to end: Int, at now: Instant, _ actions: inout [Action]) {
        begin(Lease(id: id, worker: worker, fromStep: from, toStep: end, granted: now, deadline: now + settings.lease))
        actions.append(.grant(Grant(worker: worker, lease: id, fromStep: from, toStep: end)))
    }

    mutating func begin(_ lease: Lease) {
        leases[lease.id] = lease
        updateWorker(lease.worker) { $0.leases.insert(lease.id) }
        wake(lease.worker, by: lease.deadline)
    }

    mutating func renew(_ progress: LeaseProgress, at now: Instant) {
        guard let lease = leases[progress.lease] else { return }
        var believed = progress
        believed.step = min(max(progress.step, lease.fromStep), lease.toStep)
        leases[lease.id]?.deadline = now + settings.lease
        leases[lease.id]?.progress = believed
    }

    /// Ends the lease without a word; its work waits for another one.
    mutating func drop(_ id: LeaseID) {
        guard let lease = leases.removeValue(forKey: id) else { return }
        updateWorker(lease.worker) { $0.leases.remove(id) }
        switch id.work {
        case .train(let trial):
            update(trial) { trial in
                trial.lease = nil
                if trial.record.state == .running { trial.record.state = .waiting }
            }
        case .gradient(let trial, _, let slice), .evaluate(let trial, _, let slice):
            boards[trial]?.release(slice, lease: id, worker: lease.worker, at: latest)
            undealt.insert(trial)
        case .encode(let study, let part):
            updateStudy(study) { $0.encoding.update(part) { $0.lease = nil } }
        case .preview(let trial, _):
            updateStudy(trial.study) { $0.previews.lease = nil }
        }
    }

    /// Ends the lease and tells its worker.
    mutating func cancel(_ id: LeaseID, telling reason: String, _ actions: inout [Action]) {
        guard let lease = leases[id] else { return }
        actions.append(.cancelLease(lease.worker, id, reason: reason))
        drop(id)
    }

    /// Ends the lease without a word to its worker, and notes that its work waits for another one.
    mutating func requeue(_ id: LeaseID, reason: String, _ actions: inout [Action]) {
        guard leases[id] != nil else { return }
        drop(id)
        actions.append(.requeued(id, reason: reason))
        if case .train(let trial) = id.work { record(trial, &actions) }
    }

    mutating func leaseFailed(
        _ worker: WorkerID, _ id: LeaseID, _ kind: FailureKind, _ message: String, at now: Instant, _ actions: inout [Action]
    ) {
        heard(worker, at: now, &actions)
        updateWorker(worker) { worker in
            worker.foreign.remove(id)
            if kind == .unable { worker.restingBeats = Self.rest }
        }
        if kind == .unable, workers[worker]?.board != nil {
            if leases[id]?.worker == worker { requeue(id, reason: message, &actions) }
            leaveBoard(worker, reason: "its worker could not do its work", &actions)
        }
        if case .train(let trial) = id.work {
            trainingFailed(worker, id, of: trial, kind, message, &actions)
            return
        }
        guard leases[id]?.worker == worker else { return }
        if kind == .cancelled { return requeue(id, reason: "its worker stopped it", &actions) }
        if kind == .unable { return requeue(id, reason: message, &actions) }
        switch id.work {
        case .train: break
        case .gradient(let trial, let step, let slice), .evaluate(let trial, let step, let slice):
            sliceFailed(id, of: trial, step: step, slice: slice, worker, kind, message, &actions)
        case .encode(let study, let part):
            encodingFailed(id, of: study, part: part, isLasting: kind != .internal, message, &actions)
        case .preview(let trial, let step):
            previewFailed(id, of: trial, step: step, isLasting: kind != .internal, message, &actions)
        }
    }

    private mutating func trainingFailed(
        _ worker: WorkerID, _ id: LeaseID, of trialID: TrialID, _ kind: FailureKind, _ message: String, _ actions: inout [Action]
    ) {
        guard let trial = trial(trialID), isOpen(trialID.study), !trial.record.state.isTerminal else { return }
        // Nobody else has the work: an answer after the deadline, or after a restart, is as good as one in time.
        let isCurrent = trial.lease.map { $0 == id && leases[$0]?.worker == worker } ?? (trial.record.attempt == id.attempt)
        guard isCurrent, trial.failedAttempt < id.attempt, trial.pending == nil else { return }
        update(trialID) { $0.failedAttempt = id.attempt }
        switch kind {
        case .input, .numeric:
            drop(id)
            end(trialID, as: .failed, reason: message, &actions)
        case .internal:
            trainingCrashed(id, of: trialID, reason: message, &actions)
        case .cancelled:
            requeue(id, reason: "its worker stopped it", &actions)
        case .unable:
            requeue(id, reason: message, &actions)
        }
    }

    mutating func trainingCrashed(_ id: LeaseID, of trialID: TrialID, reason: String, _ actions: inout [Action]) {
        guard let trial = trial(trialID) else { return }
        let isHeld = leases[id] != nil
        drop(id)
        let steps = "steps \(trial.record.step) to \(segmentEnd(of: trial) ?? trial.record.step)"
        guard countCrash(trialID, crashes: trial.record.crashes + 1, what: steps, reason: reason, &actions) else { return }
        if isHeld { actions.append(.requeued(id, reason: reason)) }
        record(trialID, &actions)
    }
}
