// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// Brings a study back from the ledger, and repairs what a crash between two writes left behind.
    mutating func restore(_ facts: StudyFacts, at now: Instant) {
        precondition(facts.trials.count == facts.plan.trialCount, "study \(facts.plan.id): one entry for each trial")
        let id = facts.plan.id
        var trials = facts.trials.map(Trial.init)
        if facts.state == .running {
            for index in trials.indices { repair(&trials[index], plan: facts.plan, at: now) }
        }
        studies[id] = Study(facts, trials: trials)
        order.append(id)
        for trial in trials {
            if let until = trial.notBefore { timers.set(.trial(trial.record.trial), at: until) }
        }
        if facts.state == .running, let encoding = studies[id]?.encoding, !encoding.isComplete {
            studies[id]?.encoding.notBefore = now + settings.reclaim
            timers.set(.study(id), at: now + settings.reclaim)
        }
        updateStudy(id) { _ in }
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
            // Slices are nobody's to claim.
            if plan.parallelism == .trials {
                trial.attemptStart = isUpToDate ? trial.record.step : nil
                trial.notBefore = now + settings.reclaim
            }
        }
        if trial.record != before { unrecorded.append(trial.record) }
    }

    mutating func submit(_ plan: StudyPlan) {
        guard studies[plan.id] == nil else { return }
        let records = (0..<plan.trialCount).map { TrialFacts(record: TrialRecord(trial: TrialID(study: plan.id, index: $0))) }
        let facts = StudyFacts(plan: plan, state: .running, trials: records)
        studies[plan.id] = Study(facts, trials: records.map(Trial.init))
        order.insert(plan.id, at: order.lowerBound { $0 < plan.id })
        updateStudy(plan.id) { _ in }
    }

    mutating func cancel(_ id: StudyID, _ actions: inout [Action]) {
        guard let study = studies[id], study.state == .running else { return }
        let reason = "the study was cancelled"
        revokeAll(of: id, telling: reason, &actions)
        endTrials(of: id, as: .pruned, reason: reason, &actions)
        updateStudy(id) { study in
            study.state = .cancelled
            study.previews.wanted = []
        }
        actions.append(.studyFinished(id, .cancelled, reason: reason))
    }

    /// Something that every trial needs cannot be had.
    mutating func fail(_ id: StudyID, reason: String, _ actions: inout [Action]) {
        guard isOpen(id) else { return }
        revokeAll(of: id, telling: reason, &actions)
        endTrials(of: id, as: .failed, reason: reason, &actions)
        updateStudy(id) { study in
            study.state = .failed
            study.failure = reason
        }
        actions.append(.studyFinished(id, .failed, reason: reason))
    }

    private mutating func endTrials(of id: StudyID, as state: TrialState, reason: String, _ actions: inout [Action]) {
        for index in 0..<(studies[id]?.plan.trialCount ?? 0) {
            end(TrialID(study: id, index: index), as: state, reason: reason, &actions)
        }
    }

    mutating func pause(study id: StudyID, _ actions: inout [Action]) {
        guard let study = studies[id], !study.isPaused, study.state != .cancelled else { return }
        updateStudy(id) { $0.isPaused = true }
        revokeAll(of: id, telling: "the study was paused", &actions)
        recordStudy(id, &actions)
    }

    mutating func resume(study id: StudyID, _ actions: inout [Action]) {
        guard studies[id]?.isPaused ?? false else { return }
        updateStudy(id) { $0.isPaused = false }
        recordStudy(id, &actions)
    }

    mutating func prioritize(_ id: StudyID, _ priority: Int, _ actions: inout [Action]) {
        guard let study = studies[id], study.priority != priority else { return }
        updateStudy(id) { $0.priority = priority }
        isUnbalanced = true
        isUnassigned = true
        recordStudy(id, &actions)
    }

    private func recordStudy(_ id: StudyID, _ actions: inout [Action]) {
        guard let study = studies[id] else { return }
        actions.append(.recordStudy(id, priority: study.priority, isPaused: study.isPaused))
    }

    /// Calls off everything that workers compute for the study.
    private mutating func revokeAll(of id: StudyID, telling reason: String, _ actions: inout [Action]) {
        for board in boards.keys.sorted() where board.study == id {
            revoke(board, telling: reason, &actions)
            record(board, &actions)
        }
        for lease in leases.keys.filter({ $0.work.study == id }).sorted() {
            cancel(lease, telling: reason, &actions)
            if case .train(let trial) = lease.work { record(trial, &actions) }
        }
    }

    /// Ends the studies whose trials have all ended.
    ///
    /// Previews that are still wanted go on; nobody waits for them.
    mutating func settle(_ actions: inout [Action]) {
        guard !ending.isEmpty else { return }
        for id in Set(ending).sorted() {
            guard let study = studies[id], study.state == .running, study.isDone else { continue }
            let state: StudyState = (study.counts[.complete] ?? 0) > 0 ? .complete : .failed
            updateStudy(id) { $0.state = state }
            for part in study.encoding.parts {
                if let lease = part.lease { cancel(lease, telling: "its study has ended", &actions) }
            }
            let reason = state == .failed ? "none of its trials is complete" : ""
            actions.append(.studyFinished(id, state, reason: reason))
        }
        ending = []
    }
}
