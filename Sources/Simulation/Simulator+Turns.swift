// SPDX-License-Identifier: Apache-2.0

import Coordination

/// The coordinator's loop: one commit a turn, messages after it, and a new value after a commit that failed.
extension Simulator {
    mutating func start() {
        guard owner == nil else { return }
        epoch += 1
        sessions = [:]
        revive()
        turn { owner, now in owner.run(.tick, at: now) }
        for worker in workers.indices where workers[worker].isAlive {
            agenda.add(.connect(worker: worker), at: now + Int64(100 + random.below(1500)))
        }
    }

    /// A new coordinator value from what is on disk.
    private mutating func revive() {
        count()
        owner = Owner(studies, ledger: ledger, settings: settings, at: clock)
    }

    /// The disk refused: the coordinator's value is one that never heard of this turn.
    private mutating func startOver() {
        note(.diskRefusal)
        revive()
        let now = clock
        owner?.run(.storageRefused, at: now)
        if !isIntroducing { agenda.add(.introductions, at: self.now + 100) }
        isIntroducing = true
        schedule()
    }

    mutating func crash() {
        count()
        owner = nil
        epoch += 1
        sessions = [:]
        for worker in workers.indices { workers[worker].isConnected = false }
        agenda.add(.coordinatorStarts, at: now + Int64(50 + random.below(isCalm ? 1000 : 20_000)))
    }

    mutating func introduce() {
        isIntroducing = false
        for worker in sessions.values.sorted() { turn { [workers] owner, now in Self.hello(workers[worker], &owner, now) } }
    }

    mutating func tick() {
        guard nextTick.map({ $0 <= now }) ?? false else { return }
        nextTick = nil
        turn { owner, now in owner.run(.tick, at: now) }
    }

    /// What a worker said, and what others said at the same instant.
    mutating func turn(_ worker: Int, _ report: Report) {
        take(worker, report)
        while let next = agenda.takeReport(at: now) {
            if next.epoch == epoch { take(next.from, next.report) }
        }
        commit()
    }

    private mutating func turn(_ body: (inout Owner, Instant) -> Void) {
        guard var owner else { return }
        self.owner = nil
        body(&owner, clock)
        self.owner = owner
        commit()
    }

    private static func hello(_ worker: VirtualWorker, _ owner: inout Owner, _ now: Instant) {
        owner.run(.workerHello(worker.id, worker.description), at: now)
    }

    private mutating func take(_ number: Int, _ report: Report) {
        guard owner != nil else { return }
        let (worker, now) = (workers[number], clock)
        switch report {
        case .hello:
            sessions[worker.id] = number
            owner?.run(.workerHello(worker.id, worker.description), at: now)
            send(.welcome, to: number)
        case .heartbeat(let holding):
            if sessions[worker.id] == nil { return send(.sayHello, to: number) }
            // Forgotten after a long silence, but its session is open still.
            let isKnown = owner?.coordinator.knows(worker.id) ?? false
            if !isKnown { owner?.run(.workerHello(worker.id, worker.description), at: now) }
            owner?.run(.workerHeartbeat(worker.id, holding: holding), at: now)
        case .goodbye:
            sessions[worker.id] = nil
            owner?.run(.workerGoodbye(worker.id), at: now)
        case .unreachable:
            if !worker.isAlive { sessions[worker.id] = nil }
            owner?.run(.workerUnreachable(worker.id), at: now)
        case .segment(let report): owner?.run(.segmentResult(report), at: now)
        case .piece(let report): owner?.run(.pieceResult(report), at: now)
        case .slice(let report): owner?.run(.sliceResult(report), at: now)
        case .failed(let lease, let kind): owner?.run(.leaseFailed(worker.id, lease, kind, message: "made up"), at: now)
        }
    }

    mutating func command(_ event: Event) {
        turn { owner, now in owner.run(event, at: now) }
    }

    // MARK: - The commit

    private mutating func commit() {
        guard let owner, owner.failure == nil else { return }
        if !owner.staged.isEmpty {
            let number = report.commits
            report.commits += 1
            if shouldCrash(number, isAfter: false) { return crash() }
            if now < diskRefusesUntil {
                return startOver()
            }
            for write in owner.staged { ledger.apply(write, studies) }
            if shouldCrash(number, isAfter: true) { return crash() }
        }
        for report in owner.accepted where !ledger.has(report) { fail("acknowledged, but not on disk: \(report)") }
        for report in owner.acceptedPieces where !ledger.has(report) { fail("acknowledged, but not on disk: \(report)") }
        for work in owner.abandoned { ledger.abandon(work) }
        for (worker, order) in owner.outbox { deliver(order, to: worker) }
        self.owner?.committed()
        turns += 1
        let instant = clock
        if turns.isMultiple(of: options.workers > 20 ? 5000 : 16) { self.owner?.checkSnapshot(at: instant) }
        schedule()
    }

    private mutating func shouldCrash(_ commit: Int, isAfter: Bool) -> Bool {
        if let point = options.crashPoint { return point.commit == commit && point.isAfter == isAfter }
        guard crashes, !isCalm, random.oneIn(60) else { return false }
        note(.crash)
        return true
    }

    /// The next tick comes when the coordinator needs one.
    private mutating func schedule() {
        guard let due = owner?.coordinator.nextDue else { return }
        let at = max(now + 1, due.milliseconds - clockOffset)
        if let nextTick, nextTick <= at { return }
        nextTick = at
        agenda.add(.tick, at: at)
    }

    private mutating func deliver(_ order: Order, to id: WorkerID) {
        guard let number = sessions[id] else {
            if let number = numbers[id] { agenda.add(.report(from: number, .unreachable, epoch: epoch), at: now) }
            return
        }
        // A process that is gone shows when something is sent to it.
        if workers[number].isAlive {
            send(order, to: number)
        } else {
            agenda.add(.report(from: number, .unreachable, epoch: epoch), at: now)
        }
    }
}
