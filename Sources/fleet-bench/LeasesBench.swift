// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import ZeroMQ

struct LeasesBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leases", abstract: "How many leases a second a coordinator grants and takes back, each of them durable on disk.",
        discussion: """
            A lease is a segment of one step that computes nothing. The coordinator is a process of its own, the workers have real sockets and \
            answer at once; a result is acknowledged, and the trial's next lease granted, after the ledger on disk has it.
            """)

    @Option(help: "Trials; 10000 at most.") var trials = 200
    @Option(help: "Leases of a trial.") var leases = 100
    @Option(help: "Workers.") var workers = 32
    @Option(help: "Where the ledger is: a folder on the disk to measure.") var folder = FileManager.default.temporaryDirectory.path
    @Option(help: "table or json.") var output = BenchOutput.table

    struct Report: Encodable { let leases: Int, workers: Int, seconds: Double, leasesPerSecond: Double, coordinatorMsPerLease: Double }

    func run() throws {
        let child = try Child(
            ["leases-serve", "--trials", String(trials), "--leases", String(leases), "--folder", folder], environment: [:])
        let endpoint = try Endpoint(try child.value("endpoint"))
        let crew = try BareWorkers(workers, at: endpoint, heartbeat: .seconds(2), answers: true)
        defer { crew.stop() }
        // From the first lease to the last: that workers find their coordinator is another matter.
        let seconds = try child.number("seconds"), count = Int(try child.number("leases")), cpu = try child.number("cpu")
        _ = try child.end()
        let report = Report(
            leases: count, workers: workers, seconds: seconds, leasesPerSecond: Double(count) / seconds,
            coordinatorMsPerLease: cpu / Double(count) * 1000)
        if output == .json { return try print(encoded(report)) }
        print(
            String(
                format: "%d leases in %.2f s: %.0f a second, %d workers; %.2f ms of processor time a lease in the coordinator", count,
                seconds,
                report.leasesPerSecond, workers, report.coordinatorMsPerLease))
    }
}

struct LeasesServe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "leases-serve", shouldDisplay: false)

    @Option var trials: Int
    @Option var leases: Int
    @Option var folder: String

    func run() throws {
        let rig = try FleetRig(home: URL(fileURLWithPath: folder).appendingPathComponent("fleet-bench-\(UUID().uuidString)"))
        let endpoint = try rig.service.start()
        let search =
            trials == 1
            ? "" : "search: {method: random, trials: \(trials), parameters: {training.learning_rate: {uniform: [0.001, 0.1]}}}"
        try rig.submit(FleetRig.study("leases", steps: leases, batch: 1, every: 1, parallel: "trials", search: search))
        Child.say("endpoint", endpoint)
        func done() -> Int { Int(rig.service.status().study("leases")?.stepsDone ?? 0) }
        while done() == 0 { usleep(2000) }
        let (start, before, cpu) = (Date(), done(), Machine.cpuSeconds)
        // Asking costs something too: not too often.
        while done() < trials * leases { usleep(200_000) }
        Child.say("seconds", Date().timeIntervalSince(start))
        Child.say("leases", trials * leases - before)
        Child.say("cpu", Machine.cpuSeconds - cpu)
        Child.waitForEnd(since: cpu)
        rig.service.stop()
    }
}
