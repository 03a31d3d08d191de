// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Dispatch
import Simulation
import Synchronization

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Runs the coordinator's decisions in virtual time, with faults, and checks its promises.",
        discussion: """
            The very same coordination logic as in a real fleet, between virtual workers, network, disk and clock. After the faults everything \
            has to come to the end that an undisturbed run has. A broken promise is printed with the seed that shows it again, and ends with 1.

            Faults: \(Fault.allCases.map(\.rawValue).joined(separator: ", ")).
            """)

    @Option(help: "The first schedule's seed (default: a new one).") var seed: UInt64?
    @Option(help: "How many schedules, with seeds that count up.") var schedules = 1
    @Option(help: "Workers of the fleet.") var workers: Int?
    @Option(help: "Trials of all studies together.") var trials: Int?
    @Option(help: "Studies.") var studies: Int?
    @Option(help: "Steps of the longest study.") var steps: Int?
    @Option(help: "Faults, separated by commas; all, or none.") var faults = FaultList(faults: Set(Fault.allCases))
    @Flag(help: "Instead of faults, a coordinator that dies before and after each of its writes in turn.") var crashEverywhere = false

    struct FaultList: ExpressibleByArgument {
        let faults: Set<Fault>

        init(faults: Set<Fault>) { self.faults = faults }

        init?(argument: String) {
            if argument == "all" || argument == "none" {
                faults = argument == "all" ? Set(Fault.allCases) : []
                return
            }
            let names = argument.split(separator: ",", omittingEmptySubsequences: false)
            let known = names.compactMap { Fault(rawValue: String($0)) }
            guard known.count == names.count else { return nil }
            faults = Set(known)
        }

        var defaultValueDescription: String { "all" }
    }

    func validate() throws {
        guard schedules > 0, seed.map({ $0 <= UInt64.max - UInt64(schedules) }) ?? true else {
            throw ValidationError("--schedules has to be at least 1, and seeds have to stay below 2^64.")
        }
        for (name, value) in [("workers", workers), ("trials", trials), ("studies", studies), ("steps", steps)] {
            if let value, !(1...10_000_000).contains(value) { throw ValidationError("--\(name) has to be from 1 to 10000000.") }
        }
    }

    func run() throws {
        let first = seed ?? UInt64.random(in: 0..<1 << 48)
        let clock = ContinuousClock()
        let started = clock.now
        let totals = Mutex(Totals())
        let count = schedules
        DispatchQueue.concurrentPerform(iterations: count) { number in
            guard totals.withLock({ $0.failures.isEmpty }) else { return }
            let options = options(seed: first + UInt64(number))
            if crashEverywhere {
                let (report, runs) = Simulator.crashEverywhere(options)
                totals.withLock { $0.add(report, runs: runs) }
            } else {
                var simulator = Simulator(options: options)
                let report = simulator.run()
                totals.withLock { $0.add(report, runs: 1) }
            }
        }
        let total = totals.withLock { $0 }
        let seconds = max(1e-9, (clock.now - started).inSeconds)
        print(total.summary(first: first, seconds: seconds))
        if let failure = total.failures.min(by: { $0.seed < $1.seed }) {
            throw CommandLineError("seed \(failure.seed): \(failure.text)")
        }
    }

    private func options(seed: UInt64) -> SimulationOptions {
        var options = SimulationOptions(seed: seed)
        options.faults = faults.faults
        if let workers { options.workers = workers }
        if let trials { options.trials = trials }
        options.studies = studies ?? (options.trials > 100 ? 10 : options.studies)
        if let steps { options.steps = steps }
        // A large fleet takes longer; faults come all the while.
        options.faulty = .seconds(40 + options.trials / 25)
        return options
    }

    private struct Totals: Sendable {
        var runs = 0
        var events = 0
        var grants = 0
        var slices = 0
        var commits = 0
        var virtual = 0.0
        var faults: [Fault: Int] = [:]
        var failures: [(seed: UInt64, text: String)] = []

        mutating func add(_ report: SimulationReport, runs: Int) {
            self.runs += runs
            events += report.events
            grants += report.grants
            slices += report.slices
            commits += report.commits
            virtual += report.virtualDuration.inSeconds
            faults.merge(report.faults) { $0 + $1 }
            if let failure = report.failure { failures.append((report.seed, failure)) }
        }

        func summary(first: UInt64, seconds: Double) -> String {
            let injected = faults.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.value) \($0.key.rawValue)" }
            return """
                seed \(first): \(runs) \(runs == 1 ? "run" : "runs") in \(formatted(seconds, digits: 2)) s, \
                \(formatted(virtual, digits: 0)) s of virtual time
                \(events) events (\(formatted(Double(events) / seconds, digits: 0)) a second), \(grants) grants, \(slices) slices, \
                \(commits) commits
                faults: \(injected.isEmpty ? "none" : injected.joined(separator: ", "))
                """
        }
    }
}
