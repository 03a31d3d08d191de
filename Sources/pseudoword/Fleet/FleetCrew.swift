// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation
import Synchronization

/// Does the same to every box of a hosts file, several at a time, and prints a line for each as it ends.
final class FleetCrew: Sendable {
    private let entries: [HostEntry]
    private let next = Mutex(0)
    private let failures = Mutex(0)

    init(_ entries: [HostEntry]) { self.entries = entries }

    /// - Returns: how many boxes failed or, after a stop signal, were not tried.
    func forEach(atOnce: Int, _ work: @escaping @Sendable (HostEntry) throws -> String) -> Int {
        let width = entries.map(\.name.count).max() ?? 0
        let group = DispatchGroup()
        for _ in 0..<min(atOnce, entries.count) {
            group.enter()
            // Threads of our own: these wait most of the time, and a pool would take them for busy.
            Thread.detachNewThread { [self] in
                defer { group.leave() }
                while let entry = take() {
                    do {
                        announce("\(entry.name.padded(to: width))  \(try work(entry))")
                    } catch {
                        failures.withLock { $0 += 1 }
                        announce("\(entry.name.padded(to: width))  failed: \(error)")
                    }
                }
            }
        }
        group.wait()
        return failures.withLock { $0 } + next.withLock { entries.count - $0 }
    }

    private func take() -> HostEntry? {
        next.withLock { next in
            guard next < entries.count, !StopSignal.isReceived else { return nil }
            next += 1
            return entries[next - 1]
        }
    }
}
