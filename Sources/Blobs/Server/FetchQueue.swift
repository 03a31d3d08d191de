// SPDX-License-Identifier: Apache-2.0
import ZeroMQ

/// The open fetches of all peers: whose turn it is, and who asks for too much.
struct FetchQueue {
    struct Request: Sendable, Hashable {
        let peer: PeerID
        let id: UInt64
        let digest: BlobDigest
        let offset: Int64
        let length: Int
    }

    private struct Line {
        /// In the order in which they came.
        var waiting: [Request] = []
        /// Also those that are being read or whose blob is being checked.
        var open = 0
        var openBytes = 0
        var blockedUntil: ContinuousClock.Instant?
    }

    let windowRequests: Int
    let windowBytes: Int
    private var lines: [PeerID: Line] = [:]
    /// Peers with something waiting, the next one first.
    private var turns: [PeerID] = []

    init(windowRequests: Int, windowBytes: Int) {
        self.windowRequests = windowRequests
        self.windowBytes = windowBytes
    }

    /// Peers with open requests.
    var peers: some Collection<PeerID> { lines.keys }

    /// The oldest request of a peer that waits for its turn, or any number if all are being worked at.
    func waitingID(_ peer: PeerID) -> UInt64? { lines[peer]?.waiting.first?.id }

    /// False when the peer has asked for too much already.
    mutating func add(_ request: Request) -> Bool {
        var line = lines[request.peer] ?? Line()
        guard line.open < windowRequests, line.openBytes + request.length <= windowBytes || line.open == 0 else { return false }
        line.open += 1
        line.openBytes += request.length
        lines[request.peer] = line
        queue(request, first: false)
        return true
    }

    /// Puts a request back that could not be served yet.
    ///
    /// - Parameter until: the peer gets nothing before.
    mutating func putBack(_ request: Request, until: ContinuousClock.Instant? = nil) {
        guard lines[request.peer] != nil else { return }
        if let until { lines[request.peer]?.blockedUntil = until }
        queue(request, first: true)
    }

    /// The next request to work at: each peer in turn, and each peer's in order.
    mutating func next(now: ContinuousClock.Instant) -> Request? {
        for index in turns.indices {
            let peer = turns[index]
            guard var line = lines[peer], line.blockedUntil.map({ $0 <= now }) ?? true else { continue }
            line.blockedUntil = nil
            let request = line.waiting.removeFirst()
            lines[peer] = line
            turns.remove(at: index)
            if !line.waiting.isEmpty { turns.append(peer) }
            return request
        }
        return nil
    }

    /// A request was answered.
    ///
    /// - Returns: false when its peer is gone: there is nobody to answer.
    @discardableResult
    mutating func finish(_ request: Request) -> Bool {
        guard var line = lines[request.peer] else { return false }
        line.open -= 1
        line.openBytes -= request.length
        lines[request.peer] = line.open > 0 ? line : nil
        return true
    }

    func isOpen(_ request: Request) -> Bool { lines[request.peer] != nil }

    mutating func remove(_ peer: PeerID) {
        lines[peer] = nil
        turns.removeAll { $0 == peer }
    }

    private mutating func queue(_ request: Request, first: Bool) {
        guard var line = lines[request.peer] else { return }
        if line.waiting.isEmpty { turns.append(request.peer) }
        line.waiting.insert(request, at: first ? 0 : line.waiting.endIndex)
        lines[request.peer] = line
    }
}
