// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Makes sockets with their options set.
///
/// Options have to be in place before a socket binds or connects.
enum SocketSetup {
    /// A listening ROUTER and the address it really has.
    static func router(
        context: UnsafeMutableRawPointer, endpoint: Endpoint, options: SocketOptions, domain: String, monitorAddress: String
    ) throws(SocketError) -> (RawSocket, Monitor, Endpoint) {
        let socket = try RawSocket(context: context, type: ZMQ_ROUTER)
        do throws(SocketError) {
            try apply(options, to: socket, usesIPv6: endpoint.usesIPv6, domain: domain)
            // Without it a message to a peer that is gone, or slow, vanishes without a word.
            try socket.set(ZMQ_ROUTER_MANDATORY, Int32(1))
            try socket.set(ZMQ_BACKLOG, Int32(clamping: min(options.backlog, DescriptorLimit.reserve / 2)))
            let monitor = try Monitor(of: socket, interest: .server, context: context, address: monitorAddress)
            do throws(SocketError) {
                let number = socket.bind(endpoint.bindAddress)
                guard number == 0 else { throw bindError(number, endpoint) }
                return (socket, monitor, try Endpoint(try socket.lastEndpoint()))
            } catch {
                monitor.close()
                throw error
            }
        } catch {
            socket.close()
            throw error
        }
    }

    /// A connecting DEALER under a routing id that was never used before.
    static func dealer(
        context: UnsafeMutableRawPointer, route: Route, options: SocketOptions, monitorAddress: String
    ) throws(SocketError) -> (RawSocket, Monitor) {
        let socket = try RawSocket(context: context, type: ZMQ_DEALER)
        do throws(SocketError) {
            try apply(options, to: socket, usesIPv6: route.usesIPv6, domain: "")
            // Nothing is queued for a peer that is not there: it would arrive stale, much later.
            try socket.set(ZMQ_IMMEDIATE, Int32(1))
            try socket.set(ZMQ_ROUTING_ID, options.routingID ?? PeerID.random().bytes)
            try socket.set(ZMQ_RECONNECT_IVL, max(1, options.reconnectInterval.milliseconds))
            try socket.set(ZMQ_RECONNECT_IVL_MAX, options.maximumReconnectInterval.milliseconds)
            try socket.set(ZMQ_CONNECT_TIMEOUT, options.connectTimeout.milliseconds)
            let monitor = try Monitor(of: socket, interest: .client, context: context, address: monitorAddress)
            let number = socket.connect(route.endpoint.description)
            guard number == 0 else {
                monitor.close()
                throw SocketError(.invalidEndpoint, "cannot connect to \(route.endpoint): \(SocketError.text(number)); check the address")
            }
            return (socket, monitor)
        } catch {
            socket.close()
            throw error
        }
    }

    private static func apply(
        _ options: SocketOptions, to socket: RawSocket, usesIPv6: Bool, domain: String
    ) throws(SocketError) {
        try options.security.apply(to: socket, domain: domain)
        try socket.set(ZMQ_LINGER, options.linger.milliseconds)
        try socket.set(ZMQ_SNDHWM, Int32(clamping: options.highWaterMark))
        try socket.set(ZMQ_RCVHWM, Int32(clamping: options.highWaterMark))
        // What goes over the wire under keys is a little longer than the frame.
        let overhead = options.security == .none ? 0 : 64
        try socket.set(ZMQ_MAXMSGSIZE, Int64(options.maximumFrameBytes + overhead))
        try socket.set(ZMQ_HEARTBEAT_IVL, options.heartbeatInterval.milliseconds)
        try socket.set(ZMQ_HEARTBEAT_TIMEOUT, options.heartbeatTimeout.milliseconds)
        try socket.set(ZMQ_HEARTBEAT_TTL, options.heartbeatTimeToLive.milliseconds)
        try socket.set(ZMQ_HANDSHAKE_IVL, options.handshakeTimeout.milliseconds)
        try socket.set(ZMQ_TCP_MAXRT, options.retransmitTimeout.milliseconds)
        try socket.set(ZMQ_TCP_KEEPALIVE, Int32(1))
        try socket.set(ZMQ_TCP_KEEPALIVE_IDLE, max(1, options.keepAliveIdle.milliseconds / 1000))
        try socket.set(ZMQ_IPV6, Int32(usesIPv6 ? 1 : 0))
    }

    private static func bindError(_ number: Int32, _ endpoint: Endpoint) -> SocketError {
        let failed = "cannot listen on \(endpoint): "
        return switch number {
        case EADDRINUSE:
            SocketError(.addressInUse, failed + "the port is in use; stop the program that has it or choose another port")
        case EADDRNOTAVAIL, ENODEV:
            SocketError(.addressNotAvailable, failed + "this machine has no address \(endpoint.host); use one of its own, or * for all")
        case EACCES, EPERM:
            SocketError(.permissionDenied, failed + "not permitted; choose a port from 1024 up")
        case EINVAL:
            SocketError(.invalidEndpoint, failed + "not a valid address; write tcp://HOST:PORT, such as tcp://127.0.0.1:7400")
        default:
            SocketError(.system(number), failed + SocketError.text(number))
        }
    }
}
