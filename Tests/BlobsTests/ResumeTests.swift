// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing
import ZeroMQ

@testable import Blobs

/// Either side goes away in the middle.
@Suite struct ResumeTests {
    let scratch: ScratchFolder
    let blob = bytes(4_000_000)
    var digest: BlobDigest { BlobDigest(of: blob) }
    var wish: BlobWish { BlobWish(digest: digest, bytes: 4_000_000) }

    init() throws { scratch = try ScratchFolder() }

    private var port: UInt16 {
        get throws {
            let server = try TestServer(try scratch.store("unused"))
            return server.endpoint.port
        }
    }

    @Test func aFetchGoesOnWhenTheServerComesBack() async throws {
        let source = try scratch.store("source")
        try source.put(blob)
        let store = try scratch.store("cache")
        let server = Mutex<TestServer?>(try TestServer(source))
        let endpoint = try #require(server.withLock { $0?.endpoint })
        let travelled = try await aside { [wish, digest, blob, scratch] in
            let client = try testClient(endpoint)
            defer { client.stop() }
            let restarts = Mutex(0)
            var last = BlobProgress()
            try client.fetch(
                [wish], into: store, progress: { last = $0 },
                isCancelled: {
                    let written = (Disk.status(store.partPath(digest))?.st_size).map { Int64($0) } ?? 0
                    if restarts.withLock({ $0 }) < 2, written > Int64(restarts.withLock { $0 } + 1) * 1_000_000 {
                        restarts.withLock { $0 += 1 }
                        server.withLock { $0 = nil }
                        let again = try? TestServer(try scratch.store("source"), port: endpoint.port)
                        server.withLock { $0 = again }
                    }
                    return false
                })
            #expect(restarts.withLock { $0 } == 2)
            #expect(try store.data(of: digest) == blob)
            return last.transferredBytes
        }
        // What was written is not fetched again.
        #expect(travelled == 4_000_000)
    }

    @Test func aFetchGoesOnAfterTheClientsRestart() async throws {
        let source = try scratch.store("source")
        try source.put(blob)
        let server = try TestServer(source)
        try await aside { [wish, digest, blob, scratch] in
            do {
                let store = try scratch.store("cache")
                let client = try server.client()
                defer { client.stop() }
                let code = errorCode {
                    try client.fetch(
                        [wish], into: store, isCancelled: { (Disk.status(store.partPath(digest))?.st_size ?? 0) > 1_000_000 })
                }
                #expect(code == .cancelled)
                #expect(!store.contains(digest))
            }
            let store = try scratch.store("cache")
            let client = try server.client()
            defer { client.stop() }
            var last = BlobProgress()
            try client.fetch([wish], into: store, progress: { last = $0 })
            #expect(last.transferredBytes < 3_000_000 && last.bytes == 4_000_000)
            #expect(try store.data(of: digest) == blob)
        }
    }

    @Test func aDamagedPartIsFetchedAnew() async throws {
        let source = try scratch.store("source")
        try source.put(blob)
        let server = try TestServer(source)
        let store = try scratch.store("cache")
        do {
            let writer = try store.write(digest, size: 4_000_000)
            try writer.append(bytes(2_000_000, seed: 9))
        }
        try await aside { [wish, digest, blob] in
            let client = try server.client()
            defer { client.stop() }
            var last = BlobProgress()
            try client.fetch([wish], into: store, progress: { last = $0 })
            #expect(last.transferredBytes == 6_000_000 && last.bytes == 4_000_000)
            #expect(try store.data(of: digest) == blob)
        }
    }

    @Test func aPutGoesOnWhenTheServerComesBack() async throws {
        let target = try scratch.store("target")
        let server = Mutex<TestServer?>(try TestServer(target))
        let endpoint = try #require(server.withLock { $0?.endpoint })
        try await aside { [digest, blob, scratch] in
            let client = try testClient(endpoint)
            defer { client.stop() }
            let isRestarted = Mutex(false)
            var last = BlobProgress()
            try client.put(
                [BlobOffer(blob)], progress: { last = $0 },
                isCancelled: {
                    if !isRestarted.withLock({ $0 }), (Disk.status(target.partPath(digest))?.st_size ?? 0) > 1_000_000 {
                        isRestarted.withLock { $0 = true }
                        server.withLock { $0 = nil }
                        let again = try? TestServer(try scratch.store("target"), port: endpoint.port)
                        server.withLock { $0 = again }
                    }
                    return false
                })
            #expect(isRestarted.withLock { $0 })
            #expect(last.transferredBytes < 4_500_000)
            #expect(try target.data(of: digest) == blob)
        }
    }

    @Test func anotherClientGoesOnWithAPut() async throws {
        let target = try scratch.store("target")
        let server = try TestServer(target)
        try await aside { [digest, blob] in
            do {
                let client = try server.client()
                let code = errorCode {
                    try client.put([BlobOffer(blob)], isCancelled: { (Disk.status(target.partPath(digest))?.st_size ?? 0) > 1_000_000 })
                }
                #expect(code == .cancelled)
                // It dies without a word about other things.
                client.stop()
            }
            let client = try server.client()
            defer { client.stop() }
            var last = BlobProgress()
            try client.put([BlobOffer(blob)], progress: { last = $0 })
            #expect(last.transferredBytes < 3_500_000)
            #expect(try target.data(of: digest) == blob)
        }
    }
}
