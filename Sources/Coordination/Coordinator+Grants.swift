// SPDX-License-Identifier: Apache-2.0

/// Grants that never went out: the trouble of one trial must not be everybody's.
extension Coordinator {
    /// The disk refused the attempt number.
    mutating func grantRefused(_ id: LeaseID, at now: Instant) {
        guard leases[id] != nil else { return }
        drop(id)
        storageBlockedUntil = now + settings.storageRetry
    }

    /// The work cannot be put into a message: it fails for good, or waits for a while, a few times.
    mutating func grantImpossible(_ id: LeaseID, _ kind: FailureKind, _ message: String, at now: Instant, _ actions: inout [Action]) {
        guard leases[id] != nil else { return }
        let isLasting = kind == .input || kind == .numeric
        drop(id)
        switch id.work {
        case .train(let trial), .gradient(let trial, _, _), .evaluate(let trial, _, _):
            closeBoard(trial, reason: message, &actions)
            hold(trial, id.work, isLasting: isLasting, message, at: now, &actions)
        case .encode(let study, let part):
            encodingFailed(id, of: study, part: part, isLasting: isLasting, message, &actions)
            guard isOpen(study) else { return }
            let until = now + settings.storageRetry
            updateStudy(study) { $0.encoding.notBefore = until }
            timers.set(.study(study), at: until)
        case .preview(let trial, let step):
            previewFailed(id, of: trial, step: step, isLasting: isLasting, message, &actions)
        }
    }

    private mutating func hold(
        _ id: TrialID, _ work: Work, isLasting: Bool, _ message: String, at now: Instant, _ actions: inout [Action]
    ) {
        guard let trial = trial(id), !trial.record.state.isTerminal, trial.pending == nil else { return }
        let crashes = trial.record.crashes + 1
        if isLasting { return end(id, as: .failed, reason: message, &actions) }
        if crashes >= settings.crashLimit {
            return end(id, as: .failed, reason: "\(work) could not be handed out \(crashes) times; the last time: \(message)", &actions)
        }
        update(id) { $0.record.crashes = crashes }
        postpone(id, until: now + settings.storageRetry)
        record(id, &actions)
    }
}
