// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// The state that lives on a loop's thread: it opens the sockets, gets every event, and needs no locks.
package protocol LoopHandler: SendableMetatype {
    /// Handles one event.
    ///
    /// Nothing else happens on the loop until it returns, so it must not wait for anything.
    mutating func handle(_ event: LoopEvent, in context: inout LoopContext)

    /// Comes after all that one turn of the loop brought: where what belongs together goes to disk or out together.
    mutating func endTurn(in context: inout LoopContext)
}

extension LoopHandler {
    package mutating func endTurn(in context: inout LoopContext) {}
}

/// One thread that owns all sockets of a process, and the handler that uses them.
///
/// libzmq's sockets belong to one thread and a Swift task may change threads at every `await`; so the thread is our own, and everyone
/// else hands it work with `post` or `perform`. The loop keeps itself alive from `start` until it is stopped.
package final class SocketLoop<Handler: LoopHandler>: Sendable {
    package typealias Work = @Sendable (inout Handler, inout LoopContext) -> Void

    private let name: String
    private let ioThreads: Int
    private let tickInterval: Duration
    private let makeHandler: @Sendable (inout LoopContext) throws -> Handler
    private let mailbox = Mailbox<Work>()
    private let ended = DispatchGroup()
    private let loopThread = Atomic<UInt>(0)

    /// - Parameters:
    ///   - name: the thread's name, 15 bytes at most.
    ///   - ioThreads: how many threads of libzmq move bytes and encrypt them; one carries some hundred megabytes a second under keys.
    ///   - tickInterval: how often the handler gets `.tick`.
    ///   - makeHandler: runs on the loop's thread; opens the first sockets. What it throws, `start` throws.
    package init(
        name: String, ioThreads: Int = 1, tickInterval: Duration, makeHandler: @escaping @Sendable (inout LoopContext) throws -> Handler
    ) {
        precondition(tickInterval > .zero, "the tick interval is positive")
        precondition((1...64).contains(ioThreads), "1 to 64 threads move bytes")
        self.name = name
        self.ioThreads = ioThreads
        self.tickInterval = tickInterval
        self.makeHandler = makeHandler
    }

    /// Starts the thread and waits until the handler is made.
    ///
    /// Can be called once.
    ///
    /// - Throws: what `makeHandler` threw; the loop is over then.
    package func start() throws {
        let descriptor = try mailbox.prepare()
        let box = StartBox()
        ended.enter()
        let thread = Thread { [self] in
            loopThread.store(UInt(pthread_self()), ordering: .releasing)
            run(wakeup: descriptor, box)
            loopThread.store(0, ordering: .releasing)
            ended.leave()
        }
        thread.name = name
        thread.stackSize = 4 << 20
        thread.start()
        box.started.wait()
        if let error = box.failure.withLock({ $0 }) { throw error }
    }

    /// Runs `work` on the loop's thread, after the work posted before it.
    ///
    /// - Returns: false when the loop does not run; the work is dropped then. Work that was taken is done even if the loop is stopped.
    @discardableResult
    package func post(_ work: @escaping Work) -> Bool { mailbox.post(work) }

    /// Runs `work` on the loop's thread and gives back what it returns.
    ///
    /// - Throws: what `work` throws, or `SocketError` with code `.closed` when the loop does not run.
    package func perform<Value: Sendable>(
        _ work: @escaping @Sendable (inout Handler, inout LoopContext) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let isTaken = post { handler, context in
                do {
                    continuation.resume(returning: try work(&handler, &context))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
            if !isTaken { continuation.resume(throwing: SocketError(.closed, "the loop does not run")) }
        }
    }

    /// Asks the loop to end and returns at once.
    ///
    /// From any thread.
    package func requestStop() { mailbox.requestStop() }

    /// Ends the loop and waits until its sockets are closed.
    ///
    /// Work posted before is done, the handler gets `.stopping`, unsent messages go out within their linger time. From any thread; on
    /// the loop's own thread it only asks.
    package func stop() {
        requestStop()
        if loopThread.load(ordering: .acquiring) != UInt(pthread_self()) { ended.wait() }
    }

    /// Waits until the loop has ended, whoever ends it.
    ///
    /// Returns at once when it was never started.
    package func waitUntilStopped() async {
        await withCheckedContinuation { continuation in
            ended.notify(queue: .global()) { continuation.resume() }
        }
    }

    private func run(wakeup: Int32, _ box: StartBox) {
        SignalMask.leaveSignalsToOtherThreads()
        let core: LoopCore
        do throws(SocketError) {
            core = try LoopCore(ioThreads: ioThreads)
        } catch {
            _ = mailbox.shut()
            box.failure.withLock { $0 = error }
            box.started.signal()
            return
        }
        var context = LoopContext(core: core, now: .now)
        do {
            var handler = try makeHandler(&context)
            mailbox.open()
            box.started.signal()
            turn(&handler, &context, wakeup: wakeup)
            for work in mailbox.shut() { work(&handler, &context) }
            handler.handle(.stopping, in: &context)
            core.close()
        } catch {
            _ = mailbox.shut()
            core.close()
            box.failure.withLock { $0 = error }
            box.started.signal()
        }
    }

    private func turn(_ handler: inout Handler, _ context: inout LoopContext, wakeup: Int32) {
        let core = context.core
        var nextTick = context.now + tickInterval
        while !core.stopRequested {
            core.wait(until: nextTick, wakeup: wakeup)
            context.now = .now
            if let (work, stopRequested) = mailbox.take() {
                for item in work { item(&handler, &context) }
                if stopRequested { return }
            }
            for event in core.collect(now: context.now) where core.isCurrent(event) && !core.stopRequested {
                handler.handle(event, in: &context)
            }
            if context.now >= nextTick, !core.stopRequested {
                // Ticks that were missed are not made up for.
                nextTick = max(nextTick, context.now - tickInterval) + tickInterval
                handler.handle(.tick, in: &context)
            }
            if !core.stopRequested { handler.endTurn(in: &context) }
        }
    }
}
