// SPDX-License-Identifier: Apache-2.0
import Foundation

/// One socket of a loop over all the libzmq sockets that serve it one after the other.
///
/// A DEALER gets a new libzmq socket, with a new routing id, after each connection: a ROUTER ignores a second connection under an id
/// that it believes to be alive, and libzmq itself gives up for good on some failed handshakes.
final class ManagedSocket {
    enum Role { case router, dealer }

    let id: SocketID
    let role: Role
    private var routes: Routes
    let options: SocketOptions
    private(set) var raw: RawSocket?
    private(set) var monitor: Monitor?
    private(set) var isConnected = false
    /// When a DEALER without a libzmq socket gets its next one.
    private(set) var reopenAt: ContinuousClock.Instant?
    private var pause: Duration
    private var connectedAt: ContinuousClock.Instant?
    private var listener: Listener?
    private var lookAgainAt: ContinuousClock.Instant?
    private var connections = ConnectionTable()
    private var failedHandshakes = 0
    private var failuresToldAt: ContinuousClock.Instant?

    init(id: SocketID, role: Role, routes: Routes, options: SocketOptions, raw: RawSocket, monitor: Monitor?) {
        self.id = id
        self.role = role
        self.routes = routes
        self.options = options
        self.raw = raw
        self.monitor = monitor
        pause = options.reconnectInterval
    }

    /// Where it listens, or connects to now.
    var endpoint: Endpoint { routes.current.endpoint }

    /// When there is something to do even if nothing arrives.
    var due: ContinuousClock.Instant? { reopenAt ?? lookAgainAt }

    func close() {
        monitor?.close()
        raw?.close()
        monitor = nil
        raw = nil
        listener = nil
        lookAgainAt = nil
        reopenAt = nil
        isConnected = false
    }

    /// Takes what has arrived: changes of the connection first, then at most `limit` messages or 16 MiB.
    func collect(into events: inout [LoopEvent], limit: Int, now: ContinuousClock.Instant) {
        switch role {
        case .dealer: followConnection(into: &events, now: now)
        case .router: followListener(into: &events, now: now)
        }
        receive(into: &events, limit: limit)
    }

    private func followConnection(into events: inout [LoopEvent], now: ContinuousClock.Instant) {
        while let change = monitor?.next() {
            switch change {
            case .connected:
                isConnected = true
                connectedAt = now
                events.append(.connected(id))
            case .disconnected where isConnected:
                receive(into: &events, limit: .max)
                events.append(.disconnected(id))
                rebuildLater(now: now)
            case .disconnected:
                events.append(.retrying(id, cause: .stranger, reason: "\(endpoint) closed the connection at once"))
                moveOn(now: now)
            case .handshakeFailed(let failure):
                let reason = failure.reason(endpoint, security: options.security)
                events.append(.retrying(id, cause: failure.cause, reason: reason))
                // Whoever refuses our key is the right one: he proved to have the key that we expected.
                if failure == .refused { rebuildLater(now: now, isRefused: true) } else { moveOn(now: now) }
            case .connectFailed:
                events.append(.retrying(id, cause: .unreachable, reason: "nothing answers at \(endpoint)"))
                // Where there is one way only, libzmq tries again by itself.
                if !routes.isOnlyOne { moveOn(now: now) }
            case .listening, .accepted: break
            }
        }
    }

