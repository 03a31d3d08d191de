// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import ZeroMQ

/// One conversation: from a hello to its end.
struct Session {
    /// Nil for a client.
    let worker: WorkerID?
    let about: WorkerDescription?
    let memoryBytes: UInt64
    /// What its key has to allow for as long as it lasts.
    var role: Role { worker == nil ? .client : .worker }
    /// Repeated by every heartbeat.
    let name: String
    var heard: Instant
    var pinged: Instant
    /// What its worker does before it can compute.
    var preparing = ""
}

/// The conversations of a coordinator.
///
/// A worker has one at most: its newest.
struct SessionTable {
    private static let limit = 10_000
    private static let clientPatience: Duration = .seconds(300)
    private static let lastWordPatience: Duration = .seconds(60)

    private(set) var sessions: [PeerID: Session] = [:]
    private var peers: [WorkerID: PeerID] = [:]
    /// Connections that took nothing more, and since when: what was said over them before may still be on its way in.
    private var broken: [PeerID: (worker: WorkerID, since: Instant)] = [:]
    private var count: UInt64 = 0

    var isFull: Bool { sessions.count >= Self.limit }

    subscript(peer: PeerID) -> Session? { sessions[peer] }

    func peer(of worker: WorkerID) -> PeerID? { peers[worker] }

    var workers: [(key: PeerID, value: Session)] { peers.values.compactMap { peer in sessions[peer].map { (peer, $0) } } }

    /// Opens a conversation and ends the one that the same worker or the same connection had before.
    ///
    /// - Returns: nil if another key holds a live conversation under this worker's name.
    mutating func open(
        _ peer: PeerID, worker: WorkerID?, about: WorkerDescription?, memoryBytes: UInt64 = 0, at now: Instant
    ) -> Session? {
        if let worker, let old = peers[worker], old.key != peer.key { return nil }
        close(peer)
        if let worker, let old = peers[worker] { sessions[old] = nil }
        count += 1
        let session = Session(
            worker: worker, about: about, memoryBytes: memoryBytes, name: "session-\(count)", heard: now, pinged: now)
        sessions[peer] = session
        if let worker { peers[worker] = peer }
        return session
    }

    /// Ends a conversation.
    ///
    /// - Returns: the worker that has none now.
    @discardableResult
    mutating func close(_ peer: PeerID) -> WorkerID? {
        guard let worker = sessions.removeValue(forKey: peer)?.worker, peers[worker] == peer else { return nil }
        peers[worker] = nil
        return worker
    }

    /// Ends a conversation whose connection broke under what it was to take.
    ///
    /// - Returns: the worker that has none now.
    mutating func lose(_ peer: PeerID, at now: Instant) -> WorkerID? {
        guard let worker = close(peer) else { return nil }
        broken[peer] = (worker, now)
        return worker
    }

    /// Ends a conversation with a goodbye, which may be read after the connection was found broken.
    ///
    /// - Returns: the worker that has left; nil if it has come back over another connection.
    mutating func part(from peer: PeerID) -> WorkerID? {
        let lost = broken.removeValue(forKey: peer)?.worker
        return close(peer) ?? lost.flatMap { peers[$0] == nil ? $0 : nil }
    }

    mutating func note(messageFrom peer: PeerID, at now: Instant) { sessions[peer]?.heard = now }

    mutating func note(pingTo peer: PeerID, at now: Instant) { sessions[peer]?.pinged = now }

    mutating func note(preparing: String, by peer: PeerID) { sessions[peer]?.preparing = preparing }

    mutating func forgetSilent(at now: Instant) {
        broken = broken.filter { now - $0.value.since < Self.lastWordPatience }
        for (peer, session) in sessions where session.worker == nil && now - session.heard >= Self.clientPatience {
            sessions[peer] = nil
        }
    }

    /// The conversations under one of these keys.
    func conversations(of keys: Set<CurvePublicKey>) -> [PeerID] { sessions.keys.filter { $0.key.map(keys.contains) ?? false } }
}
