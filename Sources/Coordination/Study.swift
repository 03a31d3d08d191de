// SPDX-License-Identifier: Apache-2.0

/// The place of a study in the queue: larger priorities first, then the order of submission.
struct ServiceKey: Hashable, Comparable, Sendable {
    let priority: Int
    let study: StudyID

    static func < (left: ServiceKey, right: ServiceKey) -> Bool {
        left.priority != right.priority ? left.priority > right.priority : left.study < right.study
    }
}

/// A study as the coordinator holds it.
///
/// Trials change through `update` only, which keeps the queues and counts right.
struct Study: Sendable {
    let plan: StudyPlan
    var state: StudyState
    var priority: Int
    var isPaused: Bool
    var failure: String
    private(set) var trials: [Trial]
    var encoding: Encoding
    var previews = Previews()
    /// The class that all its bits are of, from its first grant on; empty before, and where classes mix.
    private(set) var numericsClass = ""
    /// Trials that could be granted or opened, by the class that they need; the empty class stands for any.
    private(set) var ready: [String: IndexQueue] = [:]
    /// Open trials that no worker computes slices for.
    var hungry = IndexQueue()
    private(set) var counts: [TrialState: Int] = [:]
    /// Trials with a segment on disk.
    private var begun = 0
    /// Trials that somebody works on, may claim, or has just brought a result for.
    private var underway = 0
    /// It stands in the coordinator's queue of studies with work to hand out.
    var isWanting = false

    init(_ facts: StudyFacts, trials: [Trial]) {
        plan = facts.plan
        state = facts.state
        priority = facts.priority
        isPaused = facts.isPaused
        failure = facts.failure
        let ownClass = Self.boundClass(facts)
        numericsClass = ownClass
        encoding = Encoding(
            parts: facts.plan.encodeParts, encoded: facts.encoded, numericsClass: ownClass.isEmpty ? nil : ownClass)
        self.trials = trials
        for (index, trial) in trials.enumerated() {
            counts[trial.record.state, default: 0] += 1
            if trial.record.step > 0 { begun += 1 }
            if trial.isUnderway { underway += 1 }
            if trial.isReady { ready[key(trial), default: IndexQueue()].insert(index) }
        }
        restorePreviews(facts)
    }

    var service: ServiceKey { ServiceKey(priority: priority, study: plan.id) }

    /// Its trials may be worked on.
    var isServing: Bool { state == .running && !isPaused }

    var isDone: Bool { [.complete, .pruned, .failed].reduce(0) { $0 + (counts[$1] ?? 0) } == trials.count }

    /// There is something that a worker could get.
    var wantsWorkers: Bool {
        if !isPaused, state != .cancelled, previews.isWanting { return true }
        guard isServing else { return false }
        return encoding.isWanting || (encoding.isComplete && !ready.isEmpty) || !hungry.isEmpty
    }

    /// - Returns: whether queues changed.
    mutating func update(_ index: Int, _ change: (inout Trial) -> Void) -> Bool {
        guard trials.indices.contains(index) else { return false }
        let before = (state: trials[index].record.state, key: trials[index].isReady ? key(trials[index]) : nil)
        let (wasBegun, wasUnderway) = (trials[index].record.step > 0, trials[index].isUnderway)
        change(&trials[index])
        let after = (state: trials[index].record.state, key: trials[index].isReady ? key(trials[index]) : nil)
        begun += (trials[index].record.step > 0 ? 1 : 0) - (wasBegun ? 1 : 0)
        underway += (trials[index].isUnderway ? 1 : 0) - (wasUnderway ? 1 : 0)
        if before.state != after.state {
            counts[before.state, default: 0] -= 1
            counts[after.state, default: 0] += 1
        }
        guard before.key != after.key else { return before.state != after.state }
        if let key = before.key {
            ready[key]?.remove(index)
            if ready[key]?.isEmpty ?? false { ready[key] = nil }
        }
        if let key = after.key { ready[key, default: IndexQueue()].insert(index) }
        return true
    }

    private mutating func restorePreviews(_ facts: StudyFacts) {
        for (index, trial) in facts.trials.enumerated() {
            for (step, digest) in trial.previews { previews.kept[Previews.Key(trial: index, step: step)] = KeptPiece(digest: digest) }
            for segment in trial.segments where state != .cancelled && plan.wantsPreview(after: segment.fromStep, at: segment.toStep) {
                let key = Previews.Key(trial: index, step: segment.toStep)
                if previews.kept[key] == nil { previews.wanted.append(Previews.Entry(key: key)) }
            }
        }
        previews.wanted.sort { $0.key < $1.key }
    }

    // MARK: - Classes

    /// The class that work on a trial needs; empty if any will do.
    func key(_ trial: Trial) -> String {
        if plan.mixesClasses { return "" }
        return trial.boundClass.isEmpty ? numericsClass : trial.boundClass
    }

    /// Nothing of it is on disk and nobody works on it: another class may still have it.
    var isClassOpen: Bool { !numericsClass.isEmpty && begun == 0 && underway == 0 && encoding.done == 0 && !encoding.isUnderway }

    /// Fixes the class, or frees it with an empty one.
    mutating func bind(to numericsClass: String) {
        guard !plan.mixesClasses, numericsClass != self.numericsClass else { return }
        // Those that are bound by themselves stand in other queues, or there are none.
        let moved = ready.removeValue(forKey: self.numericsClass)
        self.numericsClass = numericsClass
        if let moved { ready[numericsClass, default: IndexQueue()].formUnion(moved) }
    }

    /// Ledgers of earlier releases name the classes of trials only.
    private static func boundClass(_ facts: StudyFacts) -> String {
        if facts.plan.mixesClasses || !facts.numericsClass.isEmpty { return facts.plan.mixesClasses ? "" : facts.numericsClass }
        let classes = Set(facts.trials.filter { !$0.segments.isEmpty }.map(\.record.numericsClass))
        return classes.count == 1 ? classes.first ?? "" : ""
    }
}
