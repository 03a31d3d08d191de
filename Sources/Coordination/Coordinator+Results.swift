// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// Contradictions kept for one segment; more of them add nothing but rows.
    private static let conflictLimit = 8

    mutating func result(_ report: SegmentReport, at now: Instant, _ actions: inout [Action]) {
        heard(report.worker, at: now, &actions)
        updateWorker(report.worker) { $0.foreign.remove(report.lease) }
        guard let trial = trial(report.trial) else {
            acknowledge(report, .stale(reason: "there is no such trial"), &actions)
            return
        }
        guard studies[report.trial.study]?.plan.parallelism == .trials else {
            acknowledge(report, .stale(reason: "the segments of this trial are put together from slices"), &actions)
            return
        }
        guard (1...max(1, trial.record.attempt)).contains(report.attempt), trial.record.attempt > 0 else {
            let reason = "attempt \(report.attempt) was never granted; the latest is \(trial.record.attempt)"
            acknowledge(report, .stale(reason: reason), &actions)
            return
        }
        if let kept = trial.segment(from: report.fromStep) {
            compare(report, with: kept, trial, &actions)
        } else if let pending = trial.pending, pending.fromStep == report.fromStep {
            // Judged when the first one is on disk: the worker keeps its result and sends it again.
            return
        } else if let reason = refusal(of: report, trial) {
            acknowledge(report, .stale(reason: reason), &actions)
            releaseLease(of: report, &actions)
        } else {
            bind(report.trial.study, to: workers[report.worker]?.numericsClass ?? "", &actions)
            update(report.trial) { $0.pending = report }
            actions.append(.persist(report, .segment))
        }
    }

    private mutating func acknowledge(_ report: SegmentReport, _ answer: Acknowledgement, _ actions: inout [Action]) {
        updateWorker(report.worker) { $0.answered = report.lease }
        actions.append(.acknowledge(report, answer))
    }

    /// The reason why a trial has no use for a result; nil if it needs exactly this one, whoever computed it.
    func refusal(of report: SegmentReport, _ trial: Trial) -> String? {
        if trial.record.state.isTerminal { return "the trial is \(trial.record.state.rawValue)" }
        guard isOpen(report.trial.study) else { return "the study has ended" }
        guard report.fromStep == trial.record.step, let end = segmentEnd(of: trial) else {
            return "the trial is at step \(trial.record.step), the result starts at step \(report.fromStep)"
        }
        let reachesItsEnd = report.toStep == end || (report.finished && report.toStep > report.fromStep && report.toStep < end)
        guard reachesItsEnd else {
            return "the segment from step \(report.fromStep) ends at step \(end), the result at step \(report.toStep)"
        }
        return foreignness(of: report.worker, needed: requiredClass(of: report.trial), in: report.trial.study)
    }

    private mutating func compare(_ report: SegmentReport, with kept: SegmentFact, _ trial: Trial, _ actions: inout [Action]) {
        if report.digest == kept.digest, report.toStep == kept.toStep, report.finished == kept.finished {
            acknowledge(report, .duplicate, &actions)
            releaseLease(of: report, &actions)
            return
        }
        guard mustAgree(report.worker, with: numericsClass(of: kept, trial)) else {
            acknowledge(report, .stale(reason: "the same steps are on disk, in bits that need not be this worker's"), &actions)
            releaseLease(of: report, &actions)
            return
        }
        let known = trial.conflicts[report.fromStep] ?? []
        if known.contains(report.digest) || known.count >= Self.conflictLimit {
            acknowledge(report, .conflict, &actions)
            releaseLease(of: report, &actions)
        } else {
            actions.append(.persist(report, .conflict))
        }
    }

    /// A worker that gets any answer to its result lets go of the lease; so must its trial.
    private mutating func releaseLease(of report: SegmentReport, _ actions: inout [Action]) {
        guard leases[report.lease]?.worker == report.worker, trial(report.trial)?.pending == nil else { return }
        requeue(report.lease, reason: "its result was not the one that the trial needs", &actions)
    }

    /// The result is on disk: the trial goes on from it.
    mutating func accepted(_ report: SegmentReport, at now: Instant, _ actions: inout [Action]) {
        let id = report.trial
        guard trial(id)?.pending == report, let plan = studies[id.study]?.plan else { return }
        if let lease = trial(id)?.lease {
            if lease != report.lease || leases[lease]?.worker != report.worker {
                cancel(lease, telling: "another worker's result for the same steps came first", &actions)
            } else {
                drop(lease)
            }
        }
        updateWorker(report.worker) { $0.acceptedSegments += 1 }
        let itsClass = boards[id]?.numericsClass ?? workers[report.worker]?.numericsClass
        // Its worker may have been forgotten since; then the study knows.
        bind(id, to: itsClass ?? studies[id.study]?.numericsClass ?? "", &actions)
        forgetVanishings(of: id)
        let isDone = report.finished || report.toStep >= plan.steps
        let isOpen = boards[id] != nil
        update(id) { trial in
            trial.pending = nil
            trial.segments.append(report.segment)
            trial.record.step = report.toStep
            trial.record.crashes = 0
            trial.crashStep = nil
            trial.notBefore = nil
            if plan.mixesClasses, !isOpen { trial.segmentClasses[report.fromStep] = itsClass }
            if isDone {
                trial.record.state = .complete
            } else if let closing = trial.closing {
                trial.record.state = closing.state
                trial.record.failure = closing.reason
            } else if trial.record.state != .paused, !(isOpen && trial.record.state == .running) {
                trial.record.state = .waiting
            }
            trial.closing = nil
        }
        wantPreview(of: report)
        if isOpen { boardAccepted(id, &actions) }
        record(id, &actions)
        if report.worker != .coordinator { acknowledge(report, .accepted, &actions) }
    }

    mutating func conflictKept(_ report: SegmentReport, _ actions: inout [Action]) {
        guard let trial = trial(report.trial), let kept = trial.segment(from: report.fromStep) else { return }
        updateWorker(report.worker) { $0.alarms += 1 }
        update(report.trial) { trial in
            if trial.conflicts[report.fromStep, default: []].insert(report.digest).inserted { trial.alarms += 1 }
        }
        actions.append(.determinismAlarm(report.trial, kept: kept, offered: report))
        acknowledge(report, .conflict, &actions)
        releaseLease(of: report, &actions)
    }

    /// The disk refused: nothing is acknowledged, so the worker keeps the result and sends it again.
    mutating func refused(_ report: SegmentReport, _ shelf: Shelf, at now: Instant, _ actions: inout [Action]) {
        storageBlockedUntil = now + settings.storageRetry
        guard shelf == .segment, let trial = trial(report.trial), trial.pending == report else { return }
        if boards[report.trial] != nil, trial.closing == nil { return boardRefused(report.trial, at: now, &actions) }
        update(report.trial) { $0.pending = nil }
        closeBoard(report.trial, reason: "the disk refused the segment", &actions)
        if let closing = trial.closing {
            update(report.trial) { trial in
                trial.closing = nil
                trial.record.state = closing.state
                trial.record.failure = closing.reason
            }
            forgetVanishings(of: report.trial)
            record(report.trial, &actions)
        }
    }
}
