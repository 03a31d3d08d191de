// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Follows what happens to a DEALER's connection.
final class Monitor {
    enum Event {
        case connected
        case disconnected
        case handshakeFailed(String)
        case connectFailed
    }

    private static let watched = [
        ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ZMQ_EVENT_DISCONNECTED, ZMQ_EVENT_CONNECT_RETRIED, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    ].reduce(0, |)

    private let watched: RawSocket
    private let pair: RawSocket

    /// Closes nothing when it fails but what it made itself.
    init(of socket: RawSocket, context: UnsafeMutableRawPointer, address: String) throws(SocketError) {
        watched = socket
        pair = try RawSocket(context: context, type: ZMQ_PAIR)
        do throws(SocketError) {
            try pair.set(ZMQ_LINGER, Int32(0))
            try socket.monitor(address, events: Self.watched)
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
        while case .message(let frames)? = try? pair.receive(maximumFrames: 2) {
            guard let frame = frames.first, frame.count >= 2 else { continue }
            // libzmq writes this number in the machine's own byte order.
            switch Int32(frame.withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) }) {
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return .connected
            case ZMQ_EVENT_DISCONNECTED: return .disconnected
            case ZMQ_EVENT_CONNECT_RETRIED: return .connectFailed
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return .handshakeFailed("the other side does not accept this key")
            case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: return .handshakeFailed("what listens there does not speak ZeroMQ as we do")
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: return .handshakeFailed("what listens there hung up during the handshake")
            default: continue
            }
        }
        return nil
    }
}
