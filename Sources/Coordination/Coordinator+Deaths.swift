// SPDX-License-Identifier: Apache-2.0

/// When a worker died of what it computed, and when it is only out of reach.
///
/// A broken connection and silence look the same whether the network failed or the process died, so neither counts against any work. What
/// tells them apart is a process that starts in the place of the lost one: under the same name, on the same machine, with the same key.
/// Then what the lost one was computing counts as a crash; and if it comes back nevertheless, that is taken back.
extension Coordinator {
    /// A process joins: those that were lost in its place are dead.
    mutating func noteSuccessor(_ id: WorkerID, _ actions: inout [Action]) {
        guard let about = workers[id]?.about else { return }
        let dead = workers.filter {
            $0.key != id && $0.value.state == .lost && $0.value.hasUnfinished && about.isInPlace(of: $0.value.about)
        }
        for worker in dead.keys.sorted() { died(worker, &actions) }
    }

    /// A worker is lost: if another process has started in its place since it was heard, it is dead.
    mutating func noteLoss(of id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id], worker.hasUnfinished else { return }
        let isReplaced = workers.contains { other, its in
            other != id && its.joined > worker.heard && its.about.isInPlace(of: worker.about)
        }
        if isReplaced { died(id, &actions) }
    }

    /// Counts a crash of what the worker was computing when it was lost.
    private mutating func died(_ id: WorkerID, _ actions: inout [Action]) {
        guard let worker = workers[id] else { return }
        updateWorker(id) { worker in
            worker.unfinished = nil
            worker.suspectedOf = nil
        }
        if let lease = worker.unfinished { vanished(lease, name: worker.about.name, &actions) }
        if let work = worker.suspectedOf { sliceVanished(work, id, name: worker.about.name, &actions) }
    }

    /// The worker of this lease died while it computed it.
    private mutating func vanished(_ lease: Lease, name: String, _ actions: inout [Action]) {
        let reason = "worker \(name) vanished while it computed them"
        switch lease.id.work {
        case .train(let id):
            guard let trial = trial(id), trial.record.step == lease.fromStep, trial.pending == nil, !trial.record.state.isTerminal,
                isOpen(id.study)
            else { return }
            update(id) { $0.vanished.insert(lease.worker) }
            vanishings[lease.worker, default: []].insert(lease.id.work)
            trainingCrashed(lease.id, of: id, reason: reason, &actions)
        case .gradient, .evaluate: break
        case .encode(let study, let part):
            guard let parts = studies[study]?.encoding.parts, parts.indices.contains(part), parts[part].kept == nil,
                parts[part].pending == nil, isOpen(study)
            else { return }
            updateStudy(study) { $0.encoding.update(part) { $0.vanished.insert(lease.worker) } }
            vanishings[lease.worker, default: []].insert(lease.id.work)
            encodingFailed(lease.id, of: study, part: part, isLasting: false, reason, &actions)
        case .preview(let trial, let step):
            // Somebody has it again: what comes of that counts.
            guard studies[trial.study]?.previews.lease?.work != lease.id.work else { return }
            previewFailed(lease.id, of: trial, step: step, isLasting: false, reason, &actions)
        }
    }

    /// A worker that comes back did not die: what was counted against its work is taken back.
    mutating func forgiveVanishing(of id: WorkerID, _ actions: inout [Action]) {
        for work in (vanishings.removeValue(forKey: id) ?? []).sorted(by: { LeaseID($0, attempt: 0) < LeaseID($1, attempt: 0) }) {
            if case .encode(let study, let part) = work {
                updateStudy(study) { study in
                    study.encoding.update(part) { if $0.vanished.remove(id) != nil { $0.crashes = max(0, $0.crashes - 1) } }
                }
            }
            guard let trialID = work.trial, let trial = trial(trialID), trial.vanished.contains(id) else { continue }
            update(trialID) { trial in
                trial.vanished.remove(id)
                if !trial.record.state.isTerminal { trial.record.crashes = max(0, trial.record.crashes - 1) }
            }
            boards[trialID]?.forgiveCrash(of: work)
            if !trial.record.state.isTerminal { record(trialID, &actions) }
        }
    }
}
