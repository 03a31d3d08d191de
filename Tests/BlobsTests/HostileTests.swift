// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing
import ZeroMQ

@testable import Blobs

/// Peers that break the rules.
@Suite struct HostileTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    /// What a server does to a request, in place of the right thing.
    typealias Lie = @Sendable (UInt64, BlobRequest) -> [[Data]]

    private func fetch(_ blob: Data, from lie: @escaping Lie) async throws -> BlobError.Code? {
        let liar = try RawPeer.server(lie)
        defer { liar.stop() }
        let endpoint = try #require(liar.endpoint)
        let store = try scratch.store("cache")
        return try await aside {
            let client = try testClient(endpoint) { options in
                options.patience = .seconds(1)
                options.silence = .milliseconds(500)
            }
            defer { client.stop() }
            let code = errorCode { try client.fetch([BlobWish(digest: BlobDigest(of: blob), bytes: Int64(blob.count))], into: store) }
            #expect(!store.contains(BlobDigest(of: blob)))
            return code
        }
    }

    private static func honest(_ blob: Data, _ id: UInt64, _ request: BlobRequest) -> [[Data]] {
        switch request {
        case .hello:
            var welcome = TestServer.smallChunks
            welcome.rights = .all
            return [BlobCodec.encode(.welcome(welcome), id: id)]
        case .fetch(let digest, let offset, let length):
            let piece = blob.dropFirst(Int(offset)).prefix(length)
            return [BlobCodec.encode(.chunk(digest, offset: offset, size: Int64(blob.count), piece), id: id)]
        default: return []
        }
    }

    @Test func wrongBytesAreRejected() async throws {
        let (blob, other) = (bytes(100_000), bytes(100_000, seed: 2))
        #expect(try await fetch(blob) { id, request in Self.honest(other, id, request) } == .wrongBytes)
    }

    @Test func aLyingServerIsCaught() async throws {
        let blob = bytes(100_000)
        func answer(_ reply: @escaping @Sendable (BlobDigest, Int64, Int) -> BlobReply) -> Lie {
            { id, request in
                guard case .fetch(let digest, let offset, let length) = request else { return Self.honest(blob, id, request) }
                return [BlobCodec.encode(reply(digest, offset, length), id: id)]
            }
        }
        let size = Int64(blob.count)
        // Another size, another place, another blob, fewer bytes, more bytes, an answer to another question.
        #expect(try await fetch(blob, from: answer { .chunk($0, offset: $1, size: size + 1, Data(count: $2)) }) == .wrongBytes)
        #expect(try await fetch(blob, from: answer { .chunk($0, offset: $1 + 1, size: size + 9, Data(count: $2)) }) == .protocolMismatch)
        #expect(
            try await fetch(blob, from: answer { .chunk(BlobDigest(of: Data()), offset: $1, size: size, Data(count: $2)) })
                == .protocolMismatch)
        #expect(try await fetch(blob, from: answer { .chunk($0, offset: $1, size: size, Data(count: $2 - 1)) }) == .protocolMismatch)
        #expect(try await fetch(blob, from: answer { .stat($0, size: $1 + Int64($2)) }) == .protocolMismatch)
        #expect(try await fetch(blob, from: answer { .error(.internal, "disk \($0.short) \($1) \($2)") }) == .remote)
    }

    @Test func silenceAndGarbageEndInAClearError() async throws {
        let blob = bytes(100_000)
        #expect(try await fetch(blob) { _, _ in [] } == .unreachable)
        #expect(try await fetch(blob) { _, _ in [[Data("garbage".utf8)]] } == .unreachable)
        #expect(
            try await fetch(blob) { id, request in
                if case .hello = request { return [BlobCodec.encode(.error(.version, "3 only"), id: id)] }
                return []
            } == .protocolMismatch)
    }

    @Test func unaskedPiecesAreIgnored() async throws {
        let blob = bytes(100_000)
        let liar = try RawPeer.server { id, request in
            let stray = BlobCodec.encode(.chunk(BlobDigest(of: blob), offset: 0, size: 100_000, bytes(9000, seed: 4)), id: id + 1_000_000)
            return [stray] + Self.honest(blob, id, request) + Self.honest(blob, id, request)
        }
        defer { liar.stop() }
        let endpoint = try #require(liar.endpoint)
        let store = try scratch.store("cache")
        try await aside {
            let client = try testClient(endpoint)
            defer { client.stop() }
            try client.fetch([BlobWish(digest: BlobDigest(of: blob), bytes: 100_000)], into: store)
        }
        #expect(try store.data(of: BlobDigest(of: blob)) == blob)
    }

    @Test func aHostileClientGetsNothingAndHurtsNobody() async throws {
        let source = try scratch.store("source")
        let digest = try source.put(bytes(300_000))
        let server = try TestServer(source)
        let evil = try RawPeer.client(server.endpoint)
        defer { evil.stop() }
        #expect(try await eventually { evil.isConnected })

        // Before hello.
        evil.send(BlobCodec.encode(.fetch(digest, offset: 0, length: 10), id: 1))
        #expect(try await evil.fault(of: 1) == .helloRequired)
        evil.send(BlobCodec.encode(.hello(major: 9, minor: 0, program: "x"), id: 2))
        #expect(try await evil.fault(of: 2) == .version)
        evil.send(BlobCodec.encode(.hello(major: 2, minor: 0, program: "x"), id: 3))
        #expect(try await eventually { evil.replies(3).contains { if case .welcome = $0 { true } else { false } } })

        // Beyond the end, too much, wrong puts.
        evil.send(BlobCodec.encode(.fetch(digest, offset: 300_000, length: 10), id: 4))
        #expect(try await evil.fault(of: 4) == .invalid)
        evil.send(BlobCodec.encode(.fetch(digest, offset: 1 << 50, length: 10), id: 5))
        #expect(try await evil.fault(of: 5) == .invalid)
        evil.send(BlobCodec.encode(.fetch(digest, offset: 0, length: 1 << 20), id: 6))
        #expect(try await evil.fault(of: 6) == .invalid)
        evil.send(BlobCodec.encode(.put(BlobDigest(of: Data([1])), size: 1 << 50), id: 7))
        #expect(try await evil.fault(of: 7) == .tooBig)
        evil.send(BlobCodec.encode(.putData(offset: 0, bytes(1000)), id: 8))
        let name = BlobDigest(of: bytes(50_000, seed: 3))
        evil.send(BlobCodec.encode(.put(name, size: 50_000), id: 9))
        #expect(try await eventually { !evil.replies(9).isEmpty })
        evil.send(BlobCodec.encode(.putData(offset: 5, bytes(100)), id: 9))
        #expect(try await evil.fault(of: 9) == .invalid)
        // The right pieces with other bytes.
        evil.send(BlobCodec.encode(.put(name, size: 16), id: 10))
        #expect(try await eventually { evil.replies(10).contains(.pull(offset: 0, length: 16)) })
        evil.send(BlobCodec.encode(.putData(offset: 0, bytes(16)), id: 10))
        #expect(try await evil.fault(of: 10) == .wrongBytes)
        #expect(!source.contains(name))

        // Garbage of all kinds, until nobody listens any more.
        for index in 0..<300 { evil.send([Data("PWB2".utf8), bytes(index, seed: UInt64(index + 1))]) }
        for count in [1, 2, 4, 5, 30] { evil.send(Array(repeating: Data("PWB2".utf8), count: count)) }
        #expect(try await eventually { server.server.status().refused > 100 })

        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            try client.fetch([BlobWish(digest: digest, bytes: 300_000)], into: store)
        }
    }

    @Test func endlessRequestsAreBounded() async throws {
        let source = try scratch.store("source")
        let digest = try source.put(bytes(300_000))
        let server = try TestServer(source)
        let evil = try RawPeer.client(server.endpoint, readsNothing: true)
        defer { evil.stop() }
        #expect(try await eventually { evil.isConnected })
        evil.send(BlobCodec.encode(.hello(major: 2, minor: 0, program: "x"), id: 1))
        for id in 2..<20_000 as Range<UInt64> { evil.send(BlobCodec.encode(.fetch(digest, offset: 0, length: 16 << 10), id: id)) }
        let store = try scratch.store("cache")
        try await aside {
            let client = try server.client()
            defer { client.stop() }
            try client.fetch([BlobWish(digest: digest, bytes: 300_000)], into: store)
        }
        #expect(try await eventually { server.problems.lines.withLock { $0.contains { $0.contains("more open fetches") } } })
    }
}
