// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Fleet
import Foundation
import ZeroMQ

struct SyncBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "The cost of a step that is shared by workers, beyond what it computes.",
        discussion: """
            Workers on this machine with real sockets; computing is replaced by a sleep. With --delay every connection goes through a proxy \
            that holds each byte back for half of it in either direction. scripts/bench/gloo_sync.py runs the same loop over torch.distributed.
            """)

    @Option(help: "Workers, and slices of a step.") var workers = 8
    @Option(help: "Milliseconds that a slice sleeps.") var sleep = 100.0
    @Option(help: "Milliseconds of added round trip.") var delay = 0.0
    @Option(help: "Steps.") var steps = 40
    @Option(help: "table or json.") var output = BenchOutput.table

    struct Report: Encodable {
        let workers: Int, steps: Int, sleepMs: Double, delayMs: Double
        let medianOverheadMs: Double, worstOverheadMs: Double, roundTrips: Double?
    }

    func run() throws {
        let rig = try FleetRig()
        let endpoint = try rig.service.start()
        defer { rig.service.stop() }
        let proxy = delay > 0 ? try DelayProxy(to: endpoint.port, delay: delay / 2000) : nil
        let place = try proxy.map { try Endpoint(host: "127.0.0.1", port: $0.port) } ?? endpoint
        let crew = try (1...workers).map { try rig.worker("w\($0)", at: place, IdleTrainer(seconds: sleep / 1000)) }
        defer { for worker in crew { worker.stop() } }
        try rig.wait("workers join", seconds: 30) { $0.workers.count == workers }
        try rig.submit(FleetRig.study("sync", steps: steps, batch: workers, every: steps, parallel: "data"))
        try rig.wait("the study ends", seconds: 60 + Double(steps) * (sleep + delay * 3 + 100) / 1000) {
            $0.study("sync")?.state.isTerminal ?? false
        }
        usleep(300_000)
        let checkpoint = try Checkpoint.read(from: Home.checkpoint(in: rig.home, study: "sync", trial: 0).path)
        // The first steps pay for meeting.
        let overheads = checkpoint.history.seconds.dropFirst(3).map { $0 * 1000 - sleep }.sorted()
        guard !overheads.isEmpty else { throw Failure("no steps to measure") }
        let median = overheads[overheads.count / 2]
        let report = Report(
            workers: workers, steps: steps, sleepMs: sleep, delayMs: delay, medianOverheadMs: median, worstOverheadMs: overheads.last ?? 0,
            roundTrips: delay > 0 ? median / delay : nil)
        if output == .json { return try print(encoded(report)) }
        print("\(workers) workers, \(Int(sleep)) ms of sleep a slice, \(Int(delay)) ms of added round trip, \(overheads.count) steps:")
        print(String(format: "  over the sleep: median %.2f ms, worst %.2f ms", median, report.worstOverheadMs))
        if let trips = report.roundTrips { print(String(format: "  that is %.2f round trips", trips)) }
    }
}

func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
