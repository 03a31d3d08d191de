// SPDX-License-Identifier: Apache-2.0

import Access
import Blobs
import Foundation
import Synchronization
import ZeroMQ

/// The coordinator's blobs: the store in its home, and the server that moves them over a port of its own.
final class CoordinatorBlobs: Sendable {
    let store: BlobStore
    private let server: BlobServer
    private let place = Mutex<Endpoint?>(nil)

    /// - Parameter endpoint: where it is to listen.
    init(home: Home, endpoint: Endpoint, doors: Doors, program: String) throws {
        store = try BlobStore(folder: home.blobs)
        var options = BlobServerOptions(endpoint: endpoint, program: program) { peer in
            guard let roles = doors.roles(of: peer), !roles.isEmpty else { return nil }
            return [.read, .write]
        }
        if let keys = doors.keys {
            options.socket.security = .server(keys)
            options.decide = doors.decide
        }
        server = BlobServer(store: store, options: options)
    }

    func start() throws {
        let endpoint = try server.start()
        place.withLock { $0 = endpoint }
    }

    func stop() { server.stop() }

    /// Where it listens.
    var endpoint: Endpoint {
        place.withLock { $0 } ?? .nowhere
    }

    func has(_ digest: Data) -> Bool { BlobDigest(bytes: digest).map(store.contains) ?? false }

    /// Hangs up on peers whose keys lost their rights.
    func drop(_ keys: Set<CurvePublicKey>) { server.disconnect(keys) }

    /// Blobs on their way, and how fast they go.
    var transfers: (count: Int, bytesPerSecond: Int) {
        let status = server.status()
        return (status.transfers, status.bytesPerSecond)
    }
}
