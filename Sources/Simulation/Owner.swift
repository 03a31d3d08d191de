// SPDX-License-Identifier: Apache-2.0

import Coordination

/// The coordinator's process: it carries out actions in order, stages the writes of a turn for one commit, and lets messages wait for it.
struct Owner: Sendable {
    /// The numbers of an open `parallel: data` trial.
    private struct OpenTrial: Sendable {
        var state: UInt64
        var plan: StepPlan
        var kept: [UInt64?]
        var isClosing = false
        /// Of the workers that were given slices.
        var numericsClass: String?
    }

    var coordinator: Coordinator
    let studies: [StudyID: VirtualStudy]
    private(set) var staged: [Write] = []
    private(set) var outbox: [(worker: WorkerID, order: Order)] = []
    /// Acknowledged in this turn; they have to be on disk when it is committed.
    private(set) var accepted: [SegmentReport] = []
    private(set) var acceptedPieces: [PieceReport] = []
    private(set) var abandoned: [Work] = []
    private(set) var events = 0
    private(set) var grants = 0
    private(set) var slices = 0
    private(set) var failure: String?
    /// States after the last segment, staged ones included.
    private var states: [TrialID: UInt64]
    private var steps: [TrialID: Int] = [:]
    private var open: [TrialID: OpenTrial] = [:]
    private var workerStates: [WorkerID: WorkerState] = [:]
    private var classes: [WorkerID: String] = [:]
    private var attempts: [Work: Int] = [:]

    init(_ studies: [StudyID: VirtualStudy], ledger: VirtualLedger, settings: CoordinationSettings, at now: Instant) {
        self.studies = studies
        coordinator = Coordinator(settings: settings, restoring: ledger.allFacts, at: now)
        states = ledger.states
        for facts in ledger.facts.values {
            for trial in facts.trials { steps[trial.record.trial] = trial.segments.last?.toStep ?? 0 }
        }
    }

    /// Takes in one event and what follows from it: first in, first out.
    mutating func run(_ event: Event, at now: Instant) {
        if case .workerHello(let id, let about) = event { classes[id] = about.numericsClass }
        var queue = [event]
        var next = 0
        while next < queue.count {
            if case .workerHello(let id, _) = queue[next], !coordinator.knows(id) { workerStates[id] = .connected }
            let actions = coordinator.handle(queue[next], at: now)
            next += 1
            events += 1
            for action in actions {
                if let answer = perform(action) { queue.append(answer) }
            }
        }
    }

    mutating func committed() {
        staged = []
        outbox = []
        accepted = []
        acceptedPieces = []
        abandoned = []
    }

    private mutating func perform(_ action: Action) -> Event? {
        switch action {
        case .grant(let grant): give(grant)
        case .persist(let report, let shelf):
            if shelf == .conflict { fail("honest workers contradict each other: \(report)") }
            staged.append(.segment(report))
            states[report.trial] = value(of: report.digest)
            steps[report.trial] = report.toStep
            return .resultPersisted(report, shelf)
        case .persistPiece(let report):
            staged.append(.piece(report))
            return .piecePersisted(report)
        case .acknowledge(let report, let answer):
            switch answer {
            case .accepted, .duplicate: accepted.append(report)
            case .conflict: fail("a conflict among honest workers: \(report)")
            case .stale: break
            }
            outbox.append((report.worker, .acknowledge(report.lease)))
        case .acknowledgePiece(let report, let answer):
            switch answer {
            case .accepted, .duplicate: acceptedPieces.append(report)
            case .conflict: fail("a conflict among honest workers: \(report)")
            case .stale: break
            }
            outbox.append((report.worker, .acknowledge(report.lease)))
        case .openTrial(let id): return openTrial(id)
        case .keepSlice(let report): keep(report)
        case .closeStep(let plan): return close(plan)
        case .closeTrial(let id): if open.removeValue(forKey: id) == nil { fail("trial \(id) was closed, but is not open") }
        case .cancelLease(let worker, let lease, _): outbox.append((worker, .cancel(lease)))
        case .recordTrial(let record): staged.append(.trial(record))
        case .recordStudy(let id, let priority, let isPaused): staged.append(.study(id, priority: priority, isPaused: isPaused))
        case .recordClass(let id, let numericsClass): staged.append(.numericsClass(id, numericsClass))
        case .studyFinished(let id, let state, let reason): staged.append(.finished(id, state, reason: reason))
        case .drain(let worker): outbox.append((worker, .drain))
        case .workerChanged(let worker, let state): workerStates[worker] = state
        case .abandoned(let lease, _): abandoned.append(lease.work)
        case .determinismAlarm, .pieceAlarm: fail("an alarm among honest workers: \(action)")
        case .requeued: break
        }
        return nil
    }

