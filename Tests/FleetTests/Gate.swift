// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A door that a trainer waits at.
final class Gate: Sendable {
    private let condition = NSCondition()
    private let isOpen = Atomic<Bool>(false)
    private let arrivals = Atomic<Int>(0)

    var hasVisitor: Bool { arrivals.load(ordering: .acquiring) > 0 }

    func pass() {
        arrivals.wrappingAdd(1, ordering: .releasing)
        condition.lock()
        while !isOpen.load(ordering: .acquiring) { condition.wait() }
        condition.unlock()
    }

    func open() {
        condition.lock()
        isOpen.store(true, ordering: .releasing)
        condition.broadcast()
        condition.unlock()
    }
}

/// Something that threads of a fleet leave for a test.
final class Notes<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    var all: [Value] { values.withLock { $0 } }

    func add(_ value: Value) { values.withLock { $0.append(value) } }
}

/// Runs blocking work beside the test: a client waits for its answer, so it must not sit on one of Swift's few threads.
func aside<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try work() }) }.start()
    }
}