    private func followListener(into events: inout [LoopEvent], now: ContinuousClock.Instant) {
        var left = 10_000
        while left > 0, let change = monitor?.next() {
            left -= 1
            switch change {
            case .listening(let descriptor):
                listener = Listener(descriptor: descriptor, mark: Int32(clamping: DescriptorLimit.raise() - DescriptorLimit.reserve))
            case .accepted(let descriptor):
                if listener?.noteAccepted(descriptor) ?? false {
                    events.append(.crowded(id, true))
                    lookAgainAt = now + Listener.pause
                }
            case .handshakeFailed: failedHandshakes += 1
            case .connected, .disconnected, .connectFailed: break
            }
        }
        if let due = lookAgainAt, due <= now {
            let isOpen = listener?.openIfRoom() ?? true
            lookAgainAt = isOpen ? nil : now + Listener.pause
            if isOpen { events.append(.crowded(id, false)) }
        }
        if failedHandshakes > 0, failuresToldAt.map({ now - $0 >= .seconds(1) }) ?? true {
            events.append(.handshakesFailed(id, count: failedHandshakes))
            (failedHandshakes, failuresToldAt) = (0, now)
        }
    }

    private func receive(into events: inout [LoopEvent], limit: Int) {
        guard let raw else { return }
        var (taken, bytes) = (0, 0)
        while taken < limit, limit == .max || bytes < 16 << 20 {
            taken += 1
            // The routing id of a ROUTER's peer is a frame of its own.
            switch try? raw.receive(maximumFrames: options.maximumFrames + (role == .router ? 1 : 0)) {
            case .message(var message)?:
                let peer = takeSender(of: &message)
                guard isAuthentic(peer) else {
                    events.append(.malformed(id, from: peer, reason: "a message came without an authenticated key"))
                    continue
                }
                bytes += message.frames.reduce(0) { $0 + $1.count }
                events.append(.message(id, from: peer, frames: message.frames))
            case .tooManyFrames(var message)?:
                let peer = takeSender(of: &message)
                events.append(.malformed(id, from: peer, reason: "a message has more than \(options.maximumFrames) frames"))
            case .nothing?, nil: return
            }
        }
    }

    private func takeSender(of message: inout RawSocket.Message) -> PeerID? {
        guard role == .router, !message.frames.isEmpty else { return nil }
        let peer = PeerID(bytes: message.frames.removeFirst(), key: message.key)
        connections.note(peer, on: message.connection)
        return peer
    }

    /// Libzmq names a key with every message where it asks for keys; should it ever not, the message does not count.
    private func isAuthentic(_ peer: PeerID?) -> Bool {
        if case .server = options.security { peer?.key != nil } else { true }
    }

    /// Ends the connections of some of a ROUTER's peers.
    func disconnect(where isUnwanted: (PeerID) -> Bool) -> Int { connections.end(port: endpoint.port, where: isUnwanted) }

    /// Gives the socket up; `reopen` makes the next one once the pause is over.
    ///
    /// - Parameter isRefused: our key is not accepted. Only people can change that, so the pause may grow longer.
    func rebuildLater(now: ContinuousClock.Instant, isRefused: Bool = false) {
        let lasted = connectedAt.map { now - $0 } ?? .zero
        let longest = isRefused ? options.maximumRefusedInterval : options.maximumReconnectInterval
        pause = lasted > options.maximumReconnectInterval ? options.reconnectInterval : min(pause * 2, longest)
        connectedAt = nil
        close()
        // Half of the pause is left to chance, so that a fleet does not come back all at once.
        reopenAt = now + pause * Double.random(in: 0.5...1)
    }

    /// Gives the socket up and takes the next way, at once unless all had their turn.
    private func moveOn(now: ContinuousClock.Instant) {
        if routes.advance() { rebuildLater(now: now) } else { rebuildNow(now: now) }
    }

    func rebuildNow(now: ContinuousClock.Instant) {
        connectedAt = nil
        close()
        reopenAt = now
    }

    /// A failure is reported and tried again later.
    func reopen(context: UnsafeMutableRawPointer, monitorAddress: String, now: ContinuousClock.Instant) -> LoopEvent? {
        reopenAt = nil
        do throws(SocketError) {
            (raw, monitor) = try SocketSetup.dealer(
                context: context, route: routes.current, options: options, monitorAddress: monitorAddress)
            return nil
        } catch {
            moveOn(now: now)
            return .retrying(id, cause: .local, reason: error.message)
        }
    }
}
