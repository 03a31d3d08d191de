// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Tries whether a stranger's key is turned away.
///
/// Libzmq has ways to be set up so that it encrypts everything and lets everyone in. A coordinator therefore knocks at its own door first,
/// and does not run unless it is turned away.
package enum CurveSelfTest {
    package enum Outcome: Sendable, Equatable {
        /// As it should be: the server is the one with the expected key, and it did not accept ours.
        case refused
        /// Anyone would get in.
        case accepted
        /// What listens there is not the server with that key.
        case stranger(String)
        case unreachable(String)
    }

    /// Connects once with a key that nobody knows, in a context of its own, and waits for the answer.
    ///
    /// Blocks the calling thread, which must not be the one whose loop serves the endpoint.
    ///
    /// - Parameter keys: a random pair if nil; give one to recognize this test among `LoopEvent.refused`.
    package static func run(
        _ endpoint: Endpoint, server: CurvePublicKey, keys: CurveKeyPair? = nil, timeout: Duration = .seconds(5)
    ) throws(SocketError) -> Outcome {
        let known: CurveKeyPair
        if let keys { known = keys } else { known = try CurveKeyPair.generate() }
        guard let context = zmq_ctx_new() else { throw .system("cannot start ZeroMQ") }
        defer { while zmq_ctx_term(context) != 0, zmq_errno() == EINTR {} }
        var options = SocketOptions()
        options.security = .client(server: server, keys: known)
        options.linger = .zero
        options.reconnectInterval = .milliseconds(50)
        let target = endpoint.forConnecting
        let (socket, monitor) = try SocketSetup.dealer(
            context: context, route: Routes(to: [target]).current, options: options, monitorAddress: "inproc://self-test")
        defer {
            monitor.close()
            socket.close()
        }
        return wait(for: monitor, target, options.security, until: .now + timeout)
    }

    private static func wait(
        for monitor: Monitor, _ target: Endpoint, _ security: SocketSecurity, until deadline: ContinuousClock.Instant
    ) -> Outcome {
        var outcome = Outcome.unreachable("nothing answers at \(target)")
        var strangeAnswers = 0
        while ContinuousClock.now < deadline {
            var item = zmq_pollitem_t(socket: monitor.pollHandle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
            _ = zmq_poll(&item, 1, min(100, Int((deadline - .now).milliseconds)))
            while let event = monitor.next() {
                switch event {
                case .connected: return .accepted
                case .handshakeFailed(.refused): return .refused
                case .handshakeFailed(let failure):
                    // It may have been in the middle of starting; but libzmq gives up after some of these.
                    outcome = .stranger(failure.reason(target, security: security))
                    strangeAnswers += 1
                    if failure != .ended || strangeAnswers == 3 { return outcome }
                case .disconnected, .connectFailed, .listening, .accepted: break
                }
            }
        }
        return outcome
    }
}
