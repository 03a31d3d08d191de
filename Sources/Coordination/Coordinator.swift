// SPDX-License-Identifier: Apache-2.0

/// The decisions of a coordinator: which worker computes what, which result counts, when a trial has ended.
///
/// A plain value. Events go in, actions come out; it reads no clock, does no I/O and draws no random number, so the same
/// events always give the same actions. The owner carries out the actions in order and reports back what the disk said.
///
/// What it promises, whatever happens around it:
/// - a trial has at most one live `train` lease, and attempt numbers only grow, also over restarts;
/// - a result is acknowledged only after it is on disk, and every accepted segment starts where the last one ended;
/// - a step of a `parallel: data` trial is closed once, when every slice is kept, and each slice is kept once;
/// - a trial that has ended never changes again;
/// - a trial fails by its own fault only: networks, restarts and drained workers never count against it;
/// - a trial's bits come from workers of one determinism class, unless its study says otherwise.
///
/// The cost of an event does not depend on how many trials there are: queues, idle workers and timers are kept up to date.
package struct Coordinator: Sendable {
    package let settings: CoordinationSettings
    var studies: [StudyID: Study] = [:]
    /// Every study, in the order of submission.
    var order: [StudyID] = []
    var workers: [WorkerID: Worker] = [:]
    /// Every lease in force.
    var leases: [LeaseID: Lease] = [:]
    /// The open trials of `parallel: data` studies.
    var boards: [TrialID: Board] = [:]
    var latest: Instant
    /// No grants before this instant: the ledger refused to write.
    var storageBlockedUntil: Instant?
    /// Rows that recovery found out of date.
    var unrecorded: [TrialRecord] = []

    // MARK: Queues that follow from the above

    /// Studies that have something to hand out, in the order of service.
    var wanting: [ServiceKey] = []
    /// Workers with nothing to do, in order, by class.
    var idle: [String: [WorkerID]] = [:]
    var timers = Timers()
    /// Where each worker that vanished was counted as a crash.
    var vanishings: [WorkerID: Set<Work>] = [:]
    /// Studies whose trials have all ended, but which have not.
    var ending: [StudyID] = []
    /// Boards with slices to hand out or workers to hand them to.
    var undealt: Set<TrialID> = []
    /// Workers or work became free since the last look at both.
    var isUnassigned = false
    /// Boards grew or shrank since the last look at who could help where.
    var isUnbalanced = false

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
        take(event, at: now, &actions)
        expire(at: now, &actions)
        settle(&actions)
        assign(at: now, &actions)
        deal(at: now, &actions)
        return actions
    }

    /// When the next tick should come at the latest, if nothing else happens before.
    ///
    /// Never further away than a heartbeat: a longer hole would look as if the coordinator itself had been stopped.
    package var nextDue: Instant? {
        [timers.next, storageBlockedUntil, latest + settings.heartbeat].compactMap(\.self).min()
    }

    private mutating func take(_ event: Event, at now: Instant, _ actions: inout [Action]) {
        switch event {
        case .studySubmitted(let plan): submit(plan)
        case .studyCancelled(let id): cancel(id, &actions)
        case .studyPaused(let id): pause(study: id, &actions)
        case .studyResumed(let id): resume(study: id, &actions)
        case .studyPrioritized(let id, let priority): prioritize(id, priority, &actions)
        case .trialPaused(let id): pause(id, &actions)
        case .trialResumed(let id): resume(id, &actions)
        case .trialPruned(let id, let reason): end(id, as: .pruned, reason: reason, &actions)
        case .workerHello(let id, let about): hello(id, about, at: now, &actions)
        case .workerHeartbeat(let id, let holding): heartbeat(id, holding, at: now, &actions)
        case .workerGoodbye(let id): goodbye(id, &actions)
        case .workerUnreachable(let id): unreachable(id, at: now, &actions)
        case .workerDrained(let id): drain(id, &actions)
        case .segmentResult(let report): result(report, at: now, &actions)
        case .pieceResult(let report): pieceResult(report, at: now, &actions)
        case .sliceResult(let report): sliceResult(report, at: now, &actions)
        case .leaseFailed(let worker, let lease, let kind, let message): leaseFailed(worker, lease, kind, message, at: now, &actions)
        case .resultPersisted(let report, .segment): accepted(report, at: now, &actions)
        case .resultPersisted(let report, .conflict): conflictKept(report, &actions)
        case .resultNotPersisted(let report, let shelf): refused(report, shelf, at: now, &actions)
        case .grantNotPersisted(let lease): grantRefused(lease, at: now)
        case .grantImpossible(let lease, let kind, let message): grantImpossible(lease, kind, message, at: now, &actions)
        case .piecePersisted(let report): pieceKept(report, &actions)
        case .pieceNotPersisted(let report): pieceRefused(report, at: now)
        case .stepOpened(let plan): stepOpened(plan, at: now)
        case .segmentComputed(let report): segmentComputed(report, at: now, &actions)
        case .stepFailed(let id, let kind, let message): stepFailed(id, kind, message: message, at: now, &actions)
        case .storageRefused: storageBlockedUntil = now + settings.storageRetry
        case .tick: break
        }
    }
}
