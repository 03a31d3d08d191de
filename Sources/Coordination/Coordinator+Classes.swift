// SPDX-License-Identifier: Apache-2.0

/// Which determinism class computes what: all bits of a study are of the class of its first grant, pictures included, unless it mixes.
///
/// As long as nothing of a study is on disk, it is free for another class when no worker of its own is left.
extension Coordinator {
    /// The class that pictures of the study need; nil if any will do.
    func requiredClass(of id: StudyID) -> String? {
        guard let study = studies[id], !study.plan.mixesClasses, !study.numericsClass.isEmpty else { return nil }
        return study.numericsClass
    }

    /// The class that a worker must have to work on the trial; nil if any will do.
    func requiredClass(of id: TrialID) -> String? {
        guard let study = studies[id.study], !study.plan.mixesClasses else { return nil }
        if let board = boards[id] { return board.numericsClass }
        guard study.trials.indices.contains(id.index) else { return nil }
        let bound = study.key(study.trials[id.index])
        return bound.isEmpty ? nil : bound
    }

    /// Fixes the class of a study: work of it was given out, or came back.
    mutating func bind(_ id: StudyID, to numericsClass: String, _ actions: inout [Action]) {
        guard let study = studies[id], !study.plan.mixesClasses, study.numericsClass.isEmpty, !numericsClass.isEmpty else { return }
        updateStudy(id) { $0.bind(to: numericsClass) }
        actions.append(.recordClass(id, numericsClass))
    }

    /// Fixes the class of a trial that has nothing on disk yet, and of its study.
    mutating func bind(_ id: TrialID, to numericsClass: String, _ actions: inout [Action]) {
        bind(id.study, to: numericsClass, &actions)
        guard let trial = trial(id), trial.boundClass.isEmpty, trial.record.numericsClass != numericsClass, !numericsClass.isEmpty else {
            return
        }
        update(id) { $0.record.numericsClass = numericsClass }
    }

    /// Frees a study that nothing binds yet and whose class has no worker any more.
    mutating func releaseClass(of id: StudyID) {
        guard let study = studies[id], study.isClassOpen else { return }
        let isThere = workers.values.contains { $0.numericsClass == study.numericsClass && $0.state != .lost }
        if !isThere { updateStudy(id) { $0.bind(to: "") } }
    }

    /// Why a result of this worker cannot be among the study's bits; nil if it can.
    func foreignness(of worker: WorkerID, needed: String?, in id: StudyID) -> String? {
        guard worker != .coordinator, let study = studies[id], !study.plan.mixesClasses else { return nil }
        guard let its = workers[worker]?.numericsClass else { return "nobody knows its worker, and so not of which class its bits are" }
        guard let needed, needed != its else { return nil }
        return "the study's bits are of class \(needed), the worker's of class \(its)"
    }

    /// Whether a worker's other bits for the same work are a contradiction: only workers of one class have to agree.
    func mustAgree(_ worker: WorkerID, with numericsClass: String?) -> Bool {
        workers[worker].map { $0.numericsClass == numericsClass } ?? false
    }

    /// Whose bits an accepted segment is; nil if that is not known.
    func numericsClass(of segment: SegmentFact, _ trial: Trial) -> String? {
        guard let study = studies[trial.record.trial.study] else { return nil }
        return study.plan.mixesClasses ? trial.segmentClasses[segment.fromStep] : trial.record.numericsClass
    }
}
