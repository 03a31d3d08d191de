// SPDX-License-Identifier: Apache-2.0

@testable import Coordination

/// Carrying out actions, and checking that they are in order.
extension World {
    mutating func perform(_ action: Action) {
        switch action {
        case .grant(let grant): give(grant)
        case .persist(let report, let shelf): queue.append(.persist(report, shelf))
        case .persistPiece(let report): queue.append(.persistPiece(report))
        case .acknowledge(let report, let answer):
            if report.worker == .coordinator { fail("the coordinator's own segment was acknowledged") }
            check(answer, to: report)
            if !chance(5) { processes[report.worker]?.drop(report.lease) }
        case .acknowledgePiece(let report, let answer):
            check(answer, to: report)
            if !chance(5) { processes[report.worker]?.drop(report.lease) }
        case .openTrial, .keepSlice, .closeStep, .closeTrial: performOnBoard(action)
        case .cancelLease(let worker, let lease, _): if !chance(5) { processes[worker]?.drop(lease) }
        case .recordTrial(let record): change(record.trial) { $0 = record }
        case .recordStudy(let study, let priority, let isPaused):
            disk[study]?.priority = priority
            disk[study]?.isPaused = isPaused
        case .recordClass(let study, let numericsClass): disk[study]?.numericsClass = numericsClass
        case .studyFinished(let study, let state, let reason):
            if disk[study]?.state != .running { fail("study \(study) ended twice") }
            disk[study]?.state = state
            disk[study]?.failure = reason
        case .drain(let worker):
            // It gives back what it has, and goes.
            if processes[worker] != nil, chance(80) { processes[worker]?.held = [] }
        case .abandoned(let lease, _): abandoned.insert(lease.work)
        case .requeued, .workerChanged, .determinismAlarm: break
        case .pieceAlarm(_, let kept, _, let offered, _): if kept == offered { fail("an alarm about equal digests") }
        }
    }

    private mutating func give(_ grant: Grant) {
        guard let worker = coordinator.workers[grant.worker] else { return fail("\(grant) goes to nobody") }
        // Later actions of the same turn may have changed the worker; not in this direction.
        if worker.state != .connected, worker.leases.contains(grant.lease) { fail("\(grant.lease) goes to a \(worker.state) worker") }
        if case .train(let trial) = grant.lease.work {
            if grant.lease.attempt <= trained[trial] ?? 0 { fail("\(grant.lease) was granted before") }
            if chance(2) { return event(.grantNotPersisted(grant.lease)) }
            if chance(1) { return event(.grantImpossible(grant.lease, chance(10) ? .input : .internal, message: "made up")) }
            trained[trial] = grant.lease.attempt
            change(trial) { record in
                record.attempt = grant.lease.attempt
                record.state = .running
                record.step = grant.fromStep
            }
        } else {
            if grant.lease.attempt <= granted[grant.lease.work] ?? 0 { fail("\(grant.lease) was granted before") }
            granted[grant.lease.work] = grant.lease.attempt
        }
        if !chance(5) { processes[grant.worker]?.held.append((grant, grant.fromStep)) }
    }

    // MARK: - Boards

    private mutating func performOnBoard(_ action: Action) {
        switch action {
        case .openTrial(let id):
            guard let trial = disk[id.study]?.trials[id.index] else { return fail("\(id) is not there") }
            open[id] = OpenTrial()
            let step = trial.segments.last?.toStep ?? 0
            if chance(3) {
                let kind: FailureKind = chance(50) ? .internal : .cancelled
                queue.append(.event(.stepFailed(id, kind, message: "made up"), of: id))
            } else {
                let kind: StepPlan.Kind = step == 0 ? .evaluate : .gradient
                answer(id, StepPlan(trial: id, step: step, kind: kind, slices: slices(id, kind)))
            }
        case .keepSlice(let report):
            guard let id = report.lease.work.trial, let plan = open[id]?.plan else { return fail("\(report) is kept for no open step") }
            guard let slice = (0..<plan.slices).first(where: { plan.work($0) == report.lease.work }) else {
                return fail("\(report) is not of the open step")
            }
            if open[id]?.kept.updateValue(report.digest, forKey: slice) != nil { fail("\(report.lease.work) was kept twice") }
        case .closeStep(let plan):
            guard let board = open[plan.trial], board.plan == plan, !board.isClosing else { return fail("\(plan) is not open") }
            if board.kept.count != plan.slices { fail("\(plan) was closed with \(board.kept.count) slices") }
            open[plan.trial]?.isClosing = true
            close(plan)
        case .closeTrial(let id):
            if open.removeValue(forKey: id) == nil { fail("\(id) was closed, but is not open") }
            queue.removeAll { if case .event(_, of: id) = $0 { true } else { false } }
        default: break
        }
    }

    private func slices(_ id: TrialID, _ kind: StepPlan.Kind) -> Int { kind == .gradient ? 1 + Int(id.study.rawValue) % 6 : 3 }

