// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import Foundation
import Logging
import WireMessages
import ZeroMQ

extension CoordinatorHandler {
    private static let shownProblems = 8

    private static let shownFor: Duration = .seconds(600)

    /// A line for `status` about somebody who was not let in; it goes after a while.
    mutating func noteAccess(_ text: String) {
        let isNew = !accessProblems.contains { $0.text == text }
        accessProblems.removeAll { $0.text == text || ContinuousClock.now - $0.at > Self.shownFor }
        accessProblems.append((text, .now))
        if accessProblems.count > Self.shownProblems { accessProblems.removeFirst() }
        guard isNew else { return }
        logger.notice("\(text)")
        note("refused", text)
    }

    var shownAccessProblems: [String] { accessProblems.filter { ContinuousClock.now - $0.at <= Self.shownFor }.map(\.text) }

    mutating func refused(_ key: CurvePublicKey, _ address: String) {
        if doors.isExpected(key) { return }
        switch doors.table.standing(of: key) {
        case .usedToken(let entry): noteAccess("a join token that was used before (\(entry.name)) was tried again from \(address)")
        default: noteAccess("a stranger's key \(key.short)... was refused from \(address); pseudoword keys allow lets it in")
        }
    }

    /// Takes up keys that were allowed, changed or revoked, and ends the conversations that their keys do not allow any more.
    mutating func reloadKeys(_ context: inout LoopContext) {
        let news = doors.news()
        if let problem = news.problem { noteAccess("the allow-list cannot be read, the one before stays in force: \(problem)".oneLine) }
        for peer in sessions.conversations(of: news.altered) { reassess(peer, &context) }
        guard !news.lost.isEmpty else { return }
        for peer in sessions.conversations(of: news.lost) { end(peer, "this key was revoked", &context) }
        // The word gets time to go out; then the line is cut.
        for key in news.lost { cutting[key] = context.now + .milliseconds(250) }
        blobs.drop(news.lost)
    }

    /// Ends a conversation whose key has lost the role that it goes on under.
    ///
    /// - Returns: whether it goes on.
    @discardableResult
    mutating func reassess(_ peer: PeerID, _ context: inout LoopContext) -> Bool {
        guard let role = sessions[peer]?.role, doors.roles(of: peer)?.allows(role) != true else { return true }
        end(peer, "this key may not be a \(role.rawValue) any more", &context)
        return false
    }

    private mutating func end(_ peer: PeerID, _ reason: String, _ context: inout LoopContext) {
        var denied = WireDenied()
        denied.code = .forbidden
        denied.reason = reason
        turn.say(.denied(denied), to: peer)
        guard let worker = sessions.close(peer) else { return }
        note("revoked", worker: worker, reason)
        run(.workerGoodbye(worker), &context)
    }

    private static let rememberedNames = 4096

    /// Keeps a worker's name for logs that mention it later; too many of those that are gone are forgotten.
    private mutating func remember(_ name: String, of worker: WorkerID) {
        if workerNames.count >= Self.rememberedNames, workerNames[worker] == nil {
            workerNames = workerNames.filter { coordinator.knows($0.key) || sessions.peer(of: $0.key) != nil }
        }
        workerNames[worker] = name
    }

    // MARK: - Joining

    /// The bearer of a one-time token names its own key.
    mutating func join(_ join: WireJoin, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext) {
        guard let store = doors.store, let token = peer.key, let key = CurvePublicKey(bytes: join.publicKey) else {
            return refuse(.refused, "this coordinator takes no joins", peer, requestID)
        }
        do throws(AccessError) {
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            let outcome = try store.update { (list) throws(AccessError) in
                try list.join(token: token, key: key, name: join.name, at: now)
            }.value
            reloadKeys(&context)
            let entry: AllowList.Entry
            switch outcome {
            case .joined(let new):
                entry = new
                logger.notice("\(join.name) on \(join.host) joined as \(new.roles.text)")
                note("joined", "\(join.name) on \(join.host) may now be \(new.roles.text)")
            case .again(let known): entry = known
            }
            var joined = WireJoined()
            joined.roles = entry.roles.sorted().map(\.wire)
            joined.blobPort = UInt32(blobs.port)
            turn.say(.joined(joined), to: peer, requestID: requestID)
        } catch {
            noteAccess("\(join.name) on \(join.host) could not join: \(error.description)")
            refuse(.refused, error.description, peer, requestID)
        }
    }

