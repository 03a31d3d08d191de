// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Synchronization
import WireMessages

/// Writes checkpoint files on a thread of its own, so that no disk holds up a conversation.
///
/// The ledger is the truth and a checkpoint a copy of it, so a file may lag behind: results that arrive faster than the disk takes files
/// share one.
final class CheckpointService: Sendable {
    /// What is known of a trial's file.
    struct Known: Sendable {
        var path = ""
        var problem = ""
        var evaluationLoss: Double?
    }

    private let queue = DispatchQueue(label: "checkpoints")
    private let keeper: Mutex<CheckpointKeeper>
    private let known = Mutex<[TrialID: Known]>([:])
    private let waiting = Mutex<[TrialID: [AcceptedSegment]]>([:])
    private let unwritten = Mutex<Set<TrialID>>([])
    private let isStopped = Atomic<Bool>(false)

    init(_ keeper: CheckpointKeeper) { self.keeper = Mutex(keeper) }

    subscript(trial: TrialID) -> Known { known.withLock { $0[trial] ?? Known() } }

    /// What is wrong with any file.
    var problems: [String] {
        known.withLock { known in
            known.filter { !$0.value.problem.isEmpty }.sorted { $0.key < $1.key }.map(\.value.problem)
        }
    }

    /// Trials whose files are about to be written: what is on disk is older than the ledger.
    var behind: Set<TrialID> { unwritten.withLock { $0 } }

    /// A result went into the ledger.
    func accepted(_ segment: AcceptedSegment) {
        _ = unwritten.withLock { $0.insert(segment.trial) }
        let isFirst = waiting.withLock { waiting in
            waiting[segment.trial, default: []].append(segment)
            return waiting[segment.trial]?.count == 1
        }
        guard isFirst else { return }
        enqueue { keeper in
            let segments = self.waiting.withLock { $0.removeValue(forKey: segment.trial) ?? [] }
            guard let study = segments.last?.study else { return }
            keeper.resultsAccepted(segments.map(\.result), of: segment.trial, in: study)
            self.tell(segment.trial, keeper)
            self.waiting.withLock { waiting in
                if waiting[segment.trial] == nil { _ = self.unwritten.withLock { $0.remove(segment.trial) } }
            }
        }
    }

    /// Makes the file of a trial agree with the ledger after a restart.
    func resume(_ trial: TrialID, step: Int, of study: StudyRow) {
        enqueue { keeper in
            keeper.resume(trial, step: step, in: study)
            self.tell(trial, keeper)
        }
    }

    /// Forgets the history of a trial that has ended; its file stays.
    func release(_ trial: TrialID) {
        enqueue { $0.release(trial) }
    }

    /// Tries again what could not be written.
    func retry() {
        guard known.withLock({ $0.contains { !$0.value.problem.isEmpty } }) else { return }
        enqueue { keeper in
            for trial in keeper.retry() { self.tell(trial, keeper) }
        }
    }

    /// Writes what waits, and nothing after that.
    func stop() {
        queue.sync { isStopped.store(true, ordering: .relaxed) }
    }

    private func enqueue(_ work: @escaping @Sendable (inout CheckpointKeeper) -> Void) {
        queue.async { [self] in
            if !isStopped.load(ordering: .relaxed) { keeper.withLock { work(&$0) } }
        }
    }

    private func tell(_ trial: TrialID, _ keeper: CheckpointKeeper) {
        let path = keeper.paths[trial] ?? "", problem = keeper.problems[trial] ?? "", loss = keeper.evaluationLoss(of: trial)
        known.withLock { $0[trial] = Known(path: path, problem: problem, evaluationLoss: loss) }
    }
}
