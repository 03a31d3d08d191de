// SPDX-License-Identifier: Apache-2.0

extension Coordinator {
    /// The present state of everything.
    ///
    /// - Parameter study: only this one; nil for all.
    package func snapshot(now instant: Instant, study: StudyID? = nil) -> Snapshot {
        let now = max(instant, latest)
        let listed = workers.map { id, worker in snapshot(of: worker, id, at: now) }
        return Snapshot(
            studies: (study.map { [$0] } ?? order).compactMap { snapshot(of: $0) },
            workers: listed.sorted { ($0.about.name, $0.id) < ($1.about.name, $1.id) },
            isStorageBlocked: storageBlockedUntil.map { now < $0 } ?? false)
    }

    private func snapshot(of worker: Worker, _ id: WorkerID, at now: Instant) -> Snapshot.Worker {
        let held = worker.leases.sorted()
        let first = held.first.flatMap { leases[$0] }
        let isTraining = if case .train = first?.id.work { true } else { false }
        return Snapshot.Worker(
            id: id, about: worker.about, state: worker.state, leases: held, board: worker.board,
            step: first.map { $0.progress?.step ?? $0.fromStep }, stepsPerSecond: isTraining ? first?.progress?.speed : nil,
            secondsPerSlice: worker.sliceSeconds, isStalled: held.contains { leases[$0]?.progress?.isStalled ?? false },
            silence: now - worker.heard, joined: now - worker.joined, acceptedSegments: worker.acceptedSegments,
            acceptedPieces: worker.acceptedPieces, keptSlices: worker.keptSlices, alarms: worker.alarms)
    }

    /// The state of one study; nil if there is none with that number.
    package func snapshot(of id: StudyID) -> Snapshot.Study? {
        guard let study = studies[id] else { return nil }
        let plan = study.plan
        let listed = study.trials.map { snapshot(of: $0, steps: plan.steps) }
        let done = listed.reduce(0) { $0 + ($1.state.isTerminal ? $1.steps : $1.liveStep) }
        let total = plan.steps * plan.trialCount
        let speeds = listed.compactMap(\.stepsPerSecond)
        let speed = speeds.isEmpty || study.state.isTerminal ? nil : speeds.reduce(0, +)
        let ranked = listed.compactMap { trial in trial.best.map { (loss: $0.loss, id: trial.id) } }.filter { !$0.loss.isNaN }
        return Snapshot.Study(
            id: plan.id, name: plan.name, state: study.state, priority: study.priority, isPaused: study.isPaused,
            parallelism: plan.parallelism, encodedParts: study.encoding.done, encodeParts: plan.encodeParts,
            previewsWanted: study.previews.wanted.count, failure: study.failure, trials: listed,
            counts: study.counts.filter { $0.value > 0 },
            ranking: ranked.sorted { ($0.loss, $0.id) < ($1.loss, $1.id) }.map(\.id), stepsDone: done, steps: total, stepsPerSecond: speed,
            remaining: speed.map { Duration.milliseconds(Int64(min(Double(total - done) / $0 * 1000, 1e15))) })
    }

    private func snapshot(of trial: Trial, steps: Int) -> Snapshot.Trial {
        let record = trial.record
        let lease = trial.lease.flatMap { leases[$0] }
        let board = record.state == .running && lease == nil ? boards[record.trial] : nil
        let open = board.flatMap { board in
            board.phase == .open || board.phase == .closing
                ? board.plan.map {
                    Snapshot.OpenStep(step: $0.step, kind: $0.kind, slicesDone: board.keptCount, slices: $0.slices)
                } : nil
        }
        return Snapshot.Trial(
            id: record.trial, state: record.state, step: record.step,
            liveStep: max(record.step, lease?.progress?.step ?? board?.plan?.step ?? 0), steps: steps, attempt: record.attempt,
            crashes: record.crashes, stepsPerSecond: lease?.progress?.speed ?? board?.stepsPerSecond, worker: lease?.worker,
            members: board?.members ?? [], open: open, isStalled: lease?.progress?.isStalled ?? false, numericsClass: record.numericsClass,
            best: trial.segments.last { $0.best != nil }?.best, loss: lease?.progress?.loss ?? trial.segments.last?.loss,
            failure: record.failure, alarms: trial.alarms)
    }

    /// Trials that wait for a worker, in all studies.
    package var waitingTrials: Int { studies.values.reduce(0) { $0 + ($1.counts[.waiting] ?? 0) } }

    /// The accepted segments of a trial, in order.
    package func segments(of id: TrialID) -> [SegmentFact] {
        trial(id)?.segments ?? []
    }

    /// Digests of the encoded parts that are on disk, by part.
    package func encodedParts(of id: StudyID) -> [Int: String] {
        let parts = (studies[id]?.encoding.parts ?? []).enumerated().compactMap { index, part in part.kept.map { (index, $0.digest) } }
        return Dictionary(uniqueKeysWithValues: parts)
    }

    /// Digests of a trial's previews that are on disk, by step.
    package func previews(of id: TrialID) -> [Int: String] {
        let kept = (studies[id.study]?.previews.kept ?? [:]).filter { $0.key.trial == id.index }
        return Dictionary(uniqueKeysWithValues: kept.map { ($0.key.step, $0.value.digest) })
    }

    /// Whether the worker said hello and was not forgotten since; one that was has to say hello again before its heartbeats count.
    package func knows(_ id: WorkerID) -> Bool { workers[id] != nil }

    /// The worker that holds this lease, if it is in force.
    package func holder(of lease: LeaseID) -> WorkerID? { leases[lease]?.worker }

    /// The members of an open trial, in the order of their shares.
    package func members(of id: TrialID) -> [WorkerID] { boards[id]?.members ?? [] }
}
