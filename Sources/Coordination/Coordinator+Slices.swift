// SPDX-License-Identifier: Apache-2.0

/// The slices of open steps: who computes which, and what becomes of the answers.
extension Coordinator {
    // MARK: - Handing out

    mutating func deal(at now: Instant, _ actions: inout [Action]) {
        guard !undealt.isEmpty else { return }
        for id in undealt.sorted() {
            guard let board = boards[id], board.phase == .open, board.isAccepting, !board.members.isEmpty else { continue }
            if board.free.count == board.places.count {
                dealShares(board, at: now, &actions)
            } else if !board.free.isEmpty {
                dealFree(board, at: now, &actions)
            }
            relieve(id, at: now, &actions)
        }
        undealt = []
    }

    /// A new step: every member gets its share at once, the same one as before while the members stay the same.
    private mutating func dealShares(_ board: Board, at now: Instant, _ actions: inout [Action]) {
        let (slices, shares) = (board.places.count, min(board.members.count, board.places.count))
        for (place, worker) in board.members.prefix(shares).enumerated() {
            for slice in place * slices / shares..<(place + 1) * slices / shares where mayBeGranted(slice, of: board) {
                grantSlice(slice, of: board.trial, to: worker, at: now, &actions)
            }
        }
    }

    /// Slices that lost their worker go to whoever has least to do; to one that has not failed at them, if there is one.
    private mutating func dealFree(_ board: Board, at now: Instant, _ actions: inout [Action]) {
        for slice in board.free.sorted() where mayBeGranted(slice, of: board) {
            guard let seats = boards[board.trial]?.seats else { return }
            let failed = board.places[slice].failedBy
            let worker = board.members.min { left, right in
                let (leftFailed, rightFailed) = (failed.contains(left), failed.contains(right))
                if leftFailed != rightFailed { return rightFailed }
                let (leftWork, rightWork) = (work(of: left, seats), work(of: right, seats))
                return leftWork < rightWork
            }
            if let worker { grantSlice(slice, of: board.trial, to: worker, at: now, &actions) }
        }
    }

    /// Seconds of work that a member has before it.
    private func work(of worker: WorkerID, _ seats: [WorkerID: Board.Seat]) -> Double {
        Double(seats[worker]?.queue.count ?? 0) * (workers[worker]?.sliceSeconds ?? 1e-3)
    }

    /// A slice whose workers seem to die of it waits until that is known: it must not take the whole fleet along.
    private func mayBeGranted(_ slice: Int, of board: Board) -> Bool {
        board.places[slice].crashes + board.places[slice].suspected.count < settings.crashLimit
    }

    private mutating func grantSlice(_ slice: Int, of id: TrialID, to worker: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let plan = boards[id]?.plan, let attempt = trial(id).map({ $0.sliceAttempts + 1 }) else { return }
        update(id) { $0.sliceAttempts = attempt }
        let lease = LeaseID(plan.work(slice), attempt: attempt)
        boards[id]?.granted(lease, slice: slice, to: worker, at: now)
        grant(lease, to: worker, from: plan.step, to: plan.step, at: now, &actions)
    }

    // MARK: - Relieving slow members

    /// Members that are done take over what others have not begun, if they would be done sooner; then what takes far too long.
    private mutating func relieve(_ id: TrialID, at now: Instant, _ actions: inout [Action]) {
        guard let board = boards[id], board.isBusy else { return }
        // Nothing to take over, and stragglers are watched already.
        if board.backlog == 0, board.checkAt != nil { return }
        var resting = board.members.filter { board.seats[$0]?.queue.isEmpty ?? false }
        guard !resting.isEmpty else { return }
        resting.sort { (pace(of: $0), $0) < (pace(of: $1), $1) }
        while let worker = resting.first, boards[id]?.backlog ?? 0 > 0, let slice = slowestTail(of: id, for: worker, at: now) {
            resting.removeFirst()
            for lease in boards[id]?.places[slice].leases ?? [] { cancel(lease, telling: "an idle worker takes it over", &actions) }
            grantSlice(slice, of: id, to: worker, at: now, &actions)
        }
        guard let patience = boards[id]?.patience(factor: settings.stragglerFactor) else { return }
        while !resting.isEmpty, let slice = overdue(of: id, patience, at: now) {
            let failed = boards[id]?.places[slice].failedBy ?? []
            let place = resting.firstIndex { !failed.contains($0) } ?? 0
            grantSlice(slice, of: id, to: resting.remove(at: place), at: now, &actions)
        }
        if !resting.isEmpty { watchStragglers(of: id, patience, at: now) }
    }

    private func pace(of worker: WorkerID) -> Double { workers[worker]?.sliceSeconds ?? .infinity }

    /// The last slice of the member that will be done last, if `helper` would be done with it well before.
    private func slowestTail(of id: TrialID, for helper: WorkerID, at now: Instant) -> Int? {
        guard let board = boards[id] else { return nil }
        let usual = board.sliceTime?.inSeconds
        func seconds(_ worker: WorkerID) -> Double { workers[worker]?.sliceSeconds ?? usual ?? 1 }
        var slowest: (slice: Int, end: Double)?
        for member in board.members {
            guard let seat = board.seats[member], seat.queue.count > 1, let tail = seat.queue.last else { continue }
            // The worker may have been computing its first one longer than it should: then it ends now at the earliest.
            let elapsed = usual == nil ? 0 : min((now - seat.started).inSeconds, seconds(member))
            let end = Double(seat.queue.count) * seconds(member) - elapsed
            if board.places[tail].leases.count == 1, slowest.map({ $0.end < end }) ?? true { slowest = (tail, end) }
        }
        return slowest.flatMap { $0.end > 1.5 * seconds(helper) ? $0.slice : nil }
    }

