// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What `fleet-bench blobs` prints.
struct BlobsReport: Codable {
    struct Row: Codable {
        var name: String
        var gigabytes = 0.0
        var megabytesPerSecond = 0.0
        var withSync: Double?
        /// Of what a bare connection carries.
        var share: Double?
        /// What all threads of this process have computed so far, in seconds.
        static var cpuSeconds: Double {
            var usage = rusage()
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6 }
        }

        /// The largest resident set of each process, in 10^6 bytes.
        var serverMegabytes = 0.0
        var clientMegabytes = 0.0
        /// Of both processes, for each gigabyte.
        var cpuSecondsPerGigabyte = 0.0
    }

    var machine: String
    var chunkKiB: Int
    /// Writing the blob's file and waiting for the disk, as a measure of the disk.
    var diskMegabytesPerSecond: Double
    var rows: [Row]

    mutating func setShares() {
        var bare: [Substring: Double] = [:]
        for row in rows where row.name.hasPrefix("bare") { bare[row.name.dropFirst(4)] = row.megabytesPerSecond }
        for index in rows.indices where rows[index].name.hasPrefix("blob") {
            rows[index].share = bare[rows[index].name.dropFirst(4)].map { rows[index].megabytesPerSecond / $0 }
        }
    }

    var table: String {
        func number(_ value: Double?, _ digits: Int = 0) -> String { value.map { String(format: "%.\(digits)f", $0) } ?? "" }
        func cells(_ texts: [String]) -> String {
            texts[0].padding(toLength: 16, withPad: " ", startingAt: 0)
                + texts.dropFirst().map { String(repeating: " ", count: max(1, 12 - $0.count)) + $0 }.joined()
        }
        let header = [
            "\(machine); pieces of \(chunkKiB) KiB; the disk writes \(number(diskMegabytesPerSecond)) MB/s",
            cells(["transfer", "GB", "MB/s", "of bare", "with fsync", "server MB", "client MB", "CPU s/GB"]),
        ]
        let lines = rows.map { row in
            cells([
                row.name, number(row.gigabytes, 1), number(row.megabytesPerSecond), row.share.map { "\(number($0 * 100)) %" } ?? "",
                number(row.withSync), number(row.serverMegabytes), number(row.clientMegabytes),
                number(row.cpuSecondsPerGigabyte, 1),
            ])
        }
        return (header + lines).joined(separator: "\n")
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

/// What the numbers were measured on.
enum Machine {
    static var description: String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)).map { $0.split(separator: "\n") } ?? []
        let model = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
        let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8))?.split(separator: " ").first ?? "?"
        return "\(model ?? "unknown processor"), \(ProcessInfo.processInfo.activeProcessorCount) processors, load \(load)"
    }

    /// What all threads of this process have computed so far, in seconds.
    static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6 }
    }

    /// The largest resident set of this process so far, in bytes.
    static var peakResidentBytes: Int64 {
        let lines = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("VmHWM:") }
        return (line?.split(separator: " ").dropLast().last.flatMap { Int64($0) } ?? 0) * 1024
    }
}
