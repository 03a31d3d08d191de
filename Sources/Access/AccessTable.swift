// SPDX-License-Identifier: Apache-2.0
import Synchronization
package import ZeroMQ

/// The allow-list as it counts right now, for any thread.
///
/// A question takes a lock for the time of one look-up; a change replaces the whole list.
package final class AccessTable: Sendable {
    private let current: Mutex<AllowList>

    package init(_ list: AllowList = AllowList()) { current = Mutex(list) }

    package var list: AllowList { current.withLock { $0 } }

    /// What may be done under a key; nil if it may not connect.
    package func permits(_ key: CurvePublicKey) -> Set<Role>? { current.withLock { $0.permits(key) } }

    package func standing(of key: CurvePublicKey) -> AllowList.Standing { current.withLock { $0.standing(of: key) } }

    @discardableResult
    package func replace(with list: AllowList) -> AllowListChange {
        current.withLock { old in
            defer { old = list }
            return AllowListChange(from: old, to: list)
        }
    }
}

/// What the change of a list means for those who are connected.
package struct AllowListChange: Sendable, Equatable {
    /// Keys that may not connect any more and whose connections have to end.
    ///
    /// A join token that was just used is not among them: its connection may be waiting for the answer still.
    package let lost: Set<CurvePublicKey>
    /// Keys that may connect now and could not before.
    package let gained: Set<CurvePublicKey>
    /// Keys that may do other things than before.
    package let altered: Set<CurvePublicKey>

    package init(from old: AllowList, to new: AllowList) {
        var (lost, gained, altered): (Set<CurvePublicKey>, Set<CurvePublicKey>, Set<CurvePublicKey>) = ([], [], [])
        for entry in old.entries {
            guard let before = old.permits(entry.key) else { continue }
            switch new.permits(entry.key) {
            case nil:
                if case .usedToken = new.standing(of: entry.key) { continue }
                lost.insert(entry.key)
            case let after?: if after != before { altered.insert(entry.key) }
            }
        }
        for entry in new.entries where new.permits(entry.key) != nil && old.permits(entry.key) == nil { gained.insert(entry.key) }
        (self.lost, self.gained, self.altered) = (lost, gained, altered)
    }

    package var isEmpty: Bool { lost.isEmpty && gained.isEmpty && altered.isEmpty }
}
