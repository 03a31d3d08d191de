// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Follows what happens to the connections of a socket.
final class Monitor {
    enum Event: Equatable {
        /// A ROUTER listens, on this descriptor.
        case listening(Int32)
        /// It accepted a connection, on this descriptor.
        case accepted(Int32)
        case connected
        case disconnected
        case handshakeFailed(HandshakeFailure)
        case connectFailed
    }

    enum HandshakeFailure: Equatable {
        /// The authenticator of the other side said no.
        case refused
        /// One side wants keys and the other does not.
        case mechanism
        /// What came is not what ZeroMQ says.
        case conversation
        /// The connection ended, or nothing came in time.
        case ended
    }

    /// What a socket's owner wants to know.
    enum Interest {
        case client, server

        fileprivate var events: Int32 {
            let failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
            return switch self {
            case .client:
                failures | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED
                    | ZMQ_EVENT_CONNECT_RETRIED
            // Connections that cannot be accepted are not among them: without descriptors libzmq would report them by the thousand.
            case .server: failures | ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED
            }
        }
    }

    private let watched: RawSocket
    private let pair: RawSocket

    /// Closes nothing when it fails but what it made itself.
    init(of socket: RawSocket, interest: Interest, context: UnsafeMutableRawPointer, address: String) throws(SocketError) {
        watched = socket
        pair = try RawSocket(context: context, type: ZMQ_PAIR)
        do throws(SocketError) {
            try pair.set(ZMQ_LINGER, Int32(0))
            // libzmq's own threads would wait for us where the queue is full.
            try pair.set(ZMQ_RCVHWM, Int32(0))
            try socket.monitor(address, events: interest.events)
            guard pair.connect(address) == 0 else { throw .system("cannot watch a socket") }
        } catch {
            pair.close()
            throw error
        }
    }

    var pollHandle: UnsafeMutableRawPointer? { pair.pollHandle }

    /// Has to come before the watched socket is closed: a forgotten monitor makes the context wait for ever.
    func close() {
        guard pair.pollHandle != nil else { return }
        try? watched.monitor(nil, events: 0)
        pair.close()
    }

    func next() -> Event? {
        while case .message(let message)? = try? pair.receive(maximumFrames: 2) {
            guard let frame = message.frames.first, frame.count >= 6 else { continue }
            // libzmq writes these numbers in the machine's own byte order.
            let (event, value) = frame.withUnsafeBytes {
                (Int32($0.loadUnaligned(as: UInt16.self)), $0.loadUnaligned(fromByteOffset: 2, as: Int32.self))
            }
            switch event {
            case ZMQ_EVENT_LISTENING: return .listening(value)
            case ZMQ_EVENT_ACCEPTED: return .accepted(value)
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return .connected
            case ZMQ_EVENT_DISCONNECTED: return .disconnected
            case ZMQ_EVENT_CONNECT_RETRIED: return .connectFailed
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return .handshakeFailed(.refused)
            case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return .handshakeFailed(value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? .mechanism : .conversation)
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: return .handshakeFailed(.ended)
            default: continue
            }
        }
        return nil
    }
}

extension Monitor.HandshakeFailure {
    var cause: RetryCause { self == .refused ? .refused : .stranger }

    /// One line for people; `security` is our side's.
    func reason(_ endpoint: Endpoint, security: SocketSecurity) -> String {
        let hasKey = security != .none
        return switch self {
        case .refused: "\(endpoint) does not accept this key; ask for a join token"
        case .mechanism:
            hasKey
                ? "\(endpoint) does not use keys, so it is not the coordinator whose key is known here"
                : "\(endpoint) lets in by key only; ask for a join token"
        case .conversation: "\(endpoint) does not speak ZeroMQ as we do"
        case .ended:
            hasKey
                ? "\(endpoint) is not the coordinator whose key is known here, or hung up during the handshake"
                : "\(endpoint) hung up during the handshake; if it lets in by key only, ask for a join token"
        }
    }
}
