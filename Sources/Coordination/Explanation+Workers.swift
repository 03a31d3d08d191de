// SPDX-License-Identifier: Apache-2.0

/// Why a worker is where it is, in plain sentences.
extension Coordinator {
    /// Empty if there is no such worker.
    package func explain(worker id: WorkerID, now instant: Instant) -> [String] {
        guard let worker = workers[id] else { return [] }
        let now = max(instant, latest)
        let silence = now - worker.heard
        var lines = ["worker \(name(id)) is \(worker.state.rawValue); it was heard \(text(silence)) ago"]
        switch worker.state {
        case .connected: break
        case .draining: lines.append("it finishes what it has and leaves; it gets nothing new")
        case .suspect:
            let cause = worker.goneAt == nil ? "it is silent" : "its connection broke"
            let lost = worker.goneAt ?? worker.heard + settings.lease
            lines.append("\(cause): it gets nothing new, and is lost in \(text(lost - now)) unless it is heard")
        case .lost: lines.append("its work was given to others; it is welcome when it comes back")
        }
        for lease in worker.leases.sorted().compactMap({ leases[$0] }) { lines.append(holding(lease, at: now, named: false)) }
        if let board = worker.board, let names = boards[board]?.members {
            lines.append("it computes slices of trial \(board.index) of study \(name(of: board.study)), one of \(names.count)")
        }
        if worker.state == .connected, worker.leases.isEmpty { lines += idleness(worker, at: now) }
        if worker.alarms > 0 { lines.append("\(worker.alarms) of its results were other bits than another worker's for the same work") }
        return lines
    }

    private func idleness(_ worker: Worker, at now: Instant) -> [String] {
        if !worker.hasReported { return ["it has not said yet what it holds"] }
        if worker.restingBeats > 0 {
            return ["its machine could not do what it was given; it gets work again after \(worker.restingBeats) more heartbeats"]
        }
        if let foreign = worker.foreign.min() {
            return ["it still holds \(foreign), which is not in force; it gets work when it lets go of it"]
        }
        if let board = worker.board {
            guard let plan = boards[board]?.plan else { return ["the trial is being opened"] }
            return ["its share of step \(plan.step) is done; it waits for the others, or for what they cannot finish in time"]
        }
        if let until = storageBlockedUntil, now < until {
            return ["the ledger refused to write; nothing is granted for \(text(until - now))"]
        }
        let open = studies.values.filter { $0.state == .running }
        if open.isEmpty { return ["there is no study to work on"] }
        if open.allSatisfy(\.isPaused) { return ["every open study is paused"] }
        let served = open.filter(\.isServing)
        if let needed = served.filter({ $0.encoding.isWanting && $0.numericsClass != worker.numericsClass }).map(\.numericsClass).min() {
            return ["the pictures that wait are to be encoded in class \(needed); this worker is of class \(worker.numericsClass)"]
        }
        if served.contains(where: { !$0.encoding.isComplete }) {
            return ["pictures are being encoded; every part is taken, and trials start when all are done"]
        }
        let waiting = served.flatMap { $0.ready.keys }.filter { !$0.isEmpty && $0 != worker.numericsClass }
        if let needed = waiting.min() {
            return ["the trials that wait were begun in class \(needed); this worker is of class \(worker.numericsClass)"]
        }
        if served.contains(where: { ($0.counts[.waiting] ?? 0) > 0 }) { return ["the trials that wait are held back for a moment"] }
        return ["every trial has as many workers as can help it"]
    }

    // MARK: - Phrases

    /// Who holds a lease, since when, and how far it is.
    func holding(_ lease: Lease, at now: Instant, named: Bool = true) -> String {
        let holder = named ? "worker \(name(lease.worker)) holds" : "it holds"
        let since = "\(holder) \(lease.id) since \(text(now - lease.granted))"
        guard case .train = lease.id.work else { return since }
        guard let progress = lease.progress else {
            return "\(since), steps \(lease.fromStep) to \(lease.toStep); no heartbeat showed it yet"
        }
        let stalled = progress.isStalled ? "; it is stalled" : ""
        return "\(since), at step \(progress.step) of \(lease.fromStep) to \(lease.toStep)\(stalled)"
    }

    func name(_ id: WorkerID) -> String {
        guard let name = workers[id]?.about.name, !name.isEmpty else { return id.description }
        return name
    }

    func name(of id: StudyID) -> String { studies[id]?.plan.name ?? id.description }

    func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.wholeMilliseconds) / 1000
        if seconds < 120 { return "\(seconds) s" }
        return seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
    }
}
