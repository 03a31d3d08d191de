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
        // A libzmq context has a thousand sockets at most, and each peer takes three.
        let loops = try stride(from: 0, to: workers, by: 200).map { first in
            let range = first..<min(first + 200, workers)
            let loop = SocketLoop<CrowdHandler>(name: "crowd", tickInterval: .milliseconds(100)) { context in
                try CrowdHandler(endpoint, range, heartbeat: .seconds(heartbeat), &context)
            }
            try loop.start()
            return loop
        }
        defer { for loop in loops { loop.stop() } }
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

/// Many workers on one thread: they join, and say that they are there.
struct CrowdHandler: LoopHandler {
    private var peers: [SocketID: (name: String, session: String?)] = [:]
    private var leases: [SocketID: WireLease] = [:]
    private let heartbeat: Duration
    private var due: ContinuousClock.Instant

    init(_ endpoint: Endpoint, _ range: Range<Int>, heartbeat: Duration, _ context: inout LoopContext) throws {
        self.heartbeat = heartbeat
        due = context.now
        for index in range { peers[try context.connect(endpoint)] = ("crowd-\(index)", nil) }
    }

    mutating func handle(_ event: LoopEvent, in context: inout LoopContext) {
        switch event {
        case .connected(let socket): hello(socket, &context)
        case .message(let socket, _, let frames):
            switch (try? WireCodec.decode(frames, at: .peer))?.payload {
            case .welcome(let welcome):
                peers[socket]?.session = welcome.session
                beat(socket, &context)
            // It holds what it was given, and never gets on with it.
            case .trainGrant(let grant): leases[socket] = grant.lease
            case .cancelLease: leases[socket] = nil
            default: break
            }
        case .tick where context.now >= due:
            due = context.now + heartbeat
            for socket in peers.keys { beat(socket, &context) }
        default: break
        }
    }

    private func hello(_ socket: SocketID, _ context: inout LoopContext) {
        var hello = WireHello()
        hello.protocolMajor = WireVersion.current.major
        hello.role = .worker
        hello.workerID = UUID().uuidString.lowercased()
        hello.name = peers[socket]?.name ?? "crowd"
        hello.host = "crowd"
        hello.programVersion = "fleet-bench"
        hello.cpu = "none"
        hello.threads = 1
        send(.hello(hello), socket, &context)
    }

    private func beat(_ socket: SocketID, _ context: inout LoopContext) {
        guard let session = peers[socket]?.session else { return }
        var beat = WireHeartbeat()
        beat.session = session
        if let lease = leases[socket] {
            var progress = WireProgress()
            progress.lease = lease
            beat.progress = [progress]
        }
        send(.heartbeat(beat), socket, &context)
    }

    private func send(_ payload: WireEnvelope.OneOf_Payload, _ socket: SocketID, _ context: inout LoopContext) {
        guard let frames = try? WireCodec.encode(WireEnvelope(payload, requestID: 1)) else { return }
        try? context.send(frames, on: socket)
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
