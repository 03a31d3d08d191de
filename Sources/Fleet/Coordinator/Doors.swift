// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import Synchronization
import ZeroMQ

/// Who may come in, and what they may do: the coordinator's keys and its allow-list, as both of its sockets see them.
final class Doors: Sendable {
    /// Nil when the coordinator runs without keys, for its own machine only.
    let keys: CurveKeyPair?
    let store: KeyStore?
    let table: AccessTable
    private let watch: Mutex<Watch>
    private let expected = Mutex<CurvePublicKey?>(nil)

    /// Doors that are open to everyone who can reach them.
    init() {
        keys = nil
        store = nil
        table = AccessTable()
        watch = Mutex(Watch())
    }

    /// - Throws: `AccessError` when the key folder is not private or not readable.
    init(_ store: KeyStore) throws {
        self.store = store
        keys = try store.coordinatorKeys()
        let table = AccessTable()
        self.table = table
        watch = Mutex(Watch(reloader: try AccessReloader(store, table)))
    }

    /// The key with which the coordinator itself knocks at its doors to see that they are shut.
    func expectStranger(_ key: CurvePublicKey) { expected.withLock { $0 = key } }

    func isExpected(_ key: CurvePublicKey) -> Bool { expected.withLock { $0 == key } }

    /// Whether a key may connect at all.
    ///
    /// Before one is turned away, the list on disk is looked at: somebody may have allowed it a moment ago. That costs one look at the
    /// file's date unless it has changed, so whoever knocks without end costs no more.
    var decide: @Sendable (CurvePublicKey, String) -> Bool {
        { [self] key, _ in
            if table.permits(key) != nil { return true }
            refresh()
            return table.permits(key) != nil
        }
    }

    /// What the key behind a message may do; nil for nothing at all.
    func roles(of peer: PeerID) -> Set<Role>? {
        guard keys != nil else { return Set(Role.allCases) }
        return peer.key.flatMap { table.permits($0) }
    }

    /// Takes up changes of the allow-list on disk, from whatever thread: they count at once.
    ///
    /// What they mean for those who are in is kept for `news`.
    func refresh() {
        watch.withLock { watch in
            do throws(AccessError) {
                guard let change = try watch.reloader?.reloadIfChanged() else { return }
                watch.touched.formUnion(change.lost.union(change.altered))
            } catch {
                watch.problem = error
            }
        }
    }

    /// What has become of the list since the last time.
    struct News {
        /// Keys that may not connect any more.
        var lost: Set<CurvePublicKey> = []
        /// Keys that may do other things than before.
        var altered: Set<CurvePublicKey> = []
        /// Why the list on disk cannot be used; told once for each version of it.
        var problem: AccessError?
    }

    /// Takes up changes, and tells what was taken up since the last time.
    func news() -> News {
        refresh()
        let (touched, problem) = watch.withLock { watch in
            defer { (watch.touched, watch.problem) = ([], nil) }
            return (watch.touched, watch.problem)
        }
        let lost = touched.filter { table.permits($0) == nil }
        return News(lost: lost, altered: touched.subtracting(lost), problem: problem)
    }

    private struct Watch {
        var reloader: AccessReloader?
        /// Keys that lost or changed their rights, unheeded so far.
        var touched: Set<CurvePublicKey> = []
        var problem: AccessError?
    }
}