    /// A program of protocol 1 is told so in its own form, and shown, since somebody has to bring it up to date.
    mutating func refuse(_ hello: OlderHello, from peer: PeerID) {
        noteAccess("\(hello.name) on \(hello.host) speaks protocol 1 and was refused; install this release of pseudoword there".oneLine)
        turn.say(.denied(hello.denied), to: peer, requestID: hello.requestID, isForOlder: true)
    }

    mutating func hello(_ hello: WireHello, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext) {
        func denied(_ code: WireDenialCode, _ reason: String) {
            var denied = WireDenied()
            denied.code = code
            denied.reason = WireText.clipped(reason)
            turn.say(.denied(denied), to: peer, requestID: requestID)
        }
        let version: WireVersion
        switch WireVersion.negotiate(offered: hello.version) {
        case .refused(let answer):
            noteAccess("\(hello.name.isEmpty ? "a peer" : hello.name.oneLine) was refused: \(answer.reason)")
            return turn.say(.denied(answer), to: peer, requestID: requestID)
        case .agreed(let agreed): version = agreed
        }
        var roles = doors.roles(of: peer) ?? []
        if let role = Role(hello.role), !roles.allows(role) {
            // It may have been given the role a moment ago.
            reloadKeys(&context)
            roles = doors.roles(of: peer) ?? []
        }
        guard let role = Role(hello.role), roles.allows(role) else {
            noteAccess("\(hello.name) on \(hello.host) asked to be \(Role(hello.role)?.rawValue ?? "?"), its key may only be \(roles.text)")
            return denied(.forbidden, "this key may not be a \(Role(hello.role)?.rawValue ?? "?"); ask for a token with that role")
        }
        guard !sessions.isFull || sessions[peer] != nil else {
            return denied(.unavailable, "the coordinator has too many conversations; try again later")
        }
        let worker = role == .worker ? WorkerID(hello.workerID) : nil
        let about = worker.map { _ in
            WorkerDescription(
                name: hello.name, host: hello.host, processID: Int(hello.pid), threads: Int(hello.threads), cpu: hello.cpu,
                program: hello.programVersion,
                // Those that name no class are of one class; no name at all would mean any class.
                numericsClass: hello.numericsClass.isEmpty ? "unnamed" : hello.numericsClass, key: peer.key?.z85 ?? "")
        }
        guard
            let session = sessions.open(
                peer, worker: worker, about: about, memoryBytes: hello.memoryBytes, at: Instant(context.now))
        else {
            noteAccess("\(hello.name) on \(hello.host) calls itself like a worker with another key")
            return denied(.forbidden, "another key has a conversation under this worker's id")
        }
        var welcome = WireWelcome()
        welcome.version = version.message
        welcome.programVersion = options.program
        welcome.heartbeatIntervalMs = UInt32(clamping: max(1, options.settings.heartbeat.wholeMilliseconds))
        welcome.leaseTimeoutMs = UInt32(clamping: options.settings.lease.wholeMilliseconds)
        welcome.session = session.name
        welcome.blobPort = UInt32(blobs.port)
        welcome.roles = roles.sorted().map(\.wire)
        welcome.coordinatorRun = runName
        turn.say(.welcome(welcome), to: peer, requestID: requestID)
        guard let worker, let about else { return }
        remember(about.name, of: worker)
        logger.info("worker \(hello.name) joined", metadata: ["worker": "\(worker)", "host": "\(hello.host)", "pid": "\(hello.pid)"])
        note("joined", worker: worker, "on \(hello.host), process \(hello.pid)")
        run(.workerHello(worker, about), &context)
    }
}

extension Role {
    init?(_ wire: WireRole) {
        switch wire {
        case .worker: self = .worker
        case .client: self = .client
        case .admin: self = .admin
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }

    var wire: WireRole {
        switch self {
        case .worker: .worker
        case .client: .client
        case .admin: .admin
        }
    }
}
