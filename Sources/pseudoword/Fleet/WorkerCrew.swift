// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation
import Tensors

/// The worker processes that `train` starts on this machine; one that dies is replaced.
final class WorkerCrew {
    private let threads: Int
    private let memory: Compute.Memory
    private let endpoint: String
    private let home: URL
    private let cache: URL
    private let logs: URL
    /// NUMA nodes that the workers go to in turn; empty: they run anywhere.
    private let nodes: [ProcessorNode]
    private var members: [Process?]
    private var replacements = 0

    /// Set when workers die faster than they can be of use.
    private(set) var failure: String?

    private static let maximumReplacements = 20

    init(count: Int, threads: Int, memory: Compute.Memory, endpoint: String, home: URL, cache: URL, logs: URL) {
        (self.threads, self.memory, self.endpoint) = (threads, memory, endpoint)
        (self.home, self.cache, self.logs) = (home, cache, logs)
        members = Array(repeating: nil, count: count)
        nodes = ProcessorNode.places(ProcessorNode.available, workers: count, threads: threads)
    }

    func start() throws {
        do {
            try FileManager.default.createDirectory(at: logs, withIntermediateDirectories: true)
        } catch {
            throw CommandLineError("\(logs.path): cannot make this folder for the workers' logs")
        }
        for index in members.indices { members[index] = try launch(index) }
    }

    func replaceTheDead() {
        for (index, member) in members.enumerated() where member.map({ !$0.isRunning }) ?? true {
            guard replacements < Self.maximumReplacements, let replacement = try? launch(index) else {
                failure = "workers keep dying; the last one's log is \(log(index).path)"
                return
            }
            replacements += 1
            members[index] = replacement
        }
    }

    /// Asks all to stop and waits; one that does not listen is killed.
    func stop() {
        let running = members.compactMap { $0 }.filter(\.isRunning)
        for member in running { member.terminate() }
        let deadline = Date().addingTimeInterval(15)
        for member in running {
            while member.isRunning && Date() < deadline { usleep(20_000) }
            if member.isRunning { kill(member.processIdentifier, SIGKILL) }
        }
    }

    private func log(_ index: Int) -> URL { logs.appendingPathComponent("worker-\(index + 1).log") }

    private func launch(_ index: Int) throws -> Process {
        let path = log(index).path
        if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        guard let log = FileHandle(forWritingAtPath: path) else { throw CommandLineError("\(path): cannot be written") }
        defer { try? log.close() }
        try log.seekToEnd()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [
            "worker", "--coordinator", endpoint, "--home", home.path, "--cache", cache.path, "--threads", String(threads), "--memory",
            memory.rawValue, "--name", "worker-\(index + 1)", "--grace", "0", "--parent", String(getpid()),
        ]
        if !nodes.isEmpty { process.arguments? += ["--node", String(nodes[index % nodes.count].number)] }
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }
}
