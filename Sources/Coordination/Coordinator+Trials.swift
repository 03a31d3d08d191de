// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    mutating func pause(_ id: TrialID, _ actions: inout [Action]) {
        guard let trial = trial(id), trial.record.state == .waiting || trial.record.state == .running, isOpen(id.study) else { return }
        revoke(id, telling: "the trial was paused", &actions)
        update(id) { $0.record.state = .paused }
        record(id, &actions)
    }

    mutating func resume(_ id: TrialID, _ actions: inout [Action]) {
        guard let trial = trial(id), trial.record.state == .paused, isOpen(id.study) else { return }
        update(id) { $0.record.state = .waiting }
        record(id, &actions)
    }

    /// Ends a trial, or, while a result is on its way to the disk, arranges its end for when that is settled.
    mutating func end(_ id: TrialID, as state: TrialState, reason: String, _ actions: inout [Action]) {
        guard let trial = trial(id), !trial.record.state.isTerminal, isOpen(id.study) else { return }
        revoke(id, telling: reason, &actions)
        if trial.pending != nil {
            update(id) { $0.closing = (state, reason) }
            return
        }
        update(id) { trial in
            trial.record.state = state
            trial.record.failure = state == .complete ? "" : reason
            trial.closing = nil
        }
        forgetVanishings(of: id)
        record(id, &actions)
    }

    /// Ends what workers compute for the trial, and tells them; the trial waits again.
    mutating func revoke(_ id: TrialID, telling reason: String, _ actions: inout [Action]) {
        if boards[id] != nil {
            if trial(id)?.pending == nil {
                closeBoard(id, reason: reason, &actions)
            } else {
                // The owner keeps the numbers until the disk has them.
                dismissAll(from: id, reason: reason, &actions)
                boards[id]?.isAccepting = false
                refreshHunger(of: id)
                update(id) { if $0.record.state == .running { $0.record.state = .waiting } }
            }
        }
        if let lease = trial(id)?.lease { cancel(lease, telling: reason, &actions) }
    }

    func record(_ id: TrialID, _ actions: inout [Action]) {
        if let trial = trial(id) { actions.append(.recordTrial(trial.record)) }
    }

    /// The trial is not handed out before `instant`.
    mutating func postpone(_ id: TrialID, until instant: Instant) {
        update(id) { $0.notBefore = instant }
        timers.set(.trial(id), at: instant)
    }

    /// One more crash on the same segment or step; the trial fails if there were too many.
    ///
    /// - Returns: whether the trial may go on.
    mutating func countCrash(_ id: TrialID, crashes: Int, what: String, reason: String, _ actions: inout [Action]) -> Bool {
        update(id) { $0.record.crashes = crashes }
        if crashes < settings.crashLimit { return true }
        end(
            id, as: .failed, reason: "\(what) crashed their worker \(crashes) times without progress; the last time: \(reason)", &actions)
        return false
    }

    /// The trial made progress, or ended: whoever vanished before has nothing to take back.
    mutating func forgetVanishings(of id: TrialID) {
        guard let vanished = trial(id)?.vanished, !vanished.isEmpty else { return }
        for worker in vanished {
            vanishings[worker] = vanishings[worker]?.filter { $0.trial != id }
            if vanishings[worker]?.isEmpty ?? false { vanishings[worker] = nil }
        }
        update(id) { $0.vanished = [] }
    }
}
