// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Who may be at the two ends of a connection.
///
/// With keys on both sides everything is encrypted, a client knows that it speaks with the server it means, and the server knows whose
/// key each message came under.
package enum SocketSecurity: Sendable, Equatable {
    /// Anyone, in the clear.
    case none
    /// Listens under this key pair and lets in whom the loop's authenticator wants.
    case server(CurveKeyPair)
    /// Connects under these keys to the server with that key.
    case client(server: CurvePublicKey, keys: CurveKeyPair)

    /// The first version without known holes before authentication (CVE-2020-15166).
    private static let oldestVersion: (Int32, Int32, Int32) = (4, 3, 3)

    /// - Parameter domain: names the socket in the authenticator's requests. Without a name libzmq would not ask it at all.
    func apply(to socket: RawSocket, domain: String) throws(SocketError) {
        switch self {
        case .none: return
        case .server(let keys):
            precondition(!domain.isEmpty, "libzmq lets everyone in where the domain is empty")
            try Self.checkLibrary()
            try socket.set(ZMQ_CURVE_SERVER, Int32(1))
            try socket.set(ZMQ_CURVE_SECRETKEY, keys.secretKey.bytes)
            try socket.set(ZMQ_ZAP_DOMAIN, Data(domain.utf8))
            // No answer from the authenticator then means no, instead of yes.
            try socket.set(pw_zmq_zap_enforce_domain, Int32(1))
        case .client(let server, let keys):
            try Self.checkLibrary()
            try socket.set(ZMQ_CURVE_SERVERKEY, server.bytes)
            try socket.set(ZMQ_CURVE_PUBLICKEY, keys.publicKey.bytes)
            try socket.set(ZMQ_CURVE_SECRETKEY, keys.secretKey.bytes)
        }
    }

    private static func checkLibrary() throws(SocketError) {
        var version: (Int32, Int32, Int32) = (0, 0, 0)
        zmq_version(&version.0, &version.1, &version.2)
        guard version >= oldestVersion else {
            throw SocketError(
                .system(ENOTSUP), "libzmq \(version.0).\(version.1).\(version.2) has known security holes; install 4.3.4 or newer")
        }
        guard zmq_has("curve") == 1 else { throw SocketError(.system(ENOTSUP), "this libzmq was built without CURVE; install one with it") }
    }
}