    private mutating func answer(_ id: TrialID, _ plan: StepPlan) {
        open[id] = OpenTrial(plan: plan)
        queue.append(.event(.stepOpened(plan), of: id))
    }

    private mutating func close(_ plan: StepPlan) {
        let id = plan.trial
        guard let facts = disk[id.study], !chance(1) else {
            return queue.append(.event(.stepFailed(id, .internal, message: "made up"), of: id))
        }
        let from = facts.trials[id.index].segments.last?.toStep ?? 0
        let end = facts.plan.segmentEnd(after: from)
        let endsEarly = id.index == 3 && end - from > 1
        let last = endsEarly ? end - 1 : end
        let step = plan.kind == .gradient ? plan.step + 1 : plan.step
        if plan.kind == .gradient, step == last {
            answer(id, StepPlan(trial: id, step: step, kind: .evaluate, slices: slices(id, .evaluate)))
        } else if step < last {
            answer(id, StepPlan(trial: id, step: step, kind: .gradient, slices: slices(id, .gradient)))
        } else {
            let report = SegmentReport(
                worker: .coordinator, trial: id, attempt: 0, fromStep: from, toStep: last, digest: "\(id) \(from)", finished: endsEarly)
            queue.append(.event(.segmentComputed(report), of: id))
        }
    }

    // MARK: - The disk

    mutating func answer() {
        while !queue.isEmpty {
            switch queue.removeFirst() {
            case .event(let event, _): self.event(event)
            case .persist(let report, let shelf):
                if chance(5) {
                    event(.resultNotPersisted(report, shelf))
                    continue
                }
                write(report, shelf)
                // A crash here loses the answer, not the result.
                if chance(2) { return restart() }
                event(.resultPersisted(report, shelf))
            case .persistPiece(let report):
                if chance(5) {
                    event(.pieceNotPersisted(report))
                    continue
                }
                write(report)
                if chance(2) { return restart() }
                event(.piecePersisted(report))
            }
            if chance(20) { return }
        }
    }

    private mutating func write(_ report: SegmentReport, _ shelf: Shelf) {
        guard let facts = disk[report.trial.study] else { return fail("a result for an unknown study went to disk") }
        let trial = facts.trials[report.trial.index]
        switch shelf {
        case .segment:
            if trial.segments.last.map(\.toStep) ?? 0 != report.fromStep { fail("\(report) does not start where the last segment ended") }
            if trial.segments.last?.finished == true { fail("\(report) follows the end of its trial") }
            disk[report.trial.study]?.trials[report.trial.index].segments.append(report.segment)
        case .conflict:
            guard let kept = trial.segments.first(where: { $0.fromStep == report.fromStep }) else { return fail("conflict with nothing") }
            if kept.digest == report.digest, kept.toStep == report.toStep { fail("an equal result was kept as a conflict") }
            disk[report.trial.study]?.trials[report.trial.index].conflicts[report.fromStep, default: []].insert(report.digest)
        }
    }

    private mutating func write(_ report: PieceReport) {
        let before: String?
        switch report.lease.work {
        case .encode(let study, let part): before = disk[study]?.encoded.updateValue(report.digest, forKey: part)
        case .preview(let trial, let step):
            before = disk[trial.study]?.trials[trial.index].previews.updateValue(report.digest, forKey: step)
        default: return fail("\(report) is no piece")
        }
        if before != nil { fail("\(report) overwrote a piece") }
    }

    private mutating func change(_ id: TrialID, _ change: (inout TrialRecord) -> Void) {
        guard var record = disk[id.study]?.trials[id.index].record else { return fail("unknown trial \(id)") }
        let attempt = record.attempt
        change(&record)
        record.attempt = max(attempt, record.attempt)
        disk[id.study]?.trials[id.index].record = record
    }

    private mutating func check(_ answer: Acknowledgement, to report: SegmentReport) {
        let trial = disk[report.trial.study]?.trials[report.trial.index]
        let kept = trial?.segments.first { $0.fromStep == report.fromStep }
        switch answer {
        case .accepted, .duplicate: if kept?.digest != report.digest { fail("\(answer) without a copy on disk: \(report)") }
        case .conflict:
            if trial?.conflicts[report.fromStep]?.contains(report.digest) != true { fail("a conflict was not kept: \(report)") }
        case .stale: break
        }
    }

    private mutating func check(_ answer: Acknowledgement, to report: PieceReport) {
        let kept: String? =
            switch report.lease.work {
            case .encode(let study, let part): disk[study]?.encoded[part]
            case .preview(let trial, let step): disk[trial.study]?.trials[trial.index].previews[step]
            default: nil
            }
        switch answer {
        case .accepted, .duplicate: if kept != report.digest { fail("\(answer) without a copy on disk: \(report)") }
        case .conflict: if kept == nil || kept == report.digest { fail("no conflict: \(report)") }
        case .stale: if kept == report.digest { fail("a piece on disk is called stale: \(report)") }
        }
    }
}
