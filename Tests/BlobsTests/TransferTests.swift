// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

@testable import Blobs

/// Real sockets on loopback.
@Suite struct TransferTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    @Test func manyBlobsOfAllSizesAreFetchedAtOnce() async throws {
        let source = try scratch.store("source")
        let sizes = [0, 1, 5, 16 << 10, (16 << 10) + 1, 300_000, 3_000_000] + Array(repeating: 2000, count: 60)
        let blobs = sizes.enumerated().map { bytes($1, seed: UInt64($0 + 1)) }
        for blob in blobs { try source.put(blob) }
        let server = try TestServer(source)
        let store = try scratch.store("cache")
        let seen = Mutex<BlobProgress?>(nil)
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            // Of some the size is not known beforehand.
            let wishes = blobs.enumerated().map { BlobWish(digest: BlobDigest(of: $1), bytes: $0 % 3 == 0 ? nil : Int64($1.count)) }
            try client.fetch(wishes + wishes, into: store, progress: { now in seen.withLock { $0 = now } })
            try client.fetch(wishes, into: store)
        }
        for blob in blobs { #expect(try store.data(of: BlobDigest(of: blob)) == blob) }
        let total = Int64(sizes.reduce(0, +))
        #expect(seen.withLock { $0 }?.blobs == blobs.count)
        #expect(seen.withLock { $0 }?.bytes == total && seen.withLock { $0 }?.totalBytes == total)
        #expect(try await eventually { server.server.status().sentBytes == total })
        #expect(server.problems.lines.withLock { $0 }.isEmpty)
    }

    @Test func manyBlobsArePutAtOnce() async throws {
        let target = try scratch.store("target")
        let server = try TestServer(target)
        let local = try scratch.store("local")
        let blobs = [0, 1, 16 << 10, 100_000, 2_000_000, 7].enumerated().map { bytes($1, seed: UInt64($0 + 1)) }
        let file = try scratch.write(bytes(500_000, seed: 77), to: "picture.png")
        let stored = try local.put(bytes(200_000, seed: 78))
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            let offers = blobs.map { BlobOffer($0) } + [try BlobOffer(file: file), try BlobOffer(stored, in: local)]
            try client.put(offers)
            #expect(target.usage.count == 8)
            let sent = server.server.status().receivedBytes
            try client.put(offers + [BlobOffer(bytes(10, seed: 99))])
            Thread.sleep(forTimeInterval: 0.1)
            #expect(server.server.status().receivedBytes <= sent + 10 + 2_800_000)
        }
        for blob in blobs + [bytes(500_000, seed: 77), bytes(200_000, seed: 78), bytes(10, seed: 99)] {
            #expect(try target.data(of: BlobDigest(of: blob)) == blob)
        }
        #expect(server.problems.lines.withLock { $0 }.isEmpty)
    }

    @Test func twoClientsFetchAndPutTheSameBlob() async throws {
        let source = try scratch.store("source")
        let blob = bytes(2_000_000)
        let digest = try source.put(blob)
        let other = bytes(2_000_000, seed: 5)
        let server = try TestServer(source)
        let shared = try scratch.store("shared")
        try await withThrowingTaskGroup { group in
            for index in 0..<4 {
                let store = index < 2 ? shared : try scratch.store("cache-\(index)")
                group.addTask {
                    try await aside {
                        let client = try server.client()
                        defer { client.stop() }
                        try client.fetch([BlobWish(digest: digest, bytes: nil)], into: store)
                        #expect(try store.data(of: digest) == blob)
                        try client.put([BlobOffer(other)])
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try source.data(of: BlobDigest(of: other)) == other)
    }

    @Test func whatIsMissingIsSaid() async throws {
        let server = try TestServer(try scratch.store("source"))
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            for size in [nil, 10] as [Int64?] {
                #expect(
                    errorCode { try client.fetch([BlobWish(digest: BlobDigest(of: bytes(10)), bytes: size)], into: store) } == .notFound)
            }
        }
    }

    @Test func rightsAreKept() async throws {
        let source = try scratch.store("source")
        let digest = try source.put(bytes(10))
        let rights = Mutex(BlobRights.read)
        let server = try TestServer(source) { $0.authorize = { _ in rights.withLock { $0 } } }
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            let wish = BlobWish(digest: digest, bytes: 10)
            #expect(errorCode { try client.put([BlobOffer(bytes(20))]) } == .refused)
            try client.fetch([wish], into: store)
            store.remove(digest)
            // A right that is taken away is gone at once, though the connection stays.
            rights.withLock { $0 = [] }
            #expect(errorCode { try client.fetch([wish], into: store) } == .refused)
            let stranger = try server.client()
            defer { stranger.stop() }
            #expect(errorCode { try stranger.fetch([wish], into: store) } == .refused)
        }
        #expect(try await eventually { server.server.status().refused > 0 })
    }

    @Test func aLocalFileIsNotFetched() async throws {
        let file = try scratch.write(bytes(100_000), to: "models/model")
        let source = try scratch.store("source")
        let digest = try source.registerInPlace(file).digest
        let server = try TestServer(source)
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            let wish = BlobWish(digest: digest, bytes: 100_000, localPaths: ["/nowhere", file.path])
            try client.fetch([wish], into: store)
            #expect(try store.url(of: digest) == file)
            let elsewhere = try scratch.store("elsewhere")
            try client.fetch([BlobWish(digest: digest, bytes: 100_000, localPaths: ["/etc/passwd"])], into: elsewhere)
            #expect(elsewhere.usage == (1, 100_000))
        }
    }

    @Test func aFileThatChangedWhileItIsServedIsRefused() async throws {
        let file = try scratch.write(bytes(3_000_000), to: "models/model")
        let source = try scratch.store("source")
        let digest = try source.registerInPlace(file).digest
        let server = try TestServer(source)
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            let isChanged = Mutex(false)
            let code = errorCode {
                try client.fetch(
                    [BlobWish(digest: digest, bytes: 3_000_000)], into: store,
                    isCancelled: {
                        if !isChanged.withLock({ was in
                            defer { was = true }
                            return was
                        }), let handle = try? FileHandle(forWritingTo: file) {
                            try? handle.write(contentsOf: Data([1, 2, 3]))
                            try? handle.close()
                        }
                        return false
                    })
            }
            #expect(code == .notFound)
            #expect(!store.contains(digest))
        }
    }

    @Test func aDamagedBlobOfTheServerIsNotServed() async throws {
        let digest = try scratch.store("source").put(bytes(100_000))
        let source = try scratch.store("source")
        let path = source.storedPath(digest)
        try FileManager.default.removeItem(atPath: path)
        try bytes(100_000, seed: 2).write(to: URL(fileURLWithPath: path))
        let server = try TestServer(source)
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            #expect(errorCode { try client.fetch([BlobWish(digest: digest, bytes: 100_000)], into: store) } == .notFound)
            #expect(!source.contains(digest))
            // Putting it again makes it good.
            try client.put([BlobOffer(bytes(100_000))])
            try client.fetch([BlobWish(digest: digest, bytes: 100_000)], into: store)
        }
    }

    @Test func limitsOfSizeAreKept() async throws {
        let server = try TestServer(try scratch.store("target", limit: 50_000)) { $0.limits.blobBytes = 60_000 }
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            #expect(errorCode { try client.put([BlobOffer(bytes(70_000))]) } == .tooBig)
            #expect(errorCode { try client.put([BlobOffer(bytes(55_000))]) } == .noSpace)
            try client.put([BlobOffer(bytes(40_000))])
        }
    }

    @Test func nobodyThereIsSaid() async throws {
        let store = try scratch.store()
        let nobody = try SilentPort()
        try await aside {
            let client = try testClient(nobody.endpoint) { $0.patience = .milliseconds(300) }
            defer { client.stop() }
            #expect(errorCode { try client.fetch([BlobWish(digest: BlobDigest(of: Data([1])), bytes: 1)], into: store) } == .unreachable)
            #expect(errorCode { try client.put([BlobOffer(Data([1]))], isCancelled: { true }) } == .cancelled)
            client.stop()
            #expect(errorCode { try client.put([BlobOffer(Data([1]))]) } == .cancelled)
        }
    }
}
