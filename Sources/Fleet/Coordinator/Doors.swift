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
    private let reloader: Mutex<AccessReloader?>
    private let expected = Mutex<CurvePublicKey?>(nil)

    /// Doors that are open to everyone who can reach them.
    init() {
        keys = nil
        store = nil
        table = AccessTable()
        reloader = Mutex(nil)
    }

    /// - Throws: `AccessError` when the key folder is not private or not readable.
    init(_ store: KeyStore) throws {
        self.store = store
        keys = try store.coordinatorKeys()
        let table = AccessTable()
        self.table = table
        reloader = Mutex(try AccessReloader(store, table))
    }

    /// The key with which the coordinator itself knocks at its doors to see that they are shut.
    func expectStranger(_ key: CurvePublicKey) { expected.withLock { $0 = key } }

    func isExpected(_ key: CurvePublicKey) -> Bool { expected.withLock { $0 == key } }

    /// Whether a key may connect at all.
    var decide: @Sendable (CurvePublicKey, String) -> Bool { { [table] key, _ in table.permits(key) != nil } }

    /// What the key behind a message may do; nil for nothing at all.
    func roles(of peer: PeerID) -> Set<Role>? {
        guard keys != nil else { return Set(Role.allCases) }
        return peer.key.flatMap { table.permits($0) }
    }

    /// Takes up changes of the allow-list that were made on disk.
    ///
    /// - Returns: the keys that lost rights.
    func reload() throws -> Set<CurvePublicKey> {
        try reloader.withLock { try $0?.reloadIfChanged() }?.lost ?? []
    }
}
