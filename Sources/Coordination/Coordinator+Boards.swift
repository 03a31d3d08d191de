// SPDX-License-Identifier: Apache-2.0

/// Trials of `parallel: data` studies, from opening to closing.
extension Coordinator {
    /// Opens the trial for its first member.
    mutating func open(_ id: TrialID, for worker: WorkerID, _ actions: inout [Action]) {
        guard let numericsClass = workers[worker]?.numericsClass else { return }
        bind(id, to: numericsClass, &actions)
        boards[id] = Board(id, numericsClass: numericsClass)
        update(id) { trial in
            trial.record.attempt += 1
            trial.record.state = .running
            trial.lastWorker = worker
        }
        record(id, &actions)
        actions.append(.openTrial(id))
        join(worker, id)
    }

    /// Forgets the open step; the trial waits at its last segment.
    mutating func closeBoard(_ id: TrialID, reason: String, _ actions: inout [Action]) {
        guard boards[id] != nil else { return }
        dismissAll(from: id, reason: reason, &actions)
        boards[id] = nil
        undealt.remove(id)
        refreshHunger(of: id)
        isUnbalanced = true
        update(id) { if $0.record.state == .running { $0.record.state = .waiting } }
        actions.append(.closeTrial(id))
    }

    mutating func stepOpened(_ plan: StepPlan, at now: Instant) {
        guard let board = boards[plan.trial], let trial = trial(plan.trial), board.canOpen(plan, recorded: trial.record.step) else {
            return
        }
        let width = board.width
        boards[plan.trial]?.open(plan, crashes: trial.crashStep == plan.step ? trial.record.crashes : 0, at: now)
        undealt.insert(plan.trial)
        if board.members.isEmpty { timers.set(.board(plan.trial), at: now + settings.lease) }
        if boards[plan.trial]?.width != width {
            isUnassigned = true
            isUnbalanced = true
        }
    }

    mutating func segmentComputed(_ report: SegmentReport, at now: Instant, _ actions: inout [Action]) {
        guard let board = boards[report.trial], board.phase == .closing, report.worker == .coordinator else { return }
        guard let trial = trial(report.trial), trial.pending == nil else { return }
        if let reason = refusal(of: report, trial) {
            return stepFailed(report.trial, .internal, message: "its slices do not add up: \(reason)", at: now, &actions)
        }
        boards[report.trial]?.phase = .persisting
        update(report.trial) { $0.pending = report }
        actions.append(.persist(report, .segment))
    }

    /// The segment is on disk: the trial goes on with the same members, or is closed.
    mutating func boardAccepted(_ id: TrialID, _ actions: inout [Action]) {
        guard let board = boards[id] else { return }
        guard trial(id)?.record.state == .running, board.isAccepting, !board.members.isEmpty, isServing(id.study) else {
            return closeBoard(id, reason: "the segment is on disk", &actions)
        }
        boards[id]?.phase = .opening
        actions.append(.openTrial(id))
        // Between two segments is the time to make room for what comes first.
        isUnassigned = true
    }

    /// The disk refused the segment.
    mutating func boardRefused(_ id: TrialID, at now: Instant, _ actions: inout [Action]) {
        guard let board = boards[id] else { return }
        guard trial(id)?.record.state == .running, board.isAccepting else {
            update(id) { $0.pending = nil }
            return closeBoard(id, reason: "the disk refused the segment", &actions)
        }
        boards[id]?.phase = .refused
        timers.set(.board(id), at: now + settings.storageRetry)
    }

    mutating func stepFailed(_ id: TrialID, _ kind: FailureKind, message: String, at now: Instant, _ actions: inout [Action]) {
        guard let board = boards[id], board.phase == .opening || board.phase == .closing, let trial = trial(id) else { return }
        let step = board.plan?.step ?? trial.record.step
        closeBoard(id, reason: message, &actions)
        switch kind {
        case .input, .numeric:
            return end(id, as: .failed, reason: message, &actions)
        case .internal:
            let crashes = (trial.crashStep ?? step) == step ? trial.record.crashes + 1 : 1
            update(id) { $0.crashStep = step }
            guard countCrash(id, crashes: crashes, what: "attempts at step \(step)", reason: message, &actions) else { return }
        case .cancelled, .unable:
            break
        }
        postpone(id, until: now + settings.storageRetry)
        record(id, &actions)
    }

    /// A board's time has come: stragglers, a disk that refused, or nobody to compute its slices for long.
    mutating func inspect(board id: TrialID, at now: Instant, _ actions: inout [Action]) {
        guard let board = boards[id] else { return }
        if let checkAt = board.checkAt, checkAt <= now {
            boards[id]?.checkAt = nil
            undealt.insert(id)
        }
        if board.phase == .refused, let report = trial(id)?.pending {
            if let until = storageBlockedUntil { return timers.set(.board(id), at: until) }
            boards[id]?.phase = .persisting
            actions.append(.persist(report, .segment))
        }
        guard let since = board.emptySince, trial(id)?.pending == nil, board.phase == .open || board.phase == .opening else { return }
        if since + settings.lease <= now {
            closeBoard(id, reason: "no worker computed its slices for long", &actions)
            record(id, &actions)
        }
    }
}
