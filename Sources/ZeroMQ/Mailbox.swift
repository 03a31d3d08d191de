// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation
import Synchronization

/// Hands work from any thread to the loop's thread and wakes it.
final class Mailbox<Work: Sendable>: Sendable {
    private enum Phase { case idle, open, closed }

    private struct State {
        var phase = Phase.idle
        var waiting: [Work] = []
        var stopRequested = false
        var descriptor: Int32 = -1
    }

    private let state = Mutex(State())
    /// Whether there may be something to take; asked at every turn of a loop, which finds nothing at most of them.
    private let hasNews = Atomic(false)

    /// The descriptor that becomes readable when there is something to take.
    ///
    /// - Throws: `.closed` when the loop was stopped before it was started.
    func prepare() throws(SocketError) -> Int32 {
        let descriptor = pw_wakeup_open()
        guard descriptor >= 0 else { throw SocketError(.system(errno), "cannot make a wake-up descriptor: \(SocketError.text(errno))") }
        let isUsable = state.withLock { state in
            guard !state.stopRequested else { return false }
            precondition(state.descriptor < 0, "a loop can be started once")
            state.descriptor = descriptor
            return true
        }
        if !isUsable {
            close(descriptor)
            throw SocketError(.closed, "the loop was stopped")
        }
        return descriptor
    }

    func open() { state.withLock { if $0.phase == .idle { $0.phase = .open } } }

    /// False when the loop does not run: the work is dropped.
    ///
    /// Work that is taken is always done.
    func post(_ work: Work) -> Bool {
        state.withLock { state in
            guard state.phase == .open else { return false }
            state.waiting.append(work)
            hasNews.store(true, ordering: .releasing)
            pw_wakeup_signal(state.descriptor)
            return true
        }
    }

    func requestStop() {
        state.withLock { state in
            state.stopRequested = true
            hasNews.store(true, ordering: .releasing)
            // Under the lock: a descriptor that was closed may already belong to someone else.
            if state.descriptor >= 0 { pw_wakeup_signal(state.descriptor) }
        }
    }

    /// - Returns: nil if there is nothing.
    func take() -> (work: [Work], stopRequested: Bool)? {
        guard hasNews.exchange(false, ordering: .acquiring) else { return nil }
        return state.withLock { state in
            defer { state.waiting.removeAll() }
            return (state.waiting, state.stopRequested)
        }
    }

    /// Takes nothing more, and gives what is left.
    func shut() -> [Work] {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
            state.phase = .closed
            state.stopRequested = true
            defer { state.waiting.removeAll() }
            return state.waiting
        }
    }
}
