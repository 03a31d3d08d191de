// SPDX-License-Identifier: Apache-2.0

import Coordination
import ZeroMQ

/// One conversation: from a hello to its end.
struct Session {
    /// Nil for a client.
    let worker: WorkerID?
    /// Repeated by every heartbeat.
    let name: String
    var heard: Instant
    var pinged: Instant
}

/// The conversations of a coordinator.
///
/// A worker has one at most: its newest.
struct SessionTable {
    private static let limit = 10_000
    private static let clientPatience: Duration = .seconds(300)

    private(set) var sessions: [PeerID: Session] = [:]
    private var peers: [WorkerID: PeerID] = [:]
    private var count: UInt64 = 0

    var isFull: Bool { sessions.count >= Self.limit }

    subscript(peer: PeerID) -> Session? { sessions[peer] }

    func peer(of worker: WorkerID) -> PeerID? { peers[worker] }

    var workers: [(key: PeerID, value: Session)] { sessions.filter { $0.value.worker != nil }.map { $0 } }

    /// Opens a conversation and ends the one that the same worker or the same connection had before.
    mutating func open(_ peer: PeerID, worker: WorkerID?, at now: Instant) -> Session {
        close(peer)
        if let worker, let old = peers[worker] { sessions[old] = nil }
        count += 1
        let session = Session(worker: worker, name: "session-\(count)", heard: now, pinged: now)
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

    mutating func note(messageFrom peer: PeerID, at now: Instant) {
        sessions[peer]?.heard = now
    }

    mutating func note(pingTo peer: PeerID, at now: Instant) {
        sessions[peer]?.pinged = now
    }

    mutating func forgetSilentClients(at now: Instant) {
        sessions = sessions.filter { $0.value.worker != nil || now - $0.value.heard < Self.clientPatience }
    }
}