    /// The slice that has been computed longest, if that is too long.
    private func overdue(of id: TrialID, _ patience: Duration, at now: Instant) -> Int? {
        oldest(of: id).flatMap { $0.since + patience <= now ? $0.slice : nil }
    }

    /// What has been waited for longest: of each slice its latest worker counts.
    private func oldest(of id: TrialID) -> (slice: Int, since: Instant)? {
        guard let board = boards[id] else { return nil }
        var oldest: (slice: Int, since: Instant)?
        for member in board.members {
            guard let seat = board.seats[member], let slice = seat.queue.first else { continue }
            let lease = board.places[slice].leases.last
            guard lease.map({ leases[$0]?.worker == member }) ?? false else { continue }
            if oldest.map({ $0.since > seat.started }) ?? true { oldest = (slice, seat.started) }
        }
        return oldest
    }

    private mutating func watchStragglers(of id: TrialID, _ patience: Duration, at now: Instant) {
        guard boards[id]?.checkAt == nil, let since = oldest(of: id)?.since else { return }
        let due = max(since + patience, now + .milliseconds(1))
        boards[id]?.checkAt = due
        timers.set(.board(id), at: due)
    }

    // MARK: - Answers

    mutating func sliceResult(_ report: SliceReport, at now: Instant, _ actions: inout [Action]) {
        heard(report.worker, at: now, &actions)
        let id = report.lease.work.trial
        // Only workers that are known, and of the class that the trial's bits are of, may add to them.
        guard let id, report.lease.work.isSlice, let worker = workers[report.worker] else { return }
        guard let slice = boards[id]?.slice(of: report.lease.work) else { return }
        guard requiredClass(of: id).map({ $0 == worker.numericsClass }) ?? true else { return }
        if let kept = boards[id]?.places[slice].kept {
            return compareSlice(report, slice, of: id, with: kept, &actions)
        }
        boards[id]?.keep(slice, report, numericsClass: worker.numericsClass, at: now)
        updateWorker(report.worker) { worker in
            worker.keptSlices += 1
            if report.seconds.isFinite, report.seconds > 0 { worker.sliceSeconds = report.seconds }
        }
        actions.append(.keepSlice(report))
        for lease in boards[id]?.places[slice].leases ?? [] {
            if leases[lease]?.worker == report.worker {
                drop(lease)
            } else {
                cancel(lease, telling: "another worker's answer came first", &actions)
            }
        }
        undealt.insert(id)
        guard let board = boards[id], board.isComplete, let plan = board.plan else { return }
        boards[id]?.phase = .closing
        actions.append(.closeStep(plan))
    }

    private mutating func compareSlice(
        _ report: SliceReport, _ slice: Int, of id: TrialID, with kept: KeptPiece, _ actions: inout [Action]
    ) {
        if leases[report.lease]?.worker == report.worker { drop(report.lease) }
        guard kept.digest != report.digest, !kept.offered.contains(report.digest) else { return }
        guard mustAgree(report.worker, with: kept.numericsClass) else { return }
        boards[id]?.places[slice].kept?.offered.insert(report.digest)
        raiseAlarm(report.lease, kept: kept, offered: report.digest, by: report.worker, &actions)
        update(id) { $0.alarms += 1 }
    }

    func keptBy(_ kept: KeptPiece) -> WorkerID { kept.worker ?? WorkerID("unknown") }

    /// Two workers gave other bits for the same work: one of the machines is wrong.
    mutating func raiseAlarm(
        _ lease: LeaseID, kept: KeptPiece, offered: String, by worker: WorkerID, _ actions: inout [Action]
    ) {
        updateWorker(worker) { $0.alarms += 1 }
        actions.append(.pieceAlarm(lease, kept: kept.digest, keptBy: keptBy(kept), offered: offered, offeredBy: worker))
    }

    // MARK: - Failures

    /// A worker died while it computed a slice that nobody has answered since.
    mutating func sliceVanished(_ work: Work, _ worker: WorkerID, name: String, _ actions: inout [Action]) {
        guard let id = work.trial, let slice = boards[id]?.slice(of: work), let step = boards[id]?.plan?.step else { return }
        guard boards[id]?.places[slice].kept == nil else { return }
        update(id) { $0.vanished.insert(worker) }
        vanishings[worker, default: []].insert(work)
        let reason = "worker \(name) vanished while it computed it"
        sliceFailed(LeaseID(work, attempt: 0), of: id, step: step, slice: slice, worker, .internal, reason, &actions)
    }

    /// A slice could not be computed.
    mutating func sliceFailed(
        _ lease: LeaseID, of id: TrialID, step: Int, slice: Int, _ worker: WorkerID, _ kind: FailureKind, _ message: String,
        _ actions: inout [Action]
    ) {
        guard boards[id]?.slice(of: lease.work) == slice, boards[id]?.places[slice].kept == nil else { return drop(lease) }
        if kind == .input || kind == .numeric {
            drop(lease)
            return end(id, as: .failed, reason: message, &actions)
        }
        let isHeld = leases[lease] != nil
        drop(lease)
        undealt.insert(id)
        boards[id]?.places[slice].crashes += 1
        boards[id]?.places[slice].failedBy.append(worker)
        update(id) { $0.crashStep = step }
        let crashes = boards[id]?.places.map(\.crashes).max() ?? 1
        guard countCrash(id, crashes: crashes, what: "\(lease.work)", reason: message, &actions) else { return }
        if isHeld { actions.append(.requeued(lease, reason: message)) }
        record(id, &actions)
    }
}
