// SPDX-License-Identifier: Apache-2.0

import Coordination
import Glibc
import Synchronization

/// Writes checkpoint files on a thread of its own and of low priority, so that no disk holds up a conversation.
///
/// The ledger is the truth and a checkpoint a copy of it, so a file may lag behind.
final class CheckpointService: Sendable {
    /// What is known of a trial's file.
    struct Known: Sendable {
        var path = ""
        var problem = ""
        var evaluationLoss: Double?
    }

    /// How long `stop` goes on with what waits; the next coordinator on this home writes the rest.
    private static let patience: Duration = .seconds(10)
    /// The niceness of the thread.
    private static let niceness: Int32 = 10

    private struct State {
        var queue = CheckpointQueue()
        var isStarted = false
        /// Set once: when the thread ends at the latest.
        var end: Instant?

        mutating func next() -> QueueThread<State>.Next<CheckpointQueue.Item> {
            queue.isDone()
            if let end, end <= .now { return .end }
            if let item = queue.next(at: .now, isHurried: end != nil) { return .item(item) }
            return end == nil ? .wait(until: queue.due) : .end
        }
    }

    /// As it was at the beginning; the thread has its own.
    private let keeper: CheckpointKeeper
    private let thread = QueueThread(State())
    private let known = Mutex<[TrialID: Known]>([:])

    init(_ keeper: CheckpointKeeper) { self.keeper = keeper }

    subscript(trial: TrialID) -> Known { known.withLock { $0[trial] ?? Known() } }

    /// What is wrong with any file.
    var problems: [String] {
        known.withLock { known in
            known.filter { !$0.value.problem.isEmpty }.sorted { $0.key < $1.key }.map(\.value.problem)
        }
    }

    /// Trials whose files are about to be written: what is on disk is older than the ledger.
    var behind: Set<TrialID> { thread.read { $0.queue.behind } }

    /// Results went into the ledger, and trials ended.
    func note(accepted: [AcceptedSegment], ended: [TrialID]) {
        if accepted.isEmpty && ended.isEmpty { return }
        change { queue in
            for segment in accepted { queue.accepted(segment, at: .now) }
            for trial in ended { queue.end(trial) }
        }
    }

    /// Makes the file of a trial agree with the ledger after a restart.
    func resume(_ trial: TrialID, step: Int, of study: StudyRow) { change { $0.resume(trial, step: step, of: study) } }

    /// Tries again what could not be written.
    func retry() {
        guard known.withLock({ $0.contains { !$0.value.problem.isEmpty } }) else { return }
        change { $0.retry() }
    }

    /// Writes what waits, for a while at most, and nothing after that.
    func stop() { end(at: .now + Self.patience) }

    /// Writes nothing more, as if the process were killed.
    func abandon() { end(at: .now) }

    private func end(at end: Instant) {
        thread.change { $0.end = $0.end ?? end }
        thread.waitForEnd()
    }

    private func change(_ change: (inout CheckpointQueue) -> Void) {
        let isFirst = thread.change { state in
            change(&state.queue)
            guard !state.isStarted, state.end == nil else { return false }
            state.isStarted = true
            return true
        }
        if isFirst { start() }
    }

    private func start() {
        thread.start("checkpoints") { [self] in
            // Of this thread alone, on Linux.
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
            var keeper = keeper
            while let item = thread.next({ $0.next() }) { perform(item, &keeper) }
        }
    }

    // MARK: - On the thread

    private func perform(_ item: CheckpointQueue.Item, _ keeper: inout CheckpointKeeper) {
        switch item {
        case .write(let trial, let study, let results):
            keeper.resultsAccepted(results, of: trial, in: study)
            tell(trial, keeper)
        case .release(let trial): keeper.release(trial)
        case .resume(let trial, let step, let study):
            keeper.resume(trial, step: step, in: study)
            tell(trial, keeper)
        case .retry:
            for trial in keeper.retry() { tell(trial, keeper) }
        }
    }

    private func tell(_ trial: TrialID, _ keeper: CheckpointKeeper) {
        let path = keeper.paths[trial] ?? "", problem = keeper.problems[trial] ?? "", loss = keeper.evaluationLoss(of: trial)
        known.withLock { $0[trial] = Known(path: path, problem: problem, evaluationLoss: loss) }
    }
}
