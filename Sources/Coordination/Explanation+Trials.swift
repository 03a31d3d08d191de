// SPDX-License-Identifier: Apache-2.0

/// Why a trial is where it is, in plain sentences.
extension Coordinator {
    /// Empty if there is no such trial.
    package func explain(trial id: TrialID, now instant: Instant) -> [String] {
        guard let trial = trial(id), let study = studies[id.study] else { return [] }
        let now = max(instant, latest)
        let place = "at step \(trial.record.step) of \(study.plan.steps)"
        var lines = ["trial \(id.index) of study \(study.plan.name) is \(trial.record.state.rawValue) \(place)"]
        switch trial.record.state {
        case .complete: if trial.record.step < study.plan.steps { lines.append("its worker ended it before its last step") }
        case .pruned, .failed: lines.append(trial.record.failure)
        case .paused: lines.append("it was paused by command, and goes on when it is resumed")
        case .running: lines += running(trial, at: now)
        case .waiting: lines += waiting(trial, study, at: now)
        }
        if trial.pending != nil { lines.append("the result up to its next checkpoint is on its way to the disk") }
        if let closing = trial.closing { lines.append("it is \(closing.state.rawValue) as soon as that is settled: \(closing.reason)") }
        lines += history(trial, study)
        return lines.filter { !$0.isEmpty }
    }

    private func running(_ trial: Trial, at now: Instant) -> [String] {
        if let lease = trial.lease.flatMap({ leases[$0] }) { return [holding(lease, at: now)] }
        guard let board = boards[trial.record.trial] else { return [] }
        var lines: [String] = []
        if board.members.isEmpty {
            lines.append("it is open, but no worker computes its slices\(missingClass(trial.record.trial))")
            if let since = board.emptySince, board.phase == .open || board.phase == .opening {
                lines.append("it goes back to its last segment in \(text(since + settings.lease - now)) unless one comes")
            }
        } else {
            let names = board.members.map(name).joined(separator: ", ")
            lines.append("\(board.members.count) \(board.members.count == 1 ? "worker computes" : "workers compute") its slices: \(names)")
        }
        switch board.phase {
        case .opening: lines.append("its state is being read")
        case .persisting: lines.append("its segment is on its way to the disk")
        case .refused: lines.append("the disk refused its segment; that is tried again")
        case .open, .closing:
            if let plan = board.plan {
                lines.append("\(plan.kind.rawValue) step \(plan.step): \(board.keptCount) of \(plan.slices) slices are done")
            }
            for (slice, place) in board.places.enumerated() where place.kept == nil && place.leases.count > 1 {
                lines.append("slice \(slice) takes long; \(place.leases.count) workers compute it, the first answer counts")
            }
        }
        return lines
    }

    private func waiting(_ trial: Trial, _ study: Study, at now: Instant) -> [String] {
        let id = trial.record.trial
        if study.state.isTerminal { return ["its study is \(study.state.rawValue)"] }
        if study.isPaused { return ["its study is paused"] }
        if !study.encoding.isComplete {
            let encoding = study.encoding
            let busy = encoding.parts.count { $0.lease != nil }
            let missing = busy == 0 && requiredClass(of: id.study) != nil ? "; they wait for a worker\(missingClass(id))" : ""
            return [
                "its pictures are being encoded: \(encoding.done) of \(encoding.parts.count) parts are on disk, \(busy) at work\(missing)"
            ]
        }
        if let until = trial.notBefore {
            let reason = study.plan.parallelism == .data ? "it is opened again" : "its last worker can claim its lease for"
            return ["\(reason) \(study.plan.parallelism == .data ? "in " : "")\(text(until - now))"]
        }
        if let until = storageBlockedUntil, now < until {
            return ["the ledger refused to write; nothing is granted for \(text(until - now))"]
        }
        var lines = ["it waits for a worker\(missingClass(id))"]
        let ahead = wanting.filter { $0 < study.service }
        if let first = ahead.first {
            let others = ahead.count == 1 ? "study \(name(of: first.study))" : "\(ahead.count) studies"
            lines.append("\(others) with work to hand out \(ahead.count == 1 ? "comes" : "come") first, by priority or submission")
        }
        let earlier = study.ready.values.reduce(0) { $0 + $1.count(below: id.index) }
        if earlier > 0 {
            lines.append("\(earlier) \(earlier == 1 ? "trial" : "trials") of its own study \(earlier == 1 ? "is" : "are") served before it")
        }
        return lines
    }

    /// Why no worker that is there would do; empty if one would.
    private func missingClass(_ id: TrialID) -> String {
        let connected = workers.values.filter { $0.state == .connected || $0.state == .suspect }
        if connected.isEmpty { return "; none is connected" }
        guard let needed = requiredClass(of: id) else { return "" }
        let others = connected.filter { $0.numericsClass != needed }.count
        guard others == connected.count else { return " of class \(needed)" }
        return
            " of class \(needed), in which it was begun; the \(others) connected \(others == 1 ? "worker is" : "workers are") of other classes"
    }

    private func history(_ trial: Trial, _ study: Study) -> [String] {
        var lines: [String] = []
        if trial.record.crashes > 0, !trial.record.state.isTerminal {
            lines.append("\(trial.record.crashes) of at most \(settings.crashLimit) crashes since it last made progress")
        }
        if !trial.boundClass.isEmpty, !study.plan.mixesClasses { lines.append("its bits are of class \(trial.boundClass)") }
        if trial.alarms > 0 { lines.append("\(trial.alarms) \(trial.alarms == 1 ? "result" : "results") contradicted an accepted one") }
        let previews = study.previews.wanted.count { $0.key.trial == trial.record.trial.index }
        if previews > 0 { lines.append("\(previews) of its previews \(previews == 1 ? "is" : "are") still to be made") }
        return lines
    }
}

extension IndexQueue {
    /// How many are lower than `index`.
    fileprivate func count(below index: Int) -> Int {
        var found = 0
        var next = first
        while let number = next, number < index {
            found += 1
            next = first(after: number)
        }
        return found
    }
}