    private mutating func give(_ grant: Grant) {
        grants += 1
        if workerStates[grant.worker] != .connected {
            fail("\(grant.lease) goes to \(grant.worker), which is \(workerStates[grant.worker]?.rawValue ?? "unknown")")
        }
        let work = grant.lease.work
        guard let study = studies[work.study] else { return fail("\(grant.lease) is of no study") }
        if !work.isSlice, attempts.updateValue(grant.lease.attempt, forKey: work) ?? 0 >= grant.lease.attempt {
            fail("\(grant.lease) was granted before")
        }
        var state: UInt64 = 0
        switch work {
        case .train(let id):
            staged.append(.attempt(grant))
            state = states[id] ?? study.initial(id)
            if grant.fromStep != steps[id] ?? 0 { fail("\(grant) does not start at step \(steps[id] ?? 0)") }
        case .gradient(let id, _, let slice), .evaluate(let id, _, let slice):
            guard let board = open[id], board.plan.slices > slice, board.plan.work(slice) == work, !board.isClosing else {
                return fail("\(grant.lease) is not of the open step")
            }
            if board.kept[slice] != nil { fail("\(grant.lease) is kept already") }
            state = board.state
            let numericsClass = classes[grant.worker] ?? ""
            if let its = board.numericsClass, its != numericsClass, !study.plan.mixesClasses { fail("\(grant) is of another class") }
            open[id]?.numericsClass = numericsClass
        case .preview(let id, let step):
            state = UInt64(step) ^ SplitMix64.mix(study.initial(id))
        case .encode: break
        }
        outbox.append((grant.worker, .grant(grant, state: state)))
    }

    // MARK: - Open trials

    private mutating func openTrial(_ id: TrialID) -> Event? {
        guard let study = studies[id.study] else { return nil }
        if open[id].map({ !$0.isClosing }) ?? false { fail("trial \(id) was opened twice") }
        let step = steps[id] ?? 0
        let kind: StepPlan.Kind = step == 0 && study.evaluationSlices > 0 ? .evaluate : .gradient
        return begin(id, step: step, kind, state: states[id] ?? study.initial(id), study, numericsClass: open[id]?.numericsClass)
    }

    private mutating func begin(
        _ id: TrialID, step: Int, _ kind: StepPlan.Kind, state: UInt64, _ study: VirtualStudy, numericsClass: String?
    ) -> Event {
        let plan = StepPlan(trial: id, step: step, kind: kind, slices: kind == .gradient ? study.slices : study.evaluationSlices)
        open[id] = OpenTrial(state: state, plan: plan, kept: Array(repeating: nil, count: plan.slices), numericsClass: numericsClass)
        return .stepOpened(plan)
    }

    private mutating func keep(_ report: SliceReport) {
        slices += 1
        guard let id = report.lease.work.trial, let board = open[id], !board.isClosing else { return fail("\(report) is of no open step") }
        switch report.lease.work {
        case .gradient(id, board.plan.step, let slice) where board.plan.kind == .gradient && board.kept.indices.contains(slice),
            .evaluate(id, board.plan.step, let slice) where board.plan.kind == .evaluate && board.kept.indices.contains(slice):
            if board.kept[slice] != nil { fail("\(report) was kept before") }
            open[id]?.kept[slice] = value(of: report.digest)
        default: fail("\(report) is not of the open step")
        }
    }

    private mutating func close(_ plan: StepPlan) -> Event? {
        let id = plan.trial
        guard let board = open[id], board.plan == plan, !board.isClosing, let study = studies[id.study] else {
            fail("\(plan) is not open")
            return nil
        }
        let kept = board.kept.compactMap(\.self)
        if kept.count != plan.slices { fail("\(plan) was closed with \(kept.count) slices") }
        open[id]?.isClosing = true
        let from = steps[id] ?? 0
        let end = study.end(of: id.index, after: from)
        let isGradient = plan.kind == .gradient
        let state = isGradient ? VirtualStudy.advanced(board.state, by: kept) : board.state
        let step = isGradient ? plan.step + 1 : plan.step
        if isGradient, step == end.step, study.evaluationSlices > 0 {
            return begin(id, step: step, .evaluate, state: state, study, numericsClass: board.numericsClass)
        }
        if step < end.step { return begin(id, step: step, .gradient, state: state, study, numericsClass: board.numericsClass) }
        return .segmentComputed(
            SegmentReport(
                worker: .coordinator, trial: id, attempt: 0, fromStep: from, toStep: end.step, digest: digest(state),
                finished: end.finished))
    }

    // MARK: - Checks

    /// What the coordinator shows of itself has to be in order, too.
    mutating func checkSnapshot(at now: Instant) {
        let snapshot = coordinator.snapshot(now: now)
        var trained: Set<Work> = []
        for worker in snapshot.workers {
            let others = worker.leases.filter { !$0.work.isSlice }
            if others.count > 1 || (others.count == 1 && worker.leases.count > 1) { fail("\(worker.id) holds \(worker.leases)") }
            if worker.state == .lost, !worker.leases.isEmpty { fail("\(worker.id) is lost and holds \(worker.leases)") }
            if worker.board != nil, worker.state != .connected { fail("\(worker.id) is \(worker.state.rawValue) and a member of a board") }
            for lease in others where !trained.insert(lease.work).inserted { fail("\(lease.work) is held twice") }
            for lease in worker.leases {
                if snapshot.studies.contains(where: { $0.id == lease.work.study && $0.isPaused }) { fail("\(lease) is held, but paused") }
            }
        }
    }

    private mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }
}
