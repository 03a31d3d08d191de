// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation

struct LeasesBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leases", abstract: "How many leases a second a coordinator grants and takes back, each of them durable on disk.",
        discussion: "Trials of one step that compute nothing, over real sockets; a result is acknowledged after the ledger has it.")

    @Option(help: "Trials, each of one lease; 10000 at most.") var trials = 10_000
    @Option(help: "Workers.") var workers = 32
    @Option(help: "table or json.") var output = BenchOutput.table

    struct Report: Encodable { let leases: Int, workers: Int, seconds: Double, leasesPerSecond: Double }

    func run() throws {
        let rig = try FleetRig()
        let endpoint = try rig.service.start()
        defer { rig.service.stop() }
        let search = "search: {method: random, trials: \(trials), parameters: {training.learning_rate: {uniform: [0.001, 0.1]}}}"
        try rig.submit(FleetRig.study("leases", steps: 1, batch: 1, every: 1, parallel: "trials", search: search))
        let started = Date()
        let crew = try (1...workers).map { try rig.worker("w\($0)", at: endpoint, IdleTrainer(vectors: 1, width: 8)) }
        defer { for worker in crew { worker.stop() } }
        var first: (at: Date, done: Int)?
        try rig.wait("the study ends", seconds: 600) { status in
            let done = status.study("leases")?.counts.complete ?? 0
            if done > 0, first == nil { first = (Date(), done) }
            return done >= trials
        }
        let since = first ?? (started, 0)
        let seconds = Date().timeIntervalSince(since.at)
        let report = Report(
            leases: trials - since.done, workers: workers, seconds: seconds, leasesPerSecond: Double(trials - since.done) / seconds)
        if output == .json { return try print(encoded(report)) }
        print(String(format: "%d leases in %.2f s: %.0f a second, %d workers", report.leases, seconds, report.leasesPerSecond, workers))
    }
}
