// SPDX-License-Identifier: Apache-2.0

import Coordination

/// A write of one turn.
enum Write: Sendable {
    case attempt(Grant)
    case segment(SegmentReport)
    case piece(PieceReport)
    case trial(TrialRecord)
    case study(StudyID, priority: Int, isPaused: Bool)
    case numericsClass(StudyID, String)
    case finished(StudyID, StudyState, reason: String)
}

/// What is on the virtual disk.
///
/// Every write is checked against the promises before it counts.
struct VirtualLedger: Sendable {
    private(set) var facts: [StudyID: StudyFacts] = [:]
    /// States of the trials after their last segment.
    private(set) var states: [TrialID: UInt64] = [:]
    private(set) var unfinished = 0
    /// Previews that some segment calls for and that are not there yet.
    private(set) var previewsWanted: Set<Work> = []
    private(set) var failure: String?

    mutating func add(_ study: VirtualStudy) {
        let trials = (0..<study.plan.trialCount).map { TrialFacts(record: TrialRecord(trial: TrialID(study: study.plan.id, index: $0))) }
        facts[study.plan.id] = StudyFacts(plan: study.plan, state: .running, trials: trials)
        unfinished += 1
    }

    var allFacts: [StudyFacts] { facts.values.sorted { $0.plan.id < $1.plan.id } }

    func trial(_ id: TrialID) -> TrialFacts? { facts[id.study].map { $0.trials[id.index] } }

    func has(_ report: SegmentReport) -> Bool {
        facts[report.trial.study]?.trials[report.trial.index].segments.last { $0.fromStep <= report.fromStep }
            .map { $0.fromStep == report.fromStep && $0.digest == report.digest } ?? false
    }

    func has(_ report: PieceReport) -> Bool {
        switch report.lease.work {
        case .encode(let study, let part): facts[study]?.encoded[part] == report.digest
        case .preview(let trial, let step): facts[trial.study]?.trials[trial.index].previews[step] == report.digest
        default: false
        }
    }

    mutating func abandon(_ work: Work) { previewsWanted.remove(work) }

    mutating func apply(_ write: Write, _ studies: [StudyID: VirtualStudy]) {
        switch write {
        case .attempt(let grant):
            guard case .train(let id) = grant.lease.work else { return }
            change(id) { record in
                if grant.lease.attempt <= record.attempt { return "\(grant.lease) was granted before" }
                record.attempt = grant.lease.attempt
                record.state = .running
                return nil
            }
        case .segment(let report): add(report, studies)
        case .piece(let report): add(report, studies)
        case .trial(let row):
            change(row.trial) { record in
                if record.state.isTerminal, record != row { return "trial \(row.trial) changed after its end: \(record), \(row)" }
                if row.step < record.step { return "trial \(row.trial) went back from step \(record.step) to \(row.step)" }
                let attempt = max(record.attempt, row.attempt)
                record = row
                record.attempt = attempt
                return nil
            }
        case .study(let id, let priority, let isPaused):
            facts[id]?.priority = priority
            facts[id]?.isPaused = isPaused
        case .numericsClass(let id, let numericsClass): facts[id]?.numericsClass = numericsClass
        case .finished(let id, let state, let reason):
            if facts[id]?.state != .running { fail("study \(id) ended twice") }
            facts[id]?.state = state
            facts[id]?.failure = reason
            unfinished -= 1
        }
    }

    private mutating func add(_ report: SegmentReport, _ studies: [StudyID: VirtualStudy]) {
        let id = report.trial
        guard let study = studies[id.study], let facts = trial(id) else { return fail("a result for an unknown trial: \(report)") }
        let from = facts.segments.last?.toStep ?? 0
        guard report.fromStep == from, facts.segments.last?.finished != true else {
            return fail("\(report) does not follow step \(from)")
        }
        let end = study.end(of: id.index, after: from)
        guard report.toStep == end.step, report.finished == end.finished else { return fail("\(report) does not end at step \(end.step)") }
        let state = study.trained(states[id] ?? study.initial(id), from: from, to: report.toStep)
        if report.digest != digest(state) { return fail("other bits than undisturbed: \(report)") }
        states[id] = state
        self.facts[id.study]?.trials[id.index].segments.append(report.segment)
        if study.plan.wantsPreview(after: from, at: report.toStep) { previewsWanted.insert(.preview(id, step: report.toStep)) }
    }

    private mutating func add(_ report: PieceReport, _ studies: [StudyID: VirtualStudy]) {
        var before: String?
        switch report.lease.work {
        case .encode(let id, let part):
            before = facts[id]?.encoded.updateValue(report.digest, forKey: part)
            if let study = studies[id], report.digest != digest(study.encoded(part)) { fail("other bits than undisturbed: \(report)") }
        case .preview(let id, let step):
            before = facts[id.study]?.trials[id.index].previews.updateValue(report.digest, forKey: step)
            previewsWanted.remove(report.lease.work)
        default: return fail("\(report) is no piece")
        }
        if before != nil { fail("\(report) was written twice") }
    }

    private mutating func change(_ id: TrialID, _ change: (inout TrialRecord) -> String?) {
        guard var record = facts[id.study]?.trials[id.index].record else { return fail("unknown trial \(id)") }
        if let problem = change(&record) { fail(problem) }
        facts[id.study]?.trials[id.index].record = record
    }

    private mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }

    /// The end of a whole run: every trial is where it would be had nothing happened.
    func verdict(_ studies: [StudyID: VirtualStudy]) -> String? {
        for (id, study) in studies.sorted(by: { $0.key < $1.key }) {
            guard let facts = facts[id], facts.state == .complete else { return "study \(id) is \(facts[id]?.state.rawValue ?? "lost")" }
            if facts.encoded.count != study.plan.encodeParts { return "study \(id) has \(facts.encoded.count) encoded parts" }
            for trial in facts.trials {
                let index = trial.record.trial.index
                let last = study.lastStep(index)
                guard trial.record.state == .complete, trial.record.step == last else {
                    return
                        "trial \(trial.record.trial) is \(trial.record.state.rawValue) at step \(trial.record.step): \(trial.record.failure)"
                }
                let expected = study.trained(study.initial(trial.record.trial), from: 0, to: last)
                if states[trial.record.trial] != expected { return "trial \(trial.record.trial) ended with other bits than undisturbed" }
            }
        }
        return nil
    }
}
