// SPDX-License-Identifier: Apache-2.0
import Synchronization
package import ZeroMQ

/// Serves the blobs of a store to many clients, and takes blobs from those who may write.
///
/// It has a thread and a socket of its own, so that nothing else ever waits behind a transfer. Clients decide how fast they are sent to:
/// each of their requests is the permission to send one piece.
package final class BlobServer: Sendable {
    private let disk: BlobServerDisk
    private let loop: SocketLoop<BlobServerHandler>
    private let shared: SharedBlobStatus

    package init(store: BlobStore, options: BlobServerOptions) {
        let disk = BlobServerDisk(store: store)
        let shared = SharedBlobStatus()
        self.disk = disk
        self.shared = shared
        loop = SocketLoop(name: "blobs", tickInterval: .milliseconds(20)) { context in
            try BlobServerHandler(options, disk: disk, shared: shared, &context)
        }
    }

    /// Starts to listen.
    ///
    /// - Returns: where it listens, with the real port.
    @discardableResult
    package func start() throws -> Endpoint {
        BlobMemory.keepFreedPieces()
        disk.attach(loop)
        try loop.start()
        guard let endpoint = shared.endpoint.withLock({ $0 }) else { throw BlobError(.storage, "the blob server has no address") }
        return endpoint
    }

    /// Ends the thread and closes what is half written, to be gone on with later.
    package func stop() {
        loop.stop()
        disk.stop()
    }

    /// Breaks the connections of peers that are not wanted any more.
    ///
    /// They may come back, and are asked about then.
    package func disconnect(where isUnwanted: @escaping @Sendable (PeerID) -> Bool) {
        loop.post { handler, context in handler.disconnect(where: isUnwanted, &context) }
    }

    /// What it was doing a moment ago.
    package func status() -> BlobServerStatus { shared.status.withLock { $0 } }
}

/// What the server's thread shares with others.
final class SharedBlobStatus: Sendable {
    let status = Mutex(BlobServerStatus())
    let endpoint = Mutex<Endpoint?>(nil)
}
