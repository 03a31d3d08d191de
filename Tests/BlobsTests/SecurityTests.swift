// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing
import ZeroMQ

@testable import Blobs

/// Keys on both sides.
@Suite struct SecurityTests {
    let scratch: ScratchFolder
    let serverKeys: CurveKeyPair

    init() throws {
        scratch = try ScratchFolder()
        serverKeys = try .generate()
    }

    private final class Allowed: Sendable {
        let rights = Mutex<[CurvePublicKey: BlobRights]>([:])

        subscript(key: CurvePublicKey?) -> BlobRights? {
            get { key.flatMap { key in rights.withLock { $0[key] } } }
            set { if let key { rights.withLock { $0[key] = newValue } } }
        }
    }

    private func server(_ store: BlobStore, _ allowed: Allowed) throws -> TestServer {
        try TestServer(store) { options in
            options.socket.security = .server(serverKeys)
            options.authenticate = { key, _ in allowed[key] != nil }
            options.authorize = { peer in allowed[peer.key] }
        }
    }

    private func client(_ server: TestServer, _ keys: CurveKeyPair) throws -> BlobClient {
        try server.client { options in
            options.socket.security = .client(server: serverKeys.publicKey, keys: keys)
            options.socket.maximumRefusedInterval = .milliseconds(200)
            options.patience = .seconds(2)
        }
    }

    @Test func keysHaveRights() async throws {
        let source = try scratch.store("source")
        let wish = BlobWish(digest: try source.put(bytes(200_000)), bytes: 200_000)
        let (reader, writer, stranger) = (try CurveKeyPair.generate(), try CurveKeyPair.generate(), try CurveKeyPair.generate())
        let allowed = Allowed()
        allowed[reader.publicKey] = .read
        allowed[writer.publicKey] = .write
        let server = try server(source, allowed)
        let store = try scratch.store("cache")
        try await aside {
            let (readingClient, writingClient) = (try client(server, reader), try client(server, writer))
            defer {
                readingClient.stop()
                writingClient.stop()
            }
            try readingClient.fetch([wish], into: store)
            #expect(errorCode { try readingClient.put([BlobOffer(bytes(10))]) } == .refused)
            try writingClient.put([BlobOffer(bytes(300_000, seed: 2))])
            #expect(errorCode { try writingClient.fetch([wish], into: try scratch.store("other")) } == .refused)
            let unknown = try client(server, stranger)
            defer { unknown.stop() }
            #expect(errorCode { try unknown.fetch([wish], into: try scratch.store("other")) } == .refused)
        }
        #expect(source.contains(BlobDigest(of: bytes(300_000, seed: 2))))
        #expect(try await eventually { server.problems.lines.withLock { $0.contains { $0.contains(stranger.publicKey.short) } } })
    }

    @Test func aRevokedKeyIsOutAtOnce() async throws {
        let source = try scratch.store("source")
        let blob = bytes(4_000_000)
        let wish = BlobWish(digest: try source.put(blob), bytes: 4_000_000)
        let keys = try CurveKeyPair.generate()
        let allowed = Allowed()
        allowed[keys.publicKey] = .read
        let server = try server(source, allowed)
        let store = try scratch.store("cache")
        try await aside {
            let client = try client(server, keys)
            defer { client.stop() }
            let code = errorCode {
                try client.fetch(
                    [wish], into: store,
                    isCancelled: {
                        if (Disk.status(store.partPath(wish.digest))?.st_size ?? 0) > 1_000_000 {
                            allowed[keys.publicKey] = nil
                            server.server.disconnect { $0.key == keys.publicKey }
                        }
                        return false
                    })
            }
            #expect(code == .refused)
            // Allowed again, the same client goes on where it stopped.
            allowed[keys.publicKey] = .read
            var last = BlobProgress()
            try client.fetch([wish], into: store, progress: { last = $0 })
            #expect(last.transferredBytes < 3_500_000)
            #expect(try store.data(of: wish.digest) == blob)
        }
    }
}
