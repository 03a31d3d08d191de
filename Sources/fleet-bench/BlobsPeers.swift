// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Blobs
import Foundation
import ZeroMQ

/// Serves one file as a blob.
struct BlobsServe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "blobs-serve", shouldDisplay: false)

    @Argument var file: String
    @Option var store: String
    @Option var chunk: Int

    func run() throws {
        let store = try BlobStore(folder: URL(fileURLWithPath: store, isDirectory: true), limitBytes: nil)
        let (digest, bytes) = try store.registerInPlace(URL(fileURLWithPath: file))
        var options = BlobServerOptions(endpoint: try Endpoint(host: "127.0.0.1", port: 0)) { _ in .all }
        options.limits.chunkBytes = chunk << 10
        options.socket.security = try BenchKeys.security
        options.authenticate = { _, _ in true }
        let server = BlobServer(store: store, options: options)
        let endpoint = try server.start()
        Child.say("blob", "\(digest.hex):\(bytes)")
        let start = Machine.cpuSeconds
        Child.say("endpoint", endpoint)
        Child.waitForEnd(since: start)
        server.stop()
    }
}

/// Fetches one blob and says how long it took.
struct BlobsFetch: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "blobs-fetch", shouldDisplay: false)

    @Argument var endpoint: String
    @Argument var blob: String
    @Option var store: String

    func run() throws {
        let parts = blob.split(separator: ":")
        guard parts.count == 2, let digest = BlobDigest(hex: parts[0]), let bytes = Int64(parts[1]) else { throw Failure("no blob") }
        // The waiting for the disk is measured by itself.
        let store = try BlobStore(
            folder: URL(fileURLWithPath: store, isDirectory: true), options: BlobStore.Options(isDurable: false))
        var options = BlobClientOptions()
        options.socket.security = try BenchKeys.security
        let client = BlobClient(endpoint: try Endpoint(endpoint), options: options)
        try client.start()
        let cpu = Machine.cpuSeconds, start = ContinuousClock.now
        try client.fetch([BlobWish(digest: digest, bytes: bytes)], into: store)
        let transferred = ContinuousClock.now
        try BenchFile.sync(try store.url(of: digest))
        Child.say("bytes", bytes)
        Child.say("seconds", (transferred - start).seconds)
        Child.say("sync", (ContinuousClock.now - transferred).seconds)
        Child.waitForEnd(since: cpu)
        client.stop()
    }
}

/// Files for measuring.
enum BenchFile {
    /// Writes bytes that no file system can shorten, waits for the disk, and gives the MB/s of that.
    static func write(bytes: Int64, to file: URL) throws -> Double {
        let path = file.path
        guard FileManager.default.createFile(atPath: path, contents: nil) else { throw Failure("cannot write \(path)") }
        let handle = try FileHandle(forWritingTo: file)
        let start = ContinuousClock.now
        var generator = SystemRandomNumberGenerator()
        var block = [UInt64](repeating: 0, count: 1 << 17)
        for index in block.indices { block[index] = generator.next() }
        var left = bytes
        while left > 0 {
            block[Int.random(in: 0..<block.count)] = generator.next()
            let piece = block.withUnsafeBytes { Data($0.prefix(Int(min(left, 1 << 20)))) }
            try handle.write(contentsOf: piece)
            left -= Int64(piece.count)
        }
        try handle.synchronize()
        try handle.close()
        return Double(bytes) / 1e6 / (ContinuousClock.now - start).seconds
    }

    static func sync(_ file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        try handle.synchronize()
        try handle.close()
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
