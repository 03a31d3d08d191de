// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import WireMessages
import ZeroMQ

struct CrowdBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crowd", abstract: "What a thousand connected workers cost a coordinator that has ten thousand trials.",
        discussion: "Real sockets to a coordinator in a process of its own; the workers only send heartbeats.")

    @Option(help: "Workers.") var workers = 1000
    @Option(help: "Trials in the ledger.") var trials = 10_000
    @Option(help: "Seconds between heartbeats.") var heartbeat = 5.0
    @Option(help: "Seconds to measure.") var seconds = 30.0
    @Option(help: "table or json.") var output = BenchOutput.table

    struct Report: Encodable {
        let workers: Int, trials: Int, cores: Double, residentMb: Double, statusMedianMs: Double
    }

    func run() throws {
        let child = try Child(["crowd-serve", "--trials", String(trials), "--heartbeat", String(heartbeat)], environment: [:])
        let endpoint = try Endpoint(try child.value("endpoint"))
        let process = Int32(try child.number("pid"))
        let crew = try BareWorkers(workers, at: endpoint, heartbeat: .seconds(heartbeat), answers: false)
        defer { crew.stop() }
        let client = FleetClient(endpoint, program: "fleet-bench", connectTimeout: .seconds(20))
        let deadline = Date().addingTimeInterval(60)
        while try client.status().workers.count < workers {
            guard Date() < deadline else { throw Failure("only \(try client.status().workers.count) workers joined within a minute") }
            usleep(500_000)
        }
        let before = try Machine.cpuSeconds(of: process)
        let started = Date()
        var latencies: [Double] = []
        while Date().timeIntervalSince(started) < seconds {
            usleep(1_000_000)
        }
        let cores = (try Machine.cpuSeconds(of: process) - before) / Date().timeIntervalSince(started)
        for _ in 0..<15 {
            let asked = Date()
            _ = try client.status()
            latencies.append(Date().timeIntervalSince(asked) * 1000)
        }
        let resident = try Machine.residentBytes(of: process)
        let report = Report(
            workers: workers, trials: trials, cores: cores, residentMb: Double(resident) / 1e6,
            statusMedianMs: latencies.sorted()[latencies.count / 2])
        _ = try child.end()
        if output == .json { return try print(encoded(report)) }
        print("\(workers) workers with a heartbeat every \(Int(heartbeat)) s, \(trials) trials:")
        print(
            String(
                format: "  %.2f cores, %.0f MB resident, status in %.0f ms (median of 15, connection included)", report.cores,
                report.residentMb, report.statusMedianMs))
    }
}

struct CrowdServe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "crowd-serve", abstract: "The coordinator of crowd.", shouldDisplay: false)

    @Option var trials: Int
    @Option var heartbeat: Double

    func run() throws {
        let rig = try FleetRig(heartbeat: .seconds(heartbeat))
        let endpoint = try rig.service.start()
        let search = "search: {method: random, trials: \(trials), parameters: {training.learning_rate: {uniform: [0.001, 0.1]}}}"
        try rig.submit(FleetRig.study("crowd", steps: 1000, batch: 1, every: 10, parallel: "trials", search: search))
        Child.say("endpoint", endpoint)
        Child.say("pid", getpid())
        Child.waitForEnd(since: Machine.cpuSeconds)
        rig.service.stop()
    }
}

extension Machine {
    /// What a process has computed so far, in seconds.
    static func cpuSeconds(of process: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        // The name in brackets may hold anything; the numbers come after it.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw Failure("process \(process) cannot be watched")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    static func residentBytes(of process: Int32) throws -> Int64 {
        let lines = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").dropLast().last.flatMap { Int64($0) } ?? 0) * 1024
    }
}
