// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import ZeroMQ

/// The server's state, on the thread that owns its socket.
struct BlobServerHandler: LoopHandler {
    struct Session {
        var heard: ContinuousClock.Instant
        var sent: ContinuousClock.Instant
        /// Broken rules of late.
        var strikes = 0
    }

    /// After so many broken rules a peer is not answered for a while.
    static let maximumStrikes = 100
    /// How long one may hear nothing about an open request.
    static let waitInterval: Duration = .seconds(2)
    static let sessionLifetime: Duration = .seconds(600)
    /// Enough to keep the disk and the network busy at the same time.
    static let concurrentReads = 4

    let options: BlobServerOptions
    let disk: BlobServerDisk
    let shared: SharedBlobStatus
    let socket: SocketID
    var sessions: [PeerID: Session] = [:]
    var fetches: FetchQueue
    var reading = 0
    /// Fetches of blobs that are being checked.
    var parked: [BlobDigest: [FetchQueue.Request]] = [:]
    var puts: PutTable
    var status = BlobServerStatus()
    private var lastWaits: ContinuousClock.Instant
    private var lastSweep: ContinuousClock.Instant

    init(_ options: BlobServerOptions, disk: BlobServerDisk, shared: SharedBlobStatus, _ context: inout LoopContext) throws {
        self.options = options
        self.disk = disk
        self.shared = shared
        if let authenticate = options.authenticate { try context.authenticate(authenticate) }
        let (socket, endpoint) = try context.bind(options.endpoint, options: options.socket)
        self.socket = socket
        let limits = options.limits
        fetches = FetchQueue(windowRequests: limits.windowRequests, windowBytes: limits.windowBytes)
        puts = PutTable(windowBytes: limits.windowBytes, chunkBytes: limits.chunkBytes)
        lastWaits = context.now
        lastSweep = context.now
        shared.endpoint.withLock { $0 = endpoint }
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .message(_, let peer?, let frames): take(frames, from: peer, &context)
        case .malformed(_, let peer?, let reason): strike(peer, reason)
        case .refused(_, let key, let address): note("key \(key.short) from \(address) was refused")
        case .handshakesFailed(_, let count): note("\(count) connections came to nothing")
        case .tick: tick(&context)
        case .stopping: for put in puts.puts.values { put.writer?.abandon() }
        default: break
        }
    }

    // MARK: Messages

    private mutating func take(_ frames: [Data], from peer: PeerID, _ context: inout LoopContext) {
        guard (sessions[peer]?.strikes ?? 0) < Self.maximumStrikes else { return }
        let (id, request): (UInt64, BlobRequest)
        do throws(BlobMessageError) {
            (id, request) = try BlobCodec.decodeRequest(frames)
        } catch {
            strike(peer, error.message)
            if error.requestID != 0 { reply(.error(.invalid, error.message), error.requestID, to: peer, &context) }
            return
        }
        guard let rights = options.authorize(peer), !rights.isEmpty else {
            drop(peer, &context)
            note("a peer without the right to move blobs was refused")
            reply(.error(.forbidden, "this key may not move blobs; ask for one that may"), id, to: peer, &context)
            return
        }
        if case .hello(let major, _, _) = request { return welcome(peer, id, major: major, rights, &context) }
        guard sessions[peer] != nil else {
            return reply(.error(.helloRequired, "say hello first: this conversation is not known here"), id, to: peer, &context)
        }
        sessions[peer]?.heard = context.now
        handle(request, id, from: peer, rights, &context)
    }

    private mutating func handle(
        _ request: BlobRequest, _ id: UInt64, from peer: PeerID, _ rights: BlobRights, _ context: inout LoopContext
    ) {
        let party = PutTable.Party(peer: peer, id: id)
        switch request {
        case .hello: break
        case .stat(let digest):
            guard rights.contains(.read) || rights.contains(.write) else { return refuse(peer, id, .forbidden, "may not ask", &context) }
            reply(.stat(digest, size: disk.store.size(of: digest)), id, to: peer, &context)
        case .fetch(let digest, let offset, let length):
            guard rights.contains(.read) else { return refuse(peer, id, .forbidden, "this key may not read blobs", &context) }
            fetch(FetchQueue.Request(peer: peer, id: id, digest: digest, offset: offset, length: length), &context)
        case .put(let digest, let size):
            guard rights.contains(.write) else { return refuse(peer, id, .forbidden, "this key may not write blobs", &context) }
            put(party, digest, size: size, &context)
        case .putData(let offset, let data): receive(data, at: offset, from: party, &context)
        case .putAbort: leave(party, &context)
        }
    }

    private mutating func welcome(
        _ peer: PeerID, _ id: UInt64, major: UInt32, _ rights: BlobRights, _ context: inout LoopContext
    ) {
        guard major == BlobLimits.version.major else {
            let ours = "\(BlobLimits.version.major).\(BlobLimits.version.minor)"
            note("a peer speaks version \(major) of the blob protocol, not \(ours)")
            return reply(
                .error(.version, "blob protocol \(major) is not spoken here, only \(ours); install the same release on both machines"), id,
                to: peer, &context)
        }
        if sessions[peer] == nil, sessions.count >= options.maximumSessions, !makeRoomForSession(&context) {
            note("more than \(options.maximumSessions) peers at once")
            return reply(.error(.tooMany, "too many peers at once; try again later"), id, to: peer, &context)
        }
        sessions[peer] = Session(heard: context.now, sent: context.now, strikes: sessions[peer]?.strikes ?? 0)
        var welcome = options.limits
        welcome.program = options.program
        welcome.rights = rights
        reply(.welcome(welcome), id, to: peer, &context)
    }

    /// The longest silent peer without anything open has to go.
    private mutating func makeRoomForSession(_ context: inout LoopContext) -> Bool {
        let busy = Set(fetches.peers)
        let idle = sessions.filter { !busy.contains($0.key) && puts.count(of: $0.key) == 0 }
        guard let oldest = idle.min(by: { $0.value.heard < $1.value.heard })?.key else { return false }
        drop(oldest, &context)
        return true
    }

    // MARK: Answers

    /// Sends, and forgets a peer that is gone.
    ///
    /// - Returns: why it was not sent.
    @discardableResult
    mutating func send(_ reply: BlobReply, _ id: UInt64, to peer: PeerID, _ context: inout LoopContext) -> SocketError.Code? {
        do throws(SocketError) {
            try context.send(BlobCodec.encode(reply, id: id), to: peer, on: socket)
            sessions[peer]?.sent = context.now
            return nil
        } catch {
            if error.code == .unreachable { drop(peer, &context) }
            return error.code
        }
    }

    mutating func reply(_ reply: BlobReply, _ id: UInt64, to peer: PeerID, _ context: inout LoopContext) {
        send(reply, id, to: peer, &context)
    }

    mutating func refuse(_ peer: PeerID, _ id: UInt64, _ fault: BlobFault, _ why: String, _ context: inout LoopContext) {
        strike(peer, why)
        reply(.error(fault, why), id, to: peer, &context)
    }

    mutating func strike(_ peer: PeerID, _ why: String) {
        sessions[peer]?.strikes += 1
        note("peer \(peer): \(why)")
    }

    private mutating func note(_ problem: String) {
        status.refused += 1
        status.lastRefusal = problem
        options.onProblem(problem)
    }

    /// Forgets a conversation.
    mutating func drop(_ peer: PeerID, _ context: inout LoopContext) {
        sessions[peer] = nil
        fetches.remove(peer)
        for writer in puts.leave(peer, now: context.now) { disk.abandon(writer) }
    }

    mutating func disconnect(where isUnwanted: (PeerID) -> Bool, _ context: inout LoopContext) {
        for peer in sessions.keys.filter(isUnwanted) { drop(peer, &context) }
        context.disconnect(on: socket, where: isUnwanted)
    }

    // MARK: Time

    private mutating func tick(_ context: inout LoopContext) {
        pumpFetches(&context)
        pumpPuts(&context)
        if context.now - lastWaits > Self.waitInterval {
            lastWaits = context.now
            sendWaits(&context)
        }
        if context.now - lastSweep > .seconds(30) {
            lastSweep = context.now
            sweep(&context)
        }
        status.sessions = sessions.count
        status.fetching = fetches.peers.count
        status.puts = puts.all.map { .init(digest: $0.digest, size: $0.size, written: $0.writer?.written ?? 0) }
        shared.status.withLock { $0 = status }
    }

    private mutating func sendWaits(_ context: inout LoopContext) {
        for peer in Array(fetches.peers) {
            guard let session = sessions[peer], context.now - session.sent > Self.waitInterval else { continue }
            let parkedID = parked.values.joined().first { $0.peer == peer }?.id
            if let id = fetches.waitingID(peer) ?? parkedID { send(.wait, id, to: peer, &context) }
        }
        for party in puts.waiting { send(.wait, party.id, to: party.peer, &context) }
    }

    private mutating func sweep(_ context: inout LoopContext) {
        disk.closeFiles()
        let busy = Set(fetches.peers)
        for (peer, session) in sessions {
            sessions[peer]?.strikes = 0
            let isIdle = !busy.contains(peer) && puts.count(of: peer) == 0
            if isIdle, context.now - session.heard > Self.sessionLifetime { drop(peer, &context) }
        }
    }
}
