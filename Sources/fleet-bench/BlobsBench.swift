// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Blobs
import Foundation
import ZeroMQ

/// Blobs over loopback: a server process and a client process for each row.
struct BlobsBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blobs", abstract: "Speed and memory of blob transfers over loopback.",
        discussion: """
            Each row is one transfer between two processes: the server reads the blob from a file, the client writes it to another one and
            checks its digest. "MB/s" is from the first request to the last byte written and checked; "with fsync" also waits for the disk.
            A bare row is one libzmq connection that carries pieces of the same size, without files and digests.
            """)

    @Option(help: "Gigabytes (10^9) of the blob whose speed is measured.") var gigabytes = 1.0
    @Option(help: "Gigabytes of the blob whose memory is measured; 0 leaves that out.") var largeGigabytes = 4.0
    @Option(help: "How often each speed is measured; the best counts.") var repeats = 3
    @Option(help: "KiB of a piece (default: what servers use).") var chunk = BlobWelcome().chunkBytes >> 10
    @Option(help: "Where to write; the default is the folder for temporary files.") var folder: String?
    @Option(help: "table or json.") var output = BenchOutput.table

    func validate() throws {
        guard gigabytes > 0, gigabytes <= 1000, (0...1000).contains(largeGigabytes) else {
            throw ValidationError("sizes are from 0 to 1000 gigabytes")
        }
        guard (1...100).contains(repeats) else { throw ValidationError("--repeats is \(repeats); expected 1 to 100") }
        guard (1...(BlobLimits.chunkBytes >> 10)).contains(chunk) else {
            throw ValidationError("--chunk is \(chunk); expected 1 to \(BlobLimits.chunkBytes >> 10)")
        }
    }

    func run() throws {
        let parent = folder.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? FileManager.default.temporaryDirectory
        let scratch = parent.appendingPathComponent("fleet-bench-\(ProcessInfo.processInfo.processIdentifier)", isDirectory: true)
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }

        var report = BlobsReport(machine: Machine.description, chunkKiB: chunk, diskMegabytesPerSecond: 0, rows: [])
        let source = scratch.appendingPathComponent("blob")
        report.diskMegabytesPerSecond = try BenchFile.write(bytes: Int64(gigabytes * 1e9), to: source)
        for isEncrypted in [false, true] {
            try report.rows.append(best { try bare(isEncrypted: isEncrypted) })
            try report.rows.append(best { try transfer(source, scratch, isEncrypted: isEncrypted) })
        }
        if largeGigabytes > 0 {
            try FileManager.default.removeItem(at: source)
            _ = try BenchFile.write(bytes: Int64(largeGigabytes * 1e9), to: source)
            for isEncrypted in [false, true] { report.rows.append(try transfer(source, scratch, isEncrypted: isEncrypted)) }
        }
        report.setShares()
        switch output {
        case .table: print(report.table)
        case .json: print(try report.json)
        }
    }

    private func best(_ measure: () throws -> BlobsReport.Row) rethrows -> BlobsReport.Row {
        var best = try measure()
        for _ in 1..<repeats {
            let next = try measure()
            if next.megabytesPerSecond > best.megabytesPerSecond { best = next }
        }
        return best
    }

    private func transfer(_ source: URL, _ scratch: URL, isEncrypted: Bool) throws -> BlobsReport.Row {
        let keys = try BenchKeys(isEncrypted: isEncrypted)
        let target = scratch.appendingPathComponent("client")
        try? FileManager.default.removeItem(at: target)
        let server = try Child(
            ["blobs-serve", source.path, "--store", scratch.appendingPathComponent("server").path, "--chunk", "\(chunk)"],
            environment: keys.server)
        let blob = try server.value("blob"), endpoint = try server.value("endpoint")
        let client = try Child(["blobs-fetch", endpoint, blob, "--store", target.path], environment: keys.client)
        var row = BlobsReport.Row(name: isEncrypted ? "blob, CURVE" : "blob, no keys")
        let bytes = try client.number("bytes"), seconds = try client.number("seconds")
        row.gigabytes = bytes / 1e9
        row.megabytesPerSecond = bytes / 1e6 / seconds
        row.withSync = bytes / 1e6 / (seconds + (try client.number("sync")))
        let (ofClient, ofServer) = (try client.end(), try server.end())
        (row.clientMegabytes, row.serverMegabytes) = (ofClient.megabytes, ofServer.megabytes)
        row.cpuSecondsPerGigabyte = (ofClient.cpu + ofServer.cpu) / row.gigabytes
        return row
    }

    private func bare(isEncrypted: Bool) throws -> BlobsReport.Row {
        let keys = try BenchKeys(isEncrypted: isEncrypted)
        let server = try Child(["bare-serve", "--chunk", "\(chunk)"], environment: keys.server)
        let pieces = max(1, Int(gigabytes * 1e9) / (chunk << 10))
        let client = try Child(["bare-fetch", try server.value("endpoint"), "--pieces", "\(pieces)"], environment: keys.client)
        var row = BlobsReport.Row(name: isEncrypted ? "bare, CURVE" : "bare, no keys")
        let bytes = try client.number("bytes")
        row.gigabytes = bytes / 1e9
        row.megabytesPerSecond = bytes / 1e6 / (try client.number("seconds"))
        let (ofClient, ofServer) = (try client.end(), try server.end())
        (row.clientMegabytes, row.serverMegabytes) = (ofClient.megabytes, ofServer.megabytes)
        row.cpuSecondsPerGigabyte = (ofClient.cpu + ofServer.cpu) / row.gigabytes
        return row
    }
}
