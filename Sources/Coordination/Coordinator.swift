// SPDX-License-Identifier: Apache-2.0

/// The decisions of a coordinator: which worker trains what, which result counts, when a trial has ended.
///
/// A plain value. Events go in, actions come out; it reads no clock, does no I/O and draws no random number, so the same
/// events always give the same actions. The owner carries out the actions in order and reports back what the disk said.
///
/// What it promises, whatever happens around it:
/// - a trial has at most one live lease, and attempt numbers only grow, also over restarts;
/// - a result is acknowledged only after it is on disk, and every accepted segment starts where the last one ended;
/// - a trial that has ended never changes again;
/// - a trial fails by its own fault only: networks, restarts and drained workers never count against it.
package struct Coordinator: Sendable {
    package let settings: CoordinationSettings
    var studies: [StudyID: Study] = [:]
    /// Every study, in the order of submission.
    var order: [StudyID] = []
    /// The running ones among `order`.
    var open: [StudyID] = []
    var workers: [WorkerID: Worker] = [:]
    var latest: Instant
    /// No grants before this instant: the ledger refused to write.
    var storageBlockedUntil: Instant?
    /// Rows that recovery found out of date.
    var unrecorded: [TrialRecord] = []

    /// Starts from what the ledger holds; an empty list for a new home.
    ///
    /// - Precondition: each study has one entry for each trial, and segments are in order without holes (the ledger checks that).
    package init(settings: CoordinationSettings = CoordinationSettings(), restoring facts: [StudyFacts] = [], at now: Instant) {
        self.settings = settings
        latest = now
        for study in facts.sorted(by: { $0.plan.id < $1.plan.id }) {
            restore(study, at: now)
        }
    }

    /// Takes one event in and says what to do about it.
    ///
    /// Instants that run backwards are taken as the latest one seen.
    package mutating func handle(_ event: Event, at instant: Instant) -> [Action] {
        let now = max(instant, latest)
        if now - latest > settings.gap { forgiveGap(at: now) }
        latest = now

        var actions: [Action] = unrecorded.map { .recordTrial($0) }
        unrecorded = []
        switch event {
        case .studySubmitted(let plan): submit(plan)
        case .studyCancelled(let id): cancel(id, &actions)
        case .trialPaused(let id): pause(id, &actions)
        case .trialResumed(let id): resume(id, &actions)
        case .trialPruned(let id, let reason): end(id, as: .pruned, reason: reason, &actions)
        case .workerHello(let id, let about): hello(id, about, at: now, &actions)
        case .workerHeartbeat(let id, let holding): heartbeat(id, holding, at: now, &actions)
        case .workerGoodbye(let id): goodbye(id, &actions)
        case .workerUnreachable(let id): unreachable(id, at: now, &actions)
        case .workerDrained(let id): drain(id, &actions)
        case .segmentResult(let report): result(report, at: now, &actions)
        case .leaseFailed(let worker, let lease, let kind, let message): leaseFailed(worker, lease, kind, message, at: now, &actions)
        case .resultPersisted(let report, .segment): accepted(report, &actions)
        case .resultPersisted(let report, .conflict): conflictKept(report, &actions)
        case .resultNotPersisted(let report, let shelf): refused(report, shelf, at: now, &actions)
        case .grantNotPersisted(let lease): grantRefused(lease, at: now)
        case .tick: break
        }
        expire(at: now, &actions)
        settle(&actions)
        assign(at: now, &actions)
        return actions
    }

    // MARK: - Access

    func trial(_ id: TrialID) -> Trial? {
        guard let study = studies[id.study], study.trials.indices.contains(id.index) else { return nil }
        return study.trials[id.index]
    }

    mutating func update(_ id: TrialID, _ change: (inout Trial) -> Void) {
        studies[id.study]?.update(id.index, change)
    }

    /// The last step of the next segment; nil if there is none.
    func segmentEnd(of trial: Trial) -> Int? {
        guard let plan = studies[trial.record.trial.study]?.plan, trial.record.step < plan.steps else { return nil }
        return plan.segmentEnd(after: trial.record.step)
    }

    func isOpen(_ id: StudyID) -> Bool { studies[id]?.state == .running }
}
