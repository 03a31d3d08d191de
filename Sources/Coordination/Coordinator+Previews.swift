// SPDX-License-Identifier: Apache-2.0

/// Pictures of what trials have learned. Nothing ever waits for them, and a trial never fails because of one.
extension Coordinator {
    /// Attempts at a preview before it is given up.
    private static let previewLimit = 3

    mutating func wantPreview(of report: SegmentReport) {
        let id = report.trial.study
        guard let study = studies[id], study.state != .cancelled else { return }
        guard study.plan.wantsPreview(after: report.fromStep, at: report.toStep) else { return }
        let key = Previews.Key(trial: report.trial.index, step: report.toStep)
        guard study.previews.kept[key] == nil, study.previews.entry(key) == nil else { return }
        updateStudy(id) { $0.previews.wanted.append(Previews.Entry(key: key)) }
    }

    mutating func grantPreview(_ key: Previews.Key, of id: StudyID, to worker: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let attempts = studies[id]?.previews.attempts else { return }
        let work = Work.preview(TrialID(study: id, index: key.trial), step: key.step)
        let lease = LeaseID(work, attempt: attempts + 1)
        updateStudy(id) { study in
            study.previews.attempts += 1
            study.previews.lease = lease
        }
        grant(lease, to: worker, from: key.step, to: key.step, at: now, &actions)
    }

    mutating func previewFailed(
        _ lease: LeaseID, of trial: TrialID, step: Int, isLasting: Bool, _ message: String, _ actions: inout [Action]
    ) {
        drop(lease)
        let key = Previews.Key(trial: trial.index, step: step)
        guard var entry = studies[trial.study]?.previews.entry(key) else { return }
        entry.failures += 1
        let isGivenUp = isLasting || entry.failures >= Self.previewLimit
        updateStudy(trial.study) { [entry] study in
            study.previews.wanted.removeAll { $0.key == key }
            if !isGivenUp { study.previews.wanted.append(entry) }
        }
        actions.append(isGivenUp ? .abandoned(lease, reason: message) : .requeued(lease, reason: message))
    }
}
