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
    /// Trials that could be granted or opened, by the class that they need; the empty class stands for any.
    private(set) var ready: [String: IndexQueue] = [:]
    /// Open trials that no worker computes slices for.
    var hungry = IndexQueue()
    private(set) var counts: [TrialState: Int] = [:]
    /// It stands in the coordinator's queue of studies with work to hand out.
    var isWanting = false

    init(_ facts: StudyFacts, trials: [Trial]) {
        plan = facts.plan
        state = facts.state
        priority = facts.priority
        isPaused = facts.isPaused
        failure = facts.failure
        encoding = Encoding(parts: facts.plan.encodeParts, encoded: facts.encoded)
        self.trials = trials
        for (index, trial) in trials.enumerated() {
            counts[trial.record.state, default: 0] += 1
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
        change(&trials[index])
        let after = (state: trials[index].record.state, key: trials[index].isReady ? key(trials[index]) : nil)
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

    private func key(_ trial: Trial) -> String { plan.mixesClasses ? "" : trial.boundClass }
}
