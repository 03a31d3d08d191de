// SPDX-License-Identifier: Apache-2.0

/// The only ways to change a trial, a study or a worker: each keeps the queues that follow from it right.
extension Coordinator {
    func trial(_ id: TrialID) -> Trial? {
        guard let trials = studies[id.study]?.trials, trials.indices.contains(id.index) else { return nil }
        return trials[id.index]
    }

    mutating func update(_ id: TrialID, _ change: (inout Trial) -> Void) {
        if studies[id.study]?.update(id.index, change) ?? false { refresh(id.study) }
    }

    mutating func updateStudy(_ id: StudyID, _ change: (inout Study) -> Void) {
        guard let index = studies.index(forKey: id) else { return }
        let before = studies.values[index].service
        change(&studies.values[index])
        let after = studies.values[index].service
        if before != after, studies.values[index].isWanting {
            remove(before)
            insert(after)
        }
        refresh(id)
    }

    /// Puts the study into the queue of those that have work to hand out, or takes it out.
    private mutating func refresh(_ id: StudyID) {
        guard let index = studies.index(forKey: id) else { return }
        let wants = studies.values[index].wantsWorkers
        if wants { isUnassigned = true }
        if studies.values[index].state == .running, studies.values[index].isDone, ending.last != id { ending.append(id) }
        guard wants != studies.values[index].isWanting else { return }
        studies.values[index].isWanting = wants
        if wants { insert(studies.values[index].service) } else { remove(studies.values[index].service) }
    }

    private mutating func insert(_ key: ServiceKey) { wanting.insert(key, at: wanting.place(of: key)) }

    private mutating func remove(_ key: ServiceKey) {
        let place = wanting.place(of: key)
        if wanting.indices.contains(place), wanting[place] == key { wanting.remove(at: place) }
    }

    mutating func updateWorker(_ id: WorkerID, _ change: (inout Worker) -> Void) {
        guard let index = workers.index(forKey: id) else { return }
        let before = workers.values[index].idleClass
        change(&workers.values[index])
        let after = workers.values[index].idleClass
        if before != after { changeIdle(id, from: before, to: after) }
    }

    mutating func forget(_ id: WorkerID) {
        guard let worker = workers.removeValue(forKey: id) else { return }
        changeIdle(id, from: worker.idleClass, to: nil)
        // A study may have waited for its class.
        isUnassigned = true
    }

    mutating func changeIdle(_ id: WorkerID, from before: String?, to after: String?) {
        if let before, var list = idle.removeValue(forKey: before) {
            let place = list.place(of: id)
            if list.indices.contains(place), list[place] == id { list.remove(at: place) }
            if !list.isEmpty { idle[before] = list }
        }
        if let after {
            let place = idle[after]?.place(of: id) ?? 0
            idle[after, default: []].insert(id, at: place)
            isUnassigned = true
        }
    }

    /// An idle worker for work that needs `numericsClass` (nil for any): `preferred` if it is free, else the first.
    func idleWorker(of numericsClass: String?, preferring preferred: WorkerID? = nil) -> WorkerID? {
        if let preferred, let itsClass = workers[preferred]?.idleClass, numericsClass == nil || numericsClass == itsClass {
            return preferred
        }
        guard let numericsClass else { return idle.values.compactMap(\.first).min() }
        return idle[numericsClass]?.first
    }

    /// The last step of the next segment; nil if there is none.
    func segmentEnd(of trial: Trial) -> Int? {
        guard let plan = studies[trial.record.trial.study]?.plan, trial.record.step < plan.steps else { return nil }
        return plan.segmentEnd(after: trial.record.step)
    }

    func isOpen(_ id: StudyID) -> Bool { studies[id]?.state == .running }
    func isServing(_ id: StudyID) -> Bool { studies[id]?.isServing ?? false }
}

extension [ServiceKey] {
    fileprivate func place(of key: ServiceKey) -> Int { lowerBound { $0 < key } }
}

extension [WorkerID] {
    fileprivate func place(of id: WorkerID) -> Int { lowerBound { $0 < id } }
}

extension Array {
    /// The number of leading elements for which `isBefore` holds, in an array where they stand first.
    func lowerBound(_ isBefore: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
