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
    private let meter = Mutex(Meter())

    /// - Parameter endpoint: where it is to listen.
    init(home: Home, endpoint: Endpoint, doors: Doors, program: String) throws {
        store = try BlobStore(folder: home.blobs)
        var options = BlobServerOptions(endpoint: endpoint) { peer in
            guard let roles = doors.roles(of: peer), !roles.isEmpty else { return nil }
            return .all
        }
        options.program = program
        if let keys = doors.keys {
            options.socket.security = .server(keys)
            options.authenticate = doors.decide
        }
        server = BlobServer(store: store, options: options)
    }

    func start() throws {
        let endpoint = try server.start()
        place.withLock { $0 = endpoint }
    }

    func stop() { server.stop() }

    /// Where it listens.
    var port: Int { place.withLock { $0 }.map { Int($0.port) } ?? 0 }

    var endpoint: Endpoint? { place.withLock { $0 } }

    /// Nil when it is not here.
    func size(of digest: Data) -> Int64? { BlobDigest(bytes: digest).flatMap(store.size) }

    /// Puts a copy of a blob where people look for it; without haste, and without complaint if the disk refuses: the blob stays.
    func copy(_ digest: String, to file: URL) {
        guard let digest = BlobDigest(hex: digest) else { return }
        let store = store
        DispatchQueue.global(qos: .utility).async {
            guard let data = try? store.data(of: digest) else { return }
            try? FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try? data.write(to: file, options: .atomic)
        }
    }

    /// Hangs up on peers whose keys lost their rights.
    func drop(_ keys: Set<CurvePublicKey>) { server.disconnect { $0.key.map(keys.contains) ?? false } }

    /// Blobs on their way, and how fast they went since the last look.
    var transfers: (count: Int, bytesPerSecond: Int) {
        let status = server.status()
        return meter.withLock { meter in
            let moved = status.sentBytes + status.receivedBytes, now = ContinuousClock.now
            let seconds = (now - meter.at) / .seconds(1)
            if seconds > 0.5 {
                meter = Meter(at: now, moved: moved, rate: Int(Double(max(0, moved - meter.moved)) / seconds))
            }
            return (status.fetching + status.puts.count, meter.rate)
        }
    }

    private struct Meter {
        var at = ContinuousClock.now
        var moved: Int64 = 0
        var rate = 0
    }
}
