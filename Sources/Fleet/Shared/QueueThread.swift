// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Synchronization

/// A thread that takes one thing after another out of a queue, and sleeps while the queue has nothing for it.
///
/// What stands in the queue, in which order it comes out and when that ends is the owner's affair.
final class QueueThread<Queue: Sendable>: Sendable {
    /// What a queue has for its thread.
    enum Next<Item: Sendable>: Sendable {
        case item(Item)
        /// Nothing before this time or the next change.
        case wait(until: Instant?)
        case end
    }

    private let queue: Mutex<Queue>
    // Guards nothing: it sends the thread to sleep and wakes it.
    private let condition = NSCondition()
    private let ended = DispatchGroup()

    init(_ queue: Queue) { self.queue = Mutex(queue) }

    /// Starts the thread; its work is over when `work` returns.
    ///
    /// - Parameters:
    ///   - stackBytes: nil for the usual share.
    ///   - work: asks for `next` until there is nothing more.
    func start(_ name: String, stackBytes: Int? = nil, work: @escaping @Sendable () -> Void) {
        ended.enter()
        let thread = Thread { [ended] in
            work()
            ended.leave()
        }
        thread.name = name
        if let stackBytes { thread.stackSize = stackBytes }
        thread.start()
    }

    func read<Value: Sendable>(_ read: (Queue) -> Value) -> Value { queue.withLock { read($0) } }

    /// Changes the queue and wakes the thread to look at it.
    func change<Value: Sendable>(_ change: (inout Queue) -> Value) -> Value {
        let value = queue.withLock { change(&$0) }
        condition.lock()
        condition.signal()
        condition.unlock()
        return value
    }

    /// Waits until `take` finds something to do; nil at the end.
    ///
    /// For the thread itself.
    func next<Item: Sendable>(_ take: (inout Queue) -> Next<Item>) -> Item? {
        // From the look at the queue to the sleep, so that no change falls between them.
        condition.lock()
        defer { condition.unlock() }
        while true {
            switch queue.withLock({ take(&$0) }) {
            case .item(let item): return item
            case .wait(until: nil): condition.wait()
            case .wait(let due?): _ = condition.wait(until: Date(timeIntervalSinceNow: max(0.001, (due - .now).inSeconds)))
            case .end: return nil
            }
        }
    }

    /// Waits until the thread has ended; not at all if it never started.
    ///
    /// - Returns: whether it ended in time.
    @discardableResult
    func waitForEnd(_ patience: Duration? = nil) -> Bool {
        guard let patience else {
            ended.wait()
            return true
        }
        return ended.wait(timeout: .now() + patience.inSeconds) == .success
    }
}

extension Instant {
    /// The time of the loop's clock.
    static var now: Instant { Instant(ContinuousClock.now) }
}
