// SPDX-License-Identifier: Apache-2.0

/// Who works on which open trial. Membership is kept from step to step, so that workers stay warm.
extension Coordinator {
    mutating func join(_ worker: WorkerID, _ id: TrialID) {
        guard boards[id] != nil else { return }
        boards[id]?.join(worker)
        updateWorker(worker) { $0.board = id }
        undealt.insert(id)
        isUnbalanced = true
        refreshHunger(of: id)
    }

    /// Takes a worker off its board; its slices go to others at once.
    ///
    /// - Parameter isCutOff: its connection broke; until more is known, it may have died of the slice that it was computing.
    mutating func leaveBoard(_ id: WorkerID, reason: String, isCutOff: Bool = false, _ actions: inout [Action]) {
        guard let worker = workers[id], let trial = worker.board, let board = boards[trial] else { return }
        let isAway = worker.state == .suspect || worker.state == .lost
        if isAway, board.phase == .open, let first = board.seats[id]?.queue.first, let plan = board.plan {
            if isCutOff { boards[trial]?.places[first].suspected.append(id) }
            updateWorker(id) { $0.suspectedOf = plan.work(first) }
        }
        for lease in (workers[id]?.leases ?? []).sorted() where lease.work.isSlice {
            actions.append(.cancelLease(id, lease, reason: reason))
            requeue(lease, reason: reason, &actions)
        }
        boards[trial]?.leave(id, at: latest)
        updateWorker(id) { $0.board = nil }
        undealt.insert(trial)
        isUnbalanced = true
        isUnassigned = true
        refreshHunger(of: trial)
        if boards[trial]?.emptySince != nil { timers.set(.board(trial), at: latest + settings.lease) }
    }

    mutating func dismissAll(from id: TrialID, reason: String, _ actions: inout [Action]) {
        for worker in boards[id]?.members ?? [] { leaveBoard(worker, reason: reason, &actions) }
    }

    /// Open trials without members are served like waiting ones.
    mutating func refreshHunger(of id: TrialID) {
        let isHungry = boards[id].map { $0.members.isEmpty && $0.isAccepting } ?? false
        guard let study = studies[id.study], study.hungry.contains(id.index) != isHungry else { return }
        updateStudy(id.study) { study in
            if isHungry { study.hungry.insert(id.index) } else { study.hungry.remove(id.index) }
        }
    }

    // MARK: - Helping

    /// Lets idle workers join open trials of one priority, each where it saves most.
    mutating func help(_ candidates: [TrialID]) {
        while !idle.isEmpty {
            var best: (trial: TrialID, worker: WorkerID, gain: Int, members: Int)?
            for id in candidates {
                guard let board = boards[id], board.hasRoom, isServing(id.study) else { continue }
                let (gain, members) = (board.gain, board.members.count)
                if let best, (best.gain, -best.members) >= (gain, -members) { continue }
                guard let worker = idleHelper(for: id) else { continue }
                best = (id, worker, gain, members)
            }
            guard let best else { return }
            join(best.worker, best.trial)
        }
    }

    private func idleHelper(for id: TrialID) -> WorkerID? {
        let needed = requiredClass(of: id)
        return idleWorker(of: needed, preferring: trial(id)?.lastWorker)
    }

    /// Moves members to where they save more than they cost, and from lower priorities to higher ones.
    mutating func balance(_ actions: inout [Action]) {
        guard isUnbalanced else { return }
        isUnbalanced = false
        for _ in 0..<Self.movesPerEvent {
            guard let move = bestMove() else { return }
            leaveBoard(move.worker, reason: "another trial gains more by it", &actions)
            join(move.worker, move.trial)
        }
        isUnbalanced = true
    }

    private static let movesPerEvent = 64

    private func bestMove() -> (worker: WorkerID, trial: TrialID)? {
        guard boards.count > 1 else { return nil }
        let donors = boards.values.filter { $0.members.count > 1 }
            .sorted { (priority($0.trial), $0.loss, $1.trial) < (priority($1.trial), $1.loss, $0.trial) }
        guard !donors.isEmpty else { return nil }
        let takers = boards.values.filter { $0.hasRoom && $0.gain > 0 && isServing($0.trial.study) }
            .sorted {
                (-priority($0.trial), -$0.gain, $0.members.count, $0.trial) < (-priority($1.trial), -$1.gain, $1.members.count, $1.trial)
            }
        for taker in takers {
            let needed = requiredClass(of: taker.trial)
            for donor in donors where donor.trial != taker.trial {
                let (its, other) = (priority(taker.trial), priority(donor.trial))
                guard other < its || (other == its && donor.loss < taker.gain) else { continue }
                let worker = donor.members.last { needed == nil || workers[$0]?.numericsClass == needed }
                if let worker { return (worker, taker.trial) }
            }
        }
        return nil
    }

    func priority(_ id: TrialID) -> Int { studies[id.study]?.priority ?? 0 }

    /// A member of an open trial that other work of `study` may have: of a trial with more members or a lower priority.
    ///
    /// - Parameter index: the trial that needs it; nil for a piece, which goes before the segments of its own study.
    mutating func recruit(
        for study: StudyID, trial index: Int?, numericsClass needed: String?, _ actions: inout [Action]
    ) -> WorkerID? {
        guard !boards.isEmpty, let key = studies[study]?.service else { return nil }
        typealias Rank = (Int, Int, Int, TrialID)
        var best: (worker: WorkerID, rank: Rank)?
        for board in boards.values {
            guard let donorKey = studies[board.trial.study]?.service, donorKey.priority <= key.priority else { continue }
            if board.members.count < 2 {
                // The last one only between two segments, when nothing is lost by it.
                guard board.phase == .opening else { continue }
                let isFirst = key != donorKey ? key < donorKey : index.map { $0 < board.trial.index } ?? true
                guard isFirst else { continue }
            }
            guard let worker = board.members.last(where: { needed == nil || workers[$0]?.numericsClass == needed }) else { continue }
            let rank: Rank = (donorKey.priority, board.loss, -board.members.count, board.trial)
            if let best, best.rank < rank { continue }
            best = (worker, rank)
        }
        guard let best else { return nil }
        leaveBoard(best.worker, reason: "other work comes first", &actions)
        return best.worker
    }
}
