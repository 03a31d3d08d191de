// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// The context and the sockets of a loop.
///
/// Lives and dies on the loop's thread.
final class LoopCore {
    private let context: UnsafeMutableRawPointer
    private var sockets: [ManagedSocket] = []
    private var authenticator: Authenticator?
    private var socketsMade: UInt32 = 0
    private var monitorsMade: UInt32 = 0
    /// What a wait looks at; kept for its memory only.
    private var items: [zmq_pollitem_t] = []
    var stopRequested = false

    init(ioThreads: Int) throws(SocketError) {
        guard let context = zmq_ctx_new() else { throw .system("cannot start ZeroMQ") }
        self.context = context
        zmq_ctx_set(context, ZMQ_IO_THREADS, Int32(clamping: ioThreads))
        // Without this, ending the context could wait for sockets' default of lingering for ever.
        zmq_ctx_set(context, ZMQ_BLOCKY, 0)
    }

    /// Monitors, then sockets, then the context, which waits for unsent messages up to the longest linger time.
    func close() {
        for socket in sockets { socket.close() }
        sockets = []
        authenticator?.close()
        authenticator = nil
        while zmq_ctx_term(context) != 0, zmq_errno() == EINTR {}
    }

    // MARK: Sockets

    func authenticate(_ decide: @escaping Authenticator.Decision) throws(SocketError) {
        precondition(authenticator == nil, "a loop has one authenticator")
        authenticator = try Authenticator(context: context, decide: decide)
    }

    func disconnect(on id: SocketID, where isUnwanted: (PeerID) -> Bool) -> Int {
        find(id)?.disconnect(where: isUnwanted) ?? 0
    }

    func bind(_ endpoint: Endpoint, options: SocketOptions) throws(SocketError) -> (SocketID, Endpoint) {
        if case .server = options.security, authenticator == nil {
            throw SocketError(.noAuthenticator, "cannot listen on \(endpoint): nothing decides yet which keys may connect")
        }
        try DescriptorLimit.check()
        let id = nextID()
        let (raw, monitor, actual) = try SocketSetup.router(
            context: context, endpoint: endpoint, options: options, domain: Authenticator.domain(of: id),
            monitorAddress: nextMonitorAddress())
        let socket = ManagedSocket(id: id, role: .router, routes: Routes(to: [actual]), options: options, raw: raw, monitor: monitor)
        sockets.append(socket)
        return (socket.id, actual)
    }

    func connect(_ endpoints: [Endpoint], options: SocketOptions) throws(SocketError) -> SocketID {
        for endpoint in endpoints where endpoint.port == 0 || endpoint.host == "*" {
            throw SocketError(
                .invalidEndpoint, "cannot connect to \(endpoint): write the host and the port that the coordinator listens on")
        }
        let routes = Routes(to: endpoints)
        let (raw, monitor) = try SocketSetup.dealer(
            context: context, route: routes.current, options: options, monitorAddress: nextMonitorAddress())
        let socket = ManagedSocket(id: nextID(), role: .dealer, routes: routes, options: options, raw: raw, monitor: monitor)
        sockets.append(socket)
        return socket.id
    }

    func close(_ id: SocketID) {
        find(id)?.close()
        sockets.removeAll { $0.id == id }
    }

    func reopen(_ id: SocketID, now: ContinuousClock.Instant) {
        guard let socket = find(id) else { return }
        precondition(socket.role == .dealer, "only a DEALER can be reopened")
        socket.rebuildNow(now: now)
    }

    func isConnected(_ id: SocketID) -> Bool { find(id)?.isConnected ?? false }

    func endpoint(of id: SocketID) -> Endpoint? { find(id)?.endpoint }

    func send(_ frames: [Data], to peer: PeerID?, on id: SocketID) throws(SocketError) {
        precondition(!frames.isEmpty, "a message has at least one frame")
        guard let socket = find(id) else { throw SocketError(.closed, "the socket is closed") }
        precondition((socket.role == .router) == (peer != nil), "a ROUTER needs a peer to send to, a DEALER has only one")
        let limit = socket.options.maximumFrameBytes
        if let frame = frames.first(where: { $0.count > limit }) {
            throw SocketError(.messageTooBig, "a message of \(frame.count) bytes is over the limit of \(limit)")
        }
        func notConnected() -> SocketError { SocketError(.notConnected, "not connected to \(socket.endpoint)") }
        guard let raw = socket.raw else { throw notConnected() }
        switch raw.send((peer.map { [$0.bytes] } ?? []) + frames) {
        case 0: return
        case EHOSTUNREACH: throw SocketError(.unreachable, "the peer is gone")
        case EAGAIN where socket.role == .dealer && !socket.isConnected: throw notConnected()
        case EAGAIN: throw SocketError(.wouldBlock, "the peer takes messages too slowly; its queue is full")
        case let number: throw SocketError(.system(number), "cannot send: \(SocketError.text(number))")
        }
    }

    // MARK: Waiting

    /// Sleeps until something arrives, a socket is due to be reopened, or the deadline.
    func wait(until deadline: ContinuousClock.Instant, wakeup: Int32) {
        var due = deadline
        items.removeAll(keepingCapacity: true)
        items.append(zmq_pollitem_t(socket: nil, fd: wakeup, events: Int16(ZMQ_POLLIN), revents: 0))
        for socket in sockets {
            if let earlier = socket.due { due = min(due, earlier) }
            watch(socket.raw?.pollHandle)
            watch(socket.monitor?.pollHandle)
        }
        watch(authenticator?.pollHandle)
        let timeout = (due - .now).milliseconds
        let code = zmq_poll(&items, Int32(items.count), Int(timeout))
        precondition(code >= 0 || zmq_errno() == EINTR, "zmq_poll: \(SocketError.text(zmq_errno()))")
        if items[0].revents != 0 { pw_wakeup_drain(wakeup) }
    }

    private func watch(_ handle: UnsafeMutableRawPointer?) {
        guard let handle else { return }
        items.append(zmq_pollitem_t(socket: handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
    }

    /// What has happened since the last time, in order for each socket.
    ///
    /// Bounded, so that timers and posted work get their turn.
    func collect(now: ContinuousClock.Instant) -> [LoopEvent] {
        var events: [LoopEvent] = []
        authenticator?.answer(into: &events, limit: 256, now: now)
        for socket in sockets {
            if let due = socket.reopenAt, due <= now,
                let failure = socket.reopen(context: context, monitorAddress: nextMonitorAddress(), now: now)
            {
                events.append(failure)
            }
            socket.collect(into: &events, limit: 64, now: now)
        }
        return events
    }

    /// Whether an event still matters: its socket may have been closed by the handling of an event before it.
    func isCurrent(_ event: LoopEvent) -> Bool { event.socket.map { find($0) != nil } ?? true }

    private func find(_ id: SocketID) -> ManagedSocket? { sockets.first { $0.id == id } }

    private func nextID() -> SocketID {
        socketsMade += 1
        return SocketID(number: socketsMade)
    }

    private func nextMonitorAddress() -> String {
        monitorsMade += 1
        return "inproc://monitor-\(monitorsMade)"
    }
}
