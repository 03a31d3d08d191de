// SPDX-License-Identifier: Apache-2.0

import Coordination

/// A fleet in virtual time: the very same `Coordinator` value between virtual workers, network, disk and clock.
///
/// Everything follows from the options, so a seed is a bug report. After `options.faulty` faults end, and everything has to come to the
/// end that an undisturbed run has, bit for bit.
package struct Simulator: Sendable {
    let options: SimulationOptions
    let settings: CoordinationSettings
    let studies: [StudyID: VirtualStudy]
    var random: SplitMix64
    var agenda = Agenda()
    var now: Int64 = 0
    var report: SimulationReport
    var ledger = VirtualLedger()
    /// nil while the coordinator is down.
    var owner: Owner?
    /// Messages of earlier lives of the coordinator's sockets do not arrive.
    var epoch = 0
    /// What the coordinator's clock shows beyond virtual time.
    var clockOffset: Int64 = 0
    var nextTick: Int64?
    var sessions: [WorkerID: Int] = [:]
    var workers: [VirtualWorker] = []
    var numbers: [WorkerID: Int] = [:]
    var isCalm = false
    /// The ledger refuses before this instant.
    var diskRefusesUntil: Int64 = 0
    /// The owner is about to tell a new coordinator value of its sessions.
    var isIntroducing = false
    var turns = 0
    /// Faults that come at any message or write, as fast to look up as they are frequent.
    let drops: Bool, delays: Bool, duplicates: Bool, reorders: Bool, crashes: Bool

    package init(options: SimulationOptions) {
        self.options = options
        var settings = CoordinationSettings()
        // Here workers die of the simulation, not of their work.
        settings.crashLimit = 1000
        self.settings = settings
        random = SplitMix64(seed: options.seed)
        report = SimulationReport(seed: options.seed)
        (drops, delays) = (options.faults.contains(.drop), options.faults.contains(.delay))
        (duplicates, reorders) = (options.faults.contains(.duplicate), options.faults.contains(.reorder))
        crashes = options.faults.contains(.crash)
        studies = Self.studies(options, &random)
        for study in studies.values.sorted(by: { $0.plan.id < $1.plan.id }) { ledger.add(study) }
    }

    private static func studies(_ options: SimulationOptions, _ random: inout SplitMix64) -> [StudyID: VirtualStudy] {
        var studies: [StudyID: VirtualStudy] = [:]
        let count = max(1, min(options.studies, options.trials))
        for number in 1...count {
            let id = StudyID(Int64(number))
            let trials = options.trials * number / count - options.trials * (number - 1) / count
            let steps = 1 + random.below(max(1, options.steps))
            let isTrialsOnly = options.trialsOnlyEvery > 0 && number.isMultiple(of: options.trialsOnlyEvery)
            let plan = StudyPlan(
                id: id, name: "s\(number)", trialCount: max(1, trials), steps: steps, segmentSteps: 1 + random.below(steps),
                parallelism: isTrialsOnly ? .trials : .data, encodeParts: random.oneIn(2) ? random.below(4) : 0,
                previewEvery: random.oneIn(2) ? 1 + random.below(steps) : nil, mixesClasses: random.oneIn(4))
            studies[id] = VirtualStudy(
                plan: plan, slices: 1 + random.below(max(1, options.slices)), evaluationSlices: random.oneIn(2) ? 1 + random.below(3) : 0)
        }
        return studies
    }

    /// Runs to the end, or to the first broken promise.
    package mutating func run() -> SimulationReport {
        agenda.add(.coordinatorStarts, at: 0)
        for worker in 0..<max(1, options.workers) {
            let birth = Happening.birth(numericsClass: "class \(worker % max(1, options.classes))", box: "box\(worker)")
            agenda.add(birth, at: Int64(random.below(3000)))
        }
        if options.faults.isEmpty { isCalm = true } else { agenda.add(.fault, at: Int64(random.below(2000))) }
        agenda.add(.calm, at: options.faulty.wholeMilliseconds)
        // Long enough for any run that moves at all.
        let limit = options.faulty.wholeMilliseconds + 3_600_000 * Int64(1 + options.trials * options.steps / 1000)
        while report.failure == nil, let (instant, happening) = agenda.take() {
            now = instant
            handle(happening)
            if let problem = owner?.failure ?? ledger.failure { fail(problem) }
            if isDone { break }
            if now > limit { fail("it never ended: \(stuck)") }
        }
        if report.failure == nil, let problem = ledger.verdict(studies) { fail(problem) }
        count()
        report.virtualDuration = .milliseconds(now)
        return report
    }

    private var isDone: Bool { ledger.unfinished == 0 && ledger.previewsWanted.isEmpty }

    private var stuck: String {
        guard let coordinator = owner?.coordinator else { return "there is no coordinator" }
        let trials = ledger.allFacts.flatMap { $0.trials.map(\.record) }.filter { !$0.state.isTerminal }.map(\.trial).prefix(3)
        let lines =
            trials.flatMap { coordinator.explain(trial: $0, now: clock) }
            + workers.flatMap { coordinator.explain(worker: $0.id, now: clock) }
        return (lines + ledger.previewsWanted.map(\.description).sorted().prefix(3)).joined(separator: "; ")
    }

    /// What the coordinator's clock shows.
    var clock: Instant { Instant(milliseconds: now + clockOffset) }

    mutating func fail(_ message: String) {
        if report.failure == nil { report.failure = "at \(now) ms: \(message)" }
    }

    /// Takes over what a life of the coordinator counted.
    mutating func count() {
        report.events += owner?.events ?? 0
        report.grants += owner?.grants ?? 0
        report.slices += owner?.slices ?? 0
    }

    private mutating func handle(_ happening: Happening) {
        switch happening {
        case .report(let worker, let report, let epoch): if epoch == self.epoch { turn(worker, report) }
        case .order(let worker, let order): receive(order, worker)
        case .done(let worker, let task): finish(task, worker)
        case .heartbeat(let worker): heartbeat(worker)
        case .connect(let worker): connect(worker)
        case .birth(let numericsClass, let box): birth(numericsClass, box: box)
        case .tick: tick()
        case .coordinatorStarts: start()
        case .introductions: introduce()
        case .fault: fault()
        case .healed: for worker in workers.indices { workers[worker].isCutOff = false }
        case .calm: calm()
        }
    }
}
