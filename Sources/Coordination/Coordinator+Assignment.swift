// SPDX-License-Identifier: Apache-2.0

/// What goes to whom: studies by priority and submission; in a study pictures, then previews, then trials by index.
extension Coordinator {
    mutating func assign(at now: Instant, _ actions: inout [Action]) {
        if isUnassigned {
            isUnassigned = false
            if boards.isEmpty {
                for key in wanting {
                    if idle.isEmpty { break }
                    serve(key.study, at: now, &actions)
                }
            }
            if !boards.isEmpty { assignWithBoards(at: now, &actions) }
        }
        balance(&actions)
    }

    private mutating func assignWithBoards(at now: Instant, _ actions: inout [Action]) {
        let open = boards.keys.sorted()
        for priority in Set(wanting.map(\.priority) + open.map(priority)).sorted(by: >) {
            for key in wanting where key.priority == priority { serve(key.study, at: now, &actions) }
            if !idle.isEmpty { help(open.filter { self.priority($0) == priority }) }
        }
    }

    private mutating func serve(_ id: StudyID, at now: Instant, _ actions: inout [Action]) {
        releaseClass(of: id)
        let canWrite = storageBlockedUntil == nil
        if canWrite {
            while let part = nextPart(of: id), let worker = anyone(of: requiredClass(of: id), for: id, &actions) {
                grantPart(part, of: id, to: worker, at: now, &actions)
            }
            if let preview = nextPreview(of: id), let worker = anyone(of: nil, for: id, &actions) {
                grantPreview(preview, of: id, to: worker, at: now, &actions)
            }
        }
        guard isServing(id), studies[id]?.encoding.isComplete ?? false else { return }
        feed(id, &actions)
        guard canWrite else { return }
        while let index = nextTrial(of: id), start(TrialID(study: id, index: index), at: now, &actions) {}
        while let (index, worker) = recruitForTrial(of: id, &actions),
            start(TrialID(study: id, index: index), with: worker, at: now, &actions)
        {}
    }

    private func nextPart(of id: StudyID) -> Int? {
        guard isServing(id), let encoding = studies[id]?.encoding, encoding.isWanting else { return nil }
        return encoding.todo.first
    }

    private func nextPreview(of id: StudyID) -> Previews.Key? {
        guard let study = studies[id], !study.isPaused, study.state != .cancelled else { return nil }
        return study.previews.next?.key
    }

    private mutating func anyone(of needed: String?, for id: StudyID, _ actions: inout [Action]) -> WorkerID? {
        idleWorker(of: needed) ?? recruit(for: id, trial: nil, numericsClass: needed, &actions)
    }

    /// Finds a member for open trials that have none.
    private mutating func feed(_ id: StudyID, _ actions: inout [Action]) {
        var index = studies[id]?.hungry.first
        while let next = index {
            let trialID = TrialID(study: id, index: next)
            let needed = requiredClass(of: trialID)
            let worker = idleWorker(of: needed, preferring: trial(trialID)?.lastWorker)
            if let worker = worker ?? recruit(for: id, trial: next, numericsClass: needed, &actions) { join(worker, trialID) }
            index = studies[id]?.hungry.first(after: next)
        }
    }

    /// The first trial that some idle worker can take.
    private func nextTrial(of id: StudyID) -> Int? {
        guard !idle.isEmpty, let ready = studies[id]?.ready else { return nil }
        return ready.compactMap { key, queue in key.isEmpty || idle[key] != nil ? queue.first : nil }.min()
    }

    private mutating func recruitForTrial(of id: StudyID, _ actions: inout [Action]) -> (Int, WorkerID)? {
        guard !boards.isEmpty, let ready = studies[id]?.ready else { return nil }
        for (index, key) in ready.compactMap({ key, queue in queue.first.map { ($0, key) } }).sorted(by: { $0.0 < $1.0 }) {
            if let worker = recruit(for: id, trial: index, numericsClass: key.isEmpty ? nil : key, &actions) { return (index, worker) }
        }
        return nil
    }

    /// - Returns: whether the trial left the queue.
    private mutating func start(_ id: TrialID, with worker: WorkerID? = nil, at now: Instant, _ actions: inout [Action]) -> Bool {
        guard let trial = trial(id), let parallelism = studies[id.study]?.plan.parallelism, let end = segmentEnd(of: trial),
            let worker = worker ?? idleWorker(of: requiredClass(of: id), preferring: trial.lastWorker)
        else { return false }
        switch parallelism {
        case .data: open(id, for: worker, &actions)
        case .trials: train(trial, on: worker, until: end, at: now, &actions)
        }
        return true
    }

    private mutating func train(_ trial: Trial, on worker: WorkerID, until end: Int, at now: Instant, _ actions: inout [Action]) {
        let id = trial.record.trial
        let lease = LeaseID(.train(id), attempt: trial.record.attempt + 1)
        bind(id, to: workers[worker]?.numericsClass ?? "", &actions)
        // Before the attempt number, which belongs to the grant.
        if self.trial(id)?.record.numericsClass != trial.record.numericsClass { record(id, &actions) }
        update(id) { trial in
            trial.record.attempt = lease.attempt
            trial.attemptStart = trial.record.step
            trial.record.state = .running
            trial.notBefore = nil
            trial.lease = lease
            trial.lastWorker = worker
        }
        grant(lease, to: worker, from: trial.record.step, to: end, at: now, &actions)
    }
}
