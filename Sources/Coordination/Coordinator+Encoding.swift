// SPDX-License-Identifier: Apache-2.0

/// Pictures to latent moments: what a study needs before its trials can start.
extension Coordinator {
    mutating func grantPart(_ part: Int, of id: StudyID, to worker: WorkerID, at now: Instant, _ actions: inout [Action]) {
        guard let attempts = studies[id]?.encoding.attempts else { return }
        bind(id, to: workers[worker]?.numericsClass ?? "", &actions)
        let lease = LeaseID(.encode(id, part: part), attempt: attempts + 1)
        updateStudy(id) { study in
            study.encoding.attempts += 1
            study.encoding.update(part) { $0.lease = lease }
        }
        grant(lease, to: worker, from: 0, to: 0, at: now, &actions)
    }

    /// - Parameter isLasting: any other worker would fail in the same way.
    mutating func encodingFailed(
        _ lease: LeaseID, of id: StudyID, part: Int, isLasting: Bool, _ message: String, _ actions: inout [Action]
    ) {
        let isHeld = leases[lease] != nil
        drop(lease)
        updateStudy(id) { $0.encoding.update(part) { $0.crashes += 1 } }
        guard let encoding = studies[id]?.encoding, encoding.parts.indices.contains(part) else { return }
        let crashes = encoding.parts[part].crashes
        if isLasting {
            fail(id, reason: message, &actions)
        } else if crashes >= settings.crashLimit {
            let pictures = "part \(part) of the pictures"
            fail(id, reason: "\(pictures) crashed its worker \(crashes) times; the last time: \(message)", &actions)
        } else if isHeld {
            actions.append(.requeued(lease, reason: message))
        }
    }
}
