// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// Brings a study back from the ledger, and repairs what a crash between two writes left behind.
    mutating func restore(_ facts: StudyFacts, at now: Instant) {
        precondition(facts.trials.count == facts.plan.trialCount, "study \(facts.plan.id): one entry for each trial")
        var study = Study(plan: facts.plan, state: facts.state, trials: facts.trials.map(Trial.init))
        if study.state == .running {
            for index in study.trials.indices {
                repair(&study.trials[index], plan: facts.plan, at: now)
            }
        }
        studies[facts.plan.id] = study
        order.append(facts.plan.id)
        if study.state == .running { open.append(facts.plan.id) }
    }

    /// The segments are the truth; the trial's row may be older than they are.
    private mutating func repair(_ trial: inout Trial, plan: StudyPlan, at now: Instant) {
        guard !trial.record.state.isTerminal else { return }
        let before = trial.record
        let last = trial.segments.last
        let isUpToDate = trial.record.step == last?.toStep ?? 0
        if let last, trial.record.step != last.toStep {
            trial.record.step = last.toStep
            trial.record.crashes = 0
        }
        if let last, last.finished || last.toStep >= plan.steps {
            trial.record.state = .complete
        } else if trial.record.state == .running {
            trial.record.state = .waiting
            trial.attemptStart = isUpToDate ? trial.record.step : nil
            trial.reclaimUntil = now + settings.reclaim
        }
        if trial.record != before { unrecorded.append(trial.record) }
    }

    mutating func submit(_ plan: StudyPlan) {
        guard studies[plan.id] == nil else { return }
        let trials = (0..<plan.trialCount).map { index in
            Trial(TrialFacts(record: TrialRecord(trial: TrialID(study: plan.id, index: index))))
        }
        studies[plan.id] = Study(plan: plan, state: .running, trials: trials)
        order.append(plan.id)
        order.sort()
        open.append(plan.id)
        open.sort()
    }

    mutating func cancel(_ id: StudyID, _ actions: inout [Action]) {
        guard let study = studies[id], study.state == .running else { return }
        for trial in study.trials where !trial.record.state.isTerminal {
            end(trial.record.trial, as: .pruned, reason: "the study was cancelled", &actions)
        }
        studies[id]?.state = .cancelled
        open.removeAll { $0 == id }
        actions.append(.studyFinished(id, .cancelled))
    }

    mutating func pause(_ id: TrialID, _ actions: inout [Action]) {
        guard let trial = trial(id), trial.record.state == .waiting || trial.record.state == .running else { return }
        revoke(id, telling: "the trial was paused", &actions)
        update(id) { $0.record.state = .paused }
        record(id, &actions)
    }

    mutating func resume(_ id: TrialID, _ actions: inout [Action]) {
        guard let trial = trial(id), trial.record.state == .paused, isOpen(id.study) else { return }
        update(id) { $0.record.state = .waiting }
        record(id, &actions)
    }

    /// Ends a trial, or, while a result is on its way to the disk, arranges its end for when that is settled.
    mutating func end(_ id: TrialID, as state: TrialState, reason: String, _ actions: inout [Action]) {
        guard let trial = trial(id), !trial.record.state.isTerminal, isOpen(id.study) else { return }
        revoke(id, telling: reason, &actions)
        if trial.pending != nil {
            update(id) { $0.closing = (state, reason) }
            return
        }
        update(id) { trial in
            trial.record.state = state
            trial.record.failure = state == .complete ? "" : reason
            trial.closing = nil
            trial.vanished = []
        }
        record(id, &actions)
    }

    func record(_ id: TrialID, _ actions: inout [Action]) {
        if let trial = trial(id) { actions.append(.recordTrial(trial.record)) }
    }

    /// Ends the studies whose trials have all ended.
    mutating func settle(_ actions: inout [Action]) {
        for id in open {
            guard let study = studies[id], study.trials.allSatisfy({ $0.record.state.isTerminal }) else { continue }
            let state: StudyState = study.trials.contains { $0.record.state == .complete } ? .complete : .failed
            studies[id]?.state = state
            actions.append(.studyFinished(id, state))
        }
        open = open.filter(isOpen)
    }
}
