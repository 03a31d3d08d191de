// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import Testing
import ZeroMQ

@testable import Blobs

/// A folder that goes away with the value.
final class ScratchFolder: Sendable {
    let url: URL

    init(in parent: URL = FileManager.default.temporaryDirectory) throws {
        url = parent.appendingPathComponent("blobs-\(UUID().uuidString)", isDirectory: true)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    subscript(name: String) -> URL { url.appendingPathComponent(name) }

    func write(_ data: Data, to name: String) throws -> URL {
        let file = self[name]
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
        return file
    }

    func store(_ name: String = "store", limit: Int64? = nil) throws -> BlobStore {
        // The tests do not pull the plug; syncing would only take time.
        try BlobStore(folder: self[name], options: BlobStore.Options(limitBytes: limit, isDurable: false))
    }
}

/// The same bytes for the same number, and others for every other one.
func bytes(_ count: Int, seed: UInt64 = 1) -> Data {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    var bytes = [UInt8]()
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let mixed = state ^ (state >> 29)
        for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: mixed >> UInt64(8 * byte))) }
    }
    return Data(bytes.prefix(count))
}

/// The code of what `body` throws.
func errorCode(_ body: () throws -> Void) -> BlobError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? BlobError)?.code
    }
}

extension Endpoint {
    static func loopback(_ port: UInt16 = 0) throws -> Endpoint { try Endpoint(host: "127.0.0.1", port: port) }
}

extension SocketOptions {
    /// Comes back quickly.
    static var quick: SocketOptions {
        var options = SocketOptions.blobs
        options.reconnectInterval = .milliseconds(10)
        options.maximumReconnectInterval = .milliseconds(80)
        return options
    }
}

/// A port on loopback where nobody listens, and that no other test's server gets meanwhile.
final class SilentPort: Sendable {
    private let descriptor: Int32
    let endpoint: Endpoint

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var count = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, count) == 0 && getsockname(descriptor, $0, &count) == 0
            }
        }
        try #require(isBound)
        endpoint = try .loopback(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}

/// A server on loopback and what it was told of broken rules.
final class TestServer: Sendable {
    let server: BlobServer
    let endpoint: Endpoint
    let problems: Problems

    final class Problems: Sendable {
        let lines = Mutex<[String]>([])
    }

    init(
        _ store: BlobStore, port: UInt16 = 0, rights: BlobRights = .all, limits: BlobWelcome = TestServer.smallChunks,
        change: (inout BlobServerOptions) -> Void = { _ in }
    ) throws {
        let problems = Problems()
        var options = BlobServerOptions(endpoint: try .loopback(port)) { _ in rights }
        options.socket = .quick
        options.limits = limits
        options.onProblem = { line in problems.lines.withLock { $0.append(line) } }
        change(&options)
        server = BlobServer(store: store, options: options)
        self.problems = problems
        endpoint = try server.start()
    }

    deinit { server.stop() }

    /// So that small blobs have many pieces.
    static var smallChunks: BlobWelcome {
        var limits = BlobWelcome()
        limits.chunkBytes = 16 << 10
        limits.windowBytes = 128 << 10
        limits.windowRequests = 8
        return limits
    }

    func client(_ change: (inout BlobClientOptions) -> Void = { _ in }) throws -> BlobClient { try testClient(endpoint, change) }
}

func testClient(_ endpoint: Endpoint, _ change: (inout BlobClientOptions) -> Void = { _ in }) throws -> BlobClient {
    var options = BlobClientOptions()
    options.socket = .quick
    options.patience = .seconds(20)
    options.silence = .seconds(5)
    change(&options)
    let client = BlobClient(endpoint: endpoint, options: options)
    try client.start()
    return client
}

/// Runs blocking work beside the test.
func aside<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result { try body() }) }
        thread.start()
    }
}

/// Waits for a condition; false after 8 seconds.
func eventually(_ isTrue: () -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(8)
    while ContinuousClock.now < deadline {
        if isTrue() { return true }
        try await Task.sleep(for: .milliseconds(2))
    }
    return isTrue()
}
