// SPDX-License-Identifier: Apache-2.0

/// Results of `encode` and `preview` leases, on their way to the disk.
extension Coordinator {
    mutating func pieceResult(_ report: PieceReport, at now: Instant, _ actions: inout [Action]) {
        heard(report.worker, at: now, &actions)
        updateWorker(report.worker) { $0.foreign.remove(report.lease) }
        if let kept = keptPiece(report.lease.work) {
            return comparePiece(report, with: kept, &actions)
        }
        if let reason = refusal(of: report) {
            acknowledge(report, .stale(reason: reason), &actions)
            return releaseLease(of: report, reason: reason, &actions)
        }
        // Judged when the first one is on disk: the worker keeps its result and sends it again.
        guard pendingPiece(report.lease.work) == nil else { return }
        if case .encode(let study, _) = report.lease.work { bind(study, to: workers[report.worker]?.numericsClass ?? "", &actions) }
        setPending(report, for: report.lease.work)
        actions.append(.persistPiece(report))
    }

    private mutating func acknowledge(_ report: PieceReport, _ answer: Acknowledgement, _ actions: inout [Action]) {
        updateWorker(report.worker) { $0.answered = report.lease }
        actions.append(.acknowledgePiece(report, answer))
    }

    private func keptPiece(_ work: Work) -> KeptPiece? {
        switch work {
        case .encode(let study, let part): self.part(part, of: study)?.kept
        case .preview(let trial, let step): studies[trial.study]?.previews.kept[Previews.Key(trial: trial.index, step: step)]
        case .train, .gradient, .evaluate: nil
        }
    }

    private func pendingPiece(_ work: Work) -> PieceReport? {
        switch work {
        case .encode(let study, let part): self.part(part, of: study)?.pending
        case .preview(let trial, let step): studies[trial.study]?.previews.entry(Previews.Key(trial: trial.index, step: step))?.pending
        case .train, .gradient, .evaluate: nil
        }
    }

    private func part(_ index: Int, of study: StudyID) -> Encoding.Part? {
        guard let parts = studies[study]?.encoding.parts, parts.indices.contains(index) else { return nil }
        return parts[index]
    }

    private mutating func setPending(_ report: PieceReport?, for work: Work) {
        switch work {
        case .encode(let study, let part): updateStudy(study) { $0.encoding.update(part) { $0.pending = report } }
        case .preview(let trial, let step):
            updateStudy(trial.study) { $0.previews.update(Previews.Key(trial: trial.index, step: step)) { $0.pending = report } }
        case .train, .gradient, .evaluate: break
        }
    }

    private mutating func setKept(_ kept: KeptPiece, for work: Work) {
        switch work {
        case .encode(let study, let part):
            updateStudy(study) { study in
                study.encoding.update(part) { part in
                    part.kept = kept
                    part.pending = nil
                }
            }
        case .preview(let trial, let step):
            let key = Previews.Key(trial: trial.index, step: step)
            updateStudy(trial.study) { study in
                study.previews.kept[key] = kept
                study.previews.wanted.removeAll { $0.key == key }
            }
        case .train, .gradient, .evaluate: break
        }
    }

    /// Why nobody needs the piece; nil if it is wanted.
    private func refusal(of report: PieceReport) -> String? {
        switch report.lease.work {
        case .encode(let study, let part):
            if self.part(part, of: study) == nil { return "there is no such part" }
            return isOpen(study) ? foreignness(of: report.worker, needed: requiredClass(of: study), in: study) : "the study has ended"
        case .preview(let trial, let step):
            let isWanted = studies[trial.study]?.previews.entry(Previews.Key(trial: trial.index, step: step)) != nil
            return isWanted ? nil : "no such preview is wanted"
        case .train, .gradient, .evaluate:
            return "there is no such piece"
        }
    }

    private mutating func comparePiece(_ report: PieceReport, with kept: KeptPiece, _ actions: inout [Action]) {
        if kept.digest == report.digest {
            acknowledge(report, .duplicate, &actions)
        } else if !mustAgree(report.worker, with: kept.numericsClass) {
            acknowledge(report, .stale(reason: "the piece is on disk, in bits that need not be this worker's"), &actions)
        } else {
            if !kept.offered.contains(report.digest) {
                var known = kept
                known.offered.insert(report.digest)
                setKept(known, for: report.lease.work)
                raiseAlarm(report.lease, kept: kept, offered: report.digest, by: report.worker, &actions)
            }
            acknowledge(report, .conflict, &actions)
        }
        releaseLease(of: report, reason: "the piece is on disk", &actions)
    }

    /// A worker that gets any answer to its result lets go of the lease.
    private mutating func releaseLease(of report: PieceReport, reason: String, _ actions: inout [Action]) {
        if leases[report.lease]?.worker == report.worker { requeue(report.lease, reason: reason, &actions) }
    }

    /// The piece is on disk.
    mutating func pieceKept(_ report: PieceReport, _ actions: inout [Action]) {
        let work = report.lease.work
        guard pendingPiece(work) == report else { return }
        setKept(KeptPiece(digest: report.digest, worker: report.worker, numericsClass: workers[report.worker]?.numericsClass), for: work)
        updateWorker(report.worker) { $0.acceptedPieces += 1 }
        if let lease = leaseOn(work) {
            if lease == report.lease, leases[lease]?.worker == report.worker {
                drop(lease)
            } else {
                cancel(lease, telling: "another worker's result came first", &actions)
            }
        }
        acknowledge(report, .accepted, &actions)
    }

    private func leaseOn(_ work: Work) -> LeaseID? {
        switch work {
        case .encode(let study, let part): self.part(part, of: study)?.lease
        case .preview(let trial, _): studies[trial.study]?.previews.lease.flatMap { $0.work == work ? $0 : nil }
        case .train, .gradient, .evaluate: nil
        }
    }

    /// The disk refused: nothing is acknowledged, so the worker keeps the piece and sends it again.
    mutating func pieceRefused(_ report: PieceReport, at now: Instant) {
        storageBlockedUntil = now + settings.storageRetry
        if pendingPiece(report.lease.work) == report { setPending(nil, for: report.lease.work) }
    }
}
